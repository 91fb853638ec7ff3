"""What ``find`` returns: documents, which a notebook's cell shows as a table."""

from __future__ import annotations

from typing import Any, NamedTuple

from mgraph import seams


class Hit(NamedTuple):
    """A document that was found."""

    document: int
    digest: str
    """``sha256:`` and 64 hexadecimal digits."""
    name: str
    """The name that holds it; of several the one given last."""
    number: int
    title: str
    nodes: int
    at: str
    """When it was kept under that name, in UTC."""
    score: float
    """How well it fits, where the query ranks; else 0."""


class Hits(list[Hit]):
    """The documents that were found. ``print`` and a notebook's cell show them as a table."""

    def __str__(self) -> str:
        return seams.text(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        return seams.display(self)
