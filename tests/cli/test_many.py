"""Many files in one call: a line for each graph, counts, exit statuses, processes, and what is wrong with the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import ROOT, Cli, work

import mgraph
from mgraph import MgraphError, Value, load
from mgraph.cli.outcomes import judged, verified
from mgraph.cli.processes import in_order
from mgraph.formats.finding import find
from mgraph.formats.opening import EMPTY

SAMPLES = ROOT / "samples"
TANH = SAMPLES / "tanh.json"
JUDGE = partial(verified, ulps=None, strict=False, differences=True)


def wrong(**changed: Any) -> bytes:
    """The sample with other numbers at the node t1."""
    document = load(TANH).document
    next(node for node in document["nodes"] if node["id"] == "t1").update(changed)
    return json.dumps(document).encode()


def notebook(*documents: object) -> str:
    outputs = [{"outputs": [{"data": {"application/vnd.mgraph+json": each}}]} for each in documents]
    return json.dumps({"nbformat": 4, "cells": outputs})


CLEARED = json.dumps({"nbformat": 4, "cells": [{"source": ["import mgraph"], "outputs": []}]})


@pytest.fixture
def lessons(tmp_path: Path) -> Path:
    """A folder with one file of each kind: exact, within, recipe, differing, cut, of no graph; and a notebook."""
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "a.json").write_bytes(TANH.read_bytes())
    (folder / "bad.json").write_bytes(wrong(data=0.5))
    (folder / "cut.json").write_bytes(TANH.read_bytes()[:100])
    tolerant = load(TANH).document | {"tolerance": {"ulps": 4}}
    tolerant["nodes"][0]["grad"] += 2.0**-54
    titled = load(TANH).document | {"title": "loss"}
    broken = {"mgraph": 1, "nodes": [{"id": "a", "op": "tanh", "args": ["b"]}]}
    (folder / "l.ipynb").write_text(notebook(titled, broken, tolerant))
    (folder / "package.json").write_text("{}")
    (folder / "readme.md").write_text("#")
    (folder / "recipe.json").write_text('{"mgraph": 1, "nodes": [{"id": "a", "op": "input"}]}')
    return folder


TABLE = """\
graph                 nodes  verdict
d/a.json                  6  exact
d/bad.json                6  differs at t1 (data, 2,610,808,761,580,715 ulp)
d/l.ipynb#loss            6  exact
d/l.ipynb#3               6  within 1 ulp
d/recipe.json             1  nothing recorded to check
2 exact, 1 within tolerance, 1 with nothing recorded, 1 differs, 2 invalid, 2 other files passed over
"""
COMPLAINTS = """\
mgraph: d/cut.json: not JSON: it ends in the middle, at line 5, column 33 (cut short?)
mgraph: d/l.ipynb#2: $.nodes[0].args[0] (node 'a'): there is no node 'b'.
"""


@pytest.mark.parametrize("jobs", [(), pytest.param(("--jobs", "2"), marks=pytest.mark.slow)], ids=str)
def test_a_folder(call: Cli, lessons: Path, jobs: tuple[str, ...]) -> None:
    done = call("verify", "d", *jobs)
    assert (done.returncode, done.stdout, done.stderr) == (2, TABLE, COMPLAINTS)
    done = call("verify", "d", "-q", *jobs)
    lines = TABLE.splitlines(keepends=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, lines[0] + lines[2] + lines[-1], COMPLAINTS)


def test_the_exit_status_is_the_worst(call: Cli, lessons: Path) -> None:
    for argv, status, counts in (
        (("d/a.json", "d/a.json"), 0, "2 exact"),
        (("d/a.json", "d/bad.json"), 1, "1 exact, 1 differs"),
        (("d/bad.json", "d/cut.json", "d/bad.json"), 2, "2 differ, 1 invalid"),
        (("none.json", "d/bad.json"), 2, "1 differs, 1 unreadable"),
        (("d/recipe.json", "d/recipe.json", "--strict"), 1, "2 not replayed"),
        (("d/l.ipynb#3", "d/l.ipynb#loss", "--ulps", "0"), 1, "1 exact, 1 differs"),
    ):
        done = call("verify", *argv)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (status, counts)


def test_one_file_alone_is_told_in_full(call: Cli, lessons: Path) -> None:
    assert call("verify", "d/a.json").stdout.startswith("audit    4 data and 6 grad")
    assert call("verify", "d/a.json", "--jobs", "2").stdout == call("verify", "d/a.json").stdout
    assert json.loads(call("verify", "d/a.json", "--json").stdout)["file"] == "d/a.json"
    assert call("info", "d/a.json").stdout.startswith("title  ")
    assert call("validate", "d/a.json").stdout == "d/a.json: a valid document of format 1, 6 nodes\n"


def test_info_and_validate(call: Cli, lessons: Path) -> None:
    done = call("info", "d", "-q")
    assert (done.returncode, done.stdout) == (2, "5 graphs, 2 invalid, 2 other files passed over\n")
    assert call("info", "d/a.json", "d/l.ipynb").stdout == (
        "graph                 nodes  title\n"
        "d/a.json                  6  Two inputs through tanh\n"
        "d/l.ipynb#loss            6  loss\n"
        "d/l.ipynb#3               6  Two inputs through tanh\n"
        "3 graphs, 1 invalid\n"
    )
    done = call("validate", "d")
    assert done.returncode == 2 and done.stderr == COMPLAINTS
    assert done.stdout.splitlines()[2:] == [
        "d/l.ipynb#loss: a valid document of format 1, 6 nodes",
        "d/l.ipynb#3: a valid document of format 1, 6 nodes",
        "d/recipe.json: a valid document of format 1, 1 node",
        "5 valid, 2 invalid, 2 other files passed over",
    ]


@pytest.mark.parametrize("more", [(), ("d/a.json",)], ids=["alone", "among others"])
def test_validate_tells_every_error_of_a_file(call: Cli, lessons: Path, more: tuple[str, ...]) -> None:
    (lessons / "bad.json").write_text('{"mgraph": 1, "nodes": [{"id": "a", "op": "input", "data": true}], "x": 1}')
    done = call("validate", "d/bad.json", *more)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        'mgraph: d/bad.json: $.nodes[0].data (node \'a\'): expected a number, or "NaN", "Infinity" or "-Infinity" as a'
        " string, got true",
        "mgraph: d/bad.json: $.x: unknown key. Allowed here: mgraph, title, nodes, outputs, seeds, tolerance, meta",
    ]
    (lessons / "bad.json").write_text(json.dumps({"mgraph": 1, "nodes": [{"id": "a"}] * 200}))
    told = call("validate", "d/bad.json", *more).stderr.splitlines()
    assert len(told) == 101 and told[-1] == "mgraph: d/bad.json: only the first 100 errors are told"
    assert len(call("info", "d/bad.json", "d/a.json").stderr.splitlines()) == 1


def test_json_is_an_object_a_line(call: Cli, lessons: Path) -> None:
    done = call("verify", "d", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["name"], each["place"], each["title"], each["status"]) for each in found] == [
        ("d/a.json", "", "Two inputs through tanh", 0),
        ("d/bad.json", "", "Two inputs through tanh", 1),
        ("d/cut.json", "", None, 2),
        ("d/l.ipynb#loss", "cell 1", "loss", 0),
        ("d/l.ipynb#2", "cell 2", None, 2),
        ("d/l.ipynb#3", "cell 3", "Two inputs through tanh", 0),
        ("d/recipe.json", "", None, 0),
    ]
    assert {each["file"] for each in found[3:6]} == {"d/l.ipynb"}
    alone = json.loads(call("verify", "d/bad.json", "--json").stdout)
    assert alone.items() <= found[1].items()
    assert found[2]["errors"] == [COMPLAINTS.splitlines()[0].removeprefix("mgraph: ")]
    assert (done.returncode, done.stderr) == (2, TABLE.splitlines()[-1] + "\n")
    assert [json.loads(line)["status"] for line in call("verify", "d", "--json", "-q").stdout.splitlines()] == [1, 2, 2]
    (one,) = call("validate", "d/a.json", "--json").stdout.splitlines()
    assert json.loads(one)["valid"] is True


def test_junit(call: Cli, lessons: Path) -> None:
    done = call("verify", "d", "--junit", "report.xml")
    assert (done.returncode, done.stdout) == (2, TABLE)
    root = ElementTree.fromstring((lessons.parent / "report.xml").read_bytes())
    (suite,) = root
    assert (root.tag, suite.tag, suite.get("name")) == ("testsuites", "testsuite", "mgraph verify")
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["7", "1", "2", "1"]
    assert [(case.get("name"), case.get("file"), [each.tag for each in case]) for case in suite] == [
        ("d/a.json", "d/a.json", []),
        ("d/bad.json", "d/bad.json", ["failure"]),
        ("d/cut.json", "d/cut.json", ["error"]),
        ("d/l.ipynb#loss", "d/l.ipynb", []),
        ("d/l.ipynb#2", "d/l.ipynb", ["error"]),
        ("d/l.ipynb#3", "d/l.ipynb", []),
        ("d/recipe.json", "d/recipe.json", ["skipped"]),
    ]
    (failure,) = suite[1]
    assert failure.get("message") == "differs at t1 (data, 2,610,808,761,580,715 ulp)"
    assert failure.text == call("verify", "d/bad.json").stdout.rstrip("\n")
    assert sum(float(case.get("time", "nan")) for case in suite) == pytest.approx(
        float(suite.get("time", "")), abs=1e-5
    )


def test_a_junit_file_that_cannot_be_written_is_told_after_the_rest(call: Cli, lessons: Path) -> None:
    done = call("verify", "d", "--junit", "none/report.xml")
    assert (done.returncode, done.stdout) == (2, TABLE)
    assert done.stderr == COMPLAINTS + "mgraph: none/report.xml: cannot be written: no such file or directory\n"
    done = call("verify", "d/a.json", "--junit", "d")
    assert (done.returncode, done.stderr) == (2, "mgraph: d: cannot be written: it is a directory\n")
    (lessons.parent / "old.xml").write_text("old")
    assert call("verify", "d", "--junit", "old.xml/report.xml").returncode == 2
    assert (lessons.parent / "old.xml").read_text() == "old"


def test_calls_that_mean_nothing(call: Cli, lessons: Path) -> None:
    for argv, message in (
        (("d", "--jobs", "0"), "--jobs: 0 is not in the range 1<=x<=60"),
        (("d", "--jobs", "two"), "--jobs: 'two' is not a valid integer range"),
        (("-", "d", "-"), "- (standard input) is there twice"),
        (("d", "--junit", "-"), "--junit needs a file; standard output has the lines"),
        ((), "PATH... is missing"),
    ):
        done = call("verify", *argv)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"mgraph: {message}\nTry: mgraph verify --help\n"


@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_standard_input_among_files(call: Cli, lessons: Path, jobs: str) -> None:
    done = call("verify", "d/bad.json", "-", "d/a.json", "--jobs", jobs, stdin=TANH.read_bytes())
    assert [line.split("  ")[0] for line in done.stdout.splitlines()[1:-1]] == [
        "d/bad.json",
        "standard input",
        "d/a.json",
    ]
    done = call("verify", "@-", "--jobs", jobs, stdin=b"d/a.json\0d/recipe.json\0")
    assert done.stdout.splitlines()[-1] == "1 exact, 1 with nothing recorded"


# Nothing to check must not pass for a check


def test_a_folder_without_graphs(call: Cli, lessons: Path) -> None:
    (lessons.parent / "none" / "deeper").mkdir(parents=True)
    (lessons.parent / "none" / "a.txt").write_text("")
    (lessons.parent / "none" / "deeper" / "package.json").write_text("{}")
    for verb in ("verify", "validate", "info"):
        done = call(verb, "none", "d/a.json")
        assert done.returncode == 2
        assert done.stderr == "mgraph: none: no graph below this folder (2 other files)\n"
        assert done.stdout.splitlines()[-1].endswith(", 1 unreadable, 2 other files passed over")
    (lessons.parent / "list.txt").write_text("\n")
    assert call("verify", "@list.txt").stdout == "no files\n"


def test_a_notebook_whose_outputs_were_cleared(call: Cli, lessons: Path) -> None:
    """It fails wherever it is, if its code imports mgraph; by name or not."""
    (lessons / "cleared.ipynb").write_text(CLEARED)
    (lessons / "other.ipynb").write_text('{"nbformat": 4, "cells": []}')
    for argv in (["d/cleared.ipynb"], ["d"], ["--pass-over", "d/cleared.ipynb", "d/other.ipynb"]):
        done = call("verify", *argv)
        assert done.returncode == 2 and f"mgraph: d/cleared.ipynb: {EMPTY}\n" in done.stderr
        assert "other.ipynb" not in done.stderr + done.stdout
    done = call("verify", "d/a.json", "d/other.ipynb")
    assert (done.returncode, done.stderr) == (2, f"mgraph: d/other.ipynb: {EMPTY}\n")


def test_named_files_of_no_graph_are_passed_over_if_asked(call: Cli, lessons: Path) -> None:
    done = call("verify", "d/package.json", "d/readme.md", "d/a.json")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (2, "1 exact, 2 invalid")
    done = call("verify", "--pass-over", "d/package.json", "d/readme.md", "d/a.json")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 exact, 2 other files passed over")
    done = call("verify", "--pass-over", "d/package.json", "d/l.ipynb#3")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 within tolerance, 1 other file passed over")
    done = call("verify", "--pass-over", "none.json")
    assert (done.returncode, done.stderr) == (2, "mgraph: none.json: there is no such file\n")


# The rest is checked, whatever is wrong with some


def test_a_file_that_vanishes_meanwhile(lessons: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lessons.parent)
    found, _ = find(["d"])
    (lessons / "a.json").unlink()
    (outcome,) = judged(JUDGE, False, found[0]) or ()
    assert (outcome.status, outcome.says) == (2, "d/a.json: there is no such file. Did you mean 'bad.json'?")


@pytest.mark.slow
def test_hostile_files_and_names(call: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    names = [b"caf\xe9.json", b"new\nline.json", b"\x1b[2J.json"]
    for name in names:
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(wrong(data=0.5))
    (folder / "deep.json").write_text('{"mgraph": 1, "meta": ' + "[" * 5_000 + "]" * 5_000 + "}")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "bom.json").write_bytes(b"\xef\xbb\xbf" + TANH.read_bytes())
    for jobs in ("1", "2"):
        done = call("verify", "d", "--jobs", jobs, "--junit", "report.xml")
        lines = done.stdout.splitlines()
        assert done.returncode == 2
        assert [line.split("  ")[0] for line in lines[1:-1]] == [
            r"'d/\x1b[2J.json'",
            r"'d/caf\udce9.json'",
            r"'d/new\nline.json'",
        ]
        assert lines[-1] == "3 differ, 2 invalid, 1 unreadable"
        assert [line.partition(": ")[2].partition(": ")[0] for line in done.stderr.splitlines()] == [
            "d/bom.json",
            "d/deep.json",
            "d/loop.json",
        ]
        assert len(ElementTree.parse(tmp_path / "report.xml").getroot()[0]) == 6
    found = [json.loads(line)["file"] for line in call("verify", "d", "--json").stdout.splitlines()]
    assert "d/new\nline.json" in found and "d/caf?.json" in found


# Processes


@pytest.mark.slow
def test_processes_share_the_work_and_keep_the_order() -> None:
    assert list(in_order(abs, range(-1_000, 0), 3)) == list(range(1_000, 0, -1))
    assert list(in_order(abs, [], 3)) == [] and list(in_order(abs, [-1], 3)) == [1]


def worker(_: int) -> int:
    time.sleep(0.02)
    return os.getpid()


@pytest.mark.slow
def test_no_process_is_started_for_nothing_and_each_works() -> None:
    assert set(in_order(worker, range(3), 1)) == {os.getpid()}
    workers = set(in_order(worker, range(100), 2))
    assert len(workers) == 2 and os.getpid() not in workers
    assert not any(map(alive, workers))


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_a_process_that_is_killed_is_told() -> None:
    with pytest.raises(MgraphError, match=r"a process of --jobs was killed \(out of memory\?\)"):
        list(in_order(os._exit, range(100), 2))


@pytest.mark.slow
def test_processes_end_with_the_one_who_wants_no_more() -> None:
    results = in_order(worker, range(1_000), 2)
    first = next(results)
    results.close()
    assert not alive(first)


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=lambda each: each.name)
def test_an_interrupt_ends_all_at_once(tmp_path: Path, end: signal.Signals) -> None:
    """Whoever is left would hold the pipe of standard error open."""
    for k in range(5_000):
        (tmp_path / f"{k}.json").hardlink_to(SAMPLES / "xor.json") if k else (tmp_path / "0.json").write_bytes(
            TANH.read_bytes()
        )
    argv = [sys.executable, "-m", "mgraph", "verify", ".", "--jobs", "2"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=-1, stderr=-1) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.send_signal(end)
        left = process.communicate(timeout=20)[1]
    assert process.returncode == -end and left == b""


# What it costs


def test_a_file_costs_the_same_among_many(tmp_path: Path, call: Cli) -> None:
    for count in (20, 40):
        for k in range(count):
            (tmp_path / f"{count}-{k}.json").write_bytes(TANH.read_bytes())
    argv = {count: ["verify", *(f"{count}-{k}.json" for k in range(count))] for count in (20, 40)}
    call(*argv[20])  # imports
    small, large = (work(lambda count=count: call(*argv[count])) for count in (20, 40))
    assert large < 2.1 * small


def test_many_files_import_and_start_nothing_more_than_one(tmp_path: Path) -> None:
    script = "import sys; from mgraph.cli.main import main\ntry: main()\nexcept SystemExit: print(len(sys.modules))"
    counts = []
    for argv in ([TANH], [TANH, TANH]):
        done = subprocess.run(
            [sys.executable, "-c", script, "verify", *argv], capture_output=True, text=True, check=True
        )
        counts.append(int(done.stdout.splitlines()[-1]))
    assert counts[1] < counts[0] + 20


def test_a_value_is_no_file(call: Cli, tmp_path: Path) -> None:
    mgraph.save(Value(1.0, name="a") * 2, tmp_path / "@at.json")
    assert call("verify", "./@at.json").returncode == 0
