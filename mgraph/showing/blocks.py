"""What a result says, before it is text or HTML: lines, entries under a heading, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Styled:
    """A text and what it is: ``title``, ``head``, ``good``, ``bad`` or ``notice``."""

    text: str
    style: str


Line = str | Styled | list[str | Styled]


@dataclass(frozen=True)
class Entry:
    """A line with its heading, which is empty if it is that of the entry above."""

    head: str
    text: str
    whole: bool = False
    """Whether it must not be cut where there is little room."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    head: str
    cells: Sequence[str | float | None]
    """One a row: texts, or numbers with None where there is none."""
    kind: Literal["text", "number", "note"] = "number"
    """Texts may be cut and numbers rounded where there is little room; notes stay as they are."""
    signed: bool = False
    """Whether the sign of its numbers is worth a colour, as that of gradients is."""


@dataclass(frozen=True)
class Table:
    """Columns of one length, texts first."""

    columns: list[Column]
    hidden: str = ""
    """What is not shown, and how to see it."""


Block = Line | Entry | Table
