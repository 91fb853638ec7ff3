"""``Value``: a number that remembers how it was made.

A value knows its op (a name in the op table), its ordered operands and its number; nothing else, no
closures. The forward pass is eager, in binary64, by the op table; ``backward`` sweeps the recorded
operands in reverse order of creation, which is the order a saved document lists them in, so that a replay
returns the same bits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from itertools import count, repeat
from numbers import Real
from typing import TYPE_CHECKING, Any, SupportsFloat, overload

from mgraph import seams
from mgraph.arithmetic.ops import CONSTANT, INPUT, LEAVES, OPS, PARAMETER, Op
from mgraph.recording.places import NOTING, Place, here, spelled
from mgraph.recording.scopes import current as current_scope

if TYPE_CHECKING:
    from mgraph.recording.op_types import Methods
else:
    Methods = object  # they come from the op table, below

LITERAL = "literal"
"""Op of a plain number used as an operand: a constant that costs the document no node."""

FIXED = (CONSTANT, LITERAL)
"""Ops of values that get no gradient."""
_NUMBERS = (float, int, Real)
"""Any real number: all three are, and the first two are found quicker by themselves."""
_serial = count()
TRACING: ContextVar[bool] = ContextVar("tracing", default=False)
"""Whether a function is traced: then no value may become a plain number."""


class Value(Methods):
    """A scalar with its origin.

    ``Value(0.5, name="x")`` is an input; see also :func:`parameter` and :func:`constant`. ``label`` is
    another word for ``name``. ``data`` is a float (binary64); ``grad`` is ∂(root)/∂(this value) after
    ``root.backward()``, 0.0 before. Arithmetic with ints, floats, NumPy scalars and other values makes new
    values; comparison, ``float``, ``int``, ``bool``, ``round`` and formatting look at ``data`` and record
    nothing. Equality and hash are by identity, so that values can be kept in sets.

    ``Value(3.0, (a, b), "+")``, as micrograd writes it, is the value of an op of the table; ``data`` must be its
    result, up to 1e-9.

    Raises TypeError for something that is not a real number or an op, OverflowError for an int past binary64,
    ValueError for a ``data`` that the op does not compute.
    """

    __module__ = "mgraph"

    __slots__ = ("__weakref__", "_name", "_scope", "_seed", "_source", "data", "grad", "op", "operands", "serial")

    data: float
    """The number, a binary64."""
    grad: float
    """The derivative of what ``backward`` was called on by this value; 0.0 before."""
    op: str
    """Which row of the op table made it; ``input``, ``parameter`` or ``constant`` for a leaf."""
    operands: tuple[Value, ...]
    """What it was made of, in order; a leaf has none."""
    serial: int
    """When it was made: larger than that of every operand."""
    _name: str | None
    _scope: str | None
    _seed: float | None
    _source: Place | None  # set only while sources are noted

    def __init__(
        self,
        data: SupportsFloat,
        _children: Sequence[Value] = (),
        _op: str = "",
        *,
        name: str | None = None,
        label: str | None = None,
        op: str = INPUT,
    ) -> None:
        if op not in LEAVES:
            raise TypeError(f"a Value is made as one of {', '.join(LEAVES)}, not {op!r}; operations make the rest")
        self.data = _number(data)
        self.grad = 0.0
        self.op = op
        self.operands = ()
        self.serial = next(_serial)
        self._name = None
        self.name = name if name is not None else label
        self._scope = current_scope()
        self._seed = None
        if NOTING:
            self._source = here()
        if _children or _op:
            from mgraph.recording.micrograd import operation

            self.op, self.operands = operation(self.data, _children, _op)

    @property
    def name(self) -> str | None:
        """What the value is called; any text, or None. Also spelled ``label``."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a name is text, not {name!r}")
        self._name = name

    label = name
    """Another word for ``name``."""

    @property
    def scope(self) -> str | None:
        """The path of scopes it was made in, such as ``mlp/layer0/neuron3``, or None."""
        return self._scope

    @property
    def seed(self) -> float | None:
        """The adjoint that ``backward`` started from here, or None if it did not start here."""
        return self._seed

    @property
    def source(self) -> str | None:
        """Where it was made, such as ``lesson.py, line 12``, if :func:`mgraph.sources` was on; else None."""
        place = getattr(self, "_source", None)
        return None if place is None else spelled(place)

    # What code written for micrograd looks at.

    @property
    def _prev(self) -> set[Value]:
        if self.op == "pow" and self.operands[1].op == LITERAL:
            return {self.operands[0]}
        return set(self.operands)

    @property
    def _op(self) -> str:
        if self.op == "pow" and self.operands[1].op == LITERAL:
            return f"**{self.operands[1].data:g}"
        return OPS[self.op].symbol if self.op in OPS else ""

    def _refuse_backward(self, function: object) -> None:
        raise TypeError(
            "a Value takes no _backward: the op table has the derivative of each op. An op of your own is a function of"
            " values, such as def softplus(x): return x.exp().log1p(); its derivative follows"
        )

    _backward = property(None, _refuse_backward)

    # Arithmetic. ``+`` and ``*`` are spelled out because they are most of every graph.

    def __add__(self, other: SupportsFloat) -> Value:
        if other.__class__ is Value:
            return record_op("add", (self, other), self.data + other.data)
        return _binary("add", operator.add, self, other)

    def __mul__(self, other: SupportsFloat) -> Value:
        if other.__class__ is Value:
            return record_op("mul", (self, other), self.data * other.data)
        return _binary("mul", operator.mul, self, other)

    def __pos__(self) -> Value:
        return self

    # Numbers that are read off a value; nothing is recorded.

    def __float__(self) -> float:
        if TRACING.get():
            raise TypeError(
                "while mgraph.trace records, a Value must not become a plain number, which a replay could not change:"
                " write mgraph.exp(x) or x.exp() in place of math.exp(x), mgraph.maximum(x, y) in place of max(x, y);"
                " to look at the number, x.data"
            )
        return self.data

    def __int__(self) -> int:
        return int(self.data)

    def __complex__(self) -> complex:
        return complex(float(self))

    def __bool__(self) -> bool:
        return self.data != 0.0

    def __round__(self, digits: int | None = None) -> float:
        return round(self.data, digits)

    def __trunc__(self) -> int:
        return math.trunc(self.data)

    def __floor__(self) -> int:
        return math.floor(self.data)

    def __ceil__(self) -> int:
        return math.ceil(self.data)

    def __lt__(self, other: SupportsFloat) -> bool:
        return _compared(float.__lt__, self, other)

    def __le__(self, other: SupportsFloat) -> bool:
        return _compared(float.__le__, self, other)

    def __gt__(self, other: SupportsFloat) -> bool:
        return _compared(float.__gt__, self, other)

    def __ge__(self, other: SupportsFloat) -> bool:
        return _compared(float.__ge__, self, other)

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def __repr__(self) -> str:
        name = "" if self._name is None else f", name={self._name!r}"
        return f"Value(data={self.data}, grad={self.grad}{name})"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """``numpy.maximum(array, value)`` and the like: record, element by element."""
        return seams.on_ufunc(ufunc, method, *inputs, **options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        return seams.display(self)

    def __reduce__(self) -> Any:
        raise TypeError("a Value is not copied or pickled; mgraph.save(value, 'graph.json') keeps it and its graph")

    def backward(self, seed: float = 1.0, *, accumulate: bool = False) -> None:
        """Set ``grad`` of every value this one depends on to ∂(self)/∂(value), times ``seed``.

        Calling it again computes the same gradients; with ``accumulate=True`` they are added to what is
        there, as PyTorch does. Reverse-mode accumulation (Griewank and Walther, Evaluating Derivatives,
        2nd ed., section 3.2), iterative. Constants keep grad 0.
        """
        order = topological_order((self,))
        for value in order:
            value._seed = None
        self._seed = 0.0 + _number(seed)
        adjoints = {self: self._seed}  # a value that is not in here is on no path that was taken
        for value in reversed(order):
            op = OPS.get(value.op)
            adjoint = adjoints.get(value)
            if op is None or adjoint is None:
                continue
            numbers = [operand.data for operand in value.operands]
            for operand, partial in zip(value.operands, op.partials, strict=True):
                if operand.op in FIXED:
                    continue
                slope = partial(*numbers, value.data)
                if slope != 0.0 or not op.branches:
                    adjoints[operand] = adjoints.get(operand, 0.0) + slope * adjoint
        for value in order:
            adjoint = 0.0 if value.op in FIXED else adjoints.get(value, 0.0)
            value.grad = value.grad + adjoint if accumulate else adjoint


def parameter(data: SupportsFloat, name: str | None = None) -> Value:
    """A leaf that is learnt: a weight or a bias."""
    return Value(data, name=name, op=PARAMETER)


def constant(data: SupportsFloat, name: str | None = None) -> Value:
    """A leaf that never changes: it cannot be overridden in a replay and gets no gradient."""
    return Value(data, name=name, op=CONSTANT)


def topological_order(roots: tuple[Value, ...]) -> list[Value]:
    """Every value that ``roots`` depend on, themselves included, in the order in which they were made."""
    seen = set(roots)
    pending = list(seen)
    while pending:
        for operand in pending.pop().operands:
            if operand not in seen:
                seen.add(operand)
                pending.append(operand)
    return sorted(seen, key=lambda value: value.serial)


@overload
def apply(name: str, *operands: Value) -> Value: ...
@overload
def apply(name: str, *operands: SupportsFloat) -> Value | float: ...
def apply(name: str, *operands: SupportsFloat) -> Value | float:
    """The op ``name`` on values or numbers: a ``Value`` if any operand is one, else a float. Raises TypeError."""
    op = OPS[name]
    if len(operands) != op.arity:
        raise TypeError(f"{name} takes {op.arity} operand{'s' * (op.arity > 1)}, got {len(operands)}")
    if not any(map(isinstance, operands, repeat(Value))):
        return op.forward(*map(_number, operands))
    values = tuple([o if isinstance(o, Value) else literal(_number(o)) for o in operands])
    return record_op(name, values, op.forward(*[value.data for value in values]))


def record_op(op: str, operands: tuple[Value, ...], data: float) -> Value:
    """A new value made by ``op`` of ``operands``, with ``data`` taken as it is given."""
    value: Value = _new(Value)
    value.data = data
    value.grad = 0.0
    value.op = op
    value.operands = operands
    value.serial = next(_serial)
    value._name = None
    value._scope = current_scope()
    value._seed = None
    if NOTING:
        value._source = here()
    return value


_new = object.__new__


def literal(data: float) -> Value:
    """A plain number as an operand."""
    return record_op(LITERAL, (), data)


def _number(number: SupportsFloat) -> float:
    if isinstance(number, Value):
        raise TypeError("a Value is made of a number, not of another Value; use the other one itself")
    if isinstance(number, _NUMBERS):
        return float(number)
    raise TypeError(f"a real number is needed, not {type(number).__name__}")


def _operand(other: object) -> Value | None:
    """A value for an operand; None for what is not a number (the caller then returns NotImplemented)."""
    if isinstance(other, Value):
        return other
    return literal(float(other)) if isinstance(other, _NUMBERS) else None


def _binary(name: str, forward: Callable[..., float], left: object, right: object) -> Value:
    a, b = _operand(left), _operand(right)
    if a is None or b is None:
        return NotImplemented  # type: ignore[no-any-return]  # for Python to try the other side
    return record_op(name, (a, b), forward(a.data, b.data))


def _compared(compare: Callable[[float, float], bool], value: Value, other: object) -> bool:
    if not isinstance(other, Value | Real):
        return NotImplemented  # type: ignore[no-any-return]
    return compare(value.data, other.data if isinstance(other, Value) else float(other))


OPERATORS = {
    "neg": ("__neg__",),
    "abs": ("__abs__",),
    "add": ("__add__", "__radd__"),
    "sub": ("__sub__", "__rsub__"),
    "mul": ("__mul__", "__rmul__"),
    "div": ("__truediv__", "__rtruediv__"),
    "pow": ("__pow__", "__rpow__"),
}
"""Python's operators for ops, and those for operands the other way round."""


def _install(op: Op) -> None:
    """Give ``Value`` the methods of a row: ``x.tanh()``, ``x.maximum(y)``, and its operators if it has any."""
    name, forward = op.name, op.forward

    def unary(self: Value) -> Value:
        return record_op(name, (self,), forward(self.data))

    def binary(self: Value, b: SupportsFloat) -> Value:
        return _binary(name, forward, self, b)

    def reflected(self: Value, a: SupportsFloat) -> Value:
        return _binary(name, forward, a, self)

    method = unary if op.arity == 1 else binary
    describe(method, op, f"Value.{name}")
    describe(reflected, op, f"Value.r{name}")
    for attribute, function in zip((name, *OPERATORS.get(name, ())), (method, method, reflected), strict=False):
        if attribute not in Value.__dict__:
            setattr(Value, attribute, function)


def describe(function: Callable[..., Any], op: Op, qualified: str) -> None:
    """Name a function after the op that it is, and give it the op's documentation."""
    function.__name__, function.__qualname__, function.__doc__ = op.name, qualified, op.documentation


for _row in OPS.values():
    _install(_row)
