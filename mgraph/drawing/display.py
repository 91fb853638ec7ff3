"""A picture to be laid out, with the document that it shows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import graphviz

from mgraph import seams
from mgraph.document import model as _document
from mgraph.document.model import Document
from mgraph.drawing import graphviz_program
from mgraph.drawing.labels import plain, quoted
from mgraph.errors import DrawError
from mgraph.files import atomic, png, svg

limit = 2_000_000
"""The largest document that a notebook's cell holds, in bytes. Set ``mgraph.drawing.display.limit`` to change
it."""
PATIENCE = 20.0
"""Seconds that a picture for a cell may take."""
CELL = 868
"""Pixels that a cell of JupyterLab is wide, on a screen of 1,280."""
POINT = 96 / 72
"""Pixels."""
SMALL = 400, 150
"""Pixels that a picture in a table is wide and high at most."""
FACES = b'font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,Courier,monospace"'
"""Monospaced faces, one of which each system has; none is wider than the Courier that boxes are measured for."""


class Drawing(graphviz.Digraph):  # type: ignore[misc]  # graphviz ships no types
    """A graphviz ``Digraph`` that knows which document it draws, and shows itself, with it, in a notebook."""

    __module__ = "mgraph"

    document: Document | None = None
    """What is drawn; None for a picture that carries no document."""
    title = ""
    """The picture's name: the document's title, else its outputs."""
    description = ""
    """A sentence for those who do not see the picture."""
    boxes = 0
    """How many boxes there are."""
    folded = 0
    """How many of them are collapsed scopes."""

    def __repr__(self) -> str:
        return f"<Drawing {self.title!r}, {self.boxes:,} box{'es' * (self.boxes != 1)}>"

    def to_bytes(self, path: str | os.PathLike[str], timeout: float = 120.0, embed: bool = True) -> bytes:
        """The picture as what the path's ending names, .svg, .png, .pdf or .dot; with ``embed``, an SVG or PNG carries
        the document. ``timeout`` is in seconds. Raises DrawError."""
        suffix = Path(os.fspath(path)).suffix[1:].lower()
        kind = "dot" if suffix == "gv" else suffix
        if kind not in graphviz_program.FORMATS:
            raise DrawError(f"{atomic.display(path)}: a picture's name ends in .svg, .png, .pdf or .dot")
        if kind == "svg":
            return self.svg(timeout, embed)
        drawn = graphviz_program.laid_out(self.source, kind, self.boxes, timeout)
        return carrying(drawn, kind, self.document) if embed and self.document else drawn

    def svg(self, timeout: float, embed: bool) -> bytes:
        """The picture as SVG; see :meth:`to_bytes`."""
        drawn = graphviz_program.laid_out(self.source, "svg", self.boxes, timeout)
        if embed and self.document:
            drawn = carrying(drawn, "svg", self.document)
        return _named(drawn, self.title, self.description)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        return seams.display(self)


def _named(picture: bytes, title: str, description: str) -> bytes:
    """An SVG with a name and a description that a screen reader reads out, in place of Graphviz's own."""
    name, words = (escape(plain(text)).encode() for text in (title, description))
    picture = re.sub(rb"<title>[^<]*</title>\n|<!-- [^\n]* -->\n", b"", picture)  # names such as n12: for nobody
    picture = picture.replace(b'font-family="Courier,monospace"', FACES)
    picture = picture.replace(b"<svg ", b'<svg role="img" aria-label="%b" ' % name, 1)
    start = picture.index(b">", picture.index(b"<svg")) + 1
    return picture[:start] + b"\n<title>%b</title>\n<desc>%b</desc>" % (name, words) + picture[start:]


def for_cell(draw: Callable[..., Drawing]) -> bytes:
    """The SVG that a cell shows of its own accord: of 150 boxes at most, and no wider than the cell if that can be.

    ``draw`` takes the options of :func:`mgraph.drawing.dot_text.draw`. Left to right comes first, the compact style
    second, and top to bottom last, where only that fits. Raises DrawError.
    """
    compact = {"style": "compact", "collapse": "fit"}
    found: dict[str, bytes] = {}
    for options in ({"collapse": "fit"}, compact, {**compact, "direction": "TB"}):
        drawing = draw(**options)
        if drawing.folded:
            how = "draw(collapse=N) opens scopes to level N, slice(['NAME']).draw() shows a part."
            note = f"{drawing.description.split(';')[0]} in {drawing.boxes} boxes. {how}"
            drawing.attr(label=quoted(note), labelloc="b", labeljust="l", fontsize="10")
        if drawing.source not in found and not (drawing.folded and found):
            found[drawing.source] = shown = drawing.svg(PATIENCE, embed=False)
            if _width(shown) <= CELL:
                return shown
    return list(found.values())[max(len(found) - 2, 0)]


def for_table(draw: Callable[..., Drawing]) -> str:
    """A small SVG to stand in a table beside others, at most 150 pixels high and 400 wide. Raises DrawError.

    It has no ids, since those of two pictures on one page would clash, and nothing in it refers to one.
    """
    shown = re.sub(rb' id="[^"]*"', b"", draw(style="compact", digits=3).svg(PATIENCE, embed=False))
    shown = shown[shown.index(b"<svg") :]
    size = re.search(rb' width="([0-9.]+)pt" height="([0-9.]+)pt"', shown)
    if size is None:
        raise DrawError("the program that draws does not say how large the picture is")
    width, height = (float(points) * POINT for points in size.groups())
    scale = min(1.0, SMALL[0] / width, SMALL[1] / height)
    small = f' width="{width * scale:.0f}" height="{height * scale:.0f}"'
    return (shown[: size.start()] + small.encode() + shown[size.end() :]).decode()


def _width(picture: bytes) -> float:
    """How wide an SVG of Graphviz is, in pixels: it says so in points."""
    found = re.search(rb'<svg[^>]* width="([0-9.]+)pt"', picture)
    return float(found[1]) * POINT if found else 0.0


def carrying(drawn: bytes, kind: str, document: Document) -> bytes:
    """The picture with the document in it, if it is an SVG or PNG; another as it is."""
    if kind not in ("svg", "png"):
        return drawn
    raw = _document.dump(document)
    return svg.embed(drawn, raw) if kind == "svg" else png.embed(drawn, raw)


def left_out(size: str) -> str:
    """The note in place of a document that a notebook does not hold."""
    return (
        f"(The document has {size} bytes, more than {limit:,}, and is not in this notebook:"
        " mgraph.save(it, 'graph.json') keeps it.)"
    )
