"""One replay: a plan, other numbers and seeds by name; an engine computes; a :class:`Run` is what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from numbers import Real
from typing import Any

from mgraph import seams
from mgraph.arithmetic.ops import CONSTANT, INPUT, LEAVES
from mgraph.document.model import Document, Node, arranged, number
from mgraph.document.wiring import Column, Wiring
from mgraph.errors import ReplayError, shown, some
from mgraph.replaying.plan import Plan
from mgraph.replaying.reference import Execute, reference


@dataclass(frozen=True)
class Nonfinite:
    """Where, in topological order, numbers stopped being finite."""

    node: str
    data: float
    operands: list[tuple[str, float]]
    """What caused it: each operand as the document writes it (an id or a literal), with its number."""


@dataclass(frozen=True)
class Run:
    """What one replay returned. Nothing in it changes the document that was replayed. ``print`` shows it as a table.

    ``data`` has every node, ``grad`` every node but constants (empty without a backward pass). ``overrides`` are
    the numbers that were given, by id.
    """

    __module__ = "mgraph"

    _wiring: Wiring = field(repr=False)
    """What was replayed."""
    data: Column
    """Every node's number, by id."""
    grad: Column
    """Every node's adjoint, the derivative of the outputs times their seeds, by id; constants have none."""
    seeds: dict[str, float]
    """The adjoints that the backward pass started from, by id; empty without one."""
    overrides: dict[str, float]
    """The numbers that were given, by id."""
    engine: str = "reference"
    """What computed: ``reference`` or ``compiled``."""

    @property
    def outputs(self) -> dict[str, float]:
        """The outputs' data, by id."""
        return {name: self.data[name] for name in self._wiring.outputs}

    def first_nonfinite(self) -> Nonfinite | None:
        """Where the first NaN or infinity came from, or None if every number is finite.

        That is the first operation that has finite operands only; if there is none, the first leaf.
        """
        found = None
        for node in self._wiring.nodes:
            name = node["id"]
            if not isfinite(self.data[name]):
                args = () if name in self.overrides else node.get("args", ())
                operands = [(a, self.data[a]) if isinstance(a, str) else (f"{a:g}", a) for a in args]
                if args and all(isfinite(x) for _, x in operands):
                    return Nonfinite(name, self.data[name], operands)
                found = found or Nonfinite(name, self.data[name], operands)
        return found

    def _shown(self) -> Wiring:
        """The wiring to show this run by: an operation that was given a number is an input."""
        whatif = any("args" in self._wiring.nodes[self._wiring.index[name]] for name in self.overrides)
        return Wiring(recorded(self)) if whatif else self._wiring

    def __repr__(self) -> str:
        some = ", ".join(f"{name} = {x!r}" for name, x in list(self.outputs.items())[:4])
        return f"<Run {some}{', …' * (len(self.outputs) > 4)}>"

    def __str__(self) -> str:
        return seams.text(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        return seams.display(self)


def replay(
    plan: Plan,
    inputs: Mapping[str, float] | None = None,
    seeds: Mapping[str, float] | None = None,
    backward: bool = True,
    execute: Execute | None = None,
    engine: str = "reference",
) -> Run:
    """Recompute every node, with the recorded leaves or others, and the adjoints.

    ``inputs`` gives numbers by id or unique label; one given for an operation makes it act as a leaf (a what-if).
    ``seeds`` are the adjoints to start from, by default the document's, else 1.0 on each output. ``execute`` is what
    computes, by default :func:`reference`. Raises ReplayError for a name that does not exist, for a constant, for a
    leaf without a number, and for what is not a number. NaN and infinities are numbers.
    """
    wiring = plan.wiring
    given = overrides(wiring, inputs or {})
    leaves = {wiring.index[name]: x for name, x in given.items()}
    missing = [wiring.nodes[slot]["id"] for slot in plan.unset if slot not in leaves]
    if missing:
        what = "an input has" if len(missing) == 1 else f"{len(missing):,} inputs have"
        raise ReplayError(f"{what} no recorded number and must be given one: {some(missing)}")
    plan = plan.frozen(leaves)
    start = seeds_of(wiring, seeds)
    data, found = (execute or reference)(
        plan, leaves, {wiring.index[name]: x for name, x in start.items()} if backward else None
    )
    adjoints = list(found)
    for slot in plan.fixed:
        adjoints[slot] = None
    return Run(
        wiring,
        Column(wiring.index, data),
        Column(wiring.index, adjoints),
        start if backward else {},
        given,
        engine,
    )


def recorded(run: Run) -> Document:
    """A new document that records ``run``: its numbers, its seeds; an overridden operation has become an input."""
    nodes = []
    for node, x, adjoint in zip(run._wiring.nodes, run.data.numbers, run.grad.numbers, strict=False):
        new: Node = {**node, "data": number(x)}  # type: ignore[arg-type]  # every node has one after a replay
        if adjoint is None:
            new.pop("grad", None)
        else:
            new["grad"] = number(adjoint)
        nodes.append(new)
    for name in run.overrides:
        whatif = nodes[run._wiring.index[name]]
        if whatif.pop("args", None):
            whatif["op"] = INPUT
    document: Document = {**run._wiring.document, "nodes": nodes, "outputs": run._wiring.outputs}
    if run.grad:
        document["seeds"] = {name: number(seed) for name, seed in run.seeds.items()}
    return arranged(document)


def with_leaves(document: Document, numbers: Mapping[str, float]) -> Document:
    """The document with other numbers on its leaves, by id, and none on its operations."""
    nodes = []
    for node in document["nodes"]:
        new: Node = {**node}
        if node["op"] not in LEAVES:
            new.pop("data", None)
        new.pop("grad", None)
        if node["id"] in numbers:
            new["data"] = number(numbers[node["id"]])
        nodes.append(new)
    return arranged({**document, "nodes": nodes})


def overrides(wiring: Wiring, inputs: Mapping[str, float]) -> dict[str, float]:
    """The numbers to replay with, by id. Raises ReplayError."""
    found = {name: real(x, name) for name, x in wiring.by_id(inputs).items()}
    for name in found:
        settable(wiring, name)
    return found


def settable(wiring: Wiring, given: str) -> str:
    """The id of a node that may be given a number, by id or unique label. Raises ReplayError for a constant."""
    name = wiring.resolve(given)
    if wiring.op(name) == CONSTANT:
        raise ReplayError(f"{shown(name)} is a constant, which cannot be set; an input or a parameter can")
    return name


def refuse_unequal(lengths: Mapping[str, int]) -> None:
    """Raise ReplayError for columns, by name, that are not of one length."""
    if len(set(lengths.values())) > 1:
        few = ", ".join(f"{shown(name)} has {length:,}" for name, length in list(lengths.items())[:4])
        raise ReplayError(f"the columns are not of one length: {few}")


def seeds_of(wiring: Wiring, seeds: Mapping[str, float] | None) -> dict[str, float]:
    """The adjoints to start from, by id: those given, by id or unique label, or the document's. Raises ReplayError."""
    if seeds is None:
        return dict(wiring.seeds)
    found = {name: real(seed, name) for name, seed in wiring.by_id(seeds).items()}
    for name in found:
        if wiring.op(name) == CONSTANT:
            raise ReplayError(f"{shown(name)} is a constant, which gets no gradient, so it cannot be a seed")
    return found


def real(x: object, name: str) -> float:
    """x as a float; ReplayError if it is not a real number, or past binary64."""
    if isinstance(x, bool) or not isinstance(x, Real):
        raise ReplayError(f"the number for {shown(name)} is not a real number but {shown(x)}")
    try:
        return float(x)
    except OverflowError:
        raise ReplayError(f"the number for {shown(name)} is past binary64") from None
