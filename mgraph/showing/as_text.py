"""Blocks as lines of text that fit a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mgraph.errors import printable
from mgraph.showing.blocks import Block, Column, Entry, Line, Styled, Table

WIDTH = 80
"""Columns to fit where there is no terminal to ask."""
INDENT = 9
"""Columns of an entry's heading."""
LEAST = 20
"""Columns that a table's texts have at the least."""
DIGITS = (None, 15, 12, 10, 8, 6, 4)
"""Significant digits to try until a table fits; None is all."""


def lines(blocks: Iterable[Block], width: int = WIDTH, full: bool = False) -> list[Line]:
    """The lines. Tables fit the width, unless they are to be in full; so do entries that are not whole."""
    found: list[Line] = []
    for block in blocks:
        if isinstance(block, Table):
            found += _table(block, width, full)
        elif isinstance(block, Entry):
            line = f"{block.head:<{INDENT}}{block.text}"
            found.append(line if block.whole else cut(line, width))
        else:
            found.append(block)
    return found


def plain(line: Line) -> str:
    """The characters of a line, on one line and without colour."""
    pieces = line if isinstance(line, list) else [line]
    return "".join(printable(each.text if isinstance(each, Styled) else each) for each in pieces)


def cut(text: str, limit: int) -> str:
    """The text in at most ``limit`` columns, with an ellipsis where it was cut."""
    if cells(text) <= limit:
        return text
    kept, taken = 0, 0
    for c in text:
        taken += cells(c)
        if taken > limit - 1:
            break
        kept += 1
    return text[:kept] + "…"


def cells(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return wcswidth(text)


def _table(table: Table, width: int, full: bool) -> Iterator[Line]:
    """Numbers are in full where that fits the width, else rounded to what fits; what is still too wide is cut."""
    texts = [[column.head, *map(str, column.cells)] for column in table.columns if column.kind == "text"]
    others = [column for column in table.columns if column.kind != "text"]
    room = sum(map(_width, texts)) + 2 * (len(texts) - 1)
    for digits in DIGITS[:1] if full else DIGITS:
        numbers = [_spelled(column, digits) for column in others]
        taken = sum(_width(column) + 2 for column in numbers)
        if full or room + taken <= width:
            break
    if not full:
        while min(LEAST, room) + taken > width and len(numbers) > 1 and others[len(numbers) - 1].kind == "number":
            taken -= _width(numbers.pop()) + 2
        texts = _shortened(texts, max(LEAST, width - taken))
    columns = [_aligned(column, "<") for column in texts] + [_aligned(column, ">") for column in numbers]
    head, *rows = ("  ".join(row).rstrip() for row in zip(*columns, strict=True))
    yield Styled(head, "head")
    yield from rows
    if len(numbers) < len(others):
        yield f"… {len(others) - len(numbers):,} of {len(others):,} columns do not fit; --full shows them"
    if table.hidden:
        yield table.hidden


def _spelled(column: Column, digits: int | None) -> list[str]:
    from mgraph.document.spelling import number  # `mgraph --help` does not wait for it

    found = [each if isinstance(each, str) else number(each, digits) for each in column.cells]
    return [cut(column.head, max(10, *map(len, found))) if digits else column.head, *found]


def _shortened(columns: list[list[str]], room: int) -> list[list[str]]:
    """Cut one or two columns of texts so that together they take ``room``, the wider one first."""
    widths = [_width(column) for column in columns]
    if sum(widths) + 2 * (len(columns) - 1) <= room:
        return columns
    if len(columns) == 1:
        return [[cut(text, room) for text in columns[0]]]
    first = max(room // 2 - 1, room - 2 - widths[1])
    limits = [min(widths[0], first), 0]
    limits[1] = room - 2 - limits[0]
    return [[cut(text, limit) for text in column] for column, limit in zip(columns, limits, strict=True)]


def _aligned(column: Sequence[str], side: str) -> list[str]:
    width = _width(column)
    pad = [" " * (width - cells(text)) for text in column]
    return [text + p if side == "<" else p + text for text, p in zip(column, pad, strict=True)]


def _width(column: Sequence[str]) -> int:
    return max(map(cells, column))
