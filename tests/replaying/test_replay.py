"""Replay: the same bits as the eager values, overrides, seeds, what-ifs, and gradients against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from conftest import EACH_SAMPLE, ROOT, random_value, torch_function

import mgraph
from mgraph import Graph, ReplayError, Value, load
from mgraph.checking.audit import ulps

TANH = load(ROOT / "samples" / "tanh.json")


def test_the_texts_numbers() -> None:
    run = TANH.replay()
    assert run.data["c"] == 1.5651709999999999
    assert run.data["d"] == 0.9162542319535778
    assert dict(run.grad) == {
        "a": 0.27441769195044236,
        "b": 0.24073332145898163,
        "t1": 0.16047818242715928,
        "t2": 0.16047818242715928,
        "c": 0.16047818242715928,
        "d": 1.0,
    }
    assert run.outputs == {"d": 0.9162542319535778}


@pytest.mark.parametrize("path", EACH_SAMPLE, ids=lambda p: p.name)
def test_samples_replay_to_what_they_record(path) -> None:
    graph = load(path)
    run = graph.replay()
    assert dict(run.data) == graph.data
    assert dict(run.grad) == graph.grad
    assert graph.with_run(run).document == graph.document


@pytest.mark.parametrize("seed", range(40))
def test_replay_is_the_eager_pass_bit_for_bit(seed: int) -> None:
    root, _ = random_value(seed, 200 if seed else 5000)
    root.backward()
    graph = mgraph.loads(mgraph.record(root).to_bytes())
    run = graph.replay()
    assert all(ulps(run.data[name], x) == 0 for name, x in graph.data.items())
    assert all(ulps(run.grad[name], g) == 0 for name, g in graph.grad.items())
    assert set(run.grad) == set(graph.grad)


@pytest.mark.parametrize("seed", range(12))
def test_gradients_of_random_graphs_agree_with_pytorch(seed: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra mgraph-replay[torch])")
    root, _ = random_value(seed, 400 if seed else 4000)
    graph = mgraph.record(root)
    run = graph.replay()
    tensors = {}
    for node in graph.nodes:
        if "args" not in node:
            leaf = torch.tensor(float(node["data"]), dtype=torch.float64)
            tensors[node["id"]] = leaf.requires_grad_(node["op"] == "input")
        else:
            args = [tensors[a] if isinstance(a, str) else torch.tensor(a, dtype=torch.float64) for a in node["args"]]
            tensors[node["id"]] = torch_function(torch, node["op"])(*args)
    tensors[graph.outputs[0]].backward()
    assert run.data[graph.outputs[0]] == pytest.approx(tensors[graph.outputs[0]].item(), rel=1e-9, abs=1e-9)
    for name in graph.inputs:
        theirs = tensors[name].grad
        assert run.grad[name] == pytest.approx(theirs.item() if theirs is not None else 0.0, rel=1e-6, abs=1e-8)


def test_overrides_by_id_and_by_label() -> None:
    before = TANH.to_bytes()
    run = TANH.replay({"a": 0.7})
    assert run.data["c"] == 0.7 * 0.71 + 0.71 + 0.7
    assert run.overrides == {"a": 0.7}
    assert TANH.to_bytes() == before
    x = Value(1.0, name="x")
    with mgraph.scope("s"):
        y = Value(2.0, name="y")
    assert mgraph.record(x * y).replay({"y": np.float32(0.5)}).outputs == {"n2": 0.5}


def test_an_overridden_operation_acts_as_a_leaf() -> None:
    run = TANH.replay({"t2": 2.0})
    assert run.data["c"] == 2.0 + 0.5001
    assert run.grad["t1"] == run.grad["b"] == 0.0
    assert run.grad["t2"] == run.grad["a"] == run.grad["c"] != 0.0
    kept = TANH.with_run(run)
    assert kept.op("t2") == "input" and kept.data["t2"] == 2.0
    assert kept.verify().verdict == "exact"


def test_outputs_and_seeds() -> None:
    run = TANH.replay(outputs=["t2"])
    assert list(run.data) == ["a", "b", "t1", "t2"] and run.outputs == {"t2": 1.0650709999999999}
    assert run.grad["a"] == 0.71 and run.grad["b"] == 1.5001
    seeded = TANH.replay(seeds={"d": 2.0, "t1": 1.0})
    assert seeded.grad["d"] == 2.0 and seeded.grad["t1"] == 1.0 + 2 * 0.16047818242715928
    assert TANH.with_run(seeded).seeds == {"d": 2.0, "t1": 1.0}
    assert TANH.with_run(seeded).verify().verdict == "exact"
    assert not TANH.replay(backward=False).grad and len(TANH.replay(backward=False).data) == 6
    assert "grad" not in TANH.with_run(TANH.replay(backward=False)).nodes[0]


def test_slices_keep_the_documents_seeds() -> None:
    nodes = [
        {"id": "x", "op": "input", "data": 1.0},
        {"id": "y", "op": "mul", "args": ["x", 2]},
        {"id": "z", "op": "mul", "args": ["y", 3]},
    ]
    graph = Graph({"mgraph": 1, "nodes": nodes, "outputs": ["z"], "seeds": {"z": 1, "y": 1}})
    assert graph.replay().grad["x"] == graph.replay(outputs=["z"]).grad["x"] == 8.0
    assert graph.replay(outputs="y").grad["x"] == 2.0  # one name will do
    assert graph.with_run(graph.replay(backward=False)).seeds == {"z": 1.0, "y": 1.0}


def test_columns_are_mappings() -> None:
    graph = mgraph.record(mgraph.constant(2.0, "k") * Value(3.0, name="x"))
    run = graph.replay()
    assert list(run.grad) == ["x", "n2"] and len(run.data) == 3 and "k" not in run.grad
    with pytest.raises(KeyError):
        run.grad["k"]
    assert repr(run.data) == "{'k': 2.0, 'x': 3.0, 'n2': 6.0}"


RECIPE = Graph(
    {
        "mgraph": 1,
        "nodes": [
            {"id": "x", "op": "input", "label": "ecks"},
            {"id": "y", "op": "input"},
            {"id": "k", "op": "constant", "data": 2.0},
            {"id": "p", "op": "pow", "args": ["x", "k"]},
            {"id": "q", "op": "log", "args": ["y"]},
        ],
    }
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "2 inputs have no recorded number and must be given one: 'x', 'y'"),
        ({"inputs": {"x": 1}}, "an input has no recorded number and must be given one: 'y'"),
        ({"inputs": {"z": 1}}, "no node has the id or label 'z'. The inputs are 'x', 'y'; the outputs are 'p', 'q'"),
        ({"inputs": {"k": 1}}, "'k' is a constant, which cannot be set; an input or a parameter can"),
        ({"inputs": {"x": 1, "ecks": 2}}, "'x' is given two numbers, once as 'ecks'"),
        ({"inputs": {"x": "1"}}, "the number for 'x' is not a real number but '1'"),
        ({"inputs": {"x": True}}, "the number for 'x' is not a real number but True"),
        ({"inputs": {"x": 10**400}}, "the number for 'x' is past binary64"),
        ({"inputs": {1: 2.0}}, "a node is named by its id or label, which is text, not by 1"),
        (
            {"inputs": {"x": 1, "y": 1}, "seeds": {"x": 1.0, "ecks": 2.0}},
            "'x' is given two numbers, once as 'ecks'",
        ),
        ({"outputs": ["r"]}, "no node has the id or label 'r'. The inputs are 'x', 'y'; the outputs are 'p', 'q'"),
        ({"outputs": [["p"]]}, "a node is named by its id or label, which is text, not by ['p']"),
        (
            {"inputs": {"x": 1, "y": 1}, "seeds": {"k": 1.0}},
            "'k' is a constant, which gets no gradient, so it cannot be a seed",
        ),
    ],
)
def test_calls_that_do_not_fit(arguments, message: str) -> None:
    with pytest.raises(ReplayError) as refused:
        RECIPE.replay(**arguments)
    assert str(refused.value) == message


def test_a_recipe_needs_only_what_its_outputs_need() -> None:
    run = RECIPE.replay({"x": 3.0}, outputs=["p"])
    assert run.outputs == {"p": 9.0} and run.grad["x"] == 6.0 and "k" not in run.grad
    assert RECIPE.data == {"k": 2.0}  # nothing was written on it


def test_ieee_numbers_flow_and_the_first_is_named() -> None:
    run = RECIPE.replay({"x": 1e200, "y": -1.0})
    assert run.data["p"] == math.inf and math.isnan(run.data["q"])
    first = run.first_nonfinite()
    assert first is not None
    assert (first.node, first.data, first.operands) == ("p", math.inf, [("x", 1e200), ("k", 2.0)])
    assert RECIPE.replay({"x": 1.0, "y": 1.0}).first_nonfinite() is None
    behind = mgraph.record(Value(-1.0, name="x").minimum(mgraph.constant(math.inf, "k")).log()).replay()
    assert behind.first_nonfinite().node == "n3"  # and not the constant that is meant to be infinite
    leaf = RECIPE.replay({"x": math.nan, "y": 1.0}).first_nonfinite()
    assert leaf is not None and (leaf.node, leaf.operands) == ("x", [])


def test_a_branch_not_taken_contributes_nothing() -> None:
    x = Value(0.0, name="x")
    graph = mgraph.record(x.log().relu() + x.sqrt().maximum(1.0) + 2 * x)
    assert graph.replay().grad["x"] == 2.0
    assert graph.replay({"x": 4.0}).grad["x"] == 2.25 + 0.25


def test_a_run_of_another_graph_is_refused() -> None:
    with pytest.raises(ReplayError, match="this run is of another graph"):
        TANH.with_run(RECIPE.replay({"x": 1.0, "y": 1.0}))
    x = Value(1.0, name="x")
    with pytest.raises(ReplayError, match="this run is of another graph"):
        mgraph.record(x * 2).with_run(mgraph.record(x + 5).replay())
    kept = TANH.with_run(TANH.replay(outputs=["t1"]))
    assert list(kept.index) == ["a", "b", "t1"] and kept.verify().verdict == "exact"


@pytest.mark.slow
def test_a_chain_of_a_hundred_thousand_replays() -> None:
    nodes = [{"id": "n0", "op": "input", "data": 1.0}]
    nodes += [{"id": f"n{k}", "op": "mul", "args": [f"n{k - 1}", 1.0]} for k in range(1, 100_000)]
    assert Graph({"mgraph": 1, "nodes": nodes}).replay().grad["n0"] == 1.0
