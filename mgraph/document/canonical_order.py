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


def digests(wiring: Wiring) -> tuple[str, str]:
    """Those of the structure and of the recipe, as ``sha256:`` and 64 hexadecimal digits.

    The recipe is the structure, the leaves' recorded numbers, and the seeds where they are not the default ones.
    """
    order = numbering(wiring)
    found = structure(wiring, order)
    known = _given(wiring)
    numbers = [f"{k} {known[i]}" for k, i in enumerate(order) if i in known]
    return found, _digest([found, *numbers, *["no seeds"] * (own_seeds(wiring) == {})])


def structure(wiring: Wiring, order: Sequence[int]) -> str:
    """SHA-256 of ops, operands, literals and outputs, as ``sha256:`` and 64 hexadecimal digits.

    It does not depend on ids, labels, recorded numbers or the order of the list. ``order`` is :func:`numbering`'s.
    """
    number = [""] * len(order)
    for each, k in enumerate(order):
        number[k] = str(each)
    starts, operands, nodes = wiring.starts, wiring.operands, wiring.nodes
    lines = []
    for k in order:
        line = nodes[k]["op"]
        for place in range(starts[k], starts[k + 1]):
            i = operands[place]
            line += f" {number[i] if i >= 0 else bits(nodes[k]['args'][place - starts[k]])}"
        lines.append(line)
    lines.append(" ".join(["outputs", *(number[wiring.index[name]] for name in wiring.outputs)]))
    return _digest(lines)


def numbering(wiring: Wiring) -> list[int]:
    """The nodes' positions in canonical order.

    What the outputs need comes first. The rest follows from its own roots, ordered by their colours: digests of what is
    below and around them. Equal colours mean interchangeable roots but for contrived graphs; in those the ids decide.
    """
    order: list[int] = []
    done = bytearray(len(wiring))
    _walk(wiring, [wiring.index[name] for name in wiring.outputs], order, done)
    if len(order) < len(wiring):
        rest = [k for k, passed in enumerate(done) if not passed]
        used = {i for k in rest for i in wiring.operands[wiring.starts[k] : wiring.starts[k + 1]]}
        roots = [k for k in rest if k not in used]
        keys: list[tuple[object, ...]] = [() for _ in roots]
        for given in ({}, _given(wiring)):
            if len(set(keys)) < len(roots):
                colours = _refined(wiring, rest, order, given)
                keys = [(*key, colours[k]) for key, k in zip(keys, roots, strict=True)]
        keys = [(*key, wiring.nodes[k]["id"]) for key, k in zip(keys, roots, strict=True)]
        _walk(wiring, [k for _, k in sorted(zip(keys, roots, strict=True))], order, done)
    return order


def _walk(wiring: Wiring, roots: Sequence[int], order: list[int], done: bytearray) -> None:
    """Append to ``order`` what the roots need and is not done: operands from the first on, then their consumer."""
    starts, operands = wiring.starts, wiring.operands
    for root in roots:
        stack = [root]
        while stack:
            k = stack[-1]
            waiting = [i for i in operands[starts[k] : starts[k + 1]] if i >= 0 and not done[i]]
            if waiting:
                stack.extend(reversed(waiting))
            else:
                stack.pop()
                if not done[k]:
                    done[k] = True
                    order.append(k)


def _refined(wiring: Wiring, rest: list[int], order: list[int], given: dict[int, str]) -> dict[int, bytes]:
    """The colours of the nodes in ``rest``: of all below, then of all that uses that, then of all below once more.

    So they tell apart what is shared from what is not. The nodes in ``order`` are told apart already, by their numbers,
    and ``given`` are numbers that a replay starts from.
    """
    numbered = {k: b"%d" % number for number, k in enumerate(order)}
    own = {k: given.get(k, "").encode() for k in rest}
    below = _coloured_from_below(wiring, rest, own, numbered)
    around = _coloured_from_above(wiring, rest, own, below)
    return _coloured_from_below(wiring, rest, around, numbered)


def _coloured_from_below(
    wiring: Wiring, rest: list[int], own: dict[int, bytes], numbered: dict[int, bytes]
) -> dict[int, bytes]:
    """A colour by op, the node's own colour and its operands' new ones."""
    starts, operands, nodes = wiring.starts, wiring.operands, wiring.nodes
    colours = numbered.copy()
    for k in rest:
        below = zip(operands[starts[k] : starts[k + 1]], nodes[k].get("args", ()), strict=True)
        known = [colours[i] if i >= 0 else bits(x).encode() for i, x in below]
        colours[k] = _colour(nodes[k]["op"].encode(), own[k], *known)
    return colours


def _coloured_from_above(
    wiring: Wiring, rest: list[int], own: dict[int, bytes], below: dict[int, bytes]
) -> dict[int, bytes]:
    """A colour by that from below, the node's own, and its consumers' new ones with the place that it has there."""
    starts, operands = wiring.starts, wiring.operands
    colours: dict[int, bytes] = {}
    uses: dict[int, list[bytes]] = {k: [] for k in rest}
    for k in reversed(rest):
        colours[k] = _colour(below[k], own[k], *sorted(uses[k]))
        for place, i in enumerate(operands[starts[k] : starts[k + 1]]):
            if i in uses:
                uses[i].append(b"%d" % place + colours[k])
    return colours


def _colour(*parts: bytes) -> bytes:
    return hashlib.sha256(b" ".join(parts)).digest()


def colours(a: Wiring, b: Wiring, to: Sequence[int | None], back: Sequence[int | None]) -> tuple[list[int], list[int]]:
    """A number for each node of two graphs, the same for two nodes that compute the same from the same.

    Nodes that are matched already, by ``to`` and ``back``, are the same whatever they compute; other leaves are
    if they are of one kind and one number.
    """
    seen: dict[tuple[object, ...], int] = {}

    def paint(wiring: Wiring, pairs: Iterable[int | None]) -> list[int]:
        painted: list[int] = []
        starts, operands, nodes = wiring.starts, wiring.operands, wiring.nodes
        for k, pair in enumerate(pairs):
            node, below = nodes[k], operands[starts[k] : starts[k + 1]]
            key: tuple[object, ...]
            if pair is not None:
                key = ("a pair", pair)
            elif "args" in node:
                known = (painted[i] if i >= 0 else bits(x) for i, x in zip(below, node["args"], strict=True))
                key = (node["op"], *known)
            else:
                key = (node["op"], value(node))
            painted.append(seen.setdefault(key, len(seen)))
        return painted

    return paint(a, (None if j is None else i for i, j in enumerate(to))), paint(b, back)


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


def _digest(lines: Iterable[str]) -> str:
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
