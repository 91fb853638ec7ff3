"""Gradient descent by replay: micrograd's demo, each method against its formula, data by rows, and what goes wrong."""

from __future__ import annotations

import importlib.util
import json
import math
import random
import re
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Cli

import mgraph
from mgraph import Graph, ReplayError, Value, fit, load, parameter, record
from mgraph.cli.chart import curve

MOONS = load(ROOT / "samples/moons.json.gz")
ENGINES = ["reference", *(["compiled"] if importlib.util.find_spec("llvmlite") else [])]
NOTEBOOK = {0: 0.8958441028683222, 1: 1.7235905336972022, 2: 0.7429006313851131}
"""The losses that micrograd's demo notebook prints for its first steps."""


def line(w: float = 0.25, b: float = -0.5) -> Graph:
    """The squared error of a line at one point."""
    x, y = Value(2.0, name="x"), Value(1.0, name="y")
    loss = (parameter(w, "w") * x + parameter(b, "b") - y) ** 2
    loss.name = "loss"
    return record(loss)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_the_moons_of_micrograds_notebook(engine: str) -> None:
    found = fit(MOONS, 100, lambda step: 1.0 - 0.9 * step / 100, engine=engine)
    assert found.engine == engine
    assert len(found.losses) == 101
    for step, loss in NOTEBOOK.items():
        assert found.losses[step] == pytest.approx(loss, rel=1e-12)
    assert found.losses[-1] < 0.012
    assert found.graph.data[MOONS.outputs[0]] == found.losses[-1]
    assert right(found.graph) == 100
    assert found.graph.verify(finite_differences=False).verdict == "exact"


def right(graph: Graph) -> int:
    """How many points the network gets right: those whose score has the sign of the label, -y·score < 0."""
    margins = [node["args"][0] for node in graph.nodes if node["op"] == "relu" and node.get("scope") == "loss"]
    terms = [graph.nodes[graph.index[margin]]["args"] for margin in margins]
    return sum(graph.data[next(a for a in args if isinstance(a, str))] < 0.0 for args in terms)


def test_both_engines_take_the_same_steps() -> None:
    if len(ENGINES) < 2:
        pytest.skip("llvmlite is not installed (the extra mgraph-replay[fast])")
    rng = random.Random(2)
    data = {name: [rng.uniform(-2, 2) for _ in range(50)] for name in "xy"}
    for method in ("sgd", "momentum", "adam"):
        one, other = (fit(line(), 30, 0.02, data=data, method=method, engine=engine) for engine in ENGINES)
        assert one.losses == other.losses
        assert one.graph.data == other.graph.data


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sgd", "momentum", "adam"])
def test_the_methods_against_pytorch(method: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra mgraph-replay[torch])")
    w, b = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.25, -0.5))
    options = {"sgd": {}, "momentum": {"momentum": 0.9}, "adam": {}}[method]
    optimizer = (torch.optim.Adam if method == "adam" else torch.optim.SGD)([w, b], lr=0.03, **options)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (w * 2.0 + b - 1.0) ** 2
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    found = fit(line(), 20, 0.03, method=method)
    assert found.losses[:-1] == pytest.approx(losses, rel=1e-9)
    assert [found.graph.data[name] for name in "wb"] == pytest.approx([w.item(), b.item()], rel=1e-9)


def test_the_mean_over_rows() -> None:
    data = {"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.0, 5.0, 7.0]}
    graph = line()
    before = graph.to_bytes()
    found = fit(graph, 500, 0.1, data=data)
    assert found.graph.data["w"] == pytest.approx(2.0, abs=1e-6)
    assert found.graph.data["b"] == pytest.approx(1.0, abs=1e-6)
    assert found.losses[0] == sum((0.25 * x - 0.5 - y) ** 2 for x, y in zip(*data.values(), strict=True)) / 4
    assert graph.to_bytes() == before


def test_an_input_that_only_the_data_gives() -> None:
    nodes = [
        {"id": "x", "op": "input"},
        {"id": "w", "op": "parameter", "data": 1.0},
        {"id": "p", "op": "mul", "args": ["w", "x"]},
        {"id": "loss", "op": "pow", "args": ["p", 2]},
    ]
    found = fit(Graph({"mgraph": 1, "nodes": nodes}), 50, 0.1, data={"x": [1.0, -1.0]})
    assert abs(found.graph.data["w"]) < 1e-3
    assert "loss" not in found.graph.data


LABELLED = Graph(
    {
        "mgraph": 1,
        "nodes": [
            {"id": "x", "op": "input", "label": "X"},
            {"id": "w", "op": "parameter", "data": 1.0},
            {"id": "loss", "op": "mul", "args": ["w", "x"]},
        ],
    }
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit(load(ROOT / "samples/tanh.json")), "there is nothing to fit: the graph has no parameters (leaves made by mgraph.parameter)"),
        (lambda: fit(line(), -1), "the steps are a whole number from 0 on, not -1"),
        (lambda: fit(line(), 2, method="newton"), "there is no method 'newton'; there are sgd, momentum, adam"),
        (lambda: fit(line(), 2, math.nan), "the rate at step 0 is nan; it must be finite"),
        (lambda: fit(line(), 9, lambda step: math.inf if step else 0.1), "the rate at step 1 is inf; it must be finite"),
        (lambda: fit(line(), 2, "fast"), "the number for 'rate' is not a real number but 'fast'"),
        (lambda: fit(line(), 900, 1e3), "at step 40 the gradient of 'w' is not finite, so the fit ends here. A smaller rate may help"),
        (lambda: fit(line(), 2, data={"w": [1.0]}), "'w' is not an input, so it cannot be a column of the data"),
        (lambda: fit(line(), 2, data={"x": [1.0, math.nan]}), "row 1 of the column 'x' is nan; it must be finite"),
        (lambda: fit(LABELLED, 2, data={"x": [1.0], "X": [2.0]}), "'x' is given two numbers, once as 'X'"),
        (lambda: fit(line(), 2, data={"x": [1.0], "y": [1.0, 2.0]}), "the columns are not of one length: 'x' has 1, 'y' has 2"),
        (lambda: fit(line(), 2, data={}), "the data has no rows"),
        (lambda: fit(record(parameter(1.0, "w") * 2, parameter(1.0, "v") * 3)), "the graph has 2 outputs, 'n1', 'n3'; name the one to make small: loss='n1' (on the command line, --loss n1)"),
    ],
)  # fmt: skip
def test_refusals(call, message: str) -> None:
    with pytest.raises(ReplayError) as caught:
        call()
    if "not finite" not in message:
        assert str(caught.value) == message
    else:
        assert "so the fit ends here. A smaller rate may help" in str(caught.value)


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    line().save(tmp_path / "line.json")
    (tmp_path / "data.csv").write_text("x,y\n0,1\n1,3\n2,5\n")
    done = cli(
        "fit",
        "line.json",
        "--steps",
        "200",
        "--rate",
        "0.1",
        "--data",
        "data.csv",
        "--save",
        "out.json",
        "--plot",
        "loss.svg",
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"step   0  loss {fit(line(), 0, data={'x': [0, 1, 2], 'y': [1, 3, 5]}).losses[0]!r}"
    assert lines[-2].startswith("after 200 steps, loss ") and lines[-1] == "engine: reference"
    assert done.stderr == "drawn: loss.svg\nsaved: out.json\n"
    assert load(tmp_path / "out.json").data["w"] == pytest.approx(2.0, abs=1e-2)
    assert "<svg " in (tmp_path / "loss.svg").read_text()
    done = cli("fit", "line.json", "--steps", "3", "--rate", "0.1", "--rate-end", "0.0", "--json")
    found = json.loads(done.stdout)
    assert found["losses"] == fit(line(), 3, lambda step: 0.1 + (0.0 - 0.1) * step / 3).losses
    assert set(found["parameters"]) == {"w", "b"}


def test_a_failed_fit_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    line().save(tmp_path / "line.json")
    done = cli("fit", "line.json", "--steps", "900", "--rate", "1e3", "--save", "out.json", "--plot", "loss.svg")
    assert done.returncode == 2
    assert "A smaller rate may help" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["line.json"]


def test_the_gradient_command(cli: Cli, tmp_path: Path) -> None:
    done = cli("gradient", ROOT / "samples/tanh.json", "--wrt", "a", "--save", "da.json")
    assert (done.returncode, done.stderr) == (0, "saved: da.json\n")
    assert load(tmp_path / "da.json").outputs == ["dd/da"]
    piped = cli("gradient", ROOT / "samples/tanh.json", "--second")
    assert mgraph.loads(piped.stdout).outputs == ["d2d/da da", "d2d/da db", "d2d/db db"]


@pytest.mark.parametrize("numbers", [[1.0], [3.0, 3.0], [1.0, 0.001], [5.0, -2.0, 0.5], [1e-300, 1e-5], [1e300, -1e9]])
def test_a_curve_of_any_numbers_is_a_picture(numbers: list[float]) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra mgraph-replay[plot])")
    from xml.etree import ElementTree

    title = "a < b & $c$ $\x1b 日本"
    drawn = curve(numbers, title, "loss.svg")
    root = ElementTree.fromstring(drawn)
    (line,) = [g for g in root.iter("{http://www.w3.org/2000/svg}g") if g.get("id") == "loss"]
    assert len(re.findall("[ML]", line[0].attrib["d"])) == len(numbers)
    assert "a < b & $c$ $\\x1b 日本" in [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert curve(numbers, title, "loss.svg") == drawn
    assert curve(numbers, title, "loss.png").startswith(b"\x89PNG")
    assert curve(numbers, title, "loss.PDF") == curve(numbers, title, "loss.pdf")


def test_a_plot_without_matplotlib_or_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(mgraph.DrawError) as refused:
        curve([1.0], "", "loss.gif")
    assert str(refused.value) == "loss.gif: a plot's name ends in .svg, .png or .pdf"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(mgraph.DrawError) as refused:
        curve([1.0], "", "loss.svg")
    assert str(refused.value) == "a plot needs matplotlib (the extra plot): pip install matplotlib"
