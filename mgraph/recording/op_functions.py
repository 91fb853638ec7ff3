"""The ops as functions: ``mgraph.tanh(x)``."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import SupportsFloat

from mgraph.arithmetic.ops import Op
from mgraph.recording.value import Value, apply, describe


def op_function(op: Op) -> Callable[..., Value | float]:
    """``mgraph.tanh`` and the like: the op on values, which is recorded, or on numbers alone."""

    def call(*operands: SupportsFloat) -> Value | float:
        return apply(op.name, *operands)

    describe(call, op, op.name)
    call.__module__ = "mgraph"
    parameters = [Parameter(operand, Parameter.POSITIONAL_ONLY) for operand in op.operands]
    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return call
