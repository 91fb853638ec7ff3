"""Scopes: the path under which values are recorded, such as ``mlp/layer0/neuron3``, and which network's it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_scope: ContextVar[str | None] = ContextVar("scope", default=None)
current = _scope.get
"""The path of scopes in which values are made now, or None."""


class Own(str):
    """A path of scopes inside a network, which another network of the same name does not share."""

    __slots__ = ("network",)

    network: str
    """The path of the network itself: one object for all of its paths."""


@contextmanager
def scope(name: str, *, absolute: bool = False) -> Iterator[str]:
    """Record the values made inside under ``name``; scopes nest, as in ``mlp/layer0``.

    With ``absolute`` the name is the whole path. Raises ValueError for an empty name.
    """
    _refuse_empty(name)
    outer = current()
    path = name
    if outer is not None and not absolute:
        path = owned(name) if isinstance(outer, Own) else f"{outer}/{name}"
    token = _scope.set(path)
    try:
        yield path
    finally:
        _scope.reset(token)


def owned(name: str) -> str:
    """The path of a scope called ``name`` here, as that of a network, or of a part of the network that it is in.

    Raises ValueError for an empty name.
    """
    _refuse_empty(name)
    outer = current()
    path = Own(name if outer is None else f"{outer}/{name}")
    path.network = outer.network if isinstance(outer, Own) else path
    return path


def _refuse_empty(name: str) -> None:
    if not name:
        raise ValueError("a scope needs a name")


def told_apart(paths: Sequence[str | None]) -> list[str | None]:
    """The paths as a document has them: a second network called ``mlp`` has its own under ``mlp2``, and so on.

    The networks are counted as they come, so that a name depends on nothing but what is recorded.
    """
    shared = {path for path in paths if not isinstance(path, Own)}
    networks: dict[int, str] = {}
    spelled: dict[int, str] = {}
    for path in paths:
        if isinstance(path, Own) and id(path) not in spelled:
            network = path.network
            if id(network) not in networks:
                networks[id(network)] = _free(str(network), {*networks.values()}, shared)
            spelled[id(path)] = networks[id(network)] + path[len(network) :]
    return [spelled.get(id(path), path) for path in paths]


def _free(name: str, taken: set[str], shared: set[str | None]) -> str:
    found, count = name, 1
    while found in taken or (count > 1 and found in shared):
        count += 1
        found = f"{name}{count}"
    return found
