"""Recorded numbers against what they should be, in units in the last place (ULP).

Three questions: does each recorded number follow from the *recorded* numbers it was made of (the local audit:
one altered number is one culprit); how far does a full replay from the leaves end up from the record; and do
finite differences agree with the gradients. The verdict rests on the first, and on gradients that the last refutes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

from mgraph import seams
from mgraph.arithmetic.ops import LEAVES
from mgraph.checking.finite_differences import Differences, differentiate
from mgraph.document.strict_json import EXACT_INT
from mgraph.errors import ReplayError, shown
from mgraph.replaying.plan import Plan
from mgraph.replaying.reference import forward, sweep

CHUNK = 1024
"""Numbers that are compared at once, as bytes."""


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

    __module__ = "mgraph"

    node: str
    """The node's id."""
    field: str
    """``data`` or ``grad``."""
    recorded: float
    """The number on record."""
    expected: float
    """The number that follows from the others."""
    ulps: int
    """The distance between the two in units in the last place, 1 or more; 2**64 between a NaN and a number."""
    source: str | None = None
    """Where the node was made, if the document says so."""


@dataclass(frozen=True)
class Replayed:
    """How far a full replay ends up from the record, at most, and where."""

    data: Discrepancy | None = None
    """The node whose number is furthest off; None if the replay gives every recorded bit, or there was none."""
    grad: Discrepancy | None = None
    """The node whose gradient is furthest off, likewise."""

    @property
    def ulps(self) -> int:
        """The larger of the two distances, 0 or more."""
        return max((each.ulps for each in (self.data, self.grad) if each), default=0)


@dataclass(frozen=True)
class Report:
    """What ``verify`` found. ``ok`` is the verdict; exit status 0 if it holds, else 1. ``print`` shows all of it."""

    __module__ = "mgraph"

    tolerance: int
    """How far off a recorded number may be, in units in the last place, 0 or more."""
    strict: bool
    """Whether the distance of a full replay counts too."""
    data_checked: int
    """How many recorded numbers of operations the audit compared."""
    grad_checked: int
    """How many recorded gradients it compared."""
    audit: list[Discrepancy] = field(repr=False)
    """Every recorded number that the local audit would change, however little, in topological order."""
    suspects: list[str]
    """Ids of leaves whose consumers all disagree while what those feed agrees: then it is the leaf that was altered."""
    replayed: Replayed
    """How far a full replay ends up; empty if one was not possible."""
    missing: list[str]
    """Ids of leaves without a number: nothing that needs them can be checked, and no replay is made."""
    differences: Differences | None
    """The gradients against finite differences; None if they were left out, or no gradient is recorded."""

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

    def __repr__(self) -> str:
        return f"<Report {self.verdict}, {self.data_checked:,} data and {self.grad_checked:,} grad checked>"

    def __str__(self) -> str:
        return seams.text(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        return seams.display(self)


def count_ulps(distance: int) -> str:
    """A distance for a message."""
    return "NaN against a number" if distance >= 2**64 else f"{distance:,} ulp"


def verify(plan: Plan, tolerance: int | None = None, strict: bool = False, finite_differences: bool = True) -> Report:
    """Check a document against itself; see the module. With ``strict`` the full replay's distance counts too.

    ``tolerance`` is in ULP, by default the document's. Time and memory grow linearly with the document. Raises
    ReplayError for a tolerance that no document could state: it is from 0 to 2**53 - 1.
    """
    limit = plan.wiring.tolerance if tolerance is None else tolerance
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= EXACT_INT:
        raise ReplayError(f"a tolerance is a whole number of ulp, from 0 to 2**53 - 1, not {shown(limit)}")
    audit = _Audit(plan, limit)
    audit.check_data()
    audit.suspect_leaves()
    audit.check_gradients()
    return Report(
        tolerance=audit.limit,
        strict=strict,
        data_checked=len(audit.checked),
        grad_checked=len(audit.graded),
        audit=audit.in_order(),
        suspects=audit.suspects,
        replayed=Replayed() if plan.unset else audit.replayed(),
        missing=[plan.wiring.nodes[slot]["id"] for slot in plan.unset],
        differences=audit.differences() if finite_differences and audit.graded else None,
    )


Numbers = Sequence[float | None]
"""A number a slot; None where none is recorded, or none follows."""


class _Audit:
    """A record beside what follows from it: the steps of ``verify``, taken in the order in which they stand here.

    An altered number also makes what is computed from it disagree. So the numbers that disagree by more than the limit
    are set aside and computed, and what then agrees is cleared. The rest are the culprits. ``numbers`` are those on
    record, and where there is none what follows; in ``mended`` the culprits are computed too.
    """

    def __init__(self, plan: Plan, limit: int) -> None:
        wiring = plan.wiring
        self.plan, self.limit = plan, limit
        self.data: Numbers = wiring.data.numbers
        self.grad: Numbers = wiring.grad.numbers
        self.seeds = {wiring.index[name]: seed for name, seed in wiring.seeds.items()}
        self.checked = [k for k in plan.targets if self.data[k] is not None]
        self.graded: list[int] = []
        self.found: list[Discrepancy] = []
        self.suspects: list[str] = []
        self.untold: set[int] = set()  # slots whose gradients cannot be told

    def check_data(self) -> None:
        """Does each number follow from those on record?"""
        self.numbers, self.expected = _follow(self.plan, self.data)
        self.found = self._compare("data", self.checked, self.data, self.expected)
        self.off = self._past_limit(self.found)
        if self.off:
            self.found = self._uncleared(self.found, _follow(self.plan, _without(self.data, self.off))[1])
        self.culprits = self._past_limit(self.found)
        self.mended = self.numbers
        if self.culprits:
            self.mended, self.expected = _follow(self.plan, _without(self.data, self.culprits))

    def suspect_leaves(self) -> None:
        """Was a leaf altered, and not what is computed from it?

        Then all that is computed from it is to blame, and nothing else is; and the recorded numbers of those are borne
        out by what is computed from them. Two leaves with the same consumers cannot be told apart.
        """
        steps = list(zip(self.plan.targets, self.plan.left, self.plan.right, strict=True)) if self.culprits else []
        if not any(self._bears_out(t) for t, i, j in steps if i in self.culprits or j in self.culprits):
            return
        consumers: dict[int, set[int]] = {}
        for target, i, j in steps:
            consumers.setdefault(i, set()).add(target)
            consumers.setdefault(j, set()).add(target)
        nodes = self.plan.wiring.nodes
        leaves = [k for k, node in enumerate(nodes) if node["op"] in LEAVES and consumers.get(k) == self.culprits]
        if leaves:  # then what is computed from them is right
            self.suspects = [nodes[k]["id"] for k in leaves]
            self.untold = {slot for target, i, j in steps if target in self.culprits for slot in (i, j)}
            self.found = [each for each in self.found if each.ulps <= self.limit]
            self.mended = self.numbers

    def check_gradients(self) -> None:
        """Does each gradient follow from the numbers and the other gradients on record?"""
        self.untold |= _unknown(self.plan, self.numbers, self.grad)
        self.graded = [k for k, x in enumerate(self.grad) if x is not None and k not in self.untold]
        if not self.graded:
            return
        self.basis, self.passed = _filled(self.numbers, nan), self.grad
        self.adjoints = sweep(self.plan, self.basis, self.seeds, self.passed)
        found = self._compare("grad", self.graded, self.grad, _filled(self.adjoints, 0.0))
        off = self._past_limit(found)
        if off:
            self.basis, self.passed = _filled(self.mended, nan), _without(self.grad, off)
            self.adjoints = sweep(self.plan, self.basis, self.seeds, self.passed)
            found = self._uncleared(found, _filled(self.adjoints, 0.0))
        self.found += found

    def in_order(self) -> list[Discrepancy]:
        """All that was found, in topological order."""
        return sorted(self.found, key=lambda each: (self.plan.wiring.index[each.node], each.field))

    def replayed(self) -> Replayed:
        """How far does a replay from the leaves end up from the record?"""
        plan, numbers = self.plan, self.numbers
        # If every number is recorded and follows to the bit, a replay gives the record, by induction.
        follows = not self.found and len(self.checked) == len(plan.targets)
        if follows and len(self.graded) + len(plan.fixed) == plan.size:
            return Replayed()
        again = _filled(numbers, nan) if follows else forward(plan, {})
        back = _filled(sweep(plan, again, self.seeds), 0.0)
        return Replayed(
            _worst(self._compare("data", self.checked, self.data, again)),
            _worst(self._compare("grad", self.graded, self.grad, back)),
        )

    def differences(self) -> Differences:
        """Do finite differences agree with the gradients, those on record and those that the audit made of them?"""
        gradients = [
            None if k in self.untold else x if x is not None else adjoint
            for k, (x, adjoint) in enumerate(zip(self.grad, self.adjoints, strict=True))
        ]
        passed = [x if x is None or y is None else y for x, y in zip(self.adjoints, self.passed, strict=True)]
        return differentiate(self.plan, self.basis, passed, self.seeds, gradients, self.limit)

    def _compare(self, field: str, slots: Sequence[int], found: Numbers, wanted: Numbers) -> list[Discrepancy]:
        """The numbers of ``slots`` that are not what is wanted; where nothing is known, nothing is."""
        nodes, differing = self.plan.wiring.nodes, []
        for k in _unequal(slots, found, wanted):
            differing += _discrepancies(nodes[k]["id"], field, found[k], wanted[k], nodes[k].get("source"))
        return differing

    def _uncleared(self, found: list[Discrepancy], again: Numbers) -> list[Discrepancy]:
        """Those within the limit, and those that disagree ``again``, with those past the limit set aside."""
        index, kept = self.plan.wiring.index, []
        for each in found:
            x = each.expected if each.ulps <= self.limit else again[index[each.node]]
            kept += _discrepancies(each.node, each.field, each.recorded, x, each.source)
        return kept

    def _past_limit(self, found: list[Discrepancy]) -> set[int]:
        index = self.plan.wiring.index
        return {index[each.node] for each in found if each.ulps > self.limit}

    def _bears_out(self, slot: int) -> bool:
        """Whether a number agrees with the record of its operands, and would not with what they should be."""
        x, y = self.data[slot], self.expected[slot]
        return slot not in self.off and x is not None and y is not None and ulps(x, y) > self.limit


def _follow(plan: Plan, record: Numbers) -> tuple[list[float | None], list[float | None]]:
    """Every slot's number on record, else as it follows; and what each slot should hold by the first of these."""
    numbers = plan.initial.copy()
    expected = plan.initial.copy()
    for target, function, i, j in zip(plan.targets, plan.forwards, plan.left, plan.right, strict=True):
        a, b = numbers[i], numbers[j]
        if a is not None and (j < 0 or b is not None):
            expected[target] = function(a) if j < 0 else function(a, b)
        on_record = record[target]
        numbers[target] = expected[target] if on_record is None else on_record
    return numbers, expected


def _unequal(slots: Sequence[int], found: Numbers, wanted: Numbers) -> Iterator[int]:
    """The slots among which the numbers differ: those of every chunk whose bits are not all equal."""
    for start in range(0, len(slots), CHUNK):
        chunk = slots[start : start + CHUNK]
        x, y = [found[k] for k in chunk], [wanted[k] for k in chunk]
        doubles = f"{len(chunk)}d"
        if x != y or struct.pack(doubles, *x) != struct.pack(doubles, *y):  # the bytes tell the two zeros apart
            yield from chunk


def _discrepancies(node: str, field: str, x: float | None, y: float | None, source: str | None) -> list[Discrepancy]:
    """The one between what is on record and what should be, if there is one, and both are known."""
    if x is None or y is None:
        return []
    distance = ulps(x, y)
    return [Discrepancy(node, field, x, y, distance, source)] if distance else []


def _unknown(plan: Plan, data: Numbers, grad: Numbers) -> set[int]:
    """Slots whose adjoint cannot be told, since a number that it is made of is not recorded and does not follow."""
    found: set[int] = set()
    for step in range(len(plan.targets) - 1, -1, -1):
        target, i, j = plan.targets[step], plan.left[step], plan.right[step]
        missing = data[i] is None or data[target] is None or (j >= 0 and data[j] is None)
        if missing or (target in found and grad[target] is None):
            found |= {i, j}
    return found


def _filled(numbers: Numbers, filler: float) -> list[float]:
    """The numbers, with another one for those that are not known."""
    return [filler if x is None else x for x in numbers]


def _without(numbers: Numbers, slots: Iterable[int]) -> list[float | None]:
    kept = list(numbers)
    for slot in slots:
        kept[slot] = None
    return kept


def _worst(found: list[Discrepancy]) -> Discrepancy | None:
    return max(found, key=lambda d: d.ulps, default=None)
