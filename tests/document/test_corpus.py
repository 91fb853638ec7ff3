"""Documents that released versions wrote: every later version reads them, and finds the same bits and digests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, bits, script

import mgraph
from mgraph import Graph, load
from mgraph.arithmetic.ops import LEAVES, OPS

keep_release = script(ROOT / "tests" / "data" / "keep_release.py")
CORPUS = keep_release.CORPUS
DOCUMENTS = sorted(path for path in CORPUS.glob("*/*.json") if path.name != "digests.json")
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")


def differences(graph: Graph, engine: str) -> list[str]:
    """Which recorded numbers a replay does not reproduce to the bit."""
    run = graph.replay(engine=engine)
    data = [f"data of {name}" for name, x in graph.data.items() if bits(run.data[name]) != bits(x)]
    return data + [f"grad of {name}" for name, x in graph.grad.items() if bits(run.grad[name]) != bits(x)]


def complete(graph: Graph) -> bool:
    return all(name in graph.data for name in (*graph.inputs, *graph.parameters))


@each_document
@pytest.mark.parametrize("engine", ["reference", pytest.param("compiled", marks=pytest.mark.slow)])
def test_every_recorded_number_comes_out_again(path: Path, engine: str) -> None:
    if engine == "compiled":
        pytest.importorskip("llvmlite")
    graph = load(path)
    if complete(graph):
        assert differences(graph, engine) == []
        assert graph.verify().verdict == "exact"
    else:
        assert graph.verify().verdict == "nothing recorded to check"


@each_document
def test_its_digest_is_the_one_that_its_version_computed(path: Path) -> None:
    digests = json.loads(path.with_name("digests.json").read_text())
    assert load(path).digest == digests[path.name]


@each_document
def test_saving_it_again_loses_nothing(path: Path, tmp_path: Path) -> None:
    graph = load(path)
    graph.save(tmp_path / "again.json")
    assert load(tmp_path / "again.json").digest == graph.digest


def test_a_release_keeps_every_op_key_and_kind_of_number() -> None:
    for folder in CORPUS.iterdir():
        texts = [path.read_text() for path in DOCUMENTS if path.parent == folder]
        used = {node["op"] for text in texts for node in json.loads(text)["nodes"]}
        if folder.name == mgraph.__version__:
            assert used == {*LEAVES, *OPS}, "let a sample use the new op, then run tests/data/keep_release.py"
        whole = "".join(texts)
        for word in ("-0.0", "5e-324", '"NaN"', '"Infinity"', "tolerance", "source", "scope", "label", "meta", "seeds"):
            assert word in whole


def test_a_release_is_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_release, "CORPUS", Path(shutil.copytree(CORPUS, tmp_path / "corpus")))
    monkeypatch.setattr(mgraph, "__version__", "99.10.0")
    folder = keep_release.keep()
    assert {path.name for path in folder.iterdir()} >= {path.name for path in DOCUMENTS}
    with pytest.raises(FileExistsError):
        keep_release.keep()


def test_a_number_that_moved_would_be_found() -> None:
    document = json.loads((CORPUS / "0.3.0" / "neuron.json").read_text())
    document["nodes"][-1]["data"] += 2**-53
    assert differences(Graph(document), "reference") == [f"data of {document['nodes'][-1]['id']}"]
