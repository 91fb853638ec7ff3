"""A function called with values in place of its numbers, so that what it computes is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import BoundArguments, Parameter, signature
from numbers import Real
from typing import Any, NamedTuple

from mgraph.recording.value import Value, topological_order, tracing


class Traced(NamedTuple):
    """What a call has computed."""

    outputs: list[Any]
    """Values and plain numbers, in the order of the result."""
    unused: list[str]
    """The arguments that became inputs and that no output depends on."""


def call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Traced:
    """Call ``function`` with an input for each number among the arguments, defaults included.

    An input is called after its parameter, and in a list, tuple or array its place: ``x[0]``, ``W[2,3]``. Raises
    TypeError for arguments that do not fit, for a function that does not say what its parameters are, and where it
    makes a plain number of a value.
    """
    try:
        described = signature(function)
    except ValueError:
        raise TypeError(f"{function!r} does not say what its parameters are; wrap it: lambda x: f(x)") from None
    bound = described.bind(*args, **kwargs)
    bound.apply_defaults()
    given = _with_inputs(bound)
    with tracing():
        result = function(*bound.args, **bound.kwargs)
    outputs = list(_flat(list(result.values()) if isinstance(result, dict) else result))
    reached = set(topological_order(tuple(each for each in outputs if isinstance(each, Value))))
    unused = [name for name, inputs in given.items() if inputs and reached.isdisjoint(inputs)]
    return Traced(outputs, unused)


def _with_inputs(bound: BoundArguments) -> dict[str, list[Value]]:
    """Put inputs in place of the numbers; they are returned by the name of the argument."""
    given: dict[str, list[Value]] = {}
    for name, x in bound.arguments.items():
        if bound.signature.parameters[name].kind is Parameter.VAR_KEYWORD:
            held = bound.arguments[name] = {key: _as_inputs(key, each) for key, each in x.items()}
        else:
            bound.arguments[name] = _as_inputs(name, x)
            held = {name: bound.arguments[name]}
        for key, each in held.items():
            given[key] = [value for value in _flat(each) if isinstance(value, Value)]
    return given


def _as_inputs(name: str, x: Any) -> Any:
    if isinstance(x, list | tuple):
        values = [_as_inputs(f"{name}[{k}]", each) for k, each in enumerate(x)]
        return type(x)(*values) if hasattr(x, "_fields") else type(x)(values)
    if getattr(getattr(x, "dtype", None), "kind", "") == "f" and getattr(x, "shape", None):
        from mgraph.recording.numpy_arrays import array

        return array(x, name)
    return Value(x, name=name) if isinstance(x, float | int | Real) and x is not True and x is not False else x


def _flat(outputs: Any) -> Iterator[Any]:
    if isinstance(outputs, list | tuple) or getattr(outputs, "shape", None):
        for each in outputs:
            yield from _flat(each)
    else:
        yield outputs
