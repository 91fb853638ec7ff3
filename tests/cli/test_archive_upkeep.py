"""``mgraph archive check``, ``export``, ``import``, ``copy`` and ``upgrade``, mostly on both databases."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from archive.test_safety import next_version
from conftest import ROOT, SMALL, Cli
from databases import Run
from sqlalchemy import delete, select

import mgraph
from mgraph.archive import tables
from mgraph.archive.archive import Archive
from mgraph.archive.lots import put

NEURON = mgraph.load(ROOT / "samples/neuron.json")


@pytest.fixture
def course(do: Run) -> Run:
    assert do("keep", *SMALL, "--tag", "lesson-1", "--label", "author=ada").returncode == 0
    return do


def flip_a_bit(url: str, name: str) -> None:
    """In the body of a document, past what guards it."""
    of = tables.body.c
    with Archive(url) as archive, archive._database.writing() as connection:
        version = select(tables.version.c.document).where(tables.version.c.name == name)
        row = dict(connection.execute(select(tables.body).where(of.document.in_(version))).mappings().one())
        connection.execute(delete(tables.body).where(of.document == row["document"]))
        raw = bytearray(row["bytes"])
        raw[len(raw) // 2] ^= 8
        put(connection, tables.body, [{**row, "bytes": bytes(raw)}])


def held(url: str) -> dict[str, str]:
    with Archive(url) as archive:
        return {each.name: each.digest for each in archive.list()}


def elsewhere(call: Cli, name: str) -> str:
    assert call("archive", "init", name).returncode == 0
    return name


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What was printed, where no line is broken."""
    return " ".join(done.stdout.split())


# check -------------------------------------------------------------------------------------------------------


def test_a_sound_archive(course: Run) -> None:
    done = course("check", "--level", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == (
        f"checked: the database and its references; the digests of {len(SMALL)} documents; what is"
    )
    assert done.stdout.endswith("nothing is damaged\n")
    assert "(level" not in done.stdout
    assert "not checked: whether documents still come out (level 4)\n" in course("check").stdout
    limited = json.loads(course("check", "--level", "2", "--limit", "2", "--json").stdout)
    assert (limited["level"], limited["documents"], limited["ok"], limited["faults"]) == (2, 2, True, [])
    assert limited["archive"].endswith("course.mgraph") or limited["archive"].startswith("postgresql://")


def test_a_flipped_bit_is_found_and_repaired_from_another_archive(course: Run, call: Cli, url: str) -> None:
    assert course("copy", elsewhere(call, "other.mgraph")).returncode == 0
    before = held(url)
    flip_a_bit(url, "xor")
    done = course("check")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("damaged: xor@1, sha256:") and done.stdout.endswith("\n1 fault\n")
    done = course("check", "--repair", "--from", "other.mgraph", "--json")
    assert done.returncode == 0
    (fault,) = json.loads(done.stdout)["faults"]
    assert (fault["level"], fault["repaired"]) == (2, True)
    assert course("check").returncode == 0 and held(url) == before
    assert json.loads(course("get", "xor").stdout) == json.loads((ROOT / "samples/xor.json").read_text())


def test_a_damaged_document_is_told_as_such_until_it_is_repaired(course: Run, call: Cli, url: str) -> None:
    other = elsewhere(call, "other.mgraph")
    course("copy", other)
    flip_a_bit(url, "neuron")
    for _ in range(2):  # no verdict is kept on it, so nothing of it is left when it is repaired
        done = course("verify", "-q", "--max-age", "1d")
        assert done.returncode == 2 and "1 damaged" in done.stdout.splitlines()[-1]
    assert course("check", "--repair", "--from", other).returncode == 0
    assert course("verify", "-q", "--max-age", "1d").returncode == 0
    assert "differs" not in course("log", "neuron", "--verdicts").stdout


def test_what_the_other_archive_does_not_hold_stays_damaged(course: Run, call: Cli, url: str) -> None:
    flip_a_bit(url, "xor")
    done = course("check", "--repair", "--from", elsewhere(call, "empty.mgraph"))
    assert done.returncode == 1
    assert "it could not be repaired: empty.mgraph: this document is not in it checked: " in said(done)
    assert "not checked: 1 document that no check of level 3 has found sound not checked: " in said(done)
    assert said(done).endswith(" 1 fault")


def test_a_number_that_does_not_come_out_differs(course: Run, tmp_path: Path) -> None:
    document = NEURON.document
    next(node for node in document["nodes"] if node["id"].startswith("tanh"))["data"] += 1e-9
    mgraph.Graph(document).save(tmp_path / "altered.json")
    course("keep", "altered.json")
    done = course("check", "--level", "4")
    assert done.returncode == 1 and done.stdout.startswith("differs: altered@1, sha256:")
    assert course("check", "--level", "3").returncode == 0


@pytest.mark.parametrize("left", [60, 1_000, 20_480])
def test_a_file_that_was_cut_short(call: Cli, tmp_path: Path, left: int) -> None:
    path = tmp_path / "course.mgraph"
    with Archive(path) as archive:
        archive.keep(NEURON, "neuron")
    raw = path.read_bytes()
    path.write_bytes(raw[:left])
    done = call("archive", "check", "--archive", "course.mgraph")
    assert (done.returncode, done.stderr) == (1, "")
    much = f": {left:,} of {len(raw):,} bytes are left" if left >= 100 else ""
    assert said(done) == (
        f"damaged: course.mgraph: the file was cut short{much}"
        " not checked: everything else, which cannot be read because of this damage 1 fault"
    )
    assert path.read_bytes() == raw[:left]
    assert f"course.mgraph: the file was cut short{much}\n" in call("archive", "list", "--archive", path).stderr


def test_a_table_that_cannot_be_read_is_named(call: Cli, tmp_path: Path) -> None:
    path = tmp_path / "course.mgraph"
    with Archive(path) as archive:
        archive.keep(NEURON, "neuron")
        with archive._database.reading() as connection:
            query = "SELECT rootpage FROM sqlite_master WHERE name = 'version'"
            at = 4_096 * (connection.exec_driver_sql(query).scalar_one() - 1)
    raw = path.read_bytes()
    path.write_bytes(raw[:at] + bytes(4_096) + raw[at + 4_096 :])
    done = call("archive", "check", "--archive", "course.mgraph", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and (found["level"], found["ok"]) == (0, False)
    assert [(each["where"], each["said"]) for each in found["faults"]] == [
        ("table version", "the database cannot read it to the end")
    ]


def test_pages_that_are_lost_are_told_a_line_each(call: Cli, tmp_path: Path) -> None:
    path = tmp_path / "course.mgraph"
    with Archive(path) as archive:
        archive.keep(mgraph.load(ROOT / "samples/xor.json"), "xor")
        archive.keep(NEURON, "neuron", note="x" * 9_000)
    raw = path.read_bytes()
    at = raw.index(b"x" * 4_092) - 4
    path.write_bytes(raw[:at] + bytes(4) + raw[at + 4 :])
    done = call("archive", "check", "--archive", "course.mgraph")
    assert done.returncode == 1 and "\\n" not in done.stdout
    assert "overflow list length is 1 but should be 2" in said(done)


@pytest.mark.parametrize("argv", [["--repair"], ["--from", "other.mgraph"]])
def test_repair_needs_another_archive(do: Run, argv: list[str]) -> None:
    done = do("check", *argv)
    assert done.returncode == 2 and "--repair and --from OTHER go together" in done.stderr
    assert "other.mgraph: no such archive" in do("check", "--repair", "--from", "other.mgraph").stderr


# export, import, copy ----------------------------------------------------------------------------------------


def test_there_and_back(course: Run, call: Cli, tmp_path: Path, url: str) -> None:
    for target in ("bag", "bag.zip"):
        done = course("export", target)
        assert done.returncode == 0
        assert said(done).endswith(f" → {target}: {len(SMALL)} documents")
        name = elsewhere(call, f"from-{target}.mgraph")
        done = call("archive", "import", target, "--archive", name)
        counts = f"{len(SMALL)} documents, {len(SMALL)} versions, {len(SMALL)} tags, {len(SMALL)} labels"
        assert said(done) == f"{target} → {name}: {counts}, {2 * len(SMALL)} entries of the log"
        assert held(str(tmp_path / name)) == held(url)
        again = call("archive", "import", target, "--archive", name)
        assert again.stdout == f"{target} → {name}: nothing new\n"
        log = call("archive", "log", "--archive", name).stdout.splitlines()[-1]
        assert f"import   {len(SMALL)} documents, {len(SMALL)} versions" in log
        assert call("archive", "check", "--archive", name).returncode == 0


def test_nothing_is_written_over(course: Run, tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag/mine").write_text("x")
    done = course("export", "bag")
    assert done.stderr == "mgraph: bag: it is there already; export writes a new folder, or a .zip\n"
    assert (done.returncode, [each.name for each in (tmp_path / "bag").iterdir()]) == (2, ["mine"])
    lost = course("export", "no/such/bag")
    assert lost.returncode == 2 and "no/such/bag" in lost.stderr
    assert sorted(each.name for each in tmp_path.iterdir() if each.suffix not in (".mgraph", "")) == []


def test_an_export_of_what_is_damaged_leaves_nothing(course: Run, url: str, tmp_path: Path) -> None:
    flip_a_bit(url, "xor")
    (tmp_path / "old.zip").write_bytes(b"old")
    for target in ("bag", "old.zip"):
        assert course("export", target).returncode == 2
    assert not (tmp_path / "bag").exists() and (tmp_path / "old.zip").read_bytes() == b"old"
    assert not [each.name for each in tmp_path.iterdir() if each.name.startswith(".mgraph")]


def test_a_bag_whose_manifest_disagrees_changes_nothing(course: Run, call: Cli, tmp_path: Path) -> None:
    course("export", "bag")
    tags = tmp_path / "bag/data/tags.jsonl"
    tags.write_bytes(tags.read_bytes().replace(b"lesson-1", b"lesson-2", 1))
    elsewhere(call, "other.mgraph")
    before = (tmp_path / "other.mgraph").read_bytes()
    done = call("archive", "import", "bag", "--archive", "other.mgraph")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("mgraph: bag: 'data/tags.jsonl' is not what the manifest says: its sha256 is ")
    assert (tmp_path / "other.mgraph").read_bytes() == before and held(str(tmp_path / "other.mgraph")) == {}


def test_what_is_no_bag(do: Run, tmp_path: Path) -> None:
    NEURON.save(tmp_path / "neuron.json")
    (tmp_path / "empty").mkdir()
    assert do("import", "neuron.json").stderr == "mgraph: neuron.json: not a bag: a folder, or a ZIP file\n"
    assert do("import", "empty").stderr == "mgraph: empty: not a bag of an archive: it has no bagit.txt\n"
    assert do("import", "lost").stderr == "mgraph: lost: there is no such file\n"


def test_copy_goes_from_the_archive_to_the_other(course: Run, call: Cli, tmp_path: Path, url: str) -> None:
    assert course("copy", "other.mgraph").stderr == (
        "mgraph: other.mgraph: no such archive. To make one: mgraph archive init other.mgraph\n"
    )
    elsewhere(call, "other.mgraph")
    done = course("copy", "other.mgraph")
    assert done.returncode == 0
    assert f" → other.mgraph: {len(SMALL)} documents, {len(SMALL)} versions" in said(done)
    assert held(str(tmp_path / "other.mgraph")) == held(url)
    assert said(course("copy", "other.mgraph")).endswith(" → other.mgraph: nothing new")


def test_another_document_under_the_same_version_is_refused(course: Run, call: Cli, tmp_path: Path) -> None:
    elsewhere(call, "other.mgraph")
    with Archive(tmp_path / "other.mgraph") as other:
        other.keep(NEURON, "xor")
    before = held(str(tmp_path / "other.mgraph"))
    done = course("copy", "other.mgraph")
    assert done.returncode == 2 and "xor@1 is sha256:" in done.stderr
    assert "bring that into an archive of its own" in done.stderr
    assert held(str(tmp_path / "other.mgraph")) == before


# upgrade -----------------------------------------------------------------------------------------------------


def test_there_is_nothing_to_upgrade(course: Run) -> None:
    done = course("upgrade")
    assert done.returncode == 0 and said(done).endswith(": there is nothing to upgrade")


def test_an_older_archive_is_upgraded(course: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next_version(tmp_path, monkeypatch, "pass")
    if "://" in url:
        assert "mgraph archive upgrade" in course("list").stderr
    done = course("upgrade")
    assert said(done).endswith(": upgraded from version 1 of the tables")
    assert said(course("upgrade")).endswith(": there is nothing to upgrade")
    assert course("check").returncode == 0
    assert "://" in url or (tmp_path / "course.mgraph.before-2").exists()


@pytest.mark.parametrize("argv", [["check"], ["upgrade"], ["export", "bag"], ["copy", "other.mgraph"]])
def test_an_archive_of_a_newer_mgraph_is_left_alone(do: Run, url: str, argv: list[str]) -> None:
    with Archive(url) as archive, archive._database.writing() as connection:
        connection.exec_driver_sql("UPDATE info SET value = '7' WHERE key = 'schema'")
    done = do(*argv)
    assert done.returncode == 2 and done.stdout == ""
    assert "an archive of version 7; this mgraph reads version 1. Install an mgraph that reads it" in done.stderr
