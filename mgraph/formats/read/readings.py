"""Which computation an object stands for: its op, and its operands in their order.

Classes such as micrograd's keep their operands in a ``set``, which loses their order and that one was used twice. Both
are recovered here: from the closure of ``_backward``, which holds ``self`` and ``other``; else from the recorded
number, by trying each reading. Where two readings fit, the object is refused rather than guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from numbers import Real
from typing import Any, NamedTuple

from mgraph.arithmetic.ops import OPS
from mgraph.errors import FormatError, shown
from mgraph.formats.read.object_fields import NotAValue, Reader
from mgraph.recording.value import Value

_COMMUTES = ("add", "mul")
_ORDERED = (list, tuple)

# How the operands of a node came to be known.
KEPT, CLOSURE, TWICE, NUMBER, EITHER = (
    "kept in order",
    "from the closure of _backward",
    "one operand, taken twice",
    "the order that gives the recorded number",
    "in a set, and either order gives the same",
)


class Reading(NamedTuple):
    """A node understood: its op, or the function that stands for it, and its operands (objects or floats)."""

    op: str | Callable[..., Any]
    operands: Sequence[Any]
    how: str


LEAF = Reading("", (), KEPT)


class Node(NamedTuple):
    """An object before it is understood: what its class keeps of it."""

    reader: Reader
    held: Any
    op: str | Callable[..., Any]
    """A row of the op table, or the function that a user gave."""
    exponent: float | None
    """Of an op such as ``**2``."""
    operands: Sequence[Any]
    """Objects or floats; more than one of them in an order that says something only if they were ``ordered``."""
    ordered: bool

    @property
    def title(self) -> str:
        """What to call it in a message."""
        return self.reader.title(self.held)


def reading_of(reader: Reader, held: Any) -> Reading:
    """What an object is. Raises FormatError for an unknown op, and where no reading or more than one fits."""
    kept, (op, exponent) = reader.computed(held)
    if not kept:
        return LEAF
    ordered = isinstance(kept, _ORDERED)
    operands = [float(each) if isinstance(each, Real) else each for each in kept] if ordered else [*kept]
    node = Node(reader, held, op, exponent, operands, ordered)
    for strategy in STRATEGIES:
        reading = strategy(node)
        if reading is not None:
            return reading
    return _by_number(node)


def _by_closure(node: Node) -> Reading | None:
    """Two in a set, which are those of the closure."""
    reader, held, op, _, operands, ordered = node
    if ordered or len(operands) != 2:
        return None
    pair = reader.closure(held)
    a, b = operands
    if pair is None or not ((pair[0] is a and pair[1] is b) or (pair[0] is b and pair[1] is a)):
        return None
    if op in _COMMUTES:
        return Reading(op, pair, CLOSURE)
    _refuse_count(node)
    return _turned(node, Reading(op, pair, CLOSURE))


def _as_kept(node: Node) -> Reading | None:
    """Two or more in a list or tuple."""
    if not node.ordered or len(node.operands) == 1:
        return None
    _refuse_count(node)
    return _turned(node, Reading(node.op, node.operands, KEPT))


def _refuse_strangers(node: Node) -> None:
    """No reading, but an error if an operand is not a value: the rest look at the operands' numbers."""
    for operand in node.operands:
        try:
            _ = isinstance(operand, float) or node.reader.fields(operand)
        except NotAValue as error:
            field = node.reader.fields(node.held).operands
            raise FormatError(f"{node.title}: its {field} holds {shown(operand)}, which is {error}") from None


def _power(node: Node) -> Reading | None:
    """``**2``: the exponent is in the op."""
    if len(node.operands) > 1 or node.exponent is None:
        return None
    return Reading("pow", (node.operands[0], node.exponent), KEPT)


def _of_one(node: Node) -> Reading | None:
    """An op of one operand, which it has; or a user's function, which says itself what it needs."""
    if len(node.operands) == 1 and (not isinstance(node.op, str) or OPS[node.op].arity == 1):
        return Reading(node.op, node.operands, KEPT)
    return None


def _one_by_closure(node: Node) -> Reading | None:
    """An op of two with one operand: the closure has the other, which is a plain number or the same again."""
    pair = node.reader.closure(node.held)
    if len(node.operands) > 1 or pair is None or not any(each is node.operands[0] for each in pair):
        return None
    known = [each if each is node.operands[0] else float(each) if isinstance(each, Real) else None for each in pair]
    return None if None in known else _turned(node, Reading(node.op, known, CLOSURE))


def _one_by_number(node: Node) -> Reading | None:
    """An op of two with one operand and no closure: the same twice, or a negation, as the recorded number says."""
    if len(node.operands) > 1:
        return None
    (operand,), op, reader = node.operands, str(node.op), node.reader
    x, y = reader.data(operand), reader.data(node.held)
    twice, negated = _same(OPS[op].forward(x, x), y), op == "sub" and _same(-x, y)
    if twice and negated:
        raise FormatError(f"{node.title}: two readings fit, a - a and -a, since a is {x!r}; call negation 'neg'")
    if twice:
        return Reading(op, (operand, operand), TWICE)
    if negated:
        return Reading("neg", (operand,), KEPT)
    raise FormatError(
        f"{node.title}: its one operand, {reader.title(operand)}, used twice makes {OPS[op].forward(x, x)!r};"
        " a plain number that it was computed with is not kept by its class"
    )


def _in_either_order(node: Node) -> Reading | None:
    """A sum or product of two: one order is as good as the other."""
    if node.op not in _COMMUTES or len(node.operands) != 2:
        return None
    reader = node.reader
    return Reading(node.op, sorted(node.operands, key=lambda o: (reader.name(o) or "", reader.data(o))), EITHER)


def _by_number(node: Node) -> Reading:
    """The only order of the operands that makes the recorded number. Raises FormatError if there is no such order."""
    op, reader, count = node.op, node.reader, len(node.operands)
    if op not in _COMMUTES:
        _refuse_count(node)
    names = ", ".join(reader.title(o) for o in node.operands[:4]) + ", …" * (count > 4)
    if count > 4 or op in _COMMUTES:
        raise FormatError(f"{node.title}: its {count} operands are kept in a set, without order: {names}")
    y, orders = reader.data(node.held), []
    for order in permutations(node.operands):
        numbers = [reader.data(o) for o in order]
        found = OPS[op].forward(*numbers) if isinstance(op, str) else float(op(*map(Value, numbers)))
        if _same(found, y):
            orders.append(order)
    if len(orders) == 1:
        return Reading(op, orders[0], NUMBER)
    fit = f"{len(orders)} orders of them give" if orders else "no order of them gives"
    raise FormatError(
        f"{node.title}: its operands are kept in a set, and {fit} the recorded number: {names}."
        " Keep operands in a tuple"
    )


STRATEGIES: tuple[Callable[[Node], Reading | None], ...] = (
    _by_closure,  # first, because most of every graph of micrograd's is so
    _as_kept,
    _refuse_strangers,
    _power,
    _of_one,
    _one_by_closure,
    _one_by_number,
    _in_either_order,
)
"""In this order; each returns a reading, or None for the next one to try, or raises FormatError. The last resort is
:func:`_by_number`."""


def _refuse_count(node: Node) -> None:
    """Raise FormatError for another number of operands than the op takes; a sum takes any."""
    op, count = node.op, len(node.operands)
    if isinstance(op, str) and OPS[op].arity != count and op != "add":
        wanted = "one operand" if OPS[op].arity == 1 else "two operands"
        raise FormatError(f"{node.title}: {op} takes {wanted}, and it has {count}")


def _turned(node: Node, reading: Reading) -> Reading:
    """The reading, the other way round if only that makes the recorded number: as a class reads ``1 - x`` that keeps
    ``x`` first."""
    op, operands, _ = reading
    if op in _COMMUTES or op.__class__ is not str or len(operands) != 2:
        return reading
    a, b = node.reader.data(operands[0]), node.reader.data(operands[1])
    y, forward = node.reader.data(node.held), OPS[str(op)].forward
    if _same(forward(a, b), y) or not _same(forward(b, a), y):
        return reading
    return Reading(op, (operands[1], operands[0]), NUMBER)


def _same(x: float, y: float) -> bool:
    """Whether two numbers are the same computation's, on this or another C library."""
    return x == y or (x != x and y != y) or abs(x - y) <= 4e-16 * max(abs(x), abs(y))
