"""The op table: every row against the mathematics, an independent library, and IEEE 754's special cases."""

from __future__ import annotations

import ast
import functools
import itertools
import math
import operator
import subprocess
import sys
from math import inf, nan

import pytest
from conftest import bits, torch_function
from hypothesis import given
from hypothesis import strategies as st

from mgraph import Value
from mgraph.arithmetic import exponential
from mgraph.arithmetic.formulas import function, spelled
from mgraph.arithmetic.ops import FLOATS, LEAVES, OPS, ROWS, Op
from mgraph.checking.audit import ulps
from mgraph.recording.value import apply

SPECIALS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -2.0, 1e-308, 5e-324, -5e-324, 1e308, -1e308, inf, -inf, nan]
ids = [row.name for row in ROWS]
every_op = pytest.mark.parametrize("op", ROWS, ids=ids)

# The mathematics, written independently of the table; for an op that is not here, Python's own function.
REFERENCE = {
    "neg": lambda x: 0.0 - x,
    "add": lambda a, b: math.fsum((a, b)),
    "sub": lambda a, b: math.fsum((a, -b)),
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: math.exp(b * math.log(a)),
    "exp": lambda x: math.e**x,
    "expm1": lambda x: 2 * math.exp(x / 2) * math.sinh(x / 2),
    "log": lambda x: math.log2(x) * math.log(2),
    "log1p": lambda x: 2 * math.atanh(x / (2 + x)),
    "sqrt": lambda x: x**0.5,
    "tanh": lambda x: math.sinh(x) / math.cosh(x),
    "sigmoid": lambda x: 0.5 + 0.5 * math.tanh(x / 2),
    "relu": lambda x: (x + abs(x)) / 2,
    "sin": lambda x: math.cos(x - math.pi / 2),
    "cos": lambda x: math.sin(x + math.pi / 2),
    "abs": math.hypot,
    "maximum": max,
    "minimum": min,
    "greater": lambda a, b: float(a > b),
    "gate": lambda a, b: a * b,
}


def points(op: Op) -> list[tuple[float, ...]]:
    """Points inside the domain, away from kinks."""
    columns = []
    for k, (low, high) in enumerate(op.domain):
        centre = (-1.7, -0.3, 0.45, 1.1, 3.2) if math.isinf(low) else tuple(low + d for d in (0.1, 0.7, 1.0, 2.5, 6.0))
        columns.append([x + 0.01 * k for x in centre if low < x < high])
    return list(zip(*columns, strict=True)) + list(zip(*[columns[0], *(c[::-1] for c in columns[1:])], strict=True))


@every_op
def test_a_row_is_complete(op: Op) -> None:
    assert op.arity in (1, 2)
    assert len(op.domain) == len(op.derivatives) == op.arity
    assert "{0}" in op.latex and ("{1}" in op.latex) == (op.arity == 2)
    assert bool(op.kink) == bool(op.at_kink)
    assert op.branches or not op.kink
    assert len(op.scales) == (0 if op.kink else op.arity)
    assert op.name not in LEAVES


def formulas(op: Op) -> list[str]:
    return [op.formula, *op.derivatives, *op.scales, *([op.kinks] if op.kinks else [])]


@every_op
def test_a_formula_holds_numbers_operands_and_ops(op: Op) -> None:
    for formula in formulas(op):
        tree = ast.walk(ast.parse(formula, mode="eval"))
        names = {node.id for node in tree if isinstance(node, ast.Name)}
        assert names <= {*op.operands, "y", *OPS}
    assert "y" not in op.formula.replace(op.name, "")
    assert not any("y" in formula for formula in (op.kinks, *op.scales))


@every_op
def test_a_formula_on_values_has_the_number_that_it_has_on_floats(op: Op) -> None:
    meanings = {name: functools.partial(apply, name) for name in OPS}
    _, derivatives = op.functions(meanings)
    for point in [*points(op), *itertools.product(SPECIALS, repeat=op.arity)]:
        y = apply(op.name, *map(Value, point))
        for on_values, on_floats in zip(derivatives, op.partials, strict=True):
            found = on_values(*y.operands, y)
            assert bits(float(found)) == bits(on_floats(*point, y.data)), point


NEW_ROW = r"""
from mgraph.arithmetic import ops

# Before any other module is imported, as if the row stood in the table.
row = ops.Op("sech", "sech", r"\mathrm{{sech}} {0}", "2/(exp(a) + exp(-a))", ("-y*tanh(a)",), scales=("1",))
ops.ROWS += (row,)
ops.OPS[row.name] = row

import mgraph
from mgraph.document.spelling import expression

x = mgraph.Value(0.75, name="x")
y = mgraph.sech(x) * x.sech()
y.backward()
graph = mgraph.record(y, names={"y": y})
assert mgraph.loads(graph.export("json")).digest == graph.digest and '"sech"' in str(mgraph.schema()).replace("'", '"')
for each in (graph, graph.gradient(), graph.hessian()):
    run, compiled = each.replay(), each.replay(engine="compiled")
    assert dict(run.data) == dict(compiled.data) and dict(run.grad) == dict(compiled.grad)
    found = each.with_run(run).verify().differences
    assert not found.refuted and not found.skipped and len(found.compared) == found.candidates > 0
wrong = {**graph.document, "nodes": [{**node, "grad": 0.5} if node["id"] == "x" else node for node in graph.nodes]}
assert [found.node for found in mgraph.Graph(wrong).verify().differences.refuted] == ["x"]
assert "sech(x)" in map(expression, graph.nodes)
assert all(b"sech" in graph.export(target) for target in ("dot", "latex", "mermaid", "csv", "graphml"))
assert rb"\mathrm{sech} \left(x \cdot x\right)" in mgraph.record((x * x).sech()).export("latex-expression")
assert "∂y/∂a = -y*tanh(a)" in mgraph.sech.__doc__ and mgraph.Value.sech.__doc__ == mgraph.sech.__doc__
"""


def test_a_new_smooth_op_is_one_row() -> None:
    pytest.importorskip("llvmlite", reason="llvmlite is not installed (the extra mgraph-replay[fast])")
    subprocess.run([sys.executable, "-c", NEW_ROW], check=True)


def test_a_formula_is_read_as_arithmetic_of_doubles() -> None:
    assert spelled("-1") == "-1.0"
    assert spelled("1 - y*y") == "1.0 - y * y"
    assert spelled("-y/b") == "div(-y, b)"
    assert spelled("gate(b, a**(b - 1))") == "gate(b, pow(a, b - 1.0))"
    assert math.isnan(function("1/a - a**-1", ("a",), FLOATS)(0.0))  # where Python would raise
    with pytest.raises(NameError):
        function("1 + open(a)", ("a",), FLOATS)(1.0)


def test_one_operation_is_its_own_function() -> None:
    assert OPS["add"].forward is operator.add
    assert OPS["tanh"].forward is exponential.tanh
    assert OPS["greater"].partials[0](1.0, 2.0, 0.0) == 0.0


@every_op
def test_forward_is_the_function(op: Op) -> None:
    reference = REFERENCE.get(op.name) or getattr(math, op.name)
    for point in points(op):
        assert op.forward(*point) == pytest.approx(reference(*point), rel=1e-14, abs=1e-15), point


@every_op
def test_partials_are_the_slopes(op: Op) -> None:
    for point in points(op):
        y = op.forward(*point)
        for k, partial in enumerate(op.partials):
            h = 1e-5
            up = op.forward(*(x + h * (j == k) for j, x in enumerate(point)))
            down = op.forward(*(x - h * (j == k) for j, x in enumerate(point)))
            assert partial(*point, y) == pytest.approx((up - down) / (2 * h), rel=1e-7, abs=1e-9), (point, k)


@every_op
@given(st.data())
def test_nothing_raises_on_any_pair_of_doubles(op: Op, data: st.DataObject) -> None:
    double = st.sampled_from(SPECIALS) | st.floats()
    point = [data.draw(double) for _ in range(op.arity)]
    y = op.forward(*point)
    assert type(y) is float
    for partial in op.partials:
        assert type(partial(*point, y)) is float


@every_op
def test_nan_goes_in_nan_comes_out(op: Op) -> None:
    assert math.isnan(op.forward(*([nan] * op.arity)))


@pytest.mark.parametrize(
    ("name", "point", "result"),
    [
        ("div", (1.0, 0.0), inf),
        ("div", (1.0, -0.0), -inf),
        ("div", (-1.0, 0.0), -inf),
        ("div", (0.0, 0.0), nan),
        ("div", (-inf, 0.0), -inf),
        ("pow", (0.0, 0.0), 1.0),
        ("pow", (nan, 0.0), 1.0),
        ("pow", (1.0, nan), 1.0),
        ("pow", (0.0, 3.0), 0.0),
        ("pow", (0.0, -1.0), inf),
        ("pow", (-0.0, -1.0), -inf),
        ("pow", (-0.0, -2.0), inf),
        ("pow", (-0.0, -0.5), inf),
        ("pow", (-2.0, 3.0), -8.0),
        ("pow", (-2.0, -2.0), 0.25),
        ("pow", (-8.0, 1 / 3), nan),
        ("pow", (-1e200, 3.0), -inf),
        ("pow", (-1e200, 2.0), inf),
        ("pow", (1e200, 2.5), inf),
        ("pow", (-inf, 3.0), -inf),
        ("exp", (1000.0,), inf),
        ("exp", (-1000.0,), 0.0),
        ("expm1", (1000.0,), inf),
        ("expm1", (-1000.0,), -1.0),
        ("expm1", (1e-300,), 1e-300),
        ("log", (0.0,), -inf),
        ("log", (-0.0,), -inf),
        ("log", (-1.0,), nan),
        ("log", (inf,), inf),
        ("log1p", (-1.0,), -inf),
        ("log1p", (-2.0,), nan),
        ("log1p", (1e-300,), 1e-300),
        ("sqrt", (-1.0,), nan),
        ("sqrt", (-0.0,), -0.0),
        ("tanh", (1000.0,), 1.0),
        ("tanh", (-1000.0,), -1.0),
        ("tanh", (1e-300,), 1e-300),
        ("tanh", (-1e-300,), -1e-300),
        ("tanh", (-0.0,), -0.0),
        ("sigmoid", (1000.0,), 1.0),
        ("sigmoid", (-1000.0,), 0.0),
        ("sigmoid", (-700.0,), math.exp(-700.0)),
        ("sigmoid", (1e-300,), 0.5),
        ("relu", (-0.0,), 0.0),
        ("relu", (-inf,), 0.0),
        ("sin", (inf,), nan),
        ("cos", (-inf,), nan),
        ("maximum", (-0.0, 0.0), 0.0),
        ("maximum", (0.0, -0.0), 0.0),
        ("maximum", (-0.0, -0.0), -0.0),
        ("minimum", (0.0, -0.0), -0.0),
        ("minimum", (-0.0, 0.0), -0.0),
        ("minimum", (0.0, 0.0), 0.0),
        ("maximum", (1.0, nan), nan),
        ("minimum", (nan, 1.0), nan),
        ("maximum", (inf, inf), inf),
        ("greater", (2.0, 1.0), 1.0),
        ("greater", (-0.0, 0.0), 0.0),
        ("greater", (nan, 0.0), nan),
        ("gate", (0.0, inf), 0.0),
        ("gate", (-0.0, nan), 0.0),
        ("gate", (2.0, -3.0), -6.0),
        ("gate", (nan, 0.0), nan),
        ("neg", (0.0,), -0.0),
        ("abs", (-0.0,), 0.0),
    ],
)
def test_ieee_special_cases(name: str, point: tuple[float, ...], result: float) -> None:
    assert ulps(OPS[name].forward(*point), result) == 0


@pytest.mark.parametrize(
    ("name", "point", "slopes"),
    [
        ("relu", (0.0,), (0.0,)),
        ("relu", (-0.0,), (0.0,)),
        ("abs", (0.0,), (0.0,)),
        ("maximum", (2.0, 2.0), (1.0, 0.0)),
        ("minimum", (2.0, 2.0), (1.0, 0.0)),
        ("maximum", (inf, inf), (1.0, 0.0)),
        ("minimum", (-0.0, 0.0), (1.0, 0.0)),
        ("maximum", (1.0, 2.0), (0.0, 1.0)),
        ("minimum", (1.0, 2.0), (1.0, 0.0)),
        ("pow", (0.0, 0.0), (0.0, 0.0)),
        ("pow", (0.0, 1.0), (1.0, 0.0)),
        ("pow", (0.0, 2.0), (0.0, 0.0)),
        ("pow", (0.0, 0.5), (inf, 0.0)),
        ("pow", (-2.0, 3.0), (12.0, nan)),
        ("pow", (inf, -1.0), (-0.0, 0.0)),
        ("pow", (0.0, -1.0), (-inf, nan)),
        ("greater", (1.0, 1.0), (0.0, 0.0)),
        ("gate", (0.0, inf), (inf, 0.0)),
        ("pow", (3.0, 0.0), (0.0, math.log(3.0))),
        ("sqrt", (0.0,), (inf,)),
        ("log", (0.0,), (inf,)),
        ("div", (1.0, 0.0), (inf, -inf)),
    ],
)
def test_partials_at_kinks_and_edges(name: str, point: tuple[float, ...], slopes: tuple[float, ...]) -> None:
    op = OPS[name]
    y = op.forward(*point)
    assert [ulps(partial(*point, y), s) for partial, s in zip(op.partials, slopes, strict=True)] == [0] * len(slopes)


@every_op
def test_kinks_are_where_the_slope_jumps(op: Op) -> None:
    if op.kink is None:
        return
    at = (0.0,) if op.arity == 1 else (0.75, 0.75)
    assert op.kink(*at) == 0.0
    beside = (at[0] + 1e-9, *at[1:]), (at[0] - 1e-9, *at[1:])
    signs = [op.kink(*point) > 0 for point in beside]
    slopes = [op.partials[0](*point, op.forward(*point)) for point in beside]
    jump = op.forward(*beside[0]) - op.forward(*beside[1])
    assert signs[0] != signs[1] and (slopes[0] != slopes[1] or abs(jump) == 1.0)


def test_against_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra mgraph-replay[torch])")
    for op in ROWS:
        function = torch_function(torch, op.name)
        for point in points(op):
            tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point]
            y = function(*tensors)
            if y.requires_grad:  # a comparison has no gradient there
                y.backward()
            assert op.forward(*point) == pytest.approx(y.item(), rel=1e-14)
            for partial, tensor in zip(op.partials, tensors, strict=True):
                slope = 0.0 if tensor.grad is None else tensor.grad.item()
                assert partial(*point, op.forward(*point)) == pytest.approx(slope, rel=1e-13, abs=1e-16)
