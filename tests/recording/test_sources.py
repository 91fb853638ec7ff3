"""Where values are made: noted when asked for, recorded, and shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Cli

import mgraph
from mgraph import Value, nn
from mgraph.recording.value import topological_order

LESSON = """\
import mgraph
from mgraph import Value, nn

def twice(x):
    return (
        x
        + x
    )

with mgraph.sources():
    a = Value(0.5, name="a")
    y = twice(a) * 3
    y = y + nn.Neuron(1)([a])
z = y * 2
z.name = "z"
mgraph.save(z, "lesson.json")
"""


def test_a_file_and_a_line(tmp_path: Path, call: Cli) -> None:
    (tmp_path / "lesson.py").write_text(LESSON)
    subprocess.run([sys.executable, tmp_path / "lesson.py"], cwd=tmp_path, check=True)
    graph = mgraph.load(tmp_path / "lesson.json")
    found = [(node["op"], node.get("source")) for node in graph.nodes]
    assert found == [
        ("input", "lesson.py, line 11"),
        ("add", "lesson.py, line 6"),
        ("mul", "lesson.py, line 12"),
        *[("parameter", "lesson.py, line 13")] * 2,
        *[(op, "lesson.py, line 13") for op in ("mul", "add", "tanh", "add")],
        ("mul", None),
    ]
    assert str(tmp_path) not in json.dumps(graph.document)  # the rest of the path is the owner's

    document = graph.document
    document["nodes"][2]["data"] = 0.25
    mgraph.Graph(document).save(tmp_path / "bad.json")
    done = call("verify", "bad.json")
    assert done.returncode == 1 and "n2: data is 0.25, should be 3.0" in done.stdout
    assert "), made at lesson.py, line 12\n" in done.stdout
    (culprit,) = json.loads(call("verify", "bad.json", "--json").stdout)["culprits"]
    assert culprit["source"] == "lesson.py, line 12"
    assert "made at lesson.py, line 12" in graph.draw().source


def test_it_is_off_unless_asked_for_and_put_back() -> None:
    x = Value(1.0)
    assert x.source is None and "source" not in mgraph.record(x * 2).document["nodes"][1]
    line = sys._getframe().f_lineno
    with mgraph.sources():
        a = x * 2
        with mgraph.sources(on=False):
            b = x * 2
        c = x.tanh()
    d = x * 2
    here = Path(__file__).name
    sources = [value.source for value in (a, b, c, d)]
    assert sources == [f"{here}, line {line + 2}", None, f"{here}, line {line + 5}", None]
    mgraph.sources()
    try:
        assert (x * 2).source is not None
    finally:
        mgraph.sources(False)
    assert (x * 2).source is None


def test_every_way_to_make_a_value_is_told_by_its_caller() -> None:
    np = pytest.importorskip("numpy")
    with mgraph.sources():
        values = [
            Value(1.0),
            mgraph.parameter(1.0),
            mgraph.constant(1.0),
            2 / Value(1.0),
            mgraph.tanh(Value(1.0)),
            nn.MLP(2, [2, 1])([1.0, 2.0]),
            np.exp(mgraph.array([1.0, 2.0])).sum(),
            mgraph.array([[1.0, 2.0]], "W")[0, 0],
        ]
    for value in values:
        assert {each.source.split(",")[0] for each in topological_order((value,))} == {Path(__file__).name}


def test_a_number_that_is_not_finite_says_where_it_was_made(call: Cli, tmp_path: Path) -> None:
    with mgraph.sources():
        y = Value(-1.0, name="x").log() * 2
    mgraph.save(y, tmp_path / "x.json")
    assert (
        f"first not finite: n1 = NaN, of x = -1.0, made at {Path(__file__).name}, line " in call("run", "x.json").stdout
    )


def test_a_hostile_file_name(tmp_path: Path) -> None:
    for name in ("\udcff\n.py", "x" * 5_000, "", "<string>"):
        scope: dict = {}
        exec(compile("import mgraph\nwith mgraph.sources(): y = mgraph.Value(1.0) * 2", name, "exec"), scope)
        graph = mgraph.record(scope["y"])
        assert mgraph.loads(graph.to_bytes()).nodes[1]["source"].endswith(", line 2")


def test_a_notebooks_cell(tmp_path: Path) -> None:
    pytest.importorskip("IPython", reason="IPython is not installed")
    program = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "for cell in ('import mgraph\\nfrom mgraph import Value', 'mgraph.sources()\\nx = Value(1.0)', 'y = x * 2'):\n"
        "    shell.run_cell(cell, store_history=True, silent=False).raise_error()\n"
        "print('made', [shell.user_ns[name].source for name in 'xy'])\n"
    )
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert "made ['cell 2, line 2', 'cell 3, line 1']" in done.stdout
