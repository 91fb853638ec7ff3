"""A document compiled to flat arrays: what an engine loops over, with no names and no dictionaries left.

Node k of the document has slot k; each literal operand has a slot of its own behind the nodes. A *step* is one
operation: the slot it fills, and the slots of its operands.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from mgraph.arithmetic.ops import CONSTANT, OPS, Function
from mgraph.document.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in topological order, as parallel lists, and the numbers that are there before the first one.

    ``initial`` has one entry a slot: the number of a leaf or literal, None for what a step fills and for a leaf
    that the document gives no number. ``right`` is -1 for an op of one operand. ``partials[s]`` are the partial
    derivatives of step s by operand, None where the operand is a constant and gets no adjoint; ``branches[s]``
    says that a partial of 0 is a branch not taken.
    """

    wiring: Wiring
    initial: list[float | None]
    targets: list[int]
    forwards: list[Function]
    left: list[int]
    right: list[int]
    partials: list[tuple[Function | None, Function | None]]
    branches: list[bool]

    unset: list[int]
    """Slots of the leaves that have no number."""
    fixed: set[int]
    """Slots of the constants."""

    @property
    def size(self) -> int:
        """How many slots are nodes."""
        return len(self.wiring)

    def frozen(self, slots: Collection[int]) -> Plan:
        """The plan without the steps that fill ``slots``: those nodes act as leaves."""
        if not any("args" in self.wiring.nodes[slot] for slot in slots):
            return self
        keep = [s for s, target in enumerate(self.targets) if target not in slots]
        return replace(
            self,
            targets=[self.targets[s] for s in keep],
            forwards=[self.forwards[s] for s in keep],
            left=[self.left[s] for s in keep],
            right=[self.right[s] for s in keep],
            partials=[self.partials[s] for s in keep],
            branches=[self.branches[s] for s in keep],
        )


_Row = tuple[Function, tuple[Function | None, Function | None], int, bool]
_ROWS: dict[str, _Row] = {
    name: (op.forward, (op.partials[0], op.partials[1] if op.arity == 2 else None), op.arity, op.branches)
    for name, op in OPS.items()
}


def compile_plan(wiring: Wiring) -> Plan:
    """Flatten a wiring. Linear in nodes and operands."""
    nodes = wiring.nodes
    fixed: set[int] = set()
    unset: list[int] = []
    initial: list[float | None] = [None] * len(nodes)
    plan = Plan(wiring, initial, [], [], [], [], [], [], unset, fixed)
    operand = iter(wiring.operands)
    for k, node in enumerate(nodes):
        row = _ROWS.get(node["op"])
        if row is None:
            if "data" in node:
                initial[k] = float(node["data"])
            else:
                unset.append(k)
            if node["op"] == CONSTANT:  # before its consumers
                fixed.add(k)
            continue
        forward, partials, arity, branches = row
        i, j = next(operand), next(operand) if arity == 2 else -1
        if i < 0 or i in fixed:
            partials = (None, partials[1])
            if i < 0:
                i = len(initial)
                initial.append(node["args"][0])  # type: ignore[arg-type]  # a literal is a number
        if arity == 2 and (j < 0 or j in fixed):
            partials = (partials[0], None)
            if j < 0:
                j = len(initial)
                initial.append(node["args"][1])  # type: ignore[arg-type]
        plan.targets.append(k)
        plan.forwards.append(forward)
        plan.left.append(i)
        plan.right.append(j)
        plan.partials.append(partials)
        plan.branches.append(branches)
    return plan
