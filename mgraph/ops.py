"""The op table: what every operation computes, and each of its partial derivatives.

One row is one op. Everything that knows about ops is driven by the rows: ``Value``'s methods, the
schema, replay, the tests, the table in the docs, the drawing. All arithmetic is IEEE 754 binary64,
round to nearest even; nothing here raises on any pair of doubles, what Python would raise is the NaN
or infinity of IEEE 754-2019.

Conventions where the mathematics leaves a choice:

- the derivative of ``relu`` at 0 is 0, of ``abs`` at 0 is 0;
- a tie of ``maximum`` or ``minimum`` belongs to the first operand;
- ``pow`` at base 0: ``0**0`` is 1 and its derivatives are 0, the limit along a constant exponent.

A forward function or a partial derivative is written once and read three ways, by what its names mean: on floats as it
stands here; on ``Value``s, where it records the derivative's own graph; compiled to machine code.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from math import inf, nan
from types import FunctionType
from typing import Any, NamedTuple

from mgraph.circular import cos, sin
from mgraph.errors import nearest
from mgraph.exponential import exp, expm1, sigmoid, tanh
from mgraph.logarithm import log, log1p, pow_

INPUT, PARAMETER, CONSTANT = "input", "parameter", "constant"
LEAVES = (INPUT, PARAMETER, CONSTANT)
"""Ops of nodes that are given, not computed. A constant cannot be overridden and gets no gradient."""


def div(a: float, b: float) -> float:
    """a/b by IEEE 754-2019 clause 7.3: x/0 is an infinity with the sign of the quotient, 0/0 is NaN."""
    if b == 0.0:
        return nan if a == 0.0 or a != a else math.copysign(inf, a) * math.copysign(1.0, b)
    return a / b


def sqrt(x: float) -> float:
    """Square root, by IEEE 754-2019 clause 5.4.1; NaN below 0, and sqrt(-0.0) is -0.0."""
    return math.sqrt(x) if x >= 0.0 else nan


def relu(x: float) -> float:
    """max(x, 0); NaN stays NaN."""
    return x if x > 0.0 or x != x else 0.0


def maximum(a: float, b: float) -> float:
    """IEEE 754-2019 clause 9.6 maximum: NaN if either is, and +0 is greater than -0."""
    if a > b:
        return a
    if b > a:
        return b
    return a if a == b != 0.0 else a + b  # the sum: NaN of a NaN, -0 only of two -0


def minimum(a: float, b: float) -> float:
    """IEEE 754-2019 clause 9.6 minimum: NaN if either is, and -0 is less than +0."""
    if a < b:
        return a
    if b < a:
        return b
    return a if a == b != 0.0 else -(-a - b)


def greater(a: float, b: float) -> float:
    """1 where a > b, else 0; NaN if either is."""
    return 1.0 if a > b else 0.0 if a <= b else nan


def gate(a: float, b: float) -> float:
    """a·b, and 0 where a is 0, whatever b is: what a branch that is not taken contributes."""
    return 0.0 if a == 0.0 else a * b


def _gap(a: float, b: float) -> float:
    """The sign of a - b, without the NaN that equal infinities would give."""
    return 0.0 if a == b else a - b


Interval = tuple[float, float]
REALS: Interval = (-inf, inf)


class Op(NamedTuple):
    """One row. ``partials[k]`` is ∂y/∂(operand k) as a function of the operands and then the result y."""

    name: str
    symbol: str
    """What the drawing's circle shows."""
    latex: str
    """A template over the operands, ``{0}`` and ``{1}``."""
    forward: Callable[..., float]
    partials: tuple[Callable[..., float], ...]
    formulas: tuple[str, ...]
    """The partials in words, over a, b and y, for the documentation."""
    domain: tuple[Interval, ...] = (REALS,)
    """Per operand, the open interval on which the op is finite and, kinks apart, differentiable."""
    kink: Callable[..., float] | None = None
    """A function of the operands whose zeros are the points without a derivative, if there are any."""
    at_kink: str = ""
    """The convention at those points, in words."""
    selects: bool = False
    """Whether a partial of 0 means that the operand was not taken: it then contributes nothing."""

    @property
    def arity(self) -> int:
        """How many operands the op takes, 1 or 2."""
        return len(self.partials)


POSITIVE: Interval = (0.0, inf)
BOTH = (REALS, REALS)

# fmt: off
ROWS: tuple[Op, ...] = (
    #  name      symbol   LaTeX                 y =           ∂y/∂(each operand), as functions and in words
    Op("neg",     "neg",  r"-{0}",              operator.neg, (lambda a, y: -1.0,),           ("-1",)),
    Op("add",     "+",    r"{0} + {1}",         operator.add, (lambda a, b, y: 1.0, lambda a, b, y: 1.0),  ("1", "1"),  BOTH),
    Op("sub",     "-",    r"{0} - {1}",         operator.sub, (lambda a, b, y: 1.0, lambda a, b, y: -1.0), ("1", "-1"), BOTH),
    Op("mul",     "*",    r"{0} \cdot {1}",     operator.mul, (lambda a, b, y: b,   lambda a, b, y: a),    ("b", "a"),  BOTH),
    Op("div",     "/",    r"\frac{{{0}}}{{{1}}}", div,        (lambda a, b, y: div(1.0, b), lambda a, b, y: div(-y, b)), ("1/b", "-y/b"), (REALS, POSITIVE)),
    Op("pow",     "**",   r"{{{0}}}^{{{1}}}",   pow_,         (lambda a, b, y: gate(b, pow_(a, b - 1.0)), lambda a, b, y: gate(y, gate(greater(abs(a), 0.0), log(a)))), ("gate(b, a**(b-1))", "gate(y, gate(greater(abs(a), 0), log(a)))"), (POSITIVE, REALS)),
    Op("exp",     "exp",  r"e^{{{0}}}",         exp,          (lambda a, y: y,),              ("y",)),
    Op("expm1",   "expm1", r"e^{{{0}}} - 1",    expm1,        (lambda a, y: exp(a),),         ("exp(a)",)),
    Op("log",     "log",  r"\log {0}",          log,          (lambda a, y: div(1.0, a),),    ("1/a",),      (POSITIVE,)),
    Op("log1p",   "log1p", r"\log(1 + {0})",    log1p,        (lambda a, y: div(1.0, 1.0 + a),), ("1/(1+a)",), ((-1.0, inf),)),
    Op("sqrt",    "sqrt", r"\sqrt{{{0}}}",      sqrt,         (lambda a, y: div(0.5, y),),    ("0.5/y",),    (POSITIVE,)),
    Op("tanh",    "tanh", r"\tanh {0}",         tanh,         (lambda a, y: 1.0 - y * y,),    ("1-y·y",)),
    Op("sigmoid", "sigmoid", r"\sigma({0})",    sigmoid,      (lambda a, y: y * (1.0 - y),),  ("y·(1-y)",)),
    Op("relu",    "ReLU", r"\max(0, {0})",      relu,         (lambda a, y: greater(a, 0.0),), ("(a>0)",),   (REALS,), lambda a: a, "0 at a = 0", True),
    Op("sin",     "sin",  r"\sin {0}",          sin,          (lambda a, y: cos(a),),         ("cos(a)",)),
    Op("cos",     "cos",  r"\cos {0}",          cos,          (lambda a, y: -sin(a),),        ("-sin(a)",)),
    Op("abs",     "abs",  r"\left|{0}\right|",  abs, (lambda a, y: greater(a, 0.0) - greater(0.0, a),), ("(a>0)-(a<0)",), (REALS,), lambda a: a, "0 at a = 0", True),
    Op("maximum", "max",  r"\max({0}, {1})",    maximum,      (lambda a, b, y: 1.0 - greater(b, a), lambda a, b, y: greater(b, a)), ("(a>=b)", "(a<b)"), BOTH, _gap, "a tie goes to the first operand", True),
    Op("minimum", "min",  r"\min({0}, {1})",    minimum,      (lambda a, b, y: 1.0 - greater(a, b), lambda a, b, y: greater(a, b)), ("(a<=b)", "(a>b)"), BOTH, _gap, "a tie goes to the first operand", True),
    Op("greater", ">",    r"[{0} > {1}]",       greater,      (lambda a, b, y: 0.0, lambda a, b, y: 0.0), ("0", "0"), BOTH, _gap, "0 at a = b", True),
    Op("gate",    "gate", r"\mathrm{{gate}}({0}, {1})", gate, (lambda a, b, y: b,   lambda a, b, y: a),    ("b", "a"),  BOTH, selects=True),
)
# fmt: on

OPS: dict[str, Op] = {row.name: row for row in ROWS}
"""Operations by name, in the table's order. Leaves are not in it."""


def read_with(function: Callable[..., Any], meanings: dict[str, Any]) -> Callable[..., Any]:
    """A forward function or partial read with other meanings for the names in it; a builtin as it is."""
    if not isinstance(function, FunctionType):
        return function
    return FunctionType(function.__code__, meanings, function.__name__)


def unknown_op(name: str) -> str:
    """The sentence for an op that the table does not have."""
    known = (*LEAVES, *OPS)
    return (
        f"unknown op {name[:60]!r}.{nearest(name, known)} This mgraph knows {', '.join(known)};"
        " a newer mgraph may know more."
    )
