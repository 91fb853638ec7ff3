"""The two ways to draw a box: the text's record with a circle for its operation, and a compact one that holds both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from mgraph.drawing.boxes import Box, Change
from mgraph.drawing.labels import MINUS, cut, field, markup, natural, quoted, rounded, short, spelled
from mgraph.drawing.palette import EDGE, INK, KINDS, PAPER, QUIET, SURFACE, WRONG, Scale, on, signed

if TYPE_CHECKING:
    from graphviz import Digraph

GLYPHS = {"mul": "×", "div": "÷", "sub": "−", "neg": "−", "pow": "^"}
"""What a compact box calls an op, where that is not the table's symbol."""
CIRCLE = {"color": QUIET, "margin": "0.03"}
FEW = 2
"""Values written on an edge at most; more are counted."""


class Style(Protocol):
    """How a node is drawn."""

    def node(self, place: Digraph, box: Box) -> None:
        """Draw it."""

    def edges(self, box: Box) -> list[tuple[str, str]]:
        """The names of what its edges run from and to."""


class Record:
    """A record of name, data and gradient; the operation is a circle before it, literals are small texts."""

    def __init__(self, digits: int, heat: Scale | None) -> None:
        self._digits, self._heat = digits, heat

    def node(self, place: Digraph, box: Box) -> None:
        """The record, and what stands before it."""
        fields = [
            field(box.title),
            f"data={rounded(box.data, self._digits)}",
            f"grad={rounded(box.grad, self._digits)}",
        ]
        label = "{ " + " | ".join(fields) + " }"
        place.node(box.name, label=label, shape="record", **_identity(box), **frame_of(box, self._heat))
        if box.op is None:
            return
        circle = f"{box.name}op"
        symbol = quoted(box.op.symbol)
        place.node(circle, label=symbol, tooltip=symbol, shape="circle", id=circle, ordering="in", **CIRCLE)
        for k, operand in enumerate(box.operands):
            if not isinstance(operand, str):
                name = f"{box.name}literal{k}"
                size = {"fontsize": "10", "margin": "0.02", "width": "0.2", "height": "0.2"}
                place.node(name, label=short(operand), shape="plaintext", id=name, **size)

    def edges(self, box: Box) -> list[tuple[str, str]]:
        """From the operands to the circle, and from the circle to the record."""
        if box.op is None:
            return []
        circle = f"{box.name}op"
        sources = [a if isinstance(a, str) else f"{box.name}literal{k}" for k, a in enumerate(box.operands)]
        return [(circle, box.name), *((source, circle) for source in sources)]


class Compact:
    """One box: the operation (with a literal operand) and the name, then the value over the gradient."""

    def __init__(self, digits: int, heat: Scale | None) -> None:
        self._digits, self._heat = digits, heat

    def node(self, place: Digraph, box: Box) -> None:
        """The box."""
        frame = frame_of(box, self._heat)
        font = frame.get("fontcolor")
        rows = [
            self.head(box, frame),
            value_row(box.data, self._digits, font),
            *gradient_row(box.grad, self._digits, font),
        ]
        self.put(place, box, rows, frame)

    def put(self, place: Digraph, box: Box, rows: list[str], frame: dict[str, str]) -> None:
        """The node with these rows."""
        ordered = {"ordering": "in"} if sum(isinstance(a, str) for a in box.operands) > 1 else {}
        place.node(box.name, label=table(rows), shape="box", **_identity(box), **frame, **ordered)

    def head(self, box: Box, frame: dict[str, str]) -> str:
        """The cells of the kind or the operation, and of the name if it says anything."""
        font = frame.get("fontcolor")
        what = markup(self._what(box))
        head = _cell(f"<B>{what}</B>\u00a0" if box.op else _small(what, font or frame["color"]))
        name = markup(cut(box.title))
        if box.is_named:
            return head + _cell(f"<B>{name}</B>", right=True)
        return head + _cell(_small(name, font or QUIET) if box.op is None else "", right=True)

    def _what(self, box: Box) -> str:
        if box.op is None:
            return {"parameter": "param", "constant": "const"}.get(box.kind, box.kind)
        glyph = GLYPHS.get(box.op.name, box.op.symbol)
        texts = [_literal(a) if not isinstance(a, str) else "" for a in box.operands]
        return f"{texts[0]} {glyph} {''.join(texts[1:])}".strip()

    def edges(self, box: Box) -> list[tuple[str, str]]:
        """From each operand that is a node."""
        return [(operand, box.name) for operand in box.operands if isinstance(operand, str)]


class Changed(Compact):
    """Two graphs in one picture: old → new, what somebody changed with a heavy border and ◆, and numbers on a colour by
    how far they moved."""

    def __init__(self, digits: int, changes: Mapping[str, Change], moves: Scale) -> None:
        super().__init__(digits, None)
        self._changes, self._moves = changes, moves

    def node(self, place: Digraph, box: Box) -> None:
        """The box, with both numbers where they differ."""
        frame = frame_of(box, None)
        change = self._changes.get(box.id, Change(""))
        said = "✕ unexplained" if change.is_unexplained else f"◆ {change.what}" if change.what else ""
        if said:
            frame |= {"penwidth": "2.5", "color": WRONG if change.is_unexplained else INK}
        if change.what == "removed":
            frame |= {"style": "dashed,filled", "fillcolor": PAPER}
        rows = [self.head(box, frame)]
        rows += [_cell(_small(f"<B>{markup(said)}</B>", frame["color"]), span=2)] * bool(said)
        rows += [self._moved("", change.data)] if change.data else [value_row(box.data, self._digits, None)]
        rows += [self._moved("∂", change.grad)] if change.grad else gradient_row(box.grad, self._digits, None)
        self.put(place, box, rows, frame)

    def _moved(self, head: str, numbers: tuple[float, float]) -> str:
        tint = self._moves.move(*numbers)
        both = " → ".join(spelled(x, self._digits)[1] for x in numbers)
        return _cell(head, tint=tint) + _cell(both, tint=tint, right=True)


class Scopes:
    """Collapsed scopes that stand beside each other: one node, each of them a stack of sheets with a port. The layout
    cannot take them out of their order, which is the natural one of their names."""

    def __init__(self, name: str, boxes: list[Box], digits: int, heat: Scale | None) -> None:
        self._name, self._digits, self._heat = name, digits, heat
        self._boxes = sorted(boxes, key=lambda box: natural(box.title))
        self.at = {box.name: f"{name}:{box.name}" for box in boxes}
        """Where the edges of each scope's box end."""

    def draw(self, place: Digraph) -> None:
        """The node."""
        sheets = "".join(f'<TR><TD PORT="{box.name}">{self._stack(box)}</TD></TR>' for box in self._boxes)
        label = f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="6" CELLPADDING="0">{sheets}</TABLE>>'
        tooltip = quoted("\n".join(box.title for box in self._boxes))
        place.node(self._name, label=label, shape="plain", id=self._name, tooltip=tooltip)

    def _stack(self, box: Box) -> str:
        """A scope's name and shape; and its value over its gradient, if it has one output."""
        frame = frame_of(box, self._heat)
        font = frame.get("fontcolor")
        head = _cell(f"<B>{markup(cut(box.title, 28))}</B>\u00a0")
        head += _cell(" ".join(spelled(box.data, self._digits)) if box.data is not None else "", right=True)
        lines = box.facts if box.data is None else [" · ".join(box.facts)]  # low, for there are often many beside it
        facts = [_cell(_small(markup(line), font or QUIET), span=2) for line in lines]
        rows = [head, *gradient_row(box.grad, self._digits, font), *facts]
        border = "2" if box.is_output else "1"
        colours = f'COLOR="{frame["color"]}" BGCOLOR="{frame["fillcolor"]}"'
        inside = 'CELLBORDER="0" CELLSPACING="0" CELLPADDING="3"'
        sheet = f'<TABLE BORDER="{border}" {inside} {colours}>{_rows(rows)}</TABLE>'
        if font:
            sheet = f'<FONT COLOR="{font}">{sheet}</FONT>'
        below = f'BORDER="{border}" SIDES="RB" CELLBORDER="0" CELLSPACING="2" CELLPADDING="0" {colours}'
        return f"<TABLE {below}><TR><TD>{sheet}</TD></TR></TABLE>"


def _literal(x: float) -> str:
    text = short(x).replace("-", MINUS)
    return f"({text})" if text.startswith(MINUS) else text


def value_row(x: float | None, digits: int, font: str | None) -> str:
    """The cells of a value: whether it is exact, and the number."""
    exactness, value = spelled(x, digits)
    return _cell(_small(exactness, font or QUIET)) + _cell(value, right=True)


def gradient_row(g: float | None, digits: int, font: str | None) -> list[str]:
    """The cells of a gradient, in the colour of its sign unless there is a fill; none if there is no gradient."""
    if g is None:
        return []
    _, text = spelled(g, digits)
    colour, tint = (font, "") if font else signed(text)
    cells = (f'<FONT COLOR="{colour}">{each}</FONT>' for each in ("∂", text))
    return ["".join(_cell(each, tint=tint, right=k > 0) for k, each in enumerate(cells))]


def table(rows: list[str]) -> str:
    """Rows of cells as an HTML-like label."""
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2">{_rows(rows)}</TABLE>>'


def _rows(rows: list[str]) -> str:
    return "".join(f"<TR>{row}</TR>" for row in rows)


def _cell(text: str, tint: str = "", right: bool = False, span: int = 1) -> str:
    colour = f' BGCOLOR="{tint}"' if tint else ""
    wide = f' COLSPAN="{span}"' if span > 1 else ""
    return f'<TD ALIGN="{"RIGHT" if right else "LEFT"}"{colour}{wide}>{text}</TD>'


def _small(text: str, colour: str) -> str:
    return f'<FONT POINT-SIZE="10" COLOR="{colour}">{text}</FONT>' if text else ""


def _identity(box: Box) -> dict[str, str]:
    lines = [box.title, *box.facts]
    if box.kind != "scope":
        lines.append(box.op.name if box.op else box.kind)
        lines += [f"data = {box.data!r}"] if box.data is not None else []
        lines += [f"grad = {box.grad!r}"] if box.grad is not None else []
        lines += [f"made at {box.source}"] if box.source else []
    return {"id": box.name, "tooltip": quoted("\n".join(lines))}


def frame_of(box: Box, heat: Scale | None) -> dict[str, str]:
    """Border and fill: a leaf's by its kind, an output's double (bold for a record, which has no double border)."""
    colour, fill, shape = KINDS.get(box.kind, (INK if box.is_output else EDGE, SURFACE, ""))
    if heat:
        fill = heat.heat(box.steepest)
    found = {"style": ",".join(filter(None, (shape, "filled"))), "color": colour, "fillcolor": fill}
    if heat:
        found["fontcolor"] = on(fill)
    if box.is_output:
        found |= {"color": INK, "penwidth": "1.5", "peripheries": "2"}
    return found


def carried(box: Box, source: str, digits: int) -> dict[str, str]:
    """What is written on the edge from a collapsed scope with several outputs."""
    values = box.carried.get(source)
    if values is None:
        return {}
    few = [" ".join(spelled(x, digits)).strip() for x in values] if len(values) <= FEW else [f"{len(values):,} values"]
    return {"label": "\\n".join(few), "fontsize": "10", "fontcolor": QUIET}
