"""``check`` finds what is damaged, says what it did not look at, and mends from another archive."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT, SMALL
from sqlalchemy import delete, select

import mgraph
from mgraph.archive import bodies, tables
from mgraph.archive.archive import Archive
from mgraph.archive.lots import put
from mgraph.errors import FileError

NEURON = mgraph.load(ROOT / "samples/neuron.json")


@pytest.fixture
def course(archive: Archive) -> Archive:
    for path in SMALL:
        archive.keep(mgraph.load(path), path.stem, tag="lesson-1", labels={"author": "ada"})
    for k in range(3):
        archive.keep(NEURON.with_leaves({"x1": float(k)}), "neuron", compact=k == 2)
    archive.keep(NEURON, "tanh of a kind")
    return archive


def replace_body(archive: Archive, name: str, content: bytes) -> None:
    with archive._database.writing() as connection:
        number = connection.execute(select(tables.version.c.document).where(tables.version.c.name == name)).scalar()
        connection.execute(delete(tables.body).where(tables.body.c.document == number))
        row = {"document": number, "form": 0, "base": None, "dictionary": None, "size": len(content)}
        put(connection, tables.body, [{**row, "bytes": bodies.packed(content)}])


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_a_sound_archive(course: Archive, level: int) -> None:
    found = course.check(level)
    assert found.faults == [] and found.ok
    assert found.documents == (0 if level == 1 else len(SMALL) + 3)
    assert [said for said in found.unchecked if "level" in said] == [
        f"{what} (level {each})"
        for each, what in [
            (2, "the bytes of documents"),
            (3, "what is derived from documents"),
            (4, "whether documents still come out"),
        ]
        if each > level
    ]
    assert (
        found.unchecked[-1]
        == "notes, sources, times, what the log says and past verdicts, of which there is no second copy"
    )


def test_a_name_weighs_as_much_whenever_it_is_given(course: Archive) -> None:
    """A word of a node's that becomes a word of a name's, and a document whose name is pruned."""
    course.keep(mgraph.load(ROOT / "samples/tanh.json"), "a d x1 zebra")
    assert course.check().faults == []
    course.forget("a d x1 zebra")
    course.prune("2999-01-01T00:00:00Z")
    assert course.check().faults == []
    assert course.find("zebra") == []


def test_the_set_of_what_was_checked_grows(course: Archive) -> None:
    total = len(SMALL) + 3
    for rest in range(total - 3, 0, -3):
        found = course.check(2, limit=3)
        assert f"{rest:,} documents that no check of level 2 has found sound" in found.unchecked
    assert not [said for said in course.check(2, limit=3).unchecked if "has found sound" in said]


def test_a_document_that_claims_another_digest(course: Archive) -> None:
    replace_body(course, "xor", NEURON.to_bytes())
    (fault,) = course.check(2).faults
    assert (fault.level, fault.where[:6]) == (2, "xor@1,")
    assert "has the digest sha256:" in fault.said
    with pytest.raises(FileError, match="the archive is damaged or was altered"):
        course["xor"]


def test_what_is_derived_is_compared(course: Archive) -> None:
    with course._database.writing() as connection:
        word = select(tables.term.c.id).where(tables.term.c.text == "xor").scalar_subquery()
        connection.execute(tables.posting.update().where(tables.posting.c.term == word).values(weight=3))
    assert course.check(2).faults == []
    faults = course.check(3).faults
    assert faults and {fault.said for fault in faults} == {"the index is wrong about the word 'xor'"}
    assert course.check(3, repair=course).ok
    assert course.check(3).faults == []


def test_what_does_not_come_out(course: Archive) -> None:
    document = NEURON.document
    next(node for node in document["nodes"] if node["id"].startswith("tanh"))["data"] += 1e-9
    course.keep(mgraph.Graph(document), "altered")
    assert course.check(3).faults == []
    (fault,) = course.check(4).faults
    assert (fault.level, fault.where[:9]) == (4, "altered@1")
    assert [hit.name for hit in course.find("failing:")] == ["altered"]


def test_repair_from_another_archive(course: Archive, tmp_path) -> None:
    with Archive(tmp_path / "other.mgraph") as other:
        other.keep(mgraph.load(ROOT / "samples/xor.json"), "elsewhere")
        replace_body(course, "xor", NEURON.to_bytes())
        replace_body(course, "tanh", NEURON.to_bytes())
        found = course.check(2, repair=other)
        assert sorted((fault.where.split("@")[0], fault.repaired) for fault in found.faults) == [
            ("tanh", False),
            ("xor", True),
        ]
        assert any("other.mgraph: this document is not in it" in fault.said for fault in found.faults)
        assert course["xor"].to_bytes() == (mgraph.load(ROOT / "samples/xor.json")).to_bytes()
        other.keep(mgraph.load(ROOT / "samples/tanh.json"), "t")
        assert course.check(2, repair=other).ok
    assert course.check(3).faults == []


def test_a_table_and_its_index_that_disagree_are_not_repaired(tmp_path: Path) -> None:
    """Nothing tells which of them is right: an index made anew would prove a name with a flipped bit."""
    path, name = tmp_path / "a.mgraph", b"quaggaquagga"
    with Archive(path) as archive, Archive(tmp_path / "b.mgraph") as other:
        for each in (archive, other):
            each.keep(NEURON, name.decode())
    raw, disagreed = path.read_bytes(), 0
    for k in [k for k in range(len(raw)) if raw.startswith(name, k)]:
        path.write_bytes(raw[:k] + bytes([raw[k] ^ 2]) + raw[k + 1 :])
        with Archive(path) as archive, Archive(tmp_path / "b.mgraph") as other:
            if any(" index " in fault.said for fault in archive.check(1).faults):
                assert not archive.check(3, repair=other).ok and not archive.check(1).ok
                disagreed += 1
    assert disagreed >= 2


def test_postgresql_checks_its_indexes(postgres: str) -> None:
    with Archive(postgres) as archive:
        archive.keep(NEURON, "neuron")
        assert any("amcheck is not installed" in said for said in archive.check(1).unchecked)
        with archive._database.writing() as connection:
            connection.exec_driver_sql("CREATE EXTENSION amcheck")
        found = archive.check(1)
        assert found.faults == [] and not any("amcheck" in said for said in found.unchecked)
