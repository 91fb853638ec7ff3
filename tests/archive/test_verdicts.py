"""Verdicts are kept, and a verification that was killed goes on where it was."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from conftest import ROOT, SMALL
from sqlalchemy import Connection

import mgraph
from mgraph.archive import tables, verdicts
from mgraph.archive.archive import Archive
from mgraph.archive.finding import find
from mgraph.archive.hits import Hit
from mgraph.errors import MgraphError


def altered() -> mgraph.Graph:
    document = mgraph.load(ROOT / "samples/neuron.json").document
    next(node for node in document["nodes"] if node["id"].startswith("tanh"))["data"] += 1e-9
    return mgraph.Graph(document)


@pytest.fixture
def course(archive: Archive) -> Archive:
    for path in SMALL:
        archive.keep(mgraph.load(path), path.stem)
    archive.keep(altered(), "altered")
    return archive


def test_verdicts_are_kept(course: Archive) -> None:
    found = list(course.verify())
    assert [(done, of) for done, of, _ in found] == [(k, len(SMALL) + 1) for k in range(1, len(SMALL) + 2)]
    by_name = {each.reference: each for _, _, each in found}
    assert {name for name, each in by_name.items() if not each.ok} == {"altered@1"}
    assert by_name["altered@1"].node.startswith("tanh(") and "(data, " in by_name["altered@1"].said
    assert by_name["neuron@1"].verdict == "exact"
    assert [hit.name for hit in course.find("failing:")] == ["altered"]
    assert "neuron" in {hit.name for hit in course.find("verified:exact", limit=None)}
    assert course.find("verified:never") == []
    (past,) = course.verdicts("altered")
    assert (past.number, past.verdict, past.mgraph) == (1, "differs", mgraph.__version__)


def test_a_new_version_is_judged_anew(course: Archive) -> None:
    list(course.verify())
    course.keep(mgraph.load(ROOT / "samples/tanh.json"), "altered")
    assert list(course.verify("name:altered", max_age=timedelta(days=30))) == []  # it is tanh's document, judged above
    assert sorted((past.number, past.verdict) for past in course.verdicts("altered")) == [(1, "differs"), (2, "exact")]


def test_what_was_judged_lately_is_left_out(course: Archive) -> None:
    list(course.verify("op:tanh"))
    rest = [each.reference for _, _, each in course.verify(max_age=timedelta(days=30))]
    assert sorted(rest) == sorted(f"{hit.name}@1" for hit in course.find("not op:tanh", limit=None))
    assert list(course.verify(max_age=timedelta(days=30))) == []
    assert len(list(course.verify())) == len(SMALL) + 1


def test_a_verification_that_did_not_end_goes_on(course: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "_LOT", 2)
    begun = course.verify()
    seen = [next(begun)[2].reference for _ in range(3)]  # the lot of the third is written too
    begun.close()
    rest = [each.reference for _, _, each in course.verify()]
    assert len(rest) == len(SMALL) + 1 - 4 and not {*rest} & {*seen}
    assert len(list(course.verify())) == len(SMALL) + 1


def die(content: bytes, differences: bool) -> None:
    os._exit(9)


def test_a_process_that_is_killed_is_told(course: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "judged", die)
    with pytest.raises(MgraphError, match="a process of several jobs was killed"):
        list(course.verify(jobs=2))


def test_processes_judge_alike(course: Archive) -> None:
    alone = [each._replace(seconds=0) for _, _, each in course.verify()]
    together = [each._replace(seconds=0) for _, _, each in course.verify(jobs=2)]
    assert alone == together


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_damaged_document_keeps_no_other_from_being_judged(course: Archive, jobs: int) -> None:
    with course._database.writing() as connection:
        damaged = course.find("name:tanh")[0].document
        body = connection.execute(tables.body.select().where(tables.body.c.document == damaged)).mappings().one()
        connection.execute(tables.body.delete().where(tables.body.c.document == damaged))
        connection.execute(tables.body.insert(), [{**body, "bytes": b"?"}])
    found = [each for _, _, each in course.verify(jobs=jobs)]
    assert len(found) == len(SMALL) + 1
    (said,) = [each.said for each in found if each.reference == "tanh@1"]
    assert said.startswith("damaged: a body cannot be unpacked")
    assert course.verdicts("tanh") == [] and course.find("verified:never")[0].name == "tanh"


def test_what_was_judged_without_differences_is_not_done(course: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "_LOT", 2)
    begun = course.verify(differences=False)
    next(begun)
    begun.close()
    assert len(list(course.verify())) == len(SMALL) + 1


def test_a_verdict_is_shown_with_every_version_that_holds_the_document(archive: Archive) -> None:
    tanh, neuron = (mgraph.load(ROOT / f"samples/{name}.json") for name in ("tanh", "neuron"))
    for graph in (neuron, tanh, neuron):
        archive.keep(graph, "lesson")
    list(archive.verify())
    shown = [archive.show(f"lesson@{k}").verdict for k in (1, 2, 3)]
    assert [(past.number, past.verdict) for past in shown if past] == [(1, "exact"), (2, "exact"), (3, "exact")]


def test_others_may_write_while_a_verification_looks_for_its_documents(
    course: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looking(connection: Connection, query: str, limit: int | None) -> list[Hit]:
        course.keep(mgraph.load(ROOT / "samples/tanh.json"), "kept meanwhile")
        return find(connection, query, limit)

    monkeypatch.setattr(verdicts, "find", looking)
    assert len(list(course.verify())) == len(SMALL) + 1
    assert course["kept meanwhile"]
