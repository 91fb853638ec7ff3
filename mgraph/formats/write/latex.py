"""LaTeX: an equation a node, or one expression an output. The templates are the op table's."""

from __future__ import annotations

import re

from mgraph.arithmetic.ops import LEAVES, OPS
from mgraph.document.wiring import Wiring
from mgraph.errors import FormatError, shown
from mgraph.formats.write.programs import about, expressions, refused

SPELLED = {op.name: op.latex for op in OPS.values()}
EXPRESSION_LIMIT = 100_000
"""Characters of one expression at most; what is used twice is written twice, which can double at each step."""

_ESCAPES = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
_ESCAPES |= {c: "\\" + c for c in "{}$&#%_"}

_OUTSIDE = {name: re.sub(r"\{.*\}|\(.*\)|\[.*\]", "", text.format("a", "b")) for name, text in SPELLED.items()}
"""The notations without what stands in brackets."""
_SUM = {name for name, text in _OUTSIDE.items() if re.search("(^| )[+-]", text)}
_PREFIX = {name for name, text in SPELLED.items() if text.endswith(" {0}")}
_DELIMITED = {
    name for name, text in SPELLED.items() if len(re.findall(r"[{(\[|,>] ?\{[01]\}", text)) == OPS[name].arity
}
"""Ops whose notation is a sum, or puts a function's name before its operand, or keeps its operands apart by itself."""


def write(wiring: Wiring) -> bytes:
    """An ``align*`` of amsmath with an equation for each node: its name, what it is, and the recorded number."""
    names = {node["id"]: symbol(node["id"]) for node in wiring.nodes}
    texts = {node["id"]: text for node, text in expressions(wiring, "LaTeX", SPELLED, lambda o: _operand(o, names))}
    lines = []
    for node in wiring.nodes:
        sides = [texts[node["id"]]] if node["op"] not in LEAVES else []
        sides += [number(node["data"])] if "data" in node else []
        lines.append(f"  {names[node['id']]} &= " + (" = ".join(sides) or r"\text{?}"))
    return _page(wiring, lines)


def write_expression(wiring: Wiring) -> bytes:
    """One equation an output, over the leaves alone. Raises FormatError if that grows too long."""
    needed = Wiring(wiring.sliced(wiring.outputs)).nodes
    names = {node["id"]: symbol(node["id"]) for node in needed}
    built: dict[str, str] = {}
    total = 0
    for node in needed:
        if node["op"] in LEAVES:
            built[node["id"]] = number(node["data"]) if node["op"] == "constant" else names[node["id"]]
            continue
        operands = []
        for k, operand in enumerate(node["args"]):
            inner = wiring.op(operand) if isinstance(operand, str) else ""
            text = built[operand] if isinstance(operand, str) else number(operand)
            loose = _needs_parentheses(node["op"], k, inner, text)
            operands.append(rf"\left({text}\right)" if loose else text)
        if node["op"] not in SPELLED:
            raise refused("LaTeX", node)
        built[node["id"]] = SPELLED[node["op"]].format(*operands)
        total += len(built[node["id"]])
        if len(built[node["id"]]) > EXPRESSION_LIMIT or total > 100 * EXPRESSION_LIMIT:
            raise FormatError(
                f"one expression for node {shown(node['id'])} takes more than {EXPRESSION_LIMIT:,} characters, because"
                " what is used twice is written twice; export latex, an equation a node, or a slice of the graph"
            )
    lines = [f"  {names[name]} &= {built[name]}" for name in wiring.outputs]
    return _page(wiring, lines)


def _page(wiring: Wiring, lines: list[str]) -> bytes:
    head = [f"% {line}".rstrip() for line in about(wiring)]
    return "\n".join([*head, r"\begin{align*}", " \\\\\n".join(lines), r"\end{align*}", ""]).encode()


def _needs_parentheses(op: str, slot: int, inner: str, text: str) -> bool:
    negative = text.startswith("-") or r"\cdot 10^" in text
    if op == "pow":
        return slot == 0 and (inner not in (*LEAVES, "", "abs", "sigmoid") or negative)
    if op in _DELIMITED:
        return False
    if inner in LEAVES or inner == "":
        return negative and not (slot == 0 and op in ("add", "sub"))
    if op in ("add", "sub") and slot == 0:
        return False
    if op in ("add", "sub", "log1p"):
        return inner in _SUM
    if op in _PREFIX:
        return inner not in ("abs", "sqrt")
    return inner in _SUM or inner in _PREFIX or (inner == "mul" and slot == 1)


def symbol(name: str) -> str:
    """A name in mathematics: a letter as it is, a letter and digits with an index, all else as text."""
    if re.fullmatch(r"[A-Za-z]", name):
        return name
    indexed = re.fullmatch(r"([A-Za-z])_?(\d+)", name)
    if indexed:
        return f"{indexed[1]}_{{{indexed[2]}}}"
    text = "".join(_ESCAPES.get(c, c if c.isprintable() else "\ufffd") for c in name)
    return rf"\text{{{text}}}"


def number(x: float | str) -> str:
    """A number, with all its digits."""
    value = float(x)
    if value != value or value in (float("inf"), float("-inf")):
        return r"\mathrm{NaN}" if value != value else r"\infty" if value > 0 else r"-\infty"
    digits, _, exponent = repr(value).removesuffix(".0").partition("e")
    return rf"{digits} \cdot 10^{{{int(exponent)}}}" if exponent else digits


def _operand(operand: str | float, names: dict[str, str]) -> str:
    if isinstance(operand, str):
        return names[operand]
    text = number(operand)
    return rf"\left({text}\right)" if text.startswith("-") or "10^" in text else text
