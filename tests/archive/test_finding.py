"""Every query, in both databases, has the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, SMALL
from hypothesis import given
from hypothesis import strategies as st

import mgraph
from mgraph import Value
from mgraph.archive import query
from mgraph.archive.archive import Archive
from mgraph.archive.query import Asked, Combined
from mgraph.errors import FileError


def cell(path: Path, closed: bool = False) -> Path:
    """tanh(a * b + c): of a neuron's shape."""
    x, w, b = Value(1.0, name="x"), mgraph.parameter(2.0, name="w"), mgraph.parameter(0.5, name="b")
    if closed:
        x = mgraph.parameter(1.0, name="x")
    mgraph.save((x * w + b).tanh(), path)
    return path


def looped(path: Path) -> Path:
    """a * a: one leaf, twice."""
    a = Value(3.0, name="a")
    mgraph.save(a * a, path)
    return path


@pytest.fixture
def course(archive: Archive, tmp_path: Path) -> Iterator[tuple[Archive, Path]]:
    for path in SMALL:
        archive.keep(mgraph.load(path), path.stem, tag="lesson-1" if path.stem < "o" else None)
    archive.keep(mgraph.load(cell(tmp_path / "cell.json")), "cell", labels={"author": "ada", "level": "3"})
    archive.keep(mgraph.load(cell(tmp_path / "closed.json", closed=True)), "closed cell", labels={"author": "bob"})
    archive.keep(mgraph.load(looped(tmp_path / "square.json")), "übung/square")
    yield archive, tmp_path


ALL = {path.stem for path in SMALL} | {"cell", "closed cell", "übung/square"}
QUERIES = {
    "": ALL,
    "op:tanh": {"neuron", "neuron-pytorch", "operations", "tanh", "xor", "cell", "closed cell"},
    "neuron": {"neuron", "neuron-pytorch", "xor", "xor-linear"},
    "NEURON two": {"neuron", "xor"},
    "input:x1": {"neuron", "neuron-pytorch", "xor", "xor-linear"},
    "nodes:<=6": {"cell", "closed cell", "übung/square", "tanh"},
    "nodes:2": {"übung/square"},
    "nodes:5..6": {"cell", "closed cell", "tanh"},
    "name:xor*": {"xor", "xor-linear"},
    "tag:lesson-1": {"neuron", "neuron-pytorch"},
    "tag:%": set(),
    "name:_*": set(),
    "label:author=ada": {"cell"},
    "label:author": {"cell", "closed cell"},
    "label:author and not label:author=ada": {"closed cell"},
    "op:tanh (nodes:5 or nodes:6)": {"cell", "closed cell", "tanh"},
    "name:cell or name:übung/*": {"cell", "übung/square"},
    "verified:never name:tanh": {"tanh"},
    "failing:": set(),
    "since:2020-01-01 name:tanh": {"tanh"},
    "since:2999-01-01": set(),
    "shape:#cell": {"cell"},
    "recipe:#tanh": {"tanh"},
    '"cell"': {"cell", "closed cell"},
    "'; DROP TABLE document; --": set(),
    "zzz*": set(),
    "neur*": {"neuron", "neuron-pytorch", "xor", "xor-linear"},
}


def names(archive: Archive, text: str) -> set[str]:
    return {hit.name for hit in archive.find(text, limit=None)}


def test_queries(course: tuple[Archive, Path]) -> None:
    found = {text: names(course[0], text) for text in QUERIES}
    assert found == QUERIES


def test_a_subgraph_occurs(course: tuple[Archive, Path]) -> None:
    archive, folder = course
    holders = names(archive, f"contains:{folder / 'cell.json'}")
    assert {"cell", "closed cell"} <= holders  # an input stands for any node
    assert names(archive, f"contains:{folder / 'closed.json'}") == {"closed cell"}
    squares = names(archive, f"contains:{folder / 'square.json'}")
    assert "übung/square" in squares and "cell" not in squares  # a product of two leaves is not a square
    assert names(archive, f"not contains:{folder / 'square.json'}") == ALL - squares
    assert names(archive, f"name:cell or contains:{folder / 'square.json'}") == squares | {"cell"}
    assert names(archive, f"contains:{folder / 'cell.json'} name:c*") == {"cell", "closed cell"}


def test_every_graph_contains_and_is_like_itself(course: tuple[Archive, Path]) -> None:
    archive, _ = course
    for name in ALL - {"operations"}:
        assert name in names(archive, f"contains:#{name}" if " " not in name else f'contains:"#{name}"')
        best = archive.find(f'like:"#{name}"')[0]
        assert best.score == 1.0
    assert archive.find("like:#neuron")[0].name == "neuron"


def test_a_graph_whose_parameters_are_inputs_is_like_the_other(archive: Archive) -> None:
    for name, kind in (("one", "parameter"), ("other", "input")):
        x, w = Value(2.0, name="x"), Value(3.0, name="w", op=kind)
        archive.keep((x * w).tanh(), name)
    assert [(hit.name, hit.score) for hit in archive.find("like:#one")] == [("other", 1.0), ("one", 1.0)]
    assert [hit.name for hit in archive.find("contains:#one")] == ["one"]  # where a parameter is one


def test_newest_first_and_the_best_fit_first(course: tuple[Archive, Path]) -> None:
    archive, _ = course
    assert [hit.name for hit in archive.find("cell")] == ["closed cell", "cell"]
    archive.keep(mgraph.load(ROOT / "samples/tanh.json"), "neuron of tanh")
    ranked = archive.find("neuron tanh", ranked=True)
    assert ranked[0].score > 0 and [hit.score for hit in ranked] == sorted((hit.score for hit in ranked), reverse=True)
    assert len(archive.find("", limit=3)) == 3


def test_what_is_forgotten_is_not_found(course: tuple[Archive, Path]) -> None:
    archive, _ = course
    archive.forget("cell")
    assert names(archive, "label:author") == {"closed cell"}
    archive.forget("cell", undo=True)
    assert names(archive, "label:author") == {"cell", "closed cell"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(op:tanh", "'(' that is not closed"),
        ("op:tanh)", "')' that nothing opens"),
        ('"a', "quotation mark that is not closed"),
        ("not", "ends where a condition should follow"),
        ("a or", "ends where a condition should follow"),
        ("opp:tanh", "no field 'opp'. Did you mean 'op'?"),
        ("op:tahn", "no operation 'tahn'. Did you mean 'tanh'?"),
        ("nodes:many", "'many' is not a number such as 7, >100"),
        ("since:yesterday", "'yesterday' is not a day such as 2026-01-31"),
        ("verified:maybe", "'maybe' is not one of exact, within, differs, never"),
        ("op:", "op: needs a value"),
        ("like:nothing.json", "no such file"),
        ("(" * 60, "at most 50 parentheses deep"),
        ("a" * 2_001, "at most 2,000 characters"),
    ],
)
def test_a_query_that_cannot_be_read(tmp_path: Path, text: str, said: str) -> None:
    with Archive(tmp_path / "a.mgraph") as archive, pytest.raises(FileError) as caught:
        archive.find(text)
    assert said.casefold() in str(caught.value).casefold()


def test_parsing() -> None:
    assert query.parsed("a or not b:c".replace("b:c", "op:x")) == Combined(
        "or", (Asked("word", "a"), Combined("not", (Asked("op", "x"),)))
    )
    assert query.parsed('like:"a b.json" and x') == Combined("and", (Asked("like", "a b.json"), Asked("word", "x")))


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    try:
        query.parsed(text)
    except FileError as error:
        assert "\n" not in str(error)
