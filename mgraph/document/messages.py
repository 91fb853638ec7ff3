"""Pydantic's errors in mgraph's words: what is wrong with a document, where, and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from mgraph.arithmetic.ops import unknown_op
from mgraph.document.strict_json import kind, step
from mgraph.errors import DocumentError, nearest, shown


def translated(
    error: ValidationError, loaded: object, keys: tuple[str, ...], into: tuple[str | int, ...] = (), after: int = 0
) -> Iterator[DocumentError]:
    """Pydantic's errors, each with its JSON path and the node's id.

    ``keys`` are those of a document. What was checked lies in ``loaded`` under ``into``, from the place ``after`` on.
    """
    for each in error.errors(include_url=False, include_context=True, include_input=False):
        location = list(each["loc"])
        if into:
            location[0] = int(location[0]) + after
        yield _translated(each, [*into, *location], loaded, keys)


def _translated(error: Any, location: list[str | int], loaded: object, keys: tuple[str, ...]) -> DocumentError:
    if location[:1] == ["nodes"]:
        del location[2:3]  # Pydantic's name for the branch of the union, which is the op
    if error["type"] == "invalid_key":
        del location[-1]  # the path is that of the object
    path, node, value = "$", None, loaded
    for key in location:  # what leads nowhere is Pydantic's name for a branch, or says that a key is wrong
        if (isinstance(value, dict) and key in value) or (isinstance(value, list) and type(key) is int):
            value, path = value[key], path + step(key)  # type: ignore[index]
            node = node or _id_of(value, path)
        elif key == "[key]":
            value, path = location[1], f"$.{location[0]}"
    last = str(location[-1]) if location else ""
    return DocumentError(_message(error["type"], error.get("ctx", {}), last, value, path, keys), path, node)


def _message(error: str, context: dict[str, Any], last: str, value: Any, path: str, keys: tuple[str, ...]) -> str:
    key = re.sub(r"\[\d+\]$", "[]", path).rsplit(".", 1)[-1]
    if error == "invalid_key" or (last == "[key]" and error == "string_type"):
        return "a key is text"
    if error == "missing":
        return f"the key {shown(last)} is missing"
    if error == "extra_forbidden":
        return _unknown_key(last, path, keys)
    if error in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_op(value.get("op") if isinstance(value, dict) else None)
    if error in ("too_short", "too_long") and key == "args":
        wanted = context.get("min_length", context.get("max_length"))
        return f"this op takes {wanted} operand{'s' * (wanted != 1)}, not {len(value)}"
    if error == "too_short":
        return "the graph is empty: it needs at least one node" if key == "nodes" else "at least one is needed"
    if error == "string_too_long":
        return f"a text of {len(value):,} characters; at most {context['max_length']:,} are allowed here"
    if error in _OF_TEXTS:
        return _OF_TEXTS[error]
    wanted = _WANTED.get("data" if path.startswith("$.seeds") and path != "$.seeds" else key, "a key of the format")
    return f"expected {wanted}, got {kind(value)}"


def _unknown_key(key: str, path: str, keys: tuple[str, ...]) -> str:
    if key == "args":
        return "an input, parameter or constant takes no operands"
    if key == "grad":
        return "a constant gets no gradient"
    allowed = NODE_KEYS if path.startswith("$.nodes[") else ("ulps",) if path.startswith("$.tolerance") else keys
    return f"unknown key.{nearest(key, allowed)} Allowed here: {', '.join(allowed)}"


def _unknown_op(op: object) -> str:
    if isinstance(op, str):
        return unknown_op(op)
    return "the key 'op' is missing" if op is None else f"'op' is text, not {kind(op)}"


NODE_KEYS = ("id", "op", "args", "data", "grad", "label", "scope", "source")
"""The keys of a node in the order in which they are written."""
_OF_TEXTS = {
    "string_too_short": "an empty text is not allowed here",
    "string_unicode": "text with half a surrogate pair is not Unicode",
}
_WANTED = {
    **dict.fromkeys(("data", "grad"), 'a number, or "NaN", "Infinity" or "-Infinity" as a string'),
    "args": "a list of operands",
    "args[]": "an operand: a node's id or a finite number",
    "nodes": "a list of nodes",
    "nodes[]": "a node: an object with an id and an op",
    "outputs": "a list of node ids",
    "ulps": "an integer of at least 0",
    **dict.fromkeys(("seeds", "tolerance", "meta"), "an object"),
    **dict.fromkeys(("id", "label", "scope", "source", "title", "op", "outputs[]"), "text"),
}


def _id_of(value: object, path: str) -> str | None:
    """The id of the node at ``path``, if that is where a node stands and it has one."""
    if re.fullmatch(r"\$\.nodes\[\d+\]", path) and isinstance(value, dict) and isinstance(value.get("id"), str):
        return str(value["id"])
    return None
