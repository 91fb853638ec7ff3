"""What a picture is made of: a box for each node, or one for all the nodes of a scope that is collapsed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mgraph.arithmetic.ops import LEAVES, OPS, Op
from mgraph.document.model import Node
from mgraph.document.wiring import Wiring
from mgraph.drawing.folding import Fold

AUTOMATIC = re.compile(r"n\d+_*")
"""Ids that only say where in the list a node stands."""


@dataclass(frozen=True)
class Change:
    """How a node is different in the second of two graphs."""

    what: str
    """What somebody changed, in words (``added``, ``op exp → log``); empty for a consequence."""
    data: tuple[float, float] | None = None
    """The value before and after; None if it did not move."""
    grad: tuple[float, float] | None = None
    """The gradient before and after; None if it did not move."""
    is_unexplained: bool = False
    """Whether it moved though nothing it follows from did."""


@dataclass
class Box:
    """One node, or a collapsed scope."""

    name: str
    """What DOT calls it."""
    kind: str
    """``input``, ``parameter``, ``constant``, ``operation`` or ``scope``."""
    title: str
    id: str = ""
    """The id of a node; empty for a scope."""
    frame: str = ""
    """The scope whose frame it stands in."""
    data: float | None = None
    grad: float | None = None
    is_output: bool = False
    op: Op | None = None
    operands: list[str | float] = field(default_factory=list)
    """Per operand of a node, the name of the box that it comes from, or a literal; of a scope, each such box once."""
    facts: list[str] = field(default_factory=list)
    """What is said of a scope, line by line."""
    carried: dict[str, list[float | None]] = field(default_factory=dict)
    """By the name of a scope's box among the operands, the values that come from it; only if it has several."""
    steepest: float = 0.0
    """The gradient of the largest magnitude: the node's, or of all nodes in the scope."""
    source: str = ""
    """Where a node's value was made, if that was noted."""

    @property
    def is_named(self) -> bool:
        """Whether the title says more than where in the list the node stands, or what its op is."""
        return not (AUTOMATIC.fullmatch(self.title) or (self.op and self.title.startswith(f"{self.op.name}(")))


def boxes(
    wiring: Wiring, data: Mapping[str, float], grad: Mapping[str, float], folds: Sequence[Fold | None]
) -> list[Box]:
    """A box for each node, or for the fold that the node at this position belongs to, in order."""
    made: dict[str, Box] = {}
    home: dict[str, Box] = {}  # by id of node
    for k, (node, fold) in enumerate(zip(wiring.nodes, folds, strict=True)):
        name = node["id"]
        if fold is None:
            box = _of_node(k, node, data.get(name), grad.get(name))
        else:
            box = made.get(fold.name) or Box(fold.name, "scope", fold.title, frame=fold.frame, facts=[fold.parts])
        made[box.name] = home[name] = box
        gradient = grad.get(name, 0.0)
        if not abs(gradient) <= abs(box.steepest):  # so that a NaN counts
            box.steepest = gradient
    for node in wiring.nodes:
        box = home[node["id"]]
        operands: list[str | float] = [home[a].name if isinstance(a, str) else float(a) for a in node.get("args", ())]
        box.operands += operands if box.kind != "scope" else [a for a in operands if isinstance(a, str)]
    for name in wiring.outputs:
        home[name].is_output = True
    if any(fold is not None for fold in folds):
        _tell_of_scopes(wiring, data, grad, made, home)
    return list(made.values())


def _of_node(k: int, node: Node, x: float | None, g: float | None) -> Box:
    kind = node["op"] if node["op"] in LEAVES else "operation"
    title = node.get("label", node["id"])
    op, source = OPS.get(node["op"]), node.get("source", "")
    return Box(f"n{k}", kind, title, node["id"], node.get("scope", ""), x, g, op=op, source=source)


def _tell_of_scopes(
    wiring: Wiring,
    data: Mapping[str, float],
    grad: Mapping[str, float],
    made: Mapping[str, Box],
    home: Mapping[str, Box],
) -> None:
    """Write the shape of every collapsed scope into its box, and on edges what passes."""
    members: dict[str, list[str]] = {name: [] for name in made}
    used: dict[str, dict[str, None]] = {name: {} for name in made}
    """Ids of nodes that other boxes use, or that are outputs."""
    passing: dict[tuple[str, str], dict[str, None]] = {}
    """Ids of the nodes that pass from box to box."""
    for node in wiring.nodes:
        box = home[node["id"]]
        members[box.name].append(node["id"])
        for operand in node.get("args", ()):
            if isinstance(operand, str) and (source := home[operand].name) != box.name:
                used[source][operand] = passing.setdefault((source, box.name), {})[operand] = None
    for name in wiring.outputs:
        used[home[name].name][name] = None
    for name, box in made.items():
        if box.kind == "scope":
            box.operands = [a for a in dict.fromkeys(box.operands) if a != name]
            taken = {each for a in box.operands for each in passing[str(a), name]}
            box.facts = _shape(wiring, box.facts, members[name], len(taken), list(used[name]))
            if len(used[name]) == 1:
                only = next(iter(used[name]))
                box.data, box.grad = data.get(only), grad.get(only)
    for (source, target), names in passing.items():
        if made[source].kind == "scope" and len(used[source]) > 1:
            made[target].carried[source] = [data.get(name) for name in names]


def _shape(wiring: Wiring, parts: list[str], members: list[str], taken: int, used: list[str]) -> list[str]:
    """Lines: what scopes are inside and what they end in, inputs → outputs, and how many nodes and parameters."""
    ends = {wiring.op(name) for name in used}
    activation = ends.pop() if len(ends) == 1 else ""
    what = [part for part in parts if part]
    what += [f"{taken:,} → {len(used):,}"] * (taken > 0)
    what += [activation] * (activation in OPS and OPS[activation].arity == 1)
    kinds = Counter(wiring.op(name) for name in members)
    leaves = [counted(kinds[kind], kind) for kind in LEAVES if kinds[kind]]
    count = leaves if len(kinds) == 1 and leaves else [counted(len(members), "node"), *leaves]
    return [" · ".join(line) for line in (what, count) if line]


def counted(n: int, noun: str) -> str:
    """``1 node``, ``1,024 nodes``."""
    return f"{n:,} {noun}{'s' * (n != 1)}"
