"""One function a verb: what users reach as ``mgraph.load``, ``mgraph.save``, ``mgraph.fit``, …"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat

from mgraph import document as _document
from mgraph import files
from mgraph.errors import DocumentError, DrawError
from mgraph.graph import Wiring
from mgraph.saved import Graph, collector_paused
from mgraph.value import Value

if TYPE_CHECKING:
    from graphviz import Digraph


def load(path: str | os.PathLike[str]) -> Graph:
    """Read a document: a path, plain or gzipped, or ``-`` for standard input.

    Raises FileError if it cannot be read, DocumentError if it is not a document of format 1.
    """
    with collector_paused():
        raw = files.read(path)
        try:
            document = _document.parse(raw)
            del raw
            graph = Graph.__new__(Graph)
            Wiring.__init__(graph, document)  # parse has checked it already
        except DocumentError as error:
            error.file = files.display(path)
            raise
    return graph


def loads(text: str | bytes) -> Graph:
    """Read a document from JSON text. Raises DocumentError."""
    return Graph(_document.parse(text.encode() if isinstance(text, str) else text))


def save(
    graph: Graph | Value | Sequence[Value],
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    names: Mapping[str, object] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Graph:
    """Write a graph, or record a value (or several) with everything it depends on and write that.

    ``title``, ``names`` (as in ``names=locals()``) and ``meta`` are for values; see :func:`record`. The file is
    written whole or not at all. Returns the graph. Raises DocumentError, FileError.
    """
    if not isinstance(graph, Graph):
        values = [graph] if isinstance(graph, Value) else graph
        graph = record(*values, title=title, names=names, meta=meta)
    elif title is not None or names is not None or meta is not None:
        raise TypeError("title, names and meta are for recording values; a graph has its own")
    graph.save(path)
    return graph


def record(
    *outputs: Value | SupportsFloat,
    title: str | None = None,
    names: Mapping[str, object] | None = None,
    tolerance: int | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Graph:
    """The graph of everything that ``outputs`` depend on, with the numbers and gradients that they hold now.

    Gradients are recorded if ``backward`` was called on an output and they are those of the numbers recorded (not
    after ``zero_grad``, a step, or ``accumulate``). ``names=locals()`` names values after the
    variables that hold them; ``tolerance`` is in ULP; ``meta`` is any JSON. Raises DocumentError.
    """
    from mgraph.recording import document_of, without_gradients
    from mgraph.verify import ulps

    if not outputs:
        raise TypeError("record needs at least one value")
    graph = Graph(document_of(outputs, title=title, names=names, tolerance=tolerance, meta=meta))
    run = graph.replay() if graph.grad else None
    if run and any(ulps(run.grad[name], grad) for name, grad in graph.grad.items()):
        return Graph(without_gradients(graph.document))
    return graph


class Fit(NamedTuple):
    """What :func:`fit` gives."""

    graph: Graph
    """A new graph, which records the parameters found, and what they make of the recorded inputs."""
    losses: list[float]
    """The loss before each step, and last the loss that is left."""
    engine: str
    """Which engine replayed."""


def fit(
    graph: Graph,
    steps: int = 100,
    rate: float | Callable[[int], float] = 0.05,
    *,
    data: Mapping[str, Sequence[float]] | None = None,
    loss: str | None = None,
    method: str = "sgd",
    engine: str = "auto",
    report: Callable[[int, float], None] | None = None,
) -> Fit:
    """Move the parameters against the gradient of the loss, w ← w - η·∂L/∂w, without building the graph again.

    ``rate`` is η, or a function of the step (0, 1, …). ``loss`` names the node to make small, by default the graph's
    only output. With ``data``, columns of numbers by input, the mean over the rows is taken, summed from the first
    row to the last. ``method`` is ``sgd``, ``momentum`` or ``adam``; ``report`` is told each step and its loss. Raises
    ReplayError, also when a loss or a gradient stops being finite.
    """
    from mgraph import fitting

    task = fitting.problem(graph._plan, loss, data)
    found = fitting.fit(task, steps, rate, method, engine, report)
    return Fit(graph.with_leaves(found.parameters), found.losses, found.engine)


def read_columns(path: str | os.PathLike[str]) -> dict[str, list[float]]:
    """The columns of a table (.csv, .jsonl, .parquet) by name, as :func:`fit` takes them. Raises FileError."""
    from mgraph import rows

    with rows.read(os.fspath(path)) as (names, chunks):
        table = [row for chunk in chunks for row in chunk]
    return {name: [row[k] for row in table] for k, name in enumerate(names)}


def trace(function: Callable[..., Any], /, *args: Any, **inputs: Any) -> Graph:
    """Call ``function`` with values in place of these numbers, and record what it computes.

    >>> trace(lambda x, y: (x * y).tanh(), x=1.0, y=2.0)

    Each number among the arguments, defaults included, becomes an ``input`` of that name; in a list or tuple, of
    its place (``x[0]``). The function returns a value, or a list, tuple or dict of them; with one output its
    gradients are recorded too. Control flow is recorded as it went for these numbers. Raises TypeError for a
    result that is not made of values or numbers.
    """
    from inspect import Parameter, signature

    bound = signature(function).bind(*args, **inputs)
    bound.apply_defaults()
    for name, x in bound.arguments.items():
        if signature(function).parameters[name].kind is Parameter.VAR_KEYWORD:
            bound.arguments[name] = {key: _as_inputs(key, each) for key, each in x.items()}
        else:
            bound.arguments[name] = _as_inputs(name, x)
    result = function(*bound.args, **bound.kwargs)
    outputs = list(result.values()) if isinstance(result, dict) else result
    outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    if len(outputs) == 1 and isinstance(outputs[0], Value):
        outputs[0].backward()
    title = getattr(function, "__name__", "<lambda>")
    return record(*outputs, title=None if title == "<lambda>" else title)


def _as_inputs(name: str, x: Any) -> Any:
    if isinstance(x, list | tuple):
        values = [_as_inputs(f"{name}[{k}]", each) for k, each in enumerate(x)]
        return type(x)(*values) if hasattr(x, "_fields") else type(x)(values)
    return Value(x, name=name) if isinstance(x, float | int | Real) and x is not True and x is not False else x


def picture(drawing: Digraph | Graph, path: str | os.PathLike[str], timeout: float = 120.0) -> None:
    """Write a drawing, or a graph as :meth:`Graph.draw` draws it, as the picture that the path's ending names: .svg,
    .png, .pdf or .dot.

    ``timeout`` is in seconds. Raises DrawError if it cannot be drawn, FileError if it cannot be written.
    """
    drawn = drawing.draw() if isinstance(drawing, Graph) else drawing
    files.write_all({os.fspath(path): picture_bytes(drawn, path, timeout)})


def picture_bytes(drawing: Digraph, path: str | os.PathLike[str], timeout: float = 120.0) -> bytes:
    """What :func:`picture` writes to ``path``."""
    from mgraph import dot

    suffix = Path(os.fspath(path)).suffix[1:].lower()
    kind = "dot" if suffix == "gv" else suffix
    if kind not in dot.FORMATS:
        endings = ", ".join(f".{each}" for each in dot.FORMATS)
        raise DrawError(f"{os.fspath(path)}: the ending says what to draw: {endings}")
    boxes = sum("shape=record" in line or "shape=box3d" in line for line in drawing.body)
    return dot.picture(drawing.source, kind, boxes, timeout)
