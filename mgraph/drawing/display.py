"""A picture to be laid out, with the document that it shows: as a file's bytes, and as what a notebook's cell holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphviz

from mgraph.document import model as _document
from mgraph.document.model import Document
from mgraph.drawing import graphviz_program
from mgraph.errors import DrawError
from mgraph.files import notebook, png, svg

limit = 2_000_000
"""The largest document that a notebook's cell holds, in bytes. Set ``mgraph.drawing.display.limit`` to change
it."""


class Drawing(graphviz.Digraph):  # type: ignore[misc]  # graphviz ships no types
    """A graphviz ``Digraph`` that knows which document it draws, and shows itself, with it, in a notebook."""

    __module__ = "mgraph"

    document: Document | None = None
    """What is drawn; None for a picture that carries no document."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        if self.document is None:
            return {"image/svg+xml": picture(self, "svg", embed=False).decode()}
        return bundle(self.document, lambda: self, repr(self))


def picture(drawing: graphviz.Digraph, kind: str, timeout: float = 120.0, embed: bool = True) -> bytes:
    """The picture as svg, png, pdf or dot; with ``embed``, an SVG or PNG carries the document. Raises DrawError."""
    boxes = sum("shape=record" in line or "shape=box3d" in line for line in drawing.body)
    drawn: bytes = graphviz_program.picture(drawing.source, kind, boxes, timeout)
    document = getattr(drawing, "document", None)
    if not embed or document is None or kind not in ("svg", "png"):
        return drawn
    carried = _document.dump(document)
    return svg.embed(drawn, carried) if kind == "svg" else png.embed(drawn, carried)


def bundle(document: Document, draw: Callable[[], Drawing], text: str) -> dict[str, Any]:
    """What a notebook's cell holds of a graph, by MIME type: its picture, a line of text, and the document.

    Without a program to draw, or for too many boxes, there is no picture; of a document over :data:`limit` bytes
    there is a note that it was left out.
    """
    found: dict[str, Any] = {}
    try:
        found["image/svg+xml"] = picture(draw(), "svg", timeout=20.0, embed=False).decode()
    except DrawError as error:
        text += f"\n(no picture: {error})"
    raw = _document.dump(document)
    if len(raw) <= limit:
        found[notebook.MIME] = notebook.embed(document, raw)
    else:
        text += "\n" + left_out(f"{len(raw):,}")
        if "image/svg+xml" in found:  # a notebook shows the richest type only: the note must be in it
            found["text/html"] = f"{found['image/svg+xml']}<p>{left_out(f'{len(raw):,}')}</p>"
    return {**found, "text/plain": text}


def left_out(size: str) -> str:
    """The note in place of a document that a notebook does not hold."""
    return (
        f"(The document has {size} bytes, more than {limit:,}, and is not in this notebook:"
        " mgraph.save(it, 'graph.json') keeps it.)"
    )
