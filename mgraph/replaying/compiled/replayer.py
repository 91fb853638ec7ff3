"""The compiled engine: a plan in flat arrays that machine code replays, bit for bit as the reference does.

Needs the extra ``fast`` (NumPy and numba).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from os import cpu_count
from typing import Any

import numpy as np

from mgraph.arithmetic.ops import CONSTANT
from mgraph.errors import ReplayError, shown
from mgraph.replaying.compiled.layout import Array, lay_out
from mgraph.replaying.compiled.loops import LANES, is_kept, kernel
from mgraph.replaying.plan import Plan
from mgraph.replaying.run import real, seeds_of

THREADS = cpu_count() or 1
PATIENCE = 1.0
"""Seconds of compiling after which a line on standard error says so."""
_ready: set[tuple[str, bool, bool, bool]] = set()


def _call(name: str, *arguments: Any, lanes: bool = False, careful: bool = False, fast: bool = False) -> Any:
    """Call a loop; say so when compiling it takes long, which happens once, since the code is kept."""
    key = (name, lanes, careful, fast)
    if key in _ready:
        return kernel(*key)(*arguments)
    line = "mgraph: compiling the replay loops, this once …"
    timer = threading.Timer(PATIENCE, print, [line], {"file": sys.stderr, "flush": True})
    timer.start()
    try:
        result = kernel(*key)(*arguments)
    finally:
        timer.cancel()
    _ready.add(key)
    return result


def kept() -> bool:
    """Whether a replay needs no compiling: the loops are in memory, or an earlier process left them."""
    keys = [(name, False, False, False) for name in ("forward", "backward")]
    return all(key in _ready or is_kept(kernel(*key)) for key in keys)


class Arrays:
    """A plan's numbers and adjoints in the places that its schedule gives them, and the two passes over them."""

    def __init__(self, plan: Plan, seeds: Mapping[int, float], wanted: Iterable[int] | None, fast: bool) -> None:
        self.schedule = s = lay_out(plan, seeds, wanted)
        self.fast = fast
        self.numbers = np.empty(s.size)
        self.initial = np.array([0.0 if x is None else x for x in plan.initial])
        self.numbers[s.position] = self.initial
        self.flow = np.zeros(s.flow)
        self.live = np.zeros(s.flow, np.bool_)
        self.sow(seeds)

    def sow(self, seeds: Mapping[int, float]) -> None:
        """Put the seeds, by slot, in their places."""
        behind = self.schedule.flow - len(self.schedule.seeds)
        self.flow[behind:] = [0.0 + seeds[slot] for slot in self.schedule.seeds.tolist()]
        self.live[behind:] = True

    def forward(self) -> None:
        """Every operation's number from the leaves'."""
        s = self.schedule
        _call("forward", self.numbers, s.left, s.right, s.codes, s.starts, s.base, fast=self.fast)

    def backward(self) -> None:
        """The adjoints from the numbers and the seeds."""
        s = self.schedule
        arrays = (self.numbers, self.flow, self.live, s.left, s.right, s.partials, s.starts, s.base, s.places)
        edges = (s.edges, s.diagonals, s.widths)
        if _call("backward", *arrays, *edges, fast=self.fast):
            _call("backward", *arrays, *edges, careful=True, fast=self.fast)

    def by_slot(self, places: Array) -> list[float]:
        """The nodes' numbers, or their adjoints, in the order of the document."""
        found: list[float] = places[self.schedule.position[: self.schedule.nodes]].tolist()
        return found


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
        with self._lock:
            return self._replay(plan, leaves, seeds)

    def _replay(
        self, plan: Plan, leaves: Mapping[int, float], seeds: Mapping[int, float] | None
    ) -> tuple[list[float], Sequence[float | None]]:
        start = seeds or {}
        if self._last is None or self._last[0] is not plan or self._last[1] != list(start):
            self._last = plan, list(start), Arrays(plan, start, None, fast=False)
        arrays = self._last[2]
        arrays.sow(start)
        position = arrays.schedule.position
        arrays.numbers[position] = arrays.initial
        for slot, x in leaves.items():
            arrays.numbers[position[slot]] = x
        arrays.forward()
        if seeds is None:
            return arrays.by_slot(arrays.numbers), [None] * plan.size
        arrays.backward()
        return arrays.by_slot(arrays.numbers), arrays.by_slot(arrays.flow)


@dataclass(frozen=True)
class Batch:
    """What a batch gave, by node id: arrays of one number a row."""

    __module__ = "mgraph"

    outputs: dict[str, Array]
    gradients: dict[str, Array]
    arithmetic: str
    """``exact``, or ``fast`` for the platform's elementary functions."""


class Replayer:
    """A graph laid out for machine code; made by :meth:`mgraph.graph.Graph.compile`. One thread at a time may use it.

    ``data`` and ``grad`` are read-only views of n numbers each, those of the last :meth:`forward` and :meth:`backward`;
    ``index`` gives a node's place in them by id. With ``gradients``, only what those need is computed, and elsewhere
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
        wanted = None if gradients is None else [self._slot(name, "gradient") for name in gradients]
        self._arrays = Arrays(plan, self._seeds, wanted, arithmetic == "fast")
        self._wanted = None if wanted is None else set(wanted)
        self._unset = set(plan.unset)
        nodes = self._arrays.schedule.nodes
        self.data = self._arrays.numbers[:nodes].view()
        self.grad = self._arrays.flow[:nodes].view()
        self.data.flags.writeable = self.grad.flags.writeable = False

    @cached_property
    def index(self) -> dict[str, int]:
        """The place of each node in ``data`` and ``grad``, by id."""
        places = self._arrays.schedule.position[: self._plan.size].tolist()
        return dict(zip(self._plan.wiring.index, places, strict=True))

    @property
    def outputs(self) -> dict[str, float]:
        """The outputs' numbers after :meth:`forward`, by id."""
        position, index = self._arrays.schedule.position, self._plan.wiring.index
        return {name: float(self.data[position[index[name]]]) for name in self._plan.wiring.outputs}

    def _slot(self, given: str, purpose: str) -> int:
        wiring = self._plan.wiring
        name = wiring.resolve(given)
        if wiring.op(name) == CONSTANT:
            why = "cannot be set; an input or a parameter can" if purpose == "set" else "gets no gradient"
            raise ReplayError(f"{shown(name)} is a constant, which {why}")
        if purpose == "set" and "args" in wiring.nodes[wiring.index[name]]:
            message = f"{shown(name)} is computed, so it cannot be set here; replay(inputs=…) makes it act as a leaf"
            raise ReplayError(message)
        return wiring.index[name]

    def set(self, name: str, x: float) -> None:
        """Give a leaf a number, by id or unique label; it stays until it is given another one.

        Raises ReplayError for a name that does not exist, a constant, an operation, and what is not a number.
        """
        slot = self._slot(name, "set")
        self._arrays.numbers[self._arrays.schedule.position[slot]] = real(x, name)
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
            some = ", ".join(map(shown, missing[:8])) + (", …" if len(missing) > 8 else "")
            raise ReplayError(f"there is no number for {some}; it must be given one")

    def batch(
        self,
        inputs: Array | Mapping[str, Any],
        gradients: Iterable[str] | bool = False,
        outputs: Iterable[str] | None = None,
        threads: int = THREADS,
    ) -> Batch:
        """Replay many rows, each with the bits of a replay of its own.

        ``inputs`` is an array (rows, k), its columns the graph's ``inputs`` in order, or a column of numbers for each
        of some leaves, by id or unique label; other leaves keep what they have. ``gradients`` names the leaves whose
        gradients to give, or is True for those of the columns; ``outputs`` names other nodes than the graph's.
        ``threads`` share the rows. Memory beyond the arrays given and returned does not
        grow with the rows. Raises ReplayError for a wrong shape, a wrong name, and what is not a number.
        """
        names, slots, table = self._table(inputs)
        wiring, s, fast = self._plan.wiring, self._arrays.schedule, self._arrays.fast
        self._refuse_unset(self._unset.difference(slots))
        wanted = names if gradients is True else [] if gradients is False else list(gradients)
        wrt = [self._slot(name, "gradient") for name in wanted]
        if self._wanted is not None and not self._wanted.issuperset(wrt):
            raise ReplayError("this replayer was compiled for the gradients of other leaves")
        wanted_outputs = wiring.outputs if outputs is None else [wiring.resolve(name) for name in outputs]
        outs = [wiring.index[name] for name in wanted_outputs]
        results, slopes = np.empty((len(table), len(outs))), np.empty((len(table), len(wrt)))
        places = [s.position[np.array(each, np.int64)] for each in (slots, outs, wrt)]
        columns = (table, *places, results, slopes)

        def work(begin: int, end: int) -> None:
            data, flow, live = (
                np.repeat(each[:, None], LANES, axis=1)
                for each in (self._arrays.numbers, self._arrays.flow, self._arrays.live)
            )
            arrays = (data, flow, live, s.left, s.right, s.codes, s.starts, s.base, s.partials, s.places)
            edges = (s.edges, s.diagonals, s.widths)
            while begin < end:
                begin = _call("rows", *columns, begin, end, *arrays, *edges, lanes=True, fast=fast)
                if begin < end:  # in this block an adjoint is NaN
                    stop = min(begin + LANES, end)
                    _call("rows", *columns, begin, stop, *arrays, *edges, lanes=True, careful=True, fast=fast)
                    begin = stop

        work(0, min(LANES, len(table)))  # compiles, before there are threads
        share = max(LANES, -(-len(table) // (max(1, threads) * LANES)) * LANES)
        parts = [(begin, min(begin + share, len(table))) for begin in range(0, len(table), share)]
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for done in [pool.submit(work, *part) for part in parts]:
                done.result()
        return Batch(
            {name: results[:, k] for k, name in enumerate(wanted_outputs)},
            {wiring.resolve(name): slopes[:, k] for k, name in enumerate(wanted)},
            "fast" if fast else "exact",
        )

    def _table(self, inputs: Array | Mapping[str, Any]) -> tuple[list[str], list[int], Array]:
        """The names of the columns, their slots, and the numbers as an array (rows, columns)."""
        if isinstance(inputs, Mapping):
            names, columns = list(inputs), [np.asarray(column) for column in inputs.values()]
            for name, column in zip(names, columns, strict=True):
                if column.ndim != 1 or column.dtype.kind not in "iuf":
                    raise ReplayError(f"the column {shown(name)} is not a sequence of real numbers")
            lengths = {name: len(column) for name, column in zip(names, columns, strict=True)}
            if len(set(lengths.values())) > 1:
                some = ", ".join(f"{shown(name)} has {length:,}" for name, length in list(lengths.items())[:4])
                raise ReplayError(f"the columns are not of one length: {some}")
            table = np.column_stack([column.astype(np.float64) for column in columns]) if names else np.empty((0, 0))
        else:
            table = np.asarray(inputs)
            names = self._plan.wiring.inputs
            if table.ndim != 2 or table.shape[1] != len(names) or table.dtype.kind not in "iuf":
                shape = " × ".join(map(str, table.shape))
                message = f"the inputs are an array of {table.dtype} of shape {shape}; it should be real numbers,"
                raise ReplayError(f"{message} rows × {len(names)} ({', '.join(map(shown, names[:8]))})")
        slots = [self._slot(name, "set") for name in names]
        if len(set(slots)) != len(slots):
            raise ReplayError("two columns are of the same leaf")
        return names, slots, np.ascontiguousarray(table, np.float64)
