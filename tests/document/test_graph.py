"""The wiring: order, slices, cones, generations, and names."""

from __future__ import annotations

import copy
import json
import pickle
import random
from itertools import pairwise

import pytest
from conftest import ROOT, random_document, random_value, work

import mgraph
from mgraph import Graph, ReplayError, load
from mgraph.cli import reports
from mgraph.errors import CycleError
from mgraph.replaying.plan import compile_plan

TANH = load(ROOT / "samples" / "tanh.json")
XOR = load(ROOT / "samples" / "xor.json")


def shuffled(graph: Graph, seed: int) -> Graph:
    nodes = list(graph.nodes)
    random.Random(seed).shuffle(nodes)
    return Graph({**graph.document, "nodes": nodes})


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda kept: pickle.loads(pickle.dumps(kept))])
def test_a_graph_and_a_run_are_copied_whatever_was_done_with_them(again) -> None:
    graph = load(ROOT / "samples" / "tanh.json")
    graph.replay(engine="compiled")
    run, made, ran = graph.replay({"a": 0.25}), again(graph), again(graph.replay({"a": 0.25}))
    assert made.document == graph.document
    for each in (made.replay({"a": 0.25}), ran):
        assert (each.data, each.grad, each.overrides, each.seeds) == (run.data, run.grad, run.overrides, run.seeds)
    assert made.with_run(ran).digest == graph.with_run(run).digest


def test_a_cycle_error_reaches_another_process() -> None:
    nodes = [{"id": "p", "op": "neg", "args": ["q"]}, {"id": "q", "op": "neg", "args": ["p"]}]
    with pytest.raises(CycleError) as caught:
        Graph({"mgraph": 1, "nodes": nodes})
    caught.value.file = "loop.json"
    sent = pickle.loads(pickle.dumps(caught.value))
    assert (str(sent), sent.cycle, sent.path) == (str(caught.value), ["p", "q", "p"], "$.nodes")


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


def test_networkx_agrees_on_cones_and_generations() -> None:
    import networkx

    for seed in range(30):
        graph = Graph(random_document(seed))
        network, place = graph.to_networkx(), graph.index.__getitem__
        for name in graph.index:
            assert graph.ancestors(name) == sorted(networkx.ancestors(network, name), key=place)
            assert graph.descendants(name) == sorted(networkx.descendants(network, name), key=place)
        some = random.Random(seed).sample(list(graph.index), 3)
        for ours, theirs in ((graph.ancestors, networkx.ancestors), (graph.descendants, networkx.descendants)):
            assert ours(*some) == sorted(set().union(*(theirs(network, name) for name in some)), key=place)
        assert graph.ancestors() == graph.descendants() == []
        assert graph.generations() == [sorted(ids, key=place) for ids in networkx.topological_generations(network)]


def beside_a_cycle(size: int) -> dict:
    """Many inputs and a chain of sums over them; and apart from all that, two nodes that depend on each other."""
    nodes = [{"id": f"x{k}", "op": "input"} for k in range(size)]
    nodes += [{"id": f"s{k}", "op": "add", "args": [f"s{k - 1}" if k else "x0", f"x{k}"]} for k in range(size)]
    nodes += [{"id": "p", "op": "neg", "args": ["q"]}, {"id": "q", "op": "neg", "args": ["p"]}]
    return {"mgraph": 1, "nodes": nodes}


def refused(document: dict) -> CycleError:
    with pytest.raises(CycleError) as cyclic:
        Graph(document)
    return cyclic.value


def test_a_cycle_is_found_in_linear_time() -> None:
    assert refused(beside_a_cycle(9)).cycle == ["p", "q", "p"]
    small, large = (work(lambda size=size: refused(beside_a_cycle(size))) for size in (200, 400))
    assert large < 2.5 * small


def test_the_cycle_named_is_one() -> None:
    """Whatever else hangs on it, above, below or beside, and of however many."""
    for seed in range(40):
        rng = random.Random(seed)
        names = [f"n{k}" for k in range(12)]
        nodes = [{"id": name, "op": "add", "args": rng.choices(names, k=2)} for name in names]
        operands = {node["id"]: node["args"] for node in nodes}
        cycle = refused({"mgraph": 1, "nodes": nodes}).cycle
        assert cycle[0] == cycle[-1] == min(cycle, key=names.index) and len(set(cycle)) == len(cycle) - 1
        assert all(operand in operands[consumer] for operand, consumer in pairwise(cycle))


def test_the_work_of_a_slice_and_of_columns_is_linear() -> None:
    graphs = [mgraph.record(random_value(1, size)[0]) for size in (200, 400, 800)]
    for call in (
        lambda graph: graph.slice(graph.outputs),
        lambda graph: graph.ancestors(*graph.outputs),
        lambda graph: graph.descendants(*graph.inputs),
        lambda graph: [graph.data[name] for name in graph.index],
        lambda graph: [graph.nodes[k] for k in range(len(graph))],
        lambda graph: [len(graph.data) for name in graph.index],
        lambda graph: [graph.seeds for name in graph.index],
        lambda graph: [graph.inputs + graph.parameters + graph.outputs for name in graph.index],
    ):
        few, some, many = (work(lambda graph=graph, call=call: call(graph)) for graph in graphs)
        assert many - some < 2.5 * (some - few), call


def test_parameters_are_told_in_linear_time() -> None:
    graphs = [mgraph.record(*map(mgraph.parameter, range(count))) for count in (200, 400, 800)]
    few, some, many = (work(lambda graph=graph: reports.parameters(graph)) for graph in graphs)
    assert many - some < 2.5 * (some - few)


def test_nothing_that_a_graph_hands_out_leads_inside() -> None:
    source = {**TANH.document, "meta": {"list": [1], "description": "x"}, "title": "t", "tolerance": {"ulps": 1}}
    graph = Graph(source)
    text, digests, numbers = graph.to_bytes(), graph.digests, dict(graph.replay().data)
    run = graph.replay()
    assert graph.document == source == json.loads(json.dumps(graph.document))
    documents = [source, graph.document, graph.draw().document, graph.draw(run).document]
    documents += [next(v for k, v in shown._repr_mimebundle_().items() if "mgraph" in k) for shown in (graph, run)]
    for document in documents:
        for node in document["nodes"]:
            node["data"] = 7.0
            node.get("args", []).append("nowhere")
        document["meta"]["list"].append(2)
        document["seeds"].clear()
        document["outputs"].clear()
        document["tolerance"]["ulps"] = 9
        document["nodes"].clear()
        document.clear()
    for node in [graph.nodes[0], *graph.nodes, *graph.nodes[1:3]]:
        node["data"] = 7.0
        node.get("args", []).append("nowhere")
    graph.meta["list"].append(2)
    for names in (graph.inputs, graph.parameters, graph.constants, graph.outputs, graph.generations()):
        names.clear()
    for mapping in (graph.data, graph.grad, graph.seeds, graph.index, run.data, run.grad):
        with pytest.raises(TypeError, match="does not support item assignment"):
            mapping[next(iter(mapping))] = 7.0
    for name in ("document", "nodes", "meta", "title", "digest", "data", "outputs"):
        with pytest.raises(AttributeError):
            setattr(graph, name, None)
    graph.to_networkx().clear()
    assert (graph.to_bytes(), graph.digests, dict(graph.replay().data)) == (text, digests, numbers)
    assert Graph(graph.document).digests == digests == graph.with_run(run).digests


def test_a_graph_with_other_meta() -> None:
    first = TANH.with_meta(title="T", description="D", tags=("a", "b"), none=None, own={"deep": [1, None]})
    assert (first.title, first.description, first.tags) == ("T", "D", ("a", "b"))
    assert first.meta == {"description": "D", "tags": ["a", "b"], "own": {"deep": [1, None]}}
    second = first.with_meta(title=None, tags=None, own=None)
    assert (second.title, second.meta, second.tags) == (None, {"description": "D"}, ())
    assert (TANH.title, TANH.meta) == ("Two inputs through tanh", {})
    assert first.digests["recipe"] == TANH.digests["recipe"]
    assert TANH.with_meta(description=None).to_bytes() == TANH.with_meta().to_bytes() == TANH.to_bytes()
    kept = Graph({**TANH.document, "meta": {"null": None, "title": "its own"}}).with_meta(title="T", more=1)
    assert kept.meta == {"null": None, "title": "its own", "more": 1}
    held = [1]
    with_list = TANH.with_meta(held=held)
    held.append(2)
    assert with_list.meta == {"held": [1]}
    for entries, message in (
        ({"title": 1}, "$.title: expected text, got 1"),
        ({"description": ["x"]}, "$.meta.description: expected text, got a list"),
        ({"tags": "x"}, "$.meta.tags: tags are a list of texts, none of them empty"),
        ({"tags": ["x", 1]}, "$.meta.tags: tags are a list of texts, none of them empty"),
        ({"own": {"x y": [{1: 2}]}}, "$.meta.own['x y'][0]: a key is text, not 1"),
        ({"own": 2**53}, "$.meta.own: an integer past 2**53 - 1 is not exact in JSON; write it as a string"),
    ):
        with pytest.raises(mgraph.DocumentError) as refused:
            TANH.with_meta(**entries)
        assert str(refused.value) == message
    odd = Graph({**TANH.document, "meta": {"description": 3, "tags": ["x", 1]}})
    assert (odd.description, odd.tags) == (None, ())


def test_a_part_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    monkeypatch.setattr(
        mgraph.graph, "compile_plan", lambda wiring: compiled.append(len(wiring)) or compile_plan(wiring)
    )
    graph, some = load(ROOT / "samples" / "xor.json"), XOR.outputs[1:3]
    first = graph.replay(outputs=some)
    assert dict(graph.replay(outputs=iter(some)).data) == dict(first.data)
    assert compiled == [len(first.data)] != [len(graph)]
    needed = [name for name in graph.inputs if name in first.data]
    assert needed != graph.inputs
    given = dict.fromkeys(graph.inputs, 0.5)
    assert graph.replay(given, outputs=some).overrides == dict.fromkeys(needed, 0.5)
    assert set(graph.replay(outputs=some[0]).outputs) == {some[0]}
    assert len(compiled) == 2


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
    assert (
        str(refused.value)
        == "no node has the id or label 'tt1'. Did you mean 't1'? The inputs are 'a', 'b'; the outputs are 'd'"
    )


def test_a_sorted_document_needs_no_networkx() -> None:
    import subprocess
    import sys

    code = (
        f"import sys, mgraph; g = mgraph.load({str(ROOT / 'samples' / 'xor.json')!r}); g.replay(); g.verify();"
        " g.replay(outputs=g.outputs[:1]); g.slice(g.outputs); g.ancestors('loss'); g.generations();"
        " print([m for m in ('networkx', 'numpy', 'graphviz') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_a_long_unsorted_chain_is_sorted_without_recursion() -> None:
    root, _ = random_value(1, 20_000, ops=("add", "mul", "tanh"))
    graph = mgraph.record(root)
    backwards = Graph({**graph.document, "nodes": graph.nodes[::-1]})
    assert dict(backwards.replay().data) == dict(graph.replay().data)
