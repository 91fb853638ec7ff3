"""A plan laid out for machine code: where each number lives, and in what groups and order the loops visit them.

A position is a place in the array of numbers: the leaves come first, then the operations, group by group, then the
literals. The array ``adjoints`` holds the nodes' adjoints at their positions, behind the last position what steps
contribute to their operands, and at the end the seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from mgraph.arithmetic.ops import OPS
from mgraph.errors import ReplayError
from mgraph.replaying.compiled.machine_code import Code
from mgraph.replaying.compiled.native import Array, Bytes, Longs, Places
from mgraph.replaying.plan import Plan

CODES = {name: code for code, name in enumerate(OPS)}
UNIT = "1"
"""The formula of a partial whose contribution is the adjoint itself."""
_UNITS = np.array([[formula == UNIT for formula in (*op.derivatives, "")[:2]] for op in OPS.values()])


# Why a layout: in the document's order each step is of another op than the one before, and a processor that has to ask
# which cannot look ahead. So steps of one op that do not wait for each other, because they are on one level (one more
# than the highest level of their operands), become a group, which one loop computes without asking. On the way back,
# nodes add up different numbers of contributions, each in the order that the format defines. So the first contribution
# to every node of a group is taken, then the second to all that have two, and so on: each of these diagonals is a loop
# over nodes that do not wait for each other either. This is worked out once; what is left for a replay are loops over
# arrays.
@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a plan with n nodes, P slots, S operations in G groups.

    The backward pass has G + 1 turns: the groups, the last one first, and then the leaves. They add up E numbers, by D
    diagonals.
    """

    position: Longs
    """(P,) The position of each slot of the plan: a node or a literal."""
    left: Places
    right: Places
    """(S,) Positions of the operands of each operation, in the groups' order; ``right`` is 0 for an op of one."""
    starts: Places
    """(G + 1,) Where each group begins, counted in operations, and last S."""
    codes: Bytes
    """(G,) The op of each group: its row in the table."""
    passes: Bytes
    """(G,) 4·code + mask; bit k of the mask is set if operand k receives a contribution."""
    places: Places
    """(2·G,) Where in ``adjoints`` the contributions of each group to its first operands begin, and then those to its
    second operands. Where the factor is 1 they are the group's adjoints themselves."""
    edges: Places
    """(E,) Places in ``adjoints`` of the numbers that are added up, diagonal by diagonal in the order of the turns."""
    diagonals: Places
    """(D,) How many edges each diagonal has: one for each of the first so many nodes of its group."""
    widths: Places
    """(G + 1,) How many diagonals each turn has."""
    seeds: Longs
    """Slots of the nodes that may be seeded, in the order of their seeds."""
    groups: int
    """G."""
    base: int
    """How many leaves there are: the position of the first operation."""
    nodes: int
    """n."""
    adjoints: int
    """How many adjoints, contributions and seeds there are."""


def lay_out(plan: Plan, seeds: Iterable[int], requested: Iterable[int] | None = None) -> Layout:
    """The layout of a plan whose backward pass may start at the slots ``seeds``.

    Contributions are computed where they can reach a slot of ``requested``, by default every one. Raises ReplayError
    for a graph that 32 bits cannot number.
    """
    nodes, seeded = plan.size, np.array(sorted(seeds), np.int64)
    steps = _steps(plan, seeded, requested)
    order, starts, position = _groups(steps, nodes)
    base, lengths, heads = nodes - len(order), np.diff(starts), order[starts[:-1]]
    code, mask, groups = steps.code[heads], steps.mask[heads], len(heads)

    # Contributions lie behind the positions, but where they are the adjoints themselves.
    own = ~_UNITS[code].T & (mask >> np.array([[0], [1]]) & 1 == 1)
    ends = len(position) + np.cumsum(own * lengths).reshape(2, groups)
    places = np.where(own, ends - lengths, base + starts[:-1])
    behind = int(ends.max(initial=len(position)))
    if behind + len(seeded) >= 2**32:
        raise ReplayError(f"{nodes:,} nodes are more than the compiled engine can number; the reference engine can")

    counts = np.empty(nodes, np.int64)
    counts[position[:nodes]] = steps.terms[:nodes]
    turn = np.concatenate([np.full(base, groups), np.repeat(np.arange(groups)[::-1], lengths)])
    widths, diagonals, at, diagonal = _diagonals(turn, counts, groups)
    edges = np.empty(counts.sum(), np.int64)
    sources = np.arange(len(order)) + np.repeat(places - starts[:-1], lengths, axis=1)
    run(_connect, steps, position, sources.ravel(), seeded, diagonals, at, diagonal, edges, base, len(seeded), behind)
    return Layout(
        position=position,
        left=position[steps.left[order]].astype(np.uint32),
        right=position[np.maximum(steps.right[order], 0)].astype(np.uint32),
        starts=starts.astype(np.uint32),
        codes=code.astype(np.uint8),
        passes=(4 * code + mask).astype(np.uint8),
        places=places.ravel().astype(np.uint32),
        edges=edges.astype(np.uint32),
        diagonals=diagonals.astype(np.uint32),
        widths=widths.astype(np.uint32),
        seeds=seeded,
        groups=groups,
        base=base,
        nodes=nodes,
        adjoints=behind + len(seeded),
    )


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a plan, in the document's order, and what their layout depends on."""

    code: Longs
    target: Longs
    left: Longs
    right: Longs
    """(S,) The op, and the slots of the result and of the operands; ``right`` is -1 for an op of one."""
    mask: Longs
    """(S,) Bit k is set if the step contributes to its operand k."""
    level: Longs
    """(P,) 0 for what is given, else one more than the highest level of the operands."""
    terms: Longs
    """(P,) How many contributions and seeds add up to each slot's adjoint."""
    count: int
    """S."""


def _steps(plan: Plan, seeded: Array, requested: Iterable[int] | None) -> Steps:
    slots, count, nodes = len(plan.initial), len(plan.targets), plan.wiring.nodes
    differentiable, needed = np.zeros(slots, np.uint8), np.zeros(slots, np.uint8)
    differentiable[: len(nodes)] = True
    differentiable[list(plan.fixed)] = False
    needed[slice(len(nodes)) if requested is None else list(requested)] = True
    steps = Steps(
        code=np.array([CODES[nodes[target]["op"]] for target in plan.targets], np.int64),
        target=np.array(plan.targets, np.int64),
        left=np.array(plan.left, np.int64),
        right=np.array(plan.right, np.int64),
        mask=np.zeros(count, np.int64),
        level=np.zeros(slots, np.int64),
        terms=np.zeros(slots, np.int64),
        count=count,
    )
    steps.terms[seeded] = 1
    run(_trace, steps, differentiable, needed)
    return steps


def _trace(steps: Steps, differentiable: Bytes, needed: Bytes) -> None:
    """Fill in the levels and what needs a slot that is needed; then, from the last step to the first, who contributes
    to whom: a step whose adjoint has terms, to an operand that is needed and differentiable."""
    for s in range(steps.count):
        t, i, j = steps.target[s], steps.left[s], steps.right[s]
        steps.level[t] = 1 + steps.level[i]
        needed[t] |= needed[i]
        if j >= 0:
            needed[t] |= needed[j]
            if steps.level[j] >= steps.level[t]:
                steps.level[t] = 1 + steps.level[j]
    for s in range(steps.count - 1, -1, -1):
        i, j = steps.left[s], steps.right[s]
        if steps.terms[steps.target[s]] > 0:
            if needed[i] and differentiable[i]:
                steps.mask[s] = 1
                steps.terms[i] += 1
            if j >= 0 and needed[j] and differentiable[j]:
                steps.mask[s] |= 2
                steps.terms[j] += 1


def _groups(steps: Steps, nodes: int) -> tuple[Array, Array, Array]:
    """The steps in the groups' order; where each group begins there, and the end; the position of each slot.

    In a group, and among the leaves, the nodes with the most terms come first.
    """
    target, terms = steps.target, steps.terms
    key = (steps.level[target] * len(OPS) + steps.code) * 4 + steps.mask
    order = np.lexsort((-terms[target], key))
    starts = np.append(np.flatnonzero(np.diff(key[order], prepend=-1)), len(key))
    leaves = np.setdiff1d(np.arange(nodes), target, assume_unique=True)
    leaves = leaves[np.argsort(-terms[leaves], kind="stable")]
    position = np.arange(len(terms))
    position[leaves] = np.arange(len(leaves))
    position[target[order]] = len(leaves) + np.arange(len(order))
    return order, starts, position


def _diagonals(turn: Array, counts: Array, groups: int) -> tuple[Array, Array, Array, Array]:
    """How many diagonals each turn has, how many edges each diagonal has; and, by position, the place in ``edges`` of a
    node's first edge and its diagonal.

    ``turn`` says when each position has its turn, ``counts`` how many edges it has.
    """
    widths = np.zeros(groups + 1, np.int64)
    np.maximum.at(widths, turn, counts)
    diagonal = (np.cumsum(widths) - widths)[turn]
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    diagonals = np.bincount(np.repeat(diagonal, counts) + nth, minlength=widths.sum())
    begins = np.append(np.cumsum(diagonals) - diagonals, 0)
    first = np.flatnonzero(np.diff(turn, prepend=-1))  # the position where each group begins
    within = np.arange(len(turn)) - np.repeat(first, np.diff(np.append(first, len(turn))))
    return widths, diagonals, begins[diagonal] + within, diagonal


def _connect(
    steps: Steps,
    position: Longs,
    sources: Longs,
    seeded: Longs,
    diagonals: Longs,
    at: Longs,
    diagonal: Longs,
    edges: Longs,
    base: int,
    seeds: int,
    behind: int,
) -> None:
    """Fill in the edges of each node in the order that the format defines: its seed; its consumers' contributions from
    the last consumer to the first, and of each those to the first operand before those to the second.

    ``sources`` (2·S,) says where contributions are, in the groups' order.
    """
    for k in range(seeds):
        _add(position[seeded[k]], behind + k, edges, diagonals, at, diagonal)
    for s in range(steps.count - 1, -1, -1):
        place = position[steps.target[s]] - base
        if steps.mask[s] & 1:
            _add(position[steps.left[s]], sources[place], edges, diagonals, at, diagonal)
        if steps.mask[s] & 2:
            _add(position[steps.right[s]], sources[steps.count + place], edges, diagonals, at, diagonal)


def _add(p: int, source: int, edges: Longs, diagonals: Longs, at: Longs, diagonal: Longs) -> None:
    """Add an edge to a position, in its next diagonal, as far from where that begins as in the one before."""
    edges[at[p]] = source
    at[p] += diagonals[diagonal[p]]
    diagonal[p] += 1


def run(function: Callable[..., None], *arguments: object) -> None:
    """Call one of these loops as machine code."""
    _code(function).bound(*arguments)()


@cache
def _code(function: Callable[..., None]) -> Code:
    return Code(function)
