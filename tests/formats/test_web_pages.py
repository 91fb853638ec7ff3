"""Graphs in web pages that were made of notebooks, and pages made to do harm."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Cli, work
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mgraph
from mgraph import FormatError, Graph, Value, contents, load, record
from mgraph.cells import EMPTY
from mgraph.files import notebook, svg, web_page

TANH = load(ROOT / "samples" / "tanh.json")
XOR = load(ROOT / "samples" / "xor.json")
START = '<!DOCTYPE html>\n\n<html lang="en">\n<body>\n'


def inline(graph: Graph) -> str:
    """As it stands in HTML that a cell shows, and so in nbconvert's page."""
    return svg.embed(EMPTY, graph.to_bytes().replace(b"\n", b" ")).decode().replace("\n", " ")


def image(graph: Graph) -> str:
    """As nbconvert shows an SVG."""
    return f'<img src="data:image/svg+xml;base64,{base64.b64encode(inline(graph).encode()).decode()}">'


def output(graph: Graph) -> str:
    """As marimo's script holds a cell's output."""
    kept = notebook.embed(graph.document, graph.to_bytes())
    text = json.dumps({"data": {"bundle": {notebook.MIME: kept, "text/plain": "a"}}}, sort_keys=True)
    return "<script>x = {}</script>".format(text.replace("<", "\\u003C").replace(">", "\\u003E"))


def page(path: Path, *parts: str, start: str = START) -> Path:
    path.write_text(start + "\n<p>between</p>\n".join(parts) + "\n</body></html>\n")
    return path


@pytest.mark.parametrize("kind", [inline, image, output])
def test_a_graph_comes_out_of_a_page_to_the_bit(kind: Any, tmp_path: Path) -> None:
    x = Value(-0.0, name="</document><script>alert(1)</script>&amp;&lt;\u2028\ufffe")
    y = (x * 1e17 + 5e-324).tanh()
    y.backward()
    hostile = record(y, title=']]>--><!--"application/vnd.mgraph+json": {}', meta={"n": [1e300, "\u00a0"]})
    for graph in (TANH, XOR, hostile):
        path = page(tmp_path / "page.html", kind(graph))
        entries = contents(path)
        assert [each.graph.digest for each in entries] == [graph.digest] * len(entries) and entries
        assert load(path).document == graph.document


def test_graphs_of_a_page_by_number_and_title(call: Cli, tmp_path: Path) -> None:
    path = page(tmp_path / "page.html", image(TANH), "<pre>x</pre>", output(XOR), inline(record(Value(1.0, name="x"))))
    assert [(e.name, e.place) for e in contents(path)] == [
        (f"{path}#1", "line 5"),
        (f"{path}#2", "line 9"),
        (f"{path}#3", "line 11"),
    ]
    assert load(f"{path}#2").digest == XOR.digest == load(f"{path}#{XOR.title}").digest
    done = call("verify", "page.html")
    assert done.returncode == 0 and "page.html#2 XOR by two layers" in done.stdout
    assert call("run", "page.html#1").stdout.startswith(f"{TANH.title}\n")
    assert call("extract", "page.html", "out").returncode == 0
    assert (tmp_path / "out" / "page-1.json").read_bytes() == TANH.to_bytes()
    assert "3 graphs; name one: #1 (Two inputs through tanh)" in call("run", "page.html").stderr


@pytest.mark.parametrize(
    "start", ["<html>", "\ufeff<!doctype HTML>", "  \n<!-- saved from url=(0014)about:internet -->\n<HTML a='b'>"]
)
def test_how_a_page_begins(start: str, tmp_path: Path) -> None:
    assert load(page(tmp_path / "page.htm", inline(TANH), start=start)).digest == TANH.digest


def test_what_a_page_has_no_graph_of(tmp_path: Path) -> None:
    foreign = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()
    path = page(tmp_path / "page.html", f'<img src="data:image/svg+xml;base64,{foreign}">', "&lt;document xmlns=")
    with pytest.raises(FormatError, match=r"page\.html: no graph in this web page\. A page that nbconvert or marimo"):
        load(path)
    path.write_bytes(START.encode() + b"\xff")
    with pytest.raises(FormatError, match=r"page\.html: the page is not UTF-8: byte 0xFF at offset 41"):
        load(path)


def test_a_broken_graph_of_a_page_does_not_hide_the_others(call: Cli, tmp_path: Path) -> None:
    cycle = '{"mgraph": 1, "nodes": [{"id": "a", "op": "neg", "args": ["a"]}]}'
    entity = base64.b64encode(
        b'<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg xmlns="http://www.w3.org/2000/svg">&a;<metadata>'
        + b'<document xmlns="urn:mgraph:format:1">{}</document></metadata></svg>'
    ).decode()
    path = page(
        tmp_path / "page.html",
        inline(TANH),
        f'<document xmlns="{svg.NAMESPACE}">{cycle}</document>',
        f'<document xmlns="{svg.NAMESPACE}">{{"mgraph": 1, <b>',
        f'<img src="data:image/svg+xml;base64,{entity}">',
        f'<script>{{"{notebook.MIME}": {{"mgraph": 1, "mgraph": 1, "nodes": []}}}}</script>',
        f'<script>{{"{notebook.MIME}": {{mgraph}}}}</script>',
        output(XOR),
        f'<script>{{"{notebook.MIME}": {{"mgraph": 1, </script>',
        inline(TANH),
    )
    entries = contents(path)
    assert [each.graph is None for each in entries] == [False, True, True, True, True, True, False, True]
    assert [str(each.error).removeprefix(str(path)) for each in entries if each.error] == [
        "#2: $.nodes: a node depends on itself: a -> a",
        "#3 (line 9): the graph ends in the middle (was the page cut short?)",
        "#4 (line 11): the picture declares XML entities, which mgraph does not read",
        "#5 (line 13): $: the key 'mgraph' is repeated",
        "#6 (line 15): what should be a document is not JSON",
        "#8 (line 19): the graph ends in the middle (was the page cut short?)",
    ]
    assert load(f"{path}#7").digest == XOR.digest
    done = call("verify", "page.html")
    assert done.returncode == 2 and "page.html#1" in done.stdout and "page.html#5 (line 13)" in done.stderr


@pytest.mark.parametrize(
    "part",
    [
        f'<document xmlns="{svg.NAMESPACE}">',
        f'<document xmlns="{svg.NAMESPACE}"></document>',
        "data:image/svg+xml;base64,",
        "data:image/svg+xml;base64,AAAA",
        f'{{"{notebook.MIME}": ',
        f'{{"{notebook.MIME}": [',
        f'{{"{notebook.MIME}": "',
        f'{{"{notebook.MIME}": {{}}',
        f'{{"{notebook.MIME}": "\\',
        "<!--",
        "<svg><metadata>",
    ],
)
def test_a_page_made_to_take_long_takes_time_in_proportion(part: str) -> None:
    """Python's instructions, and what regular expressions read: each search begins where the last one ended."""

    def taken(count: int) -> int:
        raw = (START + part * count).encode()
        return work(lambda: list(web_page.extract(raw)))

    few, many = taken(50), taken(400)
    assert many < 9 * few + 2000


def test_no_part_of_a_page_is_read_twice() -> None:
    """Outputs within an output that has no end: after the first there is no other attempt."""
    deep = START + f'{{"{notebook.MIME}": [1, 2, ' * 100_000
    (found,) = web_page.extract(deep.encode())
    assert found.error == "the graph ends in the middle (was the page cut short?)"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_pages_open_or_are_refused(tmp_path: Path, data: Any) -> None:
    raw = bytearray(page(tmp_path / "page.html", image(TANH), output(TANH), inline(TANH)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(len(START), len(raw)))
        raw[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=3))
    (tmp_path / "page.html").write_bytes(raw)
    try:
        entries = contents(tmp_path / "page.html")
    except mgraph.MgraphError as error:
        assert str(error)
    else:
        assert all((each.graph is None) != (each.error is None) for each in entries)


def test_deep_json_in_a_page_is_refused(tmp_path: Path) -> None:
    path = page(tmp_path / "page.html", f'{{"{notebook.MIME}": {"[" * 100_000}{"]" * 100_000}}}')
    with pytest.raises(mgraph.MgraphError, match="what should be a document is not JSON"):
        load(path)
