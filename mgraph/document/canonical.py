"""The canonical bytes of a document and their digest: the same for the same content, however it was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import orjson

from mgraph.document.model import Document, Node

_CHUNK = 1_000
"""Nodes that are written at a time: few enough to stay in the processor's cache."""


def canonical(document: Document) -> bytes:
    """The canonical bytes: JSON by RFC 8785 (JCS), but for a negative zero, written ``-0.0``.

    JCS writes both zeros as ``0``; two documents that differ in the sign of a zero are not the same.
    """
    return b"".join(_canonical_pieces(document))


def digest(document: Document) -> str:
    """SHA-256 of the canonical bytes, as ``sha256:`` and 64 hexadecimal digits."""
    found = hashlib.sha256()
    for piece in _canonical_pieces(document):
        found.update(piece)
    return f"sha256:{found.hexdigest()}"


def _canonical_pieces(document: Document) -> Iterator[bytes]:
    mark = b"{"
    for key in sorted(document):
        yield b'%s"%s":' % (mark, key.encode())
        if key == "nodes":
            yield from _canonical_nodes(document["nodes"])
        else:
            yield orjson.dumps(_canonical(document[key]))  # type: ignore[literal-required]
        mark = b","
    yield b"}"


def _canonical_nodes(nodes: list[Node]) -> Iterator[bytes]:
    mark = b"["
    for start in range(0, len(nodes), _CHUNK):
        chunk = list(map(_canonical_node, nodes[start : start + _CHUNK]))
        yield mark + orjson.dumps(chunk, option=orjson.OPT_SORT_KEYS)[1:-1]
        mark = b","
    yield b"]"


def _canonical_node(node: Node) -> Mapping[str, object]:
    """The node itself as far as orjson spells its numbers as ECMAScript does, which is most of the time."""
    spelled: dict[str, object] = {}
    for key in ("data", "grad"):
        x = node.get(key)
        if x.__class__ is float and (y := _canonical_number(x)) is not x:
            spelled[key] = y
    for operand in node.get("args", ()):
        if operand.__class__ is float:
            spelled["args"] = _canonical(node["args"])
    return {**node, **spelled} if spelled else node


def _canonical_number(x: float) -> object:
    """A double as something that orjson spells as ECMAScript spells the double; itself wherever that does.

    (A test compares the two over all binades.)
    """
    size = abs(x)
    if size < 1e-6:
        return x if size or str(x)[0] == "-" else 0
    if 1e-5 <= size < 1e15:
        return int(x) if x.is_integer() else x
    return orjson.Fragment(_ecmascript(x))


def _canonical(value: Any) -> Any:
    if isinstance(value, float):
        return _canonical_number(value)
    if isinstance(value, dict):
        return {key: _canonical(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    return value


def _ecmascript(x: float) -> bytes:
    """Number::toString of ECMAScript 2024, clause 6.1.6.1.20, for a finite double that is not 0."""
    sign, digit_tuple, exponent = Decimal(repr(x)).as_tuple()
    all_digits = "".join(map(str, digit_tuple))
    digits = all_digits.rstrip("0")
    assert isinstance(exponent, int)
    point = len(all_digits) + exponent
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        text = f"{digits[0]}{'.' * (len(digits) > 1)}{digits[1:]}e{point - 1:+d}"
    return ("-" * sign + text).encode()
