"""A difference between two graphs as JSON, for a program."""

from __future__ import annotations

from typing import Any

from mgraph.checking.diff import Diff, Move, Said
from mgraph.document.model import number as json_number


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
