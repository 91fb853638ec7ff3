"""Formulas such as ``1 - y*y``: one text, evaluated on whatever the names in it mean.

With floats, machine code or ``Value``s in place of the names, the same formula computes a number, is compiled, or
records a derivative's own graph. A formula holds numbers, the operands ``a`` and ``b``, the result ``y``,
``+ - * / **``, and calls of ops by name.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

_CALLED: dict[type[ast.operator], str] = {ast.Div: "div", ast.Pow: "pow"}
_OPERATORS: dict[str, Callable[..., Any]] = {
    "-a": operator.neg,
    "a + b": operator.add,
    "a - b": operator.sub,
    "a * b": operator.mul,
}


class _Spelling(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Constant(float(ast.literal_eval(node)))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        name = _CALLED.get(type(node.op))
        return node if name is None else ast.Call(ast.Name(name), [node.left, node.right], [])


@cache
def spelled(formula: str) -> str:
    """The formula in Python, over doubles: 1 is 1.0, and ``/`` and ``**``, which raise in Python, are calls."""
    return ast.unparse(_Spelling().visit(ast.parse(formula, mode="eval")))


def function(formula: str, arguments: Sequence[str], meanings: dict[str, Any]) -> Callable[..., Any]:
    """The formula as a function of ``arguments``, by what ``meanings`` says of the names that it calls.

    A single operation on the arguments is that operation's own function, with no call in between.
    """
    text = spelled(formula)
    if text in _OPERATORS:
        return _OPERATORS[text]
    name, _, operands = text.partition("(")
    if name in meanings and operands == ", ".join(arguments) + ")":
        return meanings[name]  # type: ignore[no-any-return]
    return eval(f"lambda {', '.join(arguments)}: {text}", meanings)  # type: ignore[no-any-return]
