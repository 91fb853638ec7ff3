"""What a notebook's cell shows of a value, or of a run: its graph, drawn, and the document."""

from __future__ import annotations

from typing import Any

from mgraph import drawing
from mgraph.api import record
from mgraph.recording.value import Value, topological_order
from mgraph.render import draw
from mgraph.replaying.run import Run, recorded

SHORTEST_NODE = 40
"""Bytes of a node in a document at the least."""


def display(shown: Value | Run) -> dict[str, Any]:
    """The content of the cell, by MIME type; of a value with a very large graph, only a note."""
    if isinstance(shown, Run):
        outputs = ", ".join(f"{name} = {x!r}" for name, x in list(shown.outputs.items())[:4])
        return drawing.bundle(recorded(shown), lambda: draw(shown.shown(), shown.data, shown.grad), f"<Run {outputs}>")
    size = SHORTEST_NODE * len(topological_order((shown,)))
    if size > drawing.limit:
        return {"text/plain": f"{shown!r}\n{drawing.left_out(f'over {size:,}')}"}
    graph = record(shown)
    return drawing.bundle(graph.document, graph.draw, repr(shown))
