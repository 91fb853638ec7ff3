"""Which node of one graph is which of another: by canonical number, by name, by structure, by order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest

from mgraph.arithmetic.ops import LEAVES
from mgraph.document.canonical_order import bits, colours, numbering, structure, value
from mgraph.document.model import Node
from mgraph.document.wiring import Wiring

AUTOMATIC = re.compile(r"n\d+_*")
"""Ids that only say where in the list a node stands. One node more shifts them all, so they prove nothing."""

ALIGNED = 10_000_000
"""Pairs of unmatched operations up to which they are aligned: that takes quadratic time at the worst."""


def matched(a: Wiring, b: Wiring) -> list[int | None]:
    """For each node of ``a``, by position, the position of its counterpart in ``b``, or None."""
    first, second = numbering(a), numbering(b)
    if structure(a, first) == structure(b, second):
        to = [j for _, j in sorted(zip(first, second, strict=True))]
        # Operands that change places may leave the structure as it was; then names tell what happened.
        if not _crossed(a, b, to):
            return [*to]
    return _Matching(a, b).to


def _crossed(a: Wiring, b: Wiring, to: list[int]) -> bool:
    """Whether a leaf is matched to a leaf that is not its namesake, and that tells: the leaves have the same names on
    both sides, or other numbers. If ids were given out anew, a name that occurs again means nothing."""
    leaves = [(node, b.nodes[j]) for node, j in zip(a.nodes, to, strict=True) if node["op"] in LEAVES]
    names, others = {x["id"] for x, _ in leaves}, {y["id"] for _, y in leaves}
    telling = names == others or any(value(x) != value(y) for x, y in leaves)
    return telling and any(x["id"] != y["id"] and _named(x["id"]) and x["id"] in others for x, y in leaves)


class _Matching:
    """Pairs of nodes, found by name and by structure in turn until neither finds more."""

    def __init__(self, a: Wiring, b: Wiring) -> None:
        self.a, self.b = a, b
        self.to: list[int | None] = [None] * len(a)
        self.back: list[int | None] = [None] * len(b)
        self._starts = a.starts, b.starts
        outputs = set(b.outputs)
        kept = {name for name in a.outputs if name in outputs}
        self._by_id(lambda node: node["op"] in LEAVES or node["id"] in kept)
        self._by_label()
        left = len(a) + 1
        while 0 < len(self._left()) < left and None in self.back:
            left = len(self._left())
            self._by_colour()
            self._by_id(lambda node: True)
            self._top_down()
            if len(self._left()) == left:
                self._align()
            if len(self._left()) == left:
                self._by_place()

    def _left(self) -> list[int]:
        """The nodes of ``a`` that have no counterpart yet."""
        return [i for i, j in enumerate(self.to) if j is None]

    def _pair(self, i: int, j: int) -> None:
        self.to[i], self.back[j] = j, i

    def _free(self, i: int, j: int) -> bool:
        return self.to[i] is None and self.back[j] is None

    def _operands(self, i: int, j: int) -> list[tuple[int, int]]:
        """The operands of both nodes, position by position, where they are nodes without counterparts."""
        first, second = self._starts
        both = zip(self.a.operands[first[i] : first[i + 1]], self.b.operands[second[j] : second[j + 1]], strict=False)
        return [(p, q) for p, q in both if p >= 0 and q >= 0 and self._free(p, q)]

    def _namesakes(self) -> list[tuple[int, int]]:
        """The nodes without counterparts whose ids are the same."""
        found = ((i, self.b.index.get(self.a.nodes[i]["id"])) for i in self._left())
        return [(i, j) for i, j in found if j is not None and self.back[j] is None]

    def _by_id(self, chosen: Callable[[Node], bool]) -> None:
        for i, j in self._namesakes():
            if _named(self.a.nodes[i]["id"]) and chosen(self.a.nodes[i]):
                self._pair(i, j)

    def _by_label(self) -> None:
        """Leaves whose label no other unmatched leaf of their graph has."""
        first, second = _labels(self.a, self.to), _labels(self.b, self.back)
        for label, places in first.items():
            others = second.get(label, [])
            if len(places) == len(others) == 1:
                self._pair(places[0], others[0])

    def _by_colour(self) -> None:
        """Nodes that compute the same from the same. Consumers come first and take their operands with them."""
        first, second = colours(self.a, self.b, self.to, self.back)
        pool: dict[int, list[int]] = {}
        for j, colour in enumerate(second):
            if self.back[j] is None:
                pool.setdefault(colour, []).append(j)
        supply = {colour: len(places) for colour, places in pool.items()}
        demand = Counter(first[i] for i in self._left())
        for i, j in self._namesakes():
            # Of as many equals on both sides the first is the first, unless they have names; else ids decide.
            even = supply.get(first[i]) == demand[first[i]]
            if first[i] == second[j] and (not even or _named(self.a.nodes[i]["id"])):
                self._pair(i, j)
        for root in reversed(self._left()):
            places = pool.get(first[root], [])
            while self.to[root] is None and places:
                stack = [(root, places.pop())]
                while stack:
                    i, j = stack.pop()
                    if self._free(i, j) and first[i] == second[j]:
                        self._pair(i, j)
                        stack += self._operands(i, j)

    def _top_down(self) -> None:
        """Outputs at the same place, then from each pair to operands at the same place, if they are akin."""
        stack = [pair for i, j in enumerate(self.to) if j is not None for pair in self._operands(i, j)]
        ends = zip(self.a.outputs, self.b.outputs, strict=False)
        stack += [(self.a.index[p], self.b.index[q]) for p, q in ends]
        while stack:
            i, j = stack.pop()
            if self._free(i, j) and (self.a.nodes[i]["id"] == self.b.nodes[j]["id"] or self._akin(i, j)):
                self._pair(i, j)
                stack += self._operands(i, j)

    def _align(self) -> None:
        """Operations without counterparts in the order of the lists, by the longest runs of the same ops."""
        first, second = (
            [k for k, other in enumerate(matched) if other is None and "args" in wiring.nodes[k]]
            for wiring, matched in ((self.a, self.to), (self.b, self.back))
        )
        if len(first) * len(second) > ALIGNED:
            return
        before, after = ([w.nodes[k]["op"] for k in ks] for w, ks in ((self.a, first), (self.b, second)))
        for p, q, size in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
            for k in range(size):
                self._pair(first[p + k], second[q + k])

    def _by_place(self) -> None:
        """The last resort, for what no output needs: unnamed nodes with the same operands, or akin and of one id."""
        namesakes, (first, second) = self._namesakes(), self._starts
        for i, j in namesakes:
            if self._free(i, j) and self._same_operands(i, j):
                self._pair(i, j)
        places: dict[tuple[int | None, ...], int] = {
            tuple(self.b.operands[second[j] : second[j + 1]]): j for j, i in enumerate(self.back) if i is None
        }
        for i in self._left():  # a pair found here lets those after it be found in the same pass
            there = tuple(self.to[p] if p >= 0 else -1 for p in self.a.operands[first[i] : first[i + 1]])
            found = None if _named(self.a.nodes[i]["id"]) else places.get(there)
            if found is not None and self._free(i, found) and self._same_operands(i, found):
                self._pair(i, found)
        for i, j in namesakes:
            if self._free(i, j) and self._akin(i, j):
                self._pair(i, j)

    def _akin(self, i: int, j: int) -> bool:
        return self.a.nodes[i]["op"] == self.b.nodes[j]["op"] or self._same_operands(i, j)

    def _same_operands(self, i: int, j: int) -> bool:
        return "args" in self.a.nodes[i] and not any(operand_changes(self.a, self.b, self.to, i, j))


def _named(name: str) -> bool:
    return AUTOMATIC.fullmatch(name) is None


def _labels(wiring: Wiring, matched: Sequence[int | None]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for k, node in enumerate(wiring.nodes):
        if node["op"] in LEAVES and matched[k] is None and "label" in node:
            found.setdefault(node["label"], []).append(k)
    return found


def operand_changes(
    a: Wiring, b: Wiring, to: Sequence[int | None], i: int, j: int
) -> Iterator[tuple[int, str | float | None, str | float | None]]:
    """Position, before and after of each operand of a pair that is not the other's counterpart."""
    both = zip_longest(a.nodes[i].get("args", ()), b.nodes[j].get("args", ()))
    for position, (x, y) in enumerate(both):
        if isinstance(x, str) and isinstance(y, str):
            same = to[a.index[x]] == b.index[y]
        else:
            same = not isinstance(x, str | None) and not isinstance(y, str | None) and bits(x) == bits(y)
        if not same:
            yield position, x, y
