"""Recorded numbers against what they should be, in units in the last place (ULP).

Three questions: does each recorded number follow from the *recorded* numbers it was made of (the local audit:
one altered number is one culprit); how far does a full replay from the leaves end up from the record; and do
finite differences agree with the gradients. The verdict rests on the first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import nan

from mgraph.differences import Differences, differentiate
from mgraph.document import Document
from mgraph.errors import ReplayError
from mgraph.ops import LEAVES
from mgraph.plan import Plan
from mgraph.replay import forward, sweep


def ulps(x: float, y: float) -> int:
    """How many doubles lie from ``x`` to ``y``: 0 for the same bits, 1 between neighbours and between the two
    zeros. Any two NaNs count as the same; a NaN and a number are 2**64 apart."""
    if x != x or y != y:
        return 0 if x != x and y != y else 2**64
    return abs(_rank(x) - _rank(y))


def _rank(x: float) -> int:
    """The double's place in the order of all doubles, +0.0 at 0 and -0.0 at -1."""
    (bits,) = struct.unpack("<q", struct.pack("<d", x))
    return int(bits) if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF) - 1


@dataclass(frozen=True)
class Discrepancy:
    """One recorded number that is not what it should be."""

    node: str
    field: str
    """``data`` or ``grad``."""
    recorded: float
    expected: float
    ulps: int


@dataclass(frozen=True)
class Replayed:
    """How far a full replay ends up from the record, at most, and where."""

    data: Discrepancy | None = None
    grad: Discrepancy | None = None

    @property
    def ulps(self) -> int:
        """The larger of the two distances."""
        return max((each.ulps for each in (self.data, self.grad) if each), default=0)


@dataclass(frozen=True)
class Report:
    """What ``verify`` found. ``ok`` is the verdict; exit status 0 if it holds, else 1."""

    tolerance: int
    strict: bool
    data_checked: int
    grad_checked: int
    audit: list[Discrepancy] = field(repr=False)
    """Every recorded number that the local audit would change, however little, in topological order."""
    suspects: list[str]
    """Leaves whose consumers all disagree while what those feed agrees: then it is the leaf that was altered."""
    replayed: Replayed
    missing: list[str]
    """Leaves without a number: nothing that needs them can be checked, and no replay is made."""
    differences: Differences | None

    @property
    def culprits(self) -> list[Discrepancy]:
        """The recorded numbers that are off by more than the tolerance."""
        return [each for each in self.audit if each.ulps > self.tolerance]

    @property
    def within(self) -> int:
        """The largest distance, in ULP, that the local audit found."""
        return max((each.ulps for each in self.audit), default=0)

    @property
    def ok(self) -> bool:
        """Whether the record holds: within the tolerance, and no gradient that finite differences refute."""
        if self.culprits or self.suspects or (self.differences is not None and self.differences.refuted):
            return False
        return not (self.strict and (self.missing or self.replayed.ulps > self.tolerance))

    @property
    def verdict(self) -> str:
        """``exact``, ``within N ulp``, ``differs at …``, or that there was nothing to check."""
        if self.suspects:
            return f"differs at {' or '.join(self.suspects)} (a leaf; all that is computed from it disagrees)"
        if self.culprits:
            first, more = self.culprits[0], len(self.culprits) - 1
            also = f" (and {more:,} more)" if more else ""
            return f"differs at {first.node} ({first.field}, {count_ulps(first.ulps)}){also}"
        if self.strict and self.replayed.ulps > self.tolerance:
            worst = max((d for d in (self.replayed.data, self.replayed.grad) if d), key=lambda d: d.ulps)
            return f"differs at {worst.node} ({worst.field}, {count_ulps(worst.ulps)} after a full replay)"
        if self.strict and self.missing:
            return f"not replayed: no number for {', '.join(self.missing[:4])}"
        if self.differences is not None and self.differences.refuted:
            return f"differs at {self.differences.refuted[0].node} (grad, refuted by finite differences)"
        if not self.data_checked + self.grad_checked:
            return "nothing recorded to check"
        return f"within {count_ulps(self.within)}" if self.within else "exact"


def count_ulps(distance: int) -> str:
    """A distance for a message."""
    return "NaN against a number" if distance >= 2**64 else f"{distance:,} ulp"


def tolerance_of(document: Document, given: int | None) -> int:
    """The tolerance in ULP: the one given, else the document's, else 0. Raises ReplayError if negative."""
    if given is not None and given < 0:
        raise ReplayError(f"a tolerance is 0 ulp or more, not {given}")
    if given is not None:
        return given
    return document["tolerance"]["ulps"] if "tolerance" in document else 0


def verify(plan: Plan, tolerance: int | None = None, strict: bool = False, finite_differences: bool = True) -> Report:
    """Check a document against itself; see the module. With ``strict`` the full replay's distance counts too."""
    wiring = plan.wiring
    limit = tolerance_of(wiring.document, tolerance)
    data = [_float(node.get("data")) for node in wiring.nodes]
    grad = [_float(node.get("grad")) for node in wiring.nodes]
    seeds = {wiring.index[name]: seed for name, seed in wiring.seeds.items()}
    missing = [wiring.nodes[slot]["id"] for slot in plan.unset]
    checked = [k for k, node in enumerate(wiring.nodes) if node["op"] not in LEAVES and data[k] is not None]

    audited, expected = _audit_data(plan, data)
    audit, culprits, off = _blame(plan, checked, "data", data, expected, limit, lambda kept: _audit_data(plan, kept)[1])
    computed, corrected = _audit_data(plan, _without(data, culprits)) if culprits else (audited, expected)
    suspects, beside = _suspects(plan, culprits, off, data, corrected, limit)
    if suspects:  # then the leaf is the culprit, and what is computed from it is right
        audit, computed = [d for d in audit if d.ulps <= limit], audited

    unknown = _unknown(plan, audited, grad)
    graded = [k for k, x in enumerate(grad) if x is not None and k not in unknown and k not in beside]
    if graded:
        first, known = _settled(sweep(plan, _known(audited), seeds, grad)), _known(computed)
        audit += _blame(
            plan, graded, "grad", grad, first, limit, lambda kept: _settled(sweep(plan, known, seeds, kept))
        )[0]

    replayed, differences = Replayed(), None
    if not missing:
        # If every number is recorded and follows to the bit, a replay gives the record, by induction.
        follows = not audit and len(checked) == len(plan.targets)
        again = _known(audited) if follows else forward(plan, {})
        whole = follows and len(graded) + len(plan.fixed) == plan.size
        back: Sequence[float | None] = grad if whole else _settled(sweep(plan, again, seeds))
        replayed = Replayed(
            _worst(_compare(plan, checked, "data", data, again)), _worst(_compare(plan, graded, "grad", grad, back))
        )
        if finite_differences and graded:
            differences = differentiate(plan, again, seeds, graded, grad, limit)
    order = sorted(audit, key=lambda d: (wiring.index[d.node], d.field))
    return Report(limit, strict, len(checked), len(graded), order, suspects, replayed, missing, differences)


def _audit_data(plan: Plan, data: Sequence[float | None]) -> tuple[list[float | None], list[float | None]]:
    """Every slot's number as recorded (or, where it is not, as it follows), and what each step makes of those."""
    audited = plan.initial.copy()
    expected: list[float | None] = [None] * plan.size
    for target, function, i, j in zip(plan.targets, plan.forwards, plan.left, plan.right, strict=True):
        a, b = audited[i], audited[j]
        if a is not None and (j < 0 or b is not None):
            expected[target] = function(a) if j < 0 else function(a, b)
        on_record = data[target]
        audited[target] = expected[target] if on_record is None else on_record
    return audited, expected


def _blame(
    plan: Plan,
    slots: Sequence[int],
    what: str,
    found: Sequence[float | None],
    expected: Sequence[float | None],
    limit: int,
    again: Callable[[list[float | None]], Sequence[float | None]],
) -> tuple[list[Discrepancy], set[int], set[int]]:
    """The discrepancies against ``expected``, the slots to blame, and all that disagreed at first.

    An altered number also makes what is computed from it disagree. So those that disagree by more than ``limit``
    are left out of the record and computed, and what then agrees is not to blame.
    """
    audit = _compare(plan, slots, what, found, expected)
    index = plan.wiring.index
    off = {index[each.node] for each in audit if each.ulps > limit}
    if not off:
        return audit, set(), off
    second = {d.node: d for d in _compare(plan, sorted(off), what, found, again(_without(found, off)))}
    kept = [d for each in audit if (d := second.get(each.node) if each.ulps > limit else each)]
    return kept, {index[d.node] for d in kept if d.ulps > limit}, off


def _suspects(
    plan: Plan,
    culprits: set[int],
    off: set[int],
    data: Sequence[float | None],
    corrected: Sequence[float | None],
    limit: int,
) -> tuple[list[str], set[int]]:
    """The leaves that may have been altered, and the slots whose gradients cannot be told without them.

    If a leaf was altered, all that is computed from it is to blame, and nothing else is; and the recorded numbers
    of those are borne out by what is computed from them: it agrees with them, and would not with the numbers that
    they should be. Two leaves with the same consumers cannot be told apart.
    """
    if not culprits:
        return [], set()
    consumers: dict[int, set[int]] = {}
    steps = list(zip(plan.targets, plan.left, plan.right, strict=True))
    for target, i, j in steps:
        consumers.setdefault(i, set()).add(target)
        consumers.setdefault(j, set()).add(target)

    def borne_out(slot: int) -> bool:
        return any(
            u not in off and (x := data[u]) is not None and (y := corrected[u]) is not None and ulps(x, y) > limit
            for u in consumers.get(slot, ())
        )

    nodes = plan.wiring.nodes
    leaves = [
        k
        for k, node in enumerate(nodes)
        if node["op"] in LEAVES and consumers.get(k) == culprits and any(map(borne_out, culprits))
    ]
    beside = {slot for target, i, j in steps if target in culprits for slot in (i, j)} if leaves else set()
    return [nodes[k]["id"] for k in leaves], beside


def _unknown(plan: Plan, data: Sequence[float | None], grad: Sequence[float | None]) -> set[int]:
    """Slots whose adjoint cannot be told, since a number that it is made of is not recorded and does not follow."""
    found: set[int] = set()
    for step in range(len(plan.targets) - 1, -1, -1):
        target, i, j = plan.targets[step], plan.left[step], plan.right[step]
        missing = data[i] is None or data[target] is None or (j >= 0 and data[j] is None)
        if missing or (target in found and grad[target] is None):
            found |= {i, j}
    return found


def _known(numbers: Sequence[float | None]) -> list[float]:
    """The numbers with NaN for those that are not known."""
    return [nan if x is None else x for x in numbers]


def _without(numbers: Sequence[float | None], slots: Iterable[int]) -> list[float | None]:
    kept = list(numbers)
    for slot in slots:
        kept[slot] = None
    return kept


def _compare(
    plan: Plan, slots: Sequence[int], what: str, found: Sequence[float | None], wanted: Sequence[float | None]
) -> list[Discrepancy]:
    nodes, differing = plan.wiring.nodes, []
    for k in slots:
        x, y = found[k], wanted[k]
        if x is not None and y is not None:
            distance = ulps(x, y)
            if distance:
                differing.append(Discrepancy(nodes[k]["id"], what, x, y, distance))
    return differing


def _worst(found: list[Discrepancy]) -> Discrepancy | None:
    return max(found, key=lambda d: d.ulps, default=None)


def _settled(adjoints: Sequence[float | None]) -> list[float | None]:
    return [0.0 if x is None else x for x in adjoints]


def _float(recorded: float | str | None) -> float | None:
    return None if recorded is None else float(recorded)
