"""How a graph of values becomes a document: which are in it, in what order, under what ids and names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsFloat

from mgraph.arithmetic.ops import CONSTANT
from mgraph.document.model import NAME_LIMIT, Document, Node, number, validate
from mgraph.recording.value import FIXED, LITERAL, Value, constant, topological_order


def document_of(
    outputs: Sequence[Value | SupportsFloat],
    *,
    title: str | None = None,
    names: Mapping[str, object] | None = None,
    tolerance: int | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Document:
    """The document of everything ``outputs`` depend on, in the order in which it was made.

    A node's id is its name, under its scope; where that is taken or there is no name, one like ``n12`` (its
    place), and the name is its label. Gradients are recorded if ``backward`` was called on an output. Raises
    DocumentError for what the format cannot hold.
    """
    if names:
        name_values(names)
    roots = [root if isinstance(root, Value) else constant(root) for root in outputs]
    values = topological_order(tuple(roots))
    kept = set(roots)
    inlined = {v for v in values if v.op == LITERAL and v not in kept and v.data - v.data == 0.0}
    values = [v for v in values if v not in inlined] if inlined else values
    ids = _ids(values)
    seeds = {ids[root]: number(root.seed) for root in roots if root.seed is not None and root.op not in FIXED}
    nodes = []
    for value in values:
        name, op, data = ids[value], value.op, float(value.data)
        node: Node = {"id": name, "op": CONSTANT if op == LITERAL else op}
        if value.operands:
            node["args"] = [float(v.data) if v in inlined else ids[v] for v in value.operands]
        node["data"] = data if data - data == 0.0 else number(data)
        if seeds and op not in FIXED:
            grad = float(value.grad)
            node["grad"] = grad if grad - grad == 0.0 else number(grad)
        label = value.name
        if label is not None and label != name:
            node["label"] = label
        scope = value.scope
        if scope is not None:
            node["scope"] = scope
        nodes.append(node)
    document: Document = {"mgraph": 1, "nodes": nodes, "outputs": list(dict.fromkeys(ids[r] for r in roots))}
    if title is not None:
        document["title"] = title
    if seeds:
        document["seeds"] = seeds
    if tolerance is not None:
        document["tolerance"] = {"ulps": tolerance}
    if meta:
        document["meta"] = dict(meta)
    return validate(document)


def without_gradients(document: Document) -> Document:
    """The document without gradients and their seeds."""
    nodes = [{key: value for key, value in node.items() if key != "grad"} for node in document["nodes"]]
    bare: Document = {**document, "nodes": nodes}  # type: ignore[typeddict-item]
    bare.pop("seeds", None)
    return bare


def _ids(values: Iterable[Value]) -> dict[Value, str]:
    ids: dict[Value, str] = {}
    taken: set[str] = set()
    for value in values:
        if value.name:
            name = f"{value.scope}/{value.name}" if value.scope else value.name
            if name not in taken and len(name) <= NAME_LIMIT:
                ids[value] = name
                taken.add(name)
    for place, value in enumerate(values):
        if value not in ids:
            name = f"n{place}"
            while name in taken:
                name += "_"
            ids[value] = name  # no other place gives this name
    return ids


def name_values(names: Mapping[str, object]) -> None:
    """Name each value that has no name after the variable that holds it: ``name(locals())``.

    Lists and tuples of values are named by position (``w[0]``, ``W[2][3]``). Variables that begin with an
    underscore are passed over.
    """
    for variable, held in list(names.items()):
        if not variable.startswith("_"):
            _name(variable, held, depth=0)


def _name(variable: str, held: object, depth: int) -> None:
    if isinstance(held, Value):
        if held.name is None:
            held.name = variable
    elif isinstance(held, list | tuple) and depth < 8:
        for k, each in enumerate(held):
            _name(f"{variable}[{k}]", each, depth + 1)
