"""A function called with values in place of its numbers, so that what it computes is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from inspect import BoundArguments, Parameter, signature
from numbers import Real
from typing import Any, NamedTuple

from mgraph.arithmetic.ops import LEAVES
from mgraph.recording.value import TRACING, Value, constant, topological_order


class Traced(NamedTuple):
    """What a call has computed."""

    outputs: list[Value]
    """The results, named, in their order; a plain number among them is a constant."""
    leaves: list[Value]
    """The inputs and other leaves that the arguments became, in their order."""
    unused: list[str]
    """The arguments that hold values, none of which an output depends on."""
    fixed: list[str]
    """The arguments that are arrays of integers: their numbers are part of the graph."""


def call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Traced:
    """Call ``function`` with an input for each number among the arguments, defaults included.

    For the names of inputs and outputs see :func:`mgraph.trace`. Raises TypeError for arguments that do not fit, for
    a function that does not say what its parameters are, for a result that is not made of values and numbers, and
    where the function makes a plain number of a value.
    """
    try:
        described = signature(function)
    except ValueError:
        raise TypeError(f"{function!r} does not say what its parameters are; wrap it: lambda x: f(x)") from None
    bound = described.bind(*args, **kwargs)
    bound.apply_defaults()
    given = _with_inputs(bound)
    with _tracing():
        result = function(*bound.args, **bound.kwargs)
    outputs = [
        _output(name, x)
        for start, held in _results(getattr(function, "__name__", "<lambda>"), result)
        for name, x in _elements(start, held)
    ]
    values = {name: [each for _, each in _elements(name, held) if isinstance(each, Value)] for name, held in given}
    reached = set(topological_order(tuple(outputs)))
    leaves = [each for held in values.values() for each in held if each.op in LEAVES]
    unused = [name for name, held in values.items() if held and reached.isdisjoint(held)]
    return Traced(outputs, leaves, unused, [name for name, held in given if _kind(held) in ("i", "u")])


@contextmanager
def _tracing() -> Iterator[None]:
    """Let no value become a plain number inside: ``float(x)``, and with it ``math.exp(x)``, raises TypeError."""
    token = TRACING.set(True)
    try:
        yield
    finally:
        TRACING.reset(token)


def _with_inputs(bound: BoundArguments) -> list[tuple[str, Any]]:
    """Put inputs in place of the numbers; returned are the arguments, each with its name."""
    given: list[tuple[str, Any]] = []
    for name, x in bound.arguments.items():
        if bound.signature.parameters[name].kind is Parameter.VAR_KEYWORD:
            bound.arguments[name] = {key: _as_inputs(key, each) for key, each in x.items()}
            given += bound.arguments[name].items()
        else:
            bound.arguments[name] = _as_inputs(name, x)
            given.append((name, bound.arguments[name]))
    return given


def _as_inputs(name: str, x: Any) -> Any:
    """An argument with inputs in place of its numbers; values in it that have no name are named."""
    if isinstance(x, list | tuple):
        values = [_as_inputs(f"{name}[{k}]", each) for k, each in enumerate(x)]
        return type(x)(*values) if hasattr(x, "_fields") else type(x)(values)
    if isinstance(x, dict):
        made = copy(x)
        made.update({key: _as_inputs(f"{name}[{key!r}]", each) for key, each in x.items()})
        return made
    if _kind(x) == "f":
        from mgraph.recording.numpy_arrays import array

        return array(x, name) if x.shape else Value(float(x), name=name)
    if isinstance(x, float | int | Real) and not isinstance(x, bool):
        return Value(x, name=name)
    for place, each in _elements(name, x):
        _call(each, place)
    return x


def _call(x: Any, name: str) -> None:
    """Name a value that has no name."""
    if isinstance(x, Value) and x.name is None:
        x.name = name


def _kind(x: Any) -> str:
    """NumPy's letter for what an array holds; empty for what is no array, also for a NumPy scalar."""
    return getattr(x.dtype, "kind", "") if hasattr(x, "dtype") and not isinstance(x, Real) else ""


def _results(function: str, result: Any) -> Iterator[tuple[str, Any]]:
    """What a function has returned, by name."""
    if isinstance(result, dict):
        yield from ((str(key), each) for key, each in result.items())
    elif isinstance(result, tuple):
        yield from zip(getattr(result, "_fields", [f"y{k}" for k in range(len(result))]), result, strict=True)
    else:
        yield ("y" if function == "<lambda>" else function), result


def _elements(name: str, x: Any) -> Iterator[tuple[str, Any]]:
    """Everything in nested lists, tuples, dictionaries and arrays, named by its place: ``x[0]``, ``x['w'][2,3]``."""
    if isinstance(x, list | tuple):
        for k, each in enumerate(x):
            yield from _elements(f"{name}[{k}]", each)
    elif isinstance(x, dict):
        for key, each in x.items():
            yield from _elements(f"{name}[{key!r}]", each)
    elif _kind(x) and x.shape:
        import numpy as np

        for place, each in np.ndenumerate(x):
            yield f"{name}[{','.join(map(str, place))}]", each
    else:
        yield name, x


def _output(name: str, x: Any) -> Value:
    _call(found := x if isinstance(x, Value) else constant(x), name)
    return found
