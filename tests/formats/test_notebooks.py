"""Graphs between notebooks, by a real Jupyter kernel, by marimo, and looked at in a real browser."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Cli, with_dot

from mgraph import contents, load

NOTEBOOKS = ROOT / "samples" / "notebooks"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)

with_kernel = pytest.mark.skipif(
    importlib.util.find_spec("nbclient") is None or importlib.util.find_spec("ipykernel") is None,
    reason="nbclient and ipykernel are not installed; this runs notebooks with a real kernel",
)
with_marimo = pytest.mark.skipif(importlib.util.find_spec("marimo") is None, reason="marimo is not installed")
with_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; this looks at what is shown")


def executed(path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    nbformat.write(notebook, path)


@pytest.mark.slow
@with_kernel
@with_dot
@pytest.mark.filterwarnings("ignore")  # of the kernel's client
def test_a_graph_goes_from_notebook_to_notebook(tmp_path: Path, call: Cli) -> None:
    """Both shipped notebooks, run anew: B takes A's graph out, changes w1 and shows what a replay gives."""
    for name in ("neuron.ipynb", "what-if.ipynb"):
        shutil.copy(NOTEBOOKS / name, tmp_path)
        executed(tmp_path / name)
    (a,), (b, run) = contents(tmp_path / "neuron.ipynb"), contents(tmp_path / "what-if.ipynb")
    assert a.graph.document == b.graph.document
    assert a.graph.document["meta"]["imported"]["from"] == "__main__.Value"
    assert f"{a.graph.data['out']:.4f}" == "0.5864"
    assert [f"{a.graph.grad[n]:.4f}" for n in ("x1", "x2", "w1", "w2", "b")] == [
        "-0.5377",
        "0.6359",
        "0.3281",
        "0.4593",
        "0.6562",
    ]
    again = a.graph.replay({"w1": 0.5})
    assert run.graph.data == dict(again.data) and run.graph.grad == dict(again.grad)
    shipped = [entry.graph.digest for name in ("neuron.ipynb", "what-if.ipynb") for entry in contents(NOTEBOOKS / name)]
    assert [e.graph.digest for e in (a, b, run)] == shipped
    assert call("verify", "what-if.ipynb").returncode == 0


def kept(path: Path) -> list[str]:
    """The digests of the graphs in a file, each of which holds."""
    graphs = [entry.graph for entry in contents(path)]
    assert all(graph is not None and graph.verify().ok for graph in graphs)
    return [graph.digest for graph in graphs]


@pytest.mark.slow
@with_kernel
@with_dot
@pytest.mark.filterwarnings("ignore")  # of the kernel's client
@pytest.mark.skipif(importlib.util.find_spec("nbconvert") is None, reason="nbconvert is not installed")
def test_the_first_steps_in_jupyter_and_as_a_page(tmp_path: Path, cli: Cli) -> None:
    """Run anew, the notebook holds the graphs that it was shipped with; its page has them too, with every table."""
    shutil.copy(NOTEBOOKS / "first-steps.ipynb", tmp_path)
    executed(tmp_path / "first-steps.ipynb")
    digests = kept(NOTEBOOKS / "first-steps.ipynb")
    assert len(digests) == 6 and kept(tmp_path / "first-steps.ipynb") == digests
    argv = [sys.executable, "-m", "nbconvert", "--to", "html", "first-steps.ipynb"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert kept(tmp_path / "first-steps.html") == digests
    assert load(f"{tmp_path / 'first-steps.html'}#Hessian of d").outputs == ["d2d/da da", "d2d/da db", "d2d/db db"]
    page = (tmp_path / "first-steps.html").read_text()
    assert page.count("<table>") == 5 and page.count('id="loss"') == 1  # of runs, diffs and matrices; a plot
    assert page.count('src="data:image/svg+xml;base64,') == 2  # and the pictures of a value and a graph
    assert cli("verify", "first-steps.html").returncode == 0


@pytest.mark.slow
@with_marimo
@with_dot
def test_the_first_steps_in_marimo_and_as_a_page(tmp_path: Path) -> None:
    shutil.copy(NOTEBOOKS / "first-steps.ipynb", tmp_path)
    for argv in (
        ["convert", "first-steps.ipynb", "-o", "steps.py"],
        ["export", "html", "steps.py", "-o", "steps.html"],
    ):
        command = [sys.executable, "-m", "marimo", *argv]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert kept(tmp_path / "steps.html") == kept(NOTEBOOKS / "first-steps.ipynb")


@pytest.mark.slow
@with_chromium
@with_dot
def test_a_browser_shows_results_as_tables_and_runs_nothing(tmp_path: Path) -> None:
    from mgraph import Value, record

    x = Value(0.5, name="</td></svg><script>document.title='run'</script><img src=x onerror=\"document.title='run'\">")
    y = x.tanh()
    y.backward()
    graph = record(y, title="<script>document.title='run'</script>")
    shown = "".join(each._repr_mimebundle_()["text/html"] for each in (graph.replay(), graph.verify(), graph.hessian()))
    page = tmp_path / "page.html"
    check = "document.title += document.querySelectorAll('.mgraph-result td.number.plus').length"
    page.write_text(f"<html><head><meta charset='utf-8'></head><body>{shown}<script>{check}</script></body></html>")
    dom, shot = shown_by_chromium(page, tmp_path)
    assert "<title>2</title>" in dom  # both gradients, of x and of its tanh
    assert shot.stat().st_size > 10_000
    (tmp_path / "saved.html").write_text("<!DOCTYPE html>" + dom)  # as the browser writes it
    assert [e.graph.digest for e in contents(tmp_path / "saved.html")] == [graph.digest, graph.hessian().digest]


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.name)
def test_the_shipped_notebooks_hold(path: Path) -> None:
    entries = contents(path)
    assert entries and all(entry.graph.verify().ok for entry in entries)
    text = path.read_text()
    assert '"ExecuteTime"' not in text and str(ROOT) not in text


@pytest.mark.slow
@with_marimo
@with_dot
def test_the_same_through_marimo(tmp_path: Path) -> None:
    for name in ("neuron.ipynb", "marimo_what_if.py"):
        shutil.copy(NOTEBOOKS / name, tmp_path)
    command = [
        sys.executable,
        "-m",
        "marimo",
        "export",
        "ipynb",
        "marimo_what_if.py",
        "-o",
        "out.ipynb",
        "--include-outputs",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    graph, run = (entry.graph for entry in contents(tmp_path / "out.ipynb"))
    assert graph.digest == load(NOTEBOOKS / "neuron.ipynb").digest
    assert run.digest == load(f"{NOTEBOOKS / 'what-if.ipynb'}#2").digest


def shown_by_chromium(page: Path, folder: Path) -> tuple[str, Path]:
    """The page's document after it was shown, and a screenshot."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder / 'profile'}"]
    assert CHROMIUM is not None
    shot = folder / "shot.png"
    made = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    picture = [CHROMIUM, *flags, f"--screenshot={shot}", "--window-size=1400,900", page.as_uri()]
    subprocess.run(picture, capture_output=True, timeout=120, check=True)
    return made.stdout, shot


@pytest.mark.slow
@with_chromium
def test_a_browser_shows_what_a_cell_holds(tmp_path: Path) -> None:
    """The cell's SVG in a page: its boxes have sizes, its texts are there, and a script in a name does not run."""
    cells = json.loads((NOTEBOOKS / "neuron.ipynb").read_text())["cells"]
    (svg,) = [
        "".join(o["data"]["image/svg+xml"])
        for c in cells
        for o in c.get("outputs", [])
        if "image/svg+xml" in o.get("data", {})
    ]
    page = tmp_path / "page.html"
    check = "document.title = [...document.querySelectorAll('svg .node')].filter(n => n.getBBox().width > 10).length"
    page.write_text(
        f"<html><head><meta charset='utf-8'></head><body>{svg[svg.index('<svg') :]}<script>{check}</script></body></html>"
    )
    dom, shot = shown_by_chromium(page, tmp_path)
    assert "<title>15</title>" in dom  # ten values and five operations
    assert "data=0.5864" in dom
    assert shot.stat().st_size > 10_000


@pytest.mark.slow
@with_chromium
@with_dot
def test_a_browser_opens_a_picture_that_carries_its_graph(tmp_path: Path, call: Cli) -> None:
    from mgraph import Value, picture, record

    x = Value(0.5, name="</document></metadata><script>document.title='run'</script>")
    graph = record(x.tanh(), title="]]></metadata><script>alert(1)</script>")
    picture(graph, tmp_path / "x.svg")
    dom, shot = shown_by_chromium(tmp_path / "x.svg", tmp_path)
    assert "data=0.4621" in dom and "&lt;script&gt;" in dom and "<script>" not in dom
    assert load(tmp_path / "x.svg").digest == graph.digest
    assert shot.stat().st_size > 5_000
