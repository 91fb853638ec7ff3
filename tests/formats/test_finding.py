"""Which files are meant by paths: folders, lists, links, and names of every kind; and which claim to hold a graph."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from conftest import ROOT, work

import mgraph
from mgraph import FileError, load
from mgraph.formats.finding import find
from mgraph.formats.opening import read_claimed

TANH = ROOT / "samples" / "tanh.json"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(TANH.read_bytes())


def paths(*given: str) -> list[str]:
    return [each.path for each in find(given)[0]]


def test_a_folder_is_files_then_folders_sorted_and_the_rest_is_counted() -> None:
    touch("d/b.json", "d/a.JSON", "d/c.json.gz", "d/sub/z.png", "d/a/y.svg", "d/a/x.ipynb", "d/a/m.onnx")
    touch("d/readme.md", "d/a/data.csv", "d/.git/x.json", "d/.x.json", "other.json")
    found, others = find(["d", "other.json", "d/readme.md"])
    assert [each.path for each in found] == [
        *(f"d/{name}" for name in ("a.JSON", "b.json", "c.json.gz", "a/m.onnx", "a/x.ipynb", "a/y.svg", "sub/z.png")),
        "other.json",
        "d/readme.md",
    ]
    assert [each.folder for each in found] == ["d"] * 7 + [None] * 2
    assert others == {"d": 2}


def test_a_list_is_its_lines_or_what_zero_bytes_part() -> None:
    touch("a.json", "d/b.json", "new\nline.json", "@at.json")
    Path("list.txt").write_bytes(b"a.json\r\nd\n\n@at.json\n")
    assert paths("@list.txt", "./@at.json") == ["a.json", "d/b.json", "@at.json", "./@at.json"]
    Path("zero.txt").write_bytes(b"new\nline.json\0d\0")
    assert paths("@zero.txt") == ["new\nline.json", "d/b.json"]
    (lost,) = find(["@zreo.txt"])[0]
    assert str(lost.error) == "zreo.txt: there is no such file. Did you mean 'zero.txt'?"


def test_a_loop_of_links_is_not_followed_and_a_link_to_nothing_is_not_lost() -> None:
    touch("d/a.json", "elsewhere/b.json")
    Path("d/up").symlink_to(".")
    Path("d/x.json").symlink_to("y.json")
    Path("d/y.json").symlink_to("x.json")
    Path("d/gone.json").symlink_to("nowhere.json")
    Path("d/link.json").symlink_to("../elsewhere/b.json")
    Path("d/folder.json").symlink_to("../elsewhere")
    assert paths("d") == ["d/a.json", "d/gone.json", "d/link.json", "d/x.json", "d/y.json"]
    assert paths("d/up") == ["d/up/a.json", *(f"d/up/{n}.json" for n in ("gone", "link", "x", "y"))]  # it was named


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_below_a_folder_is_not_waited_for() -> None:
    touch("d/a.json")
    os.mkfifo("d/b.json")
    assert paths("d") == ["d/a.json"]


def test_a_folder_that_cannot_be_read_does_not_hide_the_rest() -> None:
    """One whose path is longer than the system allows."""
    touch("d/a.json", "d/zz/z.json")
    name = "m" * 250
    at = os.open("d", os.O_RDONLY)
    for _ in range(20):
        os.mkdir(name, dir_fd=at)
        deeper = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(at)
    first, broken, last = find(["d"])[0]
    assert (first.path, last.path) == ("d/a.json", "d/zz/z.json")
    assert isinstance(broken.error, FileError) and str(broken.error).endswith("cannot be read: file name too long")


def test_names_of_any_encoding() -> None:
    names = [b"caf\xe9.json", b"new\nline.json", "日本.json".encode(), b"\x1b[2J.json"]
    os.mkdir("d")
    for name in names:
        Path(os.fsdecode(b"d/" + name)).write_bytes(TANH.read_bytes())
    assert sorted(map(os.fsencode, paths("d"))) == sorted(b"d/" + name for name in names)
    Path("list.txt").write_bytes(b"\0".join(names))
    assert list(map(os.fsencode, paths("@list.txt"))) == names


@pytest.mark.slow
def test_a_tree_deeper_than_python_recurses() -> None:
    nested = ["/".join(["deep", *"x" * k]) for k in range(1_500)]
    try:
        for folder in nested:
            os.mkdir(folder)
        touch(f"{nested[-1]}/a.json")
        assert paths("deep") == [f"{nested[-1]}/a.json"]
        os.unlink(f"{nested[-1]}/a.json")
    finally:
        for folder in reversed(nested):
            os.rmdir(folder)


def test_a_file_costs_the_same_among_many() -> None:
    for count in (100, 200):
        touch(*(f"d{count}/{k:03}.json" for k in range(count)))
    small, large = work(lambda: find(["d100"])), work(lambda: find(["d200"]))
    assert large < 2.1 * small


def test_what_claims_to_hold_a_graph(tmp_path: Path) -> None:
    graph = load(TANH)
    held = {
        "a.json": TANH.read_bytes(),
        "a.json.gz": gzip.compress(TANH.read_bytes()),
        "canonical.json": mgraph.loads(TANH.read_bytes()).to_bytes(),
        "cppad.json": graph.export("cppad"),
        "a.svg": None,
        "a.png": None,
        "lesson.ipynb": (ROOT / "samples" / "notebooks" / "what-if.ipynb").read_bytes(),
    }
    for name, raw in held.items():
        if raw is None:
            mgraph.picture(graph, name)
        else:
            Path(name).write_bytes(raw)
        assert read_claimed(name), name
    broken = {
        "empty.json": b"",
        "cut.json": TANH.read_bytes()[:40],
        "old.json": b'{"mgraph": 0}',
        "cut.svg": Path("a.svg").read_bytes().partition(b"</document>")[0],
        "bad.json.gz": b"\x1f\x8b\x08",
    }
    for name, raw in broken.items():
        Path(name).write_bytes(raw)
        with pytest.raises(mgraph.MgraphError):
            read_claimed(name)
    cleared = b'{"nbformat": 4, "cells": [{"source": ["from mgraph import Value"], "outputs": []}]}'
    Path("cleared.ipynb").write_bytes(cleared)
    assert read_claimed("cleared.ipynb") == []
    mgraph.picture(graph, "bare.png", embed=False)
    others = {
        "package.json": b'{"name": "mgraph", "dependencies": {"mgraph": "^1.0"}}',
        "tsconfig.json": b"{ // a comment\n}",
        "other.ipynb": b'{"nbformat": 4, "cells": []}',
        "logo.svg": b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
        "logo.png": Path("bare.png").read_bytes(),
        "model.onnx": b"\x08\x08\x12\x07pytorch",
    }
    for name, raw in others.items():
        Path(name).write_bytes(raw)
        assert read_claimed(name) is None, name


def test_the_graph_of_an_onnx_file_that_mgraph_wrote() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed (the extra [onnx])")
    Path("a.onnx").write_bytes(load(TANH).export("onnx"))
    assert read_claimed("a.onnx")
