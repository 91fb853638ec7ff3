"""One object of a foreign class read as a node: its number, its op, and its operands in their order.

Classes such as micrograd's keep their operands in a ``set``, which loses their order and that one was used twice. Both
are recovered here: from the closure of ``_backward``, which holds ``self`` and ``other``; else from the recorded
number, by trying each reading. Where two readings fit, the object is refused rather than guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from numbers import Real
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from mgraph.errors import FormatError, nearest, shown
from mgraph.ops import OPS
from mgraph.value import Value

DATA = ("data", "value", "val")
GRAD = ("grad", "gradient")
OPERANDS = ("_prev", "_children", "prev", "children", "_parents", "parents")
OP = ("_op", "op")
NAME = ("label", "name", "_label", "_name")

SPELLINGS = {
    **{op.symbol.lower(): op.name for op in OPS.values()},
    **{op.name: op.name for op in OPS.values()},
    **{"ln": "log", "σ": "sigmoid", "logistic": "sigmoid", "^": "pow", "×": "mul", "·": "mul", "÷": "div"},
    **{"truediv": "div", "power": "pow", "subtract": "sub", "multiply": "mul", "divide": "div", "negative": "neg"},
    "sum": "add",
}
"""How classes spell the ops, in lower case and without underscores at the ends."""

_POWER = re.compile(r"(?:\*\*|\^|pow)\s*\(?\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*\)?", re.IGNORECASE)
_COMMUTES = ("add", "mul")
_ORDERED = (list, tuple)
_PLAIN = (set, frozenset, list, tuple)

# How the operands of a node came to be known.
KEPT, CLOSURE, TWICE, NUMBER, EITHER = (
    "kept in order",
    "from the closure of _backward",
    "one operand, taken twice",
    "the order that gives the recorded number",
    "in a set, and either order gives the same",
)


class Fields(NamedTuple):
    """The attributes in which a class keeps what it knows; None for what it does not keep."""

    data: str
    operands: str | None
    op: str | None
    grad: str | None
    name: str | None


class Reading(NamedTuple):
    """A node understood: its op, or the function that stands for it, and its operands (objects or floats)."""

    op: str | Callable[..., Any]
    operands: Sequence[Any]
    how: str


LEAF = Reading("", (), KEPT)


def fields_of(held: Any) -> Fields | None:
    """Which attributes an object keeps its number and operands in; None if it keeps no number."""
    if isinstance(held, str | bytes | Real | type) or held is None:
        return None

    def first(names: tuple[str, ...]) -> str | None:
        return next((name for name in names if hasattr(held, name)), None)

    data = first(DATA)
    if data is None or callable(getattr(held, data)):
        return None
    return Fields(data, first(OPERANDS), first(OP), first(GRAD), first(NAME))


class Reader:
    """Reads objects of any number of classes; what it finds of a class or a spelling it finds once."""

    def __init__(self, ops: Mapping[str, Callable[..., Any]]) -> None:
        self._ops = ops
        self._kinds: dict[type, Fields] = {}
        self._meanings: dict[str, tuple[str | Callable[..., Any], float | None]] = {}
        self._cells: dict[int, tuple[CodeType, int, int]] = {}

    def fields(self, held: Any) -> Fields:
        """The fields of an object's class. Raises FormatError if it keeps no number."""
        found = self._kinds.get(type(held))
        if found is None:
            found = fields_of(held)
            if found is None:
                raise FormatError(f"not a value: it has none of the fields {', '.join(DATA)}")
            self._kinds[type(held)] = found
        return found

    def number(self, held: Any, field: str) -> float:
        """A number of an object, as a float. Raises FormatError."""
        found = getattr(held, field)
        if found.__class__ is float or found.__class__ is int:
            return float(found)
        if found.__class__ is not bool and (isinstance(found, Real) or getattr(found, "shape", None) == ()):
            try:
                return float(found)
            except (TypeError, ValueError, OverflowError):
                pass
        shape = f" of shape {found.shape}" if hasattr(found, "shape") else ""
        raise FormatError(f"{self.title(held)}: its {field} is not a number but {type(found).__name__}{shape}")

    def holds(self, held: Any) -> tuple[float, float, str | None]:
        """The number, the gradient (0.0 if there is none) and the name of an object. Raises FormatError."""
        fields = self._kinds.get(held.__class__) or self.fields(held)
        data = getattr(held, fields.data)
        if data.__class__ is not float:
            data = self.number(held, fields.data)
        grad = getattr(held, fields.grad) if fields.grad is not None else None
        if grad.__class__ is not float:
            grad = 0.0 if grad is None or fields.grad is None else self.number(held, fields.grad)
        return data, grad, None if fields.name is None else self.name(held)

    def data(self, held: Any) -> float:
        """The number of an operand."""
        return held if isinstance(held, float) else self.number(held, self.fields(held).data)

    def name(self, held: Any) -> str | None:
        """The name of an object, if it has one."""
        field = self.fields(held).name
        found = getattr(held, field) if field else None
        return found if isinstance(found, str) and found else None

    def title(self, held: Any) -> str:
        """What to call an object in a message."""
        if isinstance(held, float):
            return repr(held)
        fields = self.fields(held)
        name, number = self.name(held), shown(getattr(held, fields.data))
        op = _spelled(getattr(held, fields.op)) if fields.op else ""
        return (
            shown(name) if name else "an unnamed node"
        ) + f" ({f'op {shown(op)}, ' * bool(op)}{fields.data} {number})"

    def read(self, held: Any) -> Reading:
        """What an object is. Raises FormatError for an unknown op, and where no reading or more than one fits."""
        fields = self._kinds.get(held.__class__) or self.fields(held)
        kept = getattr(held, fields.operands) if fields.operands else None
        if kept.__class__ not in _PLAIN:
            kept = () if kept is None else tuple(kept) if hasattr(kept, "__iter__") else (kept,)
        if not kept:
            return LEAF
        spelling = getattr(held, fields.op) if fields.op else ""
        found = self._meanings.get(spelling) if spelling.__class__ is str else None
        op, exponent = found or self._meaning(held, _spelled(spelling))
        if kept.__class__ is set and len(kept) == 2 and op in _COMMUTES:  # most of every graph
            pair = self._closure(held)
            a, b = kept
            if pair is not None and ((pair[0] is a and pair[1] is b) or (pair[0] is b and pair[1] is a)):
                return Reading(op, pair, CLOSURE)
        if isinstance(kept, _ORDERED):
            operands = [float(o) if isinstance(o, Real) else o for o in kept]
            if len(operands) > 1:
                self._fits(held, op, len(operands))
                return self._checked(held, Reading(op, operands, KEPT))
        else:
            operands = list(kept)
            if len(operands) == 2 and (pair := self._closure(held)) is not None:
                a, b = operands
                if (pair[0] is a and pair[1] is b) or (pair[0] is b and pair[1] is a):
                    self._fits(held, op, 2)
                    return self._checked(held, Reading(op, pair, CLOSURE))
        for operand in operands:
            if operand.__class__ not in self._kinds and not isinstance(operand, float) and fields_of(operand) is None:
                raise FormatError(
                    f"{self.title(held)}: its {fields.operands} holds {shown(operand)}, which is not a value: it has"
                    f" none of the fields {', '.join(DATA)}"
                )
        if len(operands) > 1:
            return self._in_order(held, op, operands)
        if exponent is not None:
            return Reading("pow", (operands[0], exponent), KEPT)
        if not isinstance(op, str) or OPS[op].arity == 1:
            return Reading(op, operands, KEPT)
        return self._alone(held, op, operands[0])

    def _meaning(self, held: Any, spelling: str) -> tuple[str | Callable[..., Any], float | None]:
        power = _POWER.fullmatch(spelling)
        op = self._ops.get(spelling) or SPELLINGS.get(spelling.lower().strip("_")) or ("pow" if power else None)
        if op is None:
            raise FormatError(
                f"{self.title(held)}: unknown op {shown(spelling)}.{nearest(spelling, [*SPELLINGS, *self._ops])} Give"
                f" it a meaning: ops={{{spelling!r}: function}}, a function of values in terms of {', '.join(OPS)}"
            )
        self._meanings[spelling] = op, float(power[1]) if power else None
        return self._meanings[spelling]

    def _checked(self, held: Any, reading: Reading) -> Reading:
        """The reading, the other way round if only that gives the recorded number: as a class reads ``1 - x`` that
        keeps ``x`` first."""
        op, operands, _ = reading
        if op in _COMMUTES or op.__class__ is not str or len(operands) != 2:
            return reading
        a, b = self.data(operands[0]), self.data(operands[1])
        y, forward = self.data(held), OPS[str(op)].forward
        if _same(forward(a, b), y) or not _same(forward(b, a), y):
            return reading
        return Reading(op, (operands[1], operands[0]), NUMBER)

    def _fits(self, held: Any, op: str | Callable[..., Any], count: int) -> None:
        if isinstance(op, str) and OPS[op].arity != count and op != "add":
            wanted = "one operand" if OPS[op].arity == 1 else "two operands"
            raise FormatError(f"{self.title(held)}: {op} takes {wanted}, and it has {count}")

    def _closure(self, held: Any) -> tuple[Any, Any] | None:
        """What the cells ``self`` and ``other`` of ``_backward`` hold."""
        backward = getattr(held, "_backward", None)
        if not isinstance(backward, FunctionType) or backward.__closure__ is None:
            return None
        code = backward.__code__
        found = self._cells.get(id(code))  # to hash a code takes longer than all the rest
        if found is None:
            free = code.co_freevars
            known = "self" in free and "other" in free
            found = self._cells[id(code)] = (code, *((free.index("self"), free.index("other")) if known else (-1, -1)))
        _, mine, other = found
        if mine < 0:
            return None
        cells = backward.__closure__
        try:
            return cells[mine].cell_contents, cells[other].cell_contents
        except ValueError:  # an empty cell
            return None

    def _alone(self, held: Any, op: str, operand: Any) -> Reading:
        """An op of two with one operand: the same twice, negation, or with a plain number that its closure has."""
        pair = self._closure(held)
        if pair is not None and operand in (pair[0], pair[1]):
            a, b = (o if o is operand else float(o) if isinstance(o, Real) else None for o in pair)
            if a is not None and b is not None:
                return self._checked(held, Reading(op, (a, b), CLOSURE))
        x, y = self.data(operand), self.data(held)
        readings: list[Reading] = []
        if _same(OPS[op].forward(x, x), y):
            readings.append(Reading(op, (operand, operand), TWICE))
        if op == "sub" and _same(-x, y):
            readings.append(Reading("neg", (operand,), KEPT))
        if len(readings) == 1:
            return readings[0]
        if readings:
            raise FormatError(
                f"{self.title(held)}: two readings fit, a - a and -a, since a is {x!r}; call negation 'neg'"
            )
        raise FormatError(
            f"{self.title(held)}: its one operand, {self.title(operand)}, used twice makes {OPS[op].forward(x, x)!r};"
            " a plain number that it was computed with is not kept by its class"
        )

    def _in_order(self, held: Any, op: str | Callable[..., Any], operands: list[Any]) -> Reading:
        """The order in which the operands give the recorded number."""
        if op in _COMMUTES and len(operands) == 2:
            return Reading(op, sorted(operands, key=lambda o: (self.name(o) or "", self.data(o))), EITHER)
        if isinstance(op, str) and OPS[op].arity != len(operands):
            self._fits(held, op, len(operands))
        names = ", ".join(self.title(o) for o in operands[:4]) + ", …" * (len(operands) > 4)
        if len(operands) > 4 or op in _COMMUTES:
            raise FormatError(
                f"{self.title(held)}: its {len(operands)} operands are kept in a set, without order: {names}"
            )
        y, orders = self.data(held), []
        for order in permutations(operands):
            numbers = [self.data(o) for o in order]
            found = OPS[op].forward(*numbers) if isinstance(op, str) else float(op(*map(Value, numbers)))
            if _same(found, y):
                orders.append(order)
        if len(orders) == 1:
            return Reading(op, orders[0], NUMBER)
        fit = f"{len(orders)} orders of them give" if orders else "no order of them gives"
        raise FormatError(
            f"{self.title(held)}: its operands are kept in a set, and {fit} the recorded number: {names}."
            " Keep operands in a tuple"
        )


def _spelled(op: Any) -> str:
    if op is None:
        return ""
    return op if isinstance(op, str) else str(getattr(op, "name", getattr(op, "__name__", op)))


def _same(x: float, y: float) -> bool:
    """Whether two numbers are the same computation's, on this or another C library."""
    return x == y or (x != x and y != y) or abs(x - y) <= 4e-16 * max(abs(x), abs(y))
