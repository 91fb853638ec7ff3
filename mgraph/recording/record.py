"""How a graph of values becomes a document: which are in it, in what order, under what ids and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, SupportsFloat

from mgraph.arithmetic.ops import CONSTANT
from mgraph.document.model import NAME_LIMIT, Document, Node, Number, number, validate, without_grad
from mgraph.document.spelling import unused
from mgraph.recording.scopes import told_apart
from mgraph.recording.value import FIXED, LITERAL, Value, constant, topological_order


def document_of(
    outputs: Sequence[Value | SupportsFloat],
    *,
    leaves: Sequence[Value] = (),
    title: str | None = None,
    names: Mapping[str, object] | None = None,
    tolerance: int | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Document:
    """The document of everything ``outputs`` depend on, and of ``leaves``, in the order in which it was made.

    A node's id is its name, under its scope; where that is taken or there is no name, one like ``n12`` (its
    place), and the name is its label. Gradients are recorded if ``backward`` was called on an output. Raises
    DocumentError for what the format cannot hold.
    """
    if names:
        name_values(names)
    roots = [root if isinstance(root, Value) else constant(root) for root in outputs]
    kept = set(roots)
    values, literals = [], {}
    for value in topological_order((*roots, *leaves)):
        if value.op == LITERAL and value not in kept and isfinite(value.data):
            literals[value] = float(value.data)
        else:
            values.append(value)
    scopes = dict(zip(values, told_apart([value.scope for value in values]), strict=True))
    ids = _ids(scopes)
    operands: dict[Value, str | float] = {**ids, **literals}
    seeds = {ids[root]: number(root.seed) for root in roots if root.seed is not None and root.op not in FIXED}
    nodes = [_node(value, ids[value], scopes[value], operands, bool(seeds)) for value in values]
    listed = list(dict.fromkeys(ids[root] for root in roots))
    return validate({"mgraph": 1, "nodes": nodes, "outputs": listed, **_header(title, seeds, tolerance, meta)})


def _node(value: Value, name: str, scope: str | None, operands: Mapping[Value, str | float], graded: bool) -> Node:
    """What the document says of a value; ``operands`` is what stands for each: its id, or a literal's number."""
    op, label = value.op, value.name
    node: Node = {"id": name, "op": CONSTANT if op == LITERAL else op}
    if value.operands:
        node["args"] = [operands[each] for each in value.operands]
    node["data"] = number(float(value.data))
    if graded and op not in FIXED:
        node["grad"] = number(float(value.grad))
    if label is not None and label != name:
        node["label"] = label
    if scope is not None:
        node["scope"] = scope
    if value.source is not None:
        node["source"] = value.source
    return node


def _header(
    title: str | None, seeds: Mapping[str, Number], tolerance: int | None, meta: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the document says of the whole, as far as it is given."""
    found: dict[str, Any] = {} if title is None else {"title": title}
    if seeds:
        found["seeds"] = seeds
    if tolerance is not None:
        found["tolerance"] = {"ulps": tolerance}
    if meta:
        found["meta"] = dict(meta) if isinstance(meta, Mapping) else meta  # to be refused
    return found


def without_gradients(document: Document) -> Document:
    """The document without gradients and their seeds."""
    bare: Document = {**document, "nodes": without_grad(document["nodes"])}
    bare.pop("seeds", None)
    return bare


def _ids(scopes: Mapping[Value, str | None]) -> dict[Value, str]:
    ids: dict[Value, str] = {}
    taken: set[str] = set()
    for value, scope in scopes.items():
        name = value.name
        if name:
            name = f"{scope}/{name}" if scope else name
            if name not in taken and len(name) <= NAME_LIMIT:
                ids[value] = name
                taken.add(name)
    for place, value in enumerate(scopes):
        if value not in ids:
            ids[value] = unused(f"n{place}", taken)  # no other place gives this name
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
