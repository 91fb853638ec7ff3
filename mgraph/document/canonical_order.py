"""When two graphs are the same computation, whatever their nodes are called and in whatever order they are listed.

A depth-first walk from the outputs, operands in order, numbers the nodes as it finishes them. Two graphs are the
same computation if what they say of their nodes in that order, with numbers for ids, is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from mgraph.arithmetic.ops import CONSTANT, LEAVES
from mgraph.document.model import Node
from mgraph.document.wiring import Wiring


def structure(wiring: Wiring, order: Sequence[int] | None = None) -> str:
    """SHA-256 of ops, operands, literals and outputs, as ``sha256:`` and 64 hexadecimal digits.

    It does not depend on ids, labels, recorded numbers or the order of the list. ``order`` is what :func:`numbering`
    gives, where that is known already.
    """
    order = numbering(wiring) if order is None else order
    number = _inverse(order)
    starts, operands, nodes = wiring.starts, wiring.operands, wiring.nodes
    lines = []
    for k in order:
        node = nodes[k]
        parts = [node["op"]]
        for position, operand in enumerate(node.get("args", ()), starts[k]):
            parts.append(str(number[operands[position]]) if isinstance(operand, str) else bits(operand))
        lines.append(" ".join(parts))
    lines.append(f"outputs {' '.join(str(number[wiring.index[name]]) for name in wiring.outputs)}")
    return _digest(lines)


def recipe(wiring: Wiring, order: Sequence[int] | None = None) -> str:
    """SHA-256 of the structure, the leaves' recorded numbers, and the seeds where they are not the default ones."""
    order = numbering(wiring) if order is None else order
    known = _given(wiring)
    lines = [structure(wiring, order), *(f"{k} {known[i]}" for k, i in enumerate(order) if i in known)]
    return _digest(lines + ["no seeds"] * (own_seeds(wiring) == {}))


def numbering(wiring: Wiring) -> list[int]:
    """The nodes' positions in canonical order.

    What the outputs need comes first. The rest follows from its own roots, ordered by digests of what is below and
    around them. Equal digests mean interchangeable roots but for contrived graphs; in those the ids decide.
    """
    starts, operands, nodes = wiring.starts, wiring.operands, wiring.nodes
    order: list[int] = []
    met = bytearray(len(wiring))

    def walk(roots: Iterable[int]) -> None:
        for root in roots:
            stack = [root]
            while stack:
                k = stack.pop()
                if k < 0:  # all below ~k is finished
                    order.append(~k)
                elif not met[k]:
                    met[k] = True
                    stack.append(~k)
                    stack.extend(i for i in reversed(operands[starts[k] : starts[k + 1]]) if i >= 0)

    walk(wiring.index[name] for name in wiring.outputs)
    if len(order) < len(wiring):
        rest = [k for k in range(len(wiring)) if not met[k]]
        used = {i for k in rest for i in operands[starts[k] : starts[k + 1]]}
        roots = [k for k in rest if k not in used]
        keys: list[tuple[object, ...]] = [() for _ in roots]
        for given in ({}, _given(wiring)):
            if len(set(keys)) < len(roots):
                found = _surroundings(wiring, rest, order, given)
                keys = [(*key, found[k]) for key, k in zip(keys, roots, strict=True)]
        keys = [(*key, nodes[k]["id"]) for key, k in zip(keys, roots, strict=True)]
        walk(k for _, k in sorted(zip(keys, roots, strict=True)))
    return order


def _surroundings(wiring: Wiring, rest: list[int], order: list[int], known: dict[int, str]) -> dict[int, bytes]:
    """Digests of the nodes in ``rest``: of all below, then of all that uses that, then of all below once more.

    So they tell apart what is shared from what is not. ``order`` has the nodes that are numbered already.
    """
    starts, operands, nodes = wiring.starts, wiring.operands, wiring.nodes
    found = {k: b"%d" % number for number, k in enumerate(order)}
    around = {k: known.get(k, "").encode() for k in rest}

    def digest(parts: Iterable[bytes]) -> bytes:
        return hashlib.sha256(b" ".join(parts)).digest()

    def look_down() -> None:
        for k in rest:
            below = [
                found[operands[p]] if isinstance(operand, str) else bits(operand).encode()
                for p, operand in enumerate(nodes[k].get("args", ()), starts[k])
            ]
            found[k] = digest((nodes[k]["op"].encode(), around[k], *below))

    look_down()
    uses: dict[int, list[bytes]] = {k: [] for k in rest}
    for k in reversed(rest):
        around[k] = digest((found[k], around[k], *sorted(uses[k])))
        for p, i in enumerate(operands[starts[k] : starts[k + 1]]):
            if i in uses:
                uses[i].append(b"%d" % p + around[k])
    look_down()
    return found


def colours(a: Wiring, b: Wiring, to: Sequence[int], back: Sequence[int]) -> tuple[list[int], list[int]]:
    """A number for each node of two graphs, the same for two nodes that compute the same from the same.

    Nodes that are matched already, by ``to`` and ``back``, are the same whatever they compute; other leaves are
    if they are of one kind and one number.
    """
    seen: dict[tuple[object, ...], int] = {}

    def paint(wiring: Wiring, marks: Iterable[int]) -> list[int]:
        painted: list[int] = []
        starts, operands, nodes = wiring.starts, wiring.operands, wiring.nodes
        for k, mark in enumerate(marks):
            if mark < 0:
                painted.append(mark)
                continue
            node, below = nodes[k], operands[starts[k] : starts[k + 1]]
            known = [painted[i] if i >= 0 else bits(x) for i, x in zip(below, node.get("args", ()), strict=True)]
            key = (node["op"], *known) if "args" in node else (node["op"], value(node))
            painted.append(seen.setdefault(key, len(seen)))
        return painted

    return (
        paint(a, (~i if j >= 0 else 0 for i, j in enumerate(to))),
        paint(b, (~i if i >= 0 else 0 for i in back)),
    )


def bits(x: float | str) -> str:
    """A number as text that is the same for the same bits, and for any two NaNs."""
    return float(x).hex()


def value(node: Node) -> str | None:
    """The number that a node records, as :func:`bits`; None if it records none."""
    return bits(node["data"]) if "data" in node else None


def own_seeds(wiring: Wiring) -> Mapping[str, float] | None:
    """The document's seeds by id; None if they are the default ones."""
    default = {name: bits(1.0) for name in wiring.outputs if wiring.op(name) != CONSTANT}
    seeds = wiring.seeds
    return None if {name: bits(seed) for name, seed in seeds.items()} == default else seeds


def _given(wiring: Wiring) -> dict[int, str]:
    """What a replay starts from, by position: leaves' numbers, and seeds that are not the default ones."""
    given = {k: str(value(node)) for k, node in enumerate(wiring.nodes) if node["op"] in LEAVES}
    for name, seed in (own_seeds(wiring) or {}).items():
        k = wiring.index[name]
        given[k] = f"{given.get(k, '')} seed {bits(seed)}"
    return given


def _inverse(order: Sequence[int]) -> list[int]:
    number = [0] * len(order)
    for each, k in enumerate(order):
        number[k] = each
    return number


def _digest(lines: Iterable[str]) -> str:
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
