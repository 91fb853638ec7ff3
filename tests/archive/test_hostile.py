"""Archives whose rows were forged, and names and texts that try to be something else: refused, or only data."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import zstandard
from conftest import ROOT
from pytest import MonkeyPatch
from sqlalchemy import literal

import mgraph
from mgraph import Value
from mgraph.archive import bodies, tables, telling
from mgraph.archive.archive import Archive
from mgraph.archive.bodies import REPLAYED, VARIANT, WHOLE
from mgraph.archive.sqlite_file import trigger
from mgraph.document.canonical import canonical
from mgraph.errors import FileError
from mgraph.showing.as_text import lines, plain

NEURON = mgraph.load(ROOT / "samples/neuron.json")
XOR = mgraph.load(ROOT / "samples/xor.json")
DAMAGED = "the archive is damaged"


def forge(archive: Archive, *statements: str, **values: object) -> None:
    """Change history behind the archive's back, and leave its triggers as they were."""
    with archive._database.writing() as connection:
        sqlite = archive._database.is_file
        for table in ("body", "document"):
            name = f"{table}_is_history"
            off = f'DROP TRIGGER "{name}"' if sqlite else f'ALTER TABLE {table} DISABLE TRIGGER "{name}"'
            connection.exec_driver_sql(off)
        for statement in statements:
            connection.exec_driver_sql(statement)
        if values:
            connection.execute(tables.body.update().where(tables.body.c.document == 1).values(values))
        for table in ("body", "document"):
            name = f"{table}_is_history"
            on = trigger(table) if sqlite else f'ALTER TABLE {table} ENABLE TRIGGER "{name}"'
            connection.exec_driver_sql(on)


def said_by(act: Callable[[], object]) -> str:
    with pytest.raises(FileError) as caught:
        act()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    return str(caught.value)


@pytest.fixture
def course(archive: Archive) -> Archive:
    """A whole document, a variant of it, and one that is its leaves alone; and another whole one."""
    archive.keep(NEURON, "neuron")
    archive.keep(NEURON.with_leaves({"x1": 2.0}), "neuron")
    again = NEURON.with_leaves({"x1": 3.0})
    archive.keep(again.with_run(again.replay()), "neuron", compact=True)
    archive.keep(XOR, "xor")
    return archive


def forms(archive: Archive) -> list[int]:
    with archive._database.reading() as connection:
        return [row.form for row in connection.execute(tables.body.select().order_by(tables.body.c.document))]


# Documents and bodies that are not what they say ---------------------------------------------------------------


def test_a_document_that_claims_another_digest(course: Archive, tmp_path: Path) -> None:
    assert forms(course) == [WHOLE, VARIANT, REPLAYED, WHOLE]
    zeros = f"x'{'00' * 32}'" if course._database.is_file else f"'\\x{'00' * 32}'::bytea"
    forge(course, f"UPDATE document SET digest = {zeros} WHERE id = 1")
    claims = "the document kept as sha256:000000000000 has the digest sha256:36d40a2520cf: " + DAMAGED
    for act in (
        lambda: course["neuron@1"],
        lambda: course["sha256:0000"],
        lambda: course["neuron@2"],  # it is packed beside that one
        lambda: course["neuron@3"],
        lambda: course.export(tmp_path / "bag"),
        lambda: course.find("contains:#neuron@1"),
    ):
        assert claims in said_by(act)
    assert not (tmp_path / "bag").exists()
    assert course["xor"].digest == XOR.digest
    judged = {each.reference: each.said for _, _, each in course.verify()}
    assert judged.pop("xor@1") == "exact"
    assert len(judged) == 3 and all(claims in said for said in judged.values())
    assert {fault.where.partition(",")[0] for fault in course.check(2).faults} == {"neuron@1", "neuron@2", "neuron@3"}
    if course._database.is_file:
        assert claims in said_by(lambda: mgraph.load(f"{course.name}#neuron@1"))


def test_two_documents_that_change_places(course: Archive) -> None:
    forge(
        course,
        "UPDATE body SET bytes = (SELECT bytes FROM body WHERE document = 4),"
        " size = (SELECT size FROM body WHERE document = 4) WHERE document = 1",
    )
    assert "the document kept as sha256:36d40a2520cf has the digest sha256:fb65b6923fc8" in said_by(
        lambda: course["neuron@1"]
    )


@pytest.mark.parametrize("form", [VARIANT, REPLAYED])
@pytest.mark.parametrize("base", [1, 2, 3, None])
def test_a_history_that_goes_in_a_circle(course: Archive, form: int, base: int | None) -> None:
    """Beside itself, beside one that is beside it, beside one that is not whole, and beside nothing."""
    forge(course, "UPDATE body SET base = 1 WHERE document = 2", form=form, base=base)
    assert f"a body is packed beside a document that is not whole: {DAMAGED}" in said_by(lambda: course["neuron@1"])
    assert f"a body is packed beside a document that is not whole: {DAMAGED}" in said_by(lambda: course["neuron@2"])
    assert len(course.check(2).faults) == 3


@pytest.mark.parametrize("form", [3, -1, 2**31 - 1])
def test_a_body_of_no_known_form(course: Archive, form: int) -> None:
    forge(course, form=form)
    assert f"a body is of form {form}, which this mgraph does not know" in said_by(lambda: course["neuron@1"])


def test_a_body_whose_dictionary_is_anothers(archive: Archive) -> None:
    contents = [json.dumps({"node": f"n{k % 40}", "data": k / 7, "op": "tanh"}).encode() * 3 for k in range(400)]
    mine, other = bodies.trained(contents[:200]), bodies.trained([each[::-1] for each in contents])
    assert mine and other
    archive.keep(NEURON, "neuron")
    content = canonical(NEURON.document)
    rows = {1: mine, 2: other, 3: mine[:8] + b"\xff" * 90, 4: b"no dictionary", 5: b""}
    with archive._database.writing() as connection:
        connection.execute(tables.dictionary.insert(), [{"id": k, "bytes": raw} for k, raw in rows.items()])
    for k in rows:
        forge(archive, dictionary=k, bytes=bodies.packed(content, mine, trained=True))
        if k == 1:
            assert archive["neuron"].digest == NEURON.digest
            continue
        said = said_by(lambda: archive["neuron"])
        assert (
            "a body cannot be unpacked: " in said or "the document kept as sha256:36d40a2520cf has the digest" in said
        )
        assert len(archive.check(2).faults) == 1


BOMB = """
import resource, sys
from mgraph.archive.archive import Archive
from mgraph.errors import FileError
with Archive(sys.argv[1]) as archive:
    archive["other"]
    room = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (150 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    for act in (lambda: archive["neuron@1"], lambda: archive["neuron@2"], lambda: archive.check(3).faults[0].said):
        try:
            print(act())
        except FileError as error:
            print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux tells it")
@pytest.mark.parametrize("form", [WHOLE, VARIANT, REPLAYED])
def test_a_bomb_takes_no_memory(course: Archive, form: int) -> None:
    """Of a gigabyte, in a process that may take 150 megabytes more."""
    course.keep(XOR, "other")
    size = 1 << 30
    pieces = zstandard.ZstdCompressor(level=3).compressobj(size=size)
    packed = b"".join([*(pieces.compress(b" " * (1 << 20)) for _ in range(size >> 20)), pieces.flush()])
    assert len(packed) < 200_000
    forge(course, form=form, base=None if form == WHOLE else 4, size=size, bytes=packed)
    done = subprocess.run(
        [sys.executable, "-c", BOMB, course._database._path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert "unpacks to 1,073,741,824 bytes, of at most " in first and "a decompression bomb?" in first
    assert "a decompression bomb?" in second if form == WHOLE else DAMAGED in second
    assert "a decompression bomb?" in third


def test_what_could_not_be_read_again_is_not_kept(archive: Archive) -> None:
    graph = NEURON.with_meta(description=" " * 30_000_000)
    assert "a body unpacks to 30," in said_by(lambda: archive.keep(graph, "neuron"))
    assert list(archive.list()) == []


# The file's own tables -----------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed archive in a file."""
    made = tmp_path / "course.mgraph"
    with Archive(made) as archive:
        archive.keep(NEURON, "neuron", tag="latest", labels={"author": "ada"})
        archive.keep(XOR, "xor", tag="latest")
    return made


def alter(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


ROOTS = "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = '{}') WHERE name = '{}'"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIRTUAL TABLE words USING fts5(text)",
        "UPDATE sqlite_master SET sql = 'CREATE VIEW posting AS SELECT 1 AS term, 1 AS document, 1 AS weight'"
        " WHERE name = 'posting'",
        "UPDATE sqlite_master SET sql = 'CREATE VIRTUAL TABLE term USING fts5(id, kind, text)' WHERE name = 'term'",
        "UPDATE sqlite_master SET sql = replace(sql, 'kind TEXT', 'kind TEXT AS (hex(id))') WHERE name = 'term'",
        "UPDATE sqlite_master SET type = 'view', sql = 'CREATE VIEW tag AS SELECT name, ''x'' AS tag, 1 AS version FROM"
        " label' WHERE name = 'tag'",
        "INSERT INTO sqlite_master VALUES ('trigger', 'x', 'tag', 0, 'CREATE TRIGGER x INSTEAD OF INSERT ON tag BEGIN"
        " SELECT 1; END')",
    ],
)
def test_a_table_that_is_something_else_is_refused(path: Path, statement: str) -> None:
    alter(path, statement)
    for act in (lambda: Archive(path), lambda: mgraph.load(f"{path}#neuron")):
        said = said_by(act)
        assert "is not an archive's; the file was altered, and nothing in it was run" in said or "damaged" in said, said


@pytest.mark.parametrize(
    ("name", "other"), [("posting", "term"), ("term", "posting"), ("tag", "label"), ("body", "info")]
)
def test_a_table_that_is_redirected_to_the_pages_of_another_is_found(path: Path, name: str, other: str) -> None:
    """What it then reads is no archive's: each answer is an error or the right document, and ``check`` says so."""
    alter(path, ROOTS.format(other, name))
    try:
        with Archive(path) as archive:
            for text in ("neuron", "tanh and not op:tanh", "tag:latest", "neu*"):
                try:
                    archive.find(text)
                    assert archive["neuron"].digest == NEURON.digest
                except FileError as error:
                    assert "\n" not in str(error)
            assert archive.check(3).faults
    except FileError as error:
        assert "damaged" in str(error) or "malformed" in str(error), str(error)


def test_an_index_that_leads_astray_is_found(course: Archive) -> None:
    """Its words lead to another document: that is what is found, unharmed, and ``check`` says so."""
    with course._database.writing() as connection:
        of = tables.posting.c
        connection.execute(tables.posting.delete().where(of.document == 4))
        ours = tables.posting.select().with_only_columns(of.term, literal(4), of.weight).where(of.document == 1)
        connection.execute(tables.posting.insert().from_select(["term", "document", "weight"], ours))
    assert {hit.name for hit in course.find("two inputs")} == {"neuron", "xor"}
    assert course["xor"].digest == XOR.digest
    (fault,) = course.check(3).faults
    assert fault.where.startswith("xor@1, sha256:fb65b6923fc8") and fault.said.startswith("the index is wrong about")


# Names and texts -----------------------------------------------------------------------------------------------

ODD = [
    "100%",
    "_",
    "a_b",
    "it's",
    'say "twice"',
    "'; DROP TABLE version; --",
    "') OR 1=1 --",
    "a\\b",
    "../../etc/passwd",
    "-rf",
    "*",
    "${HOME} {0} %s %(name)s",
    "übung/神经网络 🙂",
    "נוירון",
    "x" * 200,
    "🙂" * 200,
    "NULL",
]


def test_a_name_is_not_what_a_digest_begins_with(archive: Archive) -> None:
    with pytest.raises(FileError, match="'sha256' cannot be a name: a name is not the word that a digest begins with"):
        archive.keep(NEURON, "sha256")


def test_odd_names_are_names(archive: Archive, tmp_path: Path) -> None:
    for k, name in enumerate(ODD):
        archive.keep(NEURON.with_leaves({"x1": float(k)}), name, tag=name, labels={name: name}, note=name)
    assert [each.name for each in archive.list()] == sorted(ODD)
    for k, name in enumerate(ODD):
        assert archive[name].data["x1"] == archive[f"{name}@1"].data["x1"] == archive[f"{name}:{name}"].data["x1"] == k
        shown = archive.show(name)
        assert (shown.tags, dict(shown.labels), shown.note) == ([name], {name: name}, name)
        asked = [f'tag:"{name}"', *([f'label:"{name}={name}"', f'label:"{name}"'] if "=" not in name else [])]
        asked += [f'name:"{name}"'] if not name.endswith("*") else []
        for text in asked if '"' not in name else ():
            assert {hit.name for hit in archive.find(text)} == {name}, text
    assert archive.check(3).faults == []
    archive.export(tmp_path / "bag.zip")
    with Archive(tmp_path / "back.mgraph") as back:
        back.import_(tmp_path / "bag.zip")
        assert back.list() == archive.list()


@pytest.mark.parametrize("odd", ["a\0b", "a\ud800b"])
def test_texts_that_no_database_holds_are_refused_by_both(archive: Archive, odd: str, monkeypatch: MonkeyPatch) -> None:
    archive.keep(NEURON, "neuron")
    character = repr(odd[1])
    for act in (
        lambda: archive.keep(XOR, odd),
        lambda: archive.keep(XOR, "neuron", tag=odd),
        lambda: archive.keep(XOR, "neuron", labels={"key": odd}),
        lambda: archive.keep(XOR, "neuron", labels={odd: "value"}),
        lambda: archive.keep(XOR, "neuron", note=odd),
        lambda: archive.keep(XOR, "neuron", source={"file": odd}),
        lambda: archive.label("neuron", {"key": odd}),
        lambda: archive.tag("neuron", odd),
        lambda: archive.find(f"label:{odd}"),
        lambda: list(archive.verify(odd)),
        lambda: archive.list(odd),
        lambda: archive[odd],
    ):
        assert f"no text has a character {character}" in said_by(act)
    with pytest.raises(TypeError, match="a label's value is a str, not int"):
        archive.label("neuron", {"key": 5})  # type: ignore[dict-item]
    if odd == "a\ud800b":
        monkeypatch.setenv("MGRAPH_USER", "a\udce4b")  # as Python has the bytes of a user's name that are not UTF-8
        assert "cannot be a user's name" in said_by(lambda: archive.keep(XOR, "neuron"))
    assert [each.number for each in archive.list()] == [1]


def test_a_document_with_a_nul_is_kept_and_found_by_both(archive: Archive) -> None:
    x = Value(1.0, name="in\0put")
    graph = mgraph.record(x * x, title="A\0Title", meta={"description": "des\0cription", "source": "nobody\0"})
    archive.keep(graph, "nul")
    (hit,) = archive.find("title and cription and input:in\ufffdput")
    assert hit.title == "A\ufffdTitle" and archive["nul"].document == graph.document
    document = graph.document
    document["nodes"][-1]["data"] = 7.0
    archive.keep(mgraph.Graph(document), "wrong")
    assert [each.ok for *_, each in archive.verify()] == [False, True]
    assert archive.check(4).faults[0].level == 4 and archive.check(3).faults == []


def test_marks_that_turn_a_line_around_are_not_printed(archive: Archive) -> None:
    with pytest.raises(FileError, match="cannot be a name"):
        archive.keep(NEURON, "a\u202eb")
    archive.keep(NEURON.with_meta(title="ti\u202etle"), "neuron", labels={"k": "v\u202e\x1b[31m"}, note="n\u202e")
    text = "\n".join(plain(each) for each in lines(telling.details(archive.show("neuron"))))
    assert not {"\u202e", "\x1b"} & set(text + str(archive.find("")))
    assert [hit.name for hit in archive.find("label:k=v\u202e\x1b[31m")] == ["neuron"]
