"""Derivatives as the matrix that they are: a gradient, a Jacobian or a Hessian, whose document says which one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mgraph.document.wiring import Wiring
from mgraph.errors import printable
from mgraph.showing.blocks import Column, How, Table

SIDE = 40
"""Rows and columns of a matrix at most, unless all are asked for."""


class _Told(NamedTuple):
    """What a document's meta says of its outputs."""

    order: object
    of: list[str]
    wrt: list[str]


def matrix(wiring: Wiring, data: Mapping[str, float], everything: bool, how: How) -> Table | None:
    """The outputs of a graph of derivatives as a matrix; None for another graph, or if one has no number.

    Of a gradient each row is what it is with respect to; of a Jacobian, what is differentiated.
    """
    told = _told(wiring)
    if told is None or not all(name in data for name in wiring.outputs):
        return None
    numbers = iter([data[name] for name in wiring.outputs])
    if told.order == 2:
        corner, rows, heads, cells = "wrt", told.wrt, told.wrt, _symmetric(numbers, len(told.wrt))
    elif len(told.of) == 1:
        corner, rows, heads, cells = "wrt", told.wrt, told.of, [[x] for x in numbers]
    else:
        corner, rows, heads = "of", told.of, told.wrt
        cells = [[next(numbers) for _ in heads] for _ in rows]
    side = max(len(rows), len(heads)) if everything else SIDE
    columns = [Column(corner, [printable(name) for name in rows[:side]], "path")]
    columns += [
        Column(printable(name), [row[k] for row in cells[:side]], signed=True) for k, name in enumerate(heads[:side])
    ]
    left = [
        f"{len(names) - side:,} of {len(names):,} {what}"
        for names, what in ((rows, "rows"), (heads, "columns"))
        if len(names) > side
    ]
    rest = f"… {' and '.join(left)} are hidden; {how.rows}" if left else ""
    return Table(columns, rest, how.columns)


def _symmetric(triangle: Iterator[float], size: int) -> list[list[float]]:
    """The matrix whose upper triangle is given row by row."""
    cells = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i, size):
            cells[i][j] = cells[j][i] = next(triangle)
    return cells


def _told(wiring: Wiring) -> _Told | None:
    """What the meta says, if it says so well, and the outputs are still as many."""
    found = wiring.document.get("meta", {}).get("derivative")
    if not isinstance(found, dict) or not _names(found.get("of")) or not _names(found.get("wrt")):
        return None
    told = _Told(found.get("order"), found["of"], found["wrt"])
    wrt = len(told.wrt)
    if told.order == 2 and len(told.of) == 1:
        size = wrt * (wrt + 1) // 2
    else:
        size = len(told.of) * wrt if told.order == 1 else 0
    return told if size == len(wiring.outputs) else None


def _names(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(each, str) for each in found)
