"""What a difference between two graphs says."""

from __future__ import annotations

from mgraph.checking.diff import Cause, Diff, Move, Said
from mgraph.document.spelling import number
from mgraph.errors import printable
from mgraph.showing.blocks import Block, Column, Entry, Styled, Table

SOME = 20
"""Entries of a list at most."""


def diff(found: Diff) -> list[Block]:
    """The verdict, the causes, the numbers that moved, and the notes."""
    return [
        Styled(found.verdict, "good" if found.same else "bad"),
        *_listed("causes", [_cause(each) for each in found.causes]),
        *_moves("moved", found.moved),
        *_moves("unexplained", found.unexplained),
        *_listed("notes", _notes(found)),
    ]


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


def _listed(head: str, texts: list[str]) -> list[Block]:
    more = [f"… and {len(texts) - SOME:,} more"] if len(texts) > SOME else []
    return [Entry(head * (k == 0), text) for k, text in enumerate(texts[:SOME] + more)]


def _moves(head: str, moves: list[Move]) -> list[Block]:
    """Node, field, from, to, difference and distance."""
    shown = moves[:SOME]
    columns = [
        Column(head, [printable(move.node) for move in shown], "text"),
        Column("", [move.field for move in shown], "note"),
        Column("from", [move.before for move in shown]),
        Column("to", [move.after for move in shown]),
        Column("difference", [f"{move.difference:+.3g}" for move in shown], "note"),
        Column("ulp", [_ulps(move.ulps) for move in shown], "note"),
    ]
    return [Table(columns, f"… and {len(moves) - SOME:,} more" * (len(moves) > SOME))] if moves else []


def _ulps(distance: int) -> str:
    """A distance in few columns."""
    return "NaN" if distance >= 2**64 else f"{distance:,}" if distance < 10**6 else f"{distance:.1e}"
