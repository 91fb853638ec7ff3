"""Finite differences of every operation: a second opinion on the gradients that uses no derivative.

The gradient of a node is its seed plus, for each operation that uses it, slope · (gradient of the operation). Here the
slope is a central difference of the operation itself, at the numbers on record, and the gradient of the operation is
the one on record, which is checked in the same way; so by induction, from the outputs to the leaves, all of them are.
A graph costs a few evaluations of each of its operations, however deep it is, and what it computes as a whole may vary
as fast as it likes.

The difference is the one of fourth order (B. Fornberg, Mathematics of Computation 51 (1988) 699-706, table 1), which is
Richardson's extrapolation of two central differences:

    f'(x) = D(h) + (D(h) - D(2h))/3 + h⁴/30·f⁽⁵⁾(ξ),     D(h) = (f(x+h) - f(x-h))/2h

An operation is known, so its error is bounded and not guessed: over its *scale* L, which its row states for each
operand, an operation keeps its shape, in that |f''|·L ≤ 2·(|f'| + |f|/L) and |f⁽⁵⁾|·L⁴ ≤ 120·(|f'| + |f|/L). With h
about L/3000 the truncation and the rounding of f, which is correctly rounded, both come to about 2⁻⁴⁰ of |f'| + |f|/L.
At a kink and at the edge of the domain the scale is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import frexp, isfinite, ldexp, ulp
from typing import NamedTuple

from mgraph.arithmetic.ops import OPS, Op
from mgraph.replaying.plan import Plan

UNIT = 2.0**-52
BUDGET = 10_000
"""About how many slopes to estimate: a tenth of a second. Of a larger graph, gradients drawn by lot are compared; drawn
evenly, they could fall on one operation of a pattern that repeats."""
STEP = 2.0**-11
"""The step, at most, in scales…"""
COARSEST = 2.0**-5
"""… or this, where neighbouring doubles are further apart than that."""
UNDERFLOW = 2.0**-1060
"""What a slope may lose to a subnormal on its way: one rounding, 2**-1075, times a factor that it still gets."""
SLOPE_ROUNDINGS = 16
"""Roundings, at most, of a gradient's product with a slope, on record and here."""

OWN_NOT_FINITE = "its gradient is not finite"
NOT_FINITE = "a number or a gradient of an operation that uses it is not finite"
AT_KINK = "at a kink, where there is no derivative"
AT_EDGE = "at the edge of the domain of an operation that uses it"
TOO_COARSE = "the doubles next to it are too far apart for an operation that uses it"
UNDEFINED = "an operation that uses it is not finite at the numbers next to it"


@dataclass(frozen=True)
class Difference:
    """One gradient beside its finite difference, all in units of S = Σ seed·output per unit of the node."""

    node: str
    grad: float
    """The gradient on record; where there is none, what follows from those on record."""
    estimate: float
    """The gradient by finite differences of the operations that use the node."""
    error: float
    """How far the right gradient may be from ``estimate``, 0 or more."""

    @property
    def agrees(self) -> bool:
        """Whether the gradient lies within the error."""
        return abs(self.grad - self.estimate) <= self.error


@dataclass(frozen=True)
class Differences:
    """The gradients that were compared with finite differences, and those that could not be."""

    compared: list[Difference]
    """In topological order."""
    skipped: dict[str, str]
    """Why a gradient could not be compared, by the node's id."""
    candidates: int
    """How many gradients there are. Of a large graph, ``compared`` and ``skipped`` hold a part of them."""

    @property
    def refuted(self) -> list[Difference]:
        """The gradients outside their error, the clearest first."""
        off = [each for each in self.compared if not each.agrees]
        return sorted(off, key=lambda d: -abs(d.grad - d.estimate) / max(d.error, 1e-300))


def differentiate(
    plan: Plan,
    data: Sequence[float],
    adjoints: Sequence[float | None],
    seeds: Mapping[int, float],
    gradients: Sequence[float | None],
    tolerance: int = 0,
) -> Differences:
    """Compare ``gradients`` with finite differences; all by slot.

    ``adjoints`` are the gradients that operations pass on, None where no seed reaches; a gradient that is None is none
    to compare. ``tolerance``, in units in the last place, is what each number on record may be off by itself. Cost:
    one look at each operation, and about BUDGET slopes.
    """
    nodes = plan.wiring.nodes
    candidates = [k for k, gradient in enumerate(gradients) if gradient is not None]
    sums = {k: _Sum(seeds.get(k, 0.0)) for k in _drawn(candidates, BUDGET / max(1, 2 * len(plan.targets)))}
    for target, i, j in zip(plan.targets, plan.left, plan.right, strict=True):
        adjoint = adjoints[target]
        if adjoint is not None and (i in sums or j in sums):
            op = OPS[nodes[target]["op"]]
            operands = (data[i],) if j < 0 else (data[i], data[j])
            for place, slot in enumerate((i, j)[: op.arity]):
                if slot in sums:
                    sums[slot].add(op, slope_of(op, operands, place, tolerance), adjoint)
    compared: list[Difference] = []
    skipped: dict[str, str] = {}
    for k, found in sums.items():
        name, gradient, error = nodes[k]["id"], gradients[k], found.bound(tolerance)
        assert gradient is not None
        if not isfinite(gradient):
            skipped[name] = OWN_NOT_FINITE
        elif found.reason or not isfinite(found.estimate + error):
            skipped[name] = found.reason or NOT_FINITE
        else:
            compared.append(Difference(name, gradient, found.estimate, error))
    return Differences(compared, skipped, len(candidates))


def _drawn(slots: list[int], share: float) -> list[int]:
    """A share of the slots in their order, always the same ones, and at least one; all of them for a share past 1."""
    if share >= 1.0 or not slots:
        return slots
    from random import Random

    return sorted(Random(0).sample(slots, 1 + int(share * len(slots))))


class Slope(NamedTuple):
    """The derivative of an operation with respect to one operand, and how far the right one may be from it."""

    value: float
    error: float


class _Sum:
    """The gradient of a node by finite differences, as what each use of the node contributes is added."""

    def __init__(self, seed: float) -> None:
        self.estimate, self.error = seed, 0.0
        self.size, self.terms = abs(seed), 0  # what roundings are relative to, and how many there are
        self.reason = ""

    def add(self, op: Op, slope: Slope | str, adjoint: float) -> None:
        if isinstance(slope, str):
            self.reason = slope
        elif not isfinite(adjoint) and op.branches and slope.value == 0.0:
            return  # a branch that was not taken contributes nothing
        else:
            contribution = slope.value * adjoint
            self.estimate += contribution
            self.error += slope.error * abs(adjoint)
            self.size += abs(contribution)
            self.terms += 1

    def bound(self, tolerance: int) -> float:
        """How far the gradient may be from the estimate: by the slopes' errors, and by its own roundings."""
        rounding = UNIT * ((self.terms + SLOPE_ROUNDINGS) * self.size + tolerance * abs(self.estimate))
        return self.error + rounding + UNDERFLOW * (self.terms + 1)


def slope_of(op: Op, operands: tuple[float, ...], place: int, tolerance: int = 0) -> Slope | str:
    """The derivative of an op with respect to an operand by a central difference, or why there is none."""
    if not all(map(isfinite, operands)):
        return NOT_FINITE
    x, scale = operands[place], op.scale[place](*operands)
    if not scale > 0.0:
        return AT_KINK if op.kink else AT_EDGE
    h = max(ldexp(STEP, frexp(scale)[1] - 1), 4.0 * ulp(x))  # a power of two, so that x ± h is exact but near one
    if h > COARSEST * scale:
        return TOO_COARSE
    low, below, above, high = points = (x - 2.0 * h, x - h, x + h, x + 2.0 * h)
    before, after = operands[:place], operands[place + 1 :]
    first, second, third, fourth = values = [op.forward(*before, point, *after) for point in points]
    near, far = (third - second) / (above - below), (fourth - first) / (high - low)
    slope = near + (near - far) / 3.0
    if op.kink:  # between kinks these ops return an operand, its negative or a whole number: nothing is rounded
        return Slope(slope, 0.0) if isfinite(slope) else UNDEFINED
    size = max(map(abs, values))
    rounding = UNIT * size + 2.0**-1073  # of the four values: half a unit each, with weights that add up to 3/2
    off = 8.0 * (h / scale) ** 4 + 4.0 * ulp(abs(x) + 2.0 * h) / scale + 2.0 * UNIT * tolerance
    error = off * (abs(slope) + size / scale) + rounding / h + UNDERFLOW
    return Slope(slope, error) if isfinite(slope + error) else UNDEFINED
