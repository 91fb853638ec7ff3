"""What type checkers make of users' programs: every op is known, with its types, and a misspelt one is an error."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

CHECKERS = {
    "mypy": [sys.executable, "-m", "mypy", "--strict"],  # with the cache of test_house's run
    "pyright": [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
}

RIGHT = """\
# pyright: strict
from fractions import Fraction
import mgraph
from mgraph import Value, tanh

x = Value(1.0, name="x")
recorded: Value = mgraph.exp(x) + tanh(x) - 2 / x.maximum(0.5) ** 2
number: float = mgraph.exp(0.5) + mgraph.maximum(1, 2.0)
either: Value | float = mgraph.exp(Fraction(1, 2))
left: Value = mgraph.maximum(x, 0.5)
right: Value = mgraph.maximum(Fraction(1, 2), x)
total: Value = sum([x, x.tanh()], x) * Fraction(1, 2)
values: list[Value] = list(map(Value.tanh, [x, -x, abs(x)]))
[output] = mgraph.nn.MLP(2, [3, 1]).outputs([x, 2.0])
loss: Value = (output - 1) ** 2
[*outputs] = mgraph.nn.micrograd.Layer(1, 2).outputs([x])
sum_of_all: Value = sum(outputs, Value(0.0))
"""
PROGRAM = """\
# pyright: strict
from collections.abc import Mapping, Sequence
from pathlib import Path

import mgraph
from mgraph import Batch, Diff, Discrepancy, Drawing, Entry, Fit, Graph, Replayer, Report, Run, TableResult, Value
from mgraph import DocumentError, FileError, MgraphError, constant, parameter, scope


def loss(x: Value, target: float) -> dict[str, Value]:
    with scope("model") as path:
        w, b = parameter(0.5, "w"), parameter(0, name="b")
        hidden = mgraph.tanh(w * x + b).maximum(-0.5)
    error = (hidden - target) ** 2 + constant(1e-3) * abs(w) / 2 - -b.relu() + 2**x
    error.name = f"{path} loss"
    return {"loss": error}


def recorded() -> Graph:
    outputs = loss(Value(1.5, name="x"), 0.25)
    outputs["loss"].backward(seed=2.0)
    slope: float = outputs["loss"].grad
    mgraph.name({"slope": slope, **outputs})
    return mgraph.record(*outputs.values(), title="A loss", meta={"kind": ["test", 1]}, tolerance=2)


def first(graphs: Sequence[Entry]) -> Graph:
    for entry in graphs:
        if entry.graph is not None:
            return entry.graph
    raise MgraphError("none")


def checked(graph: Graph) -> Report:
    report: Report = graph.verify(ulps=0, strict=True, finite_differences=False)
    culprits: Sequence[Discrepancy] = report.culprits
    for culprit in culprits:
        print(culprit.node, culprit.field, culprit.recorded + 1.0, culprit.ulps // 2)
    if not report.ok:
        print(report.verdict.upper(), report.data_checked + report.grad_checked)
    return report


def used(graph: Graph, folder: Path) -> None:
    run: Run = graph.replay({"x": 2.0}, outputs=graph.outputs, seeds={}, backward=True, engine="reference")
    outputs: Mapping[str, float] = run.outputs
    numbers: list[float] = [run.data["x"], run.grad["x"], *outputs.values(), *graph.data.values()]
    names: list[str] = graph.inputs + graph.parameters + graph.ancestors("x") + graph.outputs
    other: Graph = graph.with_run(run).with_leaves({"x": max(numbers)}).slice(names[:1])
    found: Diff = graph.diff(other)
    picture: Drawing = graph.draw_diff(other) if found.same else graph.draw(run, digits=2)
    mgraph.picture(picture, folder / "graph.svg", embed=False)
    mgraph.picture(graph, "graph.png")
    derived: Graph = graph.gradient(of="y", wrt=["x"]).jacobian().hessian(wrt="x").jvp({"x": 1.0})
    mgraph.save(derived, folder / "derived.json")
    table: TableResult = graph.replay_rows("rows.csv", folder / "out.csv", fixed={"w": 1}, keep="id", backward=False)
    print(table.rows + 1, table.engine.upper(), len(graph), "x" in graph, graph.nodes[0]["op"])
    fitted: Fit = mgraph.fit(graph, 10, lambda step: 0.1 / (1 + step), loss="loss", method="adam")
    losses: list[float] = fitted.losses
    print(fitted.graph.digest, sum(losses), graph.export("c").decode(), graph.to_bytes()[:1], graph.digests["recipe"])


def fast(graph: Graph, columns: Mapping[str, Sequence[float]]) -> Batch:
    replayer: Replayer = graph.compile(gradients=["x"], arithmetic="fast")
    replayer.set("x", 2.0)
    return replayer.batch(columns, gradients=True)


def opened(path: str) -> Graph | None:
    try:
        return mgraph.load(path) if path.endswith(".json") else first(mgraph.contents(path))
    except (FileError, DocumentError) as error:
        print(error, error.args)
        return None


def traced() -> Graph:
    def area(width: Value, height: Value) -> Value:
        return width * height

    graph: Graph = mgraph.trace(area, 2.0, height=parameter(3.0))
    return mgraph.loads(graph.to_bytes())
"""
WRONG = {
    "a misspelt method": ("Value(1.0).tahn()", "tahn"),
    "a misspelt function": ("mgraph.sigmiod(Value(1.0))", "sigmiod"),
    "text": ('Value(1.0) + "2"', "+"),
    "text on the left": ('"2" * Value(1.0)', "*"),
    "an operand too many": ("Value(1.0).tanh(2.0)", "argument"),
    "an operand too few": ("mgraph.maximum(1.0)", "maximum"),
    "a value for a report": ("report: mgraph.Report = Value(1.0)", "Report"),
    "text for a graph": ('mgraph.record(Value(1.0)).diff("other.json")', "Graph"),
    "a value for a float": ("number: float = mgraph.exp(Value(1.0))", "Value"),
}


def checked(checker: str, *scripts: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}
    argv = [*CHECKERS[checker], *map(str, scripts)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_right_lines_pass_and_wrong_ones_are_errors(checker: str, tmp_path: Path) -> None:
    right, program, wrong, empty = (tmp_path / f"{name}.py" for name in ("right", "program", "wrong", "empty"))
    right.write_text(RIGHT)
    program.write_text(PROGRAM)
    wrong.write_text(
        "\n".join(["import mgraph", "from mgraph import Value", *(line for line, _ in WRONG.values()), ""])
    )
    empty.write_text("")
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed; install the extra [test]")
    if checker == "pyright" and checked(checker, empty).returncode != 0:
        pytest.skip("pyright cannot run: it needs node, and fetches itself from npm once")
    done = checked(checker, right, program, wrong)
    lines = done.stdout.splitlines()
    amiss = [line for line in lines if "right.py:" in line or "program.py:" in line]
    assert done.returncode == 1 and not amiss, done.stdout + done.stderr
    for number, (line, word) in enumerate(WRONG.values(), 3):
        found = [each for each in lines if f"wrong.py:{number}:" in each]
        assert any("error" in each and word in each for each in found), (line, done.stdout)
