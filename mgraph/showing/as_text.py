"""Blocks as lines of text that fit a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mgraph.errors import printable
from mgraph.showing.blocks import Block, Column, Entry, Line, Styled, Table

WIDTH = 80
"""Columns to fit where there is no terminal to ask."""
INDENT = 9
"""Columns of an entry's heading."""
HEAD = 10
"""Columns that the head of a column of numbers has at the least."""
LEAST = 20
"""Columns that a table's texts have at the least."""
DIGITS = (None, 15, 12, 10, 8, 6, 4)
"""Significant digits to try until a table fits; None is all of them."""


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


def cut(text: str, limit: int, end: bool = False) -> str:
    """The text in at most ``limit`` columns, with an ellipsis where it was cut: behind, or in front to keep its end."""
    if cells(text) <= limit:
        return text
    if end:
        return cut(text[::-1], limit)[::-1]
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
    texts = [[column.head, *map(str, column.cells)] for column in table.columns if column.textual]
    others = [column for column in table.columns if not column.textual]
    room = sum(map(_width, texts)) + 2 * (len(texts) - 1)
    numbers = spelled(others, None if full else width - room)
    if not full:
        numbers = [[cut(head, max(HEAD, *map(len, rest)), end=True), *rest] for head, *rest in numbers]
        fitting = _fitting(others, numbers, width - min(LEAST, room))
        numbers = numbers[:fitting]
        texts = _shortened(texts, max(LEAST, width - _taken(numbers)), end=table.columns[0].kind == "path")
    columns = [_aligned(column, "<") for column in texts] + [_aligned(column, ">") for column in numbers]
    head, *rows = ("  ".join(row).rstrip() for row in zip(*columns, strict=True))
    yield Styled(head, "head")
    yield from rows
    if len(numbers) < len(others):
        yield f"… {len(others) - len(numbers):,} of {len(others):,} columns do not fit; {table.how}"
    if table.hidden:
        yield table.hidden


def spelled(columns: Sequence[Column], room: int | None) -> list[list[str]]:
    """Columns of numbers and notes as texts, each with its head: in full, or with as many digits as fit ``room``."""
    from mgraph.document.spelling import number  # `mgraph --help` does not wait for it

    found: list[list[str]] = []
    for digits in DIGITS if room is not None else DIGITS[:1]:
        found = [
            [column.head, *(each if isinstance(each, str) else number(each, digits) for each in column.cells)]
            for column in columns
        ]
        if room is None or _taken(found) <= room:
            break
    return found


def _fitting(columns: Sequence[Column], texts: list[list[str]], room: int) -> int:
    """How many columns to keep for them to fit: numbers are left out from the right, but the first."""
    count = len(texts)
    while count > 1 and columns[count - 1].kind == "number" and _taken(texts[:count]) > room:
        count -= 1
    return count


def _taken(columns: list[list[str]]) -> int:
    return sum(_width(column) + 2 for column in columns)


def _shortened(columns: list[list[str]], room: int, end: bool) -> list[list[str]]:
    """Cut one or two columns of texts so that together they take ``room``, the wider one first."""
    widths = [_width(column) for column in columns]
    if sum(widths) + 2 * (len(columns) - 1) <= room:
        return columns
    if len(columns) == 1:
        return [[cut(text, room, end) for text in columns[0]]]
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
