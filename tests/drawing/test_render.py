"""Pictures, drawn by the real programs: the text's look, hostile labels, options, limits."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import graphviz
import pytest
from conftest import ROOT, SAMPLES, with_dot, with_pure

import mgraph
from mgraph import DrawError, Graph, Value, load
from mgraph.drawing import graphviz_program

TANH = load(ROOT / "samples" / "tanh.json")
XOR = load(ROOT / "samples" / "xor.json")
HOSTILE = [
    '"|<b>{}\n</svg><script>',
    "<b>bold</b>",
    "ends in a backslash\\",
    "\\N \\G \\E \\l \\r",
    "&amp; &lt; &#65; & ;",
    "a:b",
    "  two  spaces  ",
    "n0",
    "node",
    "é 日本 🎉",
    "]]> <!-- -->",
    "'; DROP TABLE",
    '"',
    "{",
    "|",
    "",
]
PROGRAMS = [pytest.param("dot", marks=with_dot), pytest.param("graphviz-pure", marks=with_pure)]


@pytest.fixture(params=PROGRAMS)
def program(request, monkeypatch) -> str:
    """Draw with one of the two programs: a PATH without ``dot`` leaves graphviz-pure."""
    if request.param == "graphviz-pure":
        empty = "/nonexistent"
        monkeypatch.setenv("PATH", empty)
        monkeypatch.setattr(graphviz.backend.dot_command, "DOT_BINARY", Path("dot"))
        assert shutil.which("dot") is None
    found = graphviz_program.program()
    assert found is not None and Path(found).name.startswith(request.param)
    return request.param


def svg_of(graph: Graph, tmp_path: Path, **options: object) -> ET.Element:
    mgraph.picture(graph.draw(**options), tmp_path / "g.svg")
    return ET.fromstring((tmp_path / "g.svg").read_text())


def texts(svg: ET.Element) -> list[str]:
    return ["".join(e.itertext()).replace("\xa0", " ") for e in svg.iter("{http://www.w3.org/2000/svg}text")]


def test_the_dot_is_as_the_text_draws_it() -> None:
    drawing = TANH.draw()
    assert isinstance(drawing, graphviz.Digraph)
    source = drawing.source
    assert "rankdir=LR" in source
    assert 'label="{ a | data=0.5001 | grad=0.2744 }"' in source and "shape=record" in source
    assert re.search(r"n5op \[label=tanh .*shape=circle", source)
    assert source.count("shape=record") == 6 and source.count("shape=circle") == 4
    for edge in ("n0 -> n2op", "n1 -> n2op", "n2op -> n2", "n4 -> n5op", "n5op -> n5"):
        assert edge in source


@pytest.mark.slow
def test_a_picture_of_every_sample(program: str, tmp_path: Path) -> None:
    for path in SAMPLES:
        options = {"collapse": 1} if path.suffix == ".gz" else {}
        assert texts(svg_of(load(path), tmp_path, **options))


def test_numbers_ids_and_tooltips(program: str, tmp_path: Path) -> None:
    svg = svg_of(TANH, tmp_path)
    raw = (tmp_path / "g.svg").read_text()
    assert {"a", "data=0.5001", "grad=0.2744", "tanh", "*"} <= set(texts(svg))
    assert 'id="n5"' in raw and 'id="n5op"' in raw
    assert "data = 0.9162542319535778" in raw and "grad = 0.27441769195044236" in raw


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_labels_show_as_themselves(program: str, name: str, tmp_path: Path) -> None:
    x = Value(1.0, name=name, label=None)
    x._scope = name or None
    y = x * 2
    y.name = name
    svg = svg_of(mgraph.record(y), tmp_path)
    found = texts(svg)
    for line in name.split("\n"):
        if line.strip():
            assert sum(text.strip() == line.strip() for text in found) >= 2, found
    assert not list(svg.iter("{http://www.w3.org/2000/svg}script"))
    assert len([g for g in svg.iter("{http://www.w3.org/2000/svg}g") if g.get("class") == "node"]) == 4


def test_control_characters_are_made_visible(program: str, tmp_path: Path) -> None:
    found = texts(svg_of(mgraph.record(Value(1.0, name="a\x00b\x1b[31m\x7f\ufffe\uffff")), tmp_path))
    assert "a\u2400b\u241b[31m\u2421\ufffd\ufffd" in found


def test_literals_are_small_plain_text_and_operands_keep_their_order() -> None:
    x = Value(2.0, name="x")
    source = mgraph.record(2 - x**3 + x * 0.1).draw().source
    assert re.search(r"n1literal1 \[label=3 .*shape=plaintext", source)
    assert "n2literal0 -> n2op" in source and source.index("n2literal0 -> n2op") < source.index("n1 -> n2op")
    assert 'label="0.1"' in source or "label=0.1" in source
    assert (x * x).op == "mul" and mgraph.record(x * x).draw().source.count("n0 -> n1op") == 2


def test_options() -> None:
    assert "rankdir=TB" in TANH.draw(direction="TB").source
    assert "data=0.50 | grad=0.27" in TANH.draw(digits=2).source
    scoped = XOR.draw().source
    assert "subgraph cluster_" in scoped and "label=neuron1" in scoped
    assert "subgraph" not in XOR.draw(scopes=False).source
    hot = XOR.draw(heat="grad").source
    assert "cluster_legend" in hot and "fillcolor" in hot and "|grad| up to" in hot
    small = XOR.draw(collapse=1).source
    assert small.count("shape=box3d") == 6 and "mlp\\n69 nodes" in small
    two = XOR.draw(collapse=2).source
    assert "mlp/layer0\\n46 nodes" in two and "label=mlp " in two
    run = TANH.replay({"a": 1.0})
    assert "{ a | data=1.0000 |" in TANH.draw(run).source
    assert "{ x | data=? | grad=? }" in Graph({"mgraph": 1, "nodes": [{"id": "x", "op": "input"}]}).draw().source


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0.0000"),
        (1e-9, "1.0000e-09"),
        (-1e300, "-1.0000e+300"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
    ],
)
def test_numbers_are_never_lost_or_endless(x: float, text: str) -> None:
    assert f"data={text} " in mgraph.record(Value(x, name="x")).draw().source


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "UP"}, "the direction is one of LR, TB, RL, BT, not 'UP'"),
        ({"heat": "data"}, "heat colours by 'grad', not by 'data'"),
        ({"digits": 18}, "digits are from 0 to 17, not 18"),
        ({"collapse": 0}, "scopes collapse at level 1 or deeper, not 0"),
    ],
)
def test_options_that_do_not_exist(options, message: str) -> None:
    with pytest.raises(DrawError) as refused:
        TANH.draw(**options)
    assert str(refused.value) == message


def test_a_large_graph_is_refused_with_a_hint(tmp_path: Path) -> None:
    graph = mgraph.record(sum((Value(1.0) for _ in range(1001)), Value(0.0)))
    with pytest.raises(DrawError) as refused:
        graph.draw()
    assert str(refused.value) == (
        "2,003 boxes are more than can be laid out in good time (at most 2,000); draw the scopes as one box each"
        " (--collapse 1), a slice (--out NAME), or all of it all the same (--force)"
    )
    assert graph.draw(force=True).source.count("shape=record") == 2003
    with pytest.raises(DrawError, match="too many for a PNG"):
        mgraph.picture(graph.draw(force=True), tmp_path / "g.png")


def test_deep_scopes_have_a_limit() -> None:
    x = Value(1.0, name="x")
    x._scope = "a/" * 400 + "end"
    assert mgraph.record(x).draw().source.count("subgraph cluster_") == 12


def test_a_what_if_is_drawn_as_a_leaf() -> None:
    source = TANH.draw(TANH.replay({"t1": 5.0})).source
    assert "data=5.0000" in source and "n2op" not in source


def test_formats(program: str, tmp_path: Path) -> None:
    drawing = TANH.draw()
    mgraph.picture(TANH, tmp_path / "graph.dot")
    assert (tmp_path / "graph.dot").read_text() == drawing.source
    for name, start in (("g.svg", b"<?xml"), ("g.png", b"\x89PNG"), ("g.dot", b"digraph"), ("g.gv", b"digraph")):
        mgraph.picture(drawing, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    if program == "dot":
        mgraph.picture(drawing, tmp_path / "g.pdf")
        assert (tmp_path / "g.pdf").read_bytes().startswith(b"%PDF")
    else:
        with pytest.raises(DrawError, match=r"graphviz-pure draws SVG and PNG, but no PDF: for that, install Graphviz"):
            mgraph.picture(drawing, tmp_path / "g.pdf")
        assert not (tmp_path / "g.pdf").exists()


def test_endings_that_name_no_picture(tmp_path: Path) -> None:
    for name in ("g", "g.bmp", "g.svg.gz"):
        with pytest.raises(DrawError) as refused:
            mgraph.picture(TANH.draw(), tmp_path / name)
        assert str(refused.value) == f"{tmp_path / name}: a picture's name ends in .svg, .png, .pdf or .dot"


@with_pure
def test_graphviz_pure_draws_the_same_bytes_every_time(tmp_path: Path) -> None:
    found = graphviz_program.fallback()
    assert found is not None
    source = XOR.draw().source.encode()
    drawn = [subprocess.run([found, "-Tsvg"], input=source, capture_output=True, check=True).stdout for _ in range(2)]
    assert drawn[0] == drawn[1]


@with_pure
def test_a_notebook_without_dot_draws_all_the_same(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(graphviz.backend.dot_command, "DOT_BINARY", Path("dot"))
    assert "<svg" in TANH.draw()._repr_image_svg_xml()


def test_neither_program_is_there(monkeypatch) -> None:
    monkeypatch.setattr(graphviz_program, "program", lambda: None)
    with pytest.raises(DrawError) as refused:
        graphviz_program.picture("digraph {}", "svg", 1)
    assert "apt-get install graphviz" in str(refused.value) and "pip install graphviz-pure" in str(refused.value)


def fake(tmp_path: Path, script: str) -> str:
    program = tmp_path / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="shell scripts stand in for a program that fails")
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exec sleep 60", "the layout was not ready after 1 s; draw fewer boxes (--collapse 1, --out NAME)"),
        ("echo no fonts >&2; exit 3", "dot failed (exit status 3): no fonts"),
    ],
)
def test_a_program_that_fails_or_hangs(tmp_path: Path, monkeypatch, script: str, message: str) -> None:
    monkeypatch.setenv("PATH", f"{fake(tmp_path, script)}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(DrawError) as refused:
        graphviz_program.picture("digraph {}", "svg", 1, timeout=1)
    assert str(refused.value) == message


@with_dot
def test_text_fits_its_box(tmp_path: Path) -> None:
    """At 0.602 em a character, the widest of the common monospaced faces, every field has room to spare."""
    svg = svg_of(XOR, tmp_path)
    space = "{http://www.w3.org/2000/svg}"
    checked = 0
    for group in svg.iter(f"{space}g"):
        box, fields = group.find(f".//{space}polygon"), group.findall(f".//{space}text")
        if group.get("class") != "node" or box is None or len(fields) != 3:
            continue
        xs = [float(point.split(",")[0]) for point in box.get("points", "").split()]
        lines = [float(line.get("points", "").split(",")[0]) for line in group.iter(f"{space}polyline")]
        edges = sorted({min(xs), max(xs), *lines})
        for field, left, right in zip(fields, edges, edges[1:], strict=False):
            wanted = len(field.text or "") * 0.602 * float(field.get("font-size", "0"))
            assert right - left > wanted, field.text
            checked += 1
    assert checked == 3 * len(XOR)
