"""Documents are kept once; names have versions; tags point; what is forgotten can be remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT, SAMPLES
from hypothesis import given
from hypothesis import strategies as st

import mgraph
from mgraph.archive import bodies, tables
from mgraph.archive.archive import Archive
from mgraph.archive.bodies import REPLAYED, VARIANT, WHOLE
from mgraph.archive.references import Reference, name_of, parsed
from mgraph.errors import FileError, MgraphError

NEURON = mgraph.load(ROOT / "samples/neuron.json")


def variants(count: int) -> list[mgraph.Graph]:
    return [NEURON.with_leaves({"x1": float(k), "w2": 1.0 / (k + 1)}) for k in range(count)]


def forms(archive: Archive) -> list[int]:
    with archive._database.reading() as connection:
        query = tables.body.select().order_by(tables.body.c.document)
        return [row.form for row in connection.execute(query)]


def test_what_is_kept_comes_back_with_the_same_bytes(archive: Archive) -> None:
    for path in SAMPLES:
        graph = mgraph.load(path)
        receipt = archive.keep(graph, path.name)
        assert receipt == (path.name, 1, graph.digest, True, True)
        assert archive[path.name].to_bytes() == graph.to_bytes()


def test_equal_content_is_kept_once_and_makes_no_version(archive: Archive) -> None:
    first = archive.keep(NEURON, "neuron")
    assert archive.keep(NEURON, "neuron") == first._replace(is_new=False, is_new_version=False)
    other = archive.keep(NEURON, "copy")
    assert (other.is_new, other.is_new_version, other.digest) == (False, True, first.digest)
    assert forms(archive) == [WHOLE]


def test_versions_tags_and_digests(archive: Archive) -> None:
    a, b, c = variants(3)
    for graph in (a, b, c, a):
        archive.keep(graph, "lesson/2", tag="latest")
    assert archive["lesson/2"].digest == archive["lesson/2@4"].digest == archive["lesson/2@1"].digest == a.digest
    assert archive["lesson/2:latest"].digest == a.digest
    archive.tag("lesson/2@2", "exam-2026")
    assert archive["lesson/2:exam-2026"].digest == b.digest
    archive.tag("lesson/2@3", "exam-2026")
    assert archive["lesson/2:exam-2026"].digest == c.digest
    assert archive[c.digest[:14]].digest == c.digest
    archive.untag("lesson/2", "exam-2026")
    with pytest.raises(FileError, match="has no tag 'exam-2026'; it has 'latest'"):
        archive["lesson/2:exam-2026"]


def test_variants_of_a_structure_are_packed_beside_the_first(archive: Archive) -> None:
    graphs = variants(20)
    for graph in graphs:
        archive.keep(graph, "neuron")
    assert forms(archive) == [WHOLE] + [VARIANT] * 19
    assert [archive[f"neuron@{k}"].to_bytes() for k in range(1, 21)] == [graph.to_bytes() for graph in graphs]


def test_a_history_keeps_leaves_and_gives_back_the_same_bytes(archive: Archive) -> None:
    xor = mgraph.load(ROOT / "samples/xor.json")
    steps = [xor]
    for _ in range(5):
        run = steps[-1].replay()
        steps.append(xor.with_leaves({name: steps[-1].data[name] - 0.1 * run.grad[name] for name in xor.parameters}))
    for step in steps:
        archive.keep(step, "xor", compact=True)
    assert forms(archive) == [WHOLE] + [REPLAYED] * 5
    assert [archive[f"xor@{k}"].to_bytes() for k in range(1, 7)] == [step.to_bytes() for step in steps]


def test_a_document_that_a_replay_does_not_restore_is_not_compacted(archive: Archive) -> None:
    altered = NEURON.document
    altered["nodes"][-1]["data"] += 1e-9
    archive.keep(NEURON, "neuron", compact=True)
    archive.keep(mgraph.Graph(altered), "neuron", compact=True)
    assert forms(archive) == [WHOLE, VARIANT]
    assert archive["neuron"].digest == mgraph.Graph(altered).digest


def test_all_or_nothing(archive: Archive) -> None:
    with pytest.raises(FileError, match="'a:b' cannot be a tag"):
        archive.keep(NEURON, "neuron", tag="a:b")
    with pytest.raises(FileError, match="no graph 'neuron' is kept here"):
        archive["neuron"]


def test_a_version_says_where_it_was_kept_and_its_document_where_it_came_from(archive: Archive) -> None:
    def source(name: str) -> dict[str, str]:
        return dict(archive.show(name).source)

    with mgraph.sources():
        loss = mgraph.Value(2.0, name="x") ** 2
    archive.keep(loss, "loss")
    made, kept = (f"test_keeping.py, line {source('loss')[key].split()[-1]}" for key in ("made", "place"))
    assert source("loss") == {"place": kept, "made": made} and kept != made
    archive.keep(loss + 1.0, "loss", source={"file": "lesson.py"})
    assert source("loss") == {"file": "lesson.py"}

    imported = NEURON.with_meta(source="ONNX, opset 17" + " " * 500)
    archive.keep(imported, "imported", source={"file": "neuron.onnx"})
    assert source("imported") == {"file": "neuron.onnx", "origin": ("ONNX, opset 17" + " " * 500)[:200]}
    archive.keep(mgraph.fit(imported, 3).graph, "fitted", source={})
    fit = f"fit by sgd in 3 steps with mgraph {mgraph.__version__}"
    assert source("fitted") == {"origin": source("imported")["origin"], "fit": fit}
    archive.keep(NEURON.with_meta(imported={"from": "micrograd.engine.Value"}, fit=3, source=[1]), "odd", source={})
    assert source("odd") == {"origin": "micrograd.engine.Value"}
    assert {hit.name for hit in archive.find("onnx")} == {"imported", "fitted"}


def test_forgetting_is_undone_until_pruned(archive: Archive) -> None:
    for graph in variants(3):
        archive.keep(graph, "neuron")
    assert archive.forget("neuron@3") == [3]
    assert archive["neuron"].digest == variants(2)[1].digest
    with pytest.raises(FileError, match="version 3 of 'neuron' was forgotten; it has 1, 2"):
        archive["neuron@3"]
    assert archive.forget("neuron@3", undo=True) == [3]
    assert archive["neuron"].digest == variants(3)[2].digest
    assert archive.forget("neuron") == [1, 2, 3]
    with pytest.raises(FileError, match="'neuron' was forgotten; to undo that: mgraph archive forget --undo neuron"):
        archive["neuron"]
    assert archive.prune("2000-01-01T00:00:00Z") == (0, 0)
    assert archive.prune("2999-01-01T00:00:00Z") == (3, 3)
    assert forms(archive) == []


def test_pruning_keeps_the_number_of_the_newest_version_and_a_base(archive: Archive) -> None:
    for graph in variants(3):
        archive.keep(graph, "neuron")
    archive.forget("neuron@1")
    archive.forget("neuron@3")
    assert archive.prune("2999-01-01T00:00:00Z") == (1, 0)  # version 1's document is what the others are packed beside
    assert archive["neuron"].digest == variants(2)[1].digest
    assert archive.keep(NEURON, "neuron").number == 4


def test_no_tag_is_set_on_what_has_no_name(archive: Archive) -> None:
    for graph in variants(3):
        archive.keep(graph, "neuron")
    archive.forget("neuron")
    with pytest.raises(FileError, match=r"no name holds sha256:[0-9a-f]{12} any more"):
        archive.tag(variants(3)[1].digest, "exam")


def test_a_tag_on_a_forgotten_version(archive: Archive) -> None:
    for graph in variants(3):
        archive.keep(graph, "neuron")
    archive.tag("neuron@2", "exam")
    archive.forget("neuron:exam")
    archive.forget("neuron@3")
    assert archive.list()[0].tags == {}
    with pytest.raises(FileError, match="version 2 of 'neuron' was forgotten; it has 1"):
        archive["neuron:exam"]
    assert archive.forget("neuron:exam", undo=True) == [2]
    assert archive.show("neuron").versions == [1, 2]
    archive.forget("neuron@2")
    archive.untag("neuron", "exam")
    with pytest.raises(FileError, match="'neuron' has no tag 'exam'; it has none"):
        archive.untag("neuron", "exam")


@pytest.mark.parametrize("before", ["30d", "2026-01-31", "yesterday", ""])
def test_what_is_no_moment_prunes_nothing(archive: Archive, before: str) -> None:
    archive.keep(NEURON, "neuron")
    archive.forget("neuron")
    with pytest.raises(FileError, match="is not a moment such as 2026-01-31T12:00:00Z"):
        archive.prune(before)
    assert archive.forget("neuron", undo=True) == [1]


def test_the_log_has_the_order_in_which_things_were_done(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # all in one second
    a, b = variants(2)
    archive.keep(a, "neuron", tag="latest", labels={"author": "ada"})
    archive.forget("neuron")
    archive.keep(b, "neuron", tag="latest")
    archive.forget("neuron")

    def told() -> list[tuple[object, ...]]:
        return [(each.verb, *map(each.detail.get, ("version", "now"))) for each in archive.log()]

    kept = ("keep", 1, None), ("keep", 2, None)
    events = [
        ("tag", None, 1),
        ("label", None, "ada"),
        ("forget", None, None),
        ("tag", None, 2),
        ("forget", None, None),
    ]
    assert told() == [kept[0], *events[:3], kept[1], *events[3:]]
    archive.prune("2999-01-01T00:00:00Z")
    archive.keep(b, "neuron")
    off = ("tag", None, None), ("label", None, None)
    assert told() == [*events, *off, ("prune", None, None), kept[0]]


def test_texts_that_a_database_cannot_hold(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.keep(NEURON, "neuron")
    for text in ("a\0b", "a\udcff"):
        with pytest.raises(FileError, match="cannot be a note: no text has a character"):
            archive.keep(variants(1)[0], "other", note=text)
        with pytest.raises(FileError, match="cannot be a label's value: no text has a character"):
            archive.label("neuron", {"author": text})
    with pytest.raises(FileError, match="a label's value has at most 400 characters, not 401"):
        archive.label("neuron", {"author": "a" * 401})
    with pytest.raises(TypeError, match="a label's value is a str, not int"):
        archive.label("neuron", {"level": 3})  # type: ignore[dict-item]
    with pytest.raises(FileError, match="no text has a character"):
        archive.list("a\udcff")
    monkeypatch.setenv("MGRAPH_USER", "a\udcff")
    with pytest.raises(FileError, match="no text has a character"):
        archive.keep(variants(1)[0], "other")
    assert [(each.name, archive.show(each.name).labels) for each in archive.list()] == [("neuron", {})]


def test_a_document_with_any_text_is_kept(archive: Archive) -> None:
    longest = "".join(map(chr, range(0x4E00, 0x4E00 + 1_000)))
    for k, text in enumerate(("a\0b", longest, "\u202e\U0010ffff")):
        document = NEURON.document
        document["title"] = document["nodes"][0]["label"] = text
        document["meta"] = {text: [text, "\0"]}
        graph = mgraph.Graph(document)
        archive.keep(graph, f"text {k}", labels={"key": longest[:400]})
        assert archive[f"text {k}"].to_bytes() == graph.to_bytes()
    assert [hit.name for hit in archive.find(f"input:{longest}")] == ["text 1"]
    assert [each.verdict for _, _, each in archive.verify()] == ["exact"] * 3
    assert archive.check(3).ok


def test_what_is_kept_is_never_changed(archive: Archive) -> None:
    archive.keep(NEURON, "neuron")
    for table in (tables.document, tables.body, tables.version):
        key = next(iter(table.c))
        with pytest.raises(FileError, match="what is kept is never changed"), archive._database.writing() as connection:
            connection.execute(table.update().values({key: 7}))


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("neuron", Reference("neuron")),
        ("lesson/2", Reference("lesson/2")),
        ("neuron@2", Reference("neuron", number=2)),
        ("lesson/2:latest", Reference("lesson/2", tag="latest")),
        ("sha256:3fa9", Reference(digest="3fa9")),
        ("Übung 7", Reference("Übung 7")),
    ],
)
def test_references(text: str, means: Reference) -> None:
    assert parsed(text) == means
    assert str(means) == text


@pytest.mark.parametrize("text", ["", "a@", "a@b", "a:b:c", ":x", "a#b", " a", "a\n", "a" * 201, "a\x1b[2J", "@2"])
def test_what_cannot_be_a_reference(text: str) -> None:
    with pytest.raises(FileError, match=r"cannot be a (name|tag)"):
        parsed(text)


@given(st.text(max_size=300))
def test_any_file_has_a_name(text: str) -> None:
    name = name_of(text)
    assert parsed(name) == Reference(name)


@given(st.binary(max_size=200))
def test_damaged_bodies_are_refused(raw: bytes) -> None:
    with pytest.raises(MgraphError):
        bodies.proven(bodies.unpacked(bodies.Body(WHOLE, None, None, 10, raw)), bytes(32))


def test_a_bomb_is_not_unpacked() -> None:
    import zstandard

    bomb = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    with pytest.raises(FileError, match="unpacks to 100 bytes, its frame 50,000,000"):
        bodies.unpacked(bodies.Body(WHOLE, None, None, 100, bomb))


def test_a_new_archive_is_one_for_others_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "a.mgraph"
    with Archive(path) as archive:
        archive.keep(NEURON, "neuron")
        assert mgraph.load(f"{path}#neuron").digest == NEURON.digest
        with Archive(path) as again:
            assert again["neuron"].digest == NEURON.digest
            again.keep(NEURON, "other")
        assert archive["other"].digest == NEURON.digest


def test_a_kept_graph_is_loaded_like_a_file(tmp_path: Path) -> None:
    course = tmp_path / "course.mgraph"
    with Archive(course) as archive:
        archive.keep(NEURON, "neuron")
        archive.keep(variants(1)[0], "neuron", tag="first")
    for reference, graph in [("#neuron@1", NEURON), ("#neuron", variants(1)[0]), ("#neuron:first", variants(1)[0])]:
        assert mgraph.load(f"{course}{reference}").digest == graph.digest
    assert mgraph.load(str(course)).digest == variants(1)[0].digest
