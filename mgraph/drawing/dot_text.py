"""A document as DOT text, the way the field draws it: a record of name, data and grad for each value, a circle for each
operation, left to right. Pure: it runs nothing. :mod:`mgraph.drawing.graphviz_program` turns the text into a picture.

Node names, ids and cluster names are of our own making (``n12``); the document's texts occur as labels and
tooltips only, escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite, log10
from typing import TYPE_CHECKING, Any

from mgraph.arithmetic.ops import OPS
from mgraph.document.model import Node
from mgraph.document.wiring import Wiring
from mgraph.errors import DrawError

if TYPE_CHECKING:
    from graphviz import Digraph

    from mgraph.drawing.display import Drawing

SCOPE_LIMIT = 12
"""Frames around a node at the most; deeper scopes are drawn in the last of them."""
NODE_LIMIT = 2_000
"""Boxes to draw at the most without ``force``: the layout takes more than linear time."""
DIRECTIONS = ("LR", "TB", "RL", "BT")
HEAT = ("#ffffff", "#fee5d9", "#fcae91", "#fb6a4a", "#de2d26", "#a50f15")
"""Fill colours by gradient magnitude, from none on (ColorBrewer, Reds)."""

# A monospaced face has nearly the same width on every system, so that text fits its box where the viewer
# substitutes the font.
FONT = {"fontname": "Courier", "fontsize": "12"}


@dataclass
class _Box:
    """One value to draw, or a whole scope collapsed into one box."""

    name: str
    label: str
    tooltip: str
    scope: str
    heat: float = 0.0
    fill: str = ""
    op: str | None = None
    shape: str = "record"
    edges: list[tuple[str, bool]] = field(default_factory=list)
    """Per operand: the box it comes from and False, or a literal's text and True."""


def draw(
    wiring: Wiring,
    data: Mapping[str, float],
    grad: Mapping[str, float],
    *,
    digits: int = 4,
    direction: str = "LR",
    scopes: bool = True,
    heat: str | None = None,
    collapse: int | None = None,
    force: bool = False,
    fills: Mapping[str, str] | None = None,
    legend: Mapping[str, str] | None = None,
) -> Drawing:
    """DOT for the graph with these numbers, as a graphviz ``Digraph``, which shows itself in Jupyter.

    ``digits`` are decimals; ``direction`` is LR, TB, RL or BT; ``scopes`` draws scopes as clusters; ``heat="grad"``
    colours by the gradient's magnitude; ``collapse=n`` draws each scope n levels deep as one box. ``fills`` are
    fill colours by id (a box of many has the first of theirs), and ``legend`` says by name what colours mean. Raises
    DrawError for more than 2,000 boxes, unless ``force``, and for options that do not exist.
    """
    if direction not in DIRECTIONS:
        raise DrawError(f"the direction is one of {', '.join(DIRECTIONS)}, not {direction!r}")
    if heat not in (None, "grad"):
        raise DrawError(f"heat colours by 'grad', not by {heat!r}")
    if not 0 <= digits <= 17:
        raise DrawError(f"digits are from 0 to 17, not {digits}")
    if collapse is not None and collapse < 1:
        raise DrawError(f"scopes collapse at level 1 or deeper, not {collapse}")
    boxes = _boxes(wiring, data, grad, digits, collapse, fills or {})
    if len(boxes) > NODE_LIMIT and not force:
        raise DrawError(
            f"{len(boxes):,} boxes are more than can be laid out in good time (at most {NODE_LIMIT:,}); draw the scopes"
            " as one box each (--collapse 1), a slice (--out NAME), or all of it all the same (--force)"
        )
    picture = _digraph(direction)
    levels = _levels(box.heat for box in boxes) if heat else {}
    clusters = _Clusters(picture) if scopes else None
    for box in boxes:
        place = clusters.of("/".join(box.scope.split("/")[:SCOPE_LIMIT])) if clusters else picture
        plain = {"style": "filled", "fillcolor": box.fill} if box.fill else {}
        _draw_box(place, box, _fill(box.heat, levels) if heat else plain)
    if clusters:
        clusters.close()
    for box in boxes:
        _draw_edges(picture, box)
    if heat:
        bounds = [(f"{bound:.2g}", colour) for colour, bound in reversed(levels.items())]
        _legend(picture, "|grad| up to", bounds or [("all are 0", HEAT[0])])
    elif legend:
        _legend(picture, "", legend.items())
    return picture


def _digraph(direction: str) -> Drawing:
    from mgraph.drawing.display import Drawing
    from mgraph.drawing.graphviz_program import use_fallback

    use_fallback()
    return Drawing(
        graph_attr={"rankdir": direction, **FONT},
        node_attr={**FONT, "margin": "0.14,0.06"},
        edge_attr={"arrowsize": "0.8"},
        format="svg",
    )


def _boxes(
    wiring: Wiring,
    data: Mapping[str, float],
    grad: Mapping[str, float],
    digits: int,
    collapse: int | None,
    fills: Mapping[str, str],
) -> list[_Box]:
    home: dict[str, _Box] = {}  # the box that each node is drawn in
    scopes: dict[str, _Box] = {}
    members: dict[str, int] = {}
    for k, node in enumerate(wiring.nodes):
        name, scope = node["id"], node.get("scope", "")
        if collapse is not None and scope:
            scope = "/".join(scope.split("/")[:collapse])
            members[scope] = members.get(scope, 0) + 1
            outer = scope.rpartition("/")[0]
            box = scopes.setdefault(scope, _Box(f"s{len(scopes)}", "", "", outer, shape="box3d"))
        else:
            box = _value_box(k, node, data.get(name), grad.get(name), digits)
        home[name] = box
        box.fill = box.fill or fills.get(name, "")
        magnitude = abs(grad.get(name, 0.0))
        box.heat = max(box.heat, magnitude if magnitude == magnitude else 0.0)
        for operand in node.get("args", ()):
            if isinstance(operand, str):
                box.edges.append((home[operand].name, False))
            elif box.op is not None:
                box.edges.append((_short(operand), True))
    for scope, box in scopes.items():
        box.label = box.tooltip = _quoted(f"{scope}\n{members[scope]:,} node{'s' * (members[scope] > 1)}")
        box.edges = [edge for edge in dict.fromkeys(box.edges) if edge[0] != box.name]
    return list({box.name: box for box in home.values()}.values())


def _value_box(k: int, node: Node, x: float | None, g: float | None, digits: int) -> _Box:
    name = node.get("label", node["id"])
    fields = [_field(name), f"data={_rounded(x, digits)}", f"grad={_rounded(g, digits)}"]
    lines = [name, node["op"]]
    lines += [f"data = {x!r}"] if x is not None else []
    lines += [f"grad = {g!r}"] if g is not None else []
    op = OPS.get(node["op"])
    return _Box(
        f"n{k}",
        "{ " + " | ".join(fields) + " }",
        _quoted("\n".join(lines)),
        node.get("scope", ""),
        op=op.symbol if op else None,
    )


def _fill(magnitude: float, levels: dict[str, float]) -> dict[str, str]:
    if magnitude == 0.0:
        return {}
    colour = next((colour for colour, bound in levels.items() if magnitude <= bound), HEAT[-1])
    return {"style": "filled", "fillcolor": colour, "fontcolor": "white" if colour in HEAT[4:] else "black"}


def _draw_box(place: Digraph, box: _Box, style: dict[str, str]) -> None:
    place.node(box.name, label=box.label, tooltip=box.tooltip, shape=box.shape, id=box.name, **style)
    if box.op is not None:
        op = f"{box.name}op"
        place.node(op, label=_quoted(box.op), tooltip=_quoted(box.op), shape="circle", id=op, ordering="in")
    for k, (text, is_literal) in enumerate(box.edges):
        if is_literal:
            name = f"{box.name}literal{k}"
            size = {"fontsize": "10", "margin": "0.02", "width": "0.2", "height": "0.2"}
            place.node(name, label=text, shape="plaintext", id=name, **size)


def _draw_edges(picture: Digraph, box: _Box) -> None:
    target = box.name
    if box.op is not None:
        picture.edge(f"{box.name}op", box.name)
        target = f"{box.name}op"
    for k, (source, is_literal) in enumerate(box.edges):
        picture.edge(f"{box.name}literal{k}" if is_literal else source, target)


class _Clusters:
    """Nested subgraphs by scope, made as they are met and closed from the deepest outwards."""

    def __init__(self, root: Digraph) -> None:
        self._made: dict[str, Digraph] = {"": root}

    def of(self, scope: str) -> Digraph:
        """The subgraph for a scope."""
        from graphviz import Digraph

        if scope not in self._made:
            outer, _, last = scope.rpartition("/")
            self.of(outer)
            attributes = {
                "label": _quoted(last or "/"),
                "style": "rounded",
                "color": "gray60",
                "tooltip": _quoted(scope),
            }
            self._made[scope] = Digraph(f"cluster_{len(self._made)}", graph_attr=attributes)
        return self._made[scope]

    def close(self) -> None:
        """Put every subgraph into the one around it."""
        for scope in reversed(list(self._made)):
            if scope:
                self._made[scope.rpartition("/")[0]].subgraph(self._made[scope])


def _levels(magnitudes: Iterable[float]) -> dict[str, float]:
    """Upper bounds of the heat colours, evenly spaced in the logarithm over at most five decades."""
    finite = [m for m in magnitudes if m > 0.0 and isfinite(m)]
    if not finite:
        return {}
    top, bottom = log10(max(finite)), max(log10(min(finite)), log10(max(finite)) - 5.0)
    step = (top - bottom) / 5 or 1.0
    return {colour: 10 ** (top - step * (4 - k)) for k, colour in enumerate(HEAT[1:])}


def _legend(picture: Digraph, title: str, entries: Iterable[tuple[str, str]]) -> None:
    """A frame with a box for each colour, by what it means."""
    with picture.subgraph(name="cluster_legend") as legend:
        legend.attr(label=title, style="dashed", color="gray60")
        for k, (text, colour) in enumerate(entries):
            font = "white" if colour in HEAT[4:] else "black"
            legend.node(f"legend{k}", label=text, shape="box", style="filled", fillcolor=colour, fontcolor=font)


# Text ------------------------------------------------------------------------------------------------------


def _rounded(x: float | None, digits: int) -> str:
    if x is None:
        return "?"
    if not isfinite(x):
        return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"
    text = f"{x:.{digits}f}"
    lost = x != 0.0 and float(text) == 0.0
    return f"{x:.{digits}e}" if lost or abs(x) >= 1e6 else text


def _short(x: float) -> str:
    return f"{x:.0f}" if x == int(x) and abs(x) < 1e6 else f"{x:.6g}"


_VISIBLE = {
    **{c: 0x2400 + c for c in range(0x20) if c != ord("\n")},
    0x7F: 0x2421,
    **dict.fromkeys((0xFFFE, 0xFFFF), 0xFFFD),
}


def _plain(text: str) -> str:
    """Make every character but a line break visible that is a control or none of XML's, and cut what no box holds."""
    text = text if len(text) <= 200 else text[:199] + "…"
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)


def _escaped(text: str) -> str:
    return _plain(text).replace("&", "&amp;").replace("\\", "\\\\")


def _quoted(text: str) -> Any:
    """A text as a DOT string that shows as itself; never taken for HTML."""
    from graphviz import nohtml

    return nohtml(_escaped(text).replace("\n", "\\n"))


def _field(text: str) -> str:
    """A text as a field of a record label that shows as itself."""
    escaped = re.sub(r"([{}|<>])", r"\\\1", _escaped(text))
    # A record drops spaces at the ends, after spaces and (in Graphviz 2.43) after what is not ASCII; it keeps
    # no-break spaces.
    droppable = r"^ | $|(?<= ) " if text.isascii() else " "
    return re.sub(droppable, "\u00a0", escaped).replace("\n", "\\n")
