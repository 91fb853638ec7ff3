"""A table of inputs replayed row by row into a table of results, a chunk at a time, by either engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from mgraph import rows
from mgraph.engines import Engines, load_compiled
from mgraph.errors import FileError, ReplayError, shown
from mgraph.files import display
from mgraph.ops import CONSTANT
from mgraph.plan import Plan
from mgraph.replay import replay

MORE = 20
"""How many chunks to expect of a table whose first one is full."""
Chunk = Callable[[rows.Rows], Iterable[Sequence[float]]]


class Done(NamedTuple):
    """How many rows were replayed, by which engine, in which arithmetic (``exact`` or ``fast``)."""

    rows: int
    engine: str
    arithmetic: str


def replay_table(
    plan: Plan,
    source: str,
    target: str,
    fixed: Mapping[str, float],
    backward: bool,
    engine: str,
    arithmetic: str,
    progress: rows.Progress | None = None,
) -> Done:
    """Read the table ``source``, whose columns are leaves, and write ``target``: the outputs, one column each, and with
    ``backward`` the gradient by each of the leaves, as ``grad NAME``. ``fixed`` gives other leaves a number.

    Raises FileError, ReplayError; then nothing is written.
    """
    wiring = plan.wiring
    rows.ending(target)
    if arithmetic == "fast" and engine == "reference":
        raise ReplayError("fast arithmetic is the compiled engine's; the reference engine is exact")
    with rows.read(source, progress) as (names, chunks):
        where = f"{display(source)}, columns"
        leaves = [_leaf(plan, name, where) for name in names]
        for name in leaves:
            if leaves.count(name) > 1 or name in fixed:
                raise FileError(f"{where}: {shown(name)} is given two numbers")
        given = {*leaves, *fixed}
        missing = [node for node in (wiring.nodes[slot]["id"] for slot in plan.unset) if node not in given]
        if missing:
            message = f"there is no column for {', '.join(map(shown, missing[:8]))}, which has no recorded number"
            raise FileError(f"{where}: {message}")
        header = [*wiring.outputs, *(f"grad {name}" for name in leaves if backward)]
        first = next(chunks, [])  # before anything is written
        work = len(plan.targets) * len(first) * (MORE if len(first) == rows.CHUNK else 1)
        used, _ = Engines().choose("compiled" if arithmetic == "fast" else engine, work)
        made = _by_machine if used == "compiled" else _by_reference
        run, count = made(plan, leaves, fixed, backward, arithmetic), 0
        with rows.written(target, header) as write:
            for chunk in chain([first], chunks):
                write(run(chunk))
                count += len(chunk)
    return Done(count, used, arithmetic)


def _leaf(plan: Plan, given: str, where: str) -> str:
    try:
        name = plan.wiring.resolve(given)
    except ReplayError as error:
        raise FileError(f"{where}: {error}") from None
    if plan.wiring.op(name) == CONSTANT:
        raise FileError(f"{where}: {shown(name)} is a constant, which cannot be set; an input or a parameter can")
    if "args" in plan.wiring.nodes[plan.wiring.index[name]]:
        raise FileError(f"{where}: {shown(name)} is computed; only leaves can be columns")
    return name


def _by_machine(plan: Plan, leaves: list[str], fixed: Mapping[str, float], backward: bool, arithmetic: str) -> Chunk:
    import numpy as np

    replayer = load_compiled().Replayer(plan, None, leaves if backward else [], arithmetic)
    for name, x in fixed.items():
        replayer.set(name, x)

    def run(chunk: rows.Rows) -> Iterable[Sequence[float]]:
        table = np.array(chunk, np.float64).reshape(len(chunk), len(leaves))
        found = replayer.batch(dict(zip(leaves, table.T, strict=True)), gradients=backward)
        results: list[list[float]] = np.column_stack([*found.outputs.values(), *found.gradients.values()]).tolist()
        return results

    return run


def _by_reference(plan: Plan, leaves: list[str], fixed: Mapping[str, float], backward: bool, arithmetic: str) -> Chunk:
    outputs = plan.wiring.outputs

    def run(chunk: rows.Rows) -> Iterable[Sequence[float]]:
        for row in chunk:
            found = replay(plan, {**fixed, **dict(zip(leaves, row, strict=True))}, backward=backward)
            yield [found.data[name] for name in outputs] + [found.grad[name] for name in leaves if backward]

    return run
