"""Graphs inside pictures, gzip and notebooks: in and out to the bit, bounded, and exact words for what is broken."""

from __future__ import annotations

import gzip
import json
import pickle
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from conftest import ROOT, SMALL, Cli, random_document, with_dot

import mgraph
from mgraph import FileError, FormatError, Graph, Value, contents, load, picture, record
from mgraph.drawing import display
from mgraph.files import notebook, png, svg
from mgraph.files.atomic import EXPANSION, FLOOR

TANH = ROOT / "samples" / "tanh.json"
EMPTY_SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>\n'
EMPTY_PNG = png.SIGNATURE + b"".join(
    struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    for kind, body in [(b"IHDR", b"\0" * 13), (b"IDAT", b""), (b"IEND", b"")]
)
CARRIERS = [pytest.param(svg, EMPTY_SVG, id="svg"), pytest.param(png, EMPTY_PNG, id="png")]
HOSTILE = [
    "]]></document>",
    "&lt;&amp;",
    "\ufffe\uffff",
    "\x00\x1f\x7f\x85\u2028",
    "\r\n\t",
    "é 日本 🎉",
    "<!--",
    '"\\',
]


# Pictures --------------------------------------------------------------------------------------------------


def refuse_each(folder: Path, cases: dict[str, tuple[bytes, str]]) -> None:
    """Each of the files, by name, is refused with its message."""
    for name, (raw, message) in cases.items():
        (folder / name).write_bytes(raw)
        with pytest.raises(mgraph.MgraphError) as refused:
            load(folder / name)
        assert str(refused.value) == f"{folder / name}: {message}"


@pytest.mark.slow
@with_dot
@pytest.mark.parametrize("path", SMALL, ids=lambda p: p.stem)
@pytest.mark.parametrize("kind", ["svg", "png"])
def test_what_is_drawn_can_be_loaded(path: Path, kind: str, tmp_path: Path) -> None:
    graph = load(path)
    picture(graph, tmp_path / f"x.{kind}")
    assert load(tmp_path / f"x.{kind}").to_bytes() == graph.to_bytes()
    picture(graph, tmp_path / f"bare.{kind}", embed=False)
    with pytest.raises(
        FormatError, match=r"bare\.\w+: no graph in this picture\. mgraph puts one into each picture of"
    ):
        load(tmp_path / f"bare.{kind}")


@with_dot
def test_a_drawn_run_carries_the_run(tmp_path: Path) -> None:
    graph = load(TANH)
    picture(graph.draw(graph.replay({"a": 0.7})), tmp_path / "run.svg")
    assert load(tmp_path / "run.svg").data["a"] == 0.7
    assert load(tmp_path / "run.svg").verify().verdict == "exact"


@pytest.mark.parametrize(("carrier", "empty"), CARRIERS)
@pytest.mark.parametrize("seed", range(4))
def test_any_document_goes_through(carrier: Any, empty: bytes, seed: int, tmp_path: Path) -> None:
    graph = Graph({**random_document(seed), "title": "".join(HOSTILE), "meta": {text: text for text in HOSTILE}})
    assert json.loads(carrier.extract(carrier.embed(empty, graph.to_bytes()))) == json.loads(graph.to_bytes())
    (tmp_path / "x").write_bytes(carrier.embed(empty, graph.to_bytes()))  # told by its content, not by its name
    assert load(tmp_path / "x").digest == graph.digest


@pytest.mark.parametrize(("carrier", "empty"), CARRIERS)
def test_a_cut_picture_gives_its_graph_whole_or_not_at_all(carrier: Any, empty: bytes) -> None:
    raw = carrier.embed(empty, load(TANH).to_bytes())
    whole = carrier.extract(raw)
    for end in range(len(raw)):
        try:
            assert carrier.extract(raw[:end]) == whole
        except FormatError as error:
            assert "in the middle" in str(error) or "not whole XML" in str(error)


def test_broken_pictures(tmp_path: Path) -> None:
    with_graph = png.embed(EMPTY_PNG, load(TANH).to_bytes())
    flipped = bytearray(with_graph)
    flipped[60] ^= 1
    wrong = b"mgraph\0\7\0\0\0x"
    unknown = (
        EMPTY_PNG[:33]
        + struct.pack(">I", len(wrong))
        + b"iTXt"
        + wrong
        + struct.pack(">I", zlib.crc32(b"iTXt" + wrong))
    )
    laughs = b'<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><svg>&b;</svg>'
    cases = {
        "a.png": (bytes(flipped), "the graph in this picture is damaged: its checksum is wrong"),
        "b.png": (unknown, "the graph in this picture is damaged: not an iTXt chunk by the PNG standard"),
        "c.png": (EMPTY_PNG[:40], "no graph in this picture, which ends in the middle (cut short?)"),
        "d.svg": (laughs, "the picture declares XML entities, which mgraph does not read"),
        "e.svg": (b"<page><body/></page>", "XML, but no SVG picture: its root is <page>"),
        "h.svg": (
            b"<html><body/></html>",
            "no graph in this web page. A page that nbconvert or marimo makes of a notebook has those that cells of the notebook showed, with mgraph 0.4 or later",
        ),
        "f.svg": (
            b"<svg><g></svg>",
            "no graph in this picture, which is not whole XML: mismatched tag, at line 1, column 11",
        ),
        "g.svg": (
            svg.embed(EMPTY_SVG, b'{"mgraph": 1, "nodes": []}'),
            "$.nodes: the graph is empty: it needs at least one node",
        ),
    }
    refuse_each(tmp_path, cases)


@pytest.mark.slow
def test_a_picture_of_100_megabytes(tmp_path: Path) -> None:
    """Of a large picture only what is in front of the graph is parsed; without one, all of it, in bounded memory."""
    filler = b"<g>" + b"<path d='M0 0%s'/>" % (b"L1 1" * 250) * 100_000 + b"</g>"
    large = EMPTY_SVG.replace(b"<g/>", filler)
    (tmp_path / "with.svg").write_bytes(svg.embed(large, load(TANH).to_bytes()))
    assert load(tmp_path / "with.svg").digest == load(TANH).digest
    (tmp_path / "without.svg").write_bytes(large)
    with pytest.raises(FormatError, match="no graph in this picture"):
        load(tmp_path / "without.svg")


# Bombs -----------------------------------------------------------------------------------------------------


def bomb(size: int) -> bytes:
    """A document that is mostly white space: deflate makes it a thousandth."""
    return b'{"mgraph": 1, "nodes": [{"id": "a", "op": "input"}]' + b" " * size + b"}"


def test_what_unpacks_to_more_than_its_bound_is_refused(tmp_path: Path) -> None:
    large = bomb(FLOOR + 1)
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(large))
    with pytest.raises(
        FileError, match=r"x\.json\.gz: the gzip data unpacks to more than 16,777,216 bytes \(100 times its"
    ):
        load(tmp_path / "x.json.gz")
    (tmp_path / "x.png").write_bytes(png.embed(EMPTY_PNG, large))
    with pytest.raises(FormatError, match=r"x\.png: the graph in this picture unpacks to more than 16,777,216 bytes"):
        load(tmp_path / "x.png")
    (tmp_path / "fine.json.gz").write_bytes(gzip.compress(bomb(FLOOR // 2)))
    assert load(tmp_path / "fine.json.gz").inputs == ["a"]


def test_many_members_of_a_gzip(tmp_path: Path) -> None:
    (tmp_path / "two.gz").write_bytes(
        gzip.compress(b'{"mgraph": 1, ') + gzip.compress(b'"nodes": [{"id": "a", "op": "input"}]}')
    )
    assert load(tmp_path / "two.gz").inputs == ["a"]
    (tmp_path / "many.gz").write_bytes(gzip.compress(b" " * (FLOOR // 1000)) * 1001)
    with pytest.raises(FileError, match="a decompression bomb"):
        load(tmp_path / "many.gz")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:os.fork.. was called")  # which JAX warns of, where another test imported it
@pytest.mark.parametrize("kind", ["gz", "png"])
def test_a_bomb_does_not_take_the_memory(kind: str, tmp_path: Path) -> None:
    packed = tmp_path / f"bomb.{kind}"
    large = bomb(2_000_000_000 // 8)
    packed.write_bytes(gzip.compress(large, 9) if kind == "gz" else png.embed(EMPTY_PNG, large))
    assert len(large) > 2 * EXPANSION * packed.stat().st_size
    program = "import mgraph, sys\ntry: mgraph.load(sys.argv[1])\nexcept mgraph.MgraphError as e: print(e)"
    limit = 400 * 2**20

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", program, str(packed)], capture_output=True, text=True, preexec_fn=bounded, check=False
    )
    assert "a decompression bomb? If you trust it, unpack it yourself first" in done.stdout, done.stderr


# Notebooks -------------------------------------------------------------------------------------------------


def cell(*documents: Any, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    outputs = [{"output_type": "display_data", "metadata": {}, "data": {notebook.MIME: d}} for d in documents]
    return {
        "cell_type": "code",
        "source": "",
        "metadata": {},
        "outputs": outputs,
        "execution_count": 1,
        **(extra or {}),
    }


def written(path: Path, *cells: Any, **extra: Any) -> Path:
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **extra}))
    return path


def doc(title: str | None = None, name: str = "a") -> dict[str, Any]:
    titled = {"title": title} if title else {}
    return {"mgraph": 1, **titled, "nodes": [{"id": name, "op": "input", "data": 1.0}]}


def test_graphs_of_a_notebook_by_position_and_title(tmp_path: Path) -> None:
    path = written(
        tmp_path / "lesson.ipynb",
        {"cell_type": "markdown", "source": "# Lesson", "metadata": {}},
        cell(doc("first", "a"), doc("twice", "b")),
        cell(doc("twice", "c"), extra={"outputs": []}),
        cell(doc("twice", "c")),
        cell(doc("loss #2", "d")),
    )
    assert [load(f"{path}#{k}").inputs for k in (1, 2, 3, 4)] == [["a"], ["b"], ["c"], ["d"]]
    assert load(f"{path}#first").inputs == ["a"]
    assert [(e.name, e.place) for e in contents(path)] == [
        (f"{path}#1", "cell 2, output 1"),
        (f"{path}#2", "cell 2, output 2"),
        (f"{path}#3", "cell 4"),
        (f"{path}#4", "cell 5"),
    ]
    for wanted, message in {
        str(path): f"{path}: 4 graphs; name one: #1 (first), #2 (twice), #3 (twice), #4 (loss #2)",
        f"{path}#twice": f"{path}: 2 graphs are called 'twice'; name one: #2 (twice), #3 (twice)",
        f"{path}#firsd": f"{path}: no graph 'firsd' in it. Did you mean 'first'? There are #1 (first), #2 (twice), #3"
        " (twice), #4 (loss #2)",
        f"{path}#5": f"{path}: no graph '5' in it. There are #1 (first), #2 (twice), #3 (twice), #4 (loss #2)",
    }.items():
        with pytest.raises(FileError) as refused:
            load(wanted)
        assert str(refused.value) == message


def test_a_broken_graph_does_not_hide_the_others(call: Cli, tmp_path: Path) -> None:
    bad = {"mgraph": 1, "nodes": [{"id": "a", "op": "tanh", "args": ["b"]}]}
    path = written(tmp_path / "l.ipynb", cell(doc("good")), cell(bad), cell({"nodes": 3}), cell('{"mgraph":'))
    found = contents(path)
    assert [e.graph is None for e in found] == [False, True, True, True]
    assert str(found[1].error) == f"{path}#2: $.nodes[0].args[0] (node 'a'): there is no node 'b'."
    for verb in ("info", "verify", "validate"):
        done = call(verb, "l.ipynb")
        assert done.returncode == 2
        assert "l.ipynb#2: $.nodes[0].args[0] (node 'a'): there is no node 'b'." in done.stderr
        assert "good" in done.stdout or "l.ipynb#1: a valid document" in done.stdout
    done = call("extract", "l.ipynb", "out")
    assert done.returncode == 2 and [p.name for p in (tmp_path / "out").iterdir()] == ["l-1.json"]
    assert load(tmp_path / "out/l-1.json").document == doc("good")
    assert load(f"{path}#good").inputs == ["a"]
    with pytest.raises(mgraph.DocumentError, match="there is no node 'b'"):
        load(f"{path}#2")


def test_the_cli_on_a_notebook(call: Cli, tmp_path: Path) -> None:
    wrong = {
        "mgraph": 1,
        "nodes": [{"id": "x", "op": "input", "data": 1.0}, {"id": "y", "op": "neg", "args": ["x"], "data": 1.0}],
    }
    path = written(tmp_path / "l.ipynb", cell(json.loads(load(TANH).to_bytes())), cell(wrong))
    done = call("info", "l.ipynb")
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == "#1   cell 1             6 nodes        Two inputs through tanh\n#2   cell 2             2 nodes\n"
    )
    assert [g["nodes"] for g in json.loads(call("info", "l.ipynb", "--json").stdout)["graphs"]] == [6, 2]
    done = call("verify", "l.ipynb")
    assert done.returncode == 1 and done.stderr == ""
    assert "l.ipynb#1 Two inputs through tanh (cell 1)\n" in done.stdout and "verdict: differs at y" in done.stdout
    assert [g["ok"] for g in json.loads(call("verify", "l.ipynb", "--json").stdout)["graphs"]] == [True, False]
    assert call("verify", "l.ipynb#1").returncode == 0
    assert call("run", "l.ipynb#1", "--out", "d").stdout.endswith("(4 data and 6 grad checked)\n")
    assert call("run", "l.ipynb").returncode == 2
    assert call("extract", "l.ipynb", "out").returncode == 0
    assert (tmp_path / "out" / "l-1.json").read_bytes() == load(TANH).to_bytes()
    (tmp_path / "out" / "l-1.json").write_text("mine")
    (tmp_path / "out" / "l-2.json").unlink()
    done = call("extract", "l.ipynb", "out")
    assert (done.returncode, done.stderr) == (
        2,
        "mgraph: there already: 'out/l-1.json'; nothing is written. --force overwrites, another DIR keeps both\n",
    )
    assert (tmp_path / "out" / "l-1.json").read_text() == "mine" and not (tmp_path / "out" / "l-2.json").exists()
    assert call("extract", "l.ipynb", "out", "--force").returncode == 0
    assert (tmp_path / "out" / "l-1.json").read_bytes() == load(TANH).to_bytes()
    assert call("export", f"{path}#1", "--to", "json").stdout.encode() == load(TANH).to_bytes()
    empty = written(tmp_path / "empty.ipynb")
    for argv in (["verify"], ["verify", "--json"], ["validate"], ["extract", "out"], ["run"]):
        done = call(argv[0], "empty.ipynb", *argv[1:])
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "mgraph: empty.ipynb: no graph in this notebook (were its outputs cleared?): run it, with a Value, Graph or"
            " Run as a cell's result, and save it\n"
        )
    assert call("info", "empty.ipynb").stdout == "empty.ipynb: no graph in this notebook\n"
    assert empty.exists()


def test_notebooks_that_are_not(tmp_path: Path) -> None:
    old = {"nbformat": 3, "worksheets": []}
    cases = {
        "cut.ipynb": (
            b'{"nbformat": 4, "cells": [',
            "not JSON: it ends in the middle, at line 1, column 27 (cut short?)",
        ),
        "old.ipynb": (
            json.dumps(old).encode(),
            "a notebook of nbformat 3; mgraph reads nbformat 4, which Jupyter writes since 2015. An older"
            " notebook holds no graph: convert it (jupyter nbconvert --to notebook --inplace FILE), run it again, and"
            " save it",
        ),
        "odd.ipynb": (b'{"nbformat": 4}', "a notebook without a list of cells: $.cells"),
        "odder.ipynb": (
            b'{"nbformat": 4, "cells": [3]}',
            "a cell of this notebook is not built as nbformat 4 says: $.cells[0]",
        ),
    }
    refuse_each(tmp_path, cases)


def test_a_notebook_with_the_nan_that_pythons_json_writes(tmp_path: Path) -> None:
    other = {"output_type": "display_data", "data": {"application/json": {"x": float("nan")}}, "metadata": {}}
    path = written(tmp_path / "n.ipynb", cell(doc(), extra={"outputs": [other, *cell(doc())["outputs"]]}))
    assert b"NaN" in path.read_bytes()
    assert load(path).data == {"a": 1.0}


def test_a_negative_zero_survives_a_browser() -> None:
    """JavaScript writes -0 as 0, so a document with one travels as text."""
    graph = record(Value(-0.0, name="x") * 2.0)
    kept = notebook.embed(graph.document, graph.to_bytes())
    assert isinstance(kept, str)
    assert mgraph.loads(kept).digest == graph.digest
    plain = record(Value(1.0, name="x") * 2.0)
    assert notebook.embed(plain.document, plain.to_bytes()) == plain.document


def stringified(value: Any) -> str:
    """As JavaScript's ``JSON.stringify`` writes it: whole numbers up to 1e21 without a point or exponent."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{stringified(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(stringified, value)) + "]"
    return rfc8785.dumps(value).decode() if isinstance(value, float) else json.dumps(value)


def test_a_notebook_that_a_browser_saved_anew(tmp_path: Path) -> None:
    """There 1e17 is written 100000000000000000; of the document nothing changes but how numbers are spelled."""
    whole = [2.0**53 + 2.0, 1e17, -1e17, 2.0**63, 2.0**64, 1e20, 123456789012345678901.0, 1e21, 1e300, 7.0]
    for seed, x in enumerate(whole):
        value = Value(x, name="x") * x + seed
        value.backward()
        graph = record(value, meta={"float": x, "list": [x, {"deep": -x}], "int": 2**53 - 1})
        cells = {"nbformat": 4, "cells": [cell(graph.document)]}
        (tmp_path / "saved.ipynb").write_text(stringified(cells))
        again = load(tmp_path / "saved.ipynb")
        assert again.digest == graph.digest and again.meta == graph.meta
        assert dict(again.data) == dict(graph.data) and again.verify().verdict == graph.verify().verdict
        assert type(again.meta["int"]) is int


def test_a_number_past_binary64_in_a_notebook(tmp_path: Path) -> None:
    path = written(tmp_path / "n.ipynb", cell({**doc(), "meta": {"n": 10**400}}))
    with pytest.raises(mgraph.DocumentError, match=r"\(cell 1\): \$\.meta\.n: not a finite number"):
        load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"data": 1.0', '"data": 2.0, "data": 1.0', "$.nodes[0]: the key 'data' is repeated"),
        ('"mgraph": 1,', '"mgraph": 1, "mgraph": 1,', "$: the key 'mgraph' is repeated"),
        ('"id": "a"', '"id": "b", "id": "a:"', "$.nodes[0]: the key 'id' is repeated"),
        ('"nodes":', '"meta": {"a": {"b": 1, "b": 1}}, "nodes":', "$.meta.a: the key 'b' is repeated"),
    ],
)
def test_a_repeated_key_in_a_notebooks_document(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = json.dumps({"nbformat": 4, "cells": [cell(doc()), cell(doc("fine"))]})
    assert text.count(old) == 2
    (tmp_path / "n.ipynb").write_text(
        text.replace(old, new, 1).replace('"metadata": {}', '"metadata": {"x": 1, "x": 1}')
    )
    broken, fine = contents(tmp_path / "n.ipynb")
    assert str(broken.error) == f"{tmp_path / 'n.ipynb'}#1 (cell 1): {message}" and fine.graph is not None


@with_dot
@pytest.mark.parametrize("shown", ["value", "graph", "run", "drawing"])
def test_what_a_cell_shows_holds_picture_text_and_document(shown: str) -> None:
    x = Value(0.5, name="x")
    y = x.tanh()
    y.backward()
    graph = record(y)
    held = {"value": y, "graph": graph, "run": graph.replay(), "drawing": graph.draw()}[shown]
    found = held._repr_mimebundle_()
    picture = "text/html" if shown == "run" else "image/svg+xml"  # a run's table stands below it
    assert set(found) == {picture, "text/plain", notebook.MIME}
    assert Graph(found[notebook.MIME]).digest == graph.digest
    drawn = found[picture][found[picture].index("<svg") :]  # which a page made of the notebook keeps
    carried = svg.extract(drawn[: drawn.index("</svg>") + 6].encode())
    assert "<polygon" in drawn and mgraph.loads(carried).digest == graph.digest


def test_a_large_document_is_left_out_and_the_cell_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = load(TANH)
    size = len(graph.to_bytes())
    monkeypatch.setattr(display, "limit", size)
    assert notebook.MIME in graph._repr_mimebundle_()
    monkeypatch.setattr(display, "limit", size - 1)
    found = graph._repr_mimebundle_()
    note = f"(The document has {size:,} bytes, more than {size - 1:,}, and is not in this notebook: mgraph.save(it, 'graph.json') keeps it.)"
    assert notebook.MIME not in found and note in found["text/plain"]
    assert "image/svg+xml" not in found or note in found["text/html"]


def test_a_value_with_a_long_history_is_not_recorded_to_be_shown() -> None:
    y = Value(1.0)
    for _ in range(60_000):
        y = y + 1
    found = y._repr_mimebundle_()
    assert list(found) == ["text/plain"]
    assert found["text/plain"].startswith("Value(data=60001.0, grad=0.0)\n(The document has over ")


# What is never opened --------------------------------------------------------------------------------------


class Danger:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was opened",))


def test_pickles_and_archives_are_refused_by_principle(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Danger()))
    for protocol in range(6):
        (tmp_path / f"{protocol}.pkl").write_bytes(pickle.dumps(Danger(), protocol=protocol))
    (tmp_path / "told by content").write_bytes(pickle.dumps(Danger()))
    for path in tmp_path.iterdir():
        with pytest.raises(FileError) as refused:
            load(path)
        if path.suffix == ".pt":
            assert str(refused.value).endswith(
                "a zip archive (such as PyTorch's .pt, which holds pickles), not a document"
            )
        else:
            assert "a pickle. To open one runs any code that is in it, so mgraph never does; in the program" in str(
                refused.value
            )


def test_a_file_whose_name_has_a_hash(tmp_path: Path) -> None:
    load(TANH).save(tmp_path / "a#2.json")
    assert load(tmp_path / "a#2.json").digest == load(TANH).digest
