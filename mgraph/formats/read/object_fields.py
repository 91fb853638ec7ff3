"""One object of a foreign class: in which fields it keeps its number, its op and its operands, and what they hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from mgraph.arithmetic.ops import OPS
from mgraph.errors import FormatError, nearest, shown

DATA = ("data", "value", "val")
GRAD = ("grad", "gradient")
# fmt: off
OPERANDS = (
    "_prev", "_children", "prev", "children", "_parents", "parents", "_operands", "operands", "_inputs", "inputs",
    "_args", "args", "_sources", "sources", "_src", "src", "_creators", "creators", "_deps", "deps",
)
# fmt: on
OP = ("_op", "op")
NAME = ("label", "name", "_label", "_name")

LEAF_OPS = ("", "leaf", "input", "const", "constant", "param", "parameter", "var", "variable", "weight")
"""What a class may call the op of an object that is given and not computed."""

SPELLINGS = {
    **{op.symbol.lower(): op.name for op in OPS.values()},
    **{op.name: op.name for op in OPS.values()},
    **{"ln": "log", "σ": "sigmoid", "logistic": "sigmoid", "^": "pow", "×": "mul", "·": "mul", "÷": "div"},
    **{"truediv": "div", "power": "pow", "subtract": "sub", "multiply": "mul", "divide": "div", "negative": "neg"},
    **{"radd": "add", "rsub": "sub", "rmul": "mul", "rtruediv": "div", "rpow": "pow", "sum": "add"},
}
"""How classes spell the ops, in lower case and without underscores at the ends."""

_POWER = re.compile(r"(?:\*\*|\^|pow)\s*\(?\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*\)?", re.IGNORECASE)
_PLAIN = (set, frozenset, list, tuple)

_OTHERS = {
    ("torch", "Tensor"): "a PyTorch tensor: mgraph.from_torch(output) reads its graph",
    ("jaxlib", "ArrayImpl"): "a JAX array, which keeps no graph: mgraph.from_jax(function, *arguments) reads one",
    ("sympy", "Basic"): "a SymPy expression: mgraph.from_sympy(expression) reads it",
}
"""Classes that have a reader of their own, by package and name."""


class NotAValue(FormatError):
    """The whole object is not a value; the message continues ``… which is``."""


class Fields(NamedTuple):
    """The attributes in which a class keeps what it knows; an empty name for what it does not keep."""

    data: str
    operands: str
    op: str
    grad: str
    name: str


Meaning = tuple[str | Callable[..., Any], float | None]
"""What an op stands for: a row of the op table, or the function that a user gave; and the exponent of a ``**2``."""


def fields_of(held: Any) -> Fields:
    """Which attributes an object keeps its number and operands in. Raises NotAValue if it keeps no number."""
    for kind in type(held).__mro__:
        other = _OTHERS.get((kind.__module__.partition(".")[0], kind.__name__))
        if other is not None:
            raise NotAValue(other)
    data = "" if isinstance(held, str | bytes | Real | type) else _first(held, DATA)
    if not data or callable(getattr(held, data)):
        raise NotAValue(f"not a value: it has none of the fields {', '.join(DATA)}")
    return Fields(data, _operand_field(held), _first(held, OP), _first(held, GRAD), _first(held, NAME))


def _operand_field(held: Any) -> str:
    """The first field with operands in it, else the first that there is; a method or a text is another thing."""
    kept = {name: _held(held, name, _ABSENT) for name in OPERANDS}
    there = [
        name
        for name, each in kept.items()
        if each is not _ABSENT and not (callable(each) or isinstance(each, str | bytes))
    ]
    return next((name for name in there if not _is_empty(kept[name])), "") or next(iter(there), "")


_ABSENT = object()


def _held(held: Any, name: str, absent: Any = None) -> Any:
    """An attribute, or ``absent`` if there is none. Raises FormatError if it is a property that raises."""
    try:
        return getattr(held, name, absent)
    except Exception as error:
        raise FormatError(f"{type(held).__qualname__}.{name} raises {type(error).__name__}: {error}") from None


def _first(held: Any, names: tuple[str, ...]) -> str:
    return next((name for name in names if _held(held, name, _ABSENT) is not _ABSENT), "")


def _is_empty(operands: Any) -> bool:
    return operands is None or (hasattr(operands, "__len__") and len(operands) == 0)


class Reader:
    """Reads objects of any number of classes; what it finds of a class or a spelling it finds once."""

    def __init__(self, ops: Mapping[str, Callable[..., Any]]) -> None:
        self._ops = ops
        self._kinds: dict[type, Fields] = {}
        self._meanings: dict[str, Meaning] = {}
        self._cells: dict[int, tuple[CodeType, int, int]] = {}

    def fields(self, held: Any) -> Fields:
        """The fields of an object's class. Raises NotAValue if it keeps no number."""
        found = self._kinds.get(held.__class__)
        if found is None:
            found = self._kinds[held.__class__] = fields_of(held)
        return found

    def number(self, held: Any, field: str) -> float:
        """A number of an object, as a float. Raises FormatError."""
        found = _held(held, field)
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
        try:
            data, grad = getattr(held, fields.data), getattr(held, fields.grad, None)
        except Exception:
            data, grad = _held(held, fields.data), _held(held, fields.grad)  # which says which of them raises
        if data.__class__ is not float:
            data = self.number(held, fields.data)
        if grad.__class__ is not float:
            grad = 0.0 if grad is None else self.number(held, fields.grad)
        return data, grad, self.name(held) if fields.name else None

    def data(self, held: Any) -> float:
        """The number of an operand."""
        return held if isinstance(held, float) else self.number(held, self.fields(held).data)

    def name(self, held: Any) -> str | None:
        """The name of an object, if it has one."""
        found = _held(held, self.fields(held).name)
        return found if isinstance(found, str) and found else None

    def title(self, held: Any) -> str:
        """What to call an object in a message."""
        if isinstance(held, float):
            return repr(held)
        fields = self.fields(held)
        name, number = self.name(held), shown(_held(held, fields.data))
        op = self.spelling(held)
        return (
            shown(name) if name else "an unnamed node"
        ) + f" ({f'op {shown(op)}, ' * bool(op)}{fields.data} {number})"

    def computed(self, held: Any) -> tuple[Sequence[Any] | set[Any] | frozenset[Any], Meaning]:
        """What an object keeps as its operands, in a list or tuple if their order is kept, and what it computes of
        them; nothing, of a leaf. Raises FormatError for an op that is neither known nor given."""
        fields = self._kinds.get(held.__class__) or self.fields(held)
        kept: Any
        try:
            kept, op = getattr(held, fields.operands, None), getattr(held, fields.op, "")
        except Exception:
            kept, op = _held(held, fields.operands), _held(held, fields.op)  # which says which of them raises
        if not isinstance(kept, _PLAIN):
            kept = () if _is_empty(kept) else tuple(kept) if hasattr(kept, "__iter__") else (kept,)
        if not kept:
            if op or not fields.operands:
                self.refuse_lost_operands(held)
            return (), ("", None)
        found = self._meanings.get(op) if op.__class__ is str else None
        return kept, found or self._meaning(held)

    def spelling(self, held: Any) -> str:
        """The op of an object as its class spells it; the name of the method that made its ``_backward`` if it keeps
        none, and else an empty text."""
        op = _held(held, self.fields(held).op)
        if op is not None and not isinstance(op, str):
            op = str(getattr(op, "name", getattr(op, "__name__", op)))
        return op or _made_by(_held(held, "_backward"))

    def _meaning(self, held: Any) -> Meaning:
        spelling = self.spelling(held)
        found = self._meanings.get(spelling)
        if found is None:
            found = self._meanings[spelling] = self._understood(held, spelling)
        return found

    def _understood(self, held: Any, spelling: str) -> Meaning:
        power = _POWER.fullmatch(spelling)
        op = self._ops.get(spelling) or SPELLINGS.get(spelling.lower().strip("_")) or ("pow" if power else None)
        if op is not None:
            return op, float(power[1]) if power else None
        if not spelling:
            raise FormatError(
                f"{self.title(held)}: it has operands, but none of the fields {', '.join(OP)} says what it computes of"
                " them, nor does the name of the method that made its _backward"
            )
        raise FormatError(
            f"{self.title(held)}: unknown op {shown(spelling)}.{nearest(spelling, [*SPELLINGS, *self._ops])} Give"
            f" it a meaning: ops={{{spelling!r}: function}}, a function of values in terms of {', '.join(OPS)}"
        )

    def refuse_lost_operands(self, held: Any, root: bool = False) -> None:
        """Raise FormatError for an object without operands that must have some: it has an op, or is the root of a
        graph, and nothing known keeps its operands."""
        field, spelling = self.fields(held).operands, self.spelling(held)
        if not field and (root or spelling.lower() not in LEAF_OPS):
            raise FormatError(
                f"{self.title(held)}: its operands are not found; none of the fields {', '.join(OPERANDS)} is there."
                " Keep them in one of these"
            )
        known = spelling in self._ops or spelling.lower().strip("_") in SPELLINGS or _POWER.fullmatch(spelling)
        if field and known:
            raise FormatError(f"{self.title(held)}: it has an op, but its {field} holds no operands")

    def closure(self, held: Any) -> tuple[Any, Any] | None:
        """What the cells ``self`` and ``other`` of ``_backward`` hold."""
        try:
            backward = held._backward
        except Exception:
            return None
        if backward.__class__ is not FunctionType or backward.__closure__ is None:
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


def _made_by(backward: Any) -> str:
    """The method in which a ``_backward`` was defined: ``__add__`` of ``Value.__add__.<locals>._backward``."""
    around, inside, _ = getattr(backward, "__qualname__", "").rpartition(".<locals>.")
    method = around.rpartition(".")[2] if inside else ""
    return "" if method == "__init__" else method
