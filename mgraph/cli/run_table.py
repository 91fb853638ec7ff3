"""A run as text for a terminal: an aligned table of 80 columns, or of the terminal's width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mgraph.arithmetic.ops import LEAVES
from mgraph.cli.terminal import cells, cut
from mgraph.document.model import Node
from mgraph.document.spelling import expression, number, title
from mgraph.document.wiring import Wiring

ROWS = 40
"""Rows of a table at the most, unless all are asked for."""


def table(
    wiring: Wiring, data: Mapping[str, float], grad: Mapping[str, float], width: int, full: bool, everything: bool
) -> list[str]:
    """The lines: name, op with its operands, data, grad.

    Numbers are in full where that fits the width (or with ``full``), else rounded to what fits. Of more than 40
    nodes the leaves and outputs are shown, at most 20 of each, unless ``everything``; a line says how many are not.
    """
    nodes = wiring.nodes if everything else _chosen(wiring)
    names = [title(node) for node in nodes]
    texts = [expression(node) for node in nodes]
    columns = [["name", *names], ["op", *texts]]
    for digits in (None,) if full else (None, 15, 12, 10, 8, 6, 4):
        numbers = [
            [head, *(number(column.get(node["id"]), digits) for node in nodes)]
            for head, column in (("data", data), ("grad", grad))
            if column
        ]
        taken = sum(max(map(len, column)) + 2 for column in numbers)
        if full or _width(columns[0]) + 2 + _width(columns[1]) + taken <= width:
            break
    if not full:
        columns = _shortened(columns, max(20, width - taken))
    rows = zip(
        *(_aligned(column, "<") for column in columns), *(_aligned(column, ">") for column in numbers), strict=True
    )
    lines = ["  ".join(row).rstrip() for row in rows]
    hidden = len(wiring) - len(nodes)
    if hidden:
        lines.append(f"… {hidden:,} of {len(wiring):,} rows are hidden; --all shows them")
    return lines


def _chosen(wiring: Wiring) -> Sequence[Node]:
    if len(wiring) <= ROWS:
        return wiring.nodes
    outputs = wiring.outputs[: ROWS // 2]
    leaves = [node["id"] for node in wiring.nodes if node["op"] in LEAVES and node["id"] not in outputs]
    keep = {*leaves[: ROWS // 2], *outputs}
    return [node for node in wiring.nodes if node["id"] in keep]


def _shortened(columns: list[list[str]], room: int) -> list[list[str]]:
    """Cut names and expressions so that together they take ``room`` columns, the wider one first."""
    widths = [_width(column) for column in columns]
    if sum(widths) + 2 <= room:
        return columns
    first = max(room // 2 - 1, room - 2 - widths[1])
    limits = [min(widths[0], first), 0]
    limits[1] = room - 2 - limits[0]
    return [[cut(text, limit) for text in column] for column, limit in zip(columns, limits, strict=True)]


def _aligned(column: list[str], side: str) -> list[str]:
    width = _width(column)
    pad = [" " * (width - cells(text)) for text in column]
    return [text + p if side == "<" else p + text for text, p in zip(column, pad, strict=True)]


def _width(column: list[str]) -> int:
    return max(map(cells, column))
