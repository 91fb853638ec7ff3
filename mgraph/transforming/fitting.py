"""Fitting: leaves of a saved graph are moved to make a node small, replay by replay."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from mgraph.arithmetic.ops import CONSTANT, INPUT, LEAVES
from mgraph.document.model import number
from mgraph.errors import ReplayError, shown, some
from mgraph.replaying.choice import Engines, load_compiled
from mgraph.replaying.plan import Plan
from mgraph.replaying.run import real, refuse_unequal, replay
from mgraph.transforming import optimizers
from mgraph.transforming.optimizers import RATE, RULES, Ended, Evaluate, Rate, Residuals, Track

LEAST_SQUARES = "least-squares"
METHODS = (*RULES, "lbfgs", LEAST_SQUARES)


@dataclass(frozen=True)
class Objective:
    """What is to be fitted: the leaves to move, the nodes to make small, the rows to take the mean over, if any."""

    plan: Plan
    method: str
    """One of :data:`METHODS`."""
    wrt: list[str]
    """Ids of the leaves to move."""
    targets: list[str]
    """Ids of what to make small: the loss, or for least squares the residuals."""
    columns: dict[str, list[float]]
    """The data by input, one finite number a row; empty without data."""

    @property
    def rows(self) -> int:
        """How many rows of data there are; 0 for none."""
        return len(next(iter(self.columns.values()), []))


def objective(
    plan: Plan,
    method: str,
    loss: str | None,
    wrt: Iterable[str] | None,
    data: Mapping[str, Sequence[float]] | None,
) -> Objective:
    """Check what is to be fitted. Raises ReplayError."""
    if method not in METHODS:
        raise ReplayError(f"there is no method {shown(method)}; there are {', '.join(METHODS)}")
    wiring = plan.wiring
    targets = wiring.outputs if loss is None else [wiring.resolve(loss)]
    if len(targets) != 1 and method != LEAST_SQUARES:
        raise ReplayError(
            f"the graph has {len(targets)} outputs, {some(targets)}; name the one to make small:"
            f" loss={shown(targets[0])} (on the command line, --loss {targets[0]})"
        )
    columns = {} if data is None else _columns(plan, data)
    moved = wiring.parameters if wrt is None else _leaves(plan, [wrt] if isinstance(wrt, str) else wrt)
    if not moved:
        raise ReplayError(
            "there is nothing to fit: the graph has no parameters (leaves made by mgraph.parameter); name other leaves"
            " to move: wrt=… (on the command line, --wrt NAME)"
        )
    both = next((name for name in moved if name in columns), None)
    if both is not None:
        raise ReplayError(f"{shown(both)} is a column of the data, so it cannot be moved as well")
    return Objective(plan, method, moved, targets, columns)


def _leaves(plan: Plan, names: Iterable[str]) -> list[str]:
    found = [plan.wiring.resolve(name) for name in names]
    for k, name in enumerate(found):
        op = plan.wiring.op(name)
        if op == CONSTANT or op not in LEAVES:
            what = "a constant" if op == CONSTANT else f"computed, by {op}"
            raise ReplayError(f"{shown(name)} is {what}; an input or a parameter can be moved")
        if name in found[:k]:
            raise ReplayError(f"{shown(name)} is to be moved twice")
    return found


def _columns(plan: Plan, data: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    columns = {}
    for leaf, column in plan.wiring.by_id(data).items():
        if plan.wiring.op(leaf) != INPUT:
            raise ReplayError(f"{shown(leaf)} is not an input, so it cannot be a column of the data")
        columns[leaf] = [real(x, leaf) for x in column]
        bad = next((row for row, x in enumerate(columns[leaf]) if not math.isfinite(x)), None)
        if bad is not None:
            raise ReplayError(f"row {bad} of the column {shown(leaf)} is {columns[leaf][bad]}; it must be finite")
    lengths = {leaf: len(column) for leaf, column in columns.items()}
    refuse_unequal(lengths)
    if not any(lengths.values()):
        raise ReplayError("the data has no rows")
    return columns


def minimize(
    task: Objective,
    steps: int,
    rate: Rate | None,
    engine: str,
    report: Callable[[int, float], None] | None = None,
) -> tuple[Ended, list[float], str]:
    """Take ``steps`` steps, or fewer; ``report`` is told each step's number and loss. See :func:`mgraph.api.fit`.

    Returns the numbers found, the loss before each step and the one that is left, and the engine used.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ReplayError(f"the steps are a whole number from 0 on, not {shown(steps)}")
    if rate is not None and task.method not in RULES:
        raise ReplayError(f"{task.method} chooses how far each step goes, so it takes no rate")
    replays = (steps + 1) * max(1, task.rows) * len(task.targets)
    used, _ = Engines().choose(engine, task.plan, replays, rows=task.rows > 0)
    start = replay(task.plan, {name: column[0] for name, column in task.columns.items()}, backward=False)
    weights, track = [start.data[name] for name in task.wrt], Track(task.wrt, steps, report)
    sweeps = [(_by_machine if used == "compiled" else _by_reference)(task, target) for target in task.targets]
    if task.method == LEAST_SQUARES:
        found = optimizers.least_squares(_residuals(sweeps), weights, track, max(1, task.rows))
    elif task.method == "lbfgs":
        found = optimizers.lbfgs(_mean(task, sweeps[0]), weights, track)
    else:
        found = optimizers.by_rule(task.method, _mean(task, sweeps[0]), weights, track, RATE if rate is None else rate)
    return found, track.losses, used


class Swept(NamedTuple):
    """A node in every row of the data, or in the one replay that there is without data."""

    numbers: Sequence[float]
    """(rows,)"""
    slopes: list[Sequence[float]]
    """Its derivatives: for each leaf to move (rows,)."""


Sweep = Callable[[list[float]], Swept]
"""Of the weights."""


def _by_reference(task: Objective, target: str) -> Sweep:
    def sweep(weights: list[float]) -> Swept:
        given = dict(zip(task.wrt, weights, strict=True))
        numbers, slopes = [], []
        for row in range(max(1, task.rows)):
            leaves = given | {name: column[row] for name, column in task.columns.items()}
            run = replay(task.plan, leaves, seeds={target: 1.0})
            numbers.append(run.data[target])
            slopes.append([run.grad[name] for name in task.wrt])
        return Swept(numbers, list(zip(*slopes, strict=True)))

    return sweep


def _by_machine(task: Objective, target: str) -> Sweep:
    replayer = load_compiled().Replayer(task.plan, {target: 1.0}, task.wrt)
    places = [replayer.index[name] for name in task.wrt]
    at = replayer.index[target]

    def sweep(weights: list[float]) -> Swept:
        for name, x in zip(task.wrt, weights, strict=True):
            replayer.set(name, x)
        if not task.rows:
            replayer.forward()
            replayer.backward()
            return Swept([float(replayer.data[at])], [[g] for g in replayer.grad[places].tolist()])
        found: Any = replayer.batch(task.columns, gradients=task.wrt, outputs=[target])
        return Swept(found.outputs[target], [found.gradients[name] for name in task.wrt])

    return sweep


def _mean(task: Objective, sweep: Sweep) -> Evaluate:
    """The mean over the rows, and its derivatives."""

    def evaluate(weights: list[float]) -> tuple[float, list[float]]:
        numbers, slopes = sweep(weights)
        if not task.rows:
            return numbers[0], [column[0] for column in slopes]
        return _sum(numbers) / task.rows, [_sum(column) / task.rows for column in slopes]

    return evaluate


def _sum(column: Any) -> float:
    """From the first row to the last, by either engine."""
    return 0.0 + float(column.cumsum()[-1]) if hasattr(column, "cumsum") else reduce(add, column, 0.0)


def _residuals(sweeps: list[Sweep]) -> Residuals:
    """Every target in every row, and the Jacobian of that."""

    def evaluate(weights: list[float]) -> tuple[Any, Any]:
        import numpy as np

        swept = [sweep(weights) for sweep in sweeps]
        jacobian = np.concatenate([np.column_stack(each.slopes) for each in swept])
        return np.concatenate([each.numbers for each in swept]), jacobian

    return evaluate


def provenance(task: Objective, found: Ended, losses: list[float]) -> dict[str, Any]:
    """How the numbers were found, for the record."""
    from mgraph import __version__

    aim = {"residuals": task.targets} if task.method == LEAST_SQUARES else {"loss": task.targets[0]}
    data = {"data": {"rows": task.rows, "columns": list(task.columns)}} if task.rows else {}
    wrt = {} if task.wrt == task.plan.wiring.parameters else {"wrt": task.wrt}
    return {
        "mgraph": __version__,
        "method": task.method,
        "steps": len(losses) - 1,
        **found.how,
        **aim,
        **wrt,
        **data,
        "losses": [number(losses[0]), number(losses[-1])],
    }
