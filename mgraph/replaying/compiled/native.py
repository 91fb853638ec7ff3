"""What machine code computes with: numbers, tuples, arrays and records, and functions as they are written.

Annotations say the types: ``float``, ``int`` (64 bits), ``bool``, tuples of them, the arrays below, and dataclasses of
numbers and arrays. A parameter that is ``Fixed`` is known while a function is translated.
"""

from __future__ import annotations

import ast
import inspect
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from textwrap import dedent
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from llvmlite import ir

DOUBLE, LONG, BIT, POINTER = ir.DoubleType(), ir.IntType(64), ir.IntType(1), ir.PointerType()

T = TypeVar("T")
Fixed = Annotated[T, "known while the function is translated"]
Array = np.ndarray[Any, Any]
Doubles = Annotated[Array, DOUBLE]
Longs = Annotated[Array, LONG]
Places = Annotated[Array, ir.IntType(32)]
"""Integers without a sign, as are those of Bytes."""
Bytes = Annotated[Array, ir.IntType(8)]

Type = Any
"""An LLVM type; a Pointer, a Record or a tuple of types; None for what is fixed, and for no result."""
Value = Any
"""The same of LLVM values; or what is known: any Python object."""


@dataclass(frozen=True)
class Formula:
    """An expression over the doubles a, b and y: a function of these three."""

    text: str
    names: Mapping[str, Any] = field(hash=False, repr=False)
    """What the other names in it mean."""

    __name__ = "formula"

    def __call__(self, a: float, b: float, y: float) -> float:
        """Its value in plain Python."""
        found: float = eval(self.text, {**self.names, "a": a, "b": b, "y": y})
        return found


@dataclass(frozen=True)
class Pointer:
    """An array, or its type."""

    element: ir.Type
    address: ir.Value = None


@dataclass(frozen=True)
class Record:
    """What the fields of a dataclass hold, or their types."""

    parts: Mapping[str, Any]


def leaves(x: Any) -> list[Any]:
    """What a value or a type consists of, in order."""
    parts = tuple(x.parts.values()) if isinstance(x, Record) else x
    return [leaf for part in parts for leaf in leaves(part)] if isinstance(parts, tuple) else [x]


def shaped(kind: Type, parts: Iterator[ir.Value]) -> Value:
    """The value of a type that consists of these leaves."""
    match kind:
        case tuple():
            return tuple(shaped(each, parts) for each in kind)
        case Record():
            return Record({name: shaped(each, parts) for name, each in kind.parts.items()})
        case Pointer():
            return Pointer(kind.element, next(parts))
    return next(parts)


def known(x: Value) -> bool:
    """Whether it is known while translating."""
    return all(map(known, x)) if isinstance(x, tuple) else not isinstance(x, ir.Value | Pointer | Record)


def type_of(annotation: Any) -> Type:
    """The type of what is so annotated."""
    scalars: dict[Any, Type] = {float: DOUBLE, int: LONG, bool: BIT}
    arguments = get_args(annotation)
    if annotation in scalars:
        return scalars[annotation]
    if is_dataclass(annotation):
        hints = get_type_hints(annotation, include_extras=True)
        return Record({each.name: type_of(hints[each.name]) for each in fields(annotation)})
    if get_origin(annotation) is tuple:
        return tuple(map(type_of, arguments))
    return Pointer(arguments[1]) if len(arguments) == 2 and isinstance(arguments[1], ir.Type) else None


def signature(kinds: Sequence[Type], result: Type) -> ir.FunctionType:
    """LLVM's type of a function; a result of several parts is a struct."""
    parts = leaves(result)
    returned = ir.VoidType() if result is None else parts[0] if len(parts) == 1 else ir.LiteralStructType(parts)
    return ir.FunctionType(returned, [POINTER if isinstance(kind, Pointer) else kind for kind in kinds])


@dataclass(frozen=True)
class Source:
    """A function as it is written."""

    parameters: Mapping[str, Type]
    result: Type
    body: Sequence[ast.stmt]
    names: Mapping[str, Any]
    """What the names mean that are not its own."""


@cache
def source(function: Any) -> Source:
    """How an annotated function, or a Formula, is written."""
    if isinstance(function, Formula):
        return Source(dict.fromkeys("aby", DOUBLE), DOUBLE, ast.parse(f"return {function.text}").body, function.names)
    tree = ast.parse(dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    kinds = {name: type_of(hint) for name, hint in get_type_hints(function, include_extras=True).items()}
    return Source(kinds, kinds.pop("return"), tree.body, function.__globals__)


def bits(x: float) -> int:
    """The 64 bits of a double, as an integer; translated, an instruction."""
    return int(struct.unpack("<q", struct.pack("<d", x))[0])


def double(n: int) -> float:
    """The double of these 64 bits; translated, an instruction."""
    return float(struct.unpack("<d", struct.pack("<q", n))[0])


BITS: dict[Any, tuple[str, ir.Type]] = {bits: ("bitcast", LONG), double: ("bitcast", DOUBLE)}
"""LLVM's instruction and result for these two."""
