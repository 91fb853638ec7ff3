"""Kills, crowds, full disks, damaged and hostile files: nothing is lost, and each fault has an exact message."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, SMALL
from databases import as_nobody

import mgraph
from mgraph.archive import database, keeping, migrating
from mgraph.archive.archive import Archive
from mgraph.archive.keeping import Offer
from mgraph.archive.moments import now
from mgraph.archive.parcels import prepared
from mgraph.errors import FileError

NEURON = mgraph.load(ROOT / "samples/neuron.json")
SCRIPT = ROOT / "exactness/archive_safety.py"
unix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed archive in a file, without a write-ahead log."""
    made = tmp_path / "course.mgraph"
    with Archive(made) as archive:
        for each in SMALL:
            archive.keep(mgraph.load(each), each.stem)
        archive.keep(NEURON, "quaggaquagga", tag="quaggatag", labels={"quaggakey": "quaggavalue"})
    return made


def said_by(act: Callable[[], object]) -> str:
    with pytest.raises(FileError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@unix
@pytest.mark.slow
@pytest.mark.parametrize("trial", [["kill", "--times", "15"], ["crowd", "--seconds", "3"]], ids=["kill", "crowd"])
def test_nothing_is_lost(trial: list[str], url: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, SCRIPT, *trial, "--url", url], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr


# Files that are in the way -----------------------------------------------------------------------------------


@unix
def test_a_read_only_archive_is_read_and_not_written() -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's folders are closed to other users
    try:
        with Archive(folder / "a.mgraph") as archive:
            archive.keep(NEURON, "neuron")
        (folder / "a.mgraph").chmod(0o444)
        folder.chmod(0o555)

        def work() -> str:
            with Archive(folder / "a.mgraph") as archive:
                assert archive["neuron"].digest == NEURON.digest
                assert archive.check(3).ok
                archive.keep(NEURON, "other")
            return "no error"

        child, pipe = as_nobody(work)
        os.waitpid(child, 0)
        with os.fdopen(pipe) as told:
            said = told.read()
        assert said.startswith("FileError: ")
        assert said.endswith("this archive cannot be written: the file or its folder is read-only")
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_file_that_was_replaced(path: Path, tmp_path: Path) -> None:
    with Archive(tmp_path / "other.mgraph") as other:
        other.keep(NEURON, "neuron")
    with Archive(path) as archive:
        assert archive["neuron"]
        os.replace(tmp_path / "other.mgraph", path)
        assert said_by(lambda: archive["neuron"]) == (
            f"{path}: the file was replaced by another while it was in use; open it again"
        )
        path.unlink()
        assert said_by(lambda: archive.keep(NEURON, "x")) == f"{path}: the file was removed while it was in use"


@pytest.mark.parametrize("left", [10, 60, 100, 1_000, 4_096, 20_480, 60_001])
def test_a_file_that_was_cut_short(path: Path, left: int) -> None:
    raw = path.read_bytes()
    assert len(raw) > left
    path.write_bytes(raw[:left])

    def look() -> None:
        with Archive(path) as archive:
            if faults := archive.check(3).faults:
                raise FileError(f"{path}: {faults[0].said}")

    said = said_by(look)
    assert any(
        part in said
        for part in ("cut short", "damaged", "malformed", "not an archive", "out of order", "invalid page", "no longer")
    ), said


@pytest.mark.parametrize("what", [b"quaggaquagga", b"quaggatag", b"quaggakey", b"quaggavalue"])
def test_a_flipped_bit_in_a_name_or_an_index(path: Path, what: bytes) -> None:
    raw = path.read_bytes()
    places = [k for k in range(len(raw)) if raw.startswith(what, k) and raw[k - 1 : k] != b'"']  # the log has one copy
    assert len(places) >= 2  # in its table, and in the index of it
    missed = []
    for k in places:
        path.write_bytes(raw[: k + 3] + bytes([raw[k + 3] ^ 2]) + raw[k + 4 :])
        with Archive(path) as archive:
            if not archive.check(3).faults:
                missed.append(raw[max(0, k - 60) : k + 60])
    assert missed == []


def test_a_flipped_bit_in_a_document(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        bodies = [raw for (raw,) in connection.execute("SELECT bytes FROM body")]
    connection.close()
    raw = path.read_bytes()
    for body in bodies:
        # a large body is spread over pages: its first bytes are in one piece
        at = raw.index(body[:40])
        k = at + 30
        path.write_bytes(raw[:k] + bytes([raw[k] ^ 16]) + raw[k + 1 :])
        with Archive(path) as archive:
            faults = archive.check(2).faults
        assert faults
        for fault in faults:  # a whole document's, and those packed beside it
            assert fault.level == 2
            assert "cannot be unpacked" in fault.said or "has the digest" in fault.said


def test_a_flipped_bit_anywhere_is_found_or_does_nothing(path: Path) -> None:
    """No flip may go unnoticed and change what is read."""
    import random

    raw = path.read_bytes()
    rng = random.Random(7)
    for _ in range(60):
        k = rng.randrange(len(raw))
        path.write_bytes(raw[:k] + bytes([raw[k] ^ (1 << rng.randrange(8))]) + raw[k + 1 :])
        try:
            with Archive(path) as archive:
                if archive.check(3).faults:
                    continue
                for each in SMALL:
                    assert archive[each.stem].digest == mgraph.load(each).digest
        except FileError as error:
            assert "\n" not in str(error)


# Hostile files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("ALTER TABLE label RENAME TO kept; CREATE VIEW label AS SELECT * FROM kept", "the table 'kept'"),
        ("DROP TABLE label; CREATE VIEW label AS SELECT 'a' AS name, 'b' AS key, 'c' AS value", "the view 'label'"),
        ("CREATE TRIGGER t AFTER INSERT ON tag BEGIN DELETE FROM version; END", "the trigger 't'"),
        ("DROP TRIGGER body_is_history; CREATE TRIGGER body_is_history BEFORE UPDATE ON body BEGIN SELECT 1; END",
         "the trigger 'body_is_history'"),
        ("ALTER TABLE label ADD COLUMN more GENERATED ALWAYS AS (hex(name)) VIRTUAL",
         "the table 'label'"),
        ("DROP TABLE label; CREATE VIRTUAL TABLE label USING fts5(name, key, value)", "the table 'label'"),
    ],
)  # fmt: skip
def test_a_file_with_sql_of_its_own(path: Path, sql: str, what: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(sql)
    connection.close()
    said = said_by(lambda: Archive(path))
    assert said == f"{path}: {what} is not an archive's; the file was altered, and nothing in it was run"
    assert what in said_by(lambda: mgraph.load(f"{path}#neuron"))


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("CREATE INDEX slow ON label (hex(name))", "the index 'slow'"),
        ("CREATE INDEX slow ON label (name) WHERE hex(name) > ''", "the index 'slow'"),
        ("DROP TABLE checked; CREATE TABLE checked (document INTEGER CHECK (hex(document)))", "the table 'checked'"),
        ("DROP TABLE checked; CREATE TABLE checked (document INTEGER DEFAULT/**/(hex(1)))", "the table 'checked'"),
    ],
)
def test_a_file_that_computes_unasked(path: Path, sql: str, what: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(sql)
    connection.close()
    assert f"{what} is not an archive's" in said_by(lambda: Archive(path))


def test_a_missing_trigger_is_found(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER body_is_history")
    connection.close()
    with Archive(path) as archive:
        assert [fault[1:3] for fault in archive.check(1).faults] == [
            ("table body", "the trigger that refuses changes is gone")
        ]


def test_a_body_that_claims_to_be_enormous(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER body_is_history")
        connection.execute(f"UPDATE body SET size = {1 << 40}")
    connection.close()
    with Archive(path) as archive:
        assert "a body says that it unpacks to 1,099,511,627,776 bytes" in said_by(lambda: archive["neuron"])


def test_references_that_lead_nowhere(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM body WHERE document = 1")
        connection.execute("DELETE FROM version WHERE name = 'quaggaquagga'")
    connection.close()
    with Archive(path) as archive:
        found = {fault[1:3] for fault in archive.check(1).faults}
    assert {
        ("table tag", "1 of its rows have no version"),
        ("table tag", "1 of its rows have no version of its name"),
        ("table label", "1 of its rows have no name"),
        ("table document", "1 of its rows have no body"),
    } <= found


# A full disk, other versions ---------------------------------------------------------------------------------


def test_a_full_disk(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=600k", "tmpfs", small], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("may not mount a small file system")
    try:
        (small / "ballast").write_bytes(bytes(50_000))
        with Archive(small / "a.mgraph") as archive:
            archive.keep(NEURON, "neuron")
            said = said_by(lambda: [archive.keep(NEURON.with_leaves({"x1": float(k)}), f"n{k}") for k in range(2_000)])
            assert said == f"{small / 'a.mgraph'}: the disk is full; nothing was kept"
            assert archive["neuron"].digest == NEURON.digest
        (small / "ballast").unlink()  # a check notes what it has checked
        with Archive(small / "a.mgraph") as archive:
            assert archive.check(3).faults == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_an_archive_of_a_newer_version(url: str) -> None:
    with Archive(url) as archive, archive._database.writing() as connection:
        connection.exec_driver_sql("UPDATE info SET value = '7' WHERE key = 'schema'")
    assert "an archive of version 7; this mgraph reads version 1. Install an mgraph" in said_by(lambda: Archive(url))


REVISION = '''"""A made-up revision."""
from alembic import op
revision, down_revision = "2", "1"
def upgrade():
    op.execute("ALTER TABLE label ADD COLUMN why TEXT NOT NULL DEFAULT ''")
    {}
'''


def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: str) -> None:
    shutil.copytree(migrating.SCRIPTS, tmp_path / "migrations")
    (tmp_path / "migrations/versions/0002_why.py").write_text(REVISION.format(rest))
    monkeypatch.setattr(migrating, "SCRIPTS", tmp_path / "migrations")
    monkeypatch.setattr(migrating, "SCHEMA", 2)
    monkeypatch.setattr(database, "SCHEMA", 2)


def test_a_file_is_upgraded_when_it_is_opened(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next_version(tmp_path, monkeypatch, "pass")
    with Archive(path) as archive:
        assert archive["neuron"].digest == NEURON.digest
        with archive._database.reading() as connection:
            assert connection.exec_driver_sql("SELECT why FROM label").scalar() == ""
    assert Path(f"{path}.before-2").exists()
    with Archive(path) as archive:
        assert archive.check(1).faults == []


def test_an_upgrade_that_fails_changes_nothing(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        next_version(tmp_path, patched, 'op.execute("INSERT INTO label (nothing) VALUES (1)")')
        assert "nothing" in said_by(lambda: Archive(path))
    with Archive(path) as archive:
        assert archive.check(3).faults == []


def test_a_server_is_upgraded_only_when_asked(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Archive(postgres) as archive:
        archive.keep(NEURON, "neuron")
    next_version(tmp_path, monkeypatch, "pass")
    assert "mgraph archive upgrade" in said_by(lambda: Archive(postgres))
    database.Database(postgres, upgrade=True).close()
    with Archive(postgres) as archive:
        assert archive["neuron"].digest == NEURON.digest


def test_a_server_whose_transactions_are_snapshots_by_default(postgres: str) -> None:
    """A writer that waited for another must see what that has written."""
    with (
        Archive(postgres) as first,
        Archive(f"{postgres}&options=-cdefault_transaction_isolation=serializable") as second,
    ):
        first.keep(NEURON, "neuron")
        waiting = threading.Thread(target=second.keep, args=(NEURON.with_leaves({"x1": 7.0}), "neuron"))
        with first._database.writing() as connection:
            offer = Offer(prepared(NEURON.with_leaves({"x1": 8.0})._wiring), "neuron", {})
            keeping.keep(connection, now(), [offer])
            waiting.start()
            while not connection.exec_driver_sql(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ).first():
                time.sleep(0.01)
        waiting.join()
        assert [first[f"neuron@{k}"].data["x1"] for k in (2, 3)] == [8.0, 7.0]
