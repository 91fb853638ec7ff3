"""``mgraph edit``, and what ``info`` then shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ROOT, Cli

import mgraph
from mgraph import Value, load

TANH = ROOT / "samples" / "tanh.json"


def test_what_is_said_changes_and_nothing_else(call: Cli, tmp_path: Path) -> None:
    words = ["--title", "New", "--description", "About", "--tag", "a", "--tag", "b c", "--tag", "a", "--meta", "x=1=2"]
    done = call("edit", TANH, *words, "-o", "out.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "saved: out.json\n")
    old, new = load(TANH), load(tmp_path / "out.json")
    assert (new.title, new.description, new.tags) == ("New", "About", ("a", "b c"))
    assert new.meta == {"description": "About", "tags": ["a", "b c"], "x": "1=2"}
    assert new.digests["recipe"] == old.digests["recipe"] and new.digest != old.digest
    lines = [each.read_text().splitlines() for each in (TANH, tmp_path / "out.json")]
    assert [line for line in lines[0] if '"id"' in line] == [line for line in lines[1] if '"id"' in line]

    back = call("edit", "out.json", "--untag", "a", "--untag", "b c", "--unset", "x", "--unset", "description")
    again = mgraph.loads(back.stdout)
    assert (again.title, again.meta) == ("New", {})
    kept = {key: entry for key, entry in old.document.items() if key != "title"}
    assert {**kept, "title": "New"} == again.document


def test_info_shows_it(call: Cli, tmp_path: Path) -> None:
    graph = mgraph.record(
        Value(1.0, name="x"), title="T", meta={"description": "D", "tags": ["a", "b"], "n": [1, None]}
    )
    graph.save(tmp_path / "x.json")
    lines = call("info", "x.json").stdout.splitlines()
    assert lines[:3] == ["title        T", "description  D", "tags         a, b"]
    assert "meta         n: [1,null]" in lines
    found = json.loads(call("info", "x.json", "--json").stdout)
    assert (found["description"], found["tags"], found["meta"]) == ("D", ["a", "b"], {"n": [1, None]})
    odd = graph.with_meta(description=None, tags=None)
    mgraph.Graph({**odd.document, "meta": {"description": 3, "tags": "a", "title": "other"}}).save(tmp_path / "x.json")
    found = json.loads(call("info", "x.json", "--json").stdout)
    assert "description" not in found and found["meta"] == {"description": 3, "tags": "a", "title": "other"}


def test_in_place_only_a_document(call: Cli, tmp_path: Path) -> None:
    load(TANH).save(tmp_path / "x.json.gz")
    assert call("edit", "x.json.gz", "--title", "New", "-o", "./x.json.gz").returncode == 0
    assert load(tmp_path / "x.json.gz").title == "New"
    for carrier, name in (("docs/tanh.svg", "x.svg"), ("samples/notebooks/what-if.ipynb", "x.ipynb")):
        before = (ROOT / carrier).read_bytes()
        (tmp_path / name).write_bytes(before)
        file = name + "#1" * name.endswith("ipynb")
        done = call("edit", file, "--title", "New", "-o", name)
        assert done.returncode == 2 and (tmp_path / name).read_bytes() == before
        assert done.stderr.splitlines()[0] == (
            f"mgraph: --output: '{name}' is a picture, a notebook or another tool's file, which the result would"
            " replace; name another file"
        )
        assert mgraph.loads(call("edit", file, "--title", "New").stdout).title == "New"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing to change: name a --title, --description, --tag, --untag, --meta or --unset"),
        (("--untag", "a"), "--untag: there is no tag 'a'. There is none"),
        (("--unset", "titel"), "--unset: there is no entry 'titel'. Did you mean 'title'? There are 'title'"),
        (("--meta", "lesson"), "--meta: 'lesson' is not KEY=TEXT"),
        (("--meta", "tags=a"), "--meta: tags has an option of its own, --tag"),
        (("--title", "x", "--unset", "title"), "'title' is changed twice"),
        (("--tag", ""), "$.meta.tags: tags are a list of texts, none of them empty"),
        (("--title", "x" * 10_001), "$.title: a text of 10,001 characters; at most 10,000 are allowed here"),
    ],
)
def test_refusals(call: Cli, words: tuple[str, ...], message: str) -> None:
    done = call("edit", TANH, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"mgraph: {message}"
