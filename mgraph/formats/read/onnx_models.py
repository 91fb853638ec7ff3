"""An ONNX model before it is read: its own functions inlined, and an old one brought to an opset that is supported.

Both are the onnx package's work. What it can be made to do is bounded here, and what it says is passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter

from google.protobuf.message import DecodeError, Message
from onnx import (
    AttributeProto,
    FunctionProto,
    ModelProto,
    NodeProto,
    checker,
    defs,
    inliner,
    load_model_from_string,
    version_converter,
)

from mgraph.errors import FormatError, shown
from mgraph.formats.write.onnx import DOMAIN, FUNCTIONS

OLDEST = 13
"""The oldest opset that is read as it is: before it, operators of the same name mean something else."""

LARGEST = 2**24
"""Bytes that the nodes of a model may take with its own functions inlined: a few functions can ask for very much."""


def parsed(raw: bytes) -> ModelProto:
    """The model in these bytes. Raises FormatError."""
    try:
        model = load_model_from_string(raw)
    except DecodeError:
        raise FormatError("not an ONNX model: the bytes are no protocol buffer") from None
    if not model.graph.output:
        raise FormatError("not an ONNX model, or one without outputs")
    _check_text(model)
    return model


def _check_text(message: Message) -> None:
    """Refuse text that is not UTF-8, which protocol buffers hand out as bytes."""
    for field, held in message.ListFields():
        each = [held] if isinstance(held, str | bytes | Message) else held
        if field.type == field.TYPE_STRING and any(isinstance(text, bytes) for text in each):
            raise FormatError(f"not a valid ONNX model: its {field.name} is not UTF-8")
        if field.type == field.TYPE_MESSAGE:
            for part in each:
                _check_text(part)


def said(error: Exception) -> str:
    """What the onnx package says, in one printable line."""
    first = next(iter(str(error).strip().splitlines()), "")
    return "".join(c if c.isprintable() else "\ufffd" for c in first)[:300]


def named(*parts: str) -> str:
    """An operator or function for a message."""
    return ".".join(shown(part)[1:-1] for part in parts if part)


def opset_of(model: ModelProto) -> int:
    """The version of ONNX's own operators in a model."""
    versions = {each.domain: each.version for each in model.opset_import}
    return int(versions.get("", versions.get("ai.onnx", 0)))


def is_ours(function: FunctionProto) -> bool:
    """Whether a function is one that an export defines: it is an op."""
    return bool(function.domain == DOMAIN and function == FUNCTIONS.get(function.name))


# Functions.


def inlined(model: ModelProto) -> ModelProto:
    """The model with the nodes of its functions in place of their calls, but for those of an export of ours.

    Raises FormatError for functions that call themselves, or that make more than :data:`LARGEST` bytes.
    """
    functions = [each for each in model.functions if not is_ours(each)]
    subgraphs = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    if not functions or any(each.type in subgraphs for node in _nodes(model) for each in node.attribute):
        return model  # an operator with a subgraph is refused by its own name
    if _size(model) > LARGEST:
        raise FormatError(f"with its own functions inlined, the nodes of the model take more than {LARGEST:,} bytes")
    ours = [(each.domain, each.name) for each in model.functions if is_ours(each)]
    try:
        model = inliner.inline_selected_functions(model, ours, exclude=True)
    except Exception as error:  # of the many kinds that the onnx package raises
        raise FormatError(f"the model's own functions cannot be inlined: {said(error)}") from None
    for function in model.functions:
        if not is_ours(function):
            raise FormatError(f"the model's own function {named(function.domain, function.name)} is not supported")
    return model


def _nodes(model: ModelProto) -> Iterator[NodeProto]:
    yield from model.graph.node
    for function in model.functions:
        yield from function.node


def _size(model: ModelProto) -> int:
    """About how many bytes the nodes of a model take with its functions inlined, without inlining them."""
    functions = {(each.domain, each.name): each for each in model.functions if not is_ours(each)}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Iterable[NodeProto]) -> int:
        return sum(sizes.get((node.domain, node.op_type), 100 + node.ByteSize()) for node in nodes)

    calls = {
        key: {called for node in function.node if (called := (node.domain, node.op_type)) in functions}
        for key, function in functions.items()
    }
    try:
        for key in TopologicalSorter(calls).static_order():
            sizes[key] = size(functions[key].node)
    except CycleError as error:
        names = " <- ".join(named(*key) for key in error.args[1][:6])
        raise FormatError(f"the model's own functions call themselves: {names}") from None
    return size(model.graph.node)


# Opsets.


def converted(model: ModelProto) -> ModelProto:
    """The model, in opset :data:`OLDEST` if it is of an older one. Raises FormatError."""
    opset, newest = opset_of(model), defs.onnx_opset_version()
    if opset > newest or opset < 1:
        raise FormatError(f"the model is of opset {opset}; opsets 1 to {newest} are supported")
    if opset >= OLDEST:
        return model
    try:
        checker.check_model(model)
        return version_converter.convert_version(model, OLDEST)
    except Exception as error:
        raise FormatError(
            f"the model is of opset {opset}, and the onnx package cannot convert it to opset {OLDEST}: {said(error)}"
        ) from None
