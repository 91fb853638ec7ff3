"""A document compiled to flat arrays: what an engine loops over, with no names and no dictionaries left.

Node k of the document has slot k; each literal operand has a slot of its own behind the nodes. A *step* is one
operation: the slot it fills, and the slots of its operands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from mgraph.graph import Wiring
from mgraph.ops import OPS

Function = Callable[..., float]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in topological order, as parallel lists, and the numbers that are there before the first one.

    ``initial`` has one entry a slot: the number of a leaf or literal, None for what a step fills and for a leaf
    that the document gives no number. ``right`` is -1 for an op of one operand. ``partials[s]`` are the partial
    derivatives of step s by operand, None where the operand is a constant and gets no adjoint; ``selects[s]``
    says that a partial of 0 is a branch not taken.
    """

    wiring: Wiring
    initial: list[float | None]
    targets: list[int]
    forwards: list[Function]
    left: list[int]
    right: list[int]
    partials: list[tuple[Function | None, Function | None]]
    selects: list[bool]

    @property
    def size(self) -> int:
        """How many slots are nodes."""
        return len(self.wiring)

    def missing(self) -> list[str]:
        """Ids of the leaves without a number."""
        computed = set(self.targets)
        return [node["id"] for k, node in enumerate(self.wiring.nodes) if self.initial[k] is None and k not in computed]

    def frozen(self, slots: Collection[int]) -> Plan:
        """The plan without the steps that fill ``slots``: those nodes act as leaves."""
        keep = [s for s, target in enumerate(self.targets) if target not in slots]
        if len(keep) == len(self.targets):
            return self
        return replace(
            self,
            targets=[self.targets[s] for s in keep],
            forwards=[self.forwards[s] for s in keep],
            left=[self.left[s] for s in keep],
            right=[self.right[s] for s in keep],
            partials=[self.partials[s] for s in keep],
            selects=[self.selects[s] for s in keep],
        )


def compile_plan(wiring: Wiring) -> Plan:
    """Flatten a wiring. Linear in nodes and operands."""
    index, nodes = wiring.index, wiring.nodes
    fixed = {index[name] for name in wiring.constants}
    initial: list[float | None] = [None] * len(nodes)
    literals: list[float] = []
    first_literal = len(nodes)
    targets: list[int] = []
    forwards: list[Function] = []
    left: list[int] = []
    right: list[int] = []
    partials: list[tuple[Function | None, Function | None]] = []
    selects: list[bool] = []
    for k, node in enumerate(nodes):
        op = OPS.get(node["op"])
        if op is None:
            if "data" in node:
                initial[k] = float(node["data"])
            continue
        slots = []
        wanted: list[Function | None] = []
        for operand, partial in zip(node["args"], op.partials, strict=True):
            if operand.__class__ is str:
                slot = index[operand]
                wanted.append(None if slot in fixed else partial)
            else:
                slot = first_literal + len(literals)
                literals.append(operand)  # type: ignore[arg-type]
                wanted.append(None)
            slots.append(slot)
        targets.append(k)
        forwards.append(op.forward)
        left.append(slots[0])
        if len(slots) == 2:
            right.append(slots[1])
            partials.append((wanted[0], wanted[1]))
        else:
            right.append(-1)
            partials.append((wanted[0], None))
        selects.append(op.selects)
    initial += literals
    return Plan(wiring, initial, targets, forwards, left, right, partials, selects)
