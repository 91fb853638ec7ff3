"""Functions as machine code: Python translated, then optimised and assembled by LLVM (the extra ``fast``).

No fast-math, no contraction: the bits are those of plain Python. Nothing is kept on disk, because what a graph needs is
compiled in some tenths of a second.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import llvmlite.binding as llvm

from mgraph.arithmetic import exponential, logarithm, trigonometric
from mgraph.replaying.compiled.native import Pointer, Record, Type, bits, double, source
from mgraph.replaying.compiled.translator import Module

ELEMENTARY = {each.__name__ for each in (exponential, logarithm, trigonometric)}
"""Modules whose functions are large: each is compiled once in a process, and called by its address."""


def normal(x: float) -> tuple[int, int]:
    """The bits of a positive finite x, or of x·2**shift if x is subnormal, and the shift."""
    return (bits(x * 2.0**54), 54) if x < 2.0**-1022 else (bits(x), 0)


def frexp(x: float) -> tuple[float, int]:
    """math.frexp for positive finite x."""
    n, shift = normal(x)
    return double((n & 0x000F_FFFF_FFFF_FFFF) | 0x3FE0_0000_0000_0000), (n >> 52) - 1022 - shift


def reduced(x: float) -> tuple[float, int]:
    """As logarithm.reduced, without a branch that depends on the number."""
    n, shift = normal(x)
    k = (n - 0x3FE6_A000_0000_0000) >> 52  # 0.70703125
    return double(n - (k << 52)), k - shift


def sigmoid(x: float) -> float:
    """The logistic function by the platform."""
    return 1.0 / (1.0 + math.exp(-x))


def power(x: float, y: float) -> float:
    """x**y by the platform."""
    return x * x if y == 2.0 else math.pow(x, y)


EXACT: dict[Any, Any] = {math.frexp: frexp, logarithm.reduced: reduced}
"""What is called in place of a function, for the same result."""
PLATFORM: dict[Any, Any] = {
    exponential.exp: math.exp,
    exponential.expm1: math.expm1,
    exponential.sigmoid: sigmoid,
    exponential.tanh: math.tanh,
    logarithm.log: math.log,
    logarithm.log1p: math.log1p,
    logarithm.pow_: power,
    trigonometric.sin: math.sin,
    trigonometric.cos: math.cos,
}
"""What ``arithmetic="fast"`` calls: the C library, quicker and not the same everywhere. Others stay as they are."""

_C_TYPES: dict[str, Any] = {"double": ctypes.c_double, "i64": ctypes.c_int64, "ptr": ctypes.c_void_p}
_DTYPES = {"double": "float64", "i64": "int64", "i32": "uint32", "i8": "uint8"}


class Code:
    """A function as machine code, for the values ``fixed`` of its fixed parameters.

    ``fast`` calls the platform's elementary functions. ``alone`` calls nothing that was compiled before. ``wide`` makes
    vector instructions of the innermost loops.
    """

    def __init__(
        self, function: Any, fast: bool = False, alone: bool = False, wide: bool = False, **fixed: Any
    ) -> None:
        self._read = source(function)
        module = Module(EXACT | PLATFORM if fast else EXACT, (lambda _: None) if alone else _elementary)
        entry = module.function(function, fixed)
        entry.linkage = "external"
        self._engine = _assembled(str(module.ir), wide)  # owns the code
        self.address: int = self._engine.get_function_address(entry.name)
        """Where it is."""
        kinds = [_C_TYPES[str(kind)] for kind in entry.ftype.args]
        result = None if self._read.result is None else _C_TYPES[str(self._read.result)]
        self._call = ctypes.CFUNCTYPE(result, *kinds)(self.address)

    def __call__(self, *numbers: Any) -> Any:
        """Call it with numbers and, for arrays, addresses."""
        return self._call(*numbers)

    def bound(self, *arguments: Any) -> Callable[[], Any]:
        """The call of it with numbers, arrays and dataclasses of them. The arrays must outlive it."""
        kinds = [kind for kind in self._read.parameters.values() if kind is not None]
        return partial(self, *(x for pair in zip(kinds, arguments, strict=True) for x in _passed(*pair)))


def _passed(kind: Type, x: Any) -> Iterator[Any]:
    """The numbers and addresses of an argument."""
    if isinstance(kind, Record):
        for name, part in kind.parts.items():
            yield from _passed(part, getattr(x, name))
    elif isinstance(kind, Pointer):
        if x.dtype != _DTYPES[str(kind.element)] or not x.flags.c_contiguous:
            raise TypeError(f"an array of {x.dtype} in place of one of {_DTYPES[str(kind.element)]}, in one piece")
        yield x.ctypes.data
    else:
        yield x


def _assembled(text: str, wide: bool) -> Any:
    """A module in LLVM's language as machine code for this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=3, jit=True)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = wide
    options.loop_unrolling = False  # takes longer than it saves, and leaves nothing to make vector instructions of
    passes = llvm.create_pass_builder(target, options)
    module = llvm.parse_assembly(text)
    passes.getModulePassManager().run(module, passes)
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    return engine


def _elementary(function: Any) -> int | None:
    """The address of a function that is called by it."""
    return compiled(function).address if getattr(function, "__module__", None) in ELEMENTARY else None


_compiled: dict[Any, Code] = {}


def compiled(function: Any) -> Code:
    """A function of doubles as machine code, to be called with doubles."""
    if function not in _compiled:
        _compiled.setdefault(function, Code(function, alone=True))  # of two threads' the first: its address may be used
    return _compiled[function]
