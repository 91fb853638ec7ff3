"""Functions called with values in place of numbers: what is recorded, what is refused, what is said."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import pytest

import mgraph
from mgraph import Value

np = pytest.importorskip("numpy", reason="NumPy is not installed")


FROZEN = {
    "math.exp": lambda x: math.exp(x) * x,
    "math.sqrt": lambda x: x + math.sqrt(x),
    "math.fsum": lambda x: x + math.fsum([x, x]),
    "float": lambda x: float(x) + x,
    "complex": lambda x: x * abs(complex(x)),
    "float array": lambda x: x * np.array([x], float).sum(),
}


@pytest.mark.parametrize("name", FROZEN)
def test_trace_refuses_a_plain_number_made_of_a_value(name: str) -> None:
    with pytest.raises(TypeError, match=r"in place of math\.exp\(x\), mgraph\.maximum\(x, y\) in place of max\(x, y\)"):
        mgraph.trace(FROZEN[name], x=0.5)
    assert float(Value(0.5)) == math.fabs(Value(-0.5)) == 0.5  # outside it is allowed as ever


def test_trace_records_the_branch_taken() -> None:
    def f(x, n, rows):
        total = x
        for _ in range(int(n)):
            total = total * x if x > 0.5 and x != rows[0] and x >= n / 4 else -total
        return total + int((rows > 0).sum()) * x + len(f"{x:.3f}") * x.data

    with pytest.warns(UserWarning, match=r"^no output depends on 'n', 'rows' \(kept"):
        graph = mgraph.trace(f, 0.75, 2.0, np.array([0.25, -1.0]))
    assert graph.inputs == ["x", "n", "rows[0]", "rows[1]"]
    assert [node["op"] for node in graph.nodes] == ["input"] * 4 + ["mul", "mul", "mul", "add", "add"]


def test_trace_names_arguments_that_no_output_depends_on() -> None:
    def black_box(S, r, knots, *, flag=1.0):
        return S * int(r * 3) if flag > 0 else S * knots[0]

    with pytest.warns(UserWarning) as warned:
        graph = mgraph.trace(black_box, 100.0, 0.5, [1.0, 2.0])
    assert [str(each.message).partition(",")[0] for each in warned] == ["no output depends on 'r'"]
    assert "'r', 'knots', 'flag' (kept in the graph, with gradient 0). Branches are" in str(warned[0].message)
    assert warned[0].filename == __file__
    assert graph.inputs == ["S", "r", "knots[0]", "knots[1]", "flag"]
    assert [graph.grad[name] for name in graph.inputs] == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert graph.replay({"r": 2.0}).outputs == {"black_box": 100.0} and graph.verify().verdict == "exact"
    assert mgraph.trace(lambda a: a[0] * 2, [1.0, 2.0]).inputs == ["a[0]", "a[1]"]  # one element used is enough


def test_trace_keeps_leaves_and_their_kinds() -> None:
    def loss(x, w, b=0.5):
        return (x * w[0] + w[1]["k"] + b) ** 2

    used = mgraph.parameter(2.0)
    (used * 3.0).backward()  # its gradient of then is none of this graph's
    w = [used, {"k": mgraph.constant(1.0)}]
    graph = mgraph.trace(loss, [1.0][0], w, mgraph.parameter(0.25, name="own"))
    assert (graph.inputs, graph.parameters, graph.constants) == (["x"], ["w[0]", "own"], ["w[1]['k']"])
    assert graph.grad["w[0]"] == 2 * 3.25
    with pytest.warns(UserWarning, match="depends on 'p', 'q'"):
        graph = mgraph.trace(lambda x, p, q: x * x, 3.0, used, mgraph.constant(4.0))
    assert (graph.inputs, graph.parameters, graph.constants) == (["x"], ["w[0]"], ["q"])  # used was named above
    assert graph.grad == {"x": 6.0, "w[0]": 0.0, "y": 1.0}
    weights = mgraph.array([[1.0, 2.0]], op="parameter")
    graph = mgraph.trace(lambda W, x: (W @ x)[0], weights, np.array([0.5, 0.25]))
    assert (graph.parameters, graph.inputs) == (["W[0,0]", "W[0,1]"], ["x[0]", "x[1]"])
    assert mgraph.trace(lambda x: x * 2, np.array(3.0)).inputs == ["x"]


class Greeks(NamedTuple):
    price: Value
    delta: Value


def area(x):
    return x * x


def areas(x):
    return [x * x, [x * 3]]


OUTPUTS = {
    "a function's name": (area, ["area"]),
    "of a list, the place too": (areas, ["areas[0]", "areas[1][0]"]),
    "of an array": (lambda x: np.array([[x * 1, x * 2]]), ["y[0,0]", "y[0,1]"]),
    "a lambda's y": (lambda x: x * x, ["y"]),
    "no name at all": (partial(area), ["y"]),
    "a tuple's": (lambda x: (x * 2, [x * 3, 4.0]), ["y0", "y1[0]", "y1[1]"]),
    "a named tuple's": (lambda x: Greeks(x * 2, x * 3), ["price", "delta"]),
    "a dictionary's": (lambda x: {"f": x * 2, 3: {"g": x * 3}}, ["f", "3['g']"]),
    "an input": (lambda x: {"f": x}, ["x"]),
    "the name it has": (lambda x: {"f": mgraph.constant(1.0, name="own") * 1, "g": mgraph.parameter(1.0, "p")}, ["f", "p"]),
    "a name that is taken": (lambda x: {"x": x * 2}, ["n1"]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:no output depends on")
@pytest.mark.parametrize("what", OUTPUTS)
def test_outputs_of_a_trace_are_named(what: str) -> None:
    function, names = OUTPUTS[what]
    graph = mgraph.trace(function, x=1.5)
    assert graph.outputs == names
    if what == "a name that is taken":
        assert graph.nodes[1]["label"] == "x"


def test_trace_says_which_integers_it_fixes() -> None:
    with pytest.warns(UserWarning, match=r"^the integers in 'rows' are fixed in the graph; an array of floats becomes"):
        graph = mgraph.trace(lambda x, rows, mask: x[rows].sum() * mask[0], np.array([1.0, 2.0]), np.array([1]), [True])
    assert graph.inputs == ["x[0]", "x[1]"]
    with pytest.raises(TypeError, match="a real number is needed, not NoneType"):
        mgraph.trace(lambda x: None, x=1.0)


def test_a_function_that_does_not_say_what_its_parameters_are() -> None:
    with pytest.raises(TypeError, match=r"^<built-in function max> does not say what its parameters are; wrap it"):
        mgraph.trace(max, 1.0, 2.0)


def test_a_trace_that_raises_leaves_nothing_behind() -> None:
    def broken(x):
        raise KeyError(x.data)

    with pytest.raises(KeyError):
        mgraph.trace(broken, 1.0)
    assert float(Value(2.0)) == 2.0
