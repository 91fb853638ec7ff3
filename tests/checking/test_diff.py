"""Diff: what is the same computation, what was changed, what moved because of it."""

from __future__ import annotations

import copy
import json
import random
from math import inf

import pytest
from conftest import ROOT, SMALL, random_document, random_value

from mgraph import Graph, Value, load, record
from mgraph.arithmetic.ops import LEAVES, OPS
from mgraph.checking.diff import Cause, Diff, union
from mgraph.cli.diff_report import as_json
from mgraph.cli.terminal import painted
from mgraph.document.canonical_order import numbering
from mgraph.showing import differences
from mgraph.showing.as_text import lines

TANH = load(ROOT / "samples" / "tanh.json")
SEEDS = range(25)


def text(found: Diff) -> str:
    shown = [painted(line, coloured=False) for line in lines(differences.diff(found))]
    assert max(map(len, shown)) <= 80
    return "\n".join(shown)


def diff(one: Graph, other: Graph) -> Diff:
    return one.diff(other)


def structure(graph: Graph) -> str:
    return graph.digests["structure"]


def recipe(graph: Graph) -> str:
    return graph.digests["recipe"]


def graph(nodes: list[tuple], **more) -> Graph:
    """A graph from (id, op, args or data) tuples."""
    kept = [
        {"id": i, "op": op, **({"data" if op in LEAVES else "args": x} if x is not None else {})} for i, op, x in nodes
    ]
    return Graph({"mgraph": 1, "nodes": kept, **more})


def altered(original: Graph, name: str, recompute: bool = True, **changes) -> Graph:
    document = copy.deepcopy(original.document)
    document["nodes"][original.index[name]].update(changes)
    new = Graph(document)
    return new.with_run(new.replay()) if recompute else new


def disguised(original: Graph, seed: int) -> Graph:
    """All ids exchanged and the nodes listed in any order."""
    rng = random.Random(seed)
    ids = [node["id"] for node in original.nodes]
    new = dict(zip(ids, rng.sample(ids, len(ids)) if seed % 2 else [f"v{k}" for k in range(len(ids))], strict=True))
    document = copy.deepcopy(original.document)
    for node in document["nodes"]:
        node["id"] = new[node["id"]]
        if "args" in node:
            node["args"] = [new[x] if isinstance(x, str) else x for x in node["args"]]
    document["outputs"] = [new[name] for name in original.outputs]
    if "seeds" in document:
        document["seeds"] = {new[name]: seed for name, seed in document["seeds"].items()}
    rng.shuffle(document["nodes"])
    return Graph(document)


def recorded(seed: int) -> Graph:
    """A random graph with all its numbers."""
    if seed % 2:
        root, _ = random_value(seed, 60)
        root.backward()
        return record(root)
    plain = Graph(random_document(seed))
    return plain.with_run(plain.replay())


# The digests -----------------------------------------------------------------------------------------------

LEAF = [("x", "input", 1.0), ("y", "input", 1.0)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([*LEAF, ("z", "mul", ["x", "x"])], [*LEAF, ("z", "mul", ["x", "y"])]),
        ([*LEAF, ("z", "sub", ["x", "y"])], [*LEAF, ("z", "add", ["x", "y"])]),
        ([*LEAF, ("z", "add", ["x", 0.0])], [*LEAF, ("z", "add", ["x", -0.0])]),
        ([*LEAF, ("z", "add", ["x", 2.0])], [*LEAF, ("z", "add", [2.0, "x"])]),
        ([("x", "input", 1.0), ("z", "neg", ["x"])], [("x", "parameter", 1.0), ("z", "neg", ["x"])]),
        ([("x", "input", 1.0), ("z", "neg", ["x"])], [("x", "constant", 1.0), ("z", "neg", ["x"])]),
        (
            [("x", "input", 1.0), ("p", "tanh", ["x"]), ("z", "mul", ["p", "p"])],
            [("x", "input", 1.0), ("p", "tanh", ["x"]), ("q", "tanh", ["x"]), ("z", "mul", ["p", "q"])],
        ),
    ],
)
def test_structures_that_differ(one, other) -> None:
    assert structure(graph(one, outputs=["z"])) != structure(graph(other, outputs=["z"]))


def test_outputs_in_order_are_structure() -> None:
    nodes = [("x", "input", 1.0), ("p", "tanh", ["x"]), ("q", "exp", ["x"])]
    orders = [["p", "q"], ["q", "p"], ["p"], ["q"], ["x"]]
    assert len({structure(graph(nodes, outputs=order)) for order in orders}) == len(orders)
    assert structure(graph(nodes)) == structure(graph(nodes, outputs=["p", "q"]))


def test_what_is_a_recipe() -> None:
    def of(x, **more) -> Graph:
        return graph([("x", "input", x), ("k", "constant", 2.0), ("y", "mul", ["x", "k"])], **more)

    numbers = [1.0, 2.0, 0.0, -0.0, "NaN", "Infinity", None]
    assert len({recipe(of(x)) for x in numbers}) == len(numbers)
    assert len({structure(of(x)) for x in numbers}) == 1
    assert recipe(of(1.0, seeds={"y": 1.0})) == recipe(of(1.0)) != recipe(of(1.0, seeds={"y": 2.0}))
    assert recipe(of(1.0, seeds={"x": 1.0})) != recipe(of(1.0))
    assert recipe(of(1.0, title="another", tolerance={"ulps": 1})) == recipe(of(1.0))
    assert recipe(of(1.0).with_leaves({})) == recipe(of(1.0))


def test_roots_that_no_output_needs_are_told_apart_by_what_they_share() -> None:
    def of(pairs: list[str]) -> Graph:
        leaves = [(name, "input", 1.0) for name in "abcdx"]
        return graph([*leaves, ("y", "tanh", ["x"]), *((p, "add", list(p)) for p in pairs)], outputs=["y"])

    path, shuffled, star = of(["ab", "ac", "db"]), of(["db", "ab", "ac"]), of(["ab", "ac", "ad"])
    assert structure(path) == structure(shuffled) != structure(star)
    assert diff(path, shuffled).same


@pytest.mark.parametrize("seed", SEEDS)
def test_names_and_order_do_not_count(seed: int) -> None:
    one = recorded(seed)
    other = disguised(one, seed)
    assert structure(one) == structure(other) and recipe(one) == recipe(other)
    assert sorted(numbering(one._wiring)) == list(range(len(one)))
    found = diff(one, other)
    assert found.same and text(found).startswith("same\nnotes    ")
    assert len(found.matches) == len(one)


# Causes ----------------------------------------------------------------------------------------------------


def consequences(found: Diff, new: Graph, name: str) -> None:
    """That data moved nowhere but downstream of the node."""
    assert not found.unexplained
    assert {m.node for m in found.moved if m.field == "data"} <= {name, *new.descendants(name)}


@pytest.mark.parametrize("seed", SEEDS)
def test_another_number_on_a_leaf_is_the_cause(seed: int) -> None:
    one = recorded(seed)
    name = random.Random(seed).choice([n for n in one.inputs if one.descendants(n)])
    new = altered(one, name, data=0.12345)
    found = diff(one, new)
    assert found.causes == [Cause("value", name, one.data[name], 0.12345)]
    consequences(found, new, name)
    wanted = {(n, "data", one.data[n], new.data[n]) for n in one.data if one.op(n) not in LEAVES}
    wanted |= {(n, "grad", one.grad[n], new.grad[n]) for n in one.grad}
    assert {(m.node, m.field, m.before.hex(), m.after.hex()) for m in found.moved} == {
        (n, what, x.hex(), y.hex()) for n, what, x, y in wanted if x.hex() != y.hex()
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_another_op_is_the_cause(seed: int) -> None:
    one, rng = recorded(seed), random.Random(seed)
    node = rng.choice([n for n in one.nodes if n["op"] in OPS])
    same = [op for op in OPS if OPS[op].arity == len(node["args"]) and op != node["op"]]
    new = altered(one, node["id"], op=rng.choice(same))
    found = diff(one, new)
    assert found.causes == [Cause("op", node["id"], node["op"], new.op(node["id"]))]
    consequences(found, new, node["id"])


@pytest.mark.parametrize("seed", SEEDS)
def test_another_operand_is_the_cause(seed: int) -> None:
    one, rng = recorded(seed), random.Random(seed)
    node = rng.choice([n for n in one.nodes if n["op"] in OPS and one.index[n["id"]] > 8])
    at = rng.randrange(len(node["args"]))
    for operand in (0.777, rng.choice([n for n in one.inputs if n not in node["args"]])):
        args = [*node["args"]]
        args[at] = operand
        # The default outputs would grow by what nothing needs any more.
        new = altered(Graph({**one.document, "outputs": one.outputs}), node["id"], args=args)
        found = diff(one, new)
        assert found.causes == [Cause("operand", node["id"], node["args"][at], operand, at)]
        consequences(found, new, node["id"])


def chain(*ops: str) -> Graph:
    value = Value(0.5, name="x")
    for op in ops:
        value = getattr(value, op)()
    value.backward()
    return record(value)


def test_one_node_more_in_an_unnamed_chain() -> None:
    ops = [random.Random(3).choice(["sin", "cos", "tanh", "exp", "sigmoid"]) for _ in range(300)]
    found = diff(chain(*ops), chain(*ops[:150], "relu", *ops[150:]))
    assert found.causes == [
        Cause("added", "n151", None, "relu(n150)"),
        Cause("operand", "n152", "n150", "n151", 0),
    ]
    found = diff(chain(*ops[:150], "relu", *ops[150:]), chain(*ops))
    assert found.causes == [
        Cause("operand", "n151", "n151", "n150", 0),
        Cause("removed", "n151", "relu(n150)", None),
    ]


@pytest.mark.slow
def test_a_deep_chain() -> None:
    def deep(n: int, odd: int) -> Graph:
        nodes = [{"id": "n0", "op": "input"}]
        nodes += [{"id": f"n{k}", "op": "exp" if k == odd else "tanh", "args": [f"n{k - 1}"]} for k in range(1, n)]
        return Graph({"mgraph": 1, "nodes": nodes})

    n = 200_000
    found = diff(deep(n, 1000), deep(n, n // 2))
    assert found.causes == [Cause("op", "n1000", "exp", "tanh"), Cause("op", f"n{n // 2}", "tanh", "exp")]


def test_operands_that_changed_places_go_by_their_names() -> None:
    one = graph([("a", "input", 1.0), ("b", "input", 2.0), ("y", "sub", ["a", "b"])])
    new = graph([("a", "input", 1.0), ("b", "input", 2.0), ("y", "sub", ["b", "a"])])
    assert structure(one) == structure(new)
    assert diff(one, new).causes == [Cause("operand", "y", "a", "b", 0), Cause("operand", "y", "b", "a", 1)]


def test_a_labelled_leaf_is_found_by_its_label() -> None:
    def of(name: str, op: str) -> Graph:
        nodes = graph([(name, "input", 1.0), ("q", "input", 1.0), ("y", op, [name, "q"]), ("z", "exp", ["y"])]).document
        nodes["nodes"][0]["label"] = "weight"
        return Graph(nodes)

    found = diff(of("p", "add"), of("r", "mul"))
    assert found.causes == [Cause("op", "y", "add", "mul")] and found.renamed == [("p", "r")]


def test_an_output_keeps_its_name() -> None:
    one = graph([("x", "input", 1.0), ("y", "tanh", ["x"])])
    new = graph([("x", "input", 1.0), ("n1", "tanh", ["x"]), ("y", "tanh", ["n1"])])
    assert diff(one, new).causes == [Cause("added", "n1", None, "tanh(x)"), Cause("operand", "y", "x", "n1", 0)]


def test_what_no_output_needs_is_found_by_its_operands() -> None:
    one = graph([("x", "input", 0.5), ("n1", "sin", ["x"]), ("n2", "exp", ["n1"]), ("y", "cos", ["x"])], outputs=["y"])
    new = graph([("x", "input", 0.5), ("n2", "tanh", ["x"]), ("n3", "exp", ["n2"]), ("y", "cos", ["x"])], outputs=["y"])
    assert diff(one, new).causes == [Cause("op", "n2", "sin", "tanh")]


def test_two_unrelated_graphs() -> None:
    for seed in range(10):
        one, other = recorded(2 * seed), recorded(2 * seed + 1)
        found = diff(one, other)
        assert not found.same and text(found).startswith("different: ")
        json.dumps(as_json(found))
        whole, changes = union(one._wiring, other._wiring, found)
        assert set(changes) <= set(whole.index)
        assert {name for name, change in changes.items() if change.what} >= {
            cause.node for cause in found.causes if cause.node is not None and cause.kind not in ("removed", "seed")
        }
        removed = sum(cause.kind == "removed" for cause in found.causes)
        assert len(whole) == len(other) + removed and len(one) == len(found.matches) + removed


# Consequences ----------------------------------------------------------------------------------------------


def test_an_altered_record_is_unexplained() -> None:
    found = diff(TANH, altered(TANH, "t2", recompute=False, data=1.5, grad=0.0))
    assert [(m.node, m.field) for m in found.unexplained] == [("t2", "data"), ("t2", "grad")]
    assert not found.causes and not found.moved and not found.same
    new = altered(altered(TANH, "b", data=0.5), "a", recompute=False, grad=0.0)
    assert not diff(TANH, new).unexplained


def test_zeros_and_nans() -> None:
    def of(x: float, y, z, w) -> Graph:
        names = {"y": y, "z": z, "w": w}
        operations = ((name, "exp", ["x"]) for name in names)
        document = graph([("x", "input", x), *operations], outputs=["y"], seeds={}).document
        for node in document["nodes"][1:]:
            node["data"] = names[node["id"]]
        return Graph(document)

    found = diff(of(1.0, 0.0, "NaN", 1.0), of(2.0, -0.0, "NaN", "NaN"))
    first, second = (m for m in found.moved if m.field == "data")
    assert (first.node, first.ulps) == ("w", 2**64) and first.difference != first.difference
    assert (second.node, second.difference, second.ulps) == ("y", 0.0, 1)
    assert not any(m.node == "z" for m in found.moved)
    found = diff(of(1.0, "Infinity", 0.0, 0.0), of(2.0, 1.0, 5.0, "-Infinity"))
    assert [(m.node, m.difference) for m in found.moved if m.field == "data"] == [("y", -inf), ("w", -inf), ("z", 5.0)]


def test_numbers_that_are_not_recorded_come_from_a_replay() -> None:
    nodes = [("x", "input", 0.5), ("y", "tanh", ["x"])]
    found = diff(graph(nodes), altered(graph(nodes), "x", data=0.7))
    assert {(m.node, m.field) for m in found.moved} == {("y", "data"), ("x", "grad")}
    nodes[0] = ("x", "input", None)
    found = diff(graph(nodes), graph([("x", "input", 0.5), ("y", "tanh", ["x"])]))
    assert found.causes == [Cause("value", "x", None, 0.5)] and not found.moved


# Texts and pictures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SMALL, ids=lambda p: p.name)
def test_a_sample_is_the_same_as_itself(path) -> None:
    one = load(path)
    assert text(diff(one, one)) == "same"
    assert as_json(diff(one, one))["same"] is True


def test_what_is_said_of_a_leaf() -> None:
    assert (
        text(diff(TANH, TANH.with_leaves({"a": 0.7})))
        == """\
different: 1 cause, 9 numbers moved
causes   a: value 0.5001 → 0.7
moved                       from                   to  difference      ulp
c      data   1.5651709999999999   1.9069999999999998      +0.342  1.5e+15
t1     data  0.35507099999999997  0.49699999999999994      +0.142  2.6e+15
t2     data   1.0650709999999999   1.2069999999999999      +0.142  6.4e+14
a      grad  0.27441769195044236  0.14444561603132963       -0.13  4.2e+15
b      grad  0.24073332145898163  0.14360090482646806     -0.0971  3.5e+15
t1     grad  0.16047818242715928  0.08447112048615768      -0.076  4.2e+15
t2     grad  0.16047818242715928  0.08447112048615768      -0.076  4.2e+15
c      grad  0.16047818242715928  0.08447112048615768      -0.076  4.2e+15
d      data   0.9162542319535778   0.9568327332997353     +0.0406  3.7e+14"""
    )


def test_what_is_said_of_everything_else() -> None:
    document = copy.deepcopy(TANH.document)
    a, b, t1, t2, _, d = document["nodes"]
    a["id"] = t1["args"][0] = document["nodes"][4]["args"][1] = "alpha"
    b["op"] = "parameter"
    t2.update(op="sub", args=["t1", 2.0])
    document["nodes"].insert(5, {"id": "e", "op": "exp", "args": ["c"]})
    d["args"] = ["e"]
    document |= {"outputs": ["d", "t1"], "seeds": {"d": 2.0}, "tolerance": {"ulps": 3}, "title": "Another"}
    for node in document["nodes"]:
        node.pop("grad", None)
        node.pop("data", None)
    assert (
        text(diff(TANH, Graph(document)))
        == """\
different: 10 causes
causes   alpha: value 0.5001 → none
         b: value 0.71 → none
         b: input → parameter
         t2: op add → sub
         t2: operand 2 b → 2.0
         e: added, exp(c)
         d: operand 1 c → e
         outputs d → d, t1
         d: seed 1.0 → 2.0
         tolerance 0 → 3 ulp
notes    1 renamed: a → alpha
         another title"""
    )


def test_long_lists_are_cut() -> None:
    one = random_value(1, 200)[0]
    found = diff(record(one), record(random_value(3, 200)[0]))
    shown = text(found).splitlines()
    assert len(found.moved) > 20 and len(found.causes) > 20
    assert shown[21] == f"         … and {len(found.causes) - 20:,} more"
    assert f"… and {len(found.moved) - 20:,} more" in shown


def test_as_json() -> None:
    found = as_json(diff(TANH, altered(TANH, "t1", recompute=False, data="NaN", args=["a", 3.0])))
    assert found["causes"] == [{"kind": "operand", "node": "t1", "position": 1, "before": "b", "after": 3.0}]
    assert found["moved"] == [
        {
            "node": "t1",
            "field": "data",
            "before": 0.35507099999999997,
            "after": "NaN",
            "difference": "NaN",
            "ulps": 2**53,
        }
    ]
    assert not found["same"] and (found["unexplained"], found["renamed"], found["texts"]) == ([], [], {})


def test_the_picture_of_both() -> None:
    nodes = [("a", "input", 0.5), ("t", "tanh", ["a"]), ("y", "exp", ["t"]), ("z", "neg", ["y"])]
    one = graph(nodes).with_leaves({})
    new = graph([*nodes[:1], ("s", "log", ["a"]), ("w", "add", ["s", 1.0]), ("y", "exp", ["w"]), nodes[3]]).with_leaves(
        {}
    )
    found = diff(one, new)
    whole, changes = union(one._wiring, new._wiring, found)
    assert [node["id"] for node in whole.nodes] == ["a", "s", "w", "y", "z", "t (removed)"]
    assert whole.outputs == ["z"]
    assert {name: change.what for name, change in changes.items()} == {
        "a": "",
        "s": "added",
        "w": "added",
        "y": "operand 1",
        "z": "",
        "t (removed)": "removed",
    }
    assert changes["z"].data == (one.data["z"], new.data["z"]) and changes["a"].data is None
    dot = one.draw_diff(new, found).source
    assert dot.count("penwidth=2.5") == 4 and dot.count('style="dashed,filled"') == 1  # the causes, and the one removed
    for said in ("◆ added", "◆ operand 1", "◆ removed", "−1.5874 → −1.3591", "◆ 4 causes · 2 consequences"):
        assert said.replace(" ", "\u00a0") in dot or said in dot, said


def test_an_altered_record_is_drawn_apart() -> None:
    one = graph([("a", "input", 0.5), ("t", "tanh", ["a"]), ("y", "exp", ["t"])]).with_leaves({})
    document = one.document
    document["nodes"][1]["data"] = 0.75
    altered = Graph(document)
    dot = one.draw_diff(altered, one.diff(altered)).source
    assert "✕\u00a0unexplained" in dot and "◆\u00a00\u00a0causes" in dot
    assert "0.4621 → 0.75<" in dot


# Several edits, and what numbers cannot tell ----------------------------------------------------------------


def edited(length: int, inserted: tuple[int, ...] = ()) -> Graph:
    ops: list[str] = []
    for k in range(length):
        ops += ["relu"] * (k in inserted) + [("sin", "tanh", "neg", "exp", "cos", "sigmoid")[k % 5 if k % 7 else 5]]
    return chain(*ops)


@pytest.mark.parametrize("inserted", [(10,), (10, 30), (5, 6, 20, 39), tuple(range(3, 300, 20))])
def test_several_insertions_are_so_many_causes(inserted: tuple[int, ...]) -> None:
    length = max(40, inserted[-1] + 1)
    there, back = diff(edited(length), edited(length, inserted)), diff(edited(length, inserted), edited(length))
    assert sorted(c.kind for c in there.causes) == ["added"] * len(inserted) + ["operand"] * len(inserted)
    assert sorted(c.kind for c in back.causes) == ["operand"] * len(inserted) + ["removed"] * len(inserted)


def test_operands_that_changed_places_are_told_by_their_names() -> None:
    for number in ({}, {"data": 1.0}):
        leaves = [{"id": name, "op": "input", **number} for name in "ab"]
        one, other = (
            Graph({"mgraph": 1, "nodes": [*leaves, {"id": "y", "op": "sub", "args": list(args)}]})
            for args in ("ab", "ba")
        )
        assert [c.kind for c in diff(one, other).causes] == ["operand", "operand"]


def test_no_seeds_are_not_the_default_seeds() -> None:
    plain = graph([("x", "input", 1.0), ("y", "neg", ["x"])])
    silent = graph([("x", "input", 1.0), ("y", "neg", ["x"])], seeds={})
    assert recipe(plain) != recipe(silent)
    assert [c.kind for c in diff(plain, silent).causes] == ["seed"]


def test_what_does_not_need_an_input_without_number_is_replayed() -> None:
    nodes = [("u", "input", None), ("y", "sin", ["a"]), ("z", "add", ["y", "u"])]
    found = diff(graph([("a", "input", 1.0), *nodes]), graph([("a", "input", 2.0), *nodes]))
    assert [(m.node, m.field) for m in found.moved] == [("y", "data")]


def test_a_graph_of_numbers_alone_has_no_leaves_to_match() -> None:
    graph = Graph({"mgraph": 1, "nodes": [{"id": "y", "op": "add", "args": [1.0, 2.0]}]})
    other = Graph({"mgraph": 1, "nodes": [{"id": "y", "op": "add", "args": [1.0, 3.0]}]})
    assert graph.diff(graph).same
    assert [each.node for each in graph.diff(other).causes] == ["y"]


def test_a_difference_is_drawn_with_nothing_at_hand() -> None:
    a, b = (record(Value(1.0, name="x") * k) for k in (2.0, 3.0))
    assert a.draw_diff(b).source == a.draw_diff(b, a.diff(b)).source
    assert a.draw_diff(a).source != a.draw_diff(b).source
