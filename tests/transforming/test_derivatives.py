"""Derivatives as graphs: the bits of a backward pass, PyTorch's second derivatives, and nothing computed twice."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import pytest
from conftest import ROOT, SMALL, bits, random_document, random_value, tame, torch_function
from kept_graphs import random_graph

import mgraph
from mgraph import Graph, ReplayError, Value, load, record
from mgraph.arithmetic.ops import OPS
from mgraph.recording.value import apply

TANH = load(ROOT / "samples/tanh.json")


@pytest.mark.parametrize("path", SMALL, ids=lambda p: p.stem)
def test_a_gradient_has_the_bits_of_a_backward_pass(path: Path) -> None:
    graph = load(path)
    wrt = [*graph.inputs, *graph.parameters]
    derived = graph.gradient(wrt=wrt)
    run = graph.replay()
    assert [bits(x) for x in derived.replay().outputs.values()] == [bits(run.grad[name]) for name in wrt]
    assert list(derived.data.values()) == list(derived.replay().data.values())


@pytest.mark.parametrize("seed", range(40))
def test_a_gradient_of_a_random_graph_also_at_other_inputs(seed: int) -> None:
    root, leaves = random_value(seed, 150)
    graph = record(root)
    names = [leaf.name for leaf in leaves if leaf.name in graph]
    derived = mgraph.loads(graph.gradient(wrt=names).to_bytes())
    for shift in (0.0, 0.125, -1.5):
        inputs = {name: float(graph.data[name]) + shift for name in names}
        run = graph.replay(inputs)
        found = derived.replay(inputs).outputs
        assert [bits(x) for x in found.values()] == [bits(run.grad[name]) for name in names]


@pytest.mark.slow
def test_hostile_numbers_change_nothing() -> None:
    nonfinite = different = 0
    for document in (*map(random_document, range(600)), *map(random_graph, range(600))):
        graph = Graph(document)
        leaves = [*graph.inputs, *graph.parameters]
        if leaves:
            run = graph.replay(engine="reference")
            found = graph.gradient(wrt=leaves).replay(engine="reference").outputs
            different += [bits(x) for x in found.values()] != [bits(run.grad[name]) for name in leaves]
            nonfinite += sum(not math.isfinite(x) for x in found.values())
    assert nonfinite > 500
    assert different < 5, different  # of 1,200 graphs: a gate that was not taken, and an infinity or NaN behind it


def test_a_gate_that_is_shut_may_still_change() -> None:
    """At a = 1 the derivative of a**b by b is 0, as log(a) is; its own derivatives by a are not."""
    a, b = Value(1.0, name="a"), Value(3.0, name="b")
    graph = mgraph.record(a**b)
    for wrt, value in (("b", 0.0), ("a", 1.0), ("a", 5.0)):
        graph = graph.gradient(of=graph.outputs[0], wrt=wrt)
        assert list(graph.replay().outputs.values()) == [value]


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (lambda x: mgraph.gate(0.0, x.log().relu()), -2.0),  # a NaN slope behind a branch not taken
        (lambda x: mgraph.gate(x + 2, x.log().relu()), -2.0),
        (lambda x: mgraph.gate(x + 3, x.log().relu()), -2.0),
        (lambda x: (x.relu() - 1).log().relu(), -2.0),  # a branch not taken behind a NaN slope
        (lambda x: mgraph.gate(x, (x * 0.0).sqrt()), 1.0),  # an adjoint of 0 that was reached, times an infinity
        (lambda x: (mgraph.gate(x, x.sqrt() * 0.0)).relu() + x, 0.0),
        (lambda x: (x - 1).relu() * x.log().maximum(1.0), 0.0),
        (lambda x: (mgraph.gate(x, 1.0) * 0.0 * x.sqrt()).maximum(-1.0), 0.0),
        (lambda x: mgraph.gate(x, mgraph.gate(mgraph.constant(math.nan), x)), 1.0),
        (lambda x: mgraph.gate(x, mgraph.gate(x - mgraph.greater(x, 0.0), x.sqrt())), 2.0),
    ],
)
def test_what_is_reached_is_what_a_backward_pass_reaches(function, at: float) -> None:
    x = Value(at, name="x")
    y = function(x)
    y.name = "y"
    graph = record(y)
    derived = graph.gradient(wrt="x")
    for other in (at, -2.0, -0.0, 0.0, 0.5, 1.0, 3.0, math.inf, -math.inf, math.nan):
        (found,) = derived.replay({"x": other}).outputs.values()
        assert bits(found) == bits(graph.replay({"x": other}).grad["x"]), other


def test_a_variable_that_drops_out_stays() -> None:
    x, w = Value(2.0, name="x"), mgraph.parameter(3.0, name="w")
    unused, c = Value(1.0, name="unused"), mgraph.constant(4.0, name="c")
    y, z = x * w, unused * c
    y.name, z.name = "y", "z"
    graph = record(y, z)
    first = graph.gradient(of="y", wrt="x")
    assert (first.inputs, first.parameters) == (["x", "unused"], ["w"])
    assert first.replay({"x": 1.0, "w": 5.0, "unused": 0.0}).outputs == {"dy/dx": 5.0}
    second = first.gradient(wrt="x")
    assert second.replay({"x": 1.0}).outputs == {"d(dy/dx)/dx": 0.0}
    assert second.gradient(of="d(dy/dx)/dx", wrt="w").replay().outputs == {"d(d(dy/dx)/dx)/dw": 0.0}
    for derived in (first.jacobian(wrt="x"), first.hessian(wrt=["x", "w"]), first.jvp({"x": 1.0})):
        assert set(derived.replay({"x": 1.0, "unused": 7.0}).outputs.values()) == {0.0}
        assert (derived.inputs, derived.parameters) == (["x", "unused"], ["w"])


@pytest.mark.parametrize("seed", range(81))
def test_chains_of_derivatives_in_any_order(seed: int) -> None:
    rng = random.Random(seed)
    leaves = [Value(rng.uniform(-1.5, 1.5), name=name) for name in "xyzw"]
    pool = list(leaves)
    for _ in range(rng.randint(2, 7)):
        op = OPS[rng.choice([name for name in OPS if name not in ("gate", "pow")])]
        operands = [tame(rng.choice(pool), low, high) for low, high in op.domain]
        pool.append(apply(op.name, *operands))
    graph = record(sum(leaves, pool[-1]) * 0.5)
    wrt = [rng.choice("xyzw") for _ in range(3)]
    found = []
    for order in itertools.permutations(wrt):
        derived = graph
        for name in order:
            derived = derived.gradient(of=derived.outputs[0], wrt=name)
            assert derived.inputs == graph.inputs
        found += derived.replay({leaf.name: leaf.data for leaf in leaves}).outputs.values()
    assert found == pytest.approx([found[0]] * 6, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_second_derivatives_against_pytorch(seed: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra mgraph-replay[torch])")
    smooth = tuple(name for name, op in OPS.items() if not op.branches and name != "pow")
    root, leaves = random_value(seed, 60, smooth)
    graph = record(root)
    names = [leaf.name for leaf in leaves if leaf.name in graph]
    tensors = {name: torch.tensor(graph.data[name], dtype=torch.float64, requires_grad=True) for name in names}
    values = dict(tensors)
    for node in graph.nodes:
        if "args" in node:
            args = [values[a] if isinstance(a, str) else torch.tensor(a, dtype=torch.float64) for a in node["args"]]
            values[node["id"]] = torch_function(torch, node["op"])(*args)
        elif node["id"] not in values:
            values[node["id"]] = torch.tensor(float(node["data"]), dtype=torch.float64)
    loss = values[graph.outputs[0]]
    slopes = torch.autograd.grad(loss, list(tensors.values()), create_graph=True)
    hessian = graph.hessian(wrt=names).replay().outputs
    jacobian = graph.gradient(wrt=names).jacobian(wrt=names)
    assert len(hessian) == len(names) * (len(names) + 1) // 2
    theirs, scale = [], 1.0
    for k, slope in enumerate(slopes):
        row = [None] * len(names)
        if slope.requires_grad:
            row = torch.autograd.grad(slope, list(tensors.values()), retain_graph=True, allow_unused=True)
        theirs += [0.0 if each is None else each.item() for each in row[k:]]
    scale = max(1.0, *map(abs, theirs))
    assert list(hessian.values()) == pytest.approx(theirs, rel=1e-7, abs=1e-10 * scale)
    again = jacobian.replay().outputs
    first = f"d({next(iter(graph.gradient(wrt=names).outputs))})/d{names[0]}"
    assert again[first] == pytest.approx(theirs[0], rel=1e-7, abs=1e-10 * scale)


@pytest.mark.parametrize("seed", range(10))
def test_forward_mode_agrees_with_reverse_mode(seed: int) -> None:
    root, leaves = random_value(seed, 100)
    graph = record(root)
    direction = {leaf.name: 0.5 + k for k, leaf in enumerate(leaves) if leaf.name in graph}
    (found,) = graph.jvp(direction).replay().outputs.values()
    run = graph.replay()
    terms = [run.grad[name] * x for name, x in direction.items()]
    assert found == pytest.approx(sum(terms), rel=1e-9, abs=1e-9 * max(1.0, *map(abs, terms)))


def test_a_branch_not_taken_carries_no_tangent_either() -> None:
    x = Value(-1.0, name="x")
    y = mgraph.gate(x.relu(), 1.0 / x.relu()) + x  # the slope of 1/relu is infinite
    y.name = "y"
    graph = record(y)
    assert list(graph.jvp({"x": 0.5}).replay().outputs.values()) == [0.5 * graph.replay().grad["x"]] == [0.5]


def test_a_jacobian_is_a_gradient_for_each_output() -> None:
    graph = load(ROOT / "samples/neuron.json")
    both = [*graph.outputs, graph.nodes[-2]["id"]]
    found = graph.jacobian(of=both, wrt=["x1", "w2"]).replay().outputs
    expected = [graph.gradient(of, ["x1", "w2"]).replay().outputs.values() for of in both]
    assert list(found.values()) == [x for row in expected for x in row]


def test_a_derivative_is_a_document_like_any_other(tmp_path: Path) -> None:
    second = TANH.gradient().gradient(of="dd/da", wrt=["a"])
    second.save(tmp_path / "second.json")
    again = load(tmp_path / "second.json")
    assert again.verify().verdict == "exact"
    assert again.replay().outputs == {"d(dd/da)/da": TANH.hessian().replay().outputs["d2d/da da"]}
    assert "tanh" in again.draw().source


def test_nothing_is_computed_twice_and_constants_are_folded() -> None:
    x = Value(3.0, name="x")
    y = (x**2) * x.exp() + mgraph.constant(2.0, "two") * x
    y.name = "y"
    derived = record(y).hessian(wrt="x")
    made = [(n["op"], tuple(n["args"])) for n in derived.nodes if "args" in n and not n["id"].startswith("d2")]
    assert len(made) == len(set(made))
    assert all(any(isinstance(a, str) for a in args) for _, args in made)
    assert sum(op == "exp" for op, _ in made) == 1
    (found,) = derived.replay().outputs.values()
    assert found == pytest.approx((9 + 4 * 3 + 2) * math.exp(3))


def test_a_branch_is_chosen_when_it_is_replayed() -> None:
    x = Value(-1.0, name="x")
    y = (x.relu() * 3 + abs(x) + x.maximum(0.5)).log()
    y.name = "y"
    graph = record(y)
    derived = graph.gradient()
    for at in (-1.0, 0.0, 0.25, 0.5, 2.0):
        assert list(derived.replay({"x": at}).outputs.values()) == [graph.replay({"x": at}).grad["x"]]


def test_a_branch_not_taken_contributes_nothing_even_against_infinity() -> None:
    x = Value(0.0, name="x")
    y = x.log().relu()
    y.name = "y"
    assert record(y).gradient().replay().outputs == {"dy/dx": 0.0}


def test_an_input_without_a_number_stays_without() -> None:
    graph = Graph({"mgraph": 1, "nodes": [{"id": "x", "op": "input"}, {"id": "y", "op": "sin", "args": ["x"]}]})
    derived = graph.gradient()
    assert not derived.data
    assert derived.replay({"x": 0.5}).outputs == {"dy/dx": OPS["cos"].forward(0.5)}


LABELLED = Graph({"mgraph": 1, "nodes": [{"id": "a", "op": "input", "data": 1.0, "label": "A"}]})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TANH.gradient(of="q"), "no node has the id or label 'q'. The inputs are 'a', 'b'; the outputs are 'd'"),
        (lambda: TANH.gradient(wrt=[]), "there is nothing to differentiate with respect to"),
        (lambda: TANH.jvp({"a": "1"}), "the number for 'a' is not a real number but '1'"),
        (lambda: LABELLED.jvp({"a": 1.0, "A": 2.0}), "'a' is given two numbers, once as 'A'"),
        (lambda: TANH.gradient(of=["a", "d"]), "a node is named by its id or label, which is text, not by ['a', 'd']"),
        (lambda: TANH.hessian(of=["a", "d"]), "a node is named by its id or label, which is text, not by ['a', 'd']"),
        (lambda: TANH.jvp({}), "there is nothing to differentiate along"),
        (lambda: load(ROOT / "samples/operations.json").gradient(wrt="start"), "'start' is a constant: there is no derivative with respect to it"),
    ],
)  # fmt: skip
def test_refusals(call, message: str) -> None:
    with pytest.raises(ReplayError) as caught:
        call()
    assert str(caught.value) == message
