"""What a notebook's cell shows of a value, or of a run: its graph, drawn, and the document."""

from __future__ import annotations

from functools import partial
from typing import Any

from mgraph.api import record
from mgraph.document.model import copied
from mgraph.drawing import display
from mgraph.drawing.dot_text import draw
from mgraph.recording.value import Value, topological_order
from mgraph.replaying.run import Run, recorded

SHORTEST_NODE = 40
"""Bytes of a node in a document at the least."""


def content(shown: Value | Run) -> dict[str, Any]:
    """The content of the cell, by MIME type; of a value with a very large graph, only a note."""
    if isinstance(shown, Run):
        outputs = ", ".join(f"{name} = {x!r}" for name, x in list(shown.outputs.items())[:4])
        document = copied(recorded(shown))  # it shares operands and meta with the graph
        drawn = partial(draw, shown._shown(), shown.data, shown.grad)
        return display.bundle(document, lambda: display.for_cell(drawn), f"<Run {outputs}>")
    size = SHORTEST_NODE * len(topological_order((shown,)))
    if size > display.limit:
        return {"text/plain": f"{shown!r}\n{display.left_out(f'over {size:,}')}"}
    graph = record(shown)
    return display.bundle(graph.document, lambda: display.for_cell(graph.draw), repr(shown))
