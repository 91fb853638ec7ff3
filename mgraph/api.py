"""One function a verb: what users reach as ``mgraph.load``, ``mgraph.save``, ``mgraph.fit``, …"""

from __future__ import annotations

import os
import warnings
from array import array as _packed
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import nan
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat

from mgraph import seams
from mgraph.document import model as _document
from mgraph.document.collector import collector_paused
from mgraph.document.model import Document
from mgraph.errors import DocumentError, MgraphError, shown
from mgraph.files import atomic
from mgraph.graph import Graph
from mgraph.recording.value import Value

if TYPE_CHECKING:
    from mgraph.drawing.display import Drawing
    from mgraph.formats.opening import Kept


@collector_paused()
def load(path: str | os.PathLike[str]) -> Graph:
    """Read a graph: a document, plain or gzipped; a picture that carries one (.svg, .png); a notebook's
    (``lesson.ipynb#2`` by its number, ``lesson.ipynb#loss`` by its title), or those of a page that nbconvert or marimo
    made of one (``lesson.html#2``); ONNX (.onnx) or CppAD's JSON; ``-`` is standard input.

    Nothing in a file is executed. Raises FileError if it cannot be read, DocumentError if it is not a document of
    format 1, FormatError if it is another tool's and cannot be imported.
    """
    from mgraph.archive import reading
    from mgraph.formats.opening import read_one

    if (kept := reading.place(path)) is not None:
        return _graph(reading.read(kept), atomic.display(path))
    return _graph(read_one(path), atomic.display(path))


class Entry(NamedTuple):
    """A graph in a file: see :func:`contents`."""

    name: str
    """What to call it: ``lesson.ipynb#2``."""
    place: str
    """Where in the file it is: ``cell 4, output 1``."""
    graph: Graph | None
    """None if it is broken."""
    error: MgraphError | None
    """What is wrong with it, then."""
    number: int
    """Which of the file's graphs it is, from 1 on."""


@collector_paused()
def contents(path: str | os.PathLike[str]) -> list[Entry]:
    """Every graph in a file; a notebook or a page has any number, an archive the newest version of each name. Some may
    be broken.

    Raises as :func:`load` does.
    """
    from mgraph.archive import reading
    from mgraph.formats.opening import read_all

    kept = reading.place(path)
    return _entries(read_all(path) if kept is None else reading.read_all(kept, path))


@collector_paused()
def contents_if_claimed(path: str | os.PathLike[str]) -> list[Entry] | None:
    """What :func:`contents` returns, or None for a file that does not claim to hold a graph, as most do in a folder."""
    from mgraph.archive import reading
    from mgraph.formats.opening import read_claimed

    found = reading.place(path)
    kept = read_claimed(path) if found is None else reading.read_all(found, path)
    return None if kept is None else _entries(kept)


def _entries(kept: list[Kept]) -> list[Entry]:
    found = []
    for name, place, document, error, number in kept:
        try:
            graph = None if document is None else _graph(document, name)
        except DocumentError as broken:
            if not place.startswith(("cell", "line", "version")):  # of many graphs in a file some may be broken
                raise
            found.append(Entry(name, place, None, broken, number))
        else:
            found.append(Entry(name, place, graph, error, number))
    return found


def _graph(document: Document, name: str) -> Graph:
    """The graph of a document read from a file. Raises DocumentError, with the file's name."""
    try:
        return Graph._of(document)
    except DocumentError as error:
        error.file = name
        raise


@collector_paused()
def loads(text: str | bytes) -> Graph:
    """Read a document from JSON text or its UTF-8 bytes. Raises DocumentError, and TypeError for what is neither."""
    if not isinstance(text, str | bytes | bytearray):
        raise TypeError(f"loads reads text or bytes, not {type(text).__name__}; load reads files")
    raw = text.encode(errors="surrogatepass") if isinstance(text, str) else bytes(text)
    return Graph._of(_document.parse(raw))


def save(
    graph: Any,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    names: Mapping[str, object] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Graph:
    """Write a graph, or record a value (or several) with everything it depends on and write that.

    A value may be micrograd's, or one of the many classes like it: see :func:`from_values`. ``title``, ``names`` (as
    in ``names=locals()``) and ``meta`` are for values; see :func:`record`. The file is written whole or not at all.
    Returns the graph. Raises DocumentError, FileError, FormatError.
    """
    if not isinstance(graph, Graph):
        value_objects = list(graph) if isinstance(graph, list | tuple) else [graph]
        if all(isinstance(value, Value | Real) for value in value_objects):
            graph = record(*value_objects, title=title, names=names, meta=meta)
        else:
            graph = from_values(*value_objects, title=title, names=names, meta=meta)
    elif title is not None or names is not None or meta is not None:
        raise TypeError("title, names and meta are for recording values; a graph has its own; see Graph.with_meta")
    graph.save(path)
    return graph  # type: ignore[no-any-return]


@collector_paused()
def from_values(
    *roots: Any,
    names: Mapping[str, object] | None = None,
    ops: Mapping[str, Callable[..., Any]] | None = None,
    title: str | None = None,
    tolerance: int | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Graph:
    """The graph of a value of another class: micrograd's, or any that keeps a number, its operands and an op.

    Fields have the usual names: ``data``, ``value`` or ``val``; ``grad``; ``_prev``, ``_children``, ``parents``, …;
    ``_op`` or ``op``; ``label`` or ``name``. Numbers and gradients are recorded as they are, for ``verify`` to
    compare. Operands kept in a set are put in order again, from the closure of ``_backward`` or by the recorded
    number; ``meta`` of the document says how. ``ops={"mish": f}`` gives further ops a meaning: a function of values in
    terms of known ops. mgraph's own values are recorded as by :func:`record`. Raises FormatError, naming the node,
    where operands or an op are not found, or two readings fit.
    """
    from mgraph.formats.read import value_objects

    if not roots:
        raise TypeError("from_values needs at least one value")
    if all(isinstance(root, Value) for root in roots):
        return record(*roots, title=title, names=names, tolerance=tolerance, meta=meta)
    document = value_objects.read(roots, names=names, ops=ops, title=title, tolerance=tolerance)
    document["meta"] = _document.free_form({**document["meta"], **(meta or {})})
    return Graph._of(document)


def from_torch(
    output: Any,
    names: Any = None,
    *,
    inputs: tuple[Any, ...] | None = None,
    tolerance: int | None = None,
    title: str | None = None,
) -> Graph:
    """The graph of a PyTorch computation: a tensor with its autograd graph (or several), or a ``torch.export`` program.

    ``names`` is a mapping of names to tensors (``names=locals()``) or an ``nn.Module``; ``inputs`` are the example
    tensors of a program, by default its own. Leaves and outputs record PyTorch's own numbers. All must be float64;
    float32 needs a ``tolerance``, in units in the last place of binary64 (one of binary32 is 2**29). Raises
    FormatError for what cannot be imported, with its place.
    """
    from mgraph.formats import module

    return Graph._of(module("read.torch").read(output, names, inputs=inputs, tolerance=tolerance, title=title))


def from_jax(
    function: Callable[..., Any],
    *args: Any,
    names: Sequence[str] | None = None,
    tolerance: int | None = None,
    title: str | None = None,
) -> Graph:
    """The graph of a JAX function at these arguments, by its jaxpr; outputs record JAX's own numbers.

    ``names`` are the arguments', by default those of the function's parameters.

    All must be float64 (``jax.config.update("jax_enable_x64", True)``); float32 needs a ``tolerance``, as in
    :func:`from_torch`. Raises FormatError for a primitive that cannot be imported, with its place.
    """
    from mgraph.formats import module

    return Graph._of(module("read.jax").read(function, *args, names=names, tolerance=tolerance, title=title))


def from_sympy(expressions: Any, values: Mapping[Any, float] | None = None, *, title: str | None = None) -> Graph:
    """The graph of a SymPy expression, or of several; ``values`` are the symbols' numbers, by symbol or unique name.

    A symbol without a number becomes an input that must be given one at replay. Raises FormatError for what the op
    table cannot express.
    """
    from mgraph.formats import module

    return Graph._of(module("read.sympy").read(expressions, values, title=title))


@collector_paused()
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
    from mgraph.recording.record import document_of

    if not outputs:
        raise TypeError("record needs at least one value")
    return _recorded(document_of(outputs, title=title, names=names, tolerance=tolerance, meta=meta))


def _recorded(document: Document) -> Graph:
    """The graph of a document; without its gradients if they are not those of its numbers."""
    from mgraph.recording.record import without_gradients

    graph = Graph._of(document)
    if graph._wiring.grad and _bits(graph._wiring.grad.numbers) != _bits(graph.replay().grad.numbers):
        return Graph._of(without_gradients(document))
    return graph


def _bits(numbers: Iterable[float | None]) -> bytes:
    """The doubles as bytes, to be compared all at once: any two NaNs are the same, and so is what has no number."""
    return _packed("d", [nan if x is None or x != x else x for x in numbers]).tobytes()


class Fit(NamedTuple):
    """What :func:`fit` returns. ``print`` shows the losses."""

    graph: Graph
    """A new graph, which records the leaves found, and what they make of the recorded inputs."""
    losses: list[float]
    """The loss before each step, and last the loss that is left."""
    engine: str
    """Which engine replayed."""

    def __repr__(self) -> str:
        return f"<Fit {len(self.losses) - 1:,} steps, loss {self.losses[0]!r} → {self.losses[-1]!r}>"

    def __str__(self) -> str:
        return seams.text(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        return seams.display(self)


Entry.__module__ = Fit.__module__ = "mgraph"


def fit(
    graph: Graph,
    steps: int = 100,
    rate: float | Callable[[int], float] | None = None,
    *,
    data: Mapping[str, Sequence[float]] | None = None,
    loss: str | None = None,
    wrt: str | Iterable[str] | None = None,
    method: str = "sgd",
    engine: str = "auto",
    report: Callable[[int, float], None] | None = None,
) -> Fit:
    """Move leaves so that the loss becomes small, without building the graph again.

    ``wrt`` names the inputs and parameters to move, by default the parameters. ``loss`` names the node to make small,
    by default the graph's only output. With ``data``, columns of numbers by input, the mean over the rows is taken,
    summed from the first row to the last.

    ``method`` is ``sgd`` (w ← w - η·∂L/∂w), ``momentum`` or ``adam``, where ``rate`` is η (0.05 unless given) or a
    function of the step (0, 1, …); or, by SciPy (the extra ``fit``), ``lbfgs`` or ``least-squares``, which choose how
    far each step goes, and may end before the last. For ``least-squares`` all outputs are residuals (or the one that
    ``loss`` names), and the loss is the sum of their squares.

    ``report`` is told each step and its loss. The new graph says under ``fit`` in its ``meta`` how it was made; its
    ``description``, which was of other numbers, is found there too. Raises ReplayError, also when a loss or a gradient
    stops being finite.
    """
    from mgraph.transforming import fitting

    task = fitting.objective(graph._plan, method, loss, wrt, data)
    found, losses, used = fitting.minimize(task, steps, rate, engine, report)
    new = graph.with_leaves(dict(zip(task.wrt, found.weights, strict=True)))
    of = {"digest": graph.digest, **({} if graph.description is None else {"description": graph.description})}
    made = {**fitting.provenance(task, found, losses), "of": of}
    return Fit(new.with_meta(description=None, fit=made), losses, used)


def read_columns(path: str | os.PathLike[str]) -> dict[str, list[float]]:
    """The columns of a table (.csv, .jsonl, .parquet) by name, as :func:`fit` takes them. Raises FileError."""
    from mgraph.files import tables

    with tables.read(os.fspath(path)) as (names, chunks):
        columns: dict[str, list[float]] = {name: [] for name in names}
        for chunk in chunks(names, ()):
            for name, column in zip(names, chunk.numbers, strict=True):
                columns[name] += column
    return columns


def trace(function: Callable[..., Any], /, *args: Any, **inputs: Any) -> Graph:
    """Call ``function`` with values in place of these numbers, and record what it computes.

    >>> trace(lambda x, w: (x * w).tanh(), x=1.0, w=mgraph.parameter(2.0))

    Each number among the arguments, defaults included, becomes an ``input``, which the graph keeps also if no output
    depends on it; a UserWarning then names it. What is a value already stays what it is: ``mgraph.parameter(2.0)`` a
    parameter, ``mgraph.constant(2.0)`` a constant. Both are called after the argument, and by their place in a list,
    tuple, dictionary or NumPy array of floats: ``x``, ``x[0]``, ``x['w']``, ``W[2,3]``. An array of integers is
    not made of inputs, for it may be an index: a UserWarning says that its numbers are fixed.

    The function returns a value, or a list, tuple, dictionary or array of them. The output is called after the
    function, that of a lambda ``y``; the outputs of a dictionary after its keys, of a tuple ``y0``, ``y1``, … or after
    its fields, and what lies deeper by its place. A value that has a name keeps it. With one output its gradients are
    recorded too.

    Of control flow, only the branch taken for these numbers is recorded. Raises TypeError where the function makes a
    plain number of a value, as ``float(x)`` and ``math.exp(x)`` do, and for a result that is not made of values or
    numbers.
    """
    from mgraph.recording import trace
    from mgraph.recording.record import document_of

    traced = trace.call(function, args, inputs)
    if len(traced.outputs) == 1:
        for leaf in traced.leaves:
            leaf.grad = 0.0  # of one that was used before, and on which the output does not depend
        traced.outputs[0].backward()
    title = getattr(function, "__name__", "<lambda>")
    with collector_paused():
        document = document_of(traced.outputs, leaves=traced.leaves, title=None if title == "<lambda>" else title)
        graph = _recorded(document)
    if traced.unused:
        warnings.warn(
            f"no output depends on {', '.join(map(shown, traced.unused))} (kept in the graph, with gradient 0)."
            " Branches are recorded as taken for these numbers, and so are max(x, y), int(x) and round(x);"
            " mgraph.maximum(x, y) is an operation",
            stacklevel=2,
        )
    if traced.fixed:
        warnings.warn(
            f"the integers in {', '.join(map(shown, traced.fixed))} are fixed in the graph; an array of floats becomes"
            " inputs",
            stacklevel=2,
        )
    return graph


def array(data: Any, name: str | None = None, op: str = "input") -> Any:
    """A NumPy array of values: NumPy's functions on it (``@``, ``sum``, ``exp``, ``maximum``, …) record.

    With ``name="W"`` its elements are called ``W[2,3]``; ``op`` is input, parameter or constant. Raises TypeError for
    what is not made of real numbers, ModuleNotFoundError without NumPy.
    """
    try:
        from mgraph.recording.numpy_arrays import array as made
    except ModuleNotFoundError as error:
        message = "mgraph.array needs NumPy (the extra fast brings it): pip install numpy"
        raise ModuleNotFoundError(message, name=error.name) from None

    return made(data, name, op)


def picture(drawing: Drawing | Graph, path: str | os.PathLike[str], timeout: float = 120.0, embed: bool = True) -> None:
    """Write a drawing, or a graph as :meth:`Graph.draw` draws it, as the picture that the path's ending names: .svg,
    .png, .pdf or .dot. With ``embed``, an .svg or .png carries the document, for :func:`load` to take out again.

    ``timeout`` is in seconds. Raises DrawError if it cannot be drawn, FileError if it cannot be written.
    """
    drawn = drawing.draw() if isinstance(drawing, Graph) else drawing
    atomic.write_all({os.fspath(path): drawn.to_bytes(path, timeout, embed)})
