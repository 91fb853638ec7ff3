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
from mgraph.drawing import display, graphviz_program, labels, palette

TANH = load(ROOT / "samples" / "tanh.json")
NEURON = load(ROOT / "samples" / "neuron.json")
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


@pytest.mark.parametrize("name", [*HOSTILE, "🎉" * 12, "مرحبا", "x" * 10_000])
def test_hostile_labels_in_compact_boxes_frames_and_collapsed_scopes(program: str, name: str, tmp_path: Path) -> None:
    x = Value(1.0, name="x", label=None)
    y = (x * 2 + x).tanh()
    x._scope = y._scope = name[:1000] or None
    y.name = name
    graph = mgraph.record(y)
    shown = labels.cut(name).strip()
    for options in ({}, {"scopes": False}, {"heat": "grad"}):
        svg = svg_of(graph, tmp_path, style="compact", **options)
        found = texts(svg)
        assert name == "n0" or any(shown in text for text in found), (shown, found)
        assert not list(svg.iter("{http://www.w3.org/2000/svg}script"))
        assert len([g for g in svg.iter("{http://www.w3.org/2000/svg}g") if g.get("class") == "node"]) == 4
    if name:
        whole = svg_of(graph, tmp_path, collapse=1)
        assert not list(whole.iter("{http://www.w3.org/2000/svg}script"))


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (None, "?"),
        (0.0, "= 0"),
        (-0.0, "= −0"),
        (0.71, "= 0.71"),
        (-1.0, "= −1"),
        (12345.0, "= 12345"),
        (1e17, "= 1e17"),
        (0.355071, "≈ 0.3551"),
        (-0.0143116, "≈ −0.01431"),
        (1.43116e-5, "≈ 1.431e−5"),
        (123.456789, "≈ 123.4568"),
        (12345.678, "≈ 1.235e+04".replace("e+04", "e4")),
        (2.0**70, "≈ 1.181e21"),
        (float("nan"), "NaN"),
        (float("-inf"), "−∞"),
    ],
)
def test_how_the_compact_style_spells_a_number(x: float | None, text: str) -> None:
    assert " ".join(labels.spelled(x, 4)).strip() == text


def test_the_compact_style_shows_kinds_as_shapes_and_gradients_as_colours() -> None:
    source = NEURON.draw(style="compact").source
    assert source.count('style="rounded,filled"') == 2 and source.count('style="diagonals,filled"') == 3
    assert source.count("peripheries=2") == 1 and "data=" not in source and "circle" not in source
    (x1,) = [line for line in source.split("\n") if line.startswith("\tn0 [")]
    (text, tint), (other, _) = palette.NEGATIVE, palette.POSITIVE
    assert f'BGCOLOR="{tint}"><FONT COLOR="{text}">−0.5377</FONT>' in x1 and other not in x1
    constant = mgraph.record(mgraph.constant(3.0) * Value(2.0, name="x")).draw(style="compact").source
    assert constant.count('style="dashed,filled"') == 1
    assert XOR.draw().source.count("<B>^\u00a02</B>") == 4  # a literal stands by its operation
    assert "<B>−\u00a0(−1)</B>" in XOR.draw().source


def test_the_style_follows_from_the_size() -> None:
    x = Value(1.0, name="x")
    for nodes, compact in ((11, False), (12, True)):
        graph = mgraph.record(sum(x for _ in range(nodes - 1)))
        assert len(graph) == nodes
        assert ("shape=record" not in graph.draw().source) == compact


def test_a_picture_has_a_name_and_a_description_and_stays_the_same(program: str, tmp_path: Path) -> None:
    x = Value(0.5, name="<x> & \x1b")
    untitled = mgraph.record(x.tanh())
    for graph, title in ((TANH, "Two inputs through tanh"), (untitled, untitled.outputs[0])):
        svg = svg_of(graph, tmp_path)
        first, second = list(svg)[:2]
        assert svg.get("role") == "img" and svg.get("aria-label") == first.text == title
        assert first.tag.endswith("}title") and second.tag.endswith("}desc")
        assert f"outputs: {graph.outputs[0]}" in (second.text or "")
        raw = (tmp_path / "g.svg").read_bytes()
        assert b"%3" not in raw
        mgraph.picture(graph, tmp_path / "again.svg")
        assert raw == (tmp_path / "again.svg").read_bytes()
        assert load(tmp_path / "g.svg").digest == graph.digest
    assert repr(TANH.draw()) == "<Drawing 'Two inputs through tanh', 6 boxes>"


def test_a_cell_shows_what_fits(program: str) -> None:
    """The text's records if they fit; else compact, still left to right; top to bottom where only that fits."""
    small = mgraph.record(Value(0.5, name="x").tanh())
    long = Value(0.5, name="x")
    for _ in range(10):
        long = long.tanh()
    for graph, records, direction in ((small, True, "LR"), (TANH, False, "LR"), (mgraph.record(long), False, "TB")):
        drawn: list[dict[str, object]] = []

        def draw(graph: Graph = graph, drawn: list[dict[str, object]] = drawn, **options: object) -> display.Drawing:
            drawn.append(options)
            return graph.draw(**options)

        shown = display.for_cell(draw)
        assert display._width(shown) <= display.CELL
        assert drawn[-1].get("direction", "LR") == direction
        assert (b"data=" in shown) == records


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
    assert hot.count("|∂|") == 1 and "labelloc=b" in hot
    assert all(colour in hot for colour in (*palette.BLUES, *palette.ORANGES))
    assert XOR.draw(style="record").source.count("shape=record") == 90
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
        ({"collapse": "all"}, "scopes collapse at a level, or to 'fit', not 'all'"),
        ({"style": "dots"}, "the style is one of record, compact, not 'dots'"),
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
        "2,003 boxes are more than can be laid out in good time (at most 2,000); use draw(collapse='fit'), draw a part"
        " with slice(['NAME']).draw(), or all of it: draw(force=True)"
    )
    assert graph.draw(force=True, style="record").source.count("shape=record") == 2003
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
        graphviz_program.laid_out("digraph {}", "svg", 1)
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
        (
            "exec sleep 60",
            "the layout was not ready after 1 s; draw fewer boxes: draw(collapse='fit'), or a part with slice(['NAME']).draw()",
        ),
        ("echo no fonts >&2; exit 3", "dot failed (exit status 3): no fonts"),
    ],
)
def test_a_program_that_fails_or_hangs(tmp_path: Path, monkeypatch, script: str, message: str) -> None:
    monkeypatch.setenv("PATH", f"{fake(tmp_path, script)}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(DrawError) as refused:
        graphviz_program.laid_out("digraph {}", "svg", 1, timeout=1)
    assert str(refused.value) == message


@with_dot
def test_text_fits_its_box(tmp_path: Path) -> None:
    """At 0.602 em a character, the widest of the common monospaced faces, every field has room to spare."""
    svg = svg_of(XOR, tmp_path, style="record")
    space = "{http://www.w3.org/2000/svg}"
    checked = 0
    for group in svg.iter(f"{space}g"):
        shapes = [*group.iter(f"{space}polygon"), *group.iter(f"{space}path")]  # a path has rounded corners
        fields = group.findall(f".//{space}text")
        if group.get("class") != "node" or len(fields) != 3:
            continue
        outlines = [shape.get("points") or shape.get("d") or "" for shape in shapes]
        xs = [float(x) for outline in outlines for x in re.findall(r"(-?[0-9.]+),", outline)]
        ends = [re.findall(r"(-?[0-9.]+),", line.get("points", "")) for line in group.iter(f"{space}polyline")]
        lines = [float(start) for start, end in ends if start == end]  # not the cut corners
        edges = sorted({min(xs), max(xs), *lines})
        for field, left, right in zip(fields, edges, edges[1:], strict=False):
            wanted = len(field.text or "") * 0.602 * float(field.get("font-size", "0"))
            assert right - left > wanted, field.text
            checked += 1
    assert checked == 3 * len(XOR)


@with_dot
@pytest.mark.parametrize("options", [{}, {"collapse": 3}])
def test_compact_text_fits_its_box(options, tmp_path: Path) -> None:
    svg = svg_of(XOR, tmp_path, **options)
    space = "{http://www.w3.org/2000/svg}"
    checked = 0
    for group in svg.iter(f"{space}g"):
        if group.get("class") != "node":
            continue
        shapes = [e.get("points") or e.get("d") for e in group.iter() if e.get("points") or e.get("d")]
        xs = [float(x) for shape in shapes for x in re.findall(r"(-?[0-9.]+),", shape or "")]
        for text in group.iter(f"{space}text"):
            wide = len(text.text or "") * 0.602 * float(text.get("font-size", "0"))
            assert text.get("text-anchor") == "start"
            assert min(xs) < float(text.get("x", "0")) and float(text.get("x", "0")) + wide < max(xs), text.text
            checked += 1
    assert checked >= 30
