"""The loops of the compiled engine: written from the op table, a loop an op, and compiled by numba.

Steps come in groups of one op and one level, so that a loop has no dispatch in it. ``flow`` holds the adjoints and
behind them the contributions: what the steps of a group pass to their operand k begins at ``places[k, group]``.
Adjoints are pulled: a node adds up places in ``flow``, in the order that the format defines. Those of a group are
listed by diagonals: first one place for each of its nodes, then a second one for each that has two, and so on, so that
the additions of a node come in order and those of different nodes do not wait for each other. A NaN among the adjoints
ends up in a leaf, or in a node that passes nothing on: only there is it looked for.

Indices are unsigned, which spares the test for a negative one; ``zero`` makes them as wide as an address (numba makes
a float of an unsigned and a signed number).
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from mgraph.arithmetic.ops import ROWS, Op
from mgraph.replaying.compiled.numba_functions import compiled, digest, jit, meanings

LANES = 32
"""Rows that a batch computes side by side."""
CODE = {op.name: code for code, op in enumerate(ROWS)}
UNIT = "1"
"""The formula of a partial whose contribution is the adjoint itself."""

FORWARD = """
def forward(data, left, right, codes, starts, base):
    zero = base - base
    for group in range(codes.size):
        code = codes[group]
        first = zero + starts[group]
        last = zero + starts[group + 1]
{lone}
{cases}
"""
FORWARD_CASE = """
        {branch} code == {code}:
            for s in range(first, last):
                t = base + s
                i = left[s]
                j = right[s]
                {each}data[t{lane}] = forward_{name}({operands})
"""
LONE_FORWARD = """
        if last - first == 1:
            t = base + first
            i = left[first]
            j = right[first]
{cases}
            continue
"""
LONE_FORWARD_CASE = """
            {branch} code == {code}:
                data[t] = forward_{name}({operands})
"""
BACKWARD = """
def backward(data, flow, live, left, right, codes, starts, base, places, edges, diagonals, widths):
    bad = False
    zero = e = base - base
    d = 0
    for group in range(codes.size - 1, -1, -1):
        first = zero + starts[group]
        last = zero + starts[group + 1]
        begin = base + first
        end = base + last
        code = codes[group] >> 2
        mask = codes[group] & 3
{lone}
        {pull}
        if mask == 0:
            for p in range(begin, end):
                {each}bad |= flow[p{lane}] != flow[p{lane}]
{cases}
    group = codes.size
    begin = zero
    end = base
    {last_pull}
    for p in range(begin, end):
        {each}bad |= flow[p{lane}] != flow[p{lane}]
    return bad
"""
LONE_BACKWARD = """
        if last - first == 1:
            width = zero + widths[group]
            total = 0.0
            for k in range(width):
                total += flow[edges[e + k]]
                d += 1
            e += width
            t = begin
            flow[t] = total
            i = left[first]
            j = right[first]
            bad |= mask == 0 and total != total
{cases}
            continue
"""
LONE_BACKWARD_CASE = """
            {branch} code == {code}:
{contributions}
"""
LONE_CONTRIBUTION = """
                if mask & {bit}:
                    flow[places[{k}, group]] = partial_{name}_{k}({operands}, data[t]) * total
"""
PULL = """
if widths[group] == 0:
    for p in range(begin, end):
        {each}flow[p{lane}] = 0.0
for k in range(zero + widths[group]):
    count = zero + diagonals[d]
    if k == 0:
        for p in range(count):
            source = edges[e + p]
            {each}flow[begin + p{lane}] = 0.0 + flow[source{lane}]
        for p in range(begin + count, end):
            {each}flow[p{lane}] = 0.0
    else:
        for p in range(count):
            source = edges[e + p]
            {each}flow[begin + p{lane}] += flow[source{lane}]
    e += count
    d += 1
"""
CAREFUL_PULL = """
for p in range(begin, end):
    {each}flow[p{lane}] = 0.0; live[p{lane}] = False
for k in range(zero + widths[group]):
    count = zero + diagonals[d]
    for p in range(count):
        t = begin + p
        source = edges[e + p]
        {each}taken = live[source{lane}]; live[t{lane}] |= taken; flow[t{lane}] += flow[source{lane}] if taken else 0.0
    e += count
    d += 1
"""
BACKWARD_CASE = """
        {branch} code == {code}:
{contributions}
"""
CONTRIBUTION = """
            if mask & {bit}:
                shift = zero + places[{k}, group] - first
                for s in range(first, last):
                    t = base + s
                    i = left[s]
                    j = right[s]
                    c = shift + s
                    {each}flow[c{lane}] = partial_{name}_{k}({operands}, data[t{lane}]) * flow[t{lane}]
"""
CAREFUL_CONTRIBUTION = """
            if mask & {bit}:
                shift = zero + places[{k}, group] - first
                for s in range(first, last):
                    t = base + s
                    i = left[s]
                    j = right[s]
                    c = shift + s
                    {each}z = partial_{name}_{k}({operands}, data[t{lane}]); flow[c{lane}] = z * flow[t{lane}]; {live}
"""
ROWS_LOOP = """
def rows(table, ins, outs, wrt, results, slopes, begin, end, data, flow, live, left, right, codes, starts, base,
         partials, places, edges, diagonals, widths):
    for block in range(begin, end, {lanes}):
        count = min({lanes}, end - block)
        for k in range(ins.size):
            for lane in range({lanes}):
                data[ins[k], lane] = table[block + min(lane, count - 1), k]
        forward(data, left, right, codes, starts, base)
        for k in range(outs.size):
            for lane in range(count):
                results[block + lane, k] = data[outs[k], lane]
        if wrt.size:
            if backward(data, flow, live, left, right, partials, starts, base, places, edges, diagonals, widths):
                if {stop}:
                    return block
            for k in range(wrt.size):
                for lane in range(count):
                    slopes[block + lane, k] = flow[wrt[k], lane]
    return end
"""


def _indented(text: str, by: int) -> str:
    return ("\n" + " " * by).join(text.strip().splitlines())


def _passed(op: Op, template: str, row: dict[str, Any]) -> str:
    """What steps of an op pass to their operands, but for the adjoint itself."""
    parts = [template.format(k=k, bit=k + 1, **row) for k in range(op.arity) if op.derivatives[k] != UNIT]
    return "".join(parts) or " " * 16 + "pass"


def _source(lanes: bool, careful: bool) -> str:
    """The text of the loops."""
    # Not range(LANES): LLVM would unroll a loop of known length before it could vectorise it.
    each, lane = ("for lane in range(data.shape[1]): ", ", lane") if lanes else ("", "")
    names = {"each": each, "lane": lane}

    def operands(op: Op) -> str:
        return ", ".join(f"data[{'ij'[k]}{lane}]" for k in range(op.arity))

    forward = backward = lone_forward = lone_backward = ""
    for code, op in enumerate(ROWS):
        row = {"code": code, "name": op.name, "operands": operands(op), "branch": "elif" if code else "if", **names}
        row["live"] = f"live[c{lane}] = live[t{lane}]" + " and z != 0.0" * op.branches
        forward += FORWARD_CASE.format(**row)
        lone_forward += LONE_FORWARD_CASE.format(**row)
        contribution = CAREFUL_CONTRIBUTION if careful else CONTRIBUTION
        backward += BACKWARD_CASE.format(contributions=_passed(op, contribution, row), **row)
        lone_backward += LONE_BACKWARD_CASE.format(contributions=_passed(op, LONE_CONTRIBUTION, row), **row)
    lone = not lanes and not careful
    pull = (CAREFUL_PULL if careful else PULL).format(**names)
    text = FORWARD.format(cases=forward, lone=LONE_FORWARD.format(cases=lone_forward) * lone)
    text += BACKWARD.format(
        lone=LONE_BACKWARD.format(cases=lone_backward) * lone,
        pull=_indented(pull, 8),
        cases=backward,
        last_pull=_indented(pull, 4),
        **names,
    )
    if lanes:
        text += ROWS_LOOP.format(lanes=LANES, stop=not careful)
    return "\n".join(line for line in text.splitlines() if line.strip()) + "\n"


@cache
def kernel(name: str, lanes: bool = False, careful: bool = False, fast: bool = False) -> Any:
    """``forward``, ``backward`` or (with lanes) ``rows``: compiled on its first call, or loaded from numba's cache.

    ``careful`` follows which branches were taken, for when an adjoint is NaN without that. ``fast`` calls the
    platform's elementary functions.
    """
    source = _source(lanes, careful)
    known = dict(meanings(fast))
    for op in ROWS:
        known[f"forward_{op.name}"], partials = compiled(op, fast)
        known |= {f"partial_{op.name}_{k}": partial for k, partial in enumerate(partials)}
    exec(compile(source, __file__, "exec"), known)
    if name == "rows":
        known["forward"], known["backward"] = jit(known["forward"]), jit(known["backward"])
    function = known[name]
    # Kept under the digest of everything that is compiled into it: numba itself looks at this file alone.
    key = hashlib.sha256(f"{digest()} {source} {fast}".encode()).hexdigest()[:16]
    function.__qualname__ = f"{name}_{key}"
    return jit(function, keep=True)


def is_kept(function: Any) -> bool:
    """Whether an earlier process has left the compiled code."""
    folder = function.stats.cache_path
    return folder is not None and any(Path(folder).glob(f"*.{function.py_func.__qualname__}-*.nbi"))
