"""The op table and its arithmetic as machine code: the same source, compiled by numba (the extra ``fast``).

Each function is read anew with other meanings for the names in it: tables become arrays, the functions that it calls
their compiled forms, and frexp works on the bits. No fast-math, no contraction: the bits are those of plain Python.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any
from uuid import uuid4

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from mgraph.arithmetic import coefficients, exponential, formulas, logarithm, ops, trigonometric, triple_double
from mgraph.arithmetic.ops import Op

NO_MATHS = {"error_model": "numpy", "nogil": True, "boundscheck": False}
"""Division by zero gives what IEEE 754 says."""
_PROCESS = uuid4().hex
SOURCES = (coefficients, triple_double, exponential, logarithm, trigonometric, ops)


@intrinsic  # type: ignore[untyped-decorator]
def _bits(_: Any, x: Any) -> Any:
    """The 64 bits of a double, as an integer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(x), generate


@intrinsic  # type: ignore[untyped-decorator]
def _double(_: Any, n: Any) -> Any:
    """The double that has these 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(n), generate


@intrinsic  # type: ignore[untyped-decorator]
def _keep_out_of_line(_: Any) -> Any:
    """Keeps the function that it is called in from being inlined: a rare case costs the common one its registers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")

    return types.void(), generate


def _out_of_line(function: Any) -> Any:
    def rare(*args: Any) -> Any:
        _keep_out_of_line()
        return function(*args)

    return jit(rare)


def _frexp(x: float) -> tuple[float, int]:
    """math.frexp for positive finite x."""
    shift = 0
    if x < 2.0**-1022:
        x *= 2.0**54
        shift = 54
    n = _bits(x)
    return _double((n & 0x000F_FFFF_FFFF_FFFF) | 0x3FE0_0000_0000_0000), (n >> 52) - 1022 - shift


def _reduced(x: float) -> tuple[float, int]:
    """As logarithm.reduced, without a branch that depends on the number."""
    shift = 0
    if x < 2.0**-1022:
        x *= 2.0**54
        shift = 54
    n = _bits(x)
    k = (n - 0x3FE6_A000_0000_0000) >> 52  # 0.70703125
    return _double(n - (k << 52)), k - shift


def jit(function: Callable[..., Any], keep: bool = False) -> Any:
    """The function, compiled when it is first called; with ``keep``, its code is kept for later processes.

    A kept function carries the code of those that it calls. Two that come from different processes may be loaded
    together, and where they have a symbol in common the second gets the first one's code; numba numbers symbols within
    a process, so here they are also given the process.
    """
    if not keep:
        function.__qualname__ = f"{function.__name__}_{_PROCESS}"
    if keep:
        try:
            return numba.njit(cache=True, **NO_MATHS)(function)
        except RuntimeError:
            pass  # there is no place to keep it: a read-only installation without a writable home
    return numba.njit(**NO_MATHS)(function)


def digest() -> str:
    """Of all the source that is compiled, and of this module: compiled code is kept under it."""
    sources = "".join(inspect.getsource(each) for each in (*SOURCES, formulas, sys.modules[__name__]))
    return hashlib.sha256(f"{numba.__version__} {sources}".encode()).hexdigest()


@cache
def meanings(fast: bool = False) -> dict[str, Any]:
    """Every name that the sources use, in its compiled meaning; ``fast``: the platform's elementary functions."""
    found: dict[str, Any] = {"math": math, "__builtins__": __builtins__, "__name__": __name__}
    for module in SOURCES:
        for name, x in vars(module).items():
            if isinstance(x, FunctionType) and x.__module__ == module.__name__:
                machine = jit(FunctionType(x.__code__, found, x.__name__))
                found[name] = _out_of_line(machine) if name.endswith("_accurate") else machine
            elif isinstance(x, tuple) and len(x) > TABLE and all(isinstance(each, float) for each in x):
                found[name] = np.array(x)
            elif isinstance(x, int | float | tuple):
                found.setdefault(name, x)
    found["frexp"], found["reduced"] = jit(_frexp), jit(_reduced)
    found |= {"sqrt_": math.sqrt, "abs": abs}
    if fast:
        found |= {name: jit(_platform(function)) for name, function in PLATFORM.items()}
    found["pow"] = found["pow_"]  # as formulas call it
    return found


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def _power(x: float, y: float) -> float:
    return x * x if y == 2.0 else math.pow(x, y)


PLATFORM: dict[str, Callable[..., float]] = {"sigmoid": _sigmoid, "pow_": _power}
"""What ``arithmetic="fast"`` calls instead: the C library, quicker and not the same everywhere."""
PLATFORM |= {name: getattr(math, name) for name in ("exp", "expm1", "log", "log1p", "tanh", "sin", "cos")}


def _platform(function: Callable[..., float]) -> Callable[..., float]:
    """A builtin as a function that numba compiles."""

    def called(x: float) -> float:
        return function(x)

    return function if isinstance(function, FunctionType) else called


TABLE = 4
"""A longer tuple is a table, and becomes an array."""


def compiled(op: Op, fast: bool = False) -> tuple[Callable[..., Any], tuple[Callable[..., Any], ...]]:
    """A row's function and its partial derivatives, compiled; a builtin as it is."""
    forward, partials = op.functions(meanings(fast))
    return _compiled(forward), tuple(map(_compiled, partials))


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return jit(function) if isinstance(function, FunctionType) else function
