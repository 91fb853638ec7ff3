"""DOT, as the drawing has it, for Graphviz and what reads its language."""

from __future__ import annotations

from mgraph.document.wiring import Wiring
from mgraph.drawing.dot_text import draw


def write(wiring: Wiring) -> bytes:
    """The picture's text, of the recorded numbers, however many boxes it has."""
    source: str = draw(wiring, wiring.data, wiring.grad, force=True).source
    return source.encode()
