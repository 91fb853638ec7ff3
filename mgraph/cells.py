"""What results say in a notebook's cell and to ``print``: a picture, a table and the document, or lines of text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mgraph.api import Fit, record
from mgraph.archive import telling
from mgraph.archive.hits import Hits
from mgraph.checking.audit import Report
from mgraph.checking.diff import Diff
from mgraph.document import model as _document
from mgraph.document.model import Document
from mgraph.drawing import display
from mgraph.drawing.display import Drawing
from mgraph.drawing.dot_text import described, draw
from mgraph.errors import DrawError, MgraphError
from mgraph.files import notebook, svg
from mgraph.graph import Graph
from mgraph.recording.value import Value, topological_order
from mgraph.replaying.run import Run, recorded
from mgraph.showing import chart, derivatives, differences, results
from mgraph.showing.as_html import html
from mgraph.showing.as_text import lines, plain
from mgraph.showing.blocks import PYTHON, Block, Picture, Styled, Table

SHORTEST_NODE = 40
"""Bytes of a node in a document at the least."""
PICTURES = 20
"""Rows of what was found that have a picture at most."""
BOXES = 40
"""Nodes in a small picture at most."""
TOLD = 2_000
"""Nodes of a graph that is read, to be told in words, at most."""
EMPTY = b'<svg xmlns="http://www.w3.org/2000/svg" width="0" height="0"></svg>'
"""A picture of nothing, to carry a document."""

Result = Run | Report | Diff | Fit | Hits


def text(shown: Result) -> str:
    """The lines that the command line prints of a result, in 80 columns."""
    return _plain(_blocks(shown))


def content(shown: Value | Graph | Drawing | Result) -> dict[str, Any]:
    """The content of the cell, by MIME type; of a value with a very large graph, only a note."""
    match shown:
        case Report() | Diff():
            return {"text/html": html(_blocks(shown)), "text/plain": text(shown)}
        case Hits():
            return {"text/html": html(_with_pictures(shown)), "text/plain": text(shown)}
        case Fit():
            title = shown.graph.title
            plot = lambda: chart.inline(shown.losses, "Loss" if title is None else f"Loss of {title}")  # noqa: E731
            return _bundle(shown.graph.document, plot, text(shown), _fit(shown, brief=True))
        case Run():
            return _run(shown)
        case Graph():
            return _graph(shown)
        case Drawing():
            if shown.document is None:
                return {"image/svg+xml": shown.svg(120.0, embed=False).decode(), "text/plain": repr(shown)}
            return _bundle(shown.document, lambda: shown.svg(display.PATIENCE, embed=False), repr(shown))
    size = SHORTEST_NODE * len(topological_order((shown,)))
    if size > display.limit:
        return {"text/plain": f"{shown!r}\n{display.left_out(f'over {size:,}')}"}
    graph = record(shown)
    return _bundle(graph.document, lambda: display.for_cell(graph.draw), repr(shown))


def _blocks(shown: Result) -> list[Block]:
    match shown:
        case Run():
            return results.run(shown)
        case Report():
            return results.report(shown)
        case Diff():
            return differences.diff(shown)
        case Hits():
            return telling.hits(shown)
    return _fit(shown)


def _with_pictures(found: Hits) -> list[Block]:
    """The table of what was found. Of the first graphs it has small pictures, or what they are in words."""
    pictures: list[Picture | str] = []
    notes: list[Block] = []
    for hit in found[:PICTURES]:
        try:
            graph = None if hit.nodes > TOLD else found._get(hit.digest)
            pictures.append(f"{hit.nodes:,} nodes" if graph is None else described(graph._wiring)[1])
            if graph is not None and hit.nodes <= BOXES and not notes:
                pictures[-1] = Picture(display.for_table(graph.draw))
        except DrawError as error:
            notes.append(f"(no pictures: {error})")
        except MgraphError as error:  # pruned since, for example
            pictures.append(str(error))
    if rest := len(found) - len(pictures):
        pictures += [""] * rest
        notes.append(f"(of the first {PICTURES} only there are pictures)")
    table = (each._replace(pictures=pictures) if isinstance(each, Table) else each for each in telling.hits(found))
    return [*table, *notes]


def _fit(shown: Fit, brief: bool = False) -> list[Block]:
    return results.fit(shown.losses, shown.engine, shown.graph.meta["fit"].get("ended"), brief)


def _plain(blocks: list[Block]) -> str:
    return "\n".join(map(plain, lines(blocks)))


def _run(shown: Run) -> dict[str, Any]:
    """The picture over the table; of derivatives, the matrix alone."""
    wiring = shown._shown()
    matrix = derivatives.matrix(wiring, shown.data, False, PYTHON)
    picture = None if matrix else lambda: display.for_cell(partial(draw, wiring, shown.data, shown.grad))
    document = _document.copied(recorded(shown))  # it shares operands and meta with the graph
    return _bundle(document, picture, text(shown), _blocks(shown))


def _graph(shown: Graph) -> dict[str, Any]:
    """The picture; of derivatives, the matrix."""
    matrix = derivatives.matrix(shown._wiring, shown.data, False, PYTHON)
    if matrix is None:
        return _bundle(shown.document, lambda: display.for_cell(shown.draw), repr(shown))
    blocks: list[Block] = [Styled(shown.title or repr(shown), "title"), matrix]
    return _bundle(shown.document, None, _plain(blocks), blocks)


def _bundle(
    document: Document, picture: Callable[[], bytes] | None, words: str, blocks: list[Block] | None = None
) -> dict[str, Any]:
    """What a cell holds of a graph, by MIME type: the picture, an SVG, over the blocks; the words; the document.

    The picture carries the document too, for a page made of the notebook to have it; where there is no picture, an
    empty one does. Without a program to draw, or for too many boxes, a note says why there is no picture, and of a
    document over :data:`mgraph.drawing.display.limit` bytes that it was left out.
    """
    found: dict[str, Any] = {}
    drawn, notes, raw = None, [], _document.dump(document)
    try:
        drawn = picture and picture()
    except DrawError as error:
        notes.append(f"(no picture: {error})")
    if len(raw) <= display.limit:
        found[notebook.MIME] = notebook.embed(document, raw)
        carrier = svg.embed(drawn or EMPTY, raw).decode()
    else:
        notes.append(display.left_out(f"{len(raw):,}"))
        carrier = (drawn or EMPTY).decode()
    found["text/plain"] = "\n".join([words, *notes])
    if drawn and not blocks and not notes:
        found["image/svg+xml"] = carrier
    else:  # a notebook shows the richest type only, so all must be in it
        shown = blocks or ([] if drawn else [words])
        found["text/html"] = html([*shown, *notes], carrier[carrier.index("<svg") :])
    return found
