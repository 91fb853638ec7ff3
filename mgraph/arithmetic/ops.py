"""The op table: what every operation computes, and each of its partial derivatives.

One row is one op. Everything that knows about ops is driven by the rows: ``Value``'s methods, the schema, replay,
finite differences, the tests, the table in the docs, the drawing. All arithmetic is IEEE 754 binary64, round to nearest
even; nothing here raises on any pair of doubles, what Python would raise is the NaN or infinity of IEEE 754-2019.

Conventions where the mathematics leaves a choice:

- the derivative of ``relu`` at 0 is 0, of ``abs`` at 0 is 0;
- a tie of ``maximum`` or ``minimum`` belongs to the first operand;
- ``pow`` at base 0: ``0**0`` is 1 and its derivatives are 0, the limit along a constant exponent.

A row's formulas are the only source of what it computes (see :mod:`mgraph.arithmetic.formulas`). They are evaluated on
floats, by the functions below; on ``Value``s, where a derivative records its own graph; and as machine code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import inf, nan
from typing import Any

from mgraph.arithmetic.binary64 import require_single_rounding
from mgraph.arithmetic.exponential import exp, expm1, sigmoid, tanh
from mgraph.arithmetic.formulas import function
from mgraph.arithmetic.logarithm import log, log1p, pow_
from mgraph.arithmetic.trigonometric import cos, sin
from mgraph.errors import nearest

require_single_rounding()

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
    return 1.0 if a > b else nan if a != a or b != b else 0.0  # PyPy's JIT gets `0.0 if a <= b else nan` wrong


def gate(a: float, b: float) -> float:
    """a·b, and 0 where a is 0, whatever b is: what a branch that is not taken contributes."""
    return 0.0 if a == 0.0 else a * b


_NAMED = (abs, cos, div, exp, expm1, gate, greater, log, log1p, maximum, minimum, relu, sigmoid, sin, sqrt, tanh)
FLOATS: dict[str, Any] = {each.__name__: each for each in _NAMED} | {"pow": pow_, "__builtins__": {}}
"""What the names in formulas mean for floats."""

Function = Callable[..., float]
Interval = tuple[float, float]
REALS: Interval = (-inf, inf)


@dataclass(frozen=True)
class Op:
    """One row: an operation y of the operands a and b."""

    name: str
    symbol: str
    """What the drawing's circle shows."""
    latex: str
    """A template over the operands, ``{0}`` and ``{1}``."""
    formula: str
    """What y is, over the operands."""
    derivatives: tuple[str, ...]
    """∂y/∂a and ∂y/∂b, over the operands and y; evaluated as they are written."""
    domain: tuple[Interval, ...] = (REALS,)
    """Per operand, the open interval on which the op is finite and, kinks apart, differentiable."""
    kinks: str = ""
    """A formula over the operands that changes its sign at the points without a derivative, if there are any."""
    at_kink: str = ""
    """The convention at those points, in words."""
    branches: bool = False
    """Whether a derivative of 0 means that the operand was not taken: it then contributes nothing."""
    scales: tuple[str, ...] = ()
    """Per operand, a formula: the distance over which y keeps its shape, as :mod:`mgraph.checking.finite_differences`
    defines it. An op with kinks has none to state, since that distance is how far its kink is."""

    @property
    def arity(self) -> int:
        """How many operands the op takes, 1 or 2."""
        return len(self.derivatives)

    @property
    def operands(self) -> tuple[str, ...]:
        """What the formulas call the operands."""
        return ("a", "b")[: self.arity]

    def functions(self, meanings: dict[str, Any]) -> tuple[Callable[..., Any], tuple[Callable[..., Any], ...]]:
        """The op as a function of its operands, and each derivative as one of the operands and then y.

        ``meanings`` says what the names of ops in the formulas mean.
        """
        partials = [function(each, (*self.operands, "y"), meanings) for each in self.derivatives]
        return function(self.formula, self.operands, meanings), tuple(partials)

    @cached_property
    def forward(self) -> Function:
        """The op on floats."""
        return self.functions(FLOATS)[0]

    @cached_property
    def partials(self) -> tuple[Function, ...]:
        """The derivatives on floats."""
        return self.functions(FLOATS)[1]

    @cached_property
    def kink(self) -> Function | None:
        """The formula ``kinks`` on floats."""
        return function(self.kinks, self.operands, FLOATS) if self.kinks else None

    @cached_property
    def scale(self) -> tuple[Function, ...]:
        """The formulas ``scales`` on floats; of an op with kinks, the distance of its kink."""
        formulas = self.scales or (f"abs({self.kinks})",) * self.arity
        return tuple(function(each, self.operands, FLOATS) for each in formulas)

    @property
    def where(self) -> str:
        """The domain in words: ``a > 0``, or ``all``."""
        bounds = zip(self.operands, self.domain, strict=True)
        return ", ".join(f"{name} > {low:g}" for name, (low, _) in bounds if low > -inf) or "all"

    @property
    def documentation(self) -> str:
        """The docstring of the op's function and method: formula, derivatives, domain, convention."""
        code = getattr(self.forward, "__code__", None)  # a builtin has none
        names = dict(zip(code.co_varnames, self.operands, strict=False)) if code else {}
        summary = re.sub(r"\b[xy]\b", lambda found: names.get(found[0], found[0]), self.forward.__doc__ or self.name)
        partials = [f"∂y/∂{name} = {each}" for name, each in zip(self.operands, self.derivatives, strict=True)]
        convention = [f"convention: {self.at_kink}"] if self.at_kink else []
        facts = [f"y = {self.formula}", *partials, f"domain: {self.where}", *convention]
        return "\n".join([summary, "", *facts])


POSITIVE: Interval = (0.0, inf)
BOTH = (REALS, REALS)

# Scales that several rows state, or that are too long for one.
LINEAR = ("maximum(1, abs(a))", "maximum(1, abs(b))")  # any distance will do
SHARED = ("maximum(1, maximum(abs(a), abs(b)))",) * 2  # a smaller step would be lost in the sum
SATURATING = ("maximum(1, abs(a) - 750)",)  # e**a, and what is made of it: nothing changes once e**-745 is 0
MAGNITUDE = ("abs(a)",)  # a power or a logarithm: how far 0 is
POWER = (  # at base 0, where whole powers have a slope, so little that all terms but the first vanish
    "abs(a)/maximum(1, abs(b)) + 1e-90*(1 - greater(abs(a), 0))",
    "1/maximum(abs(log(abs(a))), 1e-300) + abs(b)*(1 - greater(abs(a), 0))",
)

# fmt: off
ROWS: tuple[Op, ...] = (
    #  name       symbol     LaTeX                     y                ∂y/∂a, ∂y/∂b                               domain
    Op("neg",     "neg",     r"-{0}",                  "-a",            ("-1",), scales=LINEAR[:1]),
    Op("add",     "+",       r"{0} + {1}",             "a + b",         ("1", "1"),                                BOTH, scales=SHARED),
    Op("sub",     "-",       r"{0} - {1}",             "a - b",         ("1", "-1"),                               BOTH, scales=SHARED),
    Op("mul",     "*",       r"{0} \cdot {1}",         "a * b",         ("b", "a"),                                BOTH, scales=LINEAR),
    Op("div",     "/",       r"\frac{{{0}}}{{{1}}}",   "a / b",         ("1/b", "-y/b"),                           (REALS, POSITIVE), scales=(LINEAR[0], "abs(b)")),
    Op("pow",     "**",      r"{{{0}}}^{{{1}}}",       "a**b",          ("gate(b, a**(b - 1))", "gate(y, gate(greater(abs(a), 0), log(a)))"), (POSITIVE, REALS), scales=POWER),
    Op("exp",     "exp",     r"e^{{{0}}}",             "exp(a)",        ("y",), scales=SATURATING),
    Op("expm1",   "expm1",   r"e^{{{0}}} - 1",         "expm1(a)",      ("exp(a)",), scales=SATURATING),
    Op("log",     "log",     r"\log {0}",              "log(a)",        ("1/a",),                                  (POSITIVE,), scales=MAGNITUDE),
    Op("log1p",   "log1p",   r"\log(1 + {0})",         "log1p(a)",      ("1/(1 + a)",),                            ((-1.0, inf),), scales=("abs(1 + a)",)),
    Op("sqrt",    "sqrt",    r"\sqrt{{{0}}}",          "sqrt(a)",       ("0.5/y",),                                (POSITIVE,), scales=MAGNITUDE),
    Op("tanh",    "tanh",    r"\tanh {0}",             "tanh(a)",       ("1 - y*y",), scales=SATURATING),
    Op("sigmoid", "sigmoid", r"\sigma({0})",           "sigmoid(a)",    ("y*(1 - y)",), scales=SATURATING),
    Op("relu",    "ReLU",    r"\max(0, {0})",          "relu(a)",       ("greater(a, 0)",),                        (REALS,), "a", "0 at a = 0", True),
    Op("sin",     "sin",     r"\sin {0}",              "sin(a)",        ("cos(a)",), scales=("1",)),
    Op("cos",     "cos",     r"\cos {0}",              "cos(a)",        ("-sin(a)",), scales=("1",)),
    Op("abs",     "abs",     r"\left|{0}\right|",      "abs(a)",        ("greater(a, 0) - greater(0, a)",),        (REALS,), "a", "0 at a = 0", True),
    Op("maximum", "max",     r"\max({0}, {1})",        "maximum(a, b)", ("1 - greater(b, a)", "greater(b, a)"),    BOTH, "a - b", "a tie goes to the first operand", True),
    Op("minimum", "min",     r"\min({0}, {1})",        "minimum(a, b)", ("1 - greater(a, b)", "greater(a, b)"),    BOTH, "a - b", "a tie goes to the first operand", True),
    Op("greater", ">",       r"[{0} > {1}]",           "greater(a, b)", ("0", "0"),                                BOTH, "a - b", "0 at a = b", True),
    Op("gate",    "gate",    r"\mathrm{{gate}}({0}, {1})", "gate(a, b)", ("b", "a"),                               BOTH, branches=True, scales=LINEAR),
)
# fmt: on

OPS: dict[str, Op] = {row.name: row for row in ROWS}
"""Operations by name, in the table's order. Leaves are not in it."""


def unknown_op(name: str) -> str:
    """The sentence for an op that the table does not have."""
    known = (*LEAVES, *OPS)
    return (
        f"unknown op {name[:60]!r}.{nearest(name, known)} This mgraph knows {', '.join(known)};"
        " a newer mgraph may know more."
    )
