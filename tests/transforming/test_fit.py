"""Fitting by replay: micrograd's demo, each method against its formula or SciPy, data by rows, and what goes wrong."""

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
from mgraph import FormatError, Graph, ReplayError, Value, fit, load, parameter, record
from mgraph.showing.chart import curve

ENGINES = ["reference", *(["compiled"] if importlib.util.find_spec("llvmlite") else [])]
NOTEBOOK = {0: 0.8958441028683222, 1: 1.7235905336972022, 2: 0.7429006313851131}
"""The losses that micrograd's demo notebook prints for its first steps."""


needs_scipy = pytest.mark.skipif(
    importlib.util.find_spec("scipy") is None, reason="SciPy is not installed (the extra mgraph-replay[fit])"
)


def line(w: float = 0.25, b: float = -0.5) -> Graph:
    """The squared error of a line at one point."""
    x, y = Value(2.0, name="x"), Value(1.0, name="y")
    loss = (parameter(w, "w") * x + parameter(b, "b") - y) ** 2
    loss.name = "loss"
    return record(loss)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_the_moons_of_micrograds_notebook(engine: str) -> None:
    moons = load(ROOT / "samples/moons.json.gz")
    found = fit(moons, 100, lambda step: 1.0 - 0.9 * step / 100, engine=engine)
    assert found.engine == engine
    assert len(found.losses) == 101
    for step, loss in NOTEBOOK.items():
        assert found.losses[step] == pytest.approx(loss, rel=1e-12)
    assert found.losses[-1] < 0.012
    assert found.graph.data[moons.outputs[0]] == found.losses[-1]
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
        (lambda: fit(load(ROOT / "samples/tanh.json")), "there is nothing to fit: the graph has no parameters (leaves made by mgraph.parameter); name other leaves to move: wrt=… (on the command line, --wrt NAME)"),
        (lambda: fit(line(), -1), "the steps are a whole number from 0 on, not -1"),
        (lambda: fit(line(), 2, method="newton"), "there is no method 'newton'; there are sgd, momentum, adam, lbfgs, least-squares"),
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


def residuals() -> Graph:
    """Rosenbrock's: 10·(y - x²) and 1 - x."""
    x, y = Value(-1.2, name="x"), Value(1.0, name="y")
    return record(10 * (y - x**2), 1 - x)


def rosenbrock() -> Graph:
    x, y = Value(-1.2, name="x"), Value(1.0, name="y")
    return record((10 * (y - x**2)) ** 2 + (1 - x) ** 2)


def decay() -> Graph:
    """The residual of one point of a·exp(b·t)."""
    a, b = parameter(1.0, "a"), parameter(0.0, "b")
    return record(a * mgraph.exp(b * Value(0.0, name="t")) - Value(0.0, name="y"))


TIMES = [0.25 * k for k in range(13)]
NOISY = [2.0 * math.exp(-0.7 * t) + 0.01 * (-1) ** k for k, t in enumerate(TIMES)]


@needs_scipy
@pytest.mark.parametrize("engine", ENGINES)
def test_scipys_methods_find_rosenbrocks_minimum(engine: str) -> None:
    for graph, method, most in ((rosenbrock(), "lbfgs", 40), (residuals(), "least-squares", 20)):
        found = fit(graph, method=method, wrt=["x", "y"], engine=engine)
        assert found.graph.data["x"] == pytest.approx(1.0, abs=1e-4)
        assert found.graph.data["y"] == pytest.approx(1.0, abs=1e-4)
        assert 2 < len(found.losses) <= most and found.engine == engine
        assert found.losses[0] == pytest.approx(24.2) and found.losses[-1] < 1e-8
        assert found.losses == fit(graph, method=method, wrt=["x", "y"], engine="reference").losses
        assert found.graph.verify(finite_differences=False).verdict == "exact"
        residual = [found.graph.data[name] for name in found.graph.outputs]
        left = residual[0] if method == "lbfgs" else sum(r * r for r in residual)
        assert found.losses[-1] == pytest.approx(left, abs=0.0, rel=1e-12)


@needs_scipy
def test_scipys_methods_by_rows_agree_with_scipy_alone() -> None:
    import numpy as np
    from scipy.optimize import curve_fit

    wanted, _ = curve_fit(lambda t, a, b: a * np.exp(b * t), TIMES, NOISY, p0=[1.0, 0.0])
    data = {"t": TIMES, "y": NOISY}
    squared = record(mgraph.pow(rebuilt_decay(), 2))
    for engine in ENGINES:
        squares = fit(decay(), method="least-squares", data=data, engine=engine)
        lbfgs = fit(squared, method="lbfgs", data=data, engine=engine)
        for found, near in ((squares, 1e-6), (lbfgs, 1e-2)):
            assert [found.graph.data[name] for name in "ab"] == pytest.approx(wanted, rel=near)
        mean = sum((wanted[0] * math.exp(wanted[1] * t) - y) ** 2 for t, y in zip(TIMES, NOISY, strict=True)) / 13
        assert squares.losses[-1] == pytest.approx(mean, rel=1e-9)
        assert squares.losses[0] == pytest.approx(lbfgs.losses[0], rel=1e-12)


def rebuilt_decay() -> Value:
    a, b = parameter(1.0, "a"), parameter(0.0, "b")
    return a * mgraph.exp(b * Value(0.0, name="t")) - Value(0.0, name="y")


@needs_scipy
@pytest.mark.parametrize("method", ["lbfgs", "least-squares"])
def test_no_more_steps_than_asked_for(method: str) -> None:
    graph = rosenbrock() if method == "lbfgs" else residuals()
    whole = fit(graph, method=method, wrt=["x", "y"]).losses
    told = []
    for steps in (0, 1, 3):
        told.clear()
        found = fit(graph, steps, method=method, wrt=["x", "y"], report=lambda *each: told.append(each))
        assert found.losses == whole[: steps + 1]
        assert told == list(enumerate(found.losses))
        assert found.graph.meta["fit"]["steps"] == steps
    assert found.graph.data["x"] != graph.data["x"]


@needs_scipy
def test_scipys_methods_end_where_a_number_is_not_finite() -> None:
    x = Value(-1.0, name="x")
    for method in ("lbfgs", "least-squares"):
        with pytest.raises(ReplayError) as refused:
            fit(record(x.log()), method=method, wrt="x")
        assert str(refused.value) == "at step 0 the loss is nan, so the fit ends here."
    with pytest.raises(ReplayError, match="so it takes no rate"):
        fit(rosenbrock(), rate=0.1, method="lbfgs", wrt="x")


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    for method in ("lbfgs", "least-squares"):
        with pytest.raises(ReplayError) as refused:
            fit(line(), method=method)
        assert str(refused.value) == f"{method} needs SciPy (the extra fit): pip install scipy"


def test_any_leaves_are_moved() -> None:
    found = fit(line(), 50, 0.5, wrt=["x"])
    before, after = line().data, found.graph.data
    assert after["w"] == before["w"] and after["b"] == before["b"] and after["x"] != before["x"]
    assert found.losses[-1] < found.losses[0] / 10
    assert found.graph.meta["fit"]["wrt"] == ["x"]
    assert fit(line(), 50, 0.5, wrt="x").losses == found.losses
    for names, message in (
        (["x", "x"], "'x' is to be moved twice"),
        (["loss"], "'loss' is computed, by pow; an input or a parameter can be moved"),
        ([], "there is nothing to fit"),
        (["z"], "no node has the id or label 'z'"),
    ):
        with pytest.raises(ReplayError, match=message):
            fit(line(), 1, wrt=names)
    with pytest.raises(ReplayError, match="'x' is a column of the data, so it cannot be moved as well"):
        fit(line(), 1, wrt=["x"], data={"x": [1.0]})


def test_a_fitted_graph_says_how_it_was_made() -> None:
    graph = line().with_meta(description="Before any step.", tags=["a"], own=1)
    first = fit(graph, 5, 0.1, loss="loss")
    assert first.graph.meta == {
        "tags": ["a"],
        "own": 1,
        "fit": {
            "mgraph": mgraph.__version__,
            "method": "sgd",
            "steps": 5,
            "rate": 0.1,
            "loss": "loss",
            "losses": [first.losses[0], first.losses[-1]],
            "of": {"digest": graph.digest, "description": "Before any step."},
        },
    }
    assert graph.description == "Before any step." and first.graph.description is None
    second = fit(first.graph, 3, lambda step: 0.5 / (step + 1), method="adam", data={"x": [1.0], "y": [2.0]})
    made = second.graph.meta["fit"]
    assert made["of"] == {"digest": first.graph.digest}
    assert made["rate"] == [0.5, 0.5 / 3] and made["data"] == {"rows": 1, "columns": ["x", "y"]}
    assert "rate" not in fit(graph, 0, math.nan).graph.meta["fit"]
    assert fit(graph, 1).graph.meta["fit"]["rate"] == 0.05
    overflown = fit(line(1e150), 1, 1e150)
    assert overflown.graph.meta["fit"]["losses"][1] == "Infinity" == overflown.graph.document["nodes"][-1]["data"]


@needs_scipy
def test_the_command_by_scipy(call: Cli, tmp_path: Path) -> None:
    residuals().save(tmp_path / "r.json")
    done = call("fit", "r.json", "--method", "least-squares", "--wrt", "x", "--wrt", "y", "--save", "out.json")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("step  0  loss 24.19") and lines[-2].startswith("ended by itself: ")
    assert load(tmp_path / "out.json").data["x"] == pytest.approx(1.0)
    found = json.loads(call("fit", "r.json", "--method", "least-squares", "--wrt", "y", "--json").stdout)
    assert found["parameters"] == {"y": pytest.approx(1.44)}
    done = call("fit", "r.json", "--method", "lbfgs", "--wrt", "y", "--rate-end", "0.1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the graph has 2 outputs" in done.stderr
    done = call("fit", "r.json", "--method", "least-squares", "--wrt", "y", "--rate-end", "0.1")
    assert "least-squares chooses how far each step goes, so it takes no rate" in done.stderr


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


def test_a_failed_fit_writes_nothing(call: Cli, tmp_path: Path) -> None:
    line().save(tmp_path / "line.json")
    done = call("fit", "line.json", "--steps", "900", "--rate", "1e3", "--save", "out.json", "--plot", "loss.svg")
    assert done.returncode == 2
    assert "A smaller rate may help" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["line.json"]


def test_the_gradient_command(call: Cli, tmp_path: Path) -> None:
    done = call("gradient", ROOT / "samples/tanh.json", "--wrt", "a", "--save", "da.json")
    assert (done.returncode, done.stderr) == (0, "saved: da.json\n")
    assert load(tmp_path / "da.json").outputs == ["dd/da"]
    piped = call("gradient", ROOT / "samples/tanh.json", "--second")
    assert mgraph.loads(piped.stdout).outputs == ["d2d/da da", "d2d/da db", "d2d/db db"]


TITLE = "a < b & $c$ $\x1b 日本"
CURVES = [
    [5.0, -2.0, 0.5],
    *(
        pytest.param(numbers, marks=pytest.mark.slow)
        for numbers in ([1.0], [3.0, 3.0], [1.0, 0.001], [1e-300, 1e-5], [1e300, -1e9])
    ),
]


@pytest.mark.parametrize("numbers", CURVES)
def test_a_curve_of_any_numbers_is_a_picture(numbers: list[float]) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra mgraph-replay[plot])")
    from xml.etree import ElementTree

    root = ElementTree.fromstring(curve(numbers, TITLE, "loss.svg"))
    (line,) = [g for g in root.iter("{http://www.w3.org/2000/svg}g") if g.get("id") == "loss"]
    assert len(re.findall("[ML]", line[0].attrib["d"])) == len(numbers)
    assert "a < b & $c$ $\\x1b 日本" in [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("numbers", CURVES)
def test_a_curve_has_the_same_bytes_each_time(numbers: list[float]) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra mgraph-replay[plot])")
    assert curve(numbers, TITLE, "loss.svg") == curve(numbers, TITLE, "loss.svg")
    assert curve(numbers, TITLE, "loss.png").startswith(b"\x89PNG")
    assert curve(numbers, TITLE, "loss.PDF") == curve(numbers, TITLE, "loss.pdf")


def test_a_plot_without_matplotlib_or_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(mgraph.DrawError) as refused:
        curve([1.0], "", "loss.gif")
    assert str(refused.value) == "loss.gif: a plot's name ends in .svg, .png or .pdf"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(mgraph.DrawError) as refused:
        curve([1.0], "", "loss.svg")
    assert str(refused.value) == "a plot needs matplotlib (the extra plot): pip install matplotlib"


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_plot_carries_the_graph_with_the_parameters_found(kind: str, call: Cli, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra mgraph-replay[plot])")
    fit = ("fit", ROOT / "samples" / "xor.json", "--loss", "loss", "--steps", "3", "--plot", f"loss.{kind}")
    assert call(*fit, "--save", "out.json").returncode == 0
    assert load(tmp_path / f"loss.{kind}").digest == load(tmp_path / "out.json").digest
    assert call(*fit, "--no-embed").returncode == 0
    with pytest.raises(FormatError, match="no graph in this picture"):
        load(tmp_path / f"loss.{kind}")
