"""The wiring: order, slices, cones, generations, and names."""

from __future__ import annotations

import random

import pytest
from conftest import ROOT, random_value

import mgraph
from mgraph import Graph, ReplayError, load

TANH = load(ROOT / "samples" / "tanh.json")
XOR = load(ROOT / "samples" / "xor.json")


def shuffled(graph: Graph, seed: int) -> Graph:
    nodes = list(graph.nodes)
    random.Random(seed).shuffle(nodes)
    return Graph({**graph.document, "nodes": nodes})


@pytest.mark.parametrize("seed", range(5))
def test_documents_in_any_order_are_accepted(seed: int) -> None:
    graph = shuffled(XOR, seed)
    assert set(graph.index) == set(XOR.index)
    for node in graph.nodes:
        for operand in node.get("args", ()):
            assert not isinstance(operand, str) or graph.index[operand] < graph.index[node["id"]]
    run, again = graph.replay(), XOR.replay()
    assert dict(run.data) == dict(again.data)


def test_sorting_is_stable() -> None:
    nodes = [{"id": name, "op": "input"} for name in "zyx"] + [{"id": "s", "op": "add", "args": ["late", "z"]}]
    nodes += [{"id": "late", "op": "neg", "args": ["x"]}, {"id": "last", "op": "input"}]
    assert list(Graph({"mgraph": 1, "nodes": nodes}).index) == ["z", "y", "x", "late", "s", "last"]
    assert list(TANH.index) == ["a", "b", "t1", "t2", "c", "d"]


def test_leaves_and_outputs() -> None:
    assert TANH.inputs == ["a", "b"] and TANH.parameters == [] and TANH.outputs == ["d"]
    assert len(XOR.parameters) == 9 and len(XOR.inputs) == 8 and len(XOR.outputs) == 5
    assert len(TANH) == 6 and "c" in TANH and "zz" not in TANH and TANH.op("c") == "add"


@pytest.mark.parametrize(
    ("nodes", "outputs"),
    [
        ([("a", "input"), ("b", "input"), ("s", "neg", "a")], ["s"]),
        ([("a", "input"), ("b", "input")], ["a", "b"]),
        ([("a", "input"), ("s", "neg", "a"), ("t", "exp", "a")], ["s", "t"]),
    ],
)
def test_the_default_outputs_are_the_operations_that_nothing_consumes(nodes, outputs) -> None:
    listed = [{"id": n, "op": op, "data": 1.0} | ({"args": list(args)} if args else {}) for n, op, *args in nodes]
    graph = Graph({"mgraph": 1, "nodes": listed})
    assert graph.outputs == outputs
    assert graph.seeds == dict.fromkeys(outputs, 1.0)


def test_networkx_view_keeps_repetition_and_position() -> None:
    x = mgraph.Value(2.0, name="x")
    graph = mgraph.record(x * x - 3)
    network = graph.to_networkx()
    assert network.number_of_edges("x", "n1") == 2
    assert sorted(data["position"] for *_, data in network.edges(data=True)) == [0, 0, 1]
    assert network.nodes["n2"] == {"op": "sub", "data": 1.0, "literals": {1: 3.0}}
    network.remove_node("x")  # it is a copy
    assert "x" in graph.to_networkx()


def test_ancestors_descendants_and_generations() -> None:
    assert TANH.ancestors("t2") == ["a", "b", "t1"]
    assert TANH.descendants("t2") == ["c", "d"]
    assert TANH.descendants("a", "t2") == ["t1", "t2", "c", "d"]
    assert TANH.generations() == [["a", "b"], ["t1"], ["t2"], ["c"], ["d"]]
    assert TANH.depth == len(TANH.generations()) - 1 == 4
    with pytest.raises(ReplayError, match="no node has the id or label 'q'"):
        TANH.ancestors("q")


def test_slices_compute_the_same_numbers() -> None:
    output = XOR.outputs[2]
    piece = XOR.slice([output])
    assert piece.outputs == [output] and len(piece) < len(XOR)
    assert piece.replay().data[output] == XOR.data[output]
    assert set(piece.index) == {output, *XOR.ancestors(output)}
    assert piece.grad == {}  # those of the whole were seeded from the loss
    assert piece.verify().verdict == "exact"
    assert XOR.slice([XOR.outputs[0]]).grad.items() <= XOR.grad.items()
    with pytest.raises(ReplayError, match="at least one output"):
        XOR.slice([])


def test_names_are_ids_or_unique_labels() -> None:
    assert XOR.resolve("loss") == "loss/loss"
    with pytest.raises(ReplayError) as refused:
        XOR.resolve("x1")
    assert str(refused.value) == (
        "4 nodes are labelled 'x1'; name one by its id: 'row0/x1', 'row1/x1', 'row2/x1', 'row3/x1'"
    )
    with pytest.raises(ReplayError) as refused:
        TANH.resolve("tt1")
    assert str(refused.value) == "no node has the id or label 'tt1'. Did you mean 't1'? The inputs are 'a', 'b'"


def test_a_sorted_document_needs_no_networkx() -> None:
    import subprocess
    import sys

    code = (
        f"import sys, mgraph; g = mgraph.load({str(ROOT / 'samples' / 'xor.json')!r}); g.replay(); g.verify();"
        " print([m for m in ('networkx', 'numpy', 'graphviz') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_long_unsorted_chain_is_sorted_without_recursion() -> None:
    root, _ = random_value(1, 20_000, ops=("add", "mul", "tanh"))
    graph = mgraph.record(root)
    backwards = Graph({**graph.document, "nodes": graph.nodes[::-1]})
    assert dict(backwards.replay().data) == dict(graph.replay().data)
