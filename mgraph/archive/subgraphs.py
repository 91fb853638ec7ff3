"""Which graphs share subgraphs: fingerprints to look up, and a match to decide.

A node's *cone* is everything it depends on. Its fingerprint is a hash of its op and its operands' fingerprints. Of a
constant it has the number; inputs and parameters are alike, and have no names. Equal cones have equal fingerprints;
that the same leaf is used twice is not in them, so a match decides.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator, Sequence

from mgraph.arithmetic.ops import CONSTANT, INPUT, LEAVES, PARAMETER
from mgraph.document.canonical_order import bits
from mgraph.document.wiring import Wiring

CONES = 1_000
"""Fingerprints of a document that are kept at most: those of the smallest numbers, so that any two documents that
share cones share kept ones too."""
_FIRST = -(1 << 31)
"""Fingerprints are numbers from here to -1, of four bytes in an index; the ids of terms are positive. That two
subgraphs share one is rare, and no harm."""


def cones(wiring: Wiring) -> list[int]:
    """The fingerprint of each node's cone, by position."""
    found: list[int] = []
    for k, node in enumerate(wiring.nodes):
        parts = ["leaf" if node["op"] in (INPUT, PARAMETER) else node["op"]]
        if node["op"] == CONSTANT:
            parts.append(bits(node["data"]))
        for place in range(wiring.starts[k], wiring.starts[k + 1]):
            i = wiring.operands[place]
            parts.append(str(found[i]) if i >= 0 else bits(node["args"][place - wiring.starts[k]]))
        found.append(_hashed(" ".join(parts)))
    return found


def edges(wiring: Wiring) -> set[int]:
    """The fingerprint of each pair of ops of which one takes the other's result."""
    nodes, starts = wiring.nodes, wiring.starts
    pairs = {
        (node["op"], nodes[i]["op"])
        for k, node in enumerate(nodes)
        for i in wiring.operands[starts[k] : starts[k + 1]]
        if i >= 0 and nodes[i]["op"] not in LEAVES
    }
    return {_hashed(f"{above} > {below}") for above, below in pairs}


def kept(wiring: Wiring) -> set[int]:
    """The fingerprints by which a document is found: of its operations' cones, and of its edges."""
    found = cones(wiring)
    operations = {found[k] for k, node in enumerate(wiring.nodes) if node["op"] not in LEAVES}
    return {*heapq.nsmallest(CONES, operations), *edges(wiring)}


def roots(pattern: Wiring) -> list[int]:
    """The nodes that no other takes, operations first."""
    used = {i for i in pattern.operands if i >= 0}
    found = [k for k in range(len(pattern)) if k not in used]
    return sorted(found, key=lambda k: (pattern.nodes[k]["op"] in LEAVES, k))


def is_closed(pattern: Wiring) -> bool:
    """Whether the pattern ends in parameters and constants; an input stands for any node."""
    return all(node["op"] != INPUT for node in pattern.nodes)


def occurs(pattern: Wiring, wiring: Wiring) -> bool:
    """Whether the pattern is a subgraph: node for node, each op with its operands in order; an input of the pattern
    stands for any node, a constant for one of the same number."""

    def matched(rest: list[int], so_far: dict[int, int]) -> bool:
        if not rest:
            return True
        for m in _candidates(pattern, rest[0], wiring):
            found = _grown(pattern, wiring, rest[0], m, so_far)
            if found is not None and matched(rest[1:], found):
                return True
        return False

    return matched(roots(pattern), {})


def _candidates(pattern: Wiring, root: int, wiring: Wiring) -> Iterator[int]:
    """The nodes that a root of the pattern can stand for: of its op, with operands of their ops."""
    op = pattern.nodes[root]["op"]
    if op in LEAVES:
        yield from range(len(wiring))
        return
    below = [
        None if i < 0 or pattern.nodes[i]["op"] == INPUT else pattern.nodes[i]["op"] for i in _operands(pattern, root)
    ]
    for m, node in enumerate(wiring.nodes):
        if node["op"] == op:
            there = _operands(wiring, m)
            if all(
                want is None or (i >= 0 and wiring.nodes[i]["op"] == want) for want, i in zip(below, there, strict=True)
            ):
                yield m


def _operands(wiring: Wiring, k: int) -> Sequence[int]:
    return wiring.operands[wiring.starts[k] : wiring.starts[k + 1]]


def _grown(pattern: Wiring, wiring: Wiring, root: int, place: int, so_far: dict[int, int]) -> dict[int, int] | None:
    """The pairs so far and, operand by operand, those that follow from ``root`` at ``place``; None if they disagree."""
    pairs, taken = dict(so_far), set(so_far.values())
    stack = [(root, place)]
    while stack:
        k, m = stack.pop()
        if k in pairs or m in taken:
            if pairs.get(k) != m:
                return None
            continue
        if not _alike(pattern, k, wiring, m):
            return None
        pairs[k] = m
        taken.add(m)
        if pattern.nodes[k]["op"] not in LEAVES:
            for i, j in zip(_operands(pattern, k), _operands(wiring, m), strict=True):
                if (i < 0) != (j < 0):
                    return None
                if i >= 0:
                    stack.append((i, j))
    return pairs


def _alike(pattern: Wiring, k: int, wiring: Wiring, m: int) -> bool:
    """Whether two nodes can be a pair as far as they themselves go."""
    node, other = pattern.nodes[k], wiring.nodes[m]
    if node["op"] == INPUT:
        return True
    if node["op"] != other["op"]:
        return False
    if node["op"] == CONSTANT:
        return bits(node["data"]) == bits(other["data"])
    literals = ((x, y) for x, y in zip(node.get("args", ()), other.get("args", ()), strict=True))
    return all(isinstance(x, str) or isinstance(y, str) or bits(x) == bits(y) for x, y in literals)


def _hashed(text: str) -> int:
    return _FIRST + (int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1)
