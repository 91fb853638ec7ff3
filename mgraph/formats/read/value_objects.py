"""Graphs of objects, micrograd's ``Value`` and its many relatives, made into graphs of our own values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mgraph.arithmetic.ops import INPUT
from mgraph.document.model import Document
from mgraph.errors import FormatError, shown
from mgraph.formats.read.object_fields import NotAValue, Reader
from mgraph.formats.read.readings import NUMBER, Reading, reading_of
from mgraph.recording.record import document_of
from mgraph.recording.value import FIXED, Value, literal, record_op, topological_order


def read(
    roots: Sequence[Any],
    *,
    names: Mapping[str, object] | None = None,
    ops: Mapping[str, Callable[..., Any]] | None = None,
    title: str | None = None,
    tolerance: int | None = None,
) -> Document:
    """The document of everything that ``roots`` were computed from, with the numbers and gradients that they hold.

    ``names`` as in ``record``; ``ops`` gives further ops a meaning, by their spelling: a function of values in terms
    of known ops. Gradients are recorded if a root has one that is not 0, which then is the seed. How the operands
    were found is in ``meta``. Raises FormatError, which names the node, for what is no such graph, for an unknown op,
    for a cycle, and where two readings fit.
    """
    made = _Import(ops or {})
    values = [made.value_of(root) for root in roots]
    for root, value in zip(roots, values, strict=True):
        if value is not root:
            if not value.operands:
                made.reader.refuse_lost_operands(root, root=True)
            value._seed = value.grad if value.grad != 0.0 else None
    named = made.swapped(names) if names else None
    document = document_of(values, title=title, names=named, tolerance=tolerance)
    document["meta"] = {"imported": made.account(values, document, type(roots[0]))}
    return document


class _Import:
    """One import: which value each object has become, and how it was read."""

    def __init__(self, ops: Mapping[str, Callable[..., Any]]) -> None:
        self.reader = Reader(ops)
        self.made: dict[int, Value] = {}  # by id, because a foreign class may define equality
        self.readings: dict[int, Reading] = {}  # by id, too; they keep alive what an id stands for
        self.how: dict[Value, str] = {}

    def value_of(self, root: Any) -> Value:
        """The value of an object, after those of all that it depends on, each from its first operand to the last."""
        made, reader, readings, path = self.made, self.reader, self.readings, [root]
        while path:
            held = path[-1]
            key = id(held)
            if key in made:
                path.pop()
            elif key in readings:
                path.pop()
                made[key] = self._make(held, readings[key])
            elif held.__class__ is Value:  # one of mgraph's own is what it is, with all that it depends on
                made[key] = held
            else:
                try:
                    readings[key] = reading = reading_of(reader, held)
                except FormatError as error:
                    raise self._placed(error, held, path, readings) from None
                for operand in reversed(reading.operands):
                    below = id(operand)
                    if below not in made and operand.__class__ is not float:
                        if below in readings:
                            raise self._cycle(operand, path, readings)
                        path.append(operand)
        return made[id(root)]

    def _make(self, held: Any, reading: Reading) -> Value:
        data, grad, name = self.reader.holds(held)
        op, kept, how = reading
        if not kept:
            value = record_op(INPUT, (), data)
        else:
            made = self.made
            operands = tuple([literal(o) if o.__class__ is float else made[id(o)] for o in kept])
            if op.__class__ is not str:
                value = self._expanded(op, operands, held, grad)
                value.data = data
            else:
                value = record_op(op, operands if len(operands) < 3 else _all_but_one_added(operands, grad), data)
            self.how[value] = how
        value.grad, value._name = grad, name
        return value

    def _expanded(self, function: Any, operands: tuple[Value, ...], held: Any, grad: float) -> Value:
        """A user's op in terms of known ops; the values within get the gradients that follow from the op's own."""
        stand_ins = [Value(operand.data) for operand in operands]
        result = function(*stand_ins)
        if not isinstance(result, Value) or not result.operands:
            raise FormatError(
                f"{self.reader.title(held)}: the function given for this op returns {shown(result)}; it must compute"
                " with the values that it gets"
            )
        result.backward(grad)
        actual = dict(zip(stand_ins, operands, strict=True))
        for value in topological_order((result,)):
            value.operands = tuple(actual.get(operand, operand) for operand in value.operands)
        return result

    def _placed(self, error: FormatError, held: Any, path: list[Any], readings: Mapping[int, Reading]) -> FormatError:
        """The error, with where the object is if it cannot even be called anything."""
        if not isinstance(error, NotAValue):
            return error
        consumers = (each for each in reversed(path) if id(each) in readings and id(each) not in self.made)
        consumer = next(consumers, None)
        where = "" if consumer is None else f"{self.reader.title(consumer)}: among its operands is "
        return FormatError(f"{where}{shown(held)}, which is {error}")

    def _cycle(self, start: Any, path: list[Any], readings: Mapping[int, Reading]) -> FormatError:
        opened = list({id(o): o for o in path if id(o) in readings and id(o) not in self.made}.values())
        loop = opened[next(k for k, held in enumerate(opened) if held is start) :]
        some = [self.reader.title(held) for held in loop[:6]] + ["…"] * (len(loop) > 6)
        return FormatError(f"the values depend on themselves: {' <- '.join([*some, self.reader.title(start)])}")

    def swapped(self, names: Mapping[str, object]) -> dict[str, object]:
        """``names`` with values in place of the objects, in lists and tuples too."""

        def swap(held: object, depth: int = 0) -> object:
            if isinstance(held, list | tuple) and depth < 8:
                return [swap(each, depth + 1) for each in held]
            return self.made.get(id(held))

        return {name: swap(held) for name, held in names.items()}

    def account(self, roots: Sequence[Value], document: Document, kind: type) -> dict[str, Any]:
        """Where the graph came from and how operands were found: counts, and the nodes that only their number told."""
        found: dict[str, Any] = {
            "from": f"{kind.__module__}.{kind.__qualname__}",
            "operands": dict(Counter(self.how.values()).most_common()),
        }
        if NUMBER in found["operands"]:
            kept = [value for value in topological_order(tuple(roots)) if value.op not in FIXED]
            nodes = [node for node in document["nodes"] if node["op"] != "constant"]
            told = [n["id"] for v, n in zip(kept, nodes, strict=True) if self.how.get(v) == NUMBER]
            found["told by their number"] = told[:100]
        return found


def _all_but_one_added(operands: Sequence[Value], grad: float) -> tuple[Value, Value]:
    """The two operands of the last addition in a sum of several, which goes from the first to the last."""
    total, *between, last = operands
    for each in between:
        total = record_op("add", (total, each), total.data + each.data)
        total.grad = grad
    return total, last
