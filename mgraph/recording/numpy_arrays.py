"""NumPy arrays of values: ordinary NumPy functions on them record, element by element.

An object array of values almost does that by itself; what it lacks is here. NumPy's own ``maximum`` of two objects
*chooses* one of them, so that a replay with other numbers would still take the branch of the recording.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mgraph.arithmetic.ops import INPUT
from mgraph.recording.value import Value, apply

_RECORDED = (
    *("add", "subtract", "multiply", "divide", "power", "negative", "positive", "absolute", "square", "reciprocal"),
    *("exp", "expm1", "log", "log1p", "sqrt", "tanh", "sin", "cos", "maximum", "minimum", "clip", "sign"),
    *("matmul", "vecdot", "matvec", "vecmat", "conjugate"),
)
_DECIDED = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "isfinite", "isnan", "isinf")
"""Functions that look at the numbers and record nothing, as comparison of values does."""


class Array(np.ndarray[Any, Any]):
    """An array of values and numbers (dtype object), made by :func:`array` and by computing with it."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        return ufunc_on_values(ufunc, method, *inputs, out=out, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        found = super().__array_function__(function, types, args, kwargs)
        if isinstance(found, np.ndarray | float) and getattr(found, "dtype", np.dtype(float)).kind == "f":
            raise TypeError(f"numpy.{function.__name__} has no recorded meaning: it returns numbers, not values")
        return wrapped(found)


def ufunc_on_values(ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
    """What a NumPy function does to arrays of values. Raises TypeError for one with no recorded meaning."""
    name = ufunc.__name__
    if name in _DECIDED:
        return getattr(ufunc, method)(*(numbers_of(_plain(x)) for x in inputs), **options)
    if name not in _RECORDED:
        raise TypeError(f"numpy.{name} has no recorded meaning; there are {', '.join(_RECORDED)}")
    if name == "conjugate":  # numpy.var asks for it
        return wrapped(_plain(inputs[0]))
    if name == "clip":
        x, low, high = inputs
        return np.minimum(np.maximum(wrapped(_plain(x)), low), high)
    if name == "sign":
        x = wrapped(_plain(inputs[0]))
        return _each("greater")(_plain(x), 0.0) - _each("greater")(0.0, _plain(x))
    if name in ("maximum", "minimum"):
        ufunc = _each(name)
        options.pop("dtype", None)
        if options.get("initial") is None:
            options.pop("initial", None)
    if out is not None:
        options["out"] = tuple(_plain(each) for each in out)
    return wrapped(getattr(ufunc, method)(*map(_plain, inputs), **options))


def _each(op: str) -> Any:
    """An op of two operands as a NumPy function; without an identity its order of reduction is free."""
    return np.frompyfunc(lambda a, b: apply(op, a, b), 2, 1, identity=None)


def _plain(x: Any) -> Any:
    if isinstance(x, Value):
        cell = np.empty((), object)
        cell[()] = x
        return cell
    if isinstance(x, np.ndarray | np.generic) and x.dtype.char in "gG":  # as objects these would call us again
        return x.astype("d" if x.dtype.char == "g" else "D")
    return x.view(np.ndarray) if isinstance(x, Array) else x


def wrapped(x: Any) -> Any:
    """An object array as an :class:`Array`, so that what is computed with it records; all else as it is."""
    if isinstance(x, np.ndarray) and x.dtype == object:
        return x.item() if x.ndim == 0 else x.view(Array)
    if isinstance(x, tuple | list):
        return type(x)(wrapped(each) for each in x)
    return x


def array(data: Any, name: str | None = None, op: str = INPUT) -> Array:
    """An array of new leaves with these numbers; with ``name="W"`` they are called ``W[2,3]``.

    ``op`` is input, parameter or constant. Raises TypeError for what is not made of real numbers.
    """
    numbers = np.asarray(data)
    if numbers.dtype.kind not in "fiu":
        raise TypeError(f"an array of real numbers is needed, not of {numbers.dtype}")
    made = np.empty(numbers.shape, object)
    for place in np.ndindex(numbers.shape):
        label = None if name is None else f"{name}[{','.join(map(str, place))}]" if place else name
        made[place] = Value(float(numbers[place]), name=label, op=op)
    return made.view(Array)


def values_of(x: Any) -> list[Value]:
    """The values of an array, in row-major order; numbers among them become constants."""
    return [each if isinstance(each, Value) else Value(each, op="constant") for each in np.asarray(x, object).ravel()]


def numbers_of(x: Any) -> Any:
    """The numbers that an array of values holds now, as binary64, in its shape."""
    plain = np.vectorize(lambda each: each.data if isinstance(each, Value) else float(each), otypes=[float])
    return plain(np.asarray(x, object).view(np.ndarray))
