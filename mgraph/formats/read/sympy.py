"""SymPy: expressions, read as a graph of values. The one place that knows how SymPy writes arithmetic.

SymPy writes x - y/3 as x + (-1/3)·y and 1/x as a power; here they are a difference and quotients again, and sums and
products are taken from left to right in the order in which SymPy prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from math import inf, nan
from typing import Any, SupportsFloat

import sympy

from mgraph.arithmetic.ops import INPUT, OPS
from mgraph.document.model import Document
from mgraph.errors import FormatError, shown
from mgraph.recording.record import document_of
from mgraph.recording.value import Value, apply, constant

Operand = Value | float
Built = tuple[Sequence[Any], Callable[..., Operand]]
"""The expressions that one is made of, and what makes it of their values."""


def read(
    expressions: Any,
    values: Mapping[Any, SupportsFloat] | None = None,
    *,
    title: str | None = None,
) -> Document:
    """The document of a SymPy expression, or of a list of them.

    Each symbol becomes an input; ``values`` are their numbers, by symbol, or by name where only one symbol has that
    name. Where a symbol has no number the document is a recipe: it records no results. A subexpression that occurs
    twice is one node. Raises FormatError for an expression that cannot be imported and for numbers that fit no symbol,
    TypeError for what is no expression and no number.
    """
    roots = list(expressions) if isinstance(expressions, list | tuple) else [expressions]
    for root in roots:
        if isinstance(root, sympy.MatrixBase):
            raise FormatError("a matrix as a whole is not supported; its elements are: from_sympy(list(matrix))")
        if not isinstance(root, sympy.Basic):
            raise TypeError(f"a SymPy expression or a list of them is needed, not {type(root).__name__}")
    if not roots:
        raise TypeError("at least one expression is needed")
    given = {key: _given(key, number) for key, number in (values or {}).items()}
    try:
        made = _values(roots, given)
    except RecursionError:
        raise FormatError("the expression is nested too deeply for SymPy to put its terms in order") from None
    symbols = [each for each in made if isinstance(each, sympy.Symbol)]
    _check_keys(given, symbols)
    outputs = [made[root] for root in roots]
    recipe = any(_number_of(each, given) is None for each in symbols)
    if len(outputs) == 1 and isinstance(outputs[0], Value) and not recipe:
        outputs[0].backward()
    document = document_of(outputs, title=title, meta={"source": f"SymPy {sympy.__version__}"})
    inputs = iter(symbols)  # in the order in which they were made, as the document has them
    for node in document["nodes"] if recipe else ():
        if node["op"] in OPS or (node["op"] == INPUT and _number_of(next(inputs), given) is None):
            del node["data"]
    return document


def _given(key: Any, number: Any) -> float:
    """The number that ``values`` has under a key."""
    try:
        if isinstance(number, str | bytes):
            raise TypeError  # which float would read
        return float(number)
    except (TypeError, ValueError):
        raise TypeError(f"{_shown(key)} is given {shown(number)}, which is not a number") from None


def _number_of(symbol: Any, given: Mapping[Any, float]) -> float | None:
    """The number of a symbol, by itself or by its name."""
    return given.get(symbol, given.get(symbol.name))


def _check_keys(given: Mapping[Any, float], symbols: Sequence[Any]) -> None:
    """Refuse a number that is no symbol's, or several symbols', and a second number for one symbol."""
    called: dict[str, list[Any]] = {}
    for symbol in symbols:
        called.setdefault(symbol.name, []).append(symbol)
    numbered: set[Any] = set()
    for key in given:
        text = _shown(key)
        named = called.get(str(getattr(key, "name", key)), [])
        meant = [each for each in named if key in (each, each.name)]
        if len(meant) > 1:
            raise FormatError(f"{len(meant)} symbols are called {text}: give numbers by symbol, {{symbol: number}}")
        if not meant:
            other = "; the one of that name in it has other assumptions or is a Dummy: give its number by name"
            raise FormatError(f"{text} is given a value, but is no symbol of the expression" + other * bool(named))
        if meant[0] in numbered:
            raise FormatError(f"{text} is given two values, by symbol and by name")
        numbered.add(meant[0])


def _values(roots: Sequence[Any], given: Mapping[Any, float]) -> dict[Any, Operand]:
    """The value of each expression and of those that it is made of, without recursion."""
    made: dict[Any, Operand] = {}
    built: dict[Any, Built] = {}
    pending = list(reversed(roots))
    while pending:
        each = pending[-1]
        if each in made:
            pending.pop()
            continue
        if isinstance(each, sympy.Symbol):
            number = _number_of(each, given)
            made[each] = Value(nan if number is None else number, name=each.name)
            continue
        if each not in built:
            built[each] = _built(each)
        parts, make = built[each]
        needed = [part for part in reversed(parts) if part not in made]
        if needed:
            pending += needed
        else:
            made[each] = make(*(made[part] for part in parts))
    return made


def _built(x: Any) -> Built:
    if x.is_Number or isinstance(x, sympy.NumberSymbol):
        number = _number(x)
        name = None if x.is_Number else str(x)
        return (), lambda: number if name is None else constant(number, name)
    if x.is_Add:
        return _sum(x)
    if x.is_Mul:
        return _product(x)
    if x.is_Pow:
        return _power(x.base, x.exp)
    meaning = FUNCTIONS.get(type(x).__name__)
    if meaning is None or not x.args:
        raise FormatError(f"{_shown(x)} is not supported; docs/reference/import-operators.md lists what is")
    return x.args, meaning


def _number(x: Any) -> float:
    """The double nearest to a number of SymPy's."""
    special = {sympy.oo: inf, -sympy.oo: -inf, sympy.nan: nan}
    if x in special:
        return special[x]
    exact = sympy.Rational(x if x.is_Number else x.evalf(60))
    try:
        return int(exact.p) / int(exact.q)  # Python rounds the quotient of two ints correctly
    except OverflowError:
        raise FormatError(f"{_shown(x)} is past the largest double") from None


def _sum(x: Any) -> Built:
    signs, parts = [], []
    for term in x.as_ordered_terms():
        factor, rest = term.as_coeff_Mul()
        negative = bool(factor.is_negative)
        signs.append(negative)
        if not negative:
            parts.append(term)
        elif rest == 1 or factor == -1:
            parts.append(rest if factor == -1 else -factor)
        else:
            parts.append(sympy.Mul(-factor, rest, evaluate=False))

    def make(*terms: Operand) -> Operand:
        total = apply("neg", terms[0]) if signs[0] else terms[0]
        for negative, term in zip(signs[1:], terms[1:], strict=True):
            total = apply("sub" if negative else "add", total, term)
        return total

    return parts, make


def _product(x: Any) -> Built:
    factor, rest = x.as_coeff_Mul()
    above, below = [], []
    for each in rest.as_ordered_factors():
        if each.is_Pow and each.exp.is_Number and each.exp.is_negative:
            below.append(each.base if each.exp == -1 else sympy.Pow(each.base, -each.exp, evaluate=False))
        else:
            above.append(each)
    whole, part = (factor.p, factor.q) if factor.is_Rational else (factor, 1)
    negative = whole == -1
    above = above if whole in (1, -1) else [sympy.sympify(whole), *above]
    below = below if part == 1 else [*below, sympy.Integer(part)]
    above = above or [sympy.Integer(1)]

    def make(*factors: Operand) -> Operand:
        product = reduce(partial(apply, "mul"), factors[: len(above)])
        product = apply("neg", product) if negative else product
        return reduce(partial(apply, "div"), factors[len(above) :], product)

    return [*above, *below], make


def _power(base: Any, exponent: Any) -> Built:
    if base == sympy.E:
        return [exponent], partial(apply, "exp")
    if exponent == sympy.S.Half:
        return [base], partial(apply, "sqrt")
    if exponent.is_Number and exponent.is_negative and exponent in (-1, -sympy.S.Half):
        root = exponent != -1
        return [base], lambda x: apply("div", 1.0, apply("sqrt", x) if root else x)
    return [base, exponent], partial(apply, "pow")


def _quotient(above: str | None, below: str) -> Callable[[Operand], Operand]:
    return lambda x: apply("div", 1.0 if above is None else apply(above, x), apply(below, x))


def _sinh(x: Operand) -> Operand:
    """(e^x - 1) - (e^-x - 1), halved: exact near 0, where e^x - e^-x is not."""
    return apply("div", apply("sub", apply("expm1", x), apply("expm1", apply("neg", x))), 2.0)


def _cosh(x: Operand) -> Operand:
    return apply("div", apply("add", apply("exp", x), apply("exp", apply("neg", x))), 2.0)


def _sign(x: Operand) -> Operand:
    return apply("sub", apply("greater", x, 0.0), apply("greater", 0.0, x))


def _folded(op: str) -> Callable[..., Operand]:
    return lambda *operands: reduce(partial(apply, op), operands)


FUNCTIONS: dict[str, Callable[..., Operand]] = {
    **{name: partial(apply, name) for name in ("exp", "log", "sin", "cos", "tanh")},
    "Abs": partial(apply, "abs"),
    "Max": _folded("maximum"),
    "Min": _folded("minimum"),
    "tan": _quotient("sin", "cos"),
    "cot": _quotient("cos", "sin"),
    "sec": _quotient(None, "cos"),
    "csc": _quotient(None, "sin"),
    "sinh": _sinh,
    "cosh": _cosh,
    "sign": _sign,
}
"""What SymPy's functions are made of; sums, products and powers are read by their own rules."""


def _shown(x: Any) -> str:
    """An expression for a message; a deep one cannot be printed, and a long one should not be."""
    try:
        text = "".join(c if c.isprintable() else "\ufffd" for c in str(x))
    except RecursionError:
        return type(x).__name__
    return text if len(text) <= 60 else f"{type(x).__name__} ({text[:50]}…)"
