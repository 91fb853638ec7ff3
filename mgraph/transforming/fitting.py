"""Gradient descent on a saved graph: its parameters are moved against their gradients, replay by replay."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mgraph.arithmetic.ops import INPUT
from mgraph.errors import ReplayError, shown, some
from mgraph.replaying.choice import Engines, load_compiled
from mgraph.replaying.plan import Plan
from mgraph.replaying.run import real, refuse_unequal, replay

Rate = float | Callable[[int], float]
Update = Callable[[list[float], list[float], float], list[float]]
Evaluate = Callable[[list[float]], tuple[float, list[float]]]


def descent() -> Update:
    """w ← w - η·g."""
    return lambda weights, slopes, rate: [w - rate * g for w, g in zip(weights, slopes, strict=True)]


def momentum(keep: float = 0.9) -> Update:
    """v ← 0.9·v + g, w ← w - η·v (Polyak, USSR Comp. Math. 4 (1964) 1-17; Sutskever et al., ICML 2013)."""
    speeds: list[float] = []

    def update(weights: list[float], slopes: list[float], rate: float) -> list[float]:
        speeds[:] = [keep * v + g for v, g in zip(speeds or [0.0] * len(slopes), slopes, strict=True)]
        return [w - rate * v for w, v in zip(weights, speeds, strict=True)]

    return update


def adam(first: float = 0.9, second: float = 0.999, floor: float = 1e-8) -> Update:
    """Adam, with β₁ = 0.9, β₂ = 0.999, ε = 1e-8 (Kingma and Ba, ICLR 2015, algorithm 1)."""
    moments: list[tuple[float, float]] = []
    powers = [1.0, 1.0]

    def update(weights: list[float], slopes: list[float], rate: float) -> list[float]:
        powers[:] = [powers[0] * first, powers[1] * second]
        old = moments or [(0.0, 0.0)] * len(slopes)
        moments[:] = [
            (first * m + (1.0 - first) * g, second * v + (1.0 - second) * (g * g))
            for (m, v), g in zip(old, slopes, strict=True)
        ]
        return [
            w - rate * (m / (1.0 - powers[0])) / (math.sqrt(v / (1.0 - powers[1])) + floor)
            for w, (m, v) in zip(weights, moments, strict=True)
        ]

    return update


METHODS: dict[str, Callable[[], Update]] = {"sgd": descent, "momentum": momentum, "adam": adam}


@dataclass(frozen=True)
class Objective:
    """What is to be fitted: the leaves to move, the output to make small, the rows to take the mean over, if any."""

    plan: Plan
    parameters: list[str]
    """Ids of the leaves to move."""
    loss: str
    """Id of the node to make small."""
    columns: dict[str, list[float]]
    """The data by input, one finite number a row; empty without data."""

    @property
    def rows(self) -> int:
        """How many rows of data there are; 0 for none."""
        return len(next(iter(self.columns.values()), []))


def objective(plan: Plan, loss: str | None, data: Mapping[str, Sequence[float]] | None) -> Objective:
    """Check what is to be fitted. Raises ReplayError."""
    wiring = plan.wiring
    outputs = wiring.outputs
    if loss is None and len(outputs) != 1:
        raise ReplayError(
            f"the graph has {len(outputs)} outputs, {some(outputs)}; name the one to make small:"
            f" loss={shown(outputs[0])} (on the command line, --loss {outputs[0]})"
        )
    name = wiring.resolve(loss) if loss is not None else outputs[0]
    parameters = wiring.parameters
    if not parameters:
        raise ReplayError("there is nothing to fit: the graph has no parameters (leaves made by mgraph.parameter)")
    return Objective(plan, parameters, name, {} if data is None else _columns(plan, data))


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


def descend(
    task: Objective,
    steps: int,
    rate: Rate,
    method: str,
    engine: str,
    report: Callable[[int, float], None] | None = None,
) -> tuple[dict[str, float], list[float], str]:
    """Take ``steps`` steps; ``report`` is told each step's number and loss. See :func:`mgraph.api.fit`.

    Returns the parameters found, by id, the loss before each step and the one that is left, and the engine used.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ReplayError(f"the steps are a whole number from 0 on, not {shown(steps)}")
    if method not in METHODS:
        raise ReplayError(f"there is no method {shown(method)}; there are {', '.join(METHODS)}")
    update = METHODS[method]()
    used, _ = Engines().choose(engine, task.plan, (steps + 1) * max(1, task.rows), rows=task.rows > 0)
    start = replay(task.plan, {name: column[0] for name, column in task.columns.items()}, backward=False)
    weights = [start.data[name] for name in task.parameters]
    evaluate = _by_machine(task) if used == "compiled" else _by_reference(task)
    losses = []
    for step in range(steps + 1):
        loss, slopes = evaluate(weights)
        losses.append(loss)
        if report is not None:
            report(step, loss)
        if step < steps:
            _refuse_nonfinite(task, step, loss, slopes)
            weights = update(weights, slopes, _rate(rate, step))
    return dict(zip(task.parameters, weights, strict=True)), losses, used


def _refuse_nonfinite(task: Objective, step: int, loss: float, slopes: list[float]) -> None:
    bad = next((name for name, g in zip(task.parameters, slopes, strict=True) if not math.isfinite(g)), None)
    if not math.isfinite(loss) or bad is not None:
        what = f"the loss is {loss}" if bad is None else f"the gradient of {shown(bad)} is not finite"
        raise ReplayError(f"at step {step} {what}, so the fit ends here. A smaller rate may help")


def _rate(rate: Rate, step: int) -> float:
    eta = real(rate(step) if callable(rate) else rate, "rate")
    if not math.isfinite(eta):
        raise ReplayError(f"the rate at step {step} is {eta}; it must be finite")
    return eta


def _by_reference(task: Objective) -> Evaluate:
    def evaluate(weights: list[float]) -> tuple[float, list[float]]:
        given = dict(zip(task.parameters, weights, strict=True))
        total, slopes = 0.0, [0.0] * len(weights)
        for row in range(max(1, task.rows)):
            leaves = given | {name: column[row] for name, column in task.columns.items()}
            run = replay(task.plan, leaves, seeds={task.loss: 1.0})
            if not task.rows:
                return run.data[task.loss], [run.grad[name] for name in task.parameters]
            total += run.data[task.loss]
            slopes = [g + run.grad[name] for g, name in zip(slopes, task.parameters, strict=True)]
        return total / task.rows, [g / task.rows for g in slopes]

    return evaluate


def _by_machine(task: Objective) -> Evaluate:
    replayer = load_compiled().Replayer(task.plan, {task.loss: 1.0}, task.parameters)
    places = [replayer.index[name] for name in task.parameters]
    at = replayer.index[task.loss]

    def evaluate(weights: list[float]) -> tuple[float, list[float]]:
        for name, x in zip(task.parameters, weights, strict=True):
            replayer.set(name, x)
        if not task.rows:
            replayer.forward()
            replayer.backward()
            return float(replayer.data[at]), replayer.grad[places].tolist()
        found: Any = replayer.batch(task.columns, gradients=task.parameters, outputs=[task.loss])
        rows = task.rows  # summed from the first row to the last, as the reference does
        total = (0.0 + float(found.outputs[task.loss].cumsum()[-1])) / rows
        return total, [(0.0 + float(found.gradients[name].cumsum()[-1])) / rows for name in task.parameters]

    return evaluate
