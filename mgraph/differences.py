"""Central differences of a replay, with an error estimate: a second opinion on the gradients.

The derivative of S = Σ seed·output with respect to a node (what-if: the node acts as a leaf) is taken at a
ladder of steps h and extrapolated to h = 0 (Richardson; C. J. F. Ridders, Advances in Engineering Software 4
(1982) 75-76). A step counts only where the plain difference has settled: where it changes by less than a tenth
from one step to the next. The error estimate is the spread of the extrapolation, plus the rounding error of S,
bounded to first order by u·Σ|adjoint·data| over the operations (Linnainmaa, BIT 16 (1976) 146-160) and divided by
h, plus an allowance for the rounding of the reverse sweep. Adjoints enter by magnitude: sums of the absolute
values of all paths, so that a cancellation between paths does not hide their rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import NamedTuple

from mgraph.ops import LEAVES, OPS
from mgraph.plan import Plan

UNIT = 2.0**-52
BUDGET = 10_000_000
"""Operations to spend at the most; of a large graph, leaves only and as many of them as this allows."""
STEPS = 14
SHRINK = 4.0
SETTLED = 0.1
"""How much a plain difference may change, relatively, from a step to the next."""
SWEEP = 2.0**-40
"""Relative error allowed to the reverse sweep: a few roundings for each of some hundred operations of a path."""
TINY = 5e-324
SMALLEST_NORMAL = 2.0**-1022
FINER = 3
"""Finer steps that must bear an estimate out."""


@dataclass(frozen=True)
class Difference:
    """One gradient beside its finite difference; both in units of S per unit of the node."""

    node: str
    grad: float
    estimate: float
    error: float

    @property
    def agrees(self) -> bool:
        """Whether the gradient lies within the error estimate."""
        return abs(self.grad - self.estimate) <= self.error


@dataclass(frozen=True)
class Differences:
    """The gradients that were compared, and those that could not be, with the reason."""

    compared: list[Difference]
    skipped: dict[str, str]
    candidates: int
    """How many nodes have a recorded gradient."""

    @property
    def refuted(self) -> list[Difference]:
        """Gradients outside the error estimate, the clearest first."""
        off = [each for each in self.compared if not each.agrees]
        return sorted(off, key=lambda d: -abs(d.grad - d.estimate) / max(d.error, 1e-300))


def differentiate(
    plan: Plan,
    data: Sequence[float],
    seeds: dict[int, float],
    slots: Sequence[int],
    grad: Sequence[float | None],
    tolerance: int = 0,
) -> Differences:
    """Compare the gradients recorded for ``slots`` with central differences around the replayed ``data``.

    ``tolerance``, in units in the last place, is what the record may be off by itself.
    """
    nodes = plan.wiring.nodes
    cost = 4 * STEPS * max(1, len(plan.targets))
    chosen = list(slots)
    if len(chosen) * cost > BUDGET:
        chosen = [k for k in slots if nodes[k]["op"] in LEAVES]
        room = max(1, BUDGET // cost)
        chosen = [chosen[k * len(chosen) // room] for k in range(room)] if len(chosen) > room else chosen
    magnitudes = _magnitudes(plan, data, seeds)
    kinks = _Kinks(plan)
    compared: list[Difference] = []
    skipped: dict[str, str] = {}
    for k in chosen:
        value, name = grad[k], nodes[k]["id"]
        assert value is not None
        if not isfinite(value):
            skipped[name] = "its gradient is not finite"
            continue
        found = _estimate(_Cone(plan, kinks, k, seeds, magnitudes), data, seeds)
        if isinstance(found, str):
            skipped[name] = found
        else:
            estimate, error = found
            allowance = SWEEP * (magnitudes[k] + abs(estimate)) + TINY
            allowance += tolerance * UNIT * abs(estimate)
            compared.append(Difference(name, value, estimate, error + allowance))
    return Differences(compared, skipped, len(slots))


def _magnitudes(plan: Plan, data: Sequence[float], seeds: dict[int, float]) -> list[float]:
    """Σ over all paths from the seeds of |seed·product of slopes|, by slot: no less than the adjoint's magnitude."""
    found = [0.0] * plan.size
    for slot, seed in seeds.items():
        found[slot] = abs(seed)
    for step in range(len(plan.targets) - 1, -1, -1):
        target, i, j = plan.targets[step], plan.left[step], plan.right[step]
        numbers = (data[i], data[target]) if j < 0 else (data[i], data[j], data[target])
        for partial, slot in zip(plan.partials[step], (i, j), strict=True):
            if partial is not None and found[target]:
                slope = abs(partial(*numbers))
                if slope or not plan.branches[step]:
                    found[slot] += slope * found[target]
    return found


class _Kinks:
    """The steps that have points without a derivative, by target."""

    def __init__(self, plan: Plan) -> None:
        rows = {op.forward: op for op in OPS.values() if op.kink}
        self.at = {t: row.kink for t, f in zip(plan.targets, plan.forwards, strict=True) if (row := rows.get(f))}


def _estimate(cone: _Cone, data: Sequence[float], seeds: dict[int, float]) -> tuple[float, float] | str:
    """The derivative and its error, or why there is none."""
    x = data[cone.slot]
    if not isfinite(x):
        return "its number is not finite"
    if not cone.steps:
        return (seeds.get(cone.slot, 0.0), 0.0)
    centre = cone.run(data, x)
    if centre is None:
        return "a number or a gradient in its influence cone is not finite"
    if 0 in centre.sides:
        return "at a kink, where there is no derivative"
    found: list[tuple[float, float]] = []
    for scale in dict.fromkeys((max(abs(x), 1.0), abs(x) or 1.0)):
        found += _ladder(cone, data, x, 0.125 * scale, centre.sides)
    if not found:
        return "no step is settled: a kink, the edge of the domain or rounding is too close"
    error, estimate = min(found)
    return estimate, error


def _ladder(cone: _Cone, data: Sequence[float], x: float, h: float, sides: list[int]) -> list[tuple[float, float]]:
    """For each step of the ladder that has settled: an error estimate, and the extrapolated derivative."""
    row: list[float] = []
    plain: list[tuple[float, float]] = []  # the difference and its rounding error, step by step
    found: list[tuple[int, float, float]] = []
    for _ in range(STEPS):
        high, low = cone.run(data, x + h), cone.run(data, x - h)
        width = (x + h) - (x - h)
        h /= SHRINK
        if high is None or low is None or not sides == high.sides == low.sides or width == 0.0:
            row = []
            continue
        previous, row = row, [(high.total - low.total) / width]
        rounding = 4.0 * (high.rounding + low.rounding) / width
        plain.append((row[0], rounding))
        best = (inf, 0.0)
        for order, coarser in enumerate(previous, 1):
            weight = SHRINK ** (2 * order)
            row.append((weight * row[-1] - coarser) / (weight - 1.0))
            spread = max(abs(row[-1] - row[-2]), abs(row[-1] - coarser))
            best = min(best, (spread + rounding, row[-1]))
        if previous and abs(row[0] - previous[0]) <= SETTLED * abs(row[0]) + rounding and isfinite(best[0]):
            found.append((len(plain), *best))

    def borne_out(step: int, error: float, estimate: float) -> bool:
        # A step that jumps over a feature can look settled. Finer ones then go on moving away from its estimate.
        reach = abs(plain[step - 1][0] - estimate) + error
        return len(plain) >= step + FINER and all(abs(e - estimate) <= reach + noise for e, noise in plain[step:])

    return [(error, estimate) for step, error, estimate in found if borne_out(step, error, estimate)]


class _Sample(NamedTuple):
    """S for one number in the slot, a bound on its rounding error, and the side of each kink that it is on."""

    total: float
    rounding: float
    sides: list[int]


class _Cone:
    """The steps that depend on one slot, and S restricted to the seeds that they reach."""

    def __init__(
        self, plan: Plan, kinks: _Kinks, slot: int, seeds: dict[int, float], magnitudes: Sequence[float]
    ) -> None:
        reached = {slot}
        self.steps = []
        for target, f, i, j in zip(plan.targets, plan.forwards, plan.left, plan.right, strict=True):
            if target != slot and (i in reached or j in reached):
                reached.add(target)
                self.steps.append((target, f, i, j, kinks.at.get(target), magnitudes[target]))
        self.slot = slot
        self.seeds = [(k, seed) for k, seed in seeds.items() if k in reached]

    def run(self, data: Sequence[float], x: float) -> _Sample | None:
        """The sample with ``x`` in the slot; None if a number in it is not finite."""
        numbers = list(data)
        numbers[self.slot] = x
        sides: list[int] = []
        mass = 0.0
        for target, function, i, j, kink, magnitude in self.steps:
            a = numbers[i]
            if j < 0:
                y = function(a)
                where = kink(a) if kink else None
            else:
                y = function(a, numbers[j])
                where = kink(a, numbers[j]) if kink else None
            numbers[target] = y
            mass += magnitude * (abs(y) + SMALLEST_NORMAL)  # below it, rounding errors are absolute
            if where is not None:
                sides.append((where > 0) - (where < 0))
        total = sum(seed * numbers[k] for k, seed in self.seeds)
        return _Sample(total, UNIT * mass, sides) if isfinite(total) and isfinite(mass) else None
