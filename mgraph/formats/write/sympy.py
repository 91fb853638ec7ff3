"""Python modules that build SymPy expressions, to be simplified, differentiated and printed there."""

from __future__ import annotations

import builtins
import keyword
from math import isfinite

from mgraph.arithmetic.ops import CONSTANT, LEAVES
from mgraph.document.wiring import Wiring
from mgraph.formats.write.programs import INFIX, docstring, expressions, functions, identifiers

OPS = {
    **INFIX,
    **functions("sympy.", "exp", "log", "sqrt", "tanh", "sin", "cos"),
    "pow": "{0} ** {1}",
    "expm1": "sympy.exp({0}) - 1",
    "log1p": "sympy.log(1 + {0})",
    "sigmoid": "1 / (1 + sympy.exp(-{0}))",
    "relu": "sympy.Max(0, {0})",
    "abs": "sympy.Abs({0})",
    "maximum": "sympy.Max({0}, {1})",
    "minimum": "sympy.Min({0}, {1})",
    "greater": "sympy.Piecewise((1, sympy.Gt({0}, {1})), (0, True))",
    "gate": "{0} * {1}",
}


def write(wiring: Wiring) -> bytes:
    """A module with ``outputs``, expressions by name, over real symbols, and ``recorded``, the symbols' numbers.

    SymPy computes with the reals: there is no rounding, and no signed zero; ``gate`` is the product.
    """
    names = identifiers(wiring, {*keyword.kwlist, *dir(builtins), "sympy", "outputs", "recorded"})

    def operand(each: str | float) -> str:
        return names[each] if isinstance(each, str) else _number(each)

    leaves = [node for node in wiring.nodes if node["op"] in LEAVES and node["op"] != CONSTANT]
    lines = [*docstring(wiring), "import sympy", ""]
    lines += [f"{names[node['id']]} = sympy.Symbol({node['id']!r}, real=True)" for node in leaves]
    lines += [f"{names[n['id']]} = {_number(n['data'])}" for n in wiring.nodes if n["op"] == CONSTANT]
    lines += [f"{names[node['id']]} = {text}" for node, text in expressions(wiring, "SymPy", OPS, operand)]
    lines += ["", "outputs = {", *(f"    {name!r}: {names[name]}," for name in wiring.outputs), "}"]
    numbers = [f"    {names[node['id']]}: {_number(node['data'])}," for node in leaves if "data" in node]
    lines += ["recorded = {", *numbers, "}", "", 'if __name__ == "__main__":']
    lines += ["    for name, expression in outputs.items():", '        print(name, "=", expression)', ""]
    return "\n".join(lines).encode()


def _number(x: float | str) -> str:
    value = float(x)
    if not isfinite(value):
        return "sympy.nan" if value != value else "sympy.oo" if value > 0 else "-sympy.oo"
    return f"sympy.Integer({int(value)})" if value == int(value) and abs(value) < 2**53 else f"sympy.Float({value!r})"
