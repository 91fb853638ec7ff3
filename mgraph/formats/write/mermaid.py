"""Mermaid flowcharts, which many sites draw inside Markdown: a box for each value, a circle for each operation."""

from __future__ import annotations

from mgraph.arithmetic.ops import OPS
from mgraph.document.spelling import number
from mgraph.document.wiring import Wiring
from mgraph.formats.write.programs import refused

SPELLED = {op.name: op.symbol for op in OPS.values()}


def write(wiring: Wiring) -> bytes:
    """A flowchart, left to right. Names, ops and recorded numbers, rounded to six digits, are in it."""
    places = {node["id"]: f"n{k}" for k, node in enumerate(wiring.nodes)}
    lines = ["flowchart LR"]
    for k, node in enumerate(wiring.nodes):
        parts = [text(node.get("label", node["id"]))]
        parts += [f"{key} {number(float(node[key]), 6)}" for key in ("data", "grad") if key in node]
        lines.append(f'  n{k}["{"<br/>".join(parts)}"]')
        if "args" not in node:
            continue
        if node["op"] not in SPELLED:
            raise refused("Mermaid", node)
        lines.append(f'  n{k}op(("{text(SPELLED[node["op"]])}")) --> n{k}')
        for a, operand in enumerate(node["args"]):
            if not isinstance(operand, str):
                lines.append(f'  n{k}literal{a}["{number(operand, 6)}"]')
            lines.append(f"  {places[operand] if isinstance(operand, str) else f'n{k}literal{a}'} --> n{k}op")
    return "\n".join([*lines, ""]).encode()


def text(name: str) -> str:
    """A text inside quotation marks, as Mermaid's entity codes where a character would mean something."""
    short = name if len(name) <= 200 else name[:199] + "…"
    return "".join(c if c.isalnum() or c in " +-=.,:()[]/" else "<br/>" if c == "\n" else f"#{ord(c)};" for c in short)
