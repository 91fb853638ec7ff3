"""Derivatives as graphs: the bits of a backward pass, PyTorch's second derivatives, and nothing computed twice."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from conftest import ROOT, SMALL, bits, random_document, random_value, torch_function

import mgraph
from mgraph import Graph, ReplayError, Value, load, record
from mgraph.arithmetic.ops import OPS

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
        found = derived.replay({name: x for name, x in inputs.items() if name in derived}).outputs
        assert [bits(x) for x in found.values()] == [bits(run.grad[name]) for name in names]


def test_hostile_numbers_change_nothing_but_what_the_documentation_says() -> None:
    different = 0
    for seed in range(600):
        graph = Graph(random_document(seed))
        leaves = [*graph.inputs, *graph.parameters]
        if leaves:
            run = graph.replay(engine="reference")
            found = graph.gradient(wrt=leaves).replay(engine="reference").outputs
            for name, x in zip(leaves, found.values(), strict=True):
                if bits(x) != bits(run.grad[name]):
                    assert math.isnan(run.grad[name])
                    different += 1
    assert different < 5


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
    jacobian = graph.gradient(wrt=names).jacobian(wrt=[n for n in names if n in graph.gradient(wrt=names)])
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
    assert first not in again or again[first] == pytest.approx(theirs[0], rel=1e-7, abs=1e-10 * scale)


@pytest.mark.parametrize("seed", range(10))
def test_forward_mode_agrees_with_reverse_mode(seed: int) -> None:
    root, leaves = random_value(seed, 100)
    graph = record(root)
    direction = {leaf.name: 0.5 + k for k, leaf in enumerate(leaves) if leaf.name in graph}
    (found,) = graph.jvp(direction).replay().outputs.values()
    run = graph.replay()
    terms = [run.grad[name] * x for name, x in direction.items()]
    assert found == pytest.approx(sum(terms), rel=1e-9, abs=1e-9 * max(1.0, *map(abs, terms)))


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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TANH.gradient(of="q"), "no node has the id or label 'q'. The inputs are 'a', 'b'; the outputs are 'd'"),
        (lambda: TANH.gradient(wrt=[]), "there is nothing to differentiate with respect to"),
        (lambda: TANH.jvp({"a": "1"}), "the number for 'a' is not a real number but '1'"),
        (lambda: TANH.jvp({}), "there is nothing to differentiate along"),
        (lambda: load(ROOT / "samples/operations.json").gradient(wrt="start"), "'start' is a constant: there is no derivative with respect to it"),
    ],
)  # fmt: skip
def test_refusals(call, message: str) -> None:
    with pytest.raises(ReplayError) as caught:
        call()
    assert str(caught.value) == message
