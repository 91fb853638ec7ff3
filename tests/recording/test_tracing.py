"""Functions called with values in place of numbers: what is recorded, what is refused, what is said."""

from __future__ import annotations

import math

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

    with pytest.warns(UserWarning, match=r"^no output depends on 'n', 'rows', so"):
        graph = mgraph.trace(f, 0.75, 2.0, np.array([0.25, -1.0]))
    assert graph.inputs == ["x"]
    assert [node["op"] for node in graph.nodes] == ["input", "mul", "mul", "mul", "add", "add"]


def test_trace_names_arguments_that_no_output_depends_on() -> None:
    def black_box(S, r, knots, *, flag=1.0):
        return S * int(r * 3) if flag > 0 else S * knots[0]

    with pytest.warns(UserWarning) as warned:
        graph = mgraph.trace(black_box, 100.0, 0.5, [1.0, 2.0])
    assert [str(each.message).partition(",")[0] for each in warned] == ["no output depends on 'r'"]
    assert "'r', 'knots', 'flag', so the graph is without. Branches are" in str(warned[0].message)
    assert warned[0].filename == __file__
    assert graph.inputs == ["S"]
    assert mgraph.trace(lambda a: a[0] * 2, [1.0, 2.0]).inputs == ["a[0]"]  # of an array or list, one element is enough


def test_a_function_that_does_not_say_what_its_parameters_are() -> None:
    with pytest.raises(TypeError, match=r"^<built-in function max> does not say what its parameters are; wrap it"):
        mgraph.trace(max, 1.0, 2.0)


def test_a_trace_that_raises_leaves_nothing_behind() -> None:
    def broken(x):
        raise KeyError(x.data)

    with pytest.raises(KeyError):
        mgraph.trace(broken, 1.0)
    assert float(Value(2.0)) == 2.0
