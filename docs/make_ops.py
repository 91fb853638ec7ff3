"""Writes what is made of the op table: the one in reference/ops.md, and the stubs that type checkers and editors read.

python docs/make_ops.py
"""

from pathlib import Path
from textwrap import indent

from mgraph.arithmetic.ops import OPS, Op
from mgraph.recording.value import OPERATORS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "ops.md"
STUBS = ROOT / "mgraph" / "recording" / "op_types.pyi"
START, END = "<!-- table -->\n", "<!-- end of table -->"

HEAD = '''"""Every op as a method of Value and as a function, for type checkers and editors: by docs/make_ops.py."""

from typing import SupportsFloat, overload

from mgraph.recording.value import Value

__all__ = [
{names}]

class Methods:
'''
UNARY = (("Value", "Value"), ("float", "float"), ("SupportsFloat", "Value | float"))
BINARY = (
    ("Value, b: SupportsFloat", "Value"),
    ("SupportsFloat, b: Value", "Value"),
    ("float, b: float", "float"),
    ("SupportsFloat, b: SupportsFloat", "Value | float"),
)
"""Signatures of functions of one and of two operands. The last is for numbers of other types than float, and for what
may be a Value."""


def table() -> str:
    """One line an op."""
    lines = [
        "| op | symbol | y = | ∂y/∂a | ∂y/∂b | domain | at a kink |",
        "|---|---|---|---|---|---|---|",
    ]
    for op in OPS.values():
        latex = "$" + op.latex.format("a", "b").replace("|", r"\vert ") + "$"
        partials = [f"`{formula}`" for formula in op.derivatives] + [""] * (2 - op.arity)
        cells = [f"`{op.name}`", op.symbol.replace("*", r"\*"), latex, *partials, op.where, op.at_kink]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page, with its table made anew."""
    head, rest = PAGE.read_text().split(START)
    return head + START + table() + END + rest.split(END)[1]


def method(name: str, op: Op, body: str) -> str:
    """A method of the class, for an op or an operator."""
    return indent(f"def {name}(self{', b: SupportsFloat' * (op.arity - 1)}) -> Value:{body}\n", "    ")


def function(op: Op) -> str:
    """The op as a function, overloaded."""
    first, *rest = UNARY if op.arity == 1 else BINARY
    text = f"@overload\ndef {op.name}(a: {first[0]}, /) -> {first[1]}:{documented(op)}\n\n"
    return text + "".join(f"@overload\ndef {op.name}(a: {given}, /) -> {made}: ...\n" for given, made in rest)


def documented(op: Op) -> str:
    """A body that is the docstring."""
    return "\n" + indent(f'"""{op.documentation}\n"""\n', "    ").rstrip("\n")


def stubs() -> str:
    """The module of stubs."""
    operators = [method(each, OPS[name], " ...") for name, specials in OPERATORS.items() for each in specials]
    methods = [method(op.name, op, documented(op)) for op in OPS.values()]
    names = "".join(f'    "{name}",\n' for name in sorted(OPS))
    return HEAD.format(names=names) + "".join(operators + methods) + "\n" + "".join(map(function, OPS.values()))


WRITTEN = {PAGE: page, STUBS: stubs}

if __name__ == "__main__":
    for path, make in WRITTEN.items():
        path.write_text(make())
        print(f"{len(OPS)} operations written to {path.relative_to(ROOT)}")
