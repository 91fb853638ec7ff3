"""ONNX: models that are written run in onnxruntime, models that are read compute what onnxruntime computes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from inspect import signature
from math import inf
from pathlib import Path
from typing import Any

import pytest
from conftest import HOSTILE, bits, random_document, random_value

from mgraph import FormatError, Graph, Value, record
from mgraph.arithmetic.ops import LEAVES, OPS
from mgraph.checking.audit import ulps
from mgraph.errors import shown
from mgraph.recording.value import apply

np = pytest.importorskip("numpy", reason="NumPy, which ONNX needs, is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed; this reads and writes its models")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from mgraph.formats.read import onnx as ours  # noqa: E402
from mgraph.formats.write import onnx as writer  # noqa: E402

NEWEST = onnx.defs.onnx_opset_version()
DOUBLE, FLOAT, INT64 = TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.INT64


def session(raw: bytes) -> Any:
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; it says what a model computes")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])


def run(running: Any, numbers: dict[str, float]) -> list[float]:
    return [float(y) for y in running.run(None, {name: np.array(x, float) for name, x in numbers.items()})]


def inputs_of(graph: Graph) -> dict[str, float]:
    return {name: graph.data[name] for name in graph.inputs}


def one_op(op: str) -> tuple[bytes, list[str]]:
    names = [f"x{k}" for k in range(OPS[op].arity)]
    return writer.write(record(apply(op, *(Value(0.5, name=name) for name in names)))), names


def zero_signs_apart(x: float) -> bytes:
    return bits(x + 0.0)


# Going out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", OPS)
def test_every_op_in_onnxruntime(op: str) -> None:
    rng = random.Random(op)
    ordinary = [[rng.uniform(-3, 3) * 10 ** rng.uniform(-4, 2) for _ in range(OPS[op].arity)] for _ in range(400)]
    hostile = [[a] if OPS[op].arity == 1 else [a, b] for a in HOSTILE for b in HOSTILE]
    raw, names = one_op(op)
    onnx.checker.check_model(onnx.load_model_from_string(raw), full_check=True)
    running = session(raw)
    for operands in ordinary + hostile:
        (got,) = run(running, dict(zip(names, operands, strict=True)))
        want = OPS[op].forward(*operands)
        if op in writer.ULPS:
            assert ulps(got, want) <= writer.ULPS[op], (operands, got, want)
        elif op in ("relu", "maximum", "minimum"):  # as ULPS says
            assert zero_signs_apart(got) == zero_signs_apart(want), (operands, got, want)
            assert bits(got) == bits(want) or not any(operands), (operands, got, want)
        else:
            assert bits(got) == bits(want), (operands, got, want)


EXACT = tuple(op for op in OPS if op not in writer.ULPS)


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs_in_onnxruntime(seed: int) -> None:
    graph = record(random_value(seed, 300)[0], title="A title")
    got = run(session(writer.write(graph)), inputs_of(graph))
    assert got == pytest.approx(list(graph.replay().outputs.values()), rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_graphs_of_exact_ops_in_onnxruntime(seed: int) -> None:
    document = random_document(seed, 60)
    rng = random.Random(seed)
    for node in document["nodes"]:
        if node["op"] not in (*LEAVES, *EXACT):
            node["op"] = rng.choice(
                ("neg", "sqrt", "relu", "abs") if len(node["args"]) == 1 else ("add", "gate", "div")
            )
    document["outputs"] = [node["id"] for node in document["nodes"] if node["op"] not in LEAVES]
    document.pop("seeds")
    graph = Graph(document)
    got = dict(zip(graph.outputs, run(session(writer.write(graph)), inputs_of(graph)), strict=True))
    want = graph.replay().outputs
    # A division by a zero whose sign onnxruntime has lost gives the other infinity.
    tainted: set[str] = set()
    for node in graph.nodes:
        name = node["id"]
        if any(operand in tainted for operand in node.get("args", ())):
            tainted.add(name)
        elif name in got and bits(got[name]) != bits(want[name]):
            assert node["op"] in ("relu", "maximum", "minimum") and got[name] == want[name] == 0.0, node
            tainted.add(name)


def test_what_a_model_says() -> None:
    x, w, k = Value(2.0, name="x"), Value(3.0, name="w", op="parameter"), Value(inf, name="k", op="constant")
    y = (w * x + 0.5).minimum(k)
    y.name = "y"
    graph = record(y, title="A line")
    model = onnx.load_model_from_string(writer.write(graph))
    assert (model.producer_name, model.doc_string, model.ir_version) == ("mgraph", "A line", 8)
    assert [each.version for each in model.opset_import] == [17]
    assert {each.key: json.loads(each.value) for each in model.metadata_props} == {"outputs": ["y"]}
    assert [each.name for each in model.graph.input] == ["x"]
    assert [each.name for each in model.graph.initializer] == ["w"]
    assert [(each.op_type, *each.input, *each.output) for each in model.graph.node] == [
        ("Constant", "k"),
        ("Mul", "w", "x", "n3"),
        ("Constant", "0.5"),
        ("Add", "n3", "0.5", "n4"),
        ("Min", "n4", "k", "y"),
    ]
    assert not model.functions
    assert writer.write(graph) == writer.write(Graph(graph.document))


def test_ids_that_are_odd_or_taken() -> None:
    document = {
        "mgraph": 1,
        "nodes": [
            {"id": "2.0", "op": "input", "data": 3.0},
            {"id": "2.0_", "op": "parameter", "data": 5.0},
            {"id": "é/y [2,3] \u2028", "op": "pow", "args": ["2.0", 2]},
            {"id": "a", "op": "greater", "args": ["é/y [2,3] \u2028", "2.0_"]},
            {"id": "p", "op": "gate", "args": ["a", "2.0_"]},
            {"id": "s", "op": "mul", "args": ["p", -0.0]},
        ],
        "outputs": ["s", "p", "é/y [2,3] \u2028", "2.0", "2.0_"],
    }
    graph = Graph(document)
    assert run(session(writer.write(graph)), {"2.0": 3.0}) == [0.0, 5.0, 9.0, 3.0, 5.0]
    back = Graph(ours.read(writer.write(graph), None))
    assert back.outputs == graph.outputs
    assert [node.get("args") for node in back.nodes] == [node.get("args") for node in graph.nodes]


def test_a_parameter_without_a_number_is_an_input() -> None:
    graph = Graph({"mgraph": 1, "nodes": [{"id": "w", "op": "parameter"}, {"id": "y", "op": "neg", "args": ["w"]}]})
    assert run(session(writer.write(graph)), {"w": 2.0}) == [-2.0]


def test_an_op_without_a_mapping_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(writer.OPS, "neg")
    with pytest.raises(FormatError) as caught:
        writer.write(Graph({"mgraph": 1, "nodes": [{"id": "y", "op": "neg", "args": [2.0]}]}))
    assert str(caught.value) == "the op neg of node 'y' has no meaning in ONNX"


# There and back ----------------------------------------------------------------------------------------------


def replays_alike(graph: Graph) -> Graph:
    back = Graph(ours.read(writer.write(graph), None))
    assert back.outputs == graph.outputs
    assert not any("data" in node for node in back.nodes if node["op"] in OPS or node["op"] == "input")
    numbers = {name: x for name, x in graph.data.items() if name in back.inputs}
    got, want = back.replay(numbers).outputs, graph.replay().outputs
    assert {k: bits(x) for k, x in got.items()} == {k: bits(x) for k, x in want.items()}
    return back


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs_come_back(seed: int) -> None:
    graph = record(random_value(seed, 300)[0], title="A title")
    back = replays_alike(graph)
    assert back.document["title"] == "A title"
    assert Graph(ours.read(writer.write(graph), None, title="Mine")).document["title"] == "Mine"
    ops = {node["id"]: node["op"] for node in back.nodes}
    for node in graph.nodes:
        if node["id"] in ops and node["op"] != "constant":
            assert ops[node["id"]] == node["op"]


@pytest.mark.parametrize("seed", range(12))
def test_hostile_graphs_come_back(seed: int) -> None:
    document = random_document(seed)
    del document["seeds"]
    replays_alike(Graph(document))


# Coming in ---------------------------------------------------------------------------------------------------


def model_of(
    nodes: Sequence[Any],
    inputs: dict[str, Sequence[Any]],
    outputs: Iterable[str],
    initializers: dict[str, Any] | Sequence[Any] = (),
    kind: int = DOUBLE,
    opset: int = 17,
    **more: Any,
) -> bytes:
    held = (
        [numpy_helper.from_array(np.asarray(x), name) for name, x in initializers.items()]
        if isinstance(initializers, dict)
        else list(initializers)
    )
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        held,
        **more,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    with suppress(onnx.shape_inference.InferenceError, RuntimeError, ValueError):  # of a model that is to be refused
        model = onnx.shape_inference.infer_shapes(model)
    for output in model.graph.output:
        output.type.tensor_type.shape.SetInParent()
    return model.SerializeToString()


def node(op: str, *inputs: str, to: str = "y", **attributes: Any) -> Any:
    return helper.make_node(op, inputs, [to], **attributes)


def elements(name: str, x: Any) -> dict[str, float]:
    if np.size(x) == 1:
        return {name: float(np.ravel(x)[0])}
    return {f"{name}[{','.join(map(str, place))}]": float(each) for place, each in np.ndenumerate(x)}


def both(raw: bytes, numbers: dict[str, Any]) -> tuple[list[float], list[float]]:
    """What a replay and what onnxruntime compute of the same model."""
    graph = Graph(ours.read(raw, None))
    given = {k: x for name, held in numbers.items() for k, x in elements(name, held).items() if k in graph.inputs}
    theirs = session(raw).run(None, numbers)
    return list(graph.replay(given).outputs.values()), [float(x) for held in theirs for x in np.ravel(held)]


def test_a_network_in_float64() -> None:
    rng = np.random.default_rng(1)
    raw = model_of(
        [
            node("Gemm", "x", "W1", "b1", to="h", transB=1),
            node("Relu", "h", to="r"),
            node("MatMul", "r", "W2", to="m"),
            node("Add", "m", "b2", to="a"),
            node("Tanh", "a"),
        ],
        {"x": [2, 3]},
        ["y"],
        {
            "W1": rng.normal(size=(4, 3)),
            "b1": rng.normal(size=4),
            "W2": rng.normal(size=(4, 1)),
            "b2": np.array([0.25]),
        },
    )
    x = rng.normal(size=(2, 3))
    got, want = both(raw, {"x": x})
    assert got == pytest.approx(want, rel=1e-14)
    graph = Graph(ours.read(raw, None))
    assert graph.inputs == [f"x[{i},{j}]" for i in range(2) for j in range(3)]
    assert len(graph.parameters) == 12 + 4 + 4 + 1
    assert graph.parameters[0] == "W1[0,0]" and "b2" in graph.parameters
    assert graph.outputs == ["y[0,0]", "y[1,0]"]
    assert graph.data["b2"] == 0.25 and "x[0,0]" not in graph.data
    assert graph.document["meta"] == {"source": "ONNX, opset 17"}
    assert "tolerance" not in graph.document


def test_float32_never_passes_as_exact() -> None:
    weights = np.array([[0.1], [0.7]], np.float32)
    raw = model_of(
        [
            node("MatMul", "x", "W"),
        ],
        {"x": [1, 2]},
        ["y"],
        {"W": weights},
        FLOAT,
    )
    document = ours.read(raw, None)
    assert document["tolerance"] == {"ulps": 2**33}
    assert document["meta"] == {"source": "ONNX, opset 17", "arithmetic": "float32"}
    graph = Graph(document)
    assert graph.data["W[0,0]"] == float(np.float32(0.1)) != 0.1
    x = np.array([[0.3, 0.9]], np.float32)
    got, want = both(raw, {"x": x})
    assert ulps(got[0], want[0]) <= 2**33
    assert ours.read(raw, None, 5)["tolerance"] == {"ulps": 5}
    inputs_alone = model_of([node("Neg", "x")], {"x": []}, ["y"], kind=FLOAT)
    assert ours.read(inputs_alone, None)["tolerance"] == {"ulps": 2**33}
    double = model_of([node("Neg", "x")], {"x": []}, ["y"])
    assert ours.read(double, None, 3)["tolerance"] == {"ulps": 3}


A = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -0.75]])
B = np.array([[1.5, 0.5, -2.0]])
INTS = {
    "shape": np.array([3, -1]),
    "axes": np.array([1]),
    "first": np.array([1]),
    "three": np.array([3]),
    "places": np.array([[2, 0], [1, -1]]),
    "back": np.array([-1]),
    "far": np.array([-9]),
    "low": np.array(-0.5),
    "high": np.array(1.0),
    "wide": np.array([4, 2, 3]),
    "zero": np.array([0, 3]),
    "two": np.array(2),
}
SMALL_MODELS: dict[str, list[Any]] = {
    **{op: [node(op, "a")] for op in ("Abs", "Cos", "Exp", "Identity", "Neg", "Reciprocal", "Relu", "Sin", "Tanh")},
    **{op: [node(op, "a", "b")] for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum")},
    "Pow": [node("Abs", "a", to="c"), node("Pow", "c", "b")],
    "Pow of an integer": [node("Pow", "a", "two")],
    "Log": [node("Abs", "a", to="c"), node("Log", "c")],
    "Sqrt": [node("Abs", "a", to="c"), node("Sqrt", "c")],
    "Max of three": [node("Max", "a", "b", "low")],
    "Clip": [node("Clip", "a", "low", "high")],
    "Clip below": [node("Clip", "a", "low")],
    "Clip above": [node("Clip", "a", "", "high")],
    "PRelu": [node("PRelu", "a", "b")],
    "MatMul": [node("Transpose", "b", to="c"), node("MatMul", "a", "c")],
    "Gemm": [node("Gemm", "a", "b", "low", transB=1, alpha=0.5, beta=2.0)],
    "Gemm, turned": [node("Gemm", "a", "a", transA=1)],
    "Reshape": [node("Reshape", "a", "shape")],
    "Reshape, kept": [node("Reshape", "b", "zero", allowzero=0)],
    "Flatten": [node("Flatten", "a", axis=0)],
    "Flatten at the end": [node("Flatten", "a", axis=-1)],
    "Transpose": [node("Transpose", "a", perm=[1, 0])],
    "Squeeze": [node("Squeeze", "b")],
    "Unsqueeze": [node("Unsqueeze", "a", "axes", to="c"), node("Squeeze", "c", "axes")],
    "Concat": [node("Concat", "a", "b", axis=0)],
    "Slice": [node("Slice", "a", "first", "three", "axes")],
    "Slice, backwards": [node("Slice", "a", "back", "far", "axes", "back")],
    "Gather": [node("Gather", "a", "places", to="c", axis=1), node("Mul", "c", "c")],
    "Expand": [node("Expand", "a", "wide", to="c"), node("Neg", "c")],
    "ReduceSum": [node("ReduceSum", "a", "axes", keepdims=0)],
    "ReduceSum of all": [node("ReduceSum", "a")],
    "ReduceSum of nothing": [node("ReduceSum", "a", noop_with_empty_axes=1)],
    "ReduceMean": [node("ReduceMean", "a", axes=[0])],
    "ReduceMax": [node("ReduceMax", "a", axes=[1], keepdims=0)],
    "ReduceMin": [node("ReduceMin", "a")],
    "Softmax": [node("Softmax", "a")],
    "Softmax down": [node("Softmax", "a", axis=0)],
    "LogSoftmax": [node("LogSoftmax", "a")],
    "Where": [node("Greater", "a", "b", to="c"), node("Where", "c", "a", "b")],
    "Where, less": [node("Less", "a", "b", to="c"), node("Not", "c", to="d"), node("Where", "d", "a", "b")],
    "Where, equal": [node("Equal", "a", "b", to="c"), node("Where", "c", "a", "b")],
    "Cast": [node("GreaterOrEqual", "a", "b", to="c"), helper.make_node("Cast", ["c"], ["y"], to=DOUBLE)],
    "And": [
        node("LessOrEqual", "a", "b", to="c"),
        node("Greater", "a", "low", to="d"),
        node("And", "c", "d", to="e"),
        node("Or", "e", "d", to="f"),
        node("Where", "f", "a", "b"),
    ],
    "Constant": [node("Constant", to="c", value=numpy_helper.from_array(np.array(0.1))), node("Mul", "a", "c")],
    "ConstantOfShape": [
        node("Shape", "a", to="s"),
        node("ConstantOfShape", "s", to="c", value=numpy_helper.from_array(np.array([0.5]))),
        node("Sub", "a", "c"),
    ],
    "Shape, computed": [
        node("Shape", "a", to="s"),
        node("Constant", to="k", value_ints=[0]),
        node("Gather", "s", "k", to="n"),
        node("Mul", "n", "first", to="m"),
        node("Concat", "m", "back", to="t", axis=0),
        node("Reshape", "a", "t"),
    ],
    "Dropout": [node("Dropout", "a")],
}


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_operators_as_onnxruntime_has_them(name: str) -> None:
    nodes = SMALL_MODELS[name]
    used = {each for made in nodes for each in made.input}
    raw = model_of(nodes, {"a": [2, 3], "b": [1, 3]}, ["y"], {k: x for k, x in INTS.items() if k in used})
    got, want = both(raw, {"a": A, "b": B})
    assert got == pytest.approx(want, rel=1e-14, abs=1e-300)


def test_operators_that_onnxruntime_lacks_in_float64() -> None:
    leaky = Graph(ours.read(model_of([node("LeakyRelu", "a", alpha=0.25)], {"a": []}, ["y"]), None))
    assert [leaky.replay({"a": x}).outputs["y"] for x in (-2.0, 2.0)] == [-0.5, 2.0]
    mean = Graph(ours.read(model_of([node("Mean", "a", "b")], {"a": [], "b": []}, ["y"]), None))
    assert mean.replay({"a": 1.0, "b": 4.0}).outputs["y"] == 2.5
    product = Graph(ours.read(model_of([node("ReduceProd", "a")], {"a": [3]}, ["y"]), None))
    assert product.replay({"a[0]": 2.0, "a[1]": 3.0, "a[2]": 0.5}).outputs["y"] == 3.0
    sigmoid = Graph(ours.read(model_of([node("Sigmoid", "a")], {"a": []}, ["y"]), None))
    assert sigmoid.replay({"a": -40.0}).outputs["y"] == OPS["sigmoid"].forward(-40.0)  # theirs is 0


def test_newer_axes_are_operands() -> None:
    raw = model_of([node("ReduceMean", "a", "axes")], {"a": [2, 3]}, ["y"], {"axes": np.array([1])}, opset=18)
    got, want = both(raw, {"a": A})
    assert got == pytest.approx(want, rel=1e-15)


def test_what_only_passes_on_keeps_the_names() -> None:
    raw = model_of(
        [node("Neg", "x", to="t"), node("Identity", "t"), node("Identity", "x", to="z")],
        {"x": []},
        ["y", "z", "w"],
        {"w": 2.0},
    )
    graph = Graph(ours.read(raw, None))
    assert graph.outputs == ["y", "x", "w"]
    constants = model_of([node("Constant", value=numpy_helper.from_array(np.array([1.0, inf])))], {}, ["y"])
    graph = Graph(ours.read(constants, None))
    assert graph.replay().outputs == {"y[0]": 1.0, "y[1]": inf}


# What is refused ---------------------------------------------------------------------------------------------


def refusal(raw: bytes, folder: Path | None = None) -> str:
    with pytest.raises(FormatError) as caught:
        ours.read(raw, folder)
    return str(caught.value)


X = {"x": [2]}


def tensor(name: str = "w", dims: Sequence[int] = (2,), kind: int = DOUBLE, **fields: Any) -> Any:
    made = TensorProto(name=name, data_type=kind, dims=dims)
    for key, value in fields.items():
        setattr(made, key, value)
    return made


NEG = [node("Neg", "x")]
REFERRING = node("Softmax", "x", axis=0)
REFERRING.attribute[0].ref_attr_name = "outer"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\xff\xff\xff", "not an ONNX model: the bytes are no protocol buffer"),
        (b"", "not an ONNX model, or one without outputs"),
        (
            model_of([node("Neg", "x", to="t"), node("Erf", "t", name="e")], X, ["y"]),
            "Erf (node 1 'e', which produces 'y') is not supported; docs/reference/import-operators.md lists what is",
        ),
        (
            model_of([helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml")], X, ["y"]),
            "ai.onnx.ml.Scaler (node 0, which produces 'y') is not supported; docs/reference/import-operators.md lists what is",
        ),
        (
            model_of([helper.make_node("gate", ["x", "x"], ["y"], domain="mgraph")], X, ["y"]),
            "mgraph.gate (node 0, which produces 'y') is not supported; docs/reference/import-operators.md lists what is",
        ),
        (model_of(NEG, X, ["y"], opset=0), f"the model is of opset 0; opsets 1 to {NEWEST} are supported"),
        (model_of(NEG, X, ["y"], opset=999), f"the model is of opset 999; opsets 1 to {NEWEST} are supported"),
        (
            model_of([node("Erf", "x")], X, ["y"], opset=9),
            "Erf (node 0, which produces 'y') is not supported; docs/reference/import-operators.md lists what is",
        ),
        (
            model_of(NEG, {"x": [2, "rows"]}, ["y"]),
            "the input 'x' has no fixed size in dimension 1 (rows); a document is of one size",
        ),
        (
            model_of(NEG, {"x": [None]}, ["y"]),
            "the input 'x' has no fixed size in dimension 0; a document is of one size",
        ),
        (model_of(NEG, {"x": None}, ["y"]), "the input 'x' has no shape; a document is of one size"),
        (
            model_of(NEG, X, ["y"], kind=TensorProto.BFLOAT16),
            "the input 'x' is of bfloat16; float64 and float32 are supported",
        ),
        (model_of(NEG, X, ["y"], kind=INT64), "the input 'x' is of int64; float64 and float32 are supported"),
        (model_of(NEG, {"x": [1000, 1001]}, ["y"]), "the input 'x': more than 1,000,000 numbers in all"),
        (
            model_of([node("Add", "x", "q")], X, ["y"]),
            "Add (node 0, which produces 'y'): no 'q' comes before it",
        ),
        (
            model_of([node("Add", "x", "t"), node("Neg", "y", to="t")], X, ["y"]),
            "Add (node 0, which produces 'y'): no 't' comes before it",
        ),
        (model_of(NEG, X, ["y", "z"]), "the output 'z' is nowhere computed"),
        (
            model_of([helper.make_node("Dropout", ["x"], ["y", "mask"])], X, ["y"]),
            "Dropout (node 0, which produces 'y', 'mask'): only the first output is supported",
        ),
        (
            model_of(NEG, X, ["y"], [tensor(kind=TensorProto.FLOAT16, raw_data=b"1234")]),
            "the tensor 'w' is of float16, which is not supported",
        ),
        (
            model_of(NEG, X, ["y"], [tensor(raw_data=b"12345678")]),
            "the tensor 'w' holds 1 numbers, and not the 2 of its shape [2]",
        ),
        (
            model_of(NEG, X, ["y"], [tensor(raw_data=b"123")]),
            "the tensor 'w' holds 0.375 numbers, and not the 2 of its shape [2]",
        ),
        (model_of(NEG, X, ["y"], [tensor()]), "the tensor 'w' holds 0 numbers, and not the 2 of its shape [2]"),
        (model_of(NEG, X, ["y"], [tensor(dims=(-2,))]), "the tensor 'w' has no valid shape [-2]"),
        (
            model_of(NEG, X, ["y"], [tensor(dims=(2**62, 2**62))]),
            "the tensor 'w': more than 1,000,000 numbers in all",
        ),
        (
            model_of(NEG, {"x": [0, 2**62]}, ["y"]),
            "the input 'x' has a shape of 2 dimensions and 0 elements, too large",
        ),
        (
            model_of(NEG, {"x": [1] * 65}, ["y"]),
            "the input 'x' has a shape of 65 dimensions and 1 elements, too large",
        ),
        (
            model_of(NEG, X, ["y"], [tensor(dims=(0, 2**62))]),
            "the tensor 'w' has a shape of 2 dimensions and 0 elements, too large",
        ),
        (
            model_of(NEG, X, ["y"], [tensor(dims=[1] * 65, raw_data=b"12345678")]),
            "the tensor 'w' has a shape of 65 dimensions and 1 elements, too large",
        ),
        (
            model_of([REFERRING], X, ["y"]),
            "Softmax (node 0, which produces 'y'): its 'axis' is that of a function, and this is none",
        ),
        (
            model_of([node("ReduceMean", "x", axes=[7])], X, ["y"]),
            "ReduceMean (node 0, which produces 'y'): there is no axis 7 in a tensor of 1 dimensions",
        ),
        (
            model_of([node("Softmax", "x", axis=-3)], X, ["y"]),
            "Softmax (node 0, which produces 'y'): there is no axis -3 in a tensor of 1 dimensions",
        ),
        (
            model_of([node("ReduceSum", "x", "k")], {"x": []}, ["y"], {"k": np.array([4])}),
            "ReduceSum (node 0, which produces 'y'): there is no axis 4 in a tensor of 0 dimensions",
        ),
        *(
            (
                model_of([node("Flatten", "x", axis=axis)], X, ["y"]),
                f"Flatten (node 0, which produces 'y'): there is no axis {axis} in a tensor of 1 dimensions",
            )
            for axis in (2, -2)
        ),
        (
            model_of([node("Gemm", "x", "x")], X, ["y"]),
            "Gemm (node 0, which produces 'y'): Gemm multiplies matrices, not tensors of 1 and 1 dimensions",
        ),
        (
            model_of([node("Reshape", "x", "x")], X, ["y"]),
            "Reshape (node 0, which produces 'y'): a shape, axes and indices must be constant integers",
        ),
        (
            model_of([node("Expand", "x", "s")], X, ["y"], {"s": np.array([2**40, 2])}),
            "Expand (node 0, which produces 'y'): more than 1,000,000 numbers in all",
        ),
        (
            model_of([node("ConstantOfShape", "s")], X, ["y"], {"s": np.array([2**40, 2**40])}),
            "ConstantOfShape (node 0, which produces 'y'): more than 1,000,000 numbers in all",
        ),
        (
            model_of([node("Add", "x", "z")], {"x": [1_000, 1], "z": [1, 1_001]}, ["y"]),
            "Add (node 0, which produces 'y'): more than 1,000,000 numbers in all",
        ),
        (
            model_of([node("MatMul", "x", "z")], {"x": [101, 100], "z": [100, 101]}, ["y"]),
            "MatMul (node 0, which produces 'y'): more than 1,000,000 numbers in all",
        ),
        (
            model_of([helper.make_node("Cast", ["x"], ["y"], to=INT64)], X, ["y"]),
            "Cast (node 0, which produces 'y'): a number cannot become int64",
        ),
        (
            model_of([node("Constant", value_string="s")], X, ["y"]),
            "Constant (node 0, which produces 'y'): its 'value_string' is not supported",
        ),
        (
            model_of([node("Constant")], {}, ["y"]),
            "Constant (node 0, which produces 'y'): a constant holds one thing, not 0",
        ),
        (model_of([node("Sum", "", "x")], X, ["y"]), "Sum (node 0, which produces 'y'): its first operand is missing"),
        (model_of(NEG, {"x": [0]}, ["y"]), "the outputs of the model are tensors of no elements"),
        (
            model_of(NEG, X, ["y"]).replace(b"Neg", b"N\xffg"),
            "not a valid ONNX model: its op_type is not UTF-8",
        ),
        (
            model_of([node("Dropout", "x", "", "t")], X, ["y"], {"t": np.array(True)}),
            "Dropout (node 0, which produces 'y'): what is dropped in training is random",
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_refusals(raw: bytes, says: str) -> None:
    assert refusal(raw) == says


def test_refusals_in_the_words_of_others() -> None:
    says = refusal(model_of([node("MatMul", "x", "z")], {"x": [1, 2], "z": [3, 1]}, ["y"]))
    assert says.startswith("MatMul (node 0, which produces 'y') has operands that do not fit: ")
    assert refusal(model_of([node("Neg", "x", "x")], X, ["y"])).startswith("not a valid ONNX model: Node ")
    assert refusal(model_of([node("Gemm", "x", "x", alpha="a")], X, ["y"])).startswith("not a valid ONNX model: ")


def with_functions(functions: Sequence[Any], nodes: Sequence[Any], opset: int = 17) -> bytes:
    scalars = [helper.make_tensor_value_info(name, DOUBLE, []) for name in "xy"]
    graph = helper.make_graph(nodes, "g", scalars[:1], scalars[1:])
    domains = sorted({function.domain for function in functions})
    versions = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=versions, functions=functions, ir_version=8).SerializeToString()


def function(name: str, operands: str, nodes: Sequence[Any], domain: str = "theirs") -> Any:
    versions = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    return helper.make_function(domain, name, operands.split(), ["y"], nodes, versions)


def call(name: str, *inputs: str, to: str = "y", domain: str = "theirs") -> Any:
    return helper.make_node(name, inputs, [to], domain=domain)


@pytest.mark.slow
def test_a_small_file_cannot_ask_for_much() -> None:
    """A shape costs a few bytes, and each number that it asks for about a kilobyte and 20 microseconds."""
    few = model_of(NEG, {"x": [900_000]}, ["y"])
    assert len(few) < 100
    assert (
        refusal(few)
        == f"the input 'x': more than {50_000 + 100 * len(few):,} numbers in all, the most for a model of {len(few)} bytes"
    )
    held = {"w": np.ones(1000)}
    enough = model_of(
        [node("Expand", "w", "s", to="e"), node("Neg", "e")], {"x": []}, ["y"], {**held, "s": np.array([60, 1000])}
    )
    assert len(Graph(ours.read(enough, None)).outputs) == 60_000


@pytest.mark.parametrize(
    ("operator", "nothing"), [("ReduceSum", 0.0), ("ReduceProd", 1.0), ("ReduceMax", -inf), ("ReduceMin", inf)]
)
def test_folds_of_nothing_are_what_onnx_says(operator: str, nothing: float) -> None:
    raw = model_of([node(operator, "x", "axes")], {"x": [2, 0]}, ["y"], {"axes": np.array([1])}, opset=18)
    assert list(Graph(ours.read(raw, None)).replay().outputs.values()) == [nothing, nothing]


def test_every_attribute_of_a_supported_operator_is_known() -> None:
    history = [each for each in onnx.defs.get_all_schemas_with_history() if each.domain == "" and not each.deprecated]
    for name in set(ours.OPERATORS) & {each.name for each in history}:
        read = max(each.since_version for each in history if each.name == name and each.since_version <= 13)
        known = signature(ours.OPERATORS[name]).parameters
        for schema in (each for each in history if each.name == name and each.since_version >= read):
            if not any(each.kind is each.VAR_KEYWORD for each in known.values()):
                assert set(schema.attributes) <= set(known), (name, schema.since_version)


def test_names_from_a_model_are_quoted_in_messages() -> None:
    hostile = "\x1b[31m\u202e\n"
    models = [
        model_of([helper.make_node(f"Erf{hostile}", ["x"], [hostile])], X, [hostile]),
        model_of([helper.make_node("f", ["x"], ["y"], domain=hostile)], X, ["y"]),
        model_of(NEG, {hostile: [hostile]}, ["y"]),
        model_of([node("Neg", "x", to="t"), node("Add", hostile, "t")], X, ["y"]),
        model_of([node("Softmax", "x", **{hostile: 1})], X, ["y"]),
        model_of([node("Softmax", "x", **{hostile: 1})], X, ["y"], opset=9),
        with_functions([function(hostile, "a", [call("f", "a", domain=hostile)])], [call(hostile, "x")]),
    ]
    for raw in models:
        assert refusal(raw).isprintable()


def test_functions_of_others_are_inlined() -> None:
    double = function("double", "a", [node("Add", "a", "a")])
    sixfold = function(
        "sixfold", "a", [call("double", "a", to="d"), node("Add", "d", "a", to="t"), call("double", "t")]
    )
    own = writer.write(record(Value(0.5, name="x").sigmoid()))
    (sigmoid,) = onnx.load_model_from_string(own).functions
    raw = with_functions(
        [sixfold, double, sigmoid], [call("sixfold", "x", to="s"), call("sigmoid", "s", domain="mgraph")]
    )
    graph = Graph(ours.read(raw, None))
    assert [each["op"] for each in graph.nodes] == ["input", "add", "add", "add", "sigmoid"]
    assert graph.replay({"x": 0.25}).outputs == {"y": OPS["sigmoid"].forward(1.5)}
    assert run(session(raw), {"x": 0.25}) == pytest.approx([OPS["sigmoid"].forward(1.5)])


def test_a_function_that_only_has_the_name_of_ours_is_what_it_says() -> None:
    raw = with_functions(
        [function("gate", "a b", [node("Add", "a", "b")], "mgraph")], [call("gate", "x", "x", domain="mgraph")]
    )
    assert Graph(ours.read(raw, None)).replay({"x": 3.0}).outputs == {"y": 6.0}


def test_functions_that_make_very_much_are_refused_before_they_do() -> None:
    levels = [function("f0", "a", [node("Neg", "a")])]
    levels += [function(f"f{k}", "a", [call(f"f{k - 1}", "a", to="t"), call(f"f{k - 1}", "t")]) for k in range(1, 40)]
    says = "with its own functions inlined, the nodes of the model take more than 16,777,216 bytes"
    assert refusal(with_functions(levels, [call("f39", "x")])) == says
    large = node("Constant", to="c", value=numpy_helper.from_array(np.ones(2**17)))
    heavy = function("heavy", "a", [large, node("Add", "a", "a")])
    assert refusal(with_functions([heavy], [call("heavy", "x", to=f"t{k}") for k in range(20)])) == says
    there = function("there", "a", [call("back", "a")])
    back = function("back", "a", [call("there", "a")])
    says = refusal(with_functions([there, back], [call("there", "x")]))
    assert says.startswith("the model's own functions call themselves: theirs.") and says.count(" <- ") == 2


def test_functions_that_cannot_be_inlined_are_refused() -> None:
    says = refusal(with_functions([function("f", "a", [node("Nag", "a")])], [call("f", "x")]))
    assert says == "Nag (node 0, which produces 'y') is not supported; docs/reference/import-operators.md lists what is"
    branch = helper.make_graph([node("Neg", "a")], "b", [], [helper.make_tensor_value_info("y", DOUBLE, [])])
    choice = function("f", "a", [helper.make_node("If", ["a"], ["y"], then_branch=branch, else_branch=branch)])
    says = refusal(with_functions([choice], [call("f", "x")]))
    assert (
        says
        == "theirs.f (node 0, which produces 'y') is not supported; docs/reference/import-operators.md lists what is"
    )


def test_the_functions_that_are_written_never_change() -> None:
    """A model of any released mgraph has these, and its ops come back only while they are equal."""
    written = b"".join(each.SerializeToString(deterministic=True) for each in writer.FUNCTIONS.values())
    assert sha256(written).hexdigest() == "14c741cd22124ab5fd98a3dc6048810ef489df2851ea8fa6a2b9866a3f111de9"


# Opsets that are converted -----------------------------------------------------------------------------------

OLD = {
    "Softmax, flattened": ([node("Softmax", "a")], 9),
    "LogSoftmax of rows": ([node("LogSoftmax", "a", axis=2)], 11),
    "axes as attributes": ([node("Squeeze", "a", to="s", axes=[1]), node("ReduceSum", "s", axes=[1], keepdims=0)], 11),
    "Slice": ([node("Slice", "a", starts=[1], ends=[3], axes=[2])], 9),
    "Gemm": ([node("Reshape", "a", "shape", to="m"), node("Gemm", "m", "m", "low", transB=1)], 7),
    "opset 7": ([node("Mul", "a", "a", to="t"), node("Tanh", "t")], 7),
}


@pytest.mark.parametrize("name", OLD)
def test_models_of_old_opsets_as_onnxruntime_has_them(name: str) -> None:
    nodes, opset = OLD[name]
    used = {each for made in nodes for each in made.input}
    held = {k: x for k, x in {"shape": np.array([2, 3]), "low": np.array(-0.5)}.items() if k in used}
    raw = model_of(nodes, {"a": [2, 1, 3]}, ["y"], held, opset=opset)
    got, want = both(raw, {"a": A.reshape(2, 1, 3)})
    assert got == pytest.approx(want, rel=1e-14)
    graph = Graph(ours.read(raw, None))
    assert graph.document["meta"] == {"source": f"ONNX, opset {opset}"} and "a[1,0,1]" in graph.inputs


def test_bounds_that_were_attributes() -> None:
    """onnxruntime has no Clip of float64 in this opset."""
    graph = Graph(ours.read(model_of([node("Clip", "a", min=-0.5, max=1.0)], {"a": []}, ["y"], opset=9), None))
    assert [graph.replay({"a": x}).outputs["y"] for x in (-2.0, 0.25, 2.0)] == [-0.5, 0.25, 1.0]


def test_an_old_model_with_its_tensors_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(np.array([1.5, -2.5]).tobytes())
    raw = external("w.bin").replace(b"\x10\x11", b"\x10\x0b")  # opset 17 as 11
    assert onnx.load_model_from_string(raw).opset_import[0].version == 11
    assert Graph(ours.read(raw, tmp_path)).data == {"w[0]": 1.5, "w[1]": -2.5}
    assert "which is outside the model's folder" in refusal(
        external("../w.bin").replace(b"\x10\x11", b"\x10\x0b"), tmp_path
    )


def test_an_old_model_that_the_converter_refuses() -> None:
    says = refusal(model_of([node("Gemm", "x", "x", alpha="a")], {"x": [2, 2]}, ["y"], opset=9))
    assert says.startswith("the model is of opset 9, and the onnx package cannot convert it to opset 13: ")
    assert "\n" not in says


def external(location: str, **more: str) -> bytes:
    held = tensor(data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        held.external_data.add(key=key, value=value)
    return model_of([node("Add", "x", "w")], X, ["y"], [held])


def test_tensors_in_other_files(tmp_path: Path) -> None:
    folder, outside = tmp_path / "model", tmp_path / "secret"
    (folder / "parts").mkdir(parents=True)
    numbers = np.array([1.5, -2.5, 0.25])
    outside.write_bytes(numbers.tobytes())
    (folder / "parts" / "w.bin").write_bytes(numbers.tobytes())
    (folder / "link").symlink_to(outside)
    (folder / "inner").symlink_to(folder / "parts" / "w.bin")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "up").symlink_to(tmp_path)

    def held(raw: bytes) -> list[float]:
        data = Graph(ours.read(raw, folder)).data
        return [data["w[0]"], data["w[1]"]]

    assert held(external("parts/w.bin", length="16")) == [1.5, -2.5]
    assert held(external("parts/../parts/w.bin", offset="8", length="16")) == [-2.5, 0.25]
    assert held(external("inner")) == [1.5, -2.5]
    for location in ("../secret", str(outside), "link", "up/secret", "parts/../../secret"):
        says = f"the tensor 'w' is in the file {shown(location)}, which is outside the model's folder and is not read"
        assert refusal(external(location), folder) == says
    for raw, what in [
        (external("loop"), "the tensor 'w' is in the file 'loop', which is not there"),
        (external("a\0b"), "the tensor 'w' is in the file 'a\\x00b', which is no valid place"),
        (external("parts"), "the tensor 'w' is in the file 'parts', which is not there"),
        (external(""), "the tensor 'w' is in the file '', which is not there"),
        (external("parts/w.bin", offset="x"), "the tensor 'w' is in the file 'parts/w.bin', which is no valid place"),
        *(
            (
                external("parts/w.bin", **{key: each}),
                "the tensor 'w' is in the file 'parts/w.bin', which is no valid place",
            )
            for key in ("offset", "length")
            for each in ("1_0", "\u0660", "\uff11\uff16", " 0", "+0", "0x10", "1.0", "")
        ),
        (
            external("parts/w.bin", offset="16"),
            "the tensor 'w' is in the file 'parts/w.bin', which does not hold 16 bytes at 16",
        ),
        (
            external("parts/w.bin", offset="-8"),
            "the tensor 'w' is in the file 'parts/w.bin', which does not hold 16 bytes at -8",
        ),
        (
            external("parts/w.bin", length="24"),
            "the tensor 'w' is in the file 'parts/w.bin', which does not hold 16 bytes at 0",
        ),
    ]:
        assert refusal(raw, folder) == what
    says = "the tensor 'w' is in the file 'parts/w.bin', and no folder is given to read it from"
    assert refusal(external("parts/w.bin")) == says


def test_a_constant_in_another_file_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    (tmp_path / "model").mkdir()
    held = tensor(data_location=TensorProto.EXTERNAL)
    held.external_data.add(key="location", value="../secret")
    raw = model_of([node("Constant", to="c", value=held), node("Add", "x", "c")], X, ["y"])
    says = "the tensor 'w' is in the file '../secret', which is outside the model's folder and is not read"
    assert refusal(raw, tmp_path / "model") == says


WHOLE = model_of(
    [
        node("Gemm", "a", "b", "low", to="g", transB=1, alpha=0.5),
        node("Slice", "a", "first", "three", "axes", to="s"),
        node("Concat", "s", "g", to="c", axis=1),
        node("Constant", to="t", value=numpy_helper.from_array(np.array([0.5, -2.0, 1.0]))),
        node("Add", "c", "t", to="d"),
        node("Reshape", "d", "shape", to="r"),
        node("ReduceMean", "r", to="m", axes=[1], keepdims=1),
        node("Softmax", "m", to="f", axis=0),
        node("Gather", "f", "places", to="h", axis=0),
        node("Transpose", "h", perm=[2, 0, 1]),
    ],
    {"a": [2, 3], "b": [1, 3]},
    ["y"],
    {name: INTS[name] for name in ("low", "first", "three", "axes", "shape", "places")},
)


@pytest.mark.parametrize("raw", [writer.write(record(random_value(3, 40)[0])), WHOLE], ids=["scalars", "tensors"])
def test_changed_bytes_are_refused_and_never_crash(raw: bytes) -> None:
    ours.read(raw, None)
    rng = random.Random(5)
    refused = 0
    for _ in range(1000):
        changed = bytearray(raw[: rng.randrange(len(raw))] if rng.random() < 0.2 else raw)
        for _ in range(rng.randrange(1, 6)):
            if changed:
                changed[rng.randrange(len(changed))] = rng.randrange(256)
        try:
            ours.read(bytes(changed), None)
        except FormatError:
            refused += 1
    assert refused > 100
