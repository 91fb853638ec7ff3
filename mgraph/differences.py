"""Central differences of a replay, with an error estimate: a second opinion on the gradients.

The derivative of S = Σ seed·output with respect to a node (what-if: the node acts as a leaf) is taken at a
ladder of steps h and extrapolated to h = 0 (Richardson; C. J. F. Ridders, Advances in Engineering Software 4
(1982) 75-76). Its error estimate is the spread of the extrapolation plus the rounding error of S, bounded to
first order by u·Σ|adjoint·data| over the operations (Linnainmaa, BIT 16 (1976) 146-160), divided by h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite

from mgraph.ops import LEAVES, OPS
from mgraph.plan import Plan

UNIT = 2.0**-52
BUDGET = 10_000_000
"""Operations to spend at the most; of a large graph, leaves only and as many of them as this allows."""
STEPS = 14
SHRINK = 4.0


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
        return sorted(off, key=lambda d: -abs(d.grad - d.estimate) / d.error)


def differentiate(
    plan: Plan,
    data: Sequence[float],
    adjoints: Sequence[float | None],
    seeds: dict[int, float],
    slots: Sequence[int],
    grad: Sequence[float | None],
) -> Differences:
    """Compare the gradients recorded for ``slots`` with central differences around the replayed ``data``."""
    nodes = plan.wiring.nodes
    cost = 2 * STEPS * max(1, len(plan.targets))
    chosen = list(slots)
    if len(chosen) * cost > BUDGET:
        chosen = [k for k in slots if nodes[k]["op"] in LEAVES]
        room = max(1, BUDGET // cost)
        chosen = [chosen[k * len(chosen) // room] for k in range(room)] if len(chosen) > room else chosen
    noise = UNIT * sum(abs((adjoints[t] or 0.0) * data[t]) for t in plan.targets)
    kinks = _Kinks(plan)
    compared: list[Difference] = []
    skipped: dict[str, str] = {}
    for k in chosen:
        value, name = grad[k], nodes[k]["id"]
        assert value is not None
        found = _estimate(plan, kinks, data, seeds, k, noise)
        if isinstance(found, str):
            skipped[name] = found
        else:
            estimate, error = found
            compared.append(Difference(name, value, estimate, error + 4 * UNIT * (abs(estimate) + abs(value))))
    return Differences(compared, skipped, len(slots))


class _Kinks:
    """The steps that have points without a derivative, by target."""

    def __init__(self, plan: Plan) -> None:
        rows = {op.forward: op for op in OPS.values() if op.kink}
        self.at = {t: row.kink for t, f in zip(plan.targets, plan.forwards, strict=True) if (row := rows.get(f))}


def _estimate(
    plan: Plan, kinks: _Kinks, data: Sequence[float], seeds: dict[int, float], slot: int, noise: float
) -> tuple[float, float] | str:
    """The derivative and its error, or why there is none."""
    x = data[slot]
    if not isfinite(x):
        return "its number is not finite"
    cone = _Cone(plan, kinks, slot, seeds)
    if not cone.steps:
        return (seeds.get(slot, 0.0), 0.0)
    centre = cone.run(data, x)
    if centre is None:
        return "a number in its influence cone is not finite"
    if 0 in centre[1]:
        return "at a kink, where there is no derivative"
    found: list[tuple[float, float, list[tuple[float, float]]]] = []
    for scale in dict.fromkeys((max(abs(x), 1.0), abs(x) or 1.0)):
        found += _ladder(cone, data, x, 0.125 * scale, centre[1], noise)
    for error, estimate, finer in sorted(found):
        # A step that jumps over a feature can look settled; finer steps then contradict it.
        if all(abs(estimate - other) <= error + doubt for other, doubt in finer):
            return estimate, error
    return "a kink, or the edge of the domain, is too close for any step"


def _ladder(
    cone: _Cone, data: Sequence[float], x: float, h: float, sides: list[int], noise: float
) -> list[tuple[float, float, list[tuple[float, float]]]]:
    """For each step of the ladder that is usable: an error estimate, the extrapolated derivative, and what the
    finer steps found (estimate, error)."""
    row: list[float] = []
    found: list[tuple[float, float]] = []
    for _ in range(STEPS):
        high, low = cone.run(data, x + h), cone.run(data, x - h)
        width = (x + h) - (x - h)
        h /= SHRINK
        if high is None or low is None or not sides == high[1] == low[1] or width == 0.0:
            row = []
            continue
        previous, row = row, [(high[0] - low[0]) / width]
        best = (inf, 0.0)
        for order, coarser in enumerate(previous, 1):
            weight = SHRINK ** (2 * order)
            row.append((weight * row[-1] - coarser) / (weight - 1.0))
            spread = max(abs(row[-1] - row[-2]), abs(row[-1] - coarser))
            best = min(best, (spread + 4.0 * noise / width, row[-1]))
        if best[0] < inf:
            found.append(best)
    return [(error, e, [(o, doubt) for doubt, o in found[k + 1 :]]) for k, (error, e) in enumerate(found)]


class _Cone:
    """The steps that depend on one slot, and S restricted to the seeds that they reach."""

    def __init__(self, plan: Plan, kinks: _Kinks, slot: int, seeds: dict[int, float]) -> None:
        reached = {slot}
        self.steps = []
        for target, f, i, j in zip(plan.targets, plan.forwards, plan.left, plan.right, strict=True):
            if target != slot and (i in reached or j in reached):
                reached.add(target)
                self.steps.append((target, f, i, j, kinks.at.get(target)))
        self.slot = slot
        self.seeds = [(k, seed) for k, seed in seeds.items() if k in reached]

    def run(self, data: Sequence[float], x: float) -> tuple[float, list[int]] | None:
        """S and the side of each kink with ``x`` in the slot; None if a number is not finite."""
        numbers = list(data)
        numbers[self.slot] = x
        sides = []
        for target, function, i, j, kink in self.steps:
            a = numbers[i]
            if j < 0:
                numbers[target] = function(a)
                where = kink(a) if kink else None
            else:
                numbers[target] = function(a, numbers[j])
                where = kink(a, numbers[j]) if kink else None
            if where is not None:
                sides.append((where > 0) - (where < 0))
        total = sum(seed * numbers[k] for k, seed in self.seeds)
        return (total, sides) if isfinite(total) else None
