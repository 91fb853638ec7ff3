"""The reference engine: a plan swept forward and backward in plain Python. It defines the bits.

A node's adjoint is its seed (or 0) plus its consumers' contributions, added from the last consumer to the first
and within a consumer from the first operand to the last. A node that no seed reaches by a branch that was taken
has adjoint 0 and contributes nothing: it is not multiplied by 0, so an infinity there makes no NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mgraph.replaying.plan import Plan

Execute = Callable[
    [Plan, Mapping[int, float], Mapping[int, float] | None], tuple[Sequence[float], Sequence[float | None]]
]
"""An engine: a plan, the leaves' numbers and the seeds, by slot; gives the numbers and the adjoints."""


def reference(
    plan: Plan, leaves: Mapping[int, float], seeds: Mapping[int, float] | None
) -> tuple[list[float], Sequence[float | None]]:
    """The numbers by slot, and the adjoints of the nodes if there are seeds, in plain Python."""
    data = forward(plan, leaves)
    if seeds is None:
        return data, [None] * plan.size
    return data, [0.0 if x is None else x for x in sweep(plan, data, seeds)]


def forward(plan: Plan, leaves: Mapping[int, float]) -> list[float]:
    """Fill every slot: ``leaves`` by slot over the plan's initial numbers, then the steps in order."""
    data: list[float] = plan.initial.copy()  # type: ignore[assignment]
    for slot, x in leaves.items():
        data[slot] = x
    for target, function, i, j in zip(plan.targets, plan.forwards, plan.left, plan.right, strict=True):
        data[target] = function(data[i]) if j < 0 else function(data[i], data[j])
    return data


def sweep(
    plan: Plan,
    data: Sequence[float],
    seeds: Mapping[int, float],
    recorded: Sequence[float | None] | None = None,
) -> list[float | None]:
    """The adjoint of each node by slot; None where no seed reaches. Reverse-mode accumulation (Griewank and
    Walther, Evaluating Derivatives, 2nd ed., section 3.2).

    With ``recorded``, a node passes on its recorded adjoint, where there is one, in place of the one found here.
    """
    adjoints: list[float | None] = [None] * plan.size
    for slot, seed in seeds.items():
        adjoints[slot] = 0.0 + seed
    targets, partials, left, right, branches = plan.targets, plan.partials, plan.left, plan.right, plan.branches
    for step in range(len(targets) - 1, -1, -1):
        target = targets[step]
        adjoint = adjoints[target]
        if adjoint is None:
            continue
        if recorded is not None:
            on_record = recorded[target]
            adjoint = adjoint if on_record is None else on_record
        i, j = left[step], right[step]
        first, second = partials[step]
        if first is not None:
            slope = first(data[i], data[target]) if j < 0 else first(data[i], data[j], data[target])
            if slope != 0.0 or not branches[step]:
                found = adjoints[i]
                adjoints[i] = (0.0 if found is None else found) + slope * adjoint
        if second is not None:
            slope = second(data[i], data[j], data[target])
            if slope != 0.0 or not branches[step]:
                found = adjoints[j]
                adjoints[j] = (0.0 if found is None else found) + slope * adjoint
    return adjoints
