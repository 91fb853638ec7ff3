"""How a difference between two graphs reads: lines for a terminal, and JSON for a program."""

from __future__ import annotations

from typing import Any

from mgraph.checking.diff import Cause, Diff, Move, Said
from mgraph.cli.terminal import Line, Styled, cells, cut
from mgraph.document.model import number as json_number
from mgraph.document.spelling import number
from mgraph.errors import printable

SOME = 20
"""Entries of a list at the most."""


def lines(diff: Diff, width: int = 80) -> list[Line]:
    """The verdict, the causes, the numbers that moved, and the notes."""
    verdict = Styled("same", "good") if diff.same else Styled(cut(f"different: {_counts(diff)}", width), "bad")
    found: list[Line] = [verdict]
    found += [cut(line, width) for line in _listed("causes", [_cause(each) for each in diff.causes])]
    found += _table("moved", diff.moved, width) + _table("unexplained", diff.unexplained, width)
    return found + [cut(line, width) for line in _listed("notes", _notes(diff))]


def as_json(diff: Diff) -> dict[str, Any]:
    """The same as JSON; NaN and infinities are the format's strings, a distance of 2**53 stands for any larger one."""
    return {
        "same": diff.same,
        "causes": [
            {
                "kind": each.kind,
                "node": each.node,
                "position": each.position,
                "before": _json(each.before),
                "after": _json(each.after),
            }
            for each in diff.causes
        ],
        "moved": [_move(each) for each in diff.moved],
        "unexplained": [_move(each) for each in diff.unexplained],
        "renamed": [list(pair) for pair in diff.renamed],
        "reordered": diff.reordered,
        "texts": diff.texts,
    }


def _json(said: Said) -> Any:
    return json_number(said) if isinstance(said, float) else list(said) if isinstance(said, tuple) else said


def _move(move: Move) -> dict[str, Any]:
    return {
        "node": move.node,
        "field": move.field,
        "before": json_number(move.before),
        "after": json_number(move.after),
        "difference": json_number(move.difference),
        "ulps": min(move.ulps, 2**53),
    }


def _counts(diff: Diff) -> str:
    counts = (
        (diff.causes, "cause", ""),
        (diff.moved, "number", " moved"),
        (diff.unexplained, "number", " unexplained"),
    )
    return ", ".join(f"{len(some):,} {what}{'s' * (len(some) > 1)}{more}" for some, what, more in counts if some)


def _cause(cause: Cause) -> str:
    name = "" if cause.node is None else f"{printable(cause.node)}: "
    change = f"{_said(cause.before)} → {_said(cause.after)}"
    match cause.kind:
        case "added":
            return f"{name}added, {cause.after}"
        case "removed":
            return f"{name}removed, {cause.before}"
        case "operand":
            return f"{name}operand {(cause.position or 0) + 1} {change}"
        case "leaf":
            return f"{name}{change}"
        case "tolerance":
            return f"tolerance {change} ulp"
        case kind:
            return f"{name}{kind} {change}"


def _said(said: Said) -> str:
    if isinstance(said, str | tuple):
        return ", ".join(printable(name) for name in ([said] if isinstance(said, str) else said))
    return "none" if said is None else number(said)


def _notes(diff: Diff) -> list[str]:
    notes = []
    if diff.renamed:
        some = ", ".join(f"{printable(x)} → {printable(y)}" for x, y in diff.renamed[:4])
        notes.append(f"{len(diff.renamed):,} renamed: {some}{', …' * (len(diff.renamed) > 4)}")
    if diff.reordered:
        notes.append("listed in another order")
    for what, count in diff.texts.items():
        notes.append(f"another {what}" if what in ("title", "meta") else f"{count:,} {what}{'s' * (count > 1)} changed")
    return notes


def _listed(head: str, entries: list[str]) -> list[str]:
    shown = entries[:SOME]
    if len(entries) > SOME:
        shown.append(f"… and {len(entries) - SOME:,} more")
    return [f"{head if k == 0 else '':<9}{entry}" for k, entry in enumerate(shown)]


def _table(head: str, moves: list[Move], width: int) -> list[Line]:
    """Node, field, from, to, difference and distance; numbers in full where that fits, else rounded to what fits."""
    if not moves:
        return []
    shown = moves[:SOME]
    names = [head, *(printable(move.node) for move in shown)]
    for digits in (None, 15, 12, 10, 8, 6, 4):
        columns = [
            ["", *(move.field for move in shown)],
            ["from", *(number(move.before, digits) for move in shown)],
            ["to", *(number(move.after, digits) for move in shown)],
            ["difference", *(f"{move.difference:+.3g}" for move in shown)],
            ["ulp", *(_ulps(move.ulps) for move in shown)],
        ]
        widths = [max(map(len, column)) for column in columns]
        room = width - sum(widths) - 2 * len(widths)
        if max(map(cells, names)) <= room:
            break
    names = [cut(name, max(room, len(head))) for name in names]
    longest = max(map(cells, names))
    rows = [
        "  ".join([name + " " * (longest - cells(name)), *map(str.rjust, row, widths)])
        for name, row in zip(names, zip(*columns, strict=True), strict=True)
    ]
    more = [f"… and {len(moves) - SOME:,} more"] if len(moves) > SOME else []
    return [Styled(rows[0], "head"), *rows[1:], *more]


def _ulps(distance: int) -> str:
    """A distance in few columns."""
    return "NaN" if distance >= 2**64 else f"{distance:,}" if distance < 10**6 else f"{distance:.1e}"
