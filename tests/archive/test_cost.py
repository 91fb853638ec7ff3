"""What the archive asks of its database: statements, counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mgraph import Value, record
from mgraph.archive.archive import Archive
from mgraph.archive.keeping import Offer
from mgraph.archive.parcels import prepared

COUNT = 130


@contextmanager
def asked(archive: Archive, about: str) -> Iterator[list[str]]:
    """The SELECT statements about something that an archive's only connection runs meanwhile."""
    found: list[str] = []

    def note(statement: str) -> None:
        if statement.startswith("SELECT") and about in statement:
            found.append(statement)

    with archive._database.driver() as connection:
        connection.set_trace_callback(note)
    yield found
    with archive._database.driver() as connection:
        connection.set_trace_callback(None)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Archive]:
    """Documents of different structures, each a sum of squares, and a variant of the first."""
    graphs = {}
    for k in range(COUNT):
        x = total = Value(0.5, name="x")
        for _ in range(k + 1):
            total = total + x * x
        total.backward()
        graphs[f"sum/{k}"] = record(total)
    graphs["variant"] = graphs["sum/0"].with_leaves({"x": 2.0})
    with Archive(tmp_path / "course.mgraph") as archive:
        archive.keep_all(Offer(prepared(graph._wiring), name, {}) for name, graph in graphs.items())
        yield archive


def test_a_name_is_read_in_one_statement(full: Archive) -> None:
    with asked(full, "") as statements:
        assert full.get("sum/3").data["x"] == 0.5
    assert len(statements) == 1


def test_a_variant_is_read_in_two(full: Archive) -> None:
    with asked(full, "") as statements:
        assert full.get("variant").data["x"] == 2.0
    assert len(statements) == 2


def test_documents_are_verified_in_lots(full: Archive) -> None:
    with asked(full, "body.bytes") as statements:
        assert len(list(full.verify())) == COUNT + 1
    assert len(statements) == 2  # the lot, and the base of the variant's


def test_candidates_are_matched_in_lots(full: Archive, tmp_path: Path) -> None:
    x = Value(1.0, name="x")
    record(x + x * x).save(tmp_path / "pattern.json")
    query = f"contains:{tmp_path / 'pattern.json'}"
    with asked(full, "body.bytes") as few:
        assert len(full.find(query, limit=20)) == 20
    with asked(full, "body.bytes") as all_:
        assert len(full.find(query, limit=None)) == COUNT + 1
    assert len(few) <= 2
    assert len(all_) <= 4  # 25, 50, 100 and one for a base


def test_a_server_counts_what_its_plans_go_by_after_many_were_kept(postgres: str) -> None:
    """It would do so by itself a minute later, and plan every query until then as if there were next to nothing."""
    with Archive(postgres) as archive:
        graphs = [record(Value(float(k), name="x").tanh()) for k in range(500)]
        archive.keep_all([Offer(prepared(graph._wiring), f"{k}", {}) for k, graph in enumerate(graphs)])
        with archive._database.reading() as connection:
            rows = connection.exec_driver_sql("SELECT reltuples FROM pg_class WHERE relname = 'document'").scalar()
    assert rows == 500
