"""SymPy's expressions against SymPy's own numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import ROOT

from mgraph.arithmetic.ops import OPS
from mgraph.errors import FormatError
from mgraph.graph import Graph

sympy = pytest.importorskip("sympy", reason="SymPy is not installed (the extra [sympy])")

from mgraph.formats.read.sympy import FUNCTIONS, read  # noqa: E402

x, y, z = sympy.symbols("x y z", real=True)
VALUES = {"x": 0.7, "y": -1.3, "z": 2.25}
R = sympy.Rational

EXPRESSIONS = [
    x + y * z - 3,
    x - y / 3,
    -x - R(3, 2),
    -x * y / 2,
    2 * x / 3 / y**2,
    1 / x / y,
    3 - 2 * (x + y),
    R(1, 3) + x * R(2, 7),
    sympy.pi * x + sympy.E * y + sympy.GoldenRatio,
    sympy.Float("0.1") * x + 1e300 * y,
    sympy.sqrt(z) + 1 / sympy.sqrt(x) + sympy.sqrt(2) * y,
    y**3 + z**-2 + x ** R(2, 3) + z**1.5 + x**y + 2**y,
    sympy.exp(x * y) + sympy.log(z) + sympy.log(x, 2),
    sympy.sin(x) * sympy.cos(y) + sympy.tan(z) + sympy.cot(x),
    sympy.sec(x) + sympy.csc(y),
    sympy.tanh(x) + sympy.sinh(y) + sympy.cosh(z),
    sympy.Abs(y) + sympy.sign(y) * x,
    sympy.Max(x, y, 1) + sympy.Min(x, z),
    1 / (1 + sympy.exp(-(x * z + y))),
    sympy.diff(sympy.tanh(x * y) ** 2, x),
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_expressions(expression: Any) -> None:
    numbers = {each: VALUES[each.name] for each in expression.free_symbols}
    graph = Graph(read(expression, numbers))
    run = graph.replay()
    (out,) = graph.document["outputs"]

    def exact(expression: Any) -> float:
        return float(expression.subs({each: R(number) for each, number in numbers.items()}).evalf(40))

    assert run.data[out] == graph.data[out] == pytest.approx(exact(expression), rel=1e-14)
    for symbol in numbers:
        derivative = expression.diff(symbol).replace(sympy.DiracDelta, lambda *a: 0)
        assert graph.grad[symbol.name] == pytest.approx(exact(derivative), rel=1e-13)
    assert graph.verify().verdict == "exact"


def test_every_function_is_tried() -> None:
    tried = {type(each).__name__ for expression in EXPRESSIONS for each in sympy.preorder_traversal(expression)}
    assert set(FUNCTIONS) <= tried


def test_shapes() -> None:
    def ops(expression: Any) -> list[Any]:
        return [[node["op"], *node["args"]] for node in read(expression)["nodes"] if node["op"] in OPS]

    assert ops(x - y / 3) == [["div", "y", 3.0], ["sub", "x", "n2"]]
    assert ops(-x * y) == [["mul", "x", "y"], ["neg", "n2"]]
    assert ops(1 / x) == [["div", 1.0, "x"]]
    assert ops(x**2 + 1) == [["pow", "x", 2.0], ["add", "n1", 1.0]]
    assert ops(sympy.exp(x)) == ops(sympy.Pow(sympy.E, x)) == [["exp", "x"]]
    assert ops(sympy.Mul(2, x + y, evaluate=False)) == [["add", "x", "y"], ["mul", 2.0, "n2"]]
    assert ops(x - sympy.Mul(2, x + y, evaluate=False))[-1] == ["sub", "x", "n3"]


def test_numbers_are_the_nearest_doubles() -> None:
    def data(expression: Any) -> Any:
        (node,) = read(expression)["nodes"]
        assert node["op"] == "constant"
        return node["data"]

    assert data(R(1, 3)) == 1 / 3 and data(sympy.Integer(2**53 + 1)) == 2.0**53
    assert data(sympy.Float("0.1", 50)) == 0.1 and data(sympy.pi) == 3.141592653589793
    assert data(R(10**400 + 1, 10**400)) == 1.0
    assert data(sympy.oo) == "Infinity" and data(-sympy.oo) == "-Infinity" and data(sympy.nan) == "NaN"


def test_what_occurs_twice_is_one_node() -> None:
    s = sympy.sin(x)
    document = read([s * s + s, s / 2], {"x": 0.7}, title="Two")
    assert [node["op"] for node in document["nodes"]].count("sin") == 1
    assert len(document["outputs"]) == 2 and document["title"] == "Two" and "seeds" not in document
    assert document["meta"] == {"source": f"SymPy {sympy.__version__}"}


def test_a_recipe() -> None:
    document = read(sympy.tanh(x * y) + sympy.pi, {"x": 0.5})
    recorded = {node["id"]: node.get("data") for node in document["nodes"]}
    assert recorded == {"x": 0.5, "y": None, "n2": None, "n3": None, "pi": 3.141592653589793, "n5": None}
    assert "grad" not in str(document)
    run = Graph(document).replay({"y": 2.0})
    assert run.outputs["n5"] == Graph(read(sympy.tanh(x * y) + sympy.pi, {x: 0.5, y: 2})).data["n5"]


def test_symbols_of_one_name_are_different_symbols() -> None:
    plain, real, dummy = sympy.Symbol("x"), sympy.Symbol("x", real=True), sympy.Dummy("x")
    graph = Graph(read(plain + 10 * real + 100 * dummy, {plain: 0.1, real: 0.2, dummy: 0.3}))
    assert sorted(graph.data[name] for name in graph.inputs) == [0.1, 0.2, 0.3]
    assert graph.data[graph.outputs[0]] == pytest.approx(32.1, rel=1e-14)
    recipe = read(plain + 10 * real, {real: 0.2})
    recorded = {node["id"]: node.get("data") for node in recipe["nodes"] if node["op"] == "input"}
    assert sorted(recorded.values(), key=str) == [0.2, None]
    assert Graph(read(dummy * 2, {"x": 3.0})).data == {"x": 3.0, "n1": 6.0}


def test_deep_expressions() -> None:
    deep = x
    for _ in range(3_000):
        deep = sympy.sin(deep, evaluate=False)
    assert len(read(deep, {"x": 0.5})["nodes"]) == 3_001
    deep = x
    for _ in range(3_000):
        deep = sympy.Add(sympy.sin(deep, evaluate=False), y, evaluate=False)
    with pytest.raises(FormatError, match=r"^the expression is nested too deeply for SymPy"):
        read(deep)


def test_refusals() -> None:
    def said(expression: Any, error: type[Exception] = FormatError, **options: Any) -> str:
        with pytest.raises(error) as refused:
            read(expression, **options)
        return str(refused.value)

    end = " is not supported; docs/reference/import-operators.md lists what is"
    assert said(sympy.gamma(x) + 1) == "gamma(x)" + end
    assert said(x * sympy.I) == "I" + end
    assert said(x > y) == "x > y" + end
    assert said(sympy.Heaviside(x)) == "Heaviside(x)" + end
    assert said(sympy.Integral(sympy.exp(x**2), x)) == "Integral(exp(x**2), x)" + end
    assert said(sympy.Piecewise((x, x > 0), (-(x**3) + 12 * y * z - x * y * z, y > 0), (0, True))).startswith(
        "Piecewise ("
    )
    assert said(sympy.Integer(10) ** 400 * x) == "Integer (1" + "0" * 49 + "…) is past the largest double"
    assert said(x, values={"X": 1.0}) == "X is given a value, but is no symbol of the expression"
    real, end = sympy.Symbol("x"), " is given a value, but is no symbol of the expression"
    assert said(x + real, values={"x": 1.0}) == "2 symbols are called x: give numbers by symbol, {symbol: number}"
    assert said(x + 1, values={"x": 1.0, x: 2.0}) == "x is given two values, by symbol and by name"
    assert said(x + 1, values={real: 1.0}) == (
        f"x{end}; the one of that name in it has other assumptions or is a Dummy: give its number by name"
    )
    assert said(x + 1, values={3: 1.0}) == "3" + end
    assert said(x, TypeError, values={x: "1.5"}) == "x is given '1.5', which is not a number"
    assert said(x, TypeError, values={x: sympy.I}) == "x is given I, which is not a number"
    for matrix in (sympy.Matrix([x, y]), sympy.ImmutableMatrix([x, y])):
        assert (
            said(matrix)
            == said([matrix])
            == ("a matrix as a whole is not supported; its elements are: from_sympy(list(matrix))")
        )
    assert len(read(list(sympy.Matrix([x, y])))["outputs"]) == 2
    hostile = sympy.Symbol("x\x1b[31m\u202e\n")
    assert said(sympy.gamma(hostile)).isprintable() and said(x, values={hostile: 1.0}).isprintable()
    assert said("x + 1", TypeError) == "a SymPy expression or a list of them is needed, not str"
    assert said([], TypeError) == "at least one expression is needed"


def test_the_documentation_lists_what_is_supported() -> None:
    text = (ROOT / "docs/reference/import-operators.md").read_text()
    rows = re.findall(r"^\| (.*) \| (?:the operation of that name|made of operations) \|$", text, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == set(FUNCTIONS)
