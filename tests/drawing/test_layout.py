"""Where the programs put what is drawn: edges run left to right, no edge crosses a caption, neurons are in order."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SAMPLES, with_dot, with_pure

import mgraph
from mgraph import Graph, Value, load
from mgraph.drawing import graphviz_program
from mgraph.nn import MLP

XOR = load(ROOT / "samples" / "xor.json")
PROGRAMS = [pytest.param("dot", marks=with_dot), pytest.param("graphviz-pure", marks=with_pure)]
PLAIN = [path for path in SAMPLES if path.suffix == ".json"]
Point = tuple[float, float]


def perceptron() -> Graph:
    random.seed(1)
    y = MLP(2, [16, 16, 1])([Value(0.5, name="x1"), Value(-1.25, name="x2")])
    assert isinstance(y, Value)
    y.backward()
    return mgraph.record(y)


def laid_out(source: str, program: str) -> dict[str, Any]:
    found = "dot" if program == "dot" else graphviz_program.fallback()
    assert found is not None
    done = subprocess.run([found, "-Tjson"], input=source.encode(), capture_output=True, check=True, timeout=120)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def point(text: str) -> Point:
    x, y = map(float, text.split(","))
    return x, y


def backwards(layout: dict[str, Any]) -> list[tuple[str, str]]:
    """The edges whose head is not to the right of their tail."""
    objects = layout["objects"]
    at = {k: point(each["pos"]) for k, each in enumerate(objects) if "pos" in each}
    edges = [(edge["tail"], edge["head"]) for edge in layout.get("edges", ())]
    return [(objects[a]["name"], objects[b]["name"]) for a, b in edges if at[b][0] <= at[a][0]]


def along(pos: str) -> Iterator[Point]:
    """Points on the cubic curve that Graphviz writes as ``e,x,y x,y x,y …``."""
    knots = [point(each) for each in pos.split() if each[0] not in "es"]
    for k in range(0, len(knots) - 3, 3):
        for step in range(25):
            t = step / 24
            weights = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
            x, y = (sum(w * knot[axis] for w, knot in zip(weights, knots[k:], strict=False)) for axis in (0, 1))
            yield x, y


def crossed_captions(layout: dict[str, Any]) -> set[str]:
    """The captions of frames that an edge crosses."""
    frames = [each for each in layout["objects"] if "lp" in each]
    found = set()
    for frame in frames:
        (x, y), wide, high = point(frame["lp"]), float(frame["lwidth"]) * 36, float(frame["lheight"]) * 36
        for edge in layout.get("edges", ()):
            if any(abs(px - x) < wide and abs(py - y) < high for px, py in along(edge.get("pos", ""))):
                found.add(frame["label"])
    return found


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "options", [{"style": "record"}, {"style": "compact"}, {"collapse": 1}, {"collapse": 3}], ids=str
)
@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_edges_run_left_to_right_and_cross_no_caption(path: Path, options: dict[str, Any], program: str) -> None:
    layout = laid_out(load(path).draw(**options).source, program)
    assert backwards(layout) == []
    assert crossed_captions(layout) == set()


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_perceptron_is_layers_of_neurons_in_natural_order(program: str) -> None:
    graph = perceptron()
    for options in ({"collapse": "fit"}, {"collapse": 3}):
        drawing = graph.draw(**options)
        assert (len(graph), drawing.boxes, drawing.folded) == (979, 35, 33)
        layout = laid_out(drawing.source, program)
        assert backwards(layout) == [] and crossed_captions(layout) == set()
        for each in layout["objects"]:
            if names := re.findall(r"neuron([0-9]+)", each.get("label", "")):
                assert names == [str(k) for k in range(len(names))]


def test_a_scope_that_is_left_and_entered_again_is_drawn_in_parts() -> None:
    source = XOR.draw(collapse=1).source
    assert source.count("row0\u00a0(1\u00a0of\u00a02)") == source.count("row0\u00a0(2\u00a0of\u00a02)") == 1
    assert "mlp\u00a0(" not in source


@with_dot
def test_a_cell_shows_a_large_graph_collapsed_and_says_how_to_see_more() -> None:
    graph = perceptron()
    shown = graph._repr_mimebundle_()["image/svg+xml"]
    assert shown.count('class="node"') == 5  # two inputs, and a node for each layer's neurons
    words = "979 nodes in 35 boxes. draw(collapse=N) opens scopes to level N, slice(['NAME']).draw() shows a part."
    assert words.replace("'", "&#39;") in shown or words in shown
    assert "--" not in re.sub(r"<!--.*?-->|<[^>]*>", "", shown, flags=re.DOTALL)  # the command line's words
