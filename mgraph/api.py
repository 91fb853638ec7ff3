"""One function or method a verb: what users reach as ``mgraph.load``, ``graph.replay``, ``graph.draw``, …"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat

from mgraph import document as _document
from mgraph import files
from mgraph.document import Document
from mgraph.engines import Engines, load_compiled
from mgraph.errors import DocumentError, DrawError, ReplayError
from mgraph.graph import Wiring
from mgraph.plan import Plan, compile_plan
from mgraph.replay import Run
from mgraph.replay import recorded as _recorded
from mgraph.replay import replay as _replay
from mgraph.replay import with_leaves as _with_leaves
from mgraph.value import Value

if TYPE_CHECKING:
    from graphviz import Digraph

    from mgraph.compiled import Replayer
    from mgraph.rowwise import Done
    from mgraph.verify import Report


class Graph(Wiring):
    """A saved computation: a document, and what can be done with it. Nothing here changes the document.

    Made by :func:`load`, :func:`record` and :func:`trace`, or from JSON data (``Graph({"mgraph": 1, …})``), which
    is checked: DocumentError says what is wrong and where.
    """

    def __init__(self, document: Document | Mapping[str, Any]) -> None:
        super().__init__(_document.validate(document))

    @cached_property
    def _plan(self) -> Plan:
        with _collector_paused():
            return compile_plan(self)

    @property
    def data(self) -> Mapping[str, float]:
        """Recorded numbers by id; nodes without one are left out."""
        return {n["id"]: float(n["data"]) for n in self.nodes if "data" in n}

    @property
    def grad(self) -> Mapping[str, float]:
        """Recorded gradients by id; nodes without one are left out."""
        return {n["id"]: float(n["grad"]) for n in self.nodes if "grad" in n}

    @property
    def digest(self) -> str:
        """SHA-256 of the document's canonical bytes (RFC 8785): ``sha256:`` and 64 hexadecimal digits."""
        with _collector_paused():
            return _document.digest(self.document)

    def replay(
        self,
        inputs: Mapping[str, float] | None = None,
        outputs: Iterable[str] | None = None,
        seeds: Mapping[str, float] | None = None,
        backward: bool = True,
        engine: str = "auto",
    ) -> Run:
        """Recompute every node and, with ``backward``, its adjoint.

        ``inputs`` gives leaves other numbers, by id or unique label; an operation that is given one acts as a leaf
        (a what-if). With ``outputs``, only what those need is replayed. ``seeds`` are the adjoints to start from:
        by default the document's, else 1.0 on each output. ``engine`` is ``reference`` (plain Python), ``compiled``
        (machine code, the same bits, with the extra ``fast``) or ``auto``: compiled where it repays its start.
        Raises ReplayError.
        """
        name, execute = self._engines.choose(engine, len(self._plan.targets))
        return _replay(self._plan, inputs, outputs, seeds, backward, execute, name)

    def replay_rows(
        self,
        inputs: str | os.PathLike[str],
        output: str | os.PathLike[str],
        *,
        fixed: Mapping[str, float] | None = None,
        backward: bool = True,
        engine: str = "auto",
        arithmetic: str = "exact",
        progress: Callable[[int], None] | None = None,
    ) -> Done:
        """Replay every row of the table ``inputs`` and write the table ``output``: .csv, .jsonl or .parquet.

        The columns of ``inputs`` are leaves, by id or unique label; ``fixed`` gives others a number for all rows. The
        output has a column for each output and, with ``backward``, one ``grad NAME`` for each of the leaves.
        ``progress`` is told how many bytes were read. Memory does not grow with the rows. Raises FileError, with
        line and column, and ReplayError; then no output is left behind.
        """
        from mgraph.rowwise import replay_table

        given = {self.resolve(name): x for name, x in (fixed or {}).items()}
        where = os.fspath(inputs), os.fspath(output)
        return replay_table(self._plan, *where, given, backward, engine, arithmetic, progress)

    def compile(
        self,
        seeds: Mapping[str, float] | None = None,
        gradients: Iterable[str] | None = None,
        arithmetic: str = "exact",
    ) -> Replayer:
        """The graph laid out for machine code, to be replayed many times; needs the extra ``fast``.

        ``seeds`` as in :meth:`replay`. With ``gradients``, the backward pass computes what these need and nothing
        else. ``arithmetic="fast"`` uses the platform's elementary functions: quicker, and not the same bits. Raises
        ReplayError.
        """
        return load_compiled().Replayer(self._plan, seeds, gradients, arithmetic)  # type: ignore[no-any-return]

    @cached_property
    def _engines(self) -> Engines:
        return Engines()

    def with_run(self, run: Run) -> Graph:
        """A new graph that records ``run``. Raises ReplayError if it is not a run of this graph."""
        for node in run.wiring.nodes:
            mine = self.nodes[self.index[node["id"]]] if node["id"] in self else None
            if mine is None or (mine["op"], mine.get("args")) != (node["op"], node.get("args")):
                raise ReplayError("this run is of another graph")
        return Graph(_recorded(run))

    def gradient(self, of: str | None = None, wrt: str | Iterable[str] | None = None) -> Graph:
        """The graph that computes the gradient: an output ``d(of)/d(leaf)`` for each of ``wrt``.

        ``of`` is a node, by default the sum of the outputs times the document's seeds; ``wrt`` names nodes, by default
        every input and parameter. Its numbers are those of a backward pass, to the bit; it can be saved, drawn,
        replayed with other inputs, and differentiated again. Raises ReplayError.
        """
        from mgraph import derivatives

        return self._derived(derivatives.gradient(self, of, wrt))

    def jacobian(self, of: Iterable[str] | None = None, wrt: str | Iterable[str] | None = None) -> Graph:
        """The graph of all derivatives of ``of`` (by default the outputs), row by row. Raises ReplayError."""
        from mgraph import derivatives

        return self._derived(derivatives.jacobian(self, of, wrt))

    def hessian(self, of: str | None = None, wrt: str | Iterable[str] | None = None) -> Graph:
        """The graph of the second derivatives, the upper triangle row by row: ``d2L/da da``, ``d2L/da db``, …

        Raises ReplayError.
        """
        from mgraph import derivatives

        return self._derived(derivatives.hessian(self, of, wrt))

    def jvp(self, tangents: Mapping[str, float]) -> Graph:
        """The graph of the outputs' derivatives along a direction, by forward mode: an output ``dy`` for each y.

        ``tangents`` are the components of the direction, by id or unique label; others are 0. Raises ReplayError.
        """
        from mgraph import derivatives

        return self._derived(derivatives.jvp(self, tangents))

    def _derived(self, document: Document) -> Graph:
        return Graph(document).with_leaves({})

    def with_leaves(self, numbers: Mapping[str, float]) -> Graph:
        """A new graph whose leaves record these numbers, by id or unique label, and whose operations record what
        follows, as far as every input has a number. Raises ReplayError."""
        given = {self.resolve(name): x for name, x in numbers.items()}
        if all(self.nodes[slot]["id"] in given for slot in self._plan.unset):
            return self.with_run(self.replay(given, backward=bool(self.grad)))
        return Graph(_with_leaves(self.document, given))

    def verify(self, ulps: int | None = None, strict: bool = False, finite_differences: bool = True) -> Report:
        """Compare the recorded numbers with what they should be; see :class:`mgraph.verify.Report`.

        ``ulps`` is the tolerance in units in the last place, by default the document's, else 0. With ``strict`` the
        distance of a full replay counts too. Raises ReplayError for a negative tolerance.
        """
        from mgraph.verify import verify

        return verify(self._plan, ulps, strict, finite_differences)

    def slice(self, outputs: Iterable[str]) -> Graph:
        """The graph of what ``outputs`` need, and of nothing else."""
        return Graph(self.sliced(outputs))

    def draw(
        self,
        run: Run | None = None,
        *,
        digits: int = 4,
        direction: str = "LR",
        scopes: bool = True,
        heat: str | None = None,
        collapse: int | None = None,
        force: bool = False,
    ) -> Digraph:
        """The picture, as a graphviz ``Digraph``, of the recorded numbers or of those of ``run``.

        It shows itself in Jupyter; :func:`picture` gives its bytes. For the options see
        :func:`mgraph.render.draw`. Raises DrawError for more than 2,000 boxes, unless ``force``.
        """
        from mgraph.render import draw

        wiring: Wiring = self if run is None else run.shown()
        data, grad = (self.data, self.grad) if run is None else (run.data, run.grad)
        return draw(
            wiring,
            data,
            grad,
            digits=digits,
            direction=direction,
            scopes=scopes,
            heat=heat,
            collapse=collapse,
            force=force,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the document: ``.json``, ``.json.gz``, or ``-`` for standard output. Raises FileError."""
        files.write_all({os.fspath(path): self.to_bytes()})

    def to_bytes(self) -> bytes:
        """The bytes that :meth:`save` writes (before gzip)."""
        return _document.dump(self.document)

    def __repr__(self) -> str:
        title = f"{self.document['title']!r}, " if "title" in self.document else ""
        return f"<Graph {title}{len(self):,} nodes, outputs {', '.join(self.outputs[:4])}>"


def load(path: str | os.PathLike[str]) -> Graph:
    """Read a document: a path, plain or gzipped, or ``-`` for standard input.

    Raises FileError if it cannot be read, DocumentError if it is not a document of format 1.
    """
    with _collector_paused():
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


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause garbage collection: parsing makes millions of objects, none of them garbage.

    Afterwards they count as old, as if a collection had found nothing; else the next one would visit them all.
    """
    import gc

    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:
            gc.freeze()
            gc.unfreeze()
        gc.enable()
