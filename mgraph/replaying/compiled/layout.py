"""A plan laid out for machine code: where each number lives, and in what groups and order the loops visit them.

A position is a place in the array of numbers: the leaves come first, then the operations, group by group (one level,
one op a group), then the literals. The arrays are what the loops of :mod:`mgraph.replaying.compiled.loops` take.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mgraph.arithmetic.ops import OPS
from mgraph.replaying.compiled.loops import CODE, UNIT
from mgraph.replaying.compiled.numba_functions import jit
from mgraph.replaying.plan import Plan

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The layout. S operations, n nodes, P positions (n nodes and the literals), G groups."""

    position: Array
    """(P,) Position of each slot of the plan."""
    left: Array
    right: Array
    """(S,) Positions of the operands, in the order of the groups; ``right`` is 0 for an op of one operand."""
    codes: Array
    """(G,) What op each group is of."""
    partials: Array
    """(G,) That, times four, and a bit for each operand to which the group passes a contribution."""
    places: Array
    """(2, G) Where in ``flow`` the contributions of each group to its first and second operand begin."""
    flow: int
    """How many places ``flow`` has: adjoints, contributions, seeds."""
    starts: Array
    """(G + 1,) Where the groups begin, counted in operations."""
    base: Any
    """How many leaves: the position of the first operation."""
    nodes: int
    """How many positions are nodes."""
    edges: Array
    diagonals: Array
    widths: Array
    """The places in ``flow`` that add up to each adjoint, by diagonals in the order of the backward pass; how many
    places each diagonal has; and (G + 1,) how many diagonals each group has, the leaves being the last group."""
    seeds: Array
    """Slots of the nodes that may be seeded; their seeds are the last places of ``flow``, in this order."""

    @property
    def size(self) -> int:
        """How many positions there are."""
        return len(self.position)


_UNITS = np.array([[formula == UNIT for formula in (*op.derivatives, "")[:2]] for op in OPS.values()])


def lay_out(plan: Plan, seeds: Iterable[int], wanted: Iterable[int] | None = None) -> Schedule:
    """The schedule of a plan whose backward pass may start at the slots ``seeds``.

    Contributions are computed where they can reach a slot of ``wanted``, by default every one.
    """
    ops = [plan.wiring.nodes[target]["op"] for target in plan.targets]
    code = np.array([CODE[op] for op in ops], np.int64)
    target = np.array(plan.targets, np.int64)
    left, right = np.array(plan.left, np.int64), np.array(plan.right, np.int64)
    slots, nodes = len(plan.initial), plan.size
    gets = np.ones(slots, np.bool_)
    gets[nodes:] = False
    gets[list(plan.fixed)] = False
    start = np.array(sorted(seeds), np.int64)
    aim = np.zeros(slots, np.bool_)
    aim[list(range(nodes) if wanted is None else wanted)] = True
    level, mask, consumers = _flows(target, left, right, start, gets, aim)

    key = (level[target] * len(OPS) + code) * 4 + mask
    order = np.lexsort((-consumers[target], key))
    computed = np.zeros(slots, np.bool_)
    computed[target] = True
    leaves = np.flatnonzero(~computed[:nodes])
    leaves = leaves[np.argsort(-consumers[leaves], kind="stable")]
    position = np.arange(slots)
    position[leaves] = np.arange(len(leaves))
    position[target[order]] = len(leaves) + np.arange(len(target))

    starts = np.append(np.flatnonzero(np.diff(key[order], prepend=-1)), len(key))
    heads = order[starts[:-1]]
    passing = _UNITS[code[heads]].T == 0  # a unit partial passes on the adjoint itself
    passing &= np.array([mask[heads] & 1, mask[heads] & 2], np.bool_)
    lengths = np.diff(starts)
    ends = np.cumsum(passing * lengths).reshape(2, -1)
    places = slots + ends - passing * lengths
    behind = slots + int(ends.max(initial=0))
    group, place = np.repeat(np.arange(len(heads)), lengths), np.arange(len(target))
    sources = np.empty((len(target), 2), np.int64)
    for k in (0, 1):
        own = places[k, group] + place - starts[group]
        sources[order, k] = np.where(passing[k, group], own, len(leaves) + place)
    edges, first = _edges(left, right, position, mask, sources, start, consumers, nodes, behind)
    edges, diagonals, widths = _diagonals(edges, first, starts, len(leaves))
    small = np.uint32 if behind + len(start) < 2**32 else np.uint64
    return Schedule(
        position=position,
        left=position[left[order]].astype(small),
        right=position[np.maximum(right[order], 0)].astype(small),
        codes=code[heads].astype(np.uint8),
        partials=(4 * code[heads] + mask[heads]).astype(np.uint8),
        places=places.astype(small),
        flow=behind + len(start),
        starts=starts.astype(small),
        base=np.uint64(len(leaves)),
        nodes=nodes,
        edges=edges.astype(small),
        diagonals=diagonals.astype(small),
        widths=widths.astype(small),
        seeds=start,
    )


def _flows_(
    target: Array, left: Array, right: Array, seeds: Array, gets: Array, aim: Array
) -> tuple[Array, Array, Array]:
    """Each slot's level; a bit for each operand that a step contributes to; how many places add up to a slot."""
    level = np.zeros(gets.size, np.int64)
    for s in range(target.size):
        t, i, j = target[s], left[s], right[s]
        level[t] = 1 + level[i]
        aim[t] |= aim[i]
        if j >= 0:
            level[t] = max(level[t], 1 + level[j])
            aim[t] |= aim[j]
    mask = np.zeros(target.size, np.int64)
    count = np.zeros(gets.size, np.int64)
    count[seeds] = 1
    for s in range(target.size - 1, -1, -1):
        i, j = left[s], right[s]
        if count[target[s]]:
            if aim[i] and gets[i]:
                mask[s] = 1
                count[i] += 1
            if j >= 0 and aim[j] and gets[j]:
                mask[s] += 2
                count[j] += 1
    return level, mask, count


def _edges_(
    left: Array,
    right: Array,
    position: Array,
    mask: Array,
    sources: Array,
    seeds: Array,
    consumers: Array,
    nodes: int,
    behind: int,
) -> tuple[Array, Array]:
    """The places in ``flow`` that add up to each adjoint, in the order that the format defines, and where those of each
    position begin."""
    first = np.zeros(nodes + 1, np.int64)
    for slot in range(nodes):
        first[position[slot] + 1] = consumers[slot]
    for p in range(nodes):
        first[p + 1] += first[p]
    edges = np.empty(first[nodes], np.int64)
    at = first[:nodes].copy()
    for k in range(seeds.size):
        p = position[seeds[k]]
        edges[at[p]] = behind + k
        at[p] += 1
    for s in range(mask.size - 1, -1, -1):
        for k in range(2):
            if mask[s] >> k & 1:
                p = position[left[s] if k == 0 else right[s]]
                edges[at[p]] = sources[s, k]
                at[p] += 1
    return edges, first


def _diagonals_(edges: Array, first: Array, starts: Array, base: int) -> tuple[Array, Array, Array]:
    """The edges by diagonals, the lengths of the diagonals, and how many each group has; see Schedule.

    The nodes of a group come with the most edges first.
    """
    groups = starts.size - 1
    widths = np.empty(groups + 1, np.int64)
    total = 0
    for group in range(groups + 1):
        p = 0 if group == groups else base + starts[group]
        empty = group == groups and base == 0
        widths[group] = 0 if empty else first[p + 1] - first[p]
        total += widths[group]
    diagonals = np.zeros(total, np.int64)
    found = np.empty(edges.size, np.int64)
    e = d = 0
    for reverse in range(groups + 1):
        group = groups - 1 - reverse if reverse < groups else groups
        begin = 0 if group == groups else base + starts[group]
        end = base if group == groups else base + starts[group + 1]
        for k in range(widths[group]):
            p = begin
            while p < end and first[p + 1] - first[p] > k:
                found[e] = edges[first[p] + k]
                e += 1
                p += 1
            diagonals[d] = p - begin
            d += 1
    return found, diagonals, widths


_flows, _edges, _diagonals = (jit(each, keep=True) for each in (_flows_, _edges_, _diagonals_))
