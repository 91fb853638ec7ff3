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
        ("(" * 60, "nests not and parentheses at most 20 deep"),
        ("(" * 1_900, "nests not and parentheses at most 20 deep"),
        ("not " * 60 + "a", "nests not and parentheses at most 20 deep"),
        ("a" * 2_001, "at most 2,000 characters"),
        ("a " * 10_000, "at most 2,000 characters, not 20,000"),
        ("a " * 41, "at most 40 conditions, each word being one, not 41"),
        ('"' + "a " * 41 + '"', "at most 40 conditions, each word being one, not 41"),
        (" or ".join(["op:tanh"] * 41), "at most 40 conditions, each word being one, not 41"),
        ("-", "there is no word to look up in '-'"),
        ("neuron or -", "there is no word to look up in '-'"),
        ("not -", "there is no word to look up in '-'"),
        ('""', "there is no word to look up in ''"),
        ("🙂", "there is no word to look up in '🙂'"),
        ("*", "there is no word to look up in '*'"),
        ("a\0b", "cannot be a query: no text has a character '\\x00'"),
        ("label:k=a\ud800", "cannot be a query: no text has a character '\\ud800'"),
        ("since:2026-13", "is not a day such as 2026-01-31"),
        ("nodes:3..", "is not a number such as 7, >100"),
        ("nodes:-3", "is not a number such as 7, >100"),
        ("neuron AND NEAR( tanh", "'(' that is not closed"),
    ],
)
def test_a_query_that_cannot_be_read(tmp_path: Path, text: str, said: str) -> None:
    with Archive(tmp_path / "a.mgraph") as archive, pytest.raises(FileError) as caught:
        archive.find(text)
    assert said.casefold() in str(caught.value).casefold()


def nested(depth: int) -> str:
    """Everything that can be nested in turn, so deep."""
    text = "neuron"
    for k in range(depth):
        text = (f"(x1 or {text})", f"(x1 and {text})", f"not {text}")[k % 3]
    return text


def test_a_query_as_large_as_it_may_be(course: tuple[Archive, Path]) -> None:
    archive, _ = course
    for depth in range(query._DEPTH + 1):
        assert names(archive, nested(depth)) <= ALL
    everything = {name: names(archive, name) for name in ("neuron", "op:tanh", "name:tanh", "x*", "input:x1")}
    for text, found in everything.items():
        assert names(archive, " ".join([text] * 40)) == names(archive, " or ".join([text] * 40)) == found
        assert names(archive, " ".join([f"not {text}"] * 40)) == ALL - found
    assert archive.find(" ".join(["neuron"] * 40), ranked=True)[0].score > 0


# Unicode -----------------------------------------------------------------------------------------------------

TITLES = {
    "german": "Größte STRASSE der Ärzte",
    "greek": "Ὀδυσσεύς και ΣΊΣΥΦΟΣ",
    "russian": "Обучение СЕТИ",
    "french": "e\u0301te\u0301 à Noël",  # in pieces: e and an accent
    "chinese": "神经网络 训练",
    "japanese": "ﾆｭｰﾗﾙ ネット",  # half-width
    "emoji": "a 🙂 b 👩‍🔬",
    "ligature": "ﬁeld ² Ⅷ",
    "rtl": "شبكة \u202eعصبية",
    "math": "𝐱 ∂f x\u0302",
    "_under_score": "snake_case 100% 'quoted' \"twice\"",
}
SPELLED = {
    "größte": {"german"},
    "GRÖSSTE": {"german"},
    "straße": {"german"},
    "arzte": set(),  # an accent is part of a letter
    "ärz*": {"german"},
    "ΣΊΣΥΦΟς": {"greek"},
    "ὀδυσσεύσ": {"greek"},
    "сети": {"russian"},
    "ОБУЧ*": {"russian"},
    "été": {"french"},
    "E\u0301TE\u0301": {"french"},
    "noe\u0308l": {"french"},
    "神经网络": {"chinese"},
    "神经*": {"chinese"},
    "网络": set(),  # no word begins there
    "ニューラル": {"japanese"},
    "ﾈｯﾄ": {"japanese"},
    "b 🙂": {"emoji"},
    "FIELD": {"ligature"},
    "viii": {"ligature"},
    "شبكة": {"rtl"},
    "\u202eعصبية": {"rtl"},
    "x": {"math", "latex"},
    "snake_case": {"_under_score"},
    "100%": {"_under_score"},
    "∂ %": None,
    '"snake_case 100%"': {"_under_score"},
    "name:german": {"german"},
    "name:_*": {"_under_score"},
    "name:%*": set(),
    "label:lang=größte": {"german"},
    "label:lang=GRÖSSTE": set(),  # a label is compared as it is
    "label:lang=e\u0301te\u0301": set(),
    'label:lang="a 🙂 b"': {"emoji"},
    'label:"lang=a 🙂 b"': {"emoji"},
    '(label:lang="a 🙂 b")': {"emoji"},
    "label:lang=%": set(),
    "label:la_g": set(),
    "label:lang=\u202eعصبية": {"rtl"},
    "label:lang=it's": {"_under_score"},
    "label:lang=it's\\": set(),
    "tag:übung-🙂": {"german"},
    "tag:ÜBUNG-🙂": set(),
    "input:größe": {"latex"},
    "input:GRÖSSE": set(),  # nor is an input's name anything but itself
    "label:lang and not größte": {"emoji", "rtl", "_under_score"},
    "not label:lang name:f*": {"french"},
}


def test_words_of_any_script(archive: Archive) -> None:
    x = Value(1.0, name="a0")
    for k, (name, title) in enumerate(TITLES.items()):
        archive.keep(mgraph.record(x * float(k), title=title), name)
    archive.keep(Value(2.0, name="größe") * Value(3.0, name="x"), "latex")
    languages = {"german": "größte", "emoji": "a 🙂 b", "rtl": "\u202eعصبية", "_under_score": "it's"}
    for name, value in languages.items():
        archive.label(name, {"lang": value})
    archive.tag("german", "übung-🙂")
    refused = {text for text, found in SPELLED.items() if found is None}
    assert {text: names(archive, text) for text in SPELLED if text not in refused} == {
        text: found for text, found in SPELLED.items() if text not in refused
    }
    for text in refused:
        with pytest.raises(FileError, match="there is no word to look up"):
            archive.find(text)
    assert archive.check(3).faults == []


# Both databases ----------------------------------------------------------------------------------------------


def answers(archive: Archive, text: str, ranked: bool) -> list[object]:
    return [hit._replace(document=0) for hit in archive.find(text, limit=None, ranked=ranked)]


def test_both_databases_answer_alike_and_in_the_same_order(tmp_path: Path, postgres: str) -> None:
    cell(tmp_path / "cell.json")
    looped(tmp_path / "square.json")
    altered = mgraph.load(ROOT / "samples/tanh.json").document
    altered["nodes"][-1]["data"] = 0.5
    with Archive(tmp_path / "a.mgraph") as archive, Archive(postgres) as server:
        for path in SMALL:
            archive.keep(mgraph.load(path), path.stem, tag="lesson-1", labels={"author": "ada"})
        archive.keep(mgraph.Graph(altered), "altered neuron", labels={"author": "bob"})
        for k, (name, title) in enumerate(TITLES.items()):
            archive.keep(mgraph.record(Value(1.0, name="x1") * float(k), title=title), name)
            archive.keep(mgraph.record(Value(1.0, name="x1") * float(k), title=title), f"again/{name}")
        archive.forget("again/emoji")
        list(archive.verify("name:altered* or name:neuron or name:xor"))
        archive.copy(server)
        files = [f"{field}:{tmp_path / name}" for field in ("like", "contains", "shape", "recipe") for name in FILES]
        kept = ["like:#neuron", "contains:#tanh", "shape:#german", "recipe:#xor", "not contains:#tanh"]
        verdicts = ["verified:exact", "verified:within", "verified:differs", "verified:never", "failing:"]
        days = ["since:2020-01-01", "since:2999-01-01", "since:2020-01-01T00:00:00Z and not since:2999-01-01"]
        asked = [
            *QUERIES,
            *files,
            *kept,
            *verdicts,
            *days,
            *(text for text, found in SPELLED.items() if found is not None),
        ]
        asked.remove("shape:#cell")
        fields = {each.field for text in asked for each in conditions(query.parsed(text))}
        assert fields == {*query.FIELDS, "word"}  # every one that is documented
        for text in asked:
            for ranked in (False, True):
                assert answers(archive, text, ranked) == answers(server, text, ranked), text
        assert {hit.name for hit in server.find("failing:")} == {"altered neuron"}
        assert {hit.name for hit in server.find("verified:exact")} == {"neuron", "xor"}


FILES = ("cell.json", "square.json")


def conditions(asked: query.Query) -> list[Asked]:
    return [asked] if isinstance(asked, Asked) else [each for part in asked.parts for each in conditions(part)]


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


def test_a_subgraph_of_a_large_graph_is_found_whichever_cones_were_kept(archive: Archive, tmp_path: Path) -> None:
    w = mgraph.parameter(0.5, name="w")
    parts = [(w * float(k)).sin() for k in range(1_500)]
    archive.keep(sum(parts[1:], parts[0]), "large")
    archive.keep((mgraph.parameter(0.5) * 7.0).sin(), "small")
    for k in (7, 300, 600, 900, 1_200, 1_499):
        mgraph.save((mgraph.parameter(0.25) * float(k)).sin(), tmp_path / "part.json")
        expected = {"large", "small"} if k == 7 else {"large"}
        assert {hit.name for hit in archive.find(f"contains:{tmp_path / 'part.json'}")} == expected


def test_like_two_graphs_is_like_each_of_them(course: tuple[Archive, Path]) -> None:
    archive, folder = course
    square = f"like:{folder / 'square.json'}"
    assert names(archive, f"like:#xor {square}") == names(archive, "like:#xor") & names(archive, square)


def test_a_hit_has_the_name_that_was_asked_for(archive: Archive) -> None:
    graph = mgraph.load(ROOT / "samples" / "tanh.json")
    for name, tag in (("first", "week-1"), ("second", "week-2")):
        archive.keep(graph, name, tag=tag, labels={"for": name})
    for asked, name in {
        "": "second",
        "name:first": "first",
        "tag:week-1 op:tanh": "first",
        "label:for=first": "first",
        "like:#first name:first": "first",
        "not name:first": "second",
    }.items():
        assert [hit.name for hit in archive.find(asked)] == ([] if asked == "not name:first" else [name]), asked
    assert [verdict.reference for _, _, verdict in archive.verify("tag:week-1")] == ["first@1"]


def test_numbers_of_names_and_titles_are_words(archive: Archive) -> None:
    for number in (7, 17):
        a = Value(1.0, name="a")
        archive.keep(mgraph.record(a * float(number), title=f"Aufgabe {number}"), f"ex-{number:03}")
    assert [hit.name for hit in archive.find("ex-007")] == ["ex-007"]
    assert [hit.name for hit in archive.find("Aufgabe AND 17")] == ["ex-017"]
    assert {hit.name for hit in archive.find("7 OR 17")} == {"ex-007", "ex-017"}
    assert [hit.name for hit in archive.find("NOT 17")] == ["ex-007"]


def test_a_pattern_is_not_too_large_to_match(archive: Archive, tmp_path: Path) -> None:
    chain = Value(0.5, name="x")
    for _ in range(1_000):
        chain = chain.tanh()
    mgraph.save(chain, tmp_path / "chain.json")
    with pytest.raises(FileError, match="has 1,001 nodes, of at most 1,000; like: and shape: take"):
        archive.find(f"contains:{tmp_path / 'chain.json'}")
    archive.keep(chain, "chain")
    assert [hit.name for hit in archive.find(f"like:{tmp_path / 'chain.json'}")] == ["chain"]
