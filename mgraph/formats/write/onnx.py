"""ONNX, going out: a model of scalars in float64, a node for each operation."""

from __future__ import annotations

import orjson
from onnx import FunctionProto, NodeProto, TensorProto, ValueInfoProto, helper, parser

from mgraph.arithmetic.ops import CONSTANT, LEAVES, PARAMETER
from mgraph.document.spelling import unused
from mgraph.document.wiring import Wiring
from mgraph.errors import FormatError, shown

OPSET, IR_VERSION = 17, 8
"""The versions written, of 2022: in them onnxruntime computes every operator used here in float64."""

DOMAIN = "mgraph"
"""Of the functions that a model defines for itself, for ops that ONNX lacks."""

OPS = {
    "neg": "Neg",
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "pow": "Pow",
    "exp": "Exp",
    "expm1": "mgraph.expm1",
    "log": "Log",
    "log1p": "mgraph.log1p",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
    "sigmoid": "mgraph.sigmoid",
    "relu": "Relu",
    "sin": "Sin",
    "cos": "Cos",
    "abs": "Abs",
    "maximum": "Max",
    "minimum": "Min",
    "greater": "mgraph.greater",
    "gate": "mgraph.gate",
}
"""Each op's operator, or its function in the model."""

ULPS = {"pow": 2, "exp": 2, "expm1": 6, "log": 2, "log1p": 4, "tanh": 4, "sigmoid": 4, "sin": 2, "cos": 2}
"""How far onnxruntime's results may be from the correctly rounded ones, per operation; the rest is exact.

But for the signs of two zeros: its Relu of -0 is -0, and its Max and Min of two zeros are the first of them or the
second, as it happens.
"""

VERSIONS = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]


def _number(name: str, x: float) -> NodeProto:
    return helper.make_node("Constant", [], [name], value=helper.make_tensor("", TensorProto.DOUBLE, [], [x]))


def _function(text: str) -> FunctionProto:
    """A function of our domain, in ONNX's own textual syntax."""
    function = parser.parse_function(f'<domain: "{DOMAIN}", opset_import: ["" : {OPSET}]>{text}')
    for node in function.node:
        node.ClearField("domain")  # the parser sets it, empty as it is
    return function


_ROWS = (
    # tanh(a/2) (exp(a) + 1): nothing cancels.
    """expm1 (a) => (y) {
        "2" = Constant <value = double {2}> ()
        h = Div (a, "2")
        t = Tanh (h)
        e = Exp (a)
        "1" = Constant <value = double {1}> ()
        s = Add (e, "1")
        y = Mul (t, s)
    }""",
    # Kahan: what 1 + a loses of a, a / ((1 + a) - 1) makes good. An infinite a, like every large one, loses nothing.
    """log1p (a) => (y) {
        "1" = Constant <value = double {1}> ()
        u = Add ("1", a)
        d = Sub (u, "1")
        l = Log (u)
        r = Div (a, d)
        p = Mul (l, r)
        whole = Equal (d, a)
        q = Where (whole, l, p)
        tiny = Equal (u, "1")
        y = Where (tiny, a, q)
    }""",
    # onnxruntime's own Sigmoid is good to half the digits, and 0 below -37.
    """sigmoid (a) => (y) {
        m = Abs (a)
        n = Neg (m)
        e = Exp (n)
        "0" = Constant <value = double {0}> ()
        below = Less (a, "0")
        "1" = Constant <value = double {1}> ()
        t = Where (below, e, "1")
        s = Add ("1", e)
        y = Div (t, s)
    }""",
    # Of operands that have no order the sum is NaN.
    """greater (a, b) => (y) {
        s = Add (a, b)
        not_above = LessOrEqual (a, b)
        "0" = Constant <value = double {0}> ()
        q = Where (not_above, "0", s)
        above = Greater (a, b)
        "1" = Constant <value = double {1}> ()
        y = Where (above, "1", q)
    }""",
    """gate (a, b) => (y) {
        p = Mul (a, b)
        "0" = Constant <value = double {0}> ()
        shut = Equal (a, "0")
        y = Where (shut, "0", p)
    }""",
)
FUNCTIONS = {row.name: row for row in map(_function, _ROWS)}
"""The functions by op, each of operators of ONNX alone."""


def write(wiring: Wiring) -> bytes:
    """An ONNX model whose values are called by their ids: tensors of no dimension, in float64.

    Inputs, and parameters without a number, are the graph's inputs; other parameters are initializers, and constants
    and literal operands are Constant nodes, neither of which a run can override. The title is the model's text; the
    outputs are in its metadata too, as JSON. Gradients are left out. Raises FormatError for an op not in ``OPS``.
    """
    inputs: list[ValueInfoProto] = []
    initializers: list[TensorProto] = []
    nodes: list[NodeProto] = []
    literals: dict[str, str] = {}
    for node in wiring.nodes:
        name, op = node["id"], node["op"]
        if op == CONSTANT:
            nodes.append(_number(name, float(node["data"])))
        elif op == PARAMETER and "data" in node:
            initializers.append(helper.make_tensor(name, TensorProto.DOUBLE, [], [float(node["data"])]))
        elif op in LEAVES:
            inputs.append(_scalar(name))
        elif op not in OPS:
            raise FormatError(f"the op {op} of node {shown(name)} has no meaning in ONNX")
        else:
            operands = []
            for operand in node["args"]:
                if not isinstance(operand, str) and repr(operand) not in literals:
                    literals[repr(operand)] = unused(repr(operand), wiring)
                    nodes.append(_number(literals[repr(operand)], operand))
                operands.append(operand if isinstance(operand, str) else literals[repr(operand)])
            domain, _, operator = OPS[op].rpartition(".")
            nodes.append(helper.make_node(operator, operands, [name], domain=domain))
    used = {node.op_type for node in nodes if node.domain == DOMAIN}
    model = helper.make_model(
        helper.make_graph(nodes, "mgraph", inputs, [_scalar(name) for name in wiring.outputs], initializers),
        functions=[FUNCTIONS[name] for name in sorted(used)],
        opset_imports=VERSIONS if used else VERSIONS[:1],
        ir_version=IR_VERSION,
        producer_name="mgraph",
        doc_string=wiring.document.get("title", ""),
    )
    helper.set_model_props(model, {"outputs": orjson.dumps(wiring.outputs).decode()})
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def _scalar(name: str) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.DOUBLE, [])
