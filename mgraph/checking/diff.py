"""What changed between two graphs, and what moved because of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from mgraph import seams
from mgraph.arithmetic.ops import CONSTANT, LEAVES
from mgraph.checking.audit import ulps
from mgraph.checking.node_matching import matched, operand_changes
from mgraph.document.canonical_order import bits, own_seeds, value
from mgraph.document.model import Document, Node
from mgraph.document.spelling import expression, unused
from mgraph.document.wiring import Wiring
from mgraph.drawing.boxes import Change
from mgraph.replaying.plan import compile_plan
from mgraph.replaying.run import Run, replay

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
    """What :func:`diff` found. The last four do not make two graphs different. ``print`` shows all of it."""

    __module__ = "mgraph"

    causes: list[Cause]
    """What somebody changed, in the order of the second graph."""
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

    @property
    def verdict(self) -> str:
        """``same``, or ``different: 1 cause, 6 numbers moved``."""
        counts = (
            (self.causes, "cause", ""),
            (self.moved, "number", " moved"),
            (self.unexplained, "number", " unexplained"),
        )
        some = [f"{len(each):,} {what}{'s' * (len(each) > 1)}{more}" for each, what, more in counts if each]
        return f"different: {', '.join(some)}" if some else "same"

    def __repr__(self) -> str:
        return f"<Diff {self.verdict}>"

    def __str__(self) -> str:
        return seams.text(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        return seams.display(self)


def diff(a: Wiring, b: Wiring) -> Diff:
    """Compare two graphs. Numbers are the recorded ones, or, where either lacks one, those of replays of both."""
    to = matched(a, b)
    pairs = sorted(((i, j) for i, j in enumerate(to) if j is not None), key=lambda pair: pair[1])
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


def union(a: Wiring, b: Wiring, found: Diff) -> tuple[Wiring, dict[str, Change]]:
    """One graph for a picture, the nodes of ``b`` and those removed from ``a``; and by id, what is different."""
    names = dict(found.matches)
    nodes = list(b.nodes)
    removed = []
    for node in a.nodes:
        if node["id"] not in names:
            name = unused(f"{node['id']} (removed)", b)
            names[node["id"]] = name
            removed.append(name)
            gone: Node = {"label": node["id"], **node, "id": name}
            if "args" in node:
                gone["args"] = [names[x] if isinstance(x, str) else x for x in node["args"]]
            nodes.append(gone)
    document: Document = {**b.document, "nodes": nodes, "outputs": b.outputs}
    return Wiring(document), _changes(found, removed)


def _changes(found: Diff, removed: list[str]) -> dict[str, Change]:
    """By id in the picture, what somebody changed of a node, and where its numbers came from."""
    causes: dict[str, list[str]] = {}
    numbers: dict[str, dict[str, tuple[float, float]]] = {}
    for cause in found.causes:
        if cause.node is not None and cause.kind != "removed":
            causes.setdefault(cause.node, []).append(_in_words(cause))
            if isinstance(cause.before, float) and isinstance(cause.after, float) and cause.kind == "value":
                numbers.setdefault(cause.node, {})["data"] = cause.before, cause.after
    for move in (*found.moved, *found.unexplained):
        numbers.setdefault(move.node, {})[move.field] = move.before, move.after
    unexplained = {move.node for move in found.unexplained}
    changes = {
        name: Change(", ".join(causes.get(name, ())), **numbers.get(name, {}), is_unexplained=name in unexplained)
        for name in dict.fromkeys((*causes, *numbers))
    }
    return changes | {name: Change("removed") for name in removed}


def _in_words(cause: Cause) -> str:
    """A cause in a few words: ``added``, ``value``, ``op exp → log``, ``operand 2``."""
    match cause.kind:
        case "op" | "leaf":
            return f"{cause.before} → {cause.after}"
        case "operand":
            return f"operand {(cause.position or 0) + 1}"
        case "value":
            return "changed"
        case kind:
            return kind


# Causes ----------------------------------------------------------------------------------------------------


def _node_causes(
    a: Wiring, b: Wiring, to: Sequence[int | None], pairs: list[tuple[int, int]]
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
        causes += [Cause("operand", name, x, y, k) for k, x, y in operand_changes(a, b, to, i, j)]
        if len(causes) > own:
            affected[j] = True
        if leaves and node["op"] != old["op"]:  # which changes no number of data
            causes.append(Cause("leaf", name, old["op"], node["op"]))
    removed = [node for node, j in zip(a.nodes, to, strict=True) if j is None]
    return causes + [Cause("removed", node["id"], expression(node), None) for node in removed], affected


def _whole_causes(a: Wiring, b: Wiring, to: Sequence[int | None]) -> list[Cause]:
    """What changed of outputs, seeds and tolerance."""
    causes = []
    if [to[a.index[name]] for name in a.outputs] != [b.index[name] for name in b.outputs]:
        causes.append(Cause("outputs", None, tuple(a.outputs), tuple(b.outputs)))
    if own_seeds(a) is not None or own_seeds(b) is not None:
        new = {
            name if j is None else b.nodes[j]["id"]: seed for name, seed in a.seeds.items() for j in [to[a.index[name]]]
        }
        for name in dict.fromkeys((*new, *b.seeds)):
            x, y = new.get(name), b.seeds.get(name)
            if x is None or y is None or bits(x) != bits(y):
                causes.append(Cause("seed", name, x, y))
    if a.tolerance != b.tolerance:
        causes.append(Cause("tolerance", None, a.tolerance, b.tolerance))
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
    """What moved of these from a replay of ``a`` to one of ``b``."""
    backward = any(what == "grad" for what, _, _ in slots)
    before, after = _rerun(a, backward), _rerun(b, backward)
    for what, i, j in slots:
        name = b.nodes[j]["id"]
        x, y = getattr(before, what, {}).get(a.nodes[i]["id"]), getattr(after, what, {}).get(name)
        if x is not None and y is not None and (distance := _distance(x, y)):
            yield Move(name, what, x, y, distance)


def _rerun(wiring: Wiring, backward: bool) -> Run | None:
    """A replay of what has a number; without gradients if a leaf has none, and None if nothing has one."""
    plan = compile_plan(wiring)
    if not plan.unset:
        return replay(plan, backward=backward)
    unset = [wiring.nodes[slot]["id"] for slot in plan.unset]
    without = {*unset, *wiring.descendants(*unset)}
    known = [name for name in wiring.index if name not in without]
    return replay(compile_plan(Wiring(wiring.sliced(known))), backward=False) if known else None


def _distance(x: float, y: float) -> int:
    return 0 if x == y != 0.0 else ulps(x, y)  # most are equal, and that is quickly seen


def _size(move: Move) -> tuple[bool, float]:
    """NaN against a number first, then the largest difference."""
    lost = move.difference != move.difference
    return (not lost, 0.0 if lost else -abs(move.difference))


def _number(node: Node, what: str) -> float | None:
    found = node.get(what)
    return None if found is None else float(found)  # type: ignore[arg-type]
