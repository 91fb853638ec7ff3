"""What a result says, before it is text or HTML: lines, entries under a heading, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple


class Styled(NamedTuple):
    """A text and what it is: ``title``, ``head``, ``good``, ``bad`` or ``notice``."""

    text: str
    style: str


Line = str | Styled | list[str | Styled]


class Entry(NamedTuple):
    """A line with its heading, which is empty if it is that of the entry above."""

    head: str
    text: str
    whole: bool = False
    """Whether it must not be cut where there is little room."""


class Column(NamedTuple):
    """A column of a table."""

    head: str
    cells: Sequence[str | float | None]
    """One a row: texts, or numbers with None where there is none."""
    kind: Literal["text", "path", "number", "note"] = "number"
    """Where there is little room texts may be cut, paths in front, and numbers rounded; notes stay as they are."""
    signed: bool = False
    """Whether the sign of its numbers is worth a colour, as that of gradients is."""

    @property
    def textual(self) -> bool:
        """Whether its cells are texts for people, or else figures to stand below one another."""
        return self.kind in ("text", "path")


class Picture(NamedTuple):
    """A picture in a table: SVG that mgraph made, which is not escaped."""

    svg: str


class Table(NamedTuple):
    """Columns of one length, texts first."""

    columns: list[Column]
    hidden: str = ""
    """Which rows are not shown, and how to see them."""
    how: str = "--full shows them"
    """How to see columns that do not fit."""
    pictures: Sequence[Picture | str] = ()
    """A last column that HTML alone shows: one picture a row, or words in its place."""


Block = Line | Entry | Table


class How(NamedTuple):
    """How to see what a table leaves out."""

    rows: str
    columns: str


PYTHON = How("run.data and run.grad have them", "run.outputs has them")
COMMAND = How("--all shows them", "--full shows them")
