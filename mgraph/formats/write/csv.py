"""CSV (RFC 4180): a node a row, for spreadsheets and data frames."""

from __future__ import annotations

from csv import writer
from io import StringIO

from mgraph.document.spelling import number
from mgraph.document.wiring import Wiring

COLUMNS = ("id", "op", "operand 1", "operand 2", "literal 1", "literal 2", "data", "grad", "label", "scope", "output")


def write(wiring: Wiring) -> bytes:
    """A header and a row for each node, in order. An operand is an id, or else its literal column has the number."""
    outputs = set(wiring.outputs)
    text = StringIO()
    table = writer(text)
    table.writerow(COLUMNS)
    for node in wiring.nodes:
        args = node.get("args", [])
        ids = [a if isinstance(a, str) else "" for a in args] + [""] * (2 - len(args))
        literals = ["" if isinstance(a, str) else number(a) for a in args] + [""] * (2 - len(args))
        numbers = [number(float(node[key])) if key in node else "" for key in ("data", "grad")]
        texts = [node.get("label", ""), node.get("scope", ""), "yes" if node["id"] in outputs else ""]
        table.writerow([node["id"], node["op"], *ids, *literals, *numbers, *texts])
    return text.getvalue().encode()
