"""``Graph``: a saved computation, and what can be done with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mgraph import seams
from mgraph.document import model as _document
from mgraph.document.collector import collector_paused
from mgraph.document.model import Document
from mgraph.document.views import View
from mgraph.document.wiring import Wiring
from mgraph.errors import ReplayError
from mgraph.files import atomic
from mgraph.replaying.choice import Engines, load_compiled
from mgraph.replaying.plan import Plan, compile_plan
from mgraph.replaying.run import Run, overrides
from mgraph.replaying.run import recorded as _recorded
from mgraph.replaying.run import replay as _replay
from mgraph.replaying.run import with_leaves as _with_leaves

if TYPE_CHECKING:
    from mgraph.checking.audit import Report
    from mgraph.checking.diff import Diff
    from mgraph.drawing.display import Drawing
    from mgraph.replaying.compiled.replayer import Replayer
    from mgraph.replaying.table_replay import TableResult


class Graph(View):
    """A saved computation, and what can be done with it. Nothing changes it, and nothing that it returns leads inside.

    Made by :func:`load`, :func:`record` and :func:`trace`, or from JSON data (``Graph({"mgraph": 1, …})``), which
    is checked: DocumentError says what is wrong and where.
    """

    __module__ = "mgraph"

    _last_part: tuple[tuple[str, ...], Plan] | None = None

    def __init__(self, document: Document | Mapping[str, Any]) -> None:
        with collector_paused():
            self._wiring = Wiring(_document.validate(document))

    @classmethod
    def _of(cls, document: Document) -> Graph:
        """The graph of a document that has been checked, or that mgraph has made of such: the types are not looked at
        again. The document is not copied, so it must not be changed any more."""
        graph = cls.__new__(cls)
        with collector_paused():
            graph._wiring = Wiring(document)
        return graph

    def __repr__(self) -> str:
        title = f"{self.title!r}, " if self.title is not None else ""
        return f"<Graph {title}{len(self):,} nodes, outputs {', '.join(self.outputs[:4])}>"

    @property
    def digest(self) -> str:
        """SHA-256 of the document's canonical bytes (RFC 8785): ``sha256:`` and 64 hexadecimal digits."""
        return self._digest

    @cached_property
    @collector_paused()
    def _digest(self) -> str:
        from mgraph.document.canonical import digest

        return digest(self._wiring.document)

    @property
    @collector_paused()
    def digests(self) -> dict[str, str]:
        """SHA-256 of the structure, of the recipe (structure and leaves' numbers) and of the document.

        The first two are equal for graphs that differ only in ids, labels or order.
        """
        from mgraph.document.canonical_order import digests

        structure, recipe = digests(self._wiring)
        return {"structure": structure, "recipe": recipe, "document": self.digest}

    def slice(self, outputs: Iterable[str]) -> Graph:
        """The graph of what ``outputs`` need, and of nothing else. Raises ReplayError for an unknown name, or none."""
        return Graph._of(self._wiring.sliced(outputs))

    @cached_property
    def _plan(self) -> Plan:
        with collector_paused():
            return compile_plan(self._wiring)

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
        plan = self._plan if outputs is None else self._part(outputs)
        given = {name: x for name, x in overrides(self._wiring, inputs or {}).items() if name in plan.wiring}
        name, execute = self._engines.choose(engine, plan)
        return _replay(plan, given, seeds, backward, execute, name)

    def _part(self, outputs: Iterable[str]) -> Plan:
        """The plan of what ``outputs`` need. That of the last call is kept, for the next to ask for the same."""
        wanted = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        kept = self._last_part
        if kept is None or kept[0] != wanted:
            with collector_paused():
                self._last_part = kept = wanted, compile_plan(Wiring(self._wiring.sliced(wanted)))
        return kept[1]

    def replay_rows(
        self,
        inputs: str | os.PathLike[str],
        output: str | os.PathLike[str],
        *,
        fixed: Mapping[str, float] | None = None,
        keep: str | Iterable[str] = (),
        backward: bool = True,
        engine: str = "auto",
        arithmetic: str = "exact",
        progress: Callable[[int], None] | None = None,
    ) -> TableResult:
        """Replay every row of the table ``inputs`` and write the table ``output``: .csv, .jsonl or .parquet.

        The columns of ``inputs`` are leaves, by id or unique label; ``fixed`` gives others a number for all rows. The
        output has a column for each output and, with ``backward``, one ``grad NAME`` for each of these columns. In
        front of them are the columns of ``inputs`` to ``keep``, such as a key, their cells as they are written; one
        that is a leaf's is replayed as well. ``progress`` is told how many bytes were read. Memory does not grow with
        the rows. Raises FileError, with line and column, and ReplayError; then no output is left behind.
        """
        from mgraph.replaying.table_replay import replay_table

        given = overrides(self._wiring, fixed or {})
        where = os.fspath(inputs), os.fspath(output)
        kept = (keep,) if isinstance(keep, str) else tuple(keep)
        return replay_table(self._plan, *where, given, backward, engine, arithmetic, kept, progress)

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
        mine = self._wiring
        for node in () if run._wiring is mine else run._wiring.nodes:
            own = mine.nodes[mine.index[node["id"]]] if node["id"] in mine else None
            if own is None or (own["op"], own.get("args")) != (node["op"], node.get("args")):
                raise ReplayError("this run is of another graph")
        return Graph._of(_recorded(run))

    def with_meta(self, **entries: Any) -> Graph:
        """A new graph with these entries in its ``meta``, the others as they are; None takes an entry out.

        >>> graph.with_meta(title="Two moons", description="…", tags=["lesson 3", "loss"], author="A. K.", draft=None)

        ``title`` is the document's title. ``description`` is a text and ``tags`` is a list of texts; any other entry is
        JSON of your own. Nothing that a replay depends on changes. Raises DocumentError, with the JSON path.
        """
        if isinstance(entries.get("tags"), tuple):  # as Graph.tags has them
            entries["tags"] = list(entries["tags"])
        return Graph._of(_document.annotated(self._wiring.document, entries))

    def gradient(self, of: str | None = None, wrt: str | Iterable[str] | None = None) -> Graph:
        """The graph that computes the gradient: an output ``d(of)/d(leaf)`` for each of ``wrt``.

        ``of`` is a node, by default the sum of the outputs times the document's seeds; ``wrt`` names nodes, by default
        every input and parameter. Its numbers are those of a backward pass, to the bit; it can be saved, drawn,
        replayed with other inputs, and differentiated again. Raises ReplayError.
        """
        from mgraph.transforming import derivatives

        return self._derived(derivatives.gradient(self._wiring, of, wrt))

    def jacobian(self, of: Iterable[str] | None = None, wrt: str | Iterable[str] | None = None) -> Graph:
        """The graph of all derivatives of ``of`` (by default the outputs), row by row. Raises ReplayError."""
        from mgraph.transforming import derivatives

        return self._derived(derivatives.jacobian(self._wiring, of, wrt))

    def hessian(self, of: str | None = None, wrt: str | Iterable[str] | None = None) -> Graph:
        """The graph of the second derivatives, the upper triangle row by row: ``d2L/da da``, ``d2L/da db``, …

        Raises ReplayError.
        """
        from mgraph.transforming import derivatives

        return self._derived(derivatives.hessian(self._wiring, of, wrt))

    def jvp(self, tangents: Mapping[str, float]) -> Graph:
        """The graph of the outputs' derivatives along a direction, by forward mode: an output ``dy`` for each y.

        ``tangents`` are the components of the direction, by id or unique label; others are 0. Raises ReplayError.
        """
        from mgraph.transforming import derivatives

        return self._derived(derivatives.jvp(self._wiring, tangents))

    def _derived(self, document: Document) -> Graph:
        return Graph._of(document).with_leaves({})

    def with_leaves(self, numbers: Mapping[str, float]) -> Graph:
        """A new graph whose leaves record these numbers, by id or unique label, and whose operations record what
        follows, as far as every input has a number. Raises ReplayError."""
        given = overrides(self._wiring, numbers)
        if all(self._wiring.nodes[slot]["id"] in given for slot in self._plan.unset):
            return self.with_run(self.replay(given, backward=bool(self.grad)))
        return Graph._of(_with_leaves(self._wiring.document, given))

    def verify(self, ulps: int | None = None, strict: bool = False, finite_differences: bool = True) -> Report:
        """Compare the recorded numbers with what they should be; see :class:`mgraph.checking.audit.Report`.

        ``ulps`` is the tolerance in units in the last place, by default the document's, else 0. With ``strict`` the
        distance of a full replay counts too. Raises ReplayError for a tolerance that is not from 0 to 2**53 - 1.
        """
        from mgraph.checking.audit import verify

        return verify(self._plan, ulps, strict, finite_differences)

    @collector_paused()
    def diff(self, other: Graph) -> Diff:
        """What was changed from this graph to ``other``, and which numbers moved; see
        :class:`mgraph.checking.diff.Diff`.

        Nodes are matched by id, else by structure, so that names and the order of nodes do not matter.
        """
        from mgraph.checking.diff import diff

        return diff(self._wiring, other._wiring)

    def draw_diff(self, other: Graph, found: Diff | None = None, force: bool = False) -> Drawing:
        """One picture of this graph and ``other``: old → new, what somebody changed told apart from what moved because
        of it. It carries no document, for it shows two. Raises DrawError.

        ``found`` is what :meth:`diff` has returned for the two, if it is at hand.
        """
        from mgraph.checking.diff import union
        from mgraph.drawing.dot_text import draw_changes

        found = self.diff(other) if found is None else found
        return draw_changes(*union(self._wiring, other._wiring, found), force=force)

    def draw(
        self,
        run: Run | None = None,
        *,
        style: str | None = None,
        digits: int = 4,
        direction: str = "LR",
        scopes: bool = True,
        heat: str | None = None,
        collapse: int | str | None = None,
        force: bool = False,
    ) -> Drawing:
        """The picture, as a graphviz ``Digraph``, of the recorded numbers or of those of ``run``.

        It shows itself in Jupyter and carries the document; :func:`picture` writes it. For the options see
        :func:`mgraph.drawing.dot_text.draw`. Raises DrawError for more than 2,000 boxes, unless ``force``.
        """
        from mgraph.drawing.dot_text import draw

        wiring = self._wiring if run is None else run._shown()
        data, grad = (self.data, self.grad) if run is None else (run.data, run.grad)
        drawing = draw(
            wiring,
            data,
            grad,
            style=style,
            digits=digits,
            direction=direction,
            scopes=scopes,
            heat=heat,
            collapse=collapse,
            force=force,
        )
        drawing.document = self.document if run is None else _document.copied(_recorded(run))
        return drawing

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        return seams.display(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the document: ``.json``, ``.json.gz``, or ``-`` for standard output. Raises FileError."""
        atomic.write_all({os.fspath(path): self.to_bytes()})

    def export(self, to: str, *, prefix: str | None = None) -> bytes:
        """The graph as another tool's file or program: python, c, onnx, latex, …; see :data:`mgraph.formats.TARGETS`.

        ``prefix`` begins every name of ``c`` and ``c-header``, by default ``mgraph``. Raises FormatError for what the
        format cannot hold, by name.
        """
        from mgraph.formats import export

        return export(self._wiring, to, prefix)

    @collector_paused()
    def to_bytes(self) -> bytes:
        """The bytes that :meth:`save` writes (before gzip)."""
        return _document.dump(self._wiring.document)
