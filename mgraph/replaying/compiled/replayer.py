"""The compiled engine: a plan in flat arrays that machine code replays, bit for bit as the reference does.

Needs the extra ``fast`` (NumPy and llvmlite).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from os import cpu_count
from typing import Any

import numpy as np

from mgraph.arithmetic.ops import CONSTANT
from mgraph.errors import ReplayError, shown, some
from mgraph.replaying.compiled import loops
from mgraph.replaying.compiled.layout import CODES, lay_out
from mgraph.replaying.compiled.loops import LANES, Columns, State
from mgraph.replaying.compiled.machine_code import Code
from mgraph.replaying.compiled.native import Array
from mgraph.replaying.plan import Plan
from mgraph.replaying.run import real, refuse_unequal, seeds_of, settable

THREADS = cpu_count() or 1


class Arrays:
    """A plan's numbers and adjoints as its layout has them, and the two passes over them."""

    def __init__(self, plan: Plan, seeds: Mapping[int, float], requested: Iterable[int] | None, fast: bool) -> None:
        self.layout = lay_out(plan, seeds, requested)
        self.fast = fast
        self.initial = np.array([0.0 if x is None else x for x in plan.initial])
        adjoints = self.layout.adjoints
        self.state = State(np.empty(len(self.initial)), np.zeros(adjoints), np.zeros(adjoints, np.uint8))
        self.state.data[self.layout.position] = self.initial
        self.sow(seeds)

    def sow(self, seeds: Mapping[int, float]) -> None:
        """Put the seeds, by slot, in their places."""
        first = self.layout.adjoints - len(self.layout.seeds)
        self.state.adjoints[first:] = [0.0 + seeds[slot] for slot in self.layout.seeds.tolist()]
        self.state.reached[first:] = True

    @cached_property
    def _codes(self) -> frozenset[int]:
        return frozenset(self.layout.codes.tolist())

    def machine_code(self, loop: Callable[..., Any], **fixed: Any) -> Code:
        """One of the loops as machine code for the plan's ops."""
        return loops.machine_code(loop, self._codes, self.fast, **fixed)

    @cached_property
    def forward(self) -> Callable[[], None]:
        """Computes every operation's number from the leaves'."""
        return self.machine_code(loops.forward, width=1).bound(self.state, self.layout)

    def backward(self) -> None:
        """Compute the adjoints from the numbers and the seeds."""
        if self._backward():
            self._careful()

    @cached_property
    def _backward(self) -> Callable[[], int]:
        return self.machine_code(loops.backward, width=1, careful=False).bound(self.state, self.layout)

    @cached_property
    def _careful(self) -> Callable[[], int]:
        return self.machine_code(loops.backward, width=1, careful=True).bound(self.state, self.layout)

    def columns(self, table: Array, slots: Sequence[int]) -> Columns:
        """An array (rows, columns), whose columns are for these slots."""
        return Columns(table.ravel(), self.layout.position[np.array(slots, np.int64)], len(slots))

    def by_slot(self, places: Array) -> list[float]:
        """The nodes' numbers, or their adjoints, in the order of the document."""
        found: list[float] = places[self.layout.position[: self.layout.nodes]].tolist()
        return found


def is_ready(plan: Plan, rows: bool) -> bool:
    """Whether the loops that replay this plan, or ``rows`` by it, are compiled already."""
    codes = frozenset(CODES[op] for op in {plan.wiring.nodes[target]["op"] for target in plan.targets})
    if rows:
        return loops.is_ready(loops.rows, codes, width=LANES, careful=False)
    return loops.is_ready(loops.forward, codes, width=1)


# Why an engine: a graph is replayed again and again with the same wiring, so the layout and the arrays are kept, and a
# replay is a copy of the leaves' numbers, two calls, and the results as lists.
class Engine:
    """Replays plans as :func:`mgraph.replaying.run.reference` does, by machine code; it keeps the layout of the last
    one."""

    def __init__(self) -> None:
        self._last: tuple[Plan, list[int], Arrays] | None = None
        self._lock = threading.Lock()  # the loops release the interpreter's, and the arrays are shared

    def __call__(
        self, plan: Plan, leaves: Mapping[int, float], seeds: Mapping[int, float] | None
    ) -> tuple[list[float], Sequence[float | None]]:
        """The nodes' numbers by slot, and their adjoints if there are seeds."""
        start = seeds or {}
        with self._lock:
            if self._last is None or self._last[0] is not plan or self._last[1] != list(start):
                self._last = plan, list(start), Arrays(plan, start, None, fast=False)
            arrays = self._last[2]
            arrays.sow(start)
            position = arrays.layout.position
            arrays.state.data[position] = arrays.initial
            for slot, x in leaves.items():
                arrays.state.data[position[slot]] = x
            arrays.forward()
            if seeds is None:
                return arrays.by_slot(arrays.state.data), [None] * plan.size
            arrays.backward()
            return arrays.by_slot(arrays.state.data), arrays.by_slot(arrays.state.adjoints)


@dataclass(frozen=True)
class Batch:
    """The results of many rows."""

    __module__ = "mgraph"

    outputs: dict[str, Array]
    """By id, an array (rows,) of each output's numbers."""
    gradients: dict[str, Array]
    """By id, an array (rows,) of the adjoints of each leaf that was requested."""
    arithmetic: str
    """``exact``, or ``fast`` for the platform's elementary functions."""


class Replayer:
    """A graph laid out for machine code; made by :meth:`mgraph.graph.Graph.compile`. One thread at a time may use it.

    ``data`` and ``grad`` are read-only views of n numbers each, those of the last :meth:`forward` and :meth:`backward`;
    ``index`` is a node's place in them, by id. With ``gradients``, only what those need is computed, and elsewhere
    ``grad`` is 0.
    """

    __module__ = "mgraph"

    def __init__(
        self,
        plan: Plan,
        seeds: Mapping[str, float] | None = None,
        gradients: Iterable[str] | None = None,
        arithmetic: str = "exact",
    ) -> None:
        if arithmetic not in ("exact", "fast"):
            raise ReplayError(f"the arithmetic is 'exact' or 'fast', not {shown(arithmetic)}")
        self._plan, wiring = plan, plan.wiring
        self._seeds = {wiring.index[name]: seed for name, seed in seeds_of(wiring, seeds).items()}
        requested = None if gradients is None else [self._differentiable(name) for name in gradients]
        self._arrays = Arrays(plan, self._seeds, requested, arithmetic == "fast")
        self._requested = None if requested is None else set(requested)
        self._unset = set(plan.unset)
        self._settable: dict[str, tuple[int, int]] = {}
        nodes = self._arrays.layout.nodes
        self.data = self._arrays.state.data[:nodes].view()
        """(nodes,) The numbers, read-only; :attr:`index` says whose."""
        self.grad = self._arrays.state.adjoints[:nodes].view()
        """(nodes,) The adjoints, likewise."""
        self.data.flags.writeable = self.grad.flags.writeable = False

    def __reduce__(self) -> Any:  # the machine code has the arrays' addresses
        raise TypeError("a Replayer is not copied or pickled; graph.compile() makes another one")

    @cached_property
    def index(self) -> dict[str, int]:
        """The place of each node in ``data`` and ``grad``, by id."""
        places = self._arrays.layout.position[: self._plan.size].tolist()
        return dict(zip(self._plan.wiring.index, places, strict=True))

    @property
    def outputs(self) -> dict[str, float]:
        """The outputs' numbers after :meth:`forward`, by id."""
        position, index = self._arrays.layout.position, self._plan.wiring.index
        return {name: float(self.data[position[index[name]]]) for name in self._plan.wiring.outputs}

    def _differentiable(self, given: str) -> int:
        wiring = self._plan.wiring
        name = wiring.resolve(given)
        if wiring.op(name) == CONSTANT:
            raise ReplayError(f"{shown(name)} is a constant, which gets no gradient")
        return wiring.index[name]

    def _leaf(self, given: str) -> int:
        wiring = self._plan.wiring
        name = settable(wiring, given)
        if "args" in wiring.nodes[wiring.index[name]]:
            message = f"{shown(name)} is computed, so it cannot be set here; replay(inputs=…) makes it act as a leaf"
            raise ReplayError(message)
        return wiring.index[name]

    def set(self, name: str, x: float) -> None:
        """Set a leaf, by id or unique label, to a number, which it keeps until it is set again.

        Raises ReplayError for a name that does not exist, a constant, an operation, and what is not a number.
        """
        if name not in self._settable:
            slot = self._leaf(name)
            self._settable[name] = slot, int(self._arrays.layout.position[slot])
        slot, place = self._settable[name]
        self._arrays.state.data[place] = x if type(x) is float else real(x, name)
        self._unset.discard(slot)

    def forward(self) -> None:
        """Recompute ``data``. Raises ReplayError while a leaf has no number."""
        self._refuse_unset(self._unset)
        self._arrays.forward()

    def backward(self) -> None:
        """Recompute ``grad`` from the ``data`` of the last :meth:`forward`."""
        self._arrays.backward()

    def _refuse_unset(self, unset: Iterable[int]) -> None:
        missing = [self._plan.wiring.nodes[slot]["id"] for slot in sorted(unset)]
        if missing:
            raise ReplayError(f"there is no number for {some(missing)}; it must be given one")

    def batch(
        self,
        inputs: Array | Mapping[str, Any],
        gradients: Iterable[str] | bool = False,
        outputs: Iterable[str] | None = None,
        threads: int = THREADS,
    ) -> Batch:
        """Replay many rows, each with the bits of a replay of its own.

        ``inputs`` is an array (rows, k), its columns the graph's ``inputs`` in order, or a column of numbers for each
        of some leaves, by id or unique label; other leaves keep what they have. ``gradients`` names the leaves to
        return gradients for, or is True for those of the columns; ``outputs`` names other nodes than the graph's.
        ``threads`` share the rows. Memory beyond the arrays passed and returned does not grow with the rows. Raises
        ReplayError for a wrong shape, a wrong name, and what is not a number.
        """
        names, slots, given = self._table(inputs)
        wiring, arrays, state = self._plan.wiring, self._arrays, self._arrays.state
        self._refuse_unset(self._unset.difference(slots))
        chosen = names if gradients is True else [] if gradients is False else list(gradients)
        wrt = [self._differentiable(name) for name in chosen]
        if self._requested is not None and not self._requested.issuperset(wrt):
            raise ReplayError("this replayer was compiled for the gradients of other leaves")
        roots = wiring.outputs if outputs is None else [wiring.resolve(name) for name in outputs]
        results, slopes = np.empty((len(given), len(roots))), np.empty((len(given), len(wrt)))
        ends = [wiring.index[name] for name in roots]
        tables = [arrays.columns(*each) for each in ((given, slots), (results, ends), (slopes, wrt))]
        quick = arrays.machine_code(loops.rows, width=LANES, careful=False)

        def work(begin: int, end: int) -> None:
            own = State(*(np.repeat(each, LANES) for each in (state.data, state.adjoints, state.reached)))
            while begin < end:
                begin = quick.bound(*tables, begin, end, own, arrays.layout)()
                if begin < end:  # in this block an adjoint is NaN
                    careful = arrays.machine_code(loops.rows, width=LANES, careful=True)
                    begin = careful.bound(*tables, begin, min(begin + LANES, end), own, arrays.layout)()

        share = max(LANES, -(-len(given) // (max(1, threads) * LANES)) * LANES)
        parts = [(begin, min(begin + share, len(given))) for begin in range(0, len(given), share)]
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for done in [pool.submit(work, *part) for part in parts]:
                done.result()
        return Batch(
            {name: results[:, k] for k, name in enumerate(roots)},
            {wiring.resolve(name): slopes[:, k] for k, name in enumerate(chosen)},
            "fast" if arrays.fast else "exact",
        )

    def _table(self, inputs: Array | Mapping[str, Any]) -> tuple[list[str], list[int], Array]:
        """The names of the columns, their slots, and the numbers as an array (rows, columns)."""
        if isinstance(inputs, Mapping):
            names, columns = list(inputs), [np.asarray(column) for column in inputs.values()]
            for name, column in zip(names, columns, strict=True):
                if column.ndim != 1 or column.dtype.kind not in "iuf":
                    raise ReplayError(f"the column {shown(name)} is not a sequence of real numbers")
            refuse_unequal({name: len(column) for name, column in zip(names, columns, strict=True)})
            table = np.column_stack([column.astype(np.float64) for column in columns]) if names else np.empty((0, 0))
        else:
            table = np.asarray(inputs)
            names = self._plan.wiring.inputs
            if table.ndim != 2 or table.shape[1] != len(names) or table.dtype.kind not in "iuf":
                shape = " × ".join(map(str, table.shape))
                message = f"the inputs are an array of {table.dtype} of shape {shape}; it should be real numbers,"
                raise ReplayError(f"{message} rows × {len(names)} ({some(names)})")
        slots = [self._leaf(name) for name in names]
        if len(set(slots)) != len(slots):
            raise ReplayError("two columns are of the same leaf")
        return names, slots, np.ascontiguousarray(table, np.float64)
