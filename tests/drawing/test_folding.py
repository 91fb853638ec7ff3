"""What is drawn as one box: scopes to a depth, as many as fit, or bands of depth; and what such a box says."""

from __future__ import annotations

import graphlib

import pytest
from conftest import ROOT, random_document

import mgraph
from mgraph import Graph, Value, load, scope
from mgraph.drawing.boxes import Box, boxes
from mgraph.drawing.folding import EDGES, FIT, folds
from mgraph.drawing.labels import natural

XOR = load(ROOT / "samples" / "xor.json")


def folded(graph: Graph, collapse: int | str) -> dict[str, Box]:
    """The boxes by title; a title that occurs twice is told apart by its frame."""
    wiring = graph._wiring
    drawn = boxes(wiring, graph.data, graph.grad, folds(wiring, collapse))
    return {f"{box.frame}:{box.title}" if box.frame else box.title: box for box in drawn}


def summed(names: list[str]) -> Graph:
    """In each of the scopes, x + 1; and their sum."""
    parts = []
    for name in names:
        with scope(name):
            parts.append(Value(1.0, name="x") + 1)
    return mgraph.record(sum(parts[1:], parts[0]))


def test_what_a_collapsed_scope_says() -> None:
    found = folded(XOR, 2)
    assert found["mlp:layer0"].facts == ["2 neurons · 8 → 8 · tanh", "46 nodes · 6 parameters"]
    assert found["mlp:layer1"].facts == ["1 neuron · 8 → 4 · tanh", "23 nodes · 3 parameters"]
    assert found["row0 (1 of 2)"].facts == ["2 inputs"]
    assert found["row0 (2 of 2)"].facts == ["1 → 1", "2 nodes"]
    loss = found["loss"]
    assert loss.is_output and (loss.data, loss.grad) == (XOR.data["loss/loss"], 1.0)
    assert found["row0 (2 of 2)"].carried == {found["mlp:layer1"].name: [XOR.data["mlp/layer1/neuron0/y0"]]}
    assert loss.carried == {}  # the values that come from scopes with one output stand in those


def test_a_collapsed_picture_never_depends_on_itself() -> None:
    for seed in range(60):
        document = random_document(seed)
        for k, node in enumerate(document["nodes"]):
            node["scope"] = f"s{k % 3}/t{k % 5}"
        for level in (1, 2):
            drawn = folded(Graph(document), level).values()
            sources = {box.name: [a for a in box.operands if isinstance(a, str)] for box in drawn}
            assert len(list(graphlib.TopologicalSorter(sources).static_order())) == len(sources)


def test_as_many_scopes_open_as_fit_and_those_alike_together() -> None:
    moons = load(ROOT / "samples" / "moons.json.gz")
    found = folded(moons, "fit")
    neurons = [f"mlp/layer{layer}:neuron{k}" for layer, n in enumerate((16, 16, 1)) for k in range(n)]
    assert set(found) == {"points", "loss", *neurons}
    assert found["points"].facts == ["100 scopes", "200 inputs"]
    assert sum(len(box.operands) for box in found.values()) <= EDGES
    assert len(folded(XOR, "fit")) == len(XOR)  # 90 boxes fit


def test_many_scopes_that_differ_in_a_number_are_one_box() -> None:
    found = folded(summed([f"row{k}" for k in range(1000)]), "fit")
    assert found["row0 … row999"].facts == ["1,000 rows", "2,000 nodes · 1,000 inputs"]
    assert len(found) <= FIT


@pytest.mark.parametrize("operations", [151, 1_000, 20_000])
def test_a_graph_without_scopes_is_summarised_by_depth(operations: int) -> None:
    x = y = Value(0.5, name="x")
    for _ in range(operations):
        y = y.sin()
    found = folded(mgraph.record(y), "fit")
    counts = [box.facts[-1] for name, box in found.items() if name.startswith("depth ")]
    assert sum(int(count.split()[0].replace(",", "")) for count in counts) == operations
    assert 2 <= len(counts) <= 6 and len(found) == len(counts) + 1 and x.name in found


def test_scopes_of_all_sorts_are_summarised_by_depth_too() -> None:
    words = [f"{a}{b}" for a in "abcdefghijklm" for b in "abcdefghijklm"]
    found = folded(summed(words), "fit")
    assert len(found) <= FIT and "inputs" in found


def test_names_are_sorted_as_people_count() -> None:
    names = ["neuron10", "neuron2", "b", "neuron1", "neuron²", "neuron" + "9" * 5000]
    assert sorted(names, key=natural)[:4] == ["b", "neuron1", "neuron2", "neuron10"]
