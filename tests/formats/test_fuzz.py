"""Whatever bytes come, the loader gives a graph or an mgraph error, and what loads can be used."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path

import pytest
from conftest import SMALL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mgraph import Graph, MgraphError, load, loads

DOCUMENTS = [json.loads(path.read_text()) for path in SMALL]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["NaN", "-Infinity", "a", "b", "add", "tanh", "constant", "input", "pow", "\ud800", "x" * 2000])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
KEYS = st.sampled_from(
    [
        "add",
        "neg",
        "input",
        "x" * 1001,
        "id",
        "op",
        "args",
        "data",
        "grad",
        "label",
        "scope",
        "nodes",
        "outputs",
        "seeds",
        "meta",
        "tolerance",
        "ulps",
    ]
)


def places(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


@st.composite
def mutated(draw):
    """A sample with a few places replaced, removed, added, moved or taken from elsewhere."""
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 4))):
        spots = [p for p in places(document) if p]
        path = draw(st.sampled_from(spots))
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        kind = draw(st.sampled_from(["replace", "remove", "add", "swap", "graft"]))
        if kind == "replace":
            parent[path[-1]] = draw(JSON)
        elif kind == "remove":
            del parent[path[-1]]
        elif kind == "add" and isinstance(parent, dict):
            parent[draw(KEYS | st.text(max_size=3))] = draw(JSON)
        elif kind == "add":
            parent.insert(path[-1], draw(JSON))
        elif kind == "swap" and isinstance(parent, list):
            parent.reverse()
        else:
            source = document
            for key in draw(st.sampled_from(spots)):
                source = source[key]
            parent[path[-1]] = copy.deepcopy(source)
    return document


def use(graph: Graph) -> None:
    assert loads(graph.to_bytes()).to_bytes() == graph.to_bytes()
    assert graph.digest
    try:
        run = graph.replay()
    except MgraphError:
        return
    graph.with_run(run).verify(finite_differences=False)


@pytest.mark.slow
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_documents_load_or_are_refused(document) -> None:
    try:
        graph = Graph(document)
    except MgraphError as error:
        assert str(error)
    else:
        use(graph)


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(), st.data())
def test_mutated_bytes_load_or_are_refused(document, data) -> None:
    raw = bytearray(json.dumps(document, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass"))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        graph = loads(bytes(raw))
    except MgraphError as error:
        assert str(error)
    else:
        use(graph)


@given(st.binary(max_size=200))
def test_any_bytes_at_all(raw: bytes) -> None:
    with pytest.raises(MgraphError):
        loads(raw)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100), st.integers(0, 200))
def test_any_gzip_at_all(tmp_path: Path, raw: bytes, cut: int) -> None:
    path = tmp_path / "x.json.gz"
    path.write_bytes((gzip.compress(raw) if cut % 2 else b"\x1f\x8b" + raw)[: cut or None])
    with pytest.raises(MgraphError):
        load(path)


@pytest.mark.parametrize(
    "path", [("mgraph",), ("nodes",), ("nodes", 0), ("nodes", -1, "args", 0), ("meta", "x")], ids=str
)
def test_an_integer_too_long_for_python_to_write(path) -> None:
    document = {**copy.deepcopy(DOCUMENTS[0]), "meta": {}}
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = 10**5000
    with pytest.raises(MgraphError):
        Graph(document)
