"""ONNX, coming in: a model read as a graph of values."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from mgraph.arithmetic.ops import INPUT, LEAVES, PARAMETER
from mgraph.document.model import TEXT_LIMIT, Document, Node
from mgraph.errors import FormatError, shown
from mgraph.formats.read.onnx_models import OLDEST, converted, inlined, named, opset_of, parsed, said
from mgraph.formats.read.onnx_operators import COSTS, INTEGERS, OPERATORS, REALS, STORED, format_name, whole
from mgraph.formats.read.tensor_ops import SINGLE, label, leaves, tensor
from mgraph.formats.write.onnx import DOMAIN, OPS
from mgraph.recording.numpy_arrays import values_of
from mgraph.recording.record import document_of
from mgraph.recording.value import Value

TOLERANCE = 2**33
"""Of a model in float32 unless one is given: 16 units in its last place, counted in those of binary64."""

LIMIT = 1_000_000
"""Numbers in a model, given and computed, at most."""

ROOM, NUMBERS_A_BYTE = 50_000, 100
"""Numbers that any model may have, and that one may have more for each of its bytes: a shape costs a few bytes."""


def read(raw: bytes, folder: Path | None, tolerance: int | None = None, title: str | None = None) -> Document:
    """The document of an ONNX model: a recipe, since a model has no numbers but its parameters.

    Inputs keep their names, elements being ``x[2,3]``; so do initializers, which are parameters, and results.
    ``tolerance`` is in units in the last place; of a model in float32 it is 2**33 unless it is given. ``title`` is the
    model's own text unless it is given. Tensors in other files are read only from inside ``folder``, every symbolic
    link followed first; without a folder they are refused. Raises FormatError for what is no model and for what cannot
    be imported.
    """
    model = parsed(raw)
    reading = _Reading(model, folder, len(raw))
    roots = reading.run()
    if not roots:
        raise FormatError("the outputs of the model are tensors of no elements")
    meta = {"source": f"ONNX, opset {reading.opset}"}
    if reading.single:
        meta["arithmetic"] = SINGLE
        tolerance = TOLERANCE if tolerance is None else tolerance
    title = title or model.doc_string[:TEXT_LIMIT] or None
    document = document_of(roots, title=title, tolerance=tolerance, meta=meta)
    return {**document, "nodes": list(map(_bare, document["nodes"]))}


def _bare(node: Node) -> Node:
    """A node without the number that stood in for one."""
    if node["op"] != INPUT and node["op"] in LEAVES:
        return node
    return {key: each for key, each in node.items() if key != "data"}  # type: ignore[return-value]


class _Reading:
    """A model on its way to values: first everything is checked, then every node computed."""

    def __init__(self, model: ModelProto, folder: Path | None, size: int) -> None:
        self.model, self.folder, self.size = model, folder, size
        self.opset = opset_of(model)
        self.single = False
        """Whether any of the numbers are float32."""
        self.spent = 0
        """Numbers given and computed so far."""
        self.known: dict[str, Any] = {}
        """Tensors by name: arrays of values and numbers, or NumPy's own of integers and conditions."""

    def run(self) -> list[Value]:
        """The values of the outputs."""
        self._modernise()
        self._check_nodes()
        for held in self.graph.initializer:
            numbers = self._numbers(held, held.name)
            self.known[held.name] = numbers if whole(numbers) else leaves(numbers, held.name, PARAMETER)
        for given in self.graph.input:
            if given.name not in self.known:
                self.known[given.name] = leaves(np.zeros(self._shape(given)), given.name, INPUT)
        attributes = [self._attributes(k, node) for k, node in enumerate(self.graph.node)]
        try:
            checker.check_model(self.model)  # after every tensor of another file, which it would look for itself
        except checker.ValidationError as error:
            raise FormatError(f"not a valid ONNX model: {said(error)}") from None
        for k, node in enumerate(self.graph.node):
            self._compute(k, node, attributes[k])
        return [value for output in self.graph.output for value in self._root(output.name)]

    @property
    def graph(self) -> Any:
        """The model's graph."""
        return self.model.graph

    def _modernise(self) -> None:
        """Bring the model to operators of ONNX alone, of an opset that is read as it is."""
        if self.graph.sparse_initializer:
            name = self.graph.sparse_initializer[0].values.name
            raise FormatError(f"the sparse tensor {shown(name)} is not supported")
        self.model = inlined(self.model)
        if opset_of(self.model) < OLDEST:
            self._check_nodes()  # in the words of the model as it is
            self._fetch_all()
        self.model = converted(self.model)

    def _fetch_all(self) -> None:
        """Put every tensor of another file into the model, for the converter to see."""
        attributes = [each.t for node in self.graph.node for each in node.attribute if each.HasField("t")]
        for held in [*self.graph.initializer, *attributes]:
            if held.data_location == TensorProto.EXTERNAL:
                self._bring(held, f"the tensor {shown(held.name)}")
        self.spent = 0  # they are counted when they are read

    def _check_nodes(self) -> None:
        functions = {function.name for function in self.model.functions}
        known = {each.name for each in (*self.graph.input, *self.graph.initializer)}
        for k, node in enumerate(self.graph.node):
            if _operator(node) not in OPERATORS or (node.domain == DOMAIN and node.op_type not in functions):
                raise FormatError(
                    f"{_place(k, node)} is not supported; docs/reference/import-operators.md lists what is"
                )
            if len(list(filter(None, node.output))) != 1 or not node.output[0]:
                raise FormatError(f"{_place(k, node)}: only the first output is supported")
            if node.input and not node.input[0]:
                raise FormatError(f"{_place(k, node)}: its first operand is missing")
            for name in node.input:
                if name and name not in known:
                    raise FormatError(f"{_place(k, node)}: no {shown(name)} comes before it")
            known.update(node.output)
        for output in self.graph.output:
            if output.name not in known:
                raise FormatError(f"the output {shown(output.name)} is nowhere computed")

    def _spend(self, count: int, what: str = "") -> None:
        self.spent += count
        most = min(LIMIT, ROOM + NUMBERS_A_BYTE * self.size)
        if self.spent > most:
            of = "" if self.spent > LIMIT else f", the most for a model of {self.size:,} bytes"
            raise FormatError(f"{what and what + ': '}more than {LIMIT if not of else most:,} numbers in all{of}")

    def _shape(self, given: ValueInfoProto) -> list[int]:
        """The shape of an input, every dimension a number."""
        what, kind = f"the input {shown(given.name)}", given.type.tensor_type
        if kind.elem_type not in REALS:
            raise FormatError(f"{what} is of {format_name(kind.elem_type)}; float64 and float32 are supported")
        self.single |= kind.elem_type == TensorProto.FLOAT
        if not kind.HasField("shape"):
            raise FormatError(f"{what} has no shape; a document is of one size")
        for k, size in enumerate(kind.shape.dim):
            if not size.HasField("dim_value") or size.dim_value < 0:
                called = f" ({named(size.dim_param)})" if size.dim_param else ""
                raise FormatError(f"{what} has no fixed size in dimension {k}{called}; a document is of one size")
        shape = [size.dim_value for size in kind.shape.dim]
        self._spend(prod(shape), what)
        _refuse_sizes(shape, what)
        return shape

    # Tensors in the file, and in files beside it.

    def _numbers(self, held: TensorProto, name: str) -> Any:
        """A tensor's numbers, as an array of floats, or of integers or conditions."""
        self._bring(held, f"the tensor {shown(name)}")
        self.single |= held.data_type == TensorProto.FLOAT
        numbers = numpy_helper.to_array(held)
        return numbers.astype(float) if held.data_type in REALS else numbers

    def _bring(self, held: TensorProto, what: str) -> None:
        """Check that a tensor is there as it says, and put it into the model if it is in a file of its own."""
        if held.data_type not in STORED:
            raise FormatError(f"{what} is of {format_name(held.data_type)}, which is not supported")
        if min(held.dims, default=0) < 0 or held.HasField("segment"):
            raise FormatError(f"{what} has no valid shape {list(held.dims)}")
        count, (size, field) = prod(held.dims), STORED[held.data_type]
        outside = held.data_location == TensorProto.EXTERNAL
        self.size += count * size * outside
        self._spend(count, what)
        _refuse_sizes(held.dims, what)
        if outside:
            self._fetch(held, what, count * size)
        there = len(held.raw_data) / size if held.HasField("raw_data") else len(getattr(held, field))
        if there != count:
            raise FormatError(f"{what} holds {there:g} numbers, and not the {count:,} of its shape {list(held.dims)}")

    def _fetch(self, held: TensorProto, what: str, size: int) -> None:
        """Put a tensor's bytes from a file inside the model's folder into the tensor."""
        entries = {each.key: each.value for each in held.external_data}
        location = entries.get("location", "")
        what = f"{what} is in the file {shown(location)}"
        if self.folder is None:
            raise FormatError(f"{what}, and no folder is given to read it from")
        try:
            path = (self.folder / location).resolve()
            inside, there = path.is_relative_to(self.folder.resolve()), path.is_file()
            start, length = _count(entries.get("offset", "0")), _count(entries.get("length", str(size)))
            if "\0" in location:  # which newer Pythons say is no file, and older ones raise for
                raise ValueError
        except RuntimeError:  # a loop of links, for which newer Pythons do not raise
            raise FormatError(f"{what}, which is not there") from None
        except (OSError, ValueError):  # a zero byte, a number that is none
            raise FormatError(f"{what}, which is no valid place") from None
        if not inside:
            raise FormatError(f"{what}, which is outside the model's folder and is not read")
        if not there:
            raise FormatError(f"{what}, which is not there")
        if start < 0 or length != size or start + size > path.stat().st_size:
            raise FormatError(f"{what}, which does not hold {size:,} bytes at {start:,}")
        with path.open("rb") as stream:
            stream.seek(start)
            held.raw_data = stream.read(size)
        held.data_location = TensorProto.DEFAULT
        del held.external_data[:]

    def _attributes(self, k: int, node: NodeProto) -> dict[str, Any]:
        """What a node's attributes say, in Python's types; tensors are checked like all others."""
        found: dict[str, Any] = {}
        for each in node.attribute:
            if each.ref_attr_name:
                raise FormatError(f"{_place(k, node)}: its {shown(each.name)} is that of a function, and this is none")
            held = helper.get_attribute_value(each)
            if isinstance(held, TensorProto):
                held = self._numbers(held, held.name or node.output[0])
            elif node.op_type == "Constant":
                if each.name not in ("value_float", "value_floats", "value_int", "value_ints"):
                    raise FormatError(f"{_place(k, node)}: its {shown(each.name)} is not supported")
                held = np.asarray(held)
                self.single |= held.dtype.kind == "f"
                self._spend(held.size, _place(k, node))
            found[each.name] = held
        if node.op_type in ("Cast", "ConstantOfShape"):
            self.single |= found.get("to") == TensorProto.FLOAT or (node.op_type != "Cast" and "value" not in found)
        return found

    # Computing.

    def _compute(self, k: int, node: NodeProto, attributes: dict[str, Any]) -> None:
        name, operands = _operator(node), [self.known[each] if each else None for each in node.input]
        integers = name in INTEGERS and all(each is None or whole(each) for each in operands)
        try:
            self._spend(COSTS[name](*operands, **attributes) if name in COSTS else sum(map(_size, operands)))
            with np.errstate(all="raise" if integers else "ignore"):
                made = (INTEGERS[name] if integers else OPERATORS[name])(*operands, **attributes)
            made = made if whole(made) else tensor(made)
        except FormatError as error:
            raise FormatError(f"{_place(k, node)}: {error}") from None
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise FormatError(f"{_place(k, node)} has operands that do not fit: {said(error)}") from None
        if not whole(made):
            label(made, node.output[0])
        self.known[node.output[0]] = made

    def _root(self, name: str) -> list[Value]:
        """The values of an output, which is called as it is even if it only passes something on."""
        values = values_of(self.known[name])
        for value in values:
            if value.op in OPS:
                value.name = None
        label(np.reshape(np.array(values, object), np.shape(self.known[name])), name)
        return values


def _count(text: str) -> int:
    """A number of bytes, in ASCII digits. Raises ValueError."""
    if not re.fullmatch("-?[0-9]{1,19}", text):
        raise ValueError
    return int(text)


def _size(x: Any) -> int:
    return int(np.size(x))


def _operator(node: NodeProto) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def _refuse_sizes(shape: Any, what: str) -> None:
    """Raise FormatError for a shape that no array can have, even one without elements."""
    sizes = list(shape)
    if len(sizes) > 32 or prod(size for size in sizes if size) > 2**48:
        raise FormatError(f"{what} has a shape of {len(sizes)} dimensions and {prod(sizes):,} elements, too large")


def _place(k: int, node: NodeProto) -> str:
    """A node for a message: what it does, which it is, and what it produces."""
    called = f" {shown(node.name)}" if node.name else ""
    produced = ", ".join(map(shown, node.output))
    return f"{named(_operator(node))} (node {k}{called}, which produces {produced})"
