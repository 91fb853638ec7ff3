"""Which graphs share subgraphs: fingerprints to look up, and a match to decide.

A node's *cone* is everything it depends on. Its fingerprint is a hash of its op and its operands' fingerprints. Of a
constant it has the number; inputs and parameters are alike, and have no names. Equal cones have equal fingerprints;
that the same leaf is used twice is not in them, so a match decides.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from functools import lru_cache

from mgraph.arithmetic.ops import CONSTANT, INPUT, LEAVES, PARAMETER
from mgraph.document.canonical_order import bits
from mgraph.document.wiring import Wiring

CONES = 1_000
"""Fingerprints of a document that are kept at most: those of the smallest numbers, so that any two documents that
share cones share kept ones too."""
FIRST = 1 << 61
"""Fingerprints are numbers from here on, beyond the ids of terms."""


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
    places: dict[str, list[int]] = {}
    for k, node in enumerate(wiring.nodes):
        places.setdefault(node["op"], []).append(k)
    every = range(len(wiring))
    waiting = roots(pattern)

    def candidates(root: int) -> Iterator[dict[int, int]]:
        op = pattern.nodes[root]["op"]
        for k in every if op == INPUT else places.get(op, ()):
            yield {root: k}

    def matched(rest: list[int], so_far: dict[int, int]) -> bool:
        if not rest:
            return True
        for start in candidates(rest[0]):
            found = _grown(pattern, wiring, start, so_far)
            if found is not None and matched(rest[1:], found):
                return True
        return False

    return matched(waiting, {})


def _grown(pattern: Wiring, wiring: Wiring, start: dict[int, int], so_far: dict[int, int]) -> dict[int, int] | None:
    """The pairs so far and those that follow from ``start``, operand by operand; None if they contradict."""
    pairs, taken = dict(so_far), set(so_far.values())
    stack = list(start.items())
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
            below = pattern.operands[pattern.starts[k] : pattern.starts[k + 1]]
            above = wiring.operands[wiring.starts[m] : wiring.starts[m + 1]]
            if any((i < 0) != (j < 0) for i, j in zip(below, above, strict=True)):
                return None
            stack += [(i, j) for i, j in zip(below, above, strict=True) if i >= 0]
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


@lru_cache(maxsize=4_096)  # small subgraphs are in most documents
def _hashed(text: str) -> int:
    return FIRST + int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
