"""What changed between two graphs, and what moved because of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

from mgraph.document import Document, Node
from mgraph.graph import Wiring
from mgraph.ops import CONSTANT, LEAVES
from mgraph.plan import compile_plan
from mgraph.replay import replay
from mgraph.structure import bits, colours, numbering, offsets, own_seeds, structure, value
from mgraph.table import expression
from mgraph.verify import tolerance_of, ulps

LEGEND = {"changed": "#ee8866", "added": "#77aadd", "removed": "#dddddd", "moved": "#eedd88"}
"""Fill colours of the union picture, told apart by the colour-blind too (Paul Tol's light scheme)."""

AUTOMATIC = re.compile(r"n\d+_*")
"""Ids that only say where in the list a node stands. One node more shifts them all, so they prove nothing."""

Said = str | float | tuple[str, ...] | None


@dataclass(frozen=True)
class Cause:
    """One thing that somebody changed."""

    kind: str
    """``op``, ``operand``, ``value`` or ``leaf`` (its kind) of a matched node, ``added``, ``removed``, ``outputs``,
    ``seed``, ``tolerance``."""
    node: str | None
    """The id in the second graph; of a removed node, in the first."""
    before: Said
    after: Said
    position: int | None = None
    """Which operand, from 0."""


@dataclass(frozen=True)
class Move:
    """A number of a matched node that is another one in the second graph."""

    node: str
    field: str
    """``data`` or ``grad``."""
    before: float
    after: float
    ulps: int

    @property
    def difference(self) -> float:
        """``after - before``."""
        return self.after - self.before


@dataclass(frozen=True)
class Diff:
    """What :func:`diff` found. The last four do not make two graphs different."""

    causes: list[Cause]
    moved: list[Move]
    """Numbers that moved because of the causes: NaN against a number first, then the largest difference."""
    unexplained: list[Move]
    """Recorded numbers that moved though nothing they follow from did: an altered record."""
    renamed: list[tuple[str, str]]
    """Ids of matched nodes, where they differ."""
    reordered: bool
    """Whether matched nodes are listed in another order."""
    texts: dict[str, int]
    """How many labels, scopes, sources, titles and metas differ; those that do not are left out."""
    matches: dict[str, str] = field(repr=False)
    """Matched nodes, by their ids in the first graph."""

    @property
    def same(self) -> bool:
        """Whether both are the same computation of the same numbers."""
        return not (self.causes or self.moved or self.unexplained)


def diff(a: Wiring, b: Wiring) -> Diff:
    """Compare two graphs. Numbers are the recorded ones, or, where either lacks one, those of replays of both."""
    to = _matched(a, b)
    pairs = sorted(((i, j) for i, j in enumerate(to) if j >= 0), key=lambda pair: pair[1])
    causes, affected = _node_causes(a, b, to, pairs)
    causes += _whole_causes(a, b, to)
    at_all = any(cause.kind != "tolerance" for cause in causes)
    moved, unexplained = _moves(a, b, pairs, affected, at_all)
    nodes = [(a.nodes[i], b.nodes[j]) for i, j in pairs]
    texts = Counter(key for x, y in nodes for key in ("label", "scope", "source") if x.get(key) != y.get(key))
    texts.update(key for key in ("title", "meta") if a.document.get(key) != b.document.get(key))
    ids = [(x["id"], y["id"]) for x, y in nodes]
    return Diff(
        causes,
        moved,
        unexplained,
        [(before, after) for before, after in ids if before != after],
        any(i > k for (i, _), (k, _) in pairwise(pairs)),
        dict(texts),
        dict(ids),
    )


def union(a: Wiring, b: Wiring, found: Diff) -> tuple[Wiring, dict[str, str]]:
    """One graph for a picture, the nodes of ``b`` and those removed from ``a``; and fill colours by id."""
    names = dict(found.matches)
    fills = {move.node: LEGEND["moved"] for move in (*found.moved, *found.unexplained)}
    for cause in found.causes:
        if cause.node is not None and cause.kind != "removed":
            fills[cause.node] = LEGEND["added" if cause.kind == "added" else "changed"]
    nodes = list(b.nodes)
    for node in a.nodes:
        if node["id"] not in names:
            name = f"{node['id']} (removed)"
            while name in b:
                name += "_"
            names[node["id"]] = name
            fills[name] = LEGEND["removed"]
            gone: Node = {"label": node["id"], **node, "id": name}
            if "args" in node:
                gone["args"] = [names[x] if isinstance(x, str) else x for x in node["args"]]
            nodes.append(gone)
    document: Document = {**b.document, "nodes": nodes, "outputs": b.outputs}
    return Wiring(document), fills


# Which node is which ---------------------------------------------------------------------------------------


def _matched(a: Wiring, b: Wiring) -> list[int]:
    """For each node of ``a``, by position, the position of its counterpart in ``b``, or -1."""
    first, second = numbering(a), numbering(b)
    if structure(a, first) == structure(b, second):
        to = [j for _, j in sorted(zip(first, second, strict=True))]
        # Operands that change places may leave the structure as it was; then names tell what happened.
        if not _crossed(a, b, to):
            return to
    return _Matching(a, b).to


def _crossed(a: Wiring, b: Wiring, to: list[int]) -> bool:
    """Whether a leaf is matched to another one than its namesake, and a number would differ by that."""
    leaves = [(node, b.nodes[j]) for node, j in zip(a.nodes, to, strict=True) if node["op"] in LEAVES]
    others = {y["id"] for _, y in leaves}
    return any(value(x) != value(y) for x, y in leaves) and any(
        x["id"] != y["id"] and _named(x["id"]) and x["id"] in others for x, y in leaves
    )


class _Matching:
    """Pairs of nodes, found by name and by structure in turn until neither finds more."""

    def __init__(self, a: Wiring, b: Wiring) -> None:
        self.a, self.b = a, b
        self.to, self.back = [-1] * len(a), [-1] * len(b)
        self._starts = offsets(a), offsets(b)
        outputs = set(b.outputs)
        kept = {name for name in a.outputs if name in outputs}
        self._by_id(lambda node: node["op"] in LEAVES or node["id"] in kept)
        self._by_label()
        left = len(a) + 1
        while 0 < len(self._left()) < left and -1 in self.back:
            left = len(self._left())
            self._by_colour()
            self._by_id(lambda node: True)
            self._top_down()
            if len(self._left()) == left:
                self._by_place()

    def _left(self) -> list[int]:
        """The nodes of ``a`` that have no counterpart yet."""
        return [i for i, j in enumerate(self.to) if j < 0]

    def _pair(self, i: int, j: int) -> None:
        self.to[i], self.back[j] = j, i

    def _free(self, i: int, j: int) -> bool:
        return self.to[i] < 0 and self.back[j] < 0

    def _operands(self, i: int, j: int) -> list[tuple[int, int]]:
        """The operands of both nodes, position by position, where they are nodes without counterparts."""
        first, second = self._starts
        both = zip(self.a.operands[first[i] : first[i + 1]], self.b.operands[second[j] : second[j + 1]], strict=False)
        return [(p, q) for p, q in both if p >= 0 and q >= 0 and self._free(p, q)]

    def _namesakes(self) -> list[tuple[int, int]]:
        """The nodes without counterparts whose ids are the same."""
        found = ((i, self.b.index.get(self.a.nodes[i]["id"], -1)) for i in self._left())
        return [(i, j) for i, j in found if j >= 0 and self.back[j] < 0]

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
            if self.back[j] < 0:
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
            while self.to[root] < 0 and places:
                stack = [(root, places.pop())]
                while stack:
                    i, j = stack.pop()
                    if self._free(i, j) and first[i] == second[j]:
                        self._pair(i, j)
                        stack += self._operands(i, j)

    def _top_down(self) -> None:
        """Outputs at the same place, then from each pair to operands at the same place, if they are akin."""
        stack = [pair for i, j in enumerate(self.to) if j >= 0 for pair in self._operands(i, j)]
        ends = zip(self.a.outputs, self.b.outputs, strict=False)
        stack += [(self.a.index[p], self.b.index[q]) for p, q in ends]
        while stack:
            i, j = stack.pop()
            if self._free(i, j) and (self.a.nodes[i]["id"] == self.b.nodes[j]["id"] or self._akin(i, j)):
                self._pair(i, j)
                stack += self._operands(i, j)

    def _by_place(self) -> None:
        """The last resort, for what no output needs: unnamed nodes with the same operands, or akin and of one id."""
        namesakes, (first, second) = self._namesakes(), self._starts
        places = {tuple(self.b.operands[second[j] : second[j + 1]]): j for j, i in enumerate(self.back) if i < 0}
        pairs = [(i, j) for i, j in namesakes if self._same_operands(i, j)]
        for i in self._left():
            operands = (self.to[p] if p >= 0 else -1 for p in self.a.operands[first[i] : first[i + 1]])
            j = places.get(tuple(operands), -1)
            if j >= 0 and not _named(self.a.nodes[i]["id"]) and self._same_operands(i, j):
                pairs.append((i, j))
        for i, j in pairs + namesakes:
            if self._free(i, j) and self._akin(i, j):
                self._pair(i, j)

    def _akin(self, i: int, j: int) -> bool:
        return self.a.nodes[i]["op"] == self.b.nodes[j]["op"] or self._same_operands(i, j)

    def _same_operands(self, i: int, j: int) -> bool:
        return "args" in self.a.nodes[i] and not any(_operand_changes(self.a, self.b, self.to, i, j))


def _named(name: str) -> bool:
    return AUTOMATIC.fullmatch(name) is None


def _labels(wiring: Wiring, matched: Sequence[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for k, node in enumerate(wiring.nodes):
        if node["op"] in LEAVES and matched[k] < 0 and "label" in node:
            found.setdefault(node["label"], []).append(k)
    return found


# Causes ----------------------------------------------------------------------------------------------------


def _operand_changes(
    a: Wiring, b: Wiring, to: Sequence[int], i: int, j: int
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


def _node_causes(
    a: Wiring, b: Wiring, to: Sequence[int], pairs: list[tuple[int, int]]
) -> tuple[list[Cause], bytearray]:
    """What changed node by node, and which nodes of ``b`` compute something else than they did."""
    causes: list[Cause] = []
    affected = bytearray(len(b))
    before = {j: i for i, j in pairs}
    operand = iter(b.operands)
    for j, node in enumerate(b.nodes):
        name, own = node["id"], len(causes)
        below = [affected[i] for _, i in zip(node.get("args", ()), operand, strict=False) if i >= 0]
        affected[j] = any(below)
        if j not in before:
            causes.append(Cause("added", name, None, expression(node)))
            affected[j] = True
            continue
        i = before[j]
        old = a.nodes[i]
        leaves = node["op"] in LEAVES and old["op"] in LEAVES
        if leaves and value(old) != value(node):
            causes.append(Cause("value", name, _number(old, "data"), _number(node, "data")))
        if not leaves and node["op"] != old["op"]:
            causes.append(Cause("op", name, old["op"], node["op"]))
        causes += [Cause("operand", name, x, y, k) for k, x, y in _operand_changes(a, b, to, i, j)]
        if len(causes) > own:
            affected[j] = True
        if leaves and node["op"] != old["op"]:  # which changes no number of data
            causes.append(Cause("leaf", name, old["op"], node["op"]))
    removed = [node for node, j in zip(a.nodes, to, strict=True) if j < 0]
    return causes + [Cause("removed", node["id"], expression(node), None) for node in removed], affected


def _whole_causes(a: Wiring, b: Wiring, to: Sequence[int]) -> list[Cause]:
    """What changed of outputs, seeds and tolerance."""
    causes = []
    if [to[a.index[name]] for name in a.outputs] != [b.index[name] for name in b.outputs]:
        causes.append(Cause("outputs", None, tuple(a.outputs), tuple(b.outputs)))
    if own_seeds(a) or own_seeds(b):
        new = {
            b.nodes[to[k]]["id"] if to[k] >= 0 else name: seed
            for name, seed in a.seeds.items()
            for k in [a.index[name]]
        }
        for name in dict.fromkeys((*new, *b.seeds)):
            x, y = new.get(name), b.seeds.get(name)
            if x is None or y is None or bits(x) != bits(y):
                causes.append(Cause("seed", name, x, y))
    tolerances = tolerance_of(a.document, None), tolerance_of(b.document, None)
    if tolerances[0] != tolerances[1]:
        causes.append(Cause("tolerance", None, *tolerances))
    return causes


# Consequences ----------------------------------------------------------------------------------------------


def _moves(
    a: Wiring, b: Wiring, pairs: list[tuple[int, int]], affected: bytearray, at_all: bool
) -> tuple[list[Move], list[Move]]:
    """The numbers that moved because of a cause, and those that moved without. ``at_all``: if there is a cause."""
    old, new = a.nodes, b.nodes
    computed = [(i, j) for i, j in pairs if not (old[i]["op"] in LEAVES and new[j]["op"] in LEAVES)]
    graded = [(i, j) for i, j in pairs if CONSTANT not in (old[i]["op"], new[j]["op"])]
    recorded, lacking = [], []
    for what, slots in (("data", computed), ("grad", graded)):
        for i, j in slots:
            x, y = _number(old[i], what), _number(new[j], what)
            if x is None or y is None:
                lacking.append((what, i, j))
            elif distance := _distance(x, y):
                recorded.append((Move(new[j]["id"], what, x, y, distance), at_all if what == "grad" else affected[j]))
    moved = [move for move, explained in recorded if explained]
    if lacking and at_all:  # without a cause, replays are the same
        moved += _replayed(a, b, lacking)
    return sorted(moved, key=_size), sorted((move for move, explained in recorded if not explained), key=_size)


def _replayed(a: Wiring, b: Wiring, slots: list[tuple[str, int, int]]) -> Iterator[Move]:
    """What moved of these from a replay of ``a`` to one of ``b``, if every leaf has a number."""
    plans = compile_plan(a), compile_plan(b)
    if plans[0].unset or plans[1].unset:
        return
    backward = any(what == "grad" for what, _, _ in slots)
    before, after = (replay(plan, backward=backward) for plan in plans)
    for what, i, j in slots:
        name = b.nodes[j]["id"]
        x, y = getattr(before, what)[a.nodes[i]["id"]], getattr(after, what)[name]
        if distance := _distance(x, y):
            yield Move(name, what, x, y, distance)


def _distance(x: float, y: float) -> int:
    return 0 if x == y != 0.0 else ulps(x, y)  # most are equal, and that is quickly seen


def _size(move: Move) -> tuple[bool, float]:
    """NaN against a number first, then the largest difference."""
    lost = move.difference != move.difference
    return (not lost, 0.0 if lost else -abs(move.difference))


def _number(node: Node, what: str) -> float | None:
    found = node.get(what)
    return None if found is None else float(found)  # type: ignore[arg-type]
