"""JAX: a function, by the jaxpr that it traces to, read as a graph of values.

The one place that knows what JAX's primitives compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from math import inf, nan, prod
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal
from jax.tree_util import keystr, tree_flatten, tree_flatten_with_path, tree_leaves, tree_unflatten

from mgraph.arithmetic.ops import CONSTANT, INPUT
from mgraph.document.model import Document
from mgraph.errors import FormatError
from mgraph.formats.read.tensor_ops import (
    CONDITIONS,
    Meaning,
    clamp,
    elementwise,
    greater,
    leaves,
    matmul,
    only_value,
    overwrite,
    precision,
    reduce,
    tensor,
    truth,
    where,
)
from mgraph.recording.numpy_arrays import Array
from mgraph.recording.record import document_of

DOUBLE = 'compute in float64, as after jax.config.update("jax_enable_x64", True)'


def read(
    function: Callable[..., Any],
    *args: Any,
    names: Sequence[str] | None = None,
    tolerance: int | None = None,
    title: str | None = None,
) -> Document:
    """The document of what ``function`` computes of these arguments: floats, arrays, and trees of them.

    Inputs are called after the function's parameters, or as ``names`` says: ``x``, ``W[2,3]``, ``params['w'][2,3]``.
    The numbers are JAX's own: those of the outputs, and, if there is one, the gradients of the inputs. ``tolerance``
    is in units in the last place; float32 needs one. Raises FormatError for what cannot be imported, TypeError for
    what is no function.
    """
    if not callable(function):
        raise TypeError(f"a function is needed, not {type(function).__name__}")
    traced = jax.make_jaxpr(function)(*args)
    flat, tree = tree_flatten(args)
    inputs = [np.asarray(jnp.asarray(each)) for each in flat]
    precision((each.dtype.name for each in inputs), tolerance, DOUBLE)
    made = [leaves(x, name, INPUT) for x, name in zip(inputs, _names(function, args, names), strict=True)]
    dtypes = {each.dtype.name for each in inputs}
    results = [tensor(each) for each in _run(traced, made, dtypes)]
    meta = precision(dtypes, tolerance, DOUBLE)
    for held, values in zip(tree_leaves(function(*args)), results, strict=True):
        overwrite(values, "data", np.asarray(held, float))
    out = only_value(results)
    if out is not None and made:

        def number(*flat: Any) -> Any:
            return tree_leaves(function(*tree_unflatten(tree, flat)))[0].reshape(())

        out.backward()
        for grad, values in zip(jax.grad(number, tuple(range(len(flat))))(*map(jnp.asarray, flat)), made, strict=True):
            overwrite(values, "grad", np.asarray(grad))
    roots = [value for each in results for value in each.flat]
    if not roots:
        raise FormatError("the function returns no numbers")
    return document_of(roots, title=title, tolerance=tolerance, meta={"source": f"JAX {jax.__version__}", **meta})


def _names(function: Callable[..., Any], args: Sequence[Any], names: Sequence[str] | None) -> Iterator[str]:
    """What each array among the arguments is called, in JAX's order."""
    arguments = dict(zip(names, args, strict=True)) if names else signature(function).bind(*args).arguments
    for name, held in arguments.items():
        for path, _ in tree_flatten_with_path(held)[0]:
            yield name + keystr(path)


# What primitives mean: functions of the equation and of its operands.


def _each(op: str) -> Meaning:
    return lambda equation, *operands: elementwise(op, *operands)


def _of(meaning: Meaning) -> Meaning:
    return lambda equation, *operands: meaning(*operands)


def _fold(op: str) -> Meaning:
    return lambda equation, x: reduce(op, x, equation.params["axes"])


def _maximum(a: Any, b: Any) -> Array:
    """At 0, jax.nn.relu has the derivative that relu has here, which that of a maximum is not."""
    zero = not isinstance(b, Array) and not np.any(b) and np.shape(b) in ((), np.shape(a))
    return elementwise("relu", a) if zero else elementwise("maximum", a, b)


def _sign(x: Any) -> Array:
    return elementwise("sub", greater(x, 0.0), greater(0.0, x))


def _dot(equation: Any, a: Any, b: Any) -> Any:
    (summed_a, summed_b), (batch_a, batch_b) = equation.params["dimension_numbers"]
    a, b = tensor(a), tensor(b)
    free_a = [k for k in range(a.ndim) if k not in (*summed_a, *batch_a)]
    free_b = [k for k in range(b.ndim) if k not in (*summed_b, *batch_b)]
    batch, rows, columns = ([x.shape[k] for k in axes] for x, axes in ((a, batch_a), (a, free_a), (b, free_b)))
    depth = prod(a.shape[k] for k in summed_a)
    left = a.transpose([*batch_a, *free_a, *summed_a]).reshape(*batch, -1, depth)
    right = b.transpose([*batch_b, *summed_b, *free_b]).reshape(*batch, depth, -1)
    return matmul(left, right).reshape([*batch, *rows, *columns])


def _select(equation: Any, which: Any, *cases: Any) -> Array:
    if len(cases) != 2:
        raise _refusal(equation, " of more than two cases")
    return where(which, cases[1], cases[0])


def _convert(equation: Any, x: Any) -> Any:
    kind = np.dtype(equation.params["new_dtype"]).kind
    if kind in "iu":
        raise _refusal(equation, f" to {np.dtype(equation.params['new_dtype']).name}")
    return truth(x) if kind == "b" else x


SHIFTS = ("softmax", "_softmax", "log_softmax", "logsumexp")
"""JAX's own functions that add a number and take it away again, and so may stop its gradient or not."""


def _stop(equation: Any, x: Any) -> Any:
    if any(file.startswith(JAX) and name in SHIFTS for file, _, name in _frames(equation)):
        return x
    raise _refusal(equation, ", which changes gradients,")


def _move(equation: Any, *operands: Any) -> Any:
    """A primitive that only moves elements: JAX moves their places, and the values follow."""
    pool: list[Any] = []
    places = []
    for variable, x in zip(equation.invars, operands, strict=True):
        if variable.aval.dtype == equation.invars[0].aval.dtype:
            cells = tensor(x)
            places.append(np.arange(len(pool), len(pool) + cells.size, dtype=float).reshape(cells.shape))
            pool.extend(cells.flat)
        elif isinstance(x, Array):
            raise _refusal(equation, " at places that depend on an input")
        else:
            places.append(x)
    outside = {"fill_value": nan} if "fill_value" in equation.params else {}
    moved = equation.primitive.bind(*places, **{**equation.params, **outside})
    filler = nan if equation.params.get("fill_value") is None else equation.params["fill_value"]

    def follow(places: Any) -> Array:
        cells = [filler if place != place else pool[int(place)] for place in np.ravel(places)]
        made = np.empty(len(cells), object)
        made[:] = cells
        return tensor(made.reshape(np.shape(places)))

    return list(map(follow, moved)) if equation.primitive.multiple_results else follow(moved)


# fmt: off
MOVES = (
    "broadcast_in_dim", "concatenate", "copy", "dynamic_slice", "dynamic_update_slice", "gather", "pad", "reshape",
    "rev", "scatter", "slice", "split", "squeeze", "stack", "tile", "transpose",
)
# fmt: on
PRIMITIVES: dict[str, Meaning] = {
    **{name: _each(name) for name in ("neg", "sub", "mul", "div", "pow", "exp", "expm1", "log", "log1p", "sqrt")},
    **{name: _each(name) for name in ("tanh", "sin", "cos", "abs")},
    **dict.fromkeys(("add", "add_any"), _each("add")),
    "logistic": _each("sigmoid"),
    "integer_pow": lambda equation, x: elementwise("pow", x, float(equation.params["y"])),
    "square": lambda equation, x: elementwise("pow", x, 2.0),
    "exp2": lambda equation, x: elementwise("pow", 2.0, x),
    "rsqrt": lambda equation, x: elementwise("div", 1.0, elementwise("sqrt", x)),
    "max": _of(_maximum),
    "min": _each("minimum"),
    "clamp": lambda equation, low, x, high: clamp(x, low, high),
    "sign": _of(_sign),
    "is_finite": lambda equation, x: greater(inf, elementwise("abs", x)),
    **{name: _of(meaning) for name, meaning in CONDITIONS.items()},
    "select_n": _select,
    "reduce_sum": _fold("add"),
    "reduce_prod": _fold("mul"),
    "reduce_max": _fold("maximum"),
    "reduce_min": _fold("minimum"),
    "dot_general": _dot,
    "convert_element_type": _convert,
    "stop_gradient": _stop,
    **dict.fromkeys(MOVES, _move),
}
"""By primitive. What depends on no input is JAX's own business: any primitive will do."""

CALLS = {
    **dict.fromkeys(("jit", "pjit", "remat", "remat2", "checkpoint"), "jaxpr"),
    **dict.fromkeys(("closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"), "call_jaxpr"),
}
"""Primitives that run another jaxpr, and which of their settings that is."""


def _run(traced: Any, operands: Sequence[Any], dtypes: set[str]) -> list[Any]:
    """The results of a jaxpr; an operand that depends on no input is a number, and not an Array."""
    closed = isinstance(traced, ClosedJaxpr)
    jaxpr = traced.jaxpr if closed else traced
    known: dict[Any, Any] = dict(zip(jaxpr.invars, operands, strict=True))
    for variable, held in zip(jaxpr.constvars, traced.consts if closed else (), strict=True):
        real = jnp.issubdtype(held.dtype, jnp.inexact)
        known[variable] = leaves(np.asarray(held), None, CONSTANT) if real else held
    for equation in jaxpr.eqns:
        held = [each.val if isinstance(each, Literal) else known[each] for each in equation.invars]
        for each in equation.outvars:
            if jnp.issubdtype(each.aval.dtype, jnp.inexact):
                dtypes.add(each.aval.dtype.name)
        try:
            made = _call(equation, held, dtypes)
        except FormatError as error:
            raise _blamed(equation, jaxpr) or error from None
        known.update(zip(equation.outvars, made, strict=True))
    return [each.val if isinstance(each, Literal) else known[each] for each in jaxpr.outvars]


def _call(equation: Any, operands: Sequence[Any], dtypes: set[str]) -> Sequence[Any]:
    name = equation.primitive.name
    if name in CALLS:
        return _run(equation.params[CALLS[name]], operands, dtypes)
    if not any(isinstance(each, Array) for each in operands):
        made = equation.primitive.bind(*operands, **equation.params)
    elif name in PRIMITIVES:
        made = PRIMITIVES[name](equation, *operands)
    else:
        raise _refusal(equation)
    return made if equation.primitive.multiple_results else [made]


# Where an equation comes from.

JAX = tuple(str(Path(str(module.__file__)).parent) for module in (jax, jaxlib))


def _frames(equation: Any) -> Iterator[tuple[str, int, str]]:
    """The file, line and function of each call that was under way, from the innermost."""
    traceback = equation.source_info.traceback
    for frame in traceback.frames if traceback else ():
        yield frame.file_name, frame.line_num, frame.function_name


def _blamed(equation: Any, jaxpr: Any) -> FormatError | None:
    """The refusal of what a conversion is for, if that is not supported at all: JAX makes an integer of the condition
    of ``cond`` first, which nobody has written."""
    if equation.primitive.name != "convert_element_type":
        return None
    uses = (each for each in jaxpr.eqns if any(given is equation.outvars[0] for given in each.invars))
    lost = next((each for each in uses if each.primitive.name not in (*PRIMITIVES, *CALLS)), None)
    return None if lost is None else _refusal(lost)


def _refusal(equation: Any, what: str = "") -> FormatError:
    what = ", unlike jnp.where," if equation.primitive.name == "cond" else what
    place = next((frame for frame in _frames(equation) if not frame[0].startswith((*JAX, __file__))), None)
    where_from = f' (File "{place[0]}", line {place[1]}, in {place[2]})' if place else ""
    return FormatError(
        f"{equation.primitive.name}{what}{where_from} is not supported; "
        "docs/reference/import-operators.md lists what is"
    )
