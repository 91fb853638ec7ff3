"""No statement reads a whole table where the archive's size would decide what one document costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from sqlalchemy import event

import mgraph
from mgraph.archive import tables
from mgraph.archive.archive import Archive

NEURON = mgraph.load(ROOT / "samples/neuron.json")


def test_what_is_removed_is_found_by_an_index_wherever_it_is_referred_to() -> None:
    """Else the database scans the referring table for each row that is removed."""
    for table in tables.metadata.sorted_tables:
        first = {next(iter(index.columns)).name for index in table.indexes} | {next(iter(table.primary_key)).name}
        for key in table.foreign_keys:
            assert key.parent.name in first or key.column.table.name == "dictionary", key  # no dictionary is removed


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "course.mgraph") as made:
        for k in range(5):
            made.keep(NEURON.with_leaves({"x1": float(k)}), f"lesson/{k}", tag="exam", labels={"author": "ada"})
        yield made


def scanned(archive: Archive, act: object) -> set[str]:
    """The tables that the statements of ``act`` read from the first row to the last."""
    found: set[str] = set()

    def plan(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith(("SELECT", "DELETE")):
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found.update(row[3].split()[1] for row in rows if row[3].startswith("SCAN"))

    event.listen(archive._database._engine, "before_cursor_execute", plan)
    act()
    event.remove(archive._database._engine, "before_cursor_execute", plan)
    return found & set(tables.metadata.tables) - {"dictionary"}  # which has one row at most


@pytest.mark.parametrize(
    "act",
    [
        lambda archive: archive["lesson/1@1"],
        lambda archive: archive["lesson/1:exam"],
        lambda archive: archive.show("lesson/1"),
        lambda archive: archive.log("lesson/1"),
        lambda archive: archive.verdicts("lesson/1"),
        lambda archive: archive.keep(NEURON.with_leaves({"x1": 9.0}), "a new one", tag="exam"),
        lambda archive: archive.tag("lesson/1", "other"),
        lambda archive: archive.label("lesson/1", {"author": None}),
        lambda archive: archive.forget("lesson/1"),
    ],
    ids=["version", "tag", "show", "log", "verdicts", "keep", "set tag", "set label", "forget"],
)
def test_one_document_costs_no_scan(archive: Archive, act: object) -> None:
    assert scanned(archive, lambda: act(archive)) == set()


def test_a_check_reads_the_postings_once_a_lot(archive: Archive) -> None:
    counts = []

    def count(connection: object, cursor: object, statement: str, *_: object) -> None:
        counts.append("LEFT OUTER JOIN term" in statement)

    event.listen(archive._database._engine, "before_cursor_execute", count)
    assert archive.check(3).documents == 5
    assert sum(counts) == 1
