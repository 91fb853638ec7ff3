"""The loops of the compiled engine, for one row of inputs and for many side by side.

They are plain functions, which :mod:`mgraph.replaying.compiled.machine_code` makes machine code for the ops that a
graph has: a loop over ``ops`` is there a branch an op. Each node has ``width`` numbers, one behind the other: 1, or
LANES in a batch, where vector instructions work on several at once. :mod:`mgraph.replaying.compiled.layout` says how
numbers and steps are laid out.

What a branch that was not taken contributes is 0 times an adjoint. That changes nothing, unless the adjoint is infinite
or NaN; then a NaN arrives in a leaf, or in a node that passes nothing on. So it is looked for there only. If there is
one, the pass is made again with ``careful``: ``reached`` then says which nodes and contributions a seed reaches through
branches that were taken, and no other is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from mgraph.arithmetic.formulas import spelled
from mgraph.arithmetic.ops import FLOATS, ROWS
from mgraph.replaying.compiled.layout import UNIT, Layout
from mgraph.replaying.compiled.machine_code import Code
from mgraph.replaying.compiled.native import Bytes, Doubles, Fixed, Formula, Longs

LANES = 32
"""Rows that a batch computes side by side."""


@dataclass(frozen=True)
class Case:
    """What the steps of an op compute; or the factor by which they pass their adjoint on to an operand."""

    code: int
    """The op's row in the table."""
    formula: Formula
    """Of the operands, and for a factor of the result too."""
    operand: int = 0
    """Which operand a factor is for: 0 or 1."""
    branches: bool = False
    """Whether a factor of 0 means that the operand was not taken."""


@dataclass(frozen=True)
class Ops:
    """What the ops of some rows of the table do."""

    forward: tuple[Case, ...]
    """What they compute."""
    backward: tuple[Case, ...]
    """Their factors, but for those that are 1: their products are the adjoints themselves."""


@dataclass(frozen=True, slots=True)
class State:
    """What a replay computes: ``width`` entries a place."""

    data: Doubles
    """(width · P,) Numbers by position."""
    adjoints: Doubles
    """(width · ``layout.adjoints``,) Adjoints by position, contributions, seeds."""
    reached: Bytes
    """Of each of those, whether a seed reaches it through branches that were taken; followed by ``careful`` only."""


def forward(ops: Fixed[Ops], width: Fixed[int], state: State, layout: Layout) -> None:
    """Every operation's number from the leaves'."""
    data = state.data
    newest, place = 0.0, -1  # in a chain of single steps it is wanted before it can be read back from memory
    for group in range(layout.groups):
        code, first, end = layout.codes[group], layout.starts[group], layout.starts[group + 1]
        if width == 1 and end - first == 1:
            i, j = layout.left[first], layout.right[first]
            a, b = (newest if i == place else data[i]), data[j]
            for case in ops.forward:
                if code == case.code:
                    newest = case.formula(a, b, 0.0)
            place = layout.base + first
            data[place] = newest
        else:
            for case in ops.forward:
                if code == case.code:
                    compute(case, width, data, layout, first, end)


def compute(case: Fixed[Case], width: Fixed[int], data: Doubles, layout: Layout, first: int, end: int) -> None:
    """The numbers of the steps from ``first`` to ``end``, which are a group."""
    for s in range(first, end):
        t, i, j = (layout.base + s) * width, layout.left[s] * width, layout.right[s] * width
        for lane in range(width):
            data[t + lane] = case.formula(data[i + lane], data[j + lane], 0.0)


def backward(ops: Fixed[Ops], width: Fixed[int], careful: Fixed[bool], state: State, layout: Layout) -> int:
    """The adjoints from the numbers and the seeds. Returns whether a NaN was found."""
    data, adjoints = state.data, state.adjoints
    nan = False
    edge = diagonal = 0
    for turn in range(layout.groups):
        group = layout.groups - 1 - turn
        code, mask = layout.passes[group] >> 2, layout.passes[group] & 3
        first, end = layout.starts[group], layout.starts[group + 1]
        t = layout.base + first
        if width == 1 and not careful and end - first == 1:
            total = 0.0
            for k in range(layout.widths[turn]):
                total += adjoints[layout.edges[edge + k]]
            edge += layout.widths[turn]
            adjoints[t] = total
            nan |= mask == 0 and total != total
            a, b, y = data[layout.left[first]], data[layout.right[first]], data[t]
            for case in ops.backward:
                if code == case.code and mask & (1 << case.operand):
                    adjoints[layout.places[case.operand * layout.groups + group]] = case.formula(a, b, y) * total
        else:
            edge = pull(width, careful, state, layout, turn, t, layout.base + end, edge, diagonal)
            if mask == 0:
                nan |= holds_nan(adjoints, t * width, (layout.base + end) * width)
            for case in ops.backward:
                if code == case.code and mask & (1 << case.operand):
                    place = layout.places[case.operand * layout.groups + group]
                    contribute(case, width, careful, state, layout, first, end, place)
        diagonal += layout.widths[turn]
    pull(width, careful, state, layout, layout.groups, 0, layout.base, edge, diagonal)
    nan |= holds_nan(adjoints, 0, layout.base * width)
    return nan


def pull(
    width: Fixed[int],
    careful: Fixed[bool],
    state: State,
    layout: Layout,
    turn: int,
    begin: int,
    end: int,
    edge: int,
    diagonal: int,
) -> int:
    """The adjoints at the positions from ``begin`` to ``end``, whose turn it is, out of the edges and diagonals that
    begin at ``edge`` and ``diagonal``. Returns where the edges end."""
    adjoints, reached = state.adjoints, state.reached
    some = layout.diagonals[diagonal] if layout.widths[turn] > 0 else 0
    for p in range((begin + some) * width, end * width):
        adjoints[p] = 0.0
        if careful:
            reached[p] = False
    for k in range(layout.widths[turn]):
        count = layout.diagonals[diagonal + k]
        for p in range(count):
            t, source = (begin + p) * width, layout.edges[edge + p] * width
            for lane in range(width):
                total = 0.0 if k == 0 else adjoints[t + lane]
                if not careful:
                    adjoints[t + lane] = total + adjoints[source + lane]
                else:
                    adjoints[t + lane] = total + adjoints[source + lane] if reached[source + lane] else total
                    reached[t + lane] = reached[source + lane] or (k > 0 and reached[t + lane])
        edge += count
    return edge


def contribute(
    case: Fixed[Case],
    width: Fixed[int],
    careful: Fixed[bool],
    state: State,
    layout: Layout,
    first: int,
    end: int,
    place: int,
) -> None:
    """What the steps from ``first`` to ``end``, which are a group, contribute to an operand, from ``place`` on."""
    data, adjoints, reached = state.data, state.adjoints, state.reached
    for s in range(first, end):
        t, i, j = (layout.base + s) * width, layout.left[s] * width, layout.right[s] * width
        c = (place + s - first) * width
        for lane in range(width):
            factor = case.formula(data[i + lane], data[j + lane], data[t + lane])
            adjoints[c + lane] = factor * adjoints[t + lane]
            if careful:
                reached[c + lane] = reached[t + lane] and not (case.branches and factor == 0.0)


def holds_nan(numbers: Doubles, begin: int, end: int) -> bool:
    """Whether there is a NaN from ``begin`` to ``end``."""
    found = False
    for p in range(begin, end):
        found |= numbers[p] != numbers[p]
    return found


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a table, each a node's numbers or adjoints."""

    table: Doubles
    """(rows · count,) Row by row."""
    nodes: Longs
    """(count,) Positions of the nodes."""
    count: int


def rows(
    ops: Fixed[Ops],
    width: Fixed[int],
    careful: Fixed[bool],
    inputs: Columns,
    outputs: Columns,
    gradients: Columns,
    begin: int,
    end: int,
    state: State,
    layout: Layout,
) -> int:
    """Replay the rows from ``begin`` to ``end``, ``width`` at a time. Returns where it stopped: at the end; or, unless
    it is careful, before the rows among whose adjoints a NaN was found."""
    for block in range(begin, end, width):
        some = width if end - block > width else end - block
        for k in range(inputs.count):
            for lane in range(width):
                row = block + (lane if lane < some else some - 1)
                state.data[inputs.nodes[k] * width + lane] = inputs.table[row * inputs.count + k]
        forward(ops, width, state, layout)
        write(outputs, width, state.data, block, some)
        if gradients.count > 0:
            nan = backward(ops, width, careful, state, layout)
            if nan and not careful:
                return block
            write(gradients, width, state.adjoints, block, some)
    return end


def write(columns: Columns, width: Fixed[int], numbers: Doubles, row: int, count: int) -> None:
    """Write ``count`` rows from ``row`` on, out of the nodes' numbers or adjoints."""
    for k in range(columns.count):
        for lane in range(count):
            columns.table[(row + lane) * columns.count + k] = numbers[columns.nodes[k] * width + lane]


def ops_of(codes: Iterable[int]) -> Ops:
    """What these rows of the op table say."""
    forward, backward = [], []
    for code in sorted(codes):
        op = ROWS[code]
        forward.append(Case(code, Formula(spelled(op.formula), FLOATS)))
        for k, derivative in enumerate(op.derivatives):
            if derivative != UNIT:
                backward.append(Case(code, Formula(spelled(derivative), FLOATS), k, op.branches))
    return Ops(tuple(forward), tuple(backward))


_lock = Lock()
_made: dict[tuple[Any, ...], tuple[frozenset[int], Code]] = {}


def machine_code(loop: Callable[..., Any], codes: frozenset[int], fast: bool = False, **fixed: Any) -> Code:
    """``forward``, ``backward`` or ``rows`` as machine code, for the ops of these codes and of all earlier calls.

    So the graphs of a process share their loops, and compile them again only when an op is new.
    """
    key = (loop, fast, *sorted(fixed.items()))
    with _lock:
        if not is_ready(loop, codes, fast, **fixed):
            codes |= _made[key][0] if key in _made else frozenset()
            _made[key] = codes, Code(loop, fast, wide=fixed["width"] > 1, ops=ops_of(codes), **fixed)
        return _made[key][1]


def is_ready(loop: Callable[..., Any], codes: frozenset[int], fast: bool = False, **fixed: Any) -> bool:
    """Whether :func:`machine_code` has nothing to compile."""
    key = (loop, fast, *sorted(fixed.items()))
    return key in _made and codes <= _made[key][0]
