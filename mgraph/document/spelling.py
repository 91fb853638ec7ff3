"""How a node and its numbers are written in a line of text, for people."""

from __future__ import annotations

from collections.abc import Container

from mgraph.arithmetic.ops import OPS
from mgraph.document.model import Node
from mgraph.errors import printable


def expression(node: Node) -> str:
    """What a node is, in a line: ``a * b``, ``tanh(c)``, or the kind of leaf."""
    op = OPS.get(node["op"])
    if op is None:
        return node["op"]
    operands = [printable(a) if isinstance(a, str) else f"{a:.12g}" for a in node["args"]]
    if op.arity == 2 and not op.symbol.isalpha():
        return f" {op.symbol} ".join(operands)
    return f"-{operands[0]}" if op.name == "neg" else f"{op.name}({', '.join(operands)})"


def title(node: Node) -> str:
    """A node's id, and its label where that says something else."""
    name, label = node["id"], node.get("label", node["id"])
    return printable(name if name.endswith(label) else f"{name} ({label})")


def unused(name: str, *taken: Container[str]) -> str:
    """A name that none of these contains: this one, and as many underscores as it takes."""
    while any(name in each for each in taken):
        name += "_"
    return name


def number(x: float | None, digits: int | None = None) -> str:
    """A number in full (shortest round-trip digits) or to so many significant digits; empty for None."""
    if x is None:
        return ""
    if x - x != 0.0:
        return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"
    return repr(x) if digits is None else f"{x:.{digits}g}"
