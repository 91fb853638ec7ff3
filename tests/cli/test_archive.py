"""``mgraph archive``, mostly on both databases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import ROOT, SMALL, Cli
from databases import Run

import mgraph
from mgraph.archive import verdicts
from mgraph.archive.archive import Archive
from mgraph.archive.holding import broken, holdings
from mgraph.archive.verdicts import Past

SAMPLES = ROOT / "samples"
NEURON = mgraph.load(SAMPLES / "neuron.json")


def altered(path: Path) -> Path:
    document = NEURON.document
    next(node for node in document["nodes"] if node["id"].startswith("tanh"))["data"] += 1e-9
    mgraph.Graph(document).save(path)
    return path


def kept(do: Run) -> dict[str, int]:
    return {each["name"]: each["number"] for each in json.loads(do("list", "--json").stdout)}


def test_a_folder_is_kept_under_the_names_of_its_files(do: Run, tmp_path: Path) -> None:
    lessons = tmp_path / "lessons"
    (lessons / "two").mkdir(parents=True)
    for path in SMALL:
        (lessons / "two" / path.name).write_bytes(path.read_bytes())
    (lessons / "picture.svg").write_bytes(NEURON.draw().to_bytes("picture.svg"))
    NEURON.with_leaves({"x1": 3.0}).save(lessons / "packed.v2.json.gz")
    (lessons / "notes.json").write_text("{}")
    done = do("keep", "lessons", "--tag", "latest", "--tag", "exam", "--label", "author=ada", "--note", "first")
    assert done.returncode == 0, done.stderr
    assert kept(do) == {"picture": 1, "packed.v2": 1} | {f"two/{path.stem}": 1 for path in SMALL}
    assert done.stdout.splitlines()[-1] == f"{len(SMALL) + 1} new documents, 1 new version, 1 other file passed over"
    again = do("keep", "lessons")
    assert again.stdout.splitlines()[-1] == f"{len(SMALL) + 2} known, 1 other file passed over"
    found = json.loads(do("show", "two/neuron:exam", "--json").stdout)
    facts = ("tags", "labels", "note", "by")
    assert [found[key] for key in facts] == [["exam", "latest"], {"author": "ada"}, "first", "ada"]
    assert found["source"] == {"file": "lessons/two/neuron.json"} and found["elsewhere"] == ["picture@1"]
    assert found["digest"] == NEURON.digest


def test_every_graph_of_a_notebook_is_kept_by_title_or_number(do: Run, tmp_path: Path) -> None:
    (tmp_path / "lesson.ipynb").write_bytes((SAMPLES / "notebooks/what-if.ipynb").read_bytes())
    assert do("keep", "lesson.ipynb").returncode == 0
    assert kept(do) == {"lesson/1": 1, "lesson/2": 1}
    assert do("keep", "lesson.ipynb#2", "--as", "one").returncode == 0
    assert kept(do)["one"] == 1
    source = json.loads(do("show", "lesson/2", "--json").stdout)["source"]
    assert source["file"] == "lesson.ipynb" and source["place"].startswith("cell ")


def test_an_imported_model_says_who_imported_it(do: Run, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = '<ir_version: 8, opset_import: ["" : 17]> agraph (double x) => (double y) { y = Tanh(x) }'
    (tmp_path / "model.onnx").write_bytes(onnx.parser.parse_model(model).SerializeToString())
    assert do("keep", "model.onnx").returncode == 0
    assert "\nfrom     model.onnx, ONNX, opset 17\n" in do("show", "model").stdout


def test_standard_input_needs_a_name(do: Run) -> None:
    done = do("keep", "-", stdin=NEURON.to_bytes())
    assert done.returncode == 2 and "it has no name; choose one: --as NAME" in done.stderr
    assert do("keep", "-", "--as", "neuron", stdin=NEURON.to_bytes()).returncode == 0
    assert json.loads(do("get", "neuron").stdout) == json.loads(NEURON.to_bytes())


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"bad.json": b'{"mgraph": 1, "nodes": 3}'}, "bad.json: $.nodes"),
        ({"lost.json": None}, "lost.json: there is no such file"),
        ({"good.svg": b""}, "good.svg"),
        ({"x/good.json": NEURON.with_leaves({"x1": 9.0}).to_bytes()}, "it would be kept as good, as would good.json"),
    ],
)
def test_all_or_nothing(do: Run, tmp_path: Path, files: dict[str, bytes | None], says: str) -> None:
    NEURON.save(tmp_path / "good.json")
    for name, raw in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if raw is not None:
            (tmp_path / name).write_bytes(raw)
    done = do("keep", "good.json", *files, "--tag", "latest")
    assert done.returncode == 2 and says in done.stderr and done.stdout == ""
    assert done.stderr.splitlines()[-1] == "mgraph: nothing was kept: 1 refused, 1 could be kept without"
    assert kept(do) == {} and do("log").stdout.strip() == ""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_named_file_without_a_graph_is_passed_over_if_asked(do: Run, tmp_path: Path, jobs: str) -> None:
    NEURON.save(tmp_path / "good.json")
    (tmp_path / "notes.json").write_text('{"author": "ada"}')
    (tmp_path / "plain.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "bad.json").write_text('{"mgraph": 1, "nodes": 3}')
    files = ["good.json", "notes.json", "plain.svg", "--jobs", jobs]
    assert do("keep", *files).stderr.endswith("nothing was kept: 2 refused, 1 could be kept without\n")
    done = do("keep", *files, "--pass-over")
    assert done.returncode == 0 and done.stdout.endswith("\n1 new document, 2 other files passed over\n")
    assert do("keep", "notes.json", "--pass-over").stdout == "1 other file passed over\n"
    refused = do("keep", *files, "bad.json", "--pass-over")  # which claims to be a document
    assert refused.returncode == 2 and refused.stderr.startswith("mgraph: bad.json: $.nodes")
    assert kept(do) == {"good": 1}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--tag", "a:b"], "'a:b' cannot be a tag: a tag holds no '@', ':' or '#'"),
        (["--label", "author"], "--label: 'author' is not KEY=VALUE"),
        (["--as", "a@1"], "'a@1' cannot be a name"),
    ],
)
def test_a_call_that_is_wrong_keeps_nothing(do: Run, more: list[str], says: str) -> None:
    done = do("keep", SAMPLES / "neuron.json", *more)
    assert done.returncode == 2 and says in done.stderr
    assert kept(do) == {}


def test_versions_tags_labels_and_the_log(do: Run, tmp_path: Path) -> None:
    for k in range(3):
        NEURON.with_leaves({"x1": float(k)}).save(tmp_path / f"step{k}.json")
    assert do("keep", "step0.json", "step1.json", "step2.json", "--as", "neuron", "--compact").returncode == 0
    assert do("tag", "neuron@2", "exam").returncode == 0
    assert do("tag", "#neuron@3", "exam").returncode == 0
    assert do("label", "neuron", "author=ada", "level=3").returncode == 0
    assert do("label", "neuron", "--off", "level").returncode == 0
    told = [line[22:] for line in do("log", "neuron").stdout.splitlines()]
    assert [line.split(" sha256")[0] for line in told] == [
        *(f"ada  keep     neuron@{k}" for k in (1, 2, 3)),
        "ada  tag      exam @2",
        "ada  tag      exam @2 → @3",
        "ada  label    author ada",
        "ada  label    level 3",
        "ada  label    level off 3",
    ]
    assert "exam@3" in do("list", "neu*").stdout
    done = do("diff", "neuron:exam")
    assert done.returncode == 1 and "x1" in done.stdout
    assert do("diff", "neuron@1", "neuron@1").returncode == 0
    assert "is the first version" in do("diff", "neuron@1").stderr
    assert do("tag", "neuron", "exam", "--off").returncode == 0
    assert do("show", "neuron:exam").stderr.endswith("'neuron' has no tag 'exam'; it has none\n")


def test_what_is_forgotten_comes_back_until_it_is_pruned(do: Run) -> None:
    do("keep", SAMPLES / "neuron.json")
    assert do("forget", "neuron").stdout == "forgotten: neuron@1\n"
    assert kept(do) == {}
    assert do("forget", "--undo", "neuron").stdout == "remembered: neuron@1\n"
    assert do("prune", "--older-than", "30d").stdout == "removed: 0 versions, 0 documents\n"
    do("forget", "neuron")
    assert "'soon' is not a time such as 12h, 30d or 8w" in do("prune", "--older-than", "soon").stderr
    assert do("show", "neuron").returncode == 2


def test_find(do: Run) -> None:
    do("keep", *SMALL)
    found = json.loads(do("find", "op:tanh", "nodes:<=10", "--json").stdout)
    assert {each["name"] for each in found} == {"neuron", "neuron-pytorch", "tanh"}
    assert do("find", "op:tanh", "--limit", "2").stdout.count("\n") == 4
    assert do("find", "title:x").returncode == 2
    assert do("find", "nowhere").stdout == "nothing is found\n"


def test_verify_keeps_verdicts_and_says_what_fails(do: Run, tmp_path: Path) -> None:
    do("keep", *SMALL)
    assert do("verify", "--json").returncode == 0
    do("keep", altered(tmp_path / "altered.json"), "--as", "neuron")
    done = do("verify", "--max-age", "30d", "--junit", "out.xml")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].startswith("neuron@2") and done.stdout.endswith("\n1 differs\n")
    (case,) = ElementTree.parse(tmp_path / "out.xml").getroot().iter("testcase")
    assert case.get("name") == "neuron@2" and case.find("failure") is not None
    again = do("verify", "--max-age", "30d", "-q")  # what failed before fails still
    assert again.returncode == 1 and "(judged at " in again.stdout
    assert do("verify", "name:tanh", "--max-age", "30d").stdout == "all were judged lately\n"
    assert do("verify", "name:tanh").returncode == 0
    told = do("log", "neuron", "--verdicts").stdout
    assert told.splitlines()[-1] == "neuron@2 is the first version that does not come out"
    assert "no document that the query asks for is kept" in do("verify", "name:lost").stderr


def test_since_when_a_document_differs() -> None:
    def past(day: int, verdict: str, version: str) -> Past:
        return Past(f"2026-01-{day:02}T00:00:00Z", 1, verdict, verdict, version, "3.13.0", "linux x86_64", 0.1)

    nights = [past(1, "exact", "0.4.0"), past(2, "exact", "0.4.0"), past(3, "differs", "0.5.0")]
    (found,) = holdings([*nights, past(4, "differs", "0.5.0")])
    assert (found.ok, found.since, found.before) == (False, nights[2], nights[1])
    assert broken([found]) == found
    (found,) = holdings(nights[:2])
    assert (found.ok, found.since, found.before) == (True, nights[0], None)


def test_the_log_names_the_mgraph_that_broke_it(do: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    do("keep", altered(tmp_path / "altered.json"))
    monkeypatch.setattr(verdicts, "__version__", "0.9.0")
    do("verify")
    told = do("log", "altered", "--verdicts").stdout.splitlines()
    assert told[-2].startswith("altered@1 differs since 20") and "mgraph 0.9.0" in told[-2]
    assert told[-1] == "altered@1 does not come out"


def test_errors_name_the_archive(do: Run, url: str) -> None:
    do("keep", SAMPLES / "neuron.json")
    for argv in (["show", "nueron"], ["get", "nueron"], ["tag", "nueron", "x"], ["diff", "nueron", "neuron"]):
        done = do(*argv)
        assert done.returncode == 2 and "no graph 'nueron' is kept here. Did you mean 'neuron'?" in done.stderr
        assert done.stderr.startswith(f"mgraph: {url}: " if "://" not in url else "mgraph: postgresql://")
    assert "cannot be a name" in do("log", "neuron@1").stderr


def test_a_digest_means_one_version(do: Run, tmp_path: Path) -> None:
    for k in (1, 2):
        NEURON.with_leaves({"x1": float(k)}).save(tmp_path / "neuron.json")
        do("keep", "neuron.json")
    digest = json.loads(do("show", "neuron@1", "--json").stdout)["digest"]
    for argv in (["forget", digest], ["forget", "--undo", digest]):
        assert f"{digest} is a document; name the version that holds it" in " ".join(do(*argv).stderr.split())
    assert kept(do) == {"neuron": 2}
    do("forget", "neuron@1")
    assert do("tag", digest, "exam").stderr.endswith(f": no name holds {digest[:19]} any more\n")


def test_an_export_replaces_nothing(do: Run, tmp_path: Path) -> None:
    do("keep", str(ROOT / "samples" / "neuron.json"))
    for name in ("notes.zip", "notes.ZIP"):
        (tmp_path / name).write_text("mine")
        done = do("export", name)
        assert done.returncode == 2 and "it is there already" in done.stderr
        assert (tmp_path / name).read_text() == "mine"


def test_nothing_is_written_to_the_name_of_a_kept_graph(do: Run, tmp_path: Path) -> None:
    do("keep", str(ROOT / "samples" / "neuron.json"))
    done = do("get", "neuron", "-o", "#neuron")
    assert done.returncode == 2 and "names a graph in an archive" in done.stderr
    assert not (tmp_path / "#neuron").exists()


def test_more_than_the_limit_is_said(do: Run) -> None:
    do("keep", str(ROOT / "samples" / "neuron.json"), str(ROOT / "samples" / "tanh.json"))
    assert do("find", "--limit", "1").stdout.splitlines()[-1] == "and more; --limit N shows them"
    assert "limit" not in do("find", "--limit", "2").stdout
    assert do("list", "nobody*").stdout == "no name fits 'nobody*'\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["show", "sha256:zz"], "'sha256:zz' is no digest: after sha256: come 1 to 64 of the digits 0-9 and a-f"),
        (["show", "lost"], "no graph 'lost' is kept here"),
        (["show", "tanh@7"], "'tanh' has no version 7; it has 1"),
        (["tag", "tanh@1", "exam", "--off"], "'tanh@1' cannot be a name: a name holds no '@', ':' or '#'"),
        (["label", "tanh", "a=1", "--off", "a"], "the label 'a' is to be set and taken off"),
        (["find", "verified:often"], "'often' is not one of exact, within, differs, never"),
        (["init", ""], "mgraph: the path of an archive is not empty"),
        (["list", "--archive", SAMPLES / "tanh.json"], "tanh.json: not an archive, but a file of another kind"),
    ],
)
def test_what_is_wrong_is_said(do: Run, argv: list[str | Path], said: str) -> None:
    do("keep", SAMPLES / "tanh.json")
    done = do(*argv)
    assert done.returncode == 2 and said in done.stderr and ".\n" not in done.stderr


def test_no_archive(call: Cli) -> None:
    assert "no archive is named: --archive ARCHIVE, or set MGRAPH_ARCHIVE" in call("archive", "list").stderr
    done = call("archive", "list", "--archive", "course.mgraph")
    assert "course.mgraph: no such archive. To make one: mgraph archive init course.mgraph" in done.stderr
    assert call("archive").stderr == "mgraph: missing command\nTry: mgraph archive --help\n"
    assert "there is no command 'keeep'. Did you mean 'keep'?" in call("archive", "keeep").stderr


def test_an_archive_is_a_file_of_many_graphs(call: Cli, tmp_path: Path) -> None:
    call("archive", "init", "course.mgraph")
    call("archive", "keep", "--archive", "course.mgraph", *SMALL)
    altered(tmp_path / "altered.json")
    assert call("archive", "keep", "--archive", "course.mgraph", "altered.json", "--as", "2").returncode == 0
    entries = mgraph.contents(tmp_path / "course.mgraph")
    assert {each.name.rpartition("#")[2] for each in entries} == {path.stem for path in SMALL} | {"2"}
    assert {each.place for each in entries} == {"version 1"}
    done = call("verify", "course.mgraph", "--jobs", "2", "-q")
    assert done.returncode == 1 and "course.mgraph#2 " in done.stdout
    assert call("verify", "course.mgraph#neuron").returncode == 0
    info = call("info", "#neuron", env={"MGRAPH_ARCHIVE": "course.mgraph"})
    assert info.stdout.startswith("title        A neuron of two inputs\n")
    assert call("archive", "show", "course.mgraph#neuron").stdout.startswith("neuron@1\n")
    assert call("archive", "keep", "--archive", "course.mgraph", "course.mgraph").stdout.endswith(" known\n")


def test_processes_keep_alike(call: Cli, tmp_path: Path) -> None:
    for name in ("one", "two"):
        call("archive", "init", f"{name}.mgraph")
    done = [
        call("archive", "keep", SAMPLES, "--archive", f"{name}.mgraph", "--jobs", str(jobs)).stdout
        for jobs, name in enumerate(("one", "two"), 1)
    ]
    assert done[0] == done[1]


@pytest.mark.parametrize("file", ["samples/neuron.json", "course.mgraph#neuron"])
def test_run_imports_no_more_of_the_archive_than_it_needs(call: Cli, tmp_path: Path, file: str) -> None:
    (tmp_path / "samples").symlink_to(SAMPLES)
    call("archive", "init", "course.mgraph")
    call("archive", "keep", SAMPLES / "neuron.json", "--archive", "course.mgraph")
    unwanted = ["sqlalchemy", "alembic", "mgraph.cli.archive_commands"]
    unwanted += ["sqlite3", "mgraph.archive.sqlite_file"] * file.endswith(".json")
    script = (
        "import sys; from mgraph.cli.main import main\n"
        "try: main()\n"
        f"except SystemExit as end: print(end.code, {{*{unwanted}}} & {{*sys.modules}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "run", file], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "0 set()", done.stdout + done.stderr


def test_a_cell_shows_what_was_found_as_a_table(archive: Archive) -> None:
    archive.keep(NEURON, "<neuron>")
    found = archive.find("op:tanh")
    shown = found._repr_mimebundle_()
    assert "<table>" in shown["text/html"] and "&lt;neuron&gt;@1" in shown["text/html"]
    assert str(found) == shown["text/plain"] and str(found).startswith("name")
    a = mgraph.Value(2.0, name="a")
    assert archive.keep(a * a, "square", tag="latest").number == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["edit", "neuron.json", "--title", "x", "-o", "course.mgraph"],
        ["run", "neuron.json", "--save", "course.mgraph"],
        ["archive", "get", "course.mgraph#neuron", "-o", "course.mgraph"],
        ["verify", "neuron.json", "-q", "--junit", "course.mgraph"],
        ["draw", "neuron.json", "link.svg"],
    ],
)
def test_no_file_is_written_over_an_archive(call: Cli, tmp_path: Path, argv: list[str]) -> None:
    NEURON.save(tmp_path / "neuron.json")
    call("archive", "init", "course.mgraph")
    call("archive", "keep", "neuron.json", "--archive", "course.mgraph")
    (tmp_path / "link.svg").symlink_to("course.mgraph")
    before = (tmp_path / "course.mgraph").read_bytes()
    done = call(*argv)
    assert done.returncode == 2 and "it is a database (an archive?), which this would replace" in done.stderr
    with pytest.raises(mgraph.MgraphError, match="it is a database"):
        NEURON.save(tmp_path / "course.mgraph")
    assert (tmp_path / "course.mgraph").read_bytes() == before


def test_a_file_whose_name_has_a_hash_comes_before_an_archive(call: Cli, tmp_path: Path) -> None:
    call("archive", "init", "course.mgraph")
    call("archive", "keep", SAMPLES / "neuron.json", "--archive", "course.mgraph")
    other = NEURON.with_leaves({"x1": 77.0})
    for name in ("#neuron", "course.mgraph#neuron"):
        kept = call("run", name, "--out", "x1", env={"MGRAPH_ARCHIVE": "course.mgraph"})
        assert " 0.5 " in kept.stdout
        other.save(tmp_path / name)
        assert " 77.0 " in call("run", name, "--out", "x1", env={"MGRAPH_ARCHIVE": "course.mgraph"}).stdout
    assert "no archive is named" in call("run", "#lost", env={"MGRAPH_ARCHIVE": ""}).stderr


def test_what_is_kept_elsewhere_keeps_its_name(call: Cli) -> None:
    for name in ("one", "two"):
        call("archive", "init", f"{name}.mgraph")
    call("archive", "keep", SAMPLES / "neuron.json", "--as", "lesson/2", "--archive", "one.mgraph")
    for path in ("one.mgraph#lesson/2@1", "#lesson/2", "one.mgraph"):
        done = call("archive", "keep", path, "--archive", "two.mgraph", env={"MGRAPH_ARCHIVE": "one.mgraph"})
        assert done.stdout.splitlines()[1].startswith("lesson/2@1 "), done.stderr
    done = call("archive", "keep", f"one.mgraph#{NEURON.digest[:20]}", "--archive", "two.mgraph")
    assert done.returncode == 2 and "it has no name; choose one: --as NAME" in done.stderr
