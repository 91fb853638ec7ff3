"""Writes the tables of howto/export.md: the stated ULPs, and what survives in each format, found by exporting a probe.

Run: python docs/make_exports.py
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

from mgraph import Graph
from mgraph.formats import TARGETS, module

PAGE = Path(__file__).parent / "howto" / "export.md"
STATED = ("python", "numpy", "torch", "jax", "c", "onnx")
CODE = ("python", "numpy", "torch", "jax", "c", "sympy", "latex-expression")
PROBE = Graph(
    {
        "mgraph": 1,
        "title": "Probe",
        "nodes": [
            {"id": "alpha", "op": "input", "data": 0.8137, "grad": -0.39711234},
            {"id": "beta", "op": "parameter", "data": -0.2719, "grad": -0.3355672},
            {
                "id": "middle",
                "op": "mul",
                "args": ["alpha", "beta"],
                "data": -0.2212453,
                "grad": 0.9526581,
                "scope": "layerseven",
            },
            {"id": "omega", "op": "tanh", "args": ["middle"], "data": -0.21770612, "grad": 1.00001},
        ],
        "seeds": {"omega": 1.00001},
    }
)  # its numbers are not what would be computed, so that they are found only where they were written


def ulps() -> list[str]:
    """Per op with a tolerance, what each program states."""
    tables = {name: module(TARGETS[name].module).ULPS for name in STATED}
    ops = [op for op in tables["python"] if any(op in table for table in tables.values())]
    lines = ["| op | " + " | ".join(STATED) + " |", "|" + "---|" * (len(STATED) + 1)]
    return lines + [f"| {op} | " + " | ".join(str(tables[name][op]) for name in STATED) + " |" for op in ops]


def survives() -> list[str]:
    """Per format: structure, order, names, values, gradients, scopes."""
    lines = ["| out | structure | order | names | values | gradients | scopes |", "|---|---|---|---|---|---|---|"]
    for name in TARGETS:
        raw = PROBE.export(name)
        alone = name in ("latex-expression", "c-header")
        row = [
            "code" if name in CODE else "no" if name == "c-header" else "yes",
            "no" if alone else "yes",
            _names(raw),
            _numbers(raw, "data"),
            _numbers(raw, "grad"),
        ]
        row.append("yes" if b"layerseven" in raw else "no")
        lines.append(f"| `{name}` | " + " | ".join(row) + " |")
    return lines


def _names(raw: bytes) -> str:
    return "yes" if b"middle" in raw else "leaves" if b"alpha" in raw else "outputs" if b"omega" in raw else "no"


def _numbers(raw: bytes, key: str) -> str:
    alpha, middle = (float(PROBE.nodes[k][key]) for k in (0, 2))

    def written(x: float, *forms: str) -> bool:
        return any(form.format(x).encode() in raw for form in forms)

    if written(middle, "{!r}"):
        return "yes"
    if written(middle, "{:.6g}", "{:.4f}"):
        return "rounded"
    if written(alpha, "{!r}") or struct.pack("<d", float(PROBE.nodes[1][key])) in raw:
        return "leaves"
    return "computed" if key == "grad" and b"gradients(" in raw else "no"


def page(text: str) -> str:
    """The page with its tables as they are today."""
    for name, lines in (("ulps", ulps()), ("survives", survives())):
        body = f"<!-- {name} -->\n" + "\n".join(lines) + f"\n<!-- end of {name} -->"
        text = re.sub(
            rf"<!-- {name} -->(?:.*?<!-- end of {name} -->)?", lambda _, body=body: body, text, flags=re.DOTALL
        )
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
