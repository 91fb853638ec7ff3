"""DOT, as the drawing has it, for Graphviz and what reads its language."""

from __future__ import annotations

from mgraph.document.wiring import Wiring
from mgraph.drawing.dot_text import draw


def write(wiring: Wiring) -> bytes:
    """The picture's text, of the recorded numbers, however many boxes it has."""
    data = {node["id"]: float(node["data"]) for node in wiring.nodes if "data" in node}
    grad = {node["id"]: float(node["grad"]) for node in wiring.nodes if "grad" in node}
    source: str = draw(wiring, data, grad, force=True).source
    return source.encode()
