"""``Value(data, (a, b), "+")``: a value made by hand of its operands and the symbol of its op, as in micrograd."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isclose

from mgraph.arithmetic.ops import OPS
from mgraph.errors import nearest, shown
from mgraph.recording.value import Value, literal

CLOSE = 1e-9
"""How far ``data`` may be from the op's own result, relatively or absolutely: formulas for tanh cancel."""


def operation(data: float, operands: Sequence[Value], symbol: str) -> tuple[str, tuple[Value, ...]]:
    """The op of the table that micrograd's ``_op`` means, and all of its operands, the exponent of ``**2`` among them.

    Raises TypeError for what is no op or does not fit its operands, ValueError if ``data`` is not what it computes.
    """
    if not isinstance(operands, list | tuple) or not all(isinstance(each, Value) for each in operands):
        raise TypeError("the operands of a Value are a tuple of values, in order")
    power = re.fullmatch(r"\*\*(.+)", symbol)
    if power and len(operands) == 1:
        try:
            found, operands = "pow", (*operands, literal(float(power[1])))
        except ValueError:
            raise TypeError(f"{shown(symbol)} is no power: ** is followed by a number") from None
    else:
        symbols = {spelled: op.name for op in OPS.values() for spelled in (op.symbol, op.name)}
        if symbol not in symbols:
            raise TypeError(
                f"unknown op {shown(symbol)}.{nearest(symbol, symbols)} An op of your own is a function of values, such"
                " as def softplus(x): return x.exp().log1p()"
            )
        found = symbols[symbol]
    op = OPS[found]
    if len(operands) != op.arity:
        raise TypeError(f"{shown(symbol)} takes {op.arity} operand{'s' * (op.arity > 1)}, got {len(operands)}")
    result = op.forward(*(each.data for each in operands))
    if not isclose(data, result, rel_tol=CLOSE, abs_tol=CLOSE) and (data == data or result == result):
        numbers = ", ".join(str(each.data) for each in operands)
        raise ValueError(f"{shown(symbol)} of {numbers} is {result}, not {data}")
    return found, tuple(operands)
