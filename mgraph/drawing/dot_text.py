"""A document as DOT text, left to right. Pure: it runs nothing. :mod:`mgraph.drawing.graphviz_program` turns the text
into a picture.

Node names, ids and cluster names are of our own making (``n12``); the document's texts occur as labels and
tooltips only, escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from mgraph.document.wiring import Wiring
from mgraph.drawing.boxes import Box, Change, boxes, counted
from mgraph.drawing.folding import folds
from mgraph.drawing.labels import quoted
from mgraph.drawing.palette import AMBERS, BLUES, EDGE, INK, ORANGES, PAPER, QUIET, RULE, Scale
from mgraph.drawing.styles import Changed, Compact, Record, Scopes, Style, carried
from mgraph.errors import DrawError

if TYPE_CHECKING:
    from graphviz import Digraph

    from mgraph.drawing.display import Drawing

SCOPE_LIMIT = 12
"""Frames around a node at most; deeper scopes are drawn in the last of them."""
NODE_LIMIT = 2_000
"""Boxes to draw at most without ``force``: the layout takes more than linear time."""
PORTS = {"LR": ("e", "w"), "TB": ("s", "n"), "RL": ("w", "e"), "BT": ("n", "s")}
"""By direction, the sides where edges leave boxes and where they arrive."""
DENSE = 100
"""Edges between collapsed scopes from which on they are thin, straight and without numbers, and ranks far apart."""
STYLES: dict[str, Callable[[int, Scale | None], Style]] = {"record": Record, "compact": Compact}
SOME = 8
"""Names in a description at most."""
COMPACT_FROM = 12
"""Nodes from which on the compact style is the default."""

# A monospaced face has nearly the same width on every system, so that text fits its box where the viewer
# substitutes the font.
FONT = {"fontname": "Courier", "fontsize": "12"}


def draw(
    wiring: Wiring,
    data: Mapping[str, float],
    grad: Mapping[str, float],
    *,
    style: str | None = None,
    digits: int = 4,
    direction: str = "LR",
    scopes: bool = True,
    heat: str | None = None,
    collapse: int | str | None = None,
    force: bool = False,
) -> Drawing:
    """DOT for the graph with these numbers, as a graphviz ``Digraph``, which shows itself in Jupyter.

    ``style`` is ``record``, the default below 12 nodes, or ``compact``; ``digits`` are decimals; ``direction`` is LR,
    TB, RL or BT; ``scopes`` draws scopes as frames; ``heat="grad"`` colours by the gradient's sign and magnitude;
    ``collapse=n`` draws each scope n levels deep as one box, ``collapse="fit"`` as many scopes as it takes for at most
    150 boxes, and bands of depth where there are no scopes. Raises DrawError for more than 2,000 boxes, unless
    ``force``, and for options that do not exist.
    """
    _refuse_options(style, digits, direction, heat, collapse)
    drawn = boxes(wiring, data, grad, folds(wiring, collapse))
    _refuse_too_many(drawn, force)
    heated = Scale.of(abs(box.steepest) for box in drawn) if heat else None
    pen = STYLES[style or ("compact" if len(wiring) >= COMPACT_FROM else "record")](digits, heated)
    picture = _assembled(wiring, drawn, pen, digits, heated, direction, scopes)
    if heated:
        _put_legend(picture, heated.legend("|∂| at most" if heated.bounds else "all gradients are 0", BLUES, ORANGES))
    return picture


def draw_changes(wiring: Wiring, changes: Mapping[str, Change], force: bool = False) -> Drawing:
    """DOT for two graphs in one: ``wiring`` has the nodes of both, with the numbers of the second, and ``changes`` says
    by id what is different. Raises DrawError for more than 2,000 boxes, unless ``force``."""
    drawn = boxes(wiring, wiring.data, wiring.grad, [None] * len(wiring))
    _refuse_too_many(drawn, force)
    moved = [numbers for each in changes.values() for numbers in (each.data, each.grad) if numbers]
    scale = Scale.of(abs(after - before) for before, after in moved)
    picture = _assembled(wiring, drawn, Changed(4, changes, scale), 4, None, "LR", True)
    causes = sum(bool(each.what) for each in changes.values())
    head = f"◆ {counted(causes, 'cause')} · {counted(len(changes) - causes, 'consequence')} · a number moved by at most"
    _put_legend(picture, scale.legend(head, AMBERS))
    return picture


def _refuse_too_many(drawn: Sequence[Box], force: bool) -> None:
    if len(drawn) > NODE_LIMIT and not force:
        raise DrawError(
            f"{len(drawn):,} boxes are more than can be laid out in good time (at most {NODE_LIMIT:,})",
            python="use draw(collapse='fit'), draw a part with slice(['NAME']).draw(), or all of it: draw(force=True)",
            command="mgraph draw --collapse fit folds its scopes, --out NAME draws a part, --force all of it",
        )


def _assembled(
    wiring: Wiring, drawn: Sequence[Box], pen: Style, digits: int, heat: Scale | None, direction: str, scopes: bool
) -> Drawing:
    """Boxes in the frames of their scopes, and the edges between them."""
    folded = sum(box.kind == "scope" for box in drawn)
    dense = folded > 0 and sum(len(box.operands) for box in drawn) > DENSE
    picture = _digraph(direction, len(drawn), dense, scopes and any(box.frame for box in drawn))
    picture.boxes, picture.folded = len(drawn), folded
    picture.title, picture.description = described(wiring)
    clusters = _Clusters(picture, scopes)
    at: dict[str, str] = {}
    for box in drawn:
        if box.kind != "scope":
            pen.node(clusters.of(box.frame), box)
    for k, beside in enumerate(_siblings(drawn)):
        group = Scopes(f"g{k}", beside, digits, heat)
        group.draw(clusters.of(beside[0].frame))
        at |= group.at
    clusters.close()
    tail, head = PORTS[direction]
    for box in drawn:
        for source, target in _scope_edges(box) if box.kind == "scope" else pen.edges(box):
            start = f"{at[source]}:{tail}" if source in at else source
            end = f"{at[target]}:{head}" if target in at else target
            picture.edge(start, end, **({} if dense else carried(box, source, digits)))
    return picture


def _put_legend(picture: Drawing, legend: str) -> None:
    picture.attr(label=legend, labelloc="b", labeljust="l")


def _refuse_options(
    style: str | None, digits: int, direction: str, heat: str | None, collapse: int | str | None
) -> None:
    if style is not None and style not in STYLES:
        raise DrawError(f"the style is one of {', '.join(STYLES)}, not {style!r}")
    if direction not in PORTS:
        raise DrawError(f"the direction is one of {', '.join(PORTS)}, not {direction!r}")
    if heat not in (None, "grad"):
        raise DrawError(f"heat colours by 'grad', not by {heat!r}")
    if not 0 <= digits <= 17:
        raise DrawError(f"digits are from 0 to 17, not {digits}")
    if isinstance(collapse, str) and collapse != "fit":
        raise DrawError(f"scopes collapse at a level, or to 'fit', not {collapse!r}")
    if isinstance(collapse, int) and collapse < 1:
        raise DrawError(f"scopes collapse at level 1 or deeper, not {collapse}")


def described(wiring: Wiring) -> tuple[str, str]:
    """A title, the document's or the outputs' names; and a sentence for those who do not see the picture."""
    outputs = ", ".join(wiring.outputs[:SOME]) + ", …" * (len(wiring.outputs) > SOME)
    said = [counted(len(wiring), "node"), f"outputs: {outputs}"]
    if wiring.inputs:
        said.append(f"inputs: {', '.join(wiring.inputs[:SOME])}" + ", …" * (len(wiring.inputs) > SOME))
    said += [counted(len(wiring.parameters), "parameter")] * bool(wiring.parameters)
    return wiring.document.get("title") or outputs, "; ".join(said)


def _siblings(drawn: Sequence[Box]) -> list[list[Box]]:
    """Collapsed scopes that stand in one frame at one depth, so that none depends on another."""
    if not any(box.kind == "scope" for box in drawn):
        return []
    sources = {box.name: [a for a in box.operands if isinstance(a, str)] for box in drawn}
    depth: dict[str, int] = {}
    for name in TopologicalSorter(sources).static_order():
        depth[name] = max((depth[source] + 1 for source in sources[name]), default=0)
    beside: dict[tuple[str, int], list[Box]] = {}
    for box in drawn:
        if box.kind == "scope":
            beside.setdefault((box.frame, depth[box.name]), []).append(box)
    return list(beside.values())


def _scope_edges(box: Box) -> list[tuple[str, str]]:
    return [(source, box.name) for source in box.operands if isinstance(source, str)]


def _digraph(direction: str, boxes: int, dense: bool, framed: bool) -> Drawing:
    from mgraph.drawing.display import Drawing
    from mgraph.drawing.graphviz_program import use_fallback

    use_fallback()
    return Drawing(
        "mgraph",
        graph_attr={
            "rankdir": direction,
            "newrank": "true",  # else a frame's nodes are ranked apart from all others, and edges run backwards
            "bgcolor": PAPER,
            "pad": "0.1",
            "splines": "polyline" if dense else "true",
            "nodesep": "0.15",
            "ranksep": "1.2" if dense else "0.2" if boxes < COMPACT_FROM else "0.9" if framed else "0.45",
            "fontcolor": QUIET,
            **FONT,
        },
        node_attr={**FONT, "margin": "0.06,0.04", "height": "0.3", "fontcolor": INK},
        edge_attr={
            **FONT,
            "arrowsize": "0.5" if dense else "0.7",
            "color": EDGE,
            "penwidth": "0.5" if dense else "1",
            "tailport": PORTS[direction][0],
            "headport": PORTS[direction][1],
        },
        format="svg",
    )


class _Clusters:
    """Nested subgraphs by scope, made as they are met and closed from the deepest outwards."""

    def __init__(self, root: Digraph, framed: bool) -> None:
        self._made: dict[str, Digraph] = {"": root}
        self._framed = framed

    def of(self, scope: str) -> Digraph:
        """The subgraph for a scope; the whole picture if scopes are not framed."""
        return self._cluster("/".join(scope.split("/")[:SCOPE_LIMIT])) if self._framed else self._made[""]

    def _cluster(self, scope: str) -> Digraph:
        from graphviz import Digraph

        if scope not in self._made:
            outer, _, last = scope.rpartition("/")
            self._cluster(outer)
            attributes = {
                "label": quoted(last or "/"),
                "labeljust": "l",
                "style": "rounded",
                "color": RULE,
                "tooltip": quoted(scope),
            }
            self._made[scope] = Digraph(f"cluster_{len(self._made)}", graph_attr=attributes)
        return self._made[scope]

    def close(self) -> None:
        """Put every subgraph into the one around it."""
        for scope in reversed(list(self._made)):
            if scope:
                self._made[scope.rpartition("/")[0]].subgraph(self._made[scope])
