"""An archive leaves as plain files and comes back; a bag that was tampered with is refused before a row is written."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, SMALL

import mgraph
from mgraph.archive.archive import Archive
from mgraph.archive.exchange import collected
from mgraph.errors import FileError

NEURON = mgraph.load(ROOT / "samples/neuron.json")


@pytest.fixture
def course(archive: Archive) -> Archive:
    for path in SMALL:
        archive.keep(mgraph.load(path), path.stem, tag="lesson-1", labels={"author": "ada 'Lovelace' %_"}, note="n")
    for k in range(4):
        graph = NEURON.with_leaves({"x1": float(k)})
        archive.keep(graph, "übung/neuron", tag="latest", compact=k > 1, source={"file": "a.py"})
    archive.forget("übung/neuron@2")
    list(archive.verify("name:neuron"))
    return archive


def rows(archive: Archive) -> dict[str, list[dict[str, object]]]:
    with archive._database.reading() as connection:
        found = collected(connection)
    found["events"] = [row for row in found["events"] if row["verb"] not in ("import", "copy")]
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back(course: Archive, tmp_path: Path) -> None:
    folder, packed = tmp_path / "bag", tmp_path / "bag.zip"
    assert course.export(folder) == course.export(packed) == len(SMALL) + 4
    with zipfile.ZipFile(packed) as found:
        assert {name.removeprefix("archive/"): found.read(name) for name in found.namelist()} == files(folder)
    for source in (folder, packed):
        with Archive(tmp_path / f"from-{source.name}.mgraph") as other:
            brought = other.import_(source)
            assert brought == (len(SMALL) + 4, len(SMALL) + 4, len(SMALL) + 1, len(SMALL), *brought[4:])
            assert rows(other) == rows(course)
            assert other.import_(source) == (0,) * 6
            assert other.check().faults == []
            assert {hit.name for hit in other.find("neuron")} == {hit.name for hit in course.find("neuron")}


def test_the_same_bytes_every_time(course: Archive, tmp_path: Path) -> None:
    course.export(tmp_path / "a.zip")
    course.export(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_what_is_in_a_bag(course: Archive, tmp_path: Path) -> None:
    course.export(tmp_path / "bag")
    found = files(tmp_path / "bag")
    digest = NEURON.digest.removeprefix("sha256:")
    path = f"data/documents/{digest[:2]}/{digest}.json"
    assert found[path] == NEURON.to_bytes()
    assert f"{hashlib.sha256(NEURON.to_bytes()).hexdigest()}  {path}\n" in found["manifest-sha256.txt"].decode()
    assert found["bagit.txt"] == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    payload = {name: raw for name, raw in found.items() if name.startswith("data/")}
    assert f"Payload-Oxum: {sum(map(len, payload.values()))}.{len(payload)}" in found["bag-info.txt"].decode()
    crate = json.loads(found["data/ro-crate-metadata.json"])
    entities = {each["@id"]: each for each in crate["@graph"]}
    assert entities["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.2"}
    listed = {each["@id"] for each in entities["./"]["hasPart"]}
    assert {f"data/{each}" for each in listed} == set(payload) - {"data/ro-crate-metadata.json"}
    assert entities[path.removeprefix("data/")]["name"] == NEURON.document["title"]


def test_a_folder_that_is_there_is_not_written_over(course: Archive, tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag/mine").write_text("x")
    with pytest.raises(FileError, match="it is there already"):
        course.export(tmp_path / "bag")
    assert files(tmp_path / "bag") == {"mine": b"x"}


def test_copies_between_databases(course: Archive, postgres: str, tmp_path: Path) -> None:
    with Archive(postgres) as server, Archive(tmp_path / "back.mgraph") as back:
        course.copy(server)
        assert rows(server) == rows(course)
        server.copy(back)
        assert rows(back) == rows(course)
        assert server.copy(course)[:4] == (0, 0, 0, 0)
        assert server.check().faults == back.check().faults == []


def test_what_is_here_stays(course: Archive, tmp_path: Path) -> None:
    course.export(tmp_path / "bag")
    course.tag("übung/neuron@1", "latest")
    course.label("xor", {"author": "bob"})
    before = rows(course)
    assert course.import_(tmp_path / "bag") == (0,) * 6
    assert rows(course) == before


def test_a_version_that_is_another_document_is_refused(course: Archive, tmp_path: Path) -> None:
    course.export(tmp_path / "bag")
    with Archive(tmp_path / "other.mgraph") as other:
        other.keep(NEURON, "xor")
        before = rows(other)
        with pytest.raises(FileError, match=r"bag: xor@1 is sha256:.* here, and sha256:.* there"):
            other.import_(tmp_path / "bag")
        assert rows(other) == before


def resealed(bag: Path) -> None:
    """Make the manifest agree with what is there, as an attacker would."""
    lines = [f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for name, raw in files(bag).items() if name[:5] == "data/"]
    (bag / "manifest-sha256.txt").write_text("".join(lines))
    (bag / "tagmanifest-sha256.txt").unlink()


def one(bag: Path) -> Path:
    return bag / f"data/documents/{NEURON.digest[7:9]}/{NEURON.digest[7:]}.json"


def add_line(bag: Path, kind: str, **row: object) -> None:
    with (bag / f"data/{kind}.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def add_to_manifest(bag: Path, line: str) -> None:
    with (bag / "manifest-sha256.txt").open("a") as file:
        file.write(line + "\n")


def alter(bag: Path) -> None:
    one(bag).write_bytes(one(bag).read_bytes().replace(b"1.0", b"1.5", 1))


TAMPERED = {
    "altered": (alter, False, r"is not what the manifest says: its sha256 is"),
    "another document": (alter, True, r"what is called sha256:\w{12} has the digest sha256:"),
    "lost": (lambda bag: one(bag).unlink(), False, "which is not there"),
    "added": (lambda bag: (bag / "data/x").write_text(""), False, "manifest-sha256.txt does not name 'data/x'"),
    "tag file": (lambda bag: (bag / "bag-info.txt").write_text(""), False, "'bag-info.txt' is not what the manifest"),
    "no manifest": (lambda bag: (bag / "manifest-sha256.txt").unlink(), False, "it has no manifest-sha256.txt"),
    "fetch": (lambda bag: (bag / "fetch.txt").write_text("https://e.org - data/x"), False, "nothing is fetched"),
    "link": (lambda bag: os.symlink("/etc/passwd", bag / "data/p"), False, "'data/p' is a link, or not a file"),
    "pipe": (lambda bag: os.mkfifo(bag / "data/p"), False, "'data/p' is a link, or not a file"),
    "not a document": (lambda bag: one(bag).write_text("{}"), True, r"documents/\w\w/\w+.json: "),
    "no versions": (lambda bag: (bag / "data/versions.jsonl").unlink(), True, "it has no data/versions.jsonl"),
    "half a row": (lambda bag: add_line(bag, "tags", name="xor"), True, "tags.jsonl, line .*: not an object of name"),
    "a type": (lambda bag: add_line(bag, "tags", name="xor", tag=1, number=1), True, "line .*: its tag is 1"),
    "a name": (lambda bag: add_line(bag, "labels", name="a\x1b", key="k", value=""), True, "cannot be a name"),
    "a tag of nothing": (
        lambda bag: add_line(bag, "tags", name="xor", tag="t", number=9),
        True,
        "not among the versions",
    ),
    "twice": (
        lambda bag: add_line(bag, "tags", name="xor", tag="lesson-1", number=1),
        True,
        "'xor' 'lesson-1' a second",
    ),
    "a path": (lambda bag: add_to_manifest(bag, f"{'0' * 64}  data/../../x"), False, "leads out of the bag"),
    "half a line": (lambda bag: add_to_manifest(bag, "0000  data/x"), False, "line .*: not a sha256 and a path"),
    "no bag": (lambda bag: (bag / "bagit.txt").unlink(), False, "it has no bagit.txt"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_bag_that_was_tampered_with(how: str, tmp_path: Path) -> None:
    act, reseal, said = TAMPERED[how]
    bag = tmp_path / "bag"
    with Archive(tmp_path / "a.mgraph") as archive, Archive(tmp_path / "b.mgraph") as other:
        for path in SMALL:
            archive.keep(mgraph.load(path), path.stem, tag="lesson-1")
        archive.export(bag)
        act(bag)
        if reseal:
            resealed(bag)
        with pytest.raises(FileError, match=said):
            other.import_(bag)
        assert not any(rows(other).values())


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"a/../../x": b""}, "leads out of the bag"),
        ({"/x": b""}, "leads out of the bag"),
        ({"a\\..\\x": b""}, "leads out of the bag|no bagit.txt"),
        ({"a/bagit.txt": bytes(40_000_000)}, "decompression bomb"),
        ({"a/x": b"", "b/x": b""}, "holds one folder"),
        ({}, "holds one folder"),
    ],
)
def test_a_hostile_zip(entries: dict[str, bytes], said: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bag.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, raw in entries.items():
            packed.writestr(name, raw)
    with Archive(tmp_path / "a.mgraph") as archive, pytest.raises(FileError, match=said):
        archive.import_(tmp_path / "bag.zip")


def test_a_zip_with_a_link_or_cut_short(tmp_path: Path) -> None:
    with Archive(tmp_path / "a.mgraph") as archive:
        archive.keep(NEURON, "neuron")
        archive.export(tmp_path / "good.zip")
        raw = (tmp_path / "good.zip").read_bytes()
        (tmp_path / "cut.zip").write_bytes(raw[:-100])
        with pytest.raises(FileError, match="not a bag"):
            archive.import_(tmp_path / "cut.zip")
        (tmp_path / "flipped.zip").write_bytes(raw.replace(b"BagIt-Version", b"BagIt-Versioo"))
        with pytest.raises(FileError, match="the ZIP file is damaged: Bad CRC-32"):
            archive.import_(tmp_path / "flipped.zip")
        with zipfile.ZipFile(tmp_path / "link.zip", "w") as packed:
            entry = zipfile.ZipInfo("a/data/p")
            entry.external_attr = 0o120777 << 16
            packed.writestr(entry, "/etc/passwd")
        with pytest.raises(FileError, match="'a/data/p' is a link"):
            archive.import_(tmp_path / "link.zip")
