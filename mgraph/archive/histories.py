"""A document that is exactly what a replay of its leaves computes, kept as its leaves alone.

The documents of a training run share everything but numbers, and of the numbers only the leaves' are news: the others
follow, with the same bits on every machine. So such a document is kept as what differs from a whole one of the same
structure in its head (title, meta, …) and its leaves. To read it is to replay it, and its digest proves that the
bytes are those that were kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
import zstandard

from mgraph.archive import bodies
from mgraph.arithmetic.ops import LEAVES
from mgraph.document import model
from mgraph.document.canonical import canonical
from mgraph.document.model import Document, Node
from mgraph.errors import FileError, MgraphError
from mgraph.graph import Graph

_NUMBERS = ("data", "grad")


def packed(content: bytes, base: bytes) -> bytes | None:
    """What differs from the document whose canonical bytes are ``base``; None unless a replay restores ``content``."""
    whole = _graph(base)
    difference = _difference(model.parse(content), whole._wiring.document)
    if difference is None:
        return None
    raw = orjson.dumps(difference)
    try:
        restored = canonical(_restored(raw, whole))
    except MgraphError:  # an input without a number, for example
        return None
    return zstandard.ZstdCompressor(level=9).compress(raw) if restored == content else None


def unpacked(payload: bytes, base: bytes) -> Document:
    """The document that :func:`packed` was given. Raises FileError for a payload that it cannot have returned."""
    try:
        bodies.refuse_bomb(zstandard.frame_content_size(payload), payload, base)
        return _restored(zstandard.ZstdDecompressor().decompress(payload), _graph(base))
    except (zstandard.ZstdError, orjson.JSONDecodeError, MgraphError, LookupError, TypeError, ValueError) as error:
        raise FileError(f"the numbers of a history cannot be restored: {error}") from None


@lru_cache(maxsize=1)
def _graph(base: bytes) -> Graph:
    return Graph._of(model.parse(base))


def _difference(document: Document, base: Document) -> dict[str, Any] | None:
    """The head if it differs, and the leaves whose numbers do, by their place; None where more differs."""
    nodes, others = document["nodes"], base["nodes"]
    if len(nodes) != len(others):
        return None
    leaves: list[tuple[int, Any]] = []
    for k, (node, other) in enumerate(zip(nodes, others, strict=True)):
        if node.keys() != other.keys() or any(node[key] != other[key] for key in node if key not in _NUMBERS):  # type: ignore[literal-required]
            return None
        if node["op"] in LEAVES and "data" in node and not _same(node["data"], other["data"]):
            leaves.append((k, node["data"]))
    head = _head(document)
    return {"leaves": leaves} | ({} if head == _head(base) else {"head": head})


def _head(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "nodes"}


def _same(x: Any, y: Any) -> bool:
    return bool(x == y and str(x) == str(y))  # 0.0 and -0.0 are equal, and not the same


def _restored(raw: bytes, whole: Graph) -> Document:
    difference = orjson.loads(raw)
    base = whole._wiring.document
    nodes = list(base["nodes"])
    leaves = [{**nodes[k], "data": data} for k, data in difference["leaves"]]
    head = _head(model.validate({**difference.get("head", _head(base)), "nodes": leaves or nodes[:1]}))
    for (k, _), leaf in zip(difference["leaves"], leaves, strict=True):
        nodes[k] = leaf  # validated above
    run = Graph._of(_whole(head, nodes)).replay(backward=any("grad" in node for node in nodes))
    numbers = {"data": run.data, "grad": run.grad}
    return _whole(head, [_filled(node, numbers) for node in nodes])


def _whole(head: dict[str, Any], nodes: list[Node]) -> Document:
    """The document, its keys in the order in which one is written."""
    parts = {**head, "nodes": nodes}
    return {key: parts[key] for key in Document.__annotations__ if key in parts}  # type: ignore[return-value]


def _filled(node: Node, numbers: dict[str, Any]) -> Node:
    """The node, with a replay's numbers where it records any."""
    found = node.copy()
    for key in _NUMBERS:
        if key in node:
            found[key] = model.number(numbers[key][node["id"]])  # type: ignore[literal-required]
    return found
