"""ONNX's operators: what each computes, over arrays of values, and how much."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from functools import reduce as fold
from math import prod
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from mgraph.errors import FormatError
from mgraph.formats.read.tensor_ops import (
    CONDITIONS,
    Meaning,
    clamp,
    elementwise,
    gemm,
    greater,
    log_softmax,
    matmul,
    mean,
    reduce,
    scaled,
    softmax,
    tensor,
    where,
)
from mgraph.formats.write.onnx import OPS

STORED: dict[int, tuple[int, str]] = {
    TensorProto.DOUBLE: (8, "double_data"),
    TensorProto.FLOAT: (4, "float_data"),
    TensorProto.INT64: (8, "int64_data"),
    TensorProto.INT32: (4, "int32_data"),
    TensorProto.BOOL: (1, "int32_data"),
}
"""The number formats that are supported: their bytes, and where a tensor keeps them that has no raw bytes."""

REALS = (TensorProto.DOUBLE, TensorProto.FLOAT)


def format_name(number_format: int) -> str:
    """What ONNX calls a number format: ``bfloat16``."""
    names: dict[int, str] = {k: name.lower() for name, k in TensorProto.DataType.items()}
    return names.get(number_format, f"format {number_format}")


def whole(x: Any) -> bool:
    """Whether a tensor is of integers or conditions, which are decided when the model is read."""
    return isinstance(x, np.ndarray) and x.dtype.kind in "ib"


# What operators mean: functions of their inputs and attributes.


def _each(op: str) -> Meaning:
    return partial(elementwise, op)


def _fold(op: str) -> Meaning:
    return lambda *xs: fold(_each(op), xs)


def _ints(x: Any) -> list[int]:
    """The numbers of a shape, of axes, of indices, which must not depend on an input."""
    if not whole(x):
        raise FormatError("a shape, axes and indices must be constant integers")
    return [int(each) for each in np.ravel(x)]


def _axes(axes: Any) -> tuple[int, ...] | None:
    return None if axes is None else tuple(_ints(np.asarray(axes, int) if isinstance(axes, list) else axes))


def _reduction(meaning: Meaning) -> Meaning:
    def reduction(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        over = _axes(axes)
        return x if noop_with_empty_axes and not over else meaning(x, over or None, bool(keepdims))

    return reduction


def _quotient(a: Any, b: Any) -> Any:
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def _reshape(x: Any, shape: Any, allowzero: int = 0) -> Any:
    sizes = _ints(shape)
    return np.reshape(x, [x.shape[k] if n == 0 and not allowzero else n for k, n in enumerate(sizes)])


def _flatten(x: Any, axis: int = 1) -> Any:
    if not -x.ndim <= axis <= x.ndim:
        raise FormatError(f"there is no axis {axis} in a tensor of {x.ndim} dimensions")
    axis = axis % x.ndim if axis < 0 else axis
    return np.reshape(x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


def _slice(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    first, last = _ints(starts), _ints(ends)
    over = _axes(axes) or range(len(first))
    by = [1] * len(first) if steps is None else _ints(steps)
    cut = [slice(None)] * x.ndim
    for axis, start, end, step in zip(over, first, last, by, strict=True):
        cut[axis] = slice(start, end, step)
    return x[tuple(cut)]


def _gather(x: Any, indices: Any, axis: int = 0) -> Any:
    return np.take(x, np.reshape(_ints(indices), np.shape(indices)), axis)


def _expand(x: Any, shape: Any) -> Any:
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(_ints(shape))))


def _gemm(a: Any, b: Any, c: Any = None, *, alpha: float = 1.0, beta: float = 1.0, **turned: int) -> Any:
    if np.ndim(a) != 2 or np.ndim(b) != 2:
        raise FormatError(f"Gemm multiplies matrices, not tensors of {np.ndim(a)} and {np.ndim(b)} dimensions")
    a, b = np.transpose(a) if turned.get("transA") else a, np.transpose(b) if turned.get("transB") else b
    return gemm(a, b, c, alpha, beta)


def _cast(x: Any, to: int, saturate: int = 1, round_mode: str = "up") -> Any:  # the last two are of float8
    if to in REALS:
        return tensor(x)
    if to in STORED and whole(x):
        return x.astype(helper.tensor_dtype_to_np_dtype(to))
    raise FormatError(f"a number cannot become {format_name(to)}")


def _constant(**held: Any) -> Any:
    if len(held) != 1:
        raise FormatError(f"a constant holds one thing, not {len(held)}")
    return next(iter(held.values()))


def _dropout(x: Any, ratio: Any = None, training_mode: Any = None, seed: int = 0) -> Any:
    if training_mode is not None and any(_ints(training_mode)):
        raise FormatError("what is dropped in training is random")
    return x


_SLOPE = float(np.float32(0.01))

ELEMENTWISE: dict[str, Meaning] = {
    **{operator: _each(op) for op, operator in OPS.items()},
    "And": CONDITIONS["and"],
    "Clip": clamp,
    "Equal": CONDITIONS["eq"],
    "Greater": CONDITIONS["gt"],
    "GreaterOrEqual": CONDITIONS["ge"],
    "LeakyRelu": lambda x, alpha=_SLOPE: where(greater(x, 0.0), x, scaled(x, alpha)),
    "Less": CONDITIONS["lt"],
    "LessOrEqual": CONDITIONS["le"],
    "Max": _fold("maximum"),
    "Mean": lambda *xs: elementwise("div", _fold("add")(*xs), float(len(xs))),
    "Min": _fold("minimum"),
    "Not": CONDITIONS["not"],
    "Or": CONDITIONS["or"],
    "PRelu": lambda x, slope: where(greater(x, 0.0), x, elementwise("mul", x, slope)),
    "Reciprocal": lambda x: elementwise("div", 1.0, x),
    "Sigmoid": _each("sigmoid"),
    "Sum": _fold("add"),
    "Where": where,
}
INTEGERS: dict[str, Meaning] = {
    "Add": np.add,
    "And": np.logical_and,
    "Div": _quotient,
    "Equal": np.equal,
    "Greater": np.greater,
    "Less": np.less,
    "Max": lambda *xs: fold(np.maximum, xs),
    "Min": lambda *xs: fold(np.minimum, xs),
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Sub": np.subtract,
    "Where": np.where,
}
"""What is computed of integers alone: shapes, indices and conditions, which are decided when the model is read."""

OPERATORS: dict[str, Meaning] = {
    **ELEMENTWISE,
    "Cast": _cast,
    "Concat": lambda *xs, axis: np.concatenate(xs, axis),
    "Constant": _constant,
    "ConstantOfShape": lambda shape, value=0.0: np.full(_ints(shape), np.ravel(value)[0]),
    "Dropout": _dropout,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "Identity": lambda x: x,
    "LogSoftmax": lambda x, axis=-1: log_softmax(x, axis),
    "MatMul": matmul,
    "ReduceMax": _reduction(partial(reduce, "maximum")),
    "ReduceMean": _reduction(mean),
    "ReduceMin": _reduction(partial(reduce, "minimum")),
    "ReduceProd": _reduction(partial(reduce, "mul")),
    "ReduceSum": _reduction(partial(reduce, "add")),
    "Reshape": _reshape,
    "Shape": lambda x, start=0, end=None: np.array(np.shape(x)[start:end], np.int64),
    "Slice": _slice,
    "Softmax": lambda x, axis=-1: softmax(x, axis),
    "Squeeze": lambda x, axes=None: np.squeeze(x, _axes(axes)),
    "Transpose": lambda x, perm=None: np.transpose(x, perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, _axes(axes) or ()),
}
"""By operator of ONNX, or of a function that an export of ours calls."""


# How many numbers an operator computes, known before it does: a small file can ask for very many.


def _cells(*xs: Any, **attributes: Any) -> int:
    return prod(np.broadcast_shapes(*(np.shape(x) for x in xs if x is not None)))


def _products(a: Any, b: Any) -> int:
    rows, columns = a.shape[-2] if a.ndim > 1 else 1, b.shape[-1] if b.ndim > 1 else 1
    count: int = prod(np.broadcast_shapes(a.shape[:-2], b.shape[:-2])) * rows * a.shape[-1] * columns
    return count


COSTS: dict[str, Callable[..., int]] = {
    **dict.fromkeys(ELEMENTWISE, _cells),
    "ConstantOfShape": lambda shape, value=None: prod(_ints(shape)),
    "Expand": lambda x, shape: prod(np.broadcast_shapes(x.shape, tuple(_ints(shape)))),
    "Gather": lambda x, indices, axis=0: np.size(indices) * x.size // max(x.shape[axis], 1),
    "Gemm": lambda a, b, c=None, **turned: a.size * b.shape[-2 if turned.get("transB") else -1],
    "MatMul": _products,
}
