"""Verify: one altered number is one culprit; distances in ULP; finite differences that do not cry wolf."""

from __future__ import annotations

import copy
import math
import random
import re
from math import inf, nan

import pytest
from conftest import ROOT, SMALL, random_value
from hypothesis import given
from hypothesis import strategies as st

import mgraph
from mgraph import Graph, ReplayError, Value, load
from mgraph.checking import audit
from mgraph.checking.audit import ulps
from mgraph.errors import shown

TANH = load(ROOT / "samples" / "tanh.json")
XOR = load(ROOT / "samples" / "xor.json")


def altered(graph: Graph, name: str, field: str, change) -> Graph:
    document = copy.deepcopy(graph.document)
    node = document["nodes"][graph.index[name]]
    node[field] = change(node[field])
    return Graph(document)


@pytest.mark.parametrize(
    ("x", "y", "distance"),
    [
        (1.0, 1.0, 0),
        (1.0, math.nextafter(1.0, 2), 1),
        (0.0, -0.0, 1),
        (5e-324, 0.0, 1),
        (-5e-324, 5e-324, 3),
        (1.0, 2.0, 2**52),
        (math.nextafter(inf, 0), inf, 1),
        (nan, nan, 0),
        (nan, 1.0, 2**64),
    ],
)
def test_ulps(x: float, y: float, distance: int) -> None:
    assert ulps(x, y) == ulps(y, x) == distance


@given(st.floats(allow_nan=False), st.integers(1, 50))
def test_ulps_counts_steps(x: float, steps: int) -> None:
    y = x
    for _ in range(steps):
        y = math.nextafter(y, inf)
    if y < inf:
        assert ulps(x, y) in (steps, steps + 1)  # one more across the two zeros


@pytest.mark.parametrize("path", SMALL, ids=lambda p: p.name)
def test_samples_are_exact(path) -> None:
    report = load(path).verify(strict=True)
    assert report.verdict == "exact" and report.ok
    assert report.replayed.ulps == report.within == 0
    assert report.differences is not None and not report.differences.refuted


@pytest.mark.parametrize("graph", [TANH, XOR], ids=["tanh", "xor"])
@pytest.mark.parametrize("field", ["data", "grad"])
def test_one_altered_number_is_one_culprit(graph: Graph, field: str) -> None:
    for node in graph.nodes:
        if field in node and not (field == "data" and "args" not in node):
            if field == "grad" and node["grad"] == 0.0:
                continue
            bad = altered(graph, node["id"], field, lambda x: x * (1 + 1e-9) + 1e-12)
            report = bad.verify(finite_differences=False)
            assert [(c.node, c.field) for c in report.culprits] == [(node["id"], field)]
            assert report.culprits[0].expected == getattr(graph, field)[node["id"]]
            assert report.verdict.startswith(f"differs at {node['id']} ({field}, ")
            assert not report.ok


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(k, marks=pytest.mark.slow) for k in range(5, 25))])
def test_one_alteration_of_a_random_graph_is_one_culprit(seed: int) -> None:
    rng = random.Random(seed)
    root, _ = random_value(seed, rng.choice((3, 6, 12, 60)))
    root.backward()
    graph = mgraph.record(root)
    for node in graph.nodes:
        for field in ("data", "grad"):
            if field not in node or (field == "data" and "args" not in node):
                continue
            factor = rng.choice((1 + 2.0**-50, 1 + 1e-9, 1.5))
            old = float(node[field])
            if old - old != 0.0 or old * factor + 1e-9 == old:
                continue  # not a number that this changes
            bad = altered(graph, node["id"], field, lambda x, factor=factor: x * factor + 1e-9)
            report = bad.verify(finite_differences=False)
            assert [(c.node, c.field) for c in report.culprits] == [(node["id"], field)]
            assert report.suspects == []


def test_a_chain_blames_the_operation_and_not_its_leaf() -> None:
    x = Value(3.0, name="x")
    y = x * 2
    z = y + 1
    z.backward()
    graph = mgraph.record(z, names={"y": y, "z": z})
    assert altered(graph, "y", "data", lambda _: 7.0).verify().verdict.startswith("differs at y (data, ")
    assert altered(graph, "x", "data", lambda _: 4.0).verify().suspects == ["x"]


def test_an_altered_leaf_is_the_only_culprit() -> None:
    for leaf in TANH.inputs:
        report = altered(TANH, leaf, "data", lambda x: x + 0.25).verify(finite_differences=False)
        assert report.suspects == [leaf] and not report.ok and report.culprits == []
        assert report.verdict == f"differs at {leaf} (a leaf; all that is computed from it disagrees)"


def test_tolerance_comes_from_the_call_then_the_document_then_is_zero() -> None:
    off = altered(TANH, "d", "data", lambda x: math.nextafter(math.nextafter(x, 2), 2))
    assert off.verify(finite_differences=False).verdict == "differs at d (data, 2 ulp)"
    assert off.verify(ulps=1).ok is False
    # d is also what the slope of tanh is made of, so gradients move with it, within the tolerance
    assert off.verify(ulps=16).verdict.startswith("within ") and off.verify(ulps=16).ok
    tolerant = Graph({**off.document, "tolerance": {"ulps": 16}})
    assert tolerant.verify().ok and not tolerant.verify(ulps=0).ok
    assert off.verify(ulps=2**53 - 1).ok
    for wrong in (-1, 2**53, 10**400, True, 1.5, "1"):
        message = rf"^a tolerance is a whole number of ulp, from 0 to 2\*\*53 - 1, not {re.escape(shown(wrong))}$"
        with pytest.raises(ReplayError, match=message):
            off.verify(ulps=wrong)


def test_the_full_replay_counts_only_under_strict() -> None:
    a = Value(1.0, name="a")
    b = a + 2.0**-52  # from here a cancellation magnifies the last bit
    c = (b - 1.0) * 2.0**52
    graph = mgraph.record(c, names={"b": b, "c": c})
    document = copy.deepcopy(graph.document)
    document["nodes"][1]["data"] = 1.0 + 2.0**-51
    document["nodes"][2]["data"] = 2.0**-51
    document["nodes"][3]["data"] = 2.0
    report = Graph(document).verify(ulps=1)
    assert report.verdict == "within 1 ulp" and report.ok
    assert report.replayed.data is not None and report.replayed.ulps == 2**52
    strict = Graph(document).verify(ulps=1, strict=True)
    assert not strict.ok
    assert strict.verdict == "differs at n2 (data, 4,503,599,627,370,496 ulp after a full replay)"


def test_two_alterations_are_two_culprits() -> None:
    bad = altered(altered(XOR, "n14", "data", lambda x: x + 1), "n15", "data", lambda x: x / 2)
    report = bad.verify(finite_differences=False)
    assert [c.node for c in report.culprits if c.field == "data"] == ["n14", "n15"]
    assert "(and 1 more)" in report.verdict


def test_recipes_and_missing_inputs() -> None:
    recipe = {"mgraph": 1, "nodes": [{"id": "x", "op": "input", "data": 2}, {"id": "y", "op": "neg", "args": ["x"]}]}
    assert Graph(recipe).verify().verdict == "nothing recorded to check"
    recipe["nodes"][0].pop("data")
    recipe["nodes"][1]["data"] = -2.0
    recipe["nodes"].append({"id": "z", "op": "exp", "args": ["y"], "data": math.exp(-2.0)})
    report = Graph(recipe).verify()
    assert report.missing == ["x"] and report.verdict == "exact" and report.data_checked == 2


def test_nonfinite_records_verify() -> None:
    y = Value(-1.0, name="x").log() + Value(0.0, name="z").log()
    y.backward()
    report = mgraph.record(y).verify()
    assert report.verdict == "exact"
    assert report.differences is not None and not report.differences.refuted


def test_equal_numbers_are_compared_in_bulk(monkeypatch) -> None:
    root, _ = random_value(3, 20_000, ops=("add", "mul", "tanh"))
    root.backward()
    graph = mgraph.record(root)
    compared = 0

    def counted(x: float, y: float) -> int:
        nonlocal compared
        compared += 1
        return ulps(x, y)

    monkeypatch.setattr(audit, "ulps", counted)
    assert graph.verify(finite_differences=False).verdict == "exact" and compared == 0
    bad = altered(graph, graph.nodes[5000]["id"], "data", lambda x: -x)
    assert len(bad.verify(finite_differences=False).culprits) == 1
    assert 1 <= compared <= 8 * audit.CHUNK


@pytest.mark.parametrize(("recorded", "right"), [(-0.0, 0.0), (0.0, -0.0)])
def test_the_two_zeros_differ_in_bulk_too(recorded: float, right: float) -> None:
    graph = mgraph.trace(lambda x: x * 1.0, x=right)
    report = altered(graph, graph.outputs[0], "data", lambda _: recorded).verify(finite_differences=False)
    assert [(each.recorded, each.expected, each.ulps) for each in report.culprits] == [(recorded, right, 1)]


# Finite differences


@pytest.mark.parametrize("seed", range(15))
def test_right_gradients_are_never_refuted(seed: int) -> None:
    root, _ = random_value(seed + 100, 60)
    root.backward()
    found = mgraph.record(root).verify().differences
    assert found is not None
    assert not found.refuted, found.refuted[:3]
    assert len(found.compared) > len(found.skipped)


@pytest.mark.parametrize("seed", range(5))
def test_wrong_gradients_are_refuted(seed: int) -> None:
    root, leaves = random_value(seed + 100, 60, ops=("add", "mul", "tanh", "sin", "exp", "div"))
    root.backward()
    graph = mgraph.record(root)
    name = max(leaves, key=lambda v: abs(v.grad)).name
    bad = altered(graph, name, "grad", lambda g: g * 1.0001)
    assert name in [d.node for d in bad.verify().differences.refuted]


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: (-(x * x) * 1e6).exp(), 1e-3),  # a bump that coarse steps jump over
        (lambda x: ((x - 1.0) * 1e4).tanh(), 1.0),
        (lambda x: (x * 1e6).sin(), 0.3),
        (lambda x: x.log(), 1e-10),
        (lambda x: x.sqrt(), 1e-12),
        (lambda x: 1 / x, 1e-8),
        (lambda x: x**3, 1e5),
        (lambda x: (x + 1e8) - 1e8, 1.0),
        (lambda x: x.relu() * 1e3, 1e-9),
        (lambda x: x.exp(), 700.0),
        (lambda x: x * 1e-300, 1.0),
        (lambda x: x.tanh(), 1e-300),
        (lambda x: (0.1 * x + 1e3 * x) - 1e3 * x, 0.0),
        (lambda x: x.exp().sin(), 30.0),
        (lambda x: x.exp().log1p() - x.exp(), -18.0),
        (lambda x: x / abs(-30 / x), 1e-300),
        (lambda x: x.sqrt() + x.sin(), 0.0),
        (lambda x: x * 5e-324, 1.0),
        (lambda x: x * 1e14 * 5.3e-160 * 1e-163, 1.0),  # a gradient of 5.4e-309, of one that underflows
        (lambda x: (x * 1e22).cos(), 3.0),  # faster than any step
        (lambda x: (x * 1e16).sin(), 0.3),
        *[(lambda x: x.exp().sin(), x) for x in (37.0, 38.0, 40.0, 45.0, 50.0)],
    ],
)
def test_differences_are_right_or_say_that_they_are_not(function, x: float) -> None:
    value = Value(x, name="x")
    function(value).backward()
    graph = mgraph.trace(function, x=x)
    found = graph.verify().differences
    assert found is not None and not found.refuted, found


def test_kinks_are_skipped_and_said_so() -> None:
    found = mgraph.trace(lambda x, y: x.relu() + x.maximum(y) + abs(x), x=0.0, y=0.0).verify().differences
    assert found is not None
    assert found.skipped["x"] == found.skipped["y"] == "at a kink, where there is no derivative"


@pytest.mark.slow
def test_a_large_graph_spends_a_budget() -> None:
    root, _ = random_value(3, 20_000, ops=("add", "mul", "tanh"))
    root.backward()
    found = mgraph.record(root).verify().differences
    assert found is not None
    assert 1 <= len(found.compared) + len(found.skipped) < found.candidates


def test_a_gradient_that_underflows_is_compared_without_dividing_by_zero() -> None:
    nodes = [{"id": "a", "op": "input", "data": 1, "grad": 1e-300}, {"id": "b", "op": "input", "data": 1, "grad": 1}]
    report = Graph({"mgraph": 1, "nodes": nodes, "outputs": ["b"]}).verify()
    assert report.differences is not None and [d.node for d in report.differences.refuted] == ["a"]


def test_an_unset_leaf_hides_only_what_depends_on_it() -> None:
    nodes = [
        {"id": "u", "op": "input"},
        {"id": "x", "op": "input", "data": 2.0, "grad": 99.0},
        {"id": "y", "op": "mul", "args": ["x", 3], "data": 6.0, "grad": 1.0},
        {"id": "w", "op": "mul", "args": ["u", "x"]},
    ]
    report = Graph({"mgraph": 1, "nodes": nodes, "outputs": ["y"]}).verify()
    assert report.missing == ["u"] and report.grad_checked == 1 and report.ok  # x feeds w, which is not known
    nodes[3]["args"] = ["u", 3]
    report = Graph({"mgraph": 1, "nodes": nodes, "outputs": ["y"]}).verify()
    assert [c.node for c in report.culprits] == ["x"]
    nodes[1]["grad"] = 3.0
    strict = Graph({"mgraph": 1, "nodes": nodes, "outputs": ["y"]}).verify(strict=True)
    assert not strict.ok and strict.verdict == "not replayed: no number for u"
