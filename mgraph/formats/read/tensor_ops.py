"""What tensor operations mean over arrays of values: the one place that knows, shared by the tensor formats here.

A tensor is an :class:`mgraph.recording.numpy_arrays.Array` of values and plain numbers, of no dimension too; every
function takes arrays, values or numbers, broadcasts as NumPy does, and returns a tensor. A condition is a tensor of 1
and 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from functools import reduce as fold
from math import inf, prod
from typing import Any

import numpy as np

from mgraph.arithmetic.ops import INPUT, OPS
from mgraph.errors import FormatError
from mgraph.recording.numpy_arrays import Array, array
from mgraph.recording.value import Value, apply

Meaning = Callable[..., Any]
"""What an operation means: a function of tensors and of the operation's settings."""

EXACT, SINGLE = "float64", "float32"


def precision(dtypes: Iterable[str], tolerance: int | None, remedy: str) -> dict[str, str]:
    """What a document's ``meta`` says of the arithmetic that its numbers come from; nothing for binary64.

    float32 is taken only with a tolerance, so that it never passes as exact; ``remedy`` is how to do without it.
    Raises FormatError.
    """
    used = set(dtypes)
    for dtype in sorted(used - {EXACT, SINGLE}):
        raise FormatError(f"numbers of {dtype} are not supported; mgraph computes in binary64 ({EXACT})")
    if SINGLE not in used:
        return {}
    if tolerance is None:
        raise FormatError(
            f"numbers computed in float32 are not those of a replay in binary64: {remedy}, or say how far they may be"
            " with tolerance=, in units in the last place of binary64 (one of binary32 is 2**29 of them)"
        )
    return {"arithmetic": SINGLE}


def tensor(x: Any) -> Array:
    """Values and numbers as a tensor; of one that is not made of either, the numbers become floats."""
    cells = np.asarray(x)
    if cells.dtype != object:
        cells = cells.astype(float).astype(object)
    return cells.view(Array)


def leaves(data: Any, name: str | None, op: str = INPUT) -> Array:
    """New leaves with these numbers: of one element ``x``, else ``W[2,3]``. ``op`` is as in :func:`array`."""
    made = array(data, op=op)
    label(made, name)
    return made


def label(x: Any, name: str | None) -> None:
    """Name the values of a tensor that have no name yet: the only one ``x``, of more ``W[2,3]``."""
    cells: dict[tuple[int, ...], Any] = dict(np.ndenumerate(tensor(x).view(np.ndarray)))
    for place, value in cells.items() if name is not None else ():
        if isinstance(value, Value) and value.name is None:
            value.name = name if len(cells) == 1 else f"{name}[{','.join(map(str, place))}]"


def overwrite(x: Any, field: str, numbers: Any) -> None:
    """Put another tool's numbers on the values of a tensor, as ``data`` or as ``grad``."""
    for value, number in zip(tensor(x).flat, np.ravel(numbers), strict=True):
        if isinstance(value, Value):
            setattr(value, field, float(number))


def only_value(tensors: Sequence[Array]) -> Value | None:
    """The only element of the only tensor, from which gradients start; None if there are more, or it is a number."""
    found = [each for part in tensors for each in part.flat]
    return found[0] if len(found) == 1 and isinstance(found[0], Value) else None


def elementwise(op: str, *operands: Any) -> Array:
    """An op of the table on each element."""
    plain = [tensor(each).view(np.ndarray) for each in operands]
    return tensor(np.frompyfunc(lambda *row: apply(op, *row), OPS[op].arity, 1)(*plain))


# Conditions.


def greater(a: Any, b: Any) -> Array:
    """a > b."""
    return elementwise("greater", a, b)


def negation(c: Any) -> Array:
    """Not c."""
    return elementwise("sub", 1.0, c)


def equal(a: Any, b: Any) -> Array:
    """a = b: neither is greater."""
    return elementwise("sub", negation(greater(a, b)), greater(b, a))


def truth(x: Any) -> Array:
    """1 where x is not 0, else 0: what a number is as a condition."""
    return negation(equal(x, 0.0))


CONDITIONS: dict[str, Meaning] = {
    "gt": greater,
    "ge": lambda a, b: negation(greater(b, a)),
    "lt": lambda a, b: greater(b, a),
    "le": lambda a, b: negation(greater(a, b)),
    "eq": equal,
    "ne": lambda a, b: negation(equal(a, b)),
    "not": negation,
    "and": partial(elementwise, "minimum"),
    "or": partial(elementwise, "maximum"),
}
"""By the names of PyTorch and JAX. The operands of the last three are conditions; see :func:`truth`."""


def where(c: Any, a: Any, b: Any) -> Array:
    """a where c, else b; what is not taken gets no gradient, as in PyTorch and JAX.

    A condition that is made of numbers has been decided: it chooses and records nothing.
    """
    condition, a, b = np.broadcast_arrays(*(tensor(each).view(np.ndarray) for each in (c, a, b)))
    chosen = np.empty(condition.shape, object)
    for place in np.ndindex(condition.shape):
        if isinstance(condition[place], Value):
            otherwise = apply("gate", apply("sub", 1.0, condition[place]), b[place])
            chosen[place] = apply("add", apply("gate", condition[place], a[place]), otherwise)
        else:
            chosen[place] = a[place] if condition[place] else b[place]
    return tensor(chosen)


def clamp(x: Any, low: Any = None, high: Any = None) -> Array:
    """x, at least ``low`` and at most ``high`` where they are given."""
    x = x if low is None else elementwise("maximum", x, low)
    return tensor(x if high is None else elementwise("minimum", x, high))


# Reductions: from the first element to the last, in row-major order.

IDENTITY = {"add": 0.0, "mul": 1.0, "maximum": -inf, "minimum": inf}
"""What a fold of no elements is, as ONNX and JAX have it."""


def reduce(op: str, x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Array:
    """Fold a binary op of the table over ``axes`` (all, if None); nothing folds to the op's :data:`IDENTITY`.

    Raises FormatError for an axis that is not there.
    """
    x = tensor(x)
    axes = range(x.ndim) if axes is None else [axes] if isinstance(axes, int) else axes
    there = max(x.ndim, 1)  # as PyTorch has it, a number has an axis to be reduced over
    for axis in axes:
        if not -there <= axis < there:
            raise FormatError(f"there is no axis {axis} in a tensor of {x.ndim} dimensions")
    folded = sorted(axis % x.ndim for axis in axes) if x.ndim else []
    kept = [axis for axis in range(x.ndim) if axis not in folded]
    shape = tuple(x.shape[axis] for axis in kept)
    count = prod(x.shape[axis] for axis in folded)
    rows = x.view(np.ndarray).transpose(kept + folded).reshape(*shape, count)
    result = np.empty(shape, object)
    for place in np.ndindex(shape):
        result[place] = fold(lambda a, b: apply(op, a, b), rows[place]) if count else IDENTITY[op]
    if keepdims:
        result = result.reshape([1 if axis in folded else size for axis, size in enumerate(x.shape)])
    return tensor(result)


def mean(x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Array:
    """The sum, divided by how many."""
    x = tensor(x)
    total = reduce("add", x, axes, keepdims)
    return elementwise("div", total, float(x.size // max(total.size, 1)))


def softmax(x: Any, axis: int) -> Array:
    """exp(x - max x) over its sum."""
    powers = elementwise("exp", _lowered(x, axis))
    return elementwise("div", powers, reduce("add", powers, axis, True))


def log_softmax(x: Any, axis: int) -> Array:
    """(x - max x) - log of the sum of their exponentials."""
    low = _lowered(x, axis)
    return elementwise("sub", low, elementwise("log", reduce("add", elementwise("exp", low), axis, True)))


def _lowered(x: Any, axis: int) -> Array:
    return elementwise("sub", x, reduce("maximum", x, axis, True))


# Products of matrices: each element is the sum of its products from the first to the last.


def matmul(a: Any, b: Any) -> Array:
    """The product of matrices, of stacks of them, of vectors, as ``numpy.matmul`` has it."""
    return tensor(np.matmul(tensor(a), tensor(b)))


def gemm(a: Any, b: Any, c: Any = None, alpha: float = 1.0, beta: float = 1.0) -> Array:
    """alpha·(a b) + beta·c; factors of 1 are not recorded."""
    return plus(scaled(matmul(a, b), alpha), c, beta)


def scaled(x: Any, factor: float) -> Array:
    """factor·x; a factor of 1 is not recorded."""
    return tensor(x) if factor == 1 else elementwise("mul", x, factor)


def plus(a: Any, b: Any = None, factor: float = 1.0) -> Array:
    """a + factor·b; ``a`` if there is no b."""
    return tensor(a) if b is None else elementwise("add", a, scaled(b, factor))
