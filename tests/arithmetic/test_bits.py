"""No bit has changed since 0.3.0: its digests of 5,000 random graphs and of the samples, in either engine."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter

import pytest
from kept_graphs import BINARY, GRAPHS, LARGEST_ANGLE, SAMPLES, UNARY, digests, kept, random_graph, sample_digest

from mgraph import Graph

with_fast = pytest.mark.skipif(
    importlib.util.find_spec("llvmlite") is None, reason="llvmlite is not installed (the extra mgraph-replay[fast])"
)
each_engine = pytest.mark.parametrize("engine", ["reference", pytest.param("compiled", marks=with_fast)])


@each_engine
@pytest.mark.parametrize(
    "numbers", [range(100), pytest.param(range(100, GRAPHS), marks=pytest.mark.slow)], ids=["100", "4900 more"]
)
def test_the_bits_of_5000_random_graphs(engine: str, numbers: range) -> None:
    _, expected = kept()
    found = dict(zip(numbers, digests(engine, numbers), strict=True))
    assert [number for number in numbers if found[number] != expected[number]] == []


@each_engine
def test_the_bits_of_the_samples(engine: str) -> None:
    expected, _ = kept()
    assert {name: sample_digest(name, engine) for name in SAMPLES} == expected


def test_the_graphs_are_worth_keeping() -> None:
    ops: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for number in range(0, GRAPHS, 5):
        graph = Graph(random_graph(number))
        run = graph.replay(engine="reference")
        for node in graph.nodes:
            ops[node["op"]] += 1
            kinds["literal"] += any(isinstance(each, float) for each in node.get("args", ()))
            x = run.data[node["id"]]
            kinds["nan" if x != x else "infinite" if math.isinf(x) else "finite"] += 1
            kinds["subnormal"] += 0.0 < abs(x) < 2.0**-1022
            kinds["negative zero"] += x == 0.0 and math.copysign(1.0, x) < 0.0
            if node["op"] in ("sin", "cos"):
                (angle,) = (each if isinstance(each, float) else run.data[each] for each in node["args"])
                assert not LARGEST_ANGLE < abs(angle) < math.inf
        kinds["finite gradient"] += sum(x != 0.0 and math.isfinite(x) for x in run.grad.values())
    assert set(ops) == {"input", "parameter", "constant", *UNARY, *BINARY}
    assert min(ops.values()) > 500
    assert kinds["finite gradient"] > 10_000 and kinds["finite"] > 2 * (kinds["nan"] + kinds["infinite"])
    assert min(kinds.values()) > 300, kinds
