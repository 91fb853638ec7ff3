"""What Python's operators do with numbers, as LLVM's instructions; and where variables are kept.

Each operation is the one IEEE 754 operation that Python performs, without a flag that would let LLVM reorder or fuse:
the bits are those of plain Python. Integers have 64 bits. What is known is computed at once, by Python itself.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from llvmlite import ir

from mgraph.replaying.compiled.native import BIT, DOUBLE, LONG, Pointer, Value, known

_COMPUTED: dict[type[ast.operator], tuple[Callable[..., Any], str, str]] = {
    ast.Add: (operator.add, "fadd", "add"),
    ast.Sub: (operator.sub, "fsub", "sub"),
    ast.Mult: (operator.mul, "fmul", "mul"),
    ast.Div: (operator.truediv, "fdiv", ""),
    ast.Pow: (operator.pow, "", ""),
    ast.LShift: (operator.lshift, "", "shl"),
    ast.RShift: (operator.rshift, "", "ashr"),
    ast.BitAnd: (operator.and_, "", "and_"),
    ast.BitOr: (operator.or_, "", "or_"),
}
"""How Python computes with what is known; LLVM's instruction for doubles, and for integers and bools."""
_COMPARED: dict[type[ast.cmpop], tuple[Callable[..., Any], str]] = {
    ast.Lt: (operator.lt, "<"),
    ast.LtE: (operator.le, "<="),
    ast.Gt: (operator.gt, ">"),
    ast.GtE: (operator.ge, ">="),
    ast.Eq: (operator.eq, "=="),
    ast.NotEq: (operator.ne, "!="),
}


@dataclass(frozen=True)
class Variable:
    """A place in memory, of which LLVM makes a register."""

    kind: ir.Type
    address: ir.Value


class Instructions:
    """Those of a function. ``build`` adds one at the end of the block that is being written."""

    def __init__(self, function: ir.Function) -> None:
        self.function = function
        self._variables = ir.IRBuilder(function.append_basic_block())
        self._start = function.append_basic_block()
        self.build = ir.IRBuilder(self._start)

    @property
    def ended(self) -> bool:
        """Whether what comes next can never be reached."""
        ended: bool = self.build.block.is_terminated
        return ended

    def finish(self) -> None:
        """End the function."""
        if not self.ended:
            void = isinstance(self.function.ftype.return_type, ir.VoidType)
            self.build.ret_void() if void else self.build.unreachable()
        self._variables.branch(self._start)

    # What numbers are taken for

    def number(self, x: Value) -> ir.Value:
        """A number as LLVM's."""
        return x if isinstance(x, ir.Value) else ir.Constant({float: DOUBLE, int: LONG, bool: BIT}[type(x)], x)

    def double(self, x: Value) -> ir.Value:
        """A number as a double."""
        if known(x):
            return ir.Constant(DOUBLE, float(x))
        return self.build.sitofp(x, DOUBLE) if x.type == LONG else x

    def truth(self, x: Value) -> ir.Value:
        """Whether it is not 0."""
        number = self.number(x)
        return number if number.type == BIT else self.compared(ast.NotEq, number, 0)

    def converted(self, kind: ir.Type, x: Value) -> ir.Value:
        """A number as what it is stored, passed or returned as."""
        if kind == DOUBLE:
            return self.double(x)
        number = self.number(x)
        if number.type == kind:
            return number
        return self.build.trunc(number, kind) if number.type.width > kind.width else self.build.zext(number, kind)

    # Where they are kept

    def stored(self, place: Any, x: Value) -> Any:
        """The place that holds a value from now on: the old one, if there is one. What is no number is its own."""
        if isinstance(x, tuple):
            places = place if isinstance(place, tuple) else [None] * len(x)
            return tuple(self.stored(each, part) for each, part in zip(places, x, strict=True))
        if not isinstance(x, ir.Value | float | int):
            return x
        number = self.number(x)
        if not isinstance(place, Variable):
            place = Variable(number.type, self._variables.alloca(number.type))
        self.build.store(self.converted(place.kind, number), place.address)
        return place

    def loaded(self, place: Any) -> Value:
        """What a place holds."""
        if isinstance(place, tuple):
            return tuple(map(self.loaded, place))
        return self.build.load(place.address, typ=place.kind) if isinstance(place, Variable) else place

    def element(self, array: Pointer, index: Value) -> Variable:
        """An element of an array."""
        address = self.build.gep(array.address, [self.number(index)], source_etype=array.element)
        return Variable(array.element, address)

    # What is done with them

    def negated(self, x: Value) -> Value:
        """Minus x: for a double its bits with another sign."""
        if known(x):
            return -x
        return self.build.fneg(x) if x.type == DOUBLE else self.build.neg(x)

    def inverted(self, x: Value) -> Value:
        """Whether x is 0."""
        return not x if known(x) else self.build.not_(self.truth(x))

    def computed(self, sign: type[ast.operator], x: Value, y: Value) -> Value:
        """The result of an arithmetic operator."""
        if known(x) and known(y):
            return _COMPUTED[sign][0](x, y)
        if sign is ast.Div or _doubles(x, y):
            return getattr(self.build, _COMPUTED[sign][1])(self.double(x), self.double(y))
        x, y = self.number(x), self.number(y)
        if sign in _COMPUTED:
            return getattr(self.build, _COMPUTED[sign][2])(x, y)
        # LLVM rounds a quotient towards 0, Python down.
        quotient, rest = self.build.sdiv(x, y), self.build.srem(x, y)
        off = self.build.and_(self.truth(rest), self.compared(ast.Lt, self.build.xor(rest, y), 0))
        if sign is ast.FloorDiv:
            return self.build.sub(quotient, self.converted(LONG, off))
        return self.build.select(off, self.build.add(rest, y), rest)

    def compared(self, sign: type[ast.cmpop], x: Value, y: Value) -> Value:
        """The result of a comparison."""
        if sign is ast.In:
            return self.joined(ast.Or, [self.compared(ast.Eq, x, each) for each in y])
        python, symbol = _COMPARED[sign]
        if known(x) and known(y):
            return python(x, y)
        if not _doubles(x, y):
            return self.build.icmp_signed(symbol, self.number(x), self.number(y))
        compare = self.build.fcmp_unordered if sign is ast.NotEq else self.build.fcmp_ordered  # NaN is unequal, only
        return compare(symbol, self.double(x), self.double(y))

    def joined(self, sign: type[ast.boolop], tests: Sequence[Value]) -> Value:
        """Whether all, or any, of these hold, none of which has an effect."""
        if all(map(known, tests)):
            return all(tests) if sign is ast.And else any(tests)
        return reduce(self.build.and_ if sign is ast.And else self.build.or_, map(self.truth, tests))


def _doubles(*numbers: Value) -> bool:
    """Whether one of them is a double."""
    return any(isinstance(x, float) or getattr(x, "type", None) == DOUBLE for x in numbers)
