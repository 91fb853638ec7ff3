"""Format 1: what a document may hold, how it is read from bytes, and how it is written.

A document is JSON data and stays so: a :class:`Document` is a dict, checked by Pydantic against the model in
this module. What one node must know of another (that operands exist, that nothing depends on itself) is
:mod:`mgraph.document.wiring`'s to check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from itertools import chain
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired

import orjson
from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError, WithJsonSchema, with_config
from typing_extensions import TypedDict

from mgraph.arithmetic.ops import CONSTANT, INPUT, OPS, PARAMETER
from mgraph.document import strict_json
from mgraph.document.messages import NODE_KEYS, translated
from mgraph.document.strict_json import EXACT_INT, kind
from mgraph.errors import DocumentError, VersionError, shown

VERSION = 1
NAME_LIMIT = 1_000
"""Characters in an id, a scope or a source at most."""
TEXT_LIMIT = 10_000
"""Characters in a label or a title at most."""
META_DEPTH = 100
"""How deep ``meta`` may nest."""

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

Number = Annotated[float | Literal["NaN", "Infinity", "-Infinity"], Field(union_mode="left_to_right")]
Operand = Annotated[
    str | float,  # that it is not empty is in the schema; to check it here would slow every operand
    Field(union_mode="left_to_right"),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "number"}]}),
]
Id = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
Text = Annotated[str, Field(max_length=TEXT_LIMIT)]
Path = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]


def _node_model(name: str, ops: tuple[str, ...], arity: int) -> Any:
    """The model of the nodes of ``ops``, which take ``arity`` operands, with its keys in the order written."""
    exactly = Field(min_length=arity, max_length=arity)
    fields: dict[str, Any] = {"id": Id, "op": Literal[ops]}
    if arity:
        fields["args"] = Annotated[list[Operand], exactly]
    fields["data"] = Number if CONSTANT in ops else NotRequired[Number]
    if CONSTANT not in ops:
        fields["grad"] = NotRequired[Number]
    fields |= {"label": NotRequired[Text], "scope": NotRequired[Path], "source": NotRequired[Path]}
    model = TypedDict(name, fields)  # type: ignore[misc]  # the functional form, its fields from the table
    return with_config(_STRICT)(model)


if TYPE_CHECKING:

    class Node(TypedDict):
        """One node: its id, its op, and what is known of it."""

        id: str
        op: str
        args: NotRequired[list[Operand]]
        data: NotRequired[Number]
        grad: NotRequired[Number]
        label: NotRequired[str]
        scope: NotRequired[str]
        source: NotRequired[str]
else:
    Node = Annotated[
        _node_model("Leaf", (INPUT, PARAMETER), 0)
        | _node_model("Constant", (CONSTANT,), 0)
        | _node_model("Unary", tuple(op.name for op in OPS.values() if op.arity == 1), 1)
        | _node_model("Binary", tuple(op.name for op in OPS.values() if op.arity == 2), 2),
        Field(discriminator="op"),
    ]


@with_config(_STRICT)
class Tolerance(TypedDict):
    """How far recorded numbers may be from replayed ones, in units in the last place."""

    ulps: Annotated[int, Field(ge=0, le=EXACT_INT)]


@with_config(_STRICT)
class Document(TypedDict):
    """A document of format 1. ``nodes`` is not empty; the defaults of the rest are in docs/reference/format.md."""

    mgraph: Literal[1]
    title: NotRequired[Text]
    nodes: Annotated[list[Node], Field(min_length=1), FailFast()]
    outputs: NotRequired[Annotated[list[Id], Field(min_length=1, json_schema_extra={"uniqueItems": True})]]
    seeds: NotRequired[dict[Id, Number]]
    tolerance: NotRequired[Tolerance]
    meta: NotRequired[dict[str, Any]]


_model = TypeAdapter(Document)


def number(x: float) -> Number:
    """A double as the document writes it: the three that JSON lacks are strings."""
    return x if isfinite(x) else "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"


def parse(raw: bytes) -> Document:
    """Read a document from UTF-8 JSON. Raises DocumentError, with the JSON path or the line and column."""
    return checked(strict_json.loads(raw), raw)


def checked(loaded: object, raw: bytes) -> Document:
    """The document that the JSON ``raw`` is, parsed already. Raises DocumentError."""
    document = validate(loaded)
    if "meta" in document and strict_json.past_64_bits(document["meta"]):
        import json

        free_form(json.loads(raw)["meta"])  # which keeps integers of any length, to refuse them by their place
    rest = {key: value for key, value in document.items() if key != "nodes"}
    strict_json.refuse_repeated_keys(raw, 1 + sum(map(len, document["nodes"])) + strict_json.count_keys(rest))
    return document


def validate(loaded: object) -> Document:
    """Check JSON data against the model. Raises DocumentError with the JSON path; nothing is coerced."""
    if not isinstance(loaded, dict):
        raise DocumentError(f"a document is a JSON object, not {kind(loaded)}", path="$")
    _check_version(loaded)
    try:
        document = _model.validate_python(loaded)
    except ValidationError as error:
        raise _first(error, loaded) from None
    if "meta" in document:
        document["meta"] = free_form(document["meta"])
    return document


def _first(error: ValidationError, loaded: dict[str, Any]) -> DocumentError:
    """The first of a document's errors, with the others. The model stops at the first bad node; here all are checked,
    a part at a time, since Pydantic makes errors for all that it is given."""
    keys, nodes = tuple(Document.__annotations__), loaded.get("nodes")

    def of_nodes() -> Iterator[DocumentError]:
        every: TypeAdapter[list[Node]] = TypeAdapter(list[Node])
        for start in range(0, len(nodes) if isinstance(nodes, list) else 0, _CHUNK):
            try:
                every.validate_python(nodes[start : start + _CHUNK])  # type: ignore[index]
            except ValidationError as more:
                yield from translated(more, loaded, keys, ("nodes",), start)

    errors = translated(error, loaded, keys)
    first = next(errors)
    first._keep(chain(of_nodes(), errors))
    return first


def free_form(meta: dict[str, Any]) -> dict[str, Any]:
    """A copy of free-form JSON, as ``meta`` holds it. Raises DocumentError for what is not JSON, or nests too deep."""
    strict_json.check(meta, "$.meta", META_DEPTH)
    return deepcopy(meta)


def annotated(document: Document, entries: Mapping[str, Any]) -> Document:
    """The document with these entries in its ``meta``, without those that are None; ``title`` is its own key.

    Raises DocumentError for what is not JSON, and for a title, description or tags that are not text.
    """
    tags = entries.get("tags")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) and tag for tag in tags)):
        raise DocumentError("tags are a list of texts, none of them empty", path="$.meta.tags")
    description = entries.get("description", "")
    if description is not None and not isinstance(description, str):
        raise DocumentError(f"expected text, got {kind(description)}", path="$.meta.description")
    notes = {key: entry for key, entry in entries.items() if key != "title"}
    meta = {**document.get("meta", {}), **notes}
    meta = {key: entry for key, entry in meta.items() if entry is not None or key not in notes}
    title = entries.get("title", document.get("title"))
    header: dict[str, Any] = {} if title is None else {"title": title}
    if meta:
        header["meta"] = meta
    checked_header = validate({"mgraph": VERSION, "nodes": [{"id": "x", "op": INPUT}], **header})
    rest = {key: value for key, value in document.items() if key not in ("title", "meta")}
    return arranged({**checked_header, **rest})  # type: ignore[typeddict-item]


def arranged(document: Document) -> Document:
    """The same document with its keys in the order in which they are written, which is the model's."""
    nodes = [node if _in_order(tuple(node)) else _in_turn(node, NODE_KEYS) for node in document["nodes"]]
    found: Document = _in_turn({**document, "nodes": nodes}, tuple(Document.__annotations__))
    return found


def _in_turn(keyed: Any, keys: tuple[str, ...]) -> Any:
    return {key: keyed[key] for key in keys if key in keyed}


@lru_cache
def _in_order(keys: tuple[str, ...]) -> bool:
    places = list(map(NODE_KEYS.index, keys))
    return places == sorted(places)


def without_grad(nodes: list[Node]) -> list[Node]:
    """The nodes without their gradients."""
    return [{key: value for key, value in node.items() if key != "grad"} for node in nodes]  # type: ignore[misc]


def copied(document: Document) -> Document:
    """A copy that shares nothing that can be changed."""
    rest = {key: value for key, value in document.items() if key != "nodes"}
    return {**document, **deepcopy(rest), "nodes": list(map(copy_node, document["nodes"]))}  # type: ignore[typeddict-item]


def copy_node(node: Node) -> Node:
    """The same for one node."""
    return {**node, "args": node["args"].copy()} if "args" in node else {**node}


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of format 1, as ``schemas/mgraph-1.schema.json`` holds it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mgraph:format:1",
        **_model.json_schema(),
    }


def schema_text() -> str:
    """The schema as the text of its file."""
    return orjson.dumps(schema(), option=orjson.OPT_INDENT_2).decode() + "\n"


# Writing ---------------------------------------------------------------------------------------------------


def dump(document: Document) -> bytes:
    """The bytes that are saved: one node a line, keys in the model's order, shortest round-trip digits."""
    parts = [b"{"]
    for key, value in document.items():
        parts.append(b'\n  "%s": ' % key.encode())
        parts += _dump_nodes(document["nodes"]) if key == "nodes" else [_indented(value)]
        parts.append(b",")
    parts[-1] = b"\n}\n"
    return b"".join(parts)


_BEFORE_KEY = {"op": b'",'} | dict.fromkeys(("args", "data", "grad", "label", "scope", "source"), b",")
_SPACES = [(b'{"id":', b'{"id": ')] + [
    (b'%s"%s":' % (end, key.encode()), b'%s "%s": ' % (end, key.encode())) for key, end in _BEFORE_KEY.items()
]
_READ_BY_PEOPLE = 10_000
"""Nodes up to which a document is spaced for reading; a larger one is leaner and faster without."""
_CHUNK = 1_000


def _dump_nodes(nodes: list[Node]) -> list[bytes]:
    # A quote inside a JSON string is escaped, and a closing one is followed by a comma, bracket or colon, so these
    # patterns match between strings only. A chunk of the nodes at a time stays in the processor's cache.
    parts = [b"[\n"]
    spaces = _SPACES if len(nodes) <= _READ_BY_PEOPLE else ()
    for start in range(0, len(nodes), _CHUNK):
        text = orjson.dumps(nodes[start : start + _CHUNK])[1:-1].replace(b'},{"id":', b'},\n    {"id":')
        for compact, spaced in spaces:
            text = text.replace(compact, spaced)
        parts += [b"    ", text, b",\n"]
    parts[-1] = b"\n  ]"
    return parts


def _indented(value: object) -> bytes:
    if isinstance(value, list):
        return orjson.dumps(value)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).replace(b"\n", b"\n  ")


def _check_version(loaded: dict[str, Any]) -> None:
    if "mgraph" not in loaded:
        raise DocumentError('not an mgraph document: the key "mgraph" (the format\'s version, 1) is missing', path="$")
    version = loaded["mgraph"]
    if type(version) is not int:
        raise VersionError(f"the format's version is the integer {VERSION}, not {kind(version)}", path="$.mgraph")
    if version > VERSION:
        wanted = shown(version)
        raise VersionError(
            f"this document is of format {wanted}; this mgraph reads format {VERSION}. Install an mgraph that reads"
            f" format {wanted}",
            path="$.mgraph",
        )
    if version < VERSION:
        raise VersionError(f"there is no format {shown(version)}; the first is {VERSION}", path="$.mgraph")
