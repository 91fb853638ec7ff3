"""What ``find`` returns: documents, which a notebook's cell shows as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from mgraph import seams

if TYPE_CHECKING:
    from mgraph.graph import Graph


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
    """The documents that were found. ``print`` shows them as a table, a notebook's cell with small pictures."""

    def __init__(self, found: Iterable[Hit], get: Callable[[str], Graph]) -> None:
        super().__init__(found)
        self._get = get  # the graph of a digest

    def __str__(self) -> str:
        return seams.text(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        return seams.display(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))  # else IPython writes a list as a list, whatever the bundle says
