"""Finite differences of every operation: never refute what is right, always what is wrong, and say what was skipped."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from conftest import ROOT, sample_script
from mpmath import mp, mpf

import mgraph
from mgraph import Graph, Value
from mgraph.arithmetic.ops import OPS
from mgraph.checking import audit, finite_differences
from mgraph.replaying.plan import Plan, compile_plan
from mgraph.replaying.reference import reference
from mgraph.showing import results
from mgraph.showing.as_text import lines

trials = sample_script(ROOT / "exactness" / "differences")
SMOOTH = [name for name, op in OPS.items() if op.kink is None]
KINKED = [name for name, op in OPS.items() if op.kink is not None]


@pytest.mark.parametrize("name", OPS)
def test_slopes_are_within_their_errors_at_operands_of_every_kind(name: str) -> None:
    assert list(trials.wrong_slopes(name, 1000, seed=0)) == []


@pytest.mark.parametrize("kind", trials.KINDS)
def test_honest_graphs_are_never_refuted_and_wrong_partials_always(kind: str) -> None:
    tally = trials.trial(kind, 300, seed=0)
    assert tally.refuted == [] and tally.missed == []
    assert tally.told == tally.told_and_caught  # not one that is off by more than its error estimate slipped through
    assert tally.compared >= 0.9 * tally.gradients > 5000
    assert tally.caught.total() >= 0.8 * tally.wrong.total() > 100


def exact(name: str) -> Callable:
    """An op as mpmath knows it."""
    own = {
        "neg": lambda a: -a,
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "gate": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "pow": lambda a, b: a**b,
        "sigmoid": lambda a: 1 / (1 + mp.exp(-a)),
        "log1p": lambda a: mp.log(1 + a),
    }
    return own.get(name) or getattr(mp, name)


@pytest.mark.parametrize("name", SMOOTH)
def test_an_op_keeps_its_shape_over_its_scale(name: str) -> None:
    # The bounds of the module, at the centre for what is up to two of the coarsest steps beside it: there they double.
    op, function, rng = OPS[name], exact(name), random.Random(f"shape {name}")
    for _ in range(40):
        numbers = [inside(low, high, rng) for low, high in op.domain]
        for place in range(op.arity):
            scale = op.scale[place](*numbers)
            low, centre, high = (jet(function, numbers, place, scale, at) for at in (-1 / 16, 0, 1 / 16))
            shape = abs(centre[0]) + abs(centre[1])
            for each in (low, centre, high):
                assert abs(each[0]) + abs(each[1]) <= 2 * shape
                assert abs(each[2]) <= 2 * 2 * shape and abs(each[5]) <= 2 * 120 * shape


def inside(low: float, high: float, rng: random.Random) -> float:
    """A number in an open interval, over values and over exponents."""
    x = rng.choice(
        (rng.uniform(-600.0, 600.0), rng.uniform(-4.0, 4.0), rng.choice((-1, 1)) * 10 ** rng.uniform(-20, 2))
    )
    return x if low == -high else max(math.nextafter(low, math.inf), low + abs(x))


def jet(function: Callable, numbers: list[float], place: int, scale: float, at: float) -> list:
    """The derivatives of orders 0 to 5 by one operand, the scale as the unit."""
    with mp.workdps(80):

        def along(t):
            return function(*(mpf(x) + t * mpf(scale) if k == place else mpf(x) for k, x in enumerate(numbers)))

        return [mp.factorial(n) * c for n, c in enumerate(mp.taylor(along, mpf(at), 5))]


@pytest.mark.parametrize("name", KINKED)
def test_ops_with_kinks_round_nothing_between_them(name: str) -> None:
    op, rng = OPS[name], random.Random(f"kinks {name}")
    for _ in range(500):
        numbers = trials.operands(name, rng)
        slopes = [finite_differences.slope_of(op, numbers, place) for place in range(op.arity)]
        assert all(isinstance(each, str) or each.value in (-1.0, 0.0, 1.0) for each in slopes)


def controlled(steps: int) -> Graph:
    """A controller of three terms on a plant of the first order: 13 operations a step, each depending on the last."""
    kp, ki, kd, target = (Value(x, name=n) for n, x in (("kp", 1.2), ("ki", 0.5), ("kd", 0.05), ("target", 1.0)))
    y, integral, before, loss = Value(0.0, name="y"), 0.0, 0.0, 0.0
    for _ in range(steps):
        error = target - y
        integral = integral + error * 0.01
        u = kp * error + ki * integral + kd * ((error - before) / 0.01)
        y, before, loss = y + (u - y) * 0.01, error, loss + error * error * 0.01
    loss.backward()
    return mgraph.record(loss)


def test_a_deep_loop_is_compared_at_all_its_operations() -> None:
    graph = controlled(1000)
    found = graph.verify().differences
    assert found is not None and not found.skipped and not found.refuted
    assert all(each.error <= 1e-9 * max(1.0, abs(each.grad)) for each in found.compared)
    assert found.candidates == len(graph) > 3 * len(found.compared)
    ops = Counter(graph.op(each.node) for each in found.compared)
    every = Counter(graph.op(name) for name in graph.index)
    assert all(ops[op] >= 0.2 * every[op] for op in every if every[op] > 100), "a pattern must not hide an operation"


def with_tanh(partial: Callable[[float, float], float], plan: Plan) -> Plan:
    """The plan with another partial derivative of tanh."""
    tanh = OPS["tanh"].forward
    return replace(
        plan, partials=[(partial, None) if f is tanh else p for f, p in zip(plan.forwards, plan.partials, strict=True)]
    )


def test_a_wrong_partial_is_found_where_only_leaves_record_their_gradients() -> None:
    graph = mgraph.trace(lambda x: (x.sin() * 2).tanh(), x=0.5)
    wrong = with_tanh(lambda a, y: 1.0 - y, compile_plan(graph._wiring))
    _, adjoints = reference(wrong, {}, {3: 1.0})
    nodes = [{key: value for key, value in node.items() if key != "grad"} for node in graph.nodes]
    record = Graph({**graph.document, "nodes": [{**nodes[0], "grad": adjoints[0]}, *nodes[1:]]})
    report = audit.verify(replace(wrong, wiring=record))
    assert report.grad_checked == 1 and report.culprits == []
    assert report.differences is not None
    assert [each.node for each in report.differences.refuted] == ["n2"]
    assert report.verdict == "differs at n2 (grad, refuted by finite differences)"


def test_what_was_not_compared_is_said_with_the_reason() -> None:
    nodes = [{"id": "x", "op": "input", "data": 0.0}, {"id": "y", "op": "log", "args": ["x"]}]
    recipe = Graph({"mgraph": 1, "nodes": nodes, "outputs": ["y"], "seeds": {"y": "Infinity"}})
    report = recipe.with_run(recipe.replay()).verify()
    assert report.ok and report.differences is not None and report.differences.compared == []
    assert lines(results.report(report))[3:6] == [
        "finite   no gradient compared: none of 2 has a finite difference",
        "         x skipped: its gradient is not finite",
        "         y skipped: its gradient is not finite",
    ]


def calls(steps: int) -> tuple[int, int]:
    """How often verifying a loop of so many steps computes an operation, and how many operations it has."""
    graph = controlled(steps)
    plan, count = compile_plan(graph._wiring), 0

    def counted(function: Callable[..., float]) -> Callable[..., float]:
        def call(*numbers: float) -> float:
            nonlocal count
            count += 1
            return function(*numbers)

        return call

    ops = {name: replace(op) for name, op in OPS.items()}
    for name, op in ops.items():
        vars(op)["forward"] = counted(OPS[name].forward)  # where the cached property keeps it
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(finite_differences, "OPS", ops)
        assert audit.verify(replace(plan, forwards=[counted(f) for f in plan.forwards])).verdict == "exact"
    return count, len(plan.targets)


def test_the_work_is_linear_and_bounded_by_a_budget() -> None:
    # A look at each number, and four evaluations for each operand that is not a literal.
    for steps in (10, 100, 1000):
        count, operations = calls(steps)
        assert count <= operations + min(8 * operations, 4 * 1.2 * finite_differences.BUDGET)
