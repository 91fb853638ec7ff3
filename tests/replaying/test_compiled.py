"""The compiled engine: the bits of the reference, one row or many."""

from __future__ import annotations

import compileall
import copy
import gc
import math
import os
import pickle
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import EACH_SAMPLE, HOSTILE, ROOT, bits, random_document, random_value

pytest.importorskip("llvmlite", reason="llvmlite is not installed (the extra mgraph-replay[fast])")
import numpy as np

import mgraph
from mgraph import Graph, ReplayError, Run, Value, load
from mgraph.document.wiring import Wiring
from mgraph.replaying import choice
from mgraph.replaying.compiled import loops, machine_code, replayer
from mgraph.replaying.compiled.replayer import Batch


def differing(a: Run, b: Run) -> list[str]:
    assert list(a.data) == list(b.data) and list(a.grad) == list(b.grad)
    found = [f"data {name}" for name in a.data if bits(a.data[name]) != bits(b.data[name])]
    return found + [f"grad {name}" for name in a.grad if bits(a.grad[name]) != bits(b.grad[name])]


@pytest.mark.slow
def test_the_bits_of_the_reference_on_random_graphs_of_every_op() -> None:
    nonfinite = 0
    for seed in range(3000):
        graph = Graph(random_document(seed))
        a, b = graph.replay(engine="reference"), graph.replay(engine="compiled")
        assert differing(a, b) == [], seed
        nonfinite += any(not math.isfinite(x) for x in a.grad.values())
    assert nonfinite > 500  # so that the careful backward pass has been through it too


@pytest.mark.parametrize("path", EACH_SAMPLE, ids=lambda p: p.stem)
def test_the_bits_of_the_reference_on_the_samples(path: Path) -> None:
    graph = load(path)
    a, b = graph.replay(engine="reference"), graph.replay(engine="compiled")
    assert (a.engine, b.engine) == ("reference", "compiled")
    assert differing(a, b) == []


@pytest.mark.parametrize("seed", range(4))
def test_overrides_slices_and_seeds(seed: int) -> None:
    root, _ = random_value(seed, 300)
    graph = mgraph.record(root)
    inner = graph.nodes[len(graph) // 2]["id"]
    for options in (
        {"inputs": {"x0": 0.25}},
        {"inputs": {inner: 0.25, "x1": -1.0}},
        {"outputs": [inner]},
        {"seeds": {inner: 2.0, "x2": -0.0}},
        {"backward": False},
    ):
        a, b = graph.replay(**options, engine="reference"), graph.replay(**options, engine="compiled")
        assert differing(a, b) == []
        assert (a.seeds, a.overrides) == (b.seeds, b.overrides)


def test_threads_may_replay_the_same_graph() -> None:
    graph = load(ROOT / "samples/moons.json.gz")
    name = graph.parameters[0]
    inputs = [{name: k / 8} for k in range(8)]
    alone = [graph.replay(each, engine="compiled").outputs for each in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda each: graph.replay(each, engine="compiled").outputs, inputs))
    assert together == alone
    assert len({str(each) for each in alone}) == 8


def test_a_replayer_is_set_and_run_again() -> None:
    graph = load(ROOT / "samples/tanh.json")
    replayer = graph.compile()
    for a in (0.7, -0.3, 0.5001):
        replayer.set("a", a)
        replayer.forward()
        replayer.backward()
        run = graph.replay({"a": a}, engine="reference")
        assert {name: replayer.data[k] for name, k in replayer.index.items()} == dict(run.data)
        assert {name: replayer.grad[k] for name, k in replayer.index.items()} == dict(run.grad)
        assert replayer.outputs == run.outputs
    with pytest.raises(ValueError, match="read-only"):
        replayer.data[0] = 1.0


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, asked = load(ROOT / "samples/tanh.json"), []
    resolve = Wiring.resolve
    monkeypatch.setattr(Wiring, "resolve", lambda self, name: asked.append(name) or resolve(self, name))
    replayer = graph.compile()
    for k in range(100):
        replayer.set("a", k / 100)
    replayer.set("a", 3)
    assert asked == ["a"]
    replayer.forward()
    assert replayer.outputs == graph.replay({"a": 3.0}).outputs
    with pytest.raises(ReplayError, match="the number for 'a' is not a real number but '1'"):
        replayer.set("a", "1")


def test_only_what_the_gradients_need_is_computed() -> None:
    graph = load(ROOT / "samples/neuron.json")
    whole, part = graph.compile(), graph.compile(gradients=["w1"])
    for each in (whole, part):
        each.forward()
        each.backward()
    assert part.grad[part.index["w1"]] == whole.grad[whole.index["w1"]] != 0.0
    assert part.grad[part.index["x2"]] == 0.0 != whole.grad[whole.index["x2"]]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_every_row_of_a_batch_is_a_replay(seed: int) -> None:
    graph = Graph(random_document(3 * seed + 1))
    leaves = [*graph.inputs, *graph.parameters]
    rng = random.Random(seed)
    rows = {name: [rng.choice((rng.uniform(-2, 2), rng.choice(HOSTILE))) for _ in range(70)] for name in leaves}
    found = graph.compile().batch(rows, gradients=True)
    for row in range(70):
        run = graph.replay({name: column[row] for name, column in rows.items()}, engine="reference")
        for name in graph.outputs:
            assert bits(found.outputs[name][row]) == bits(run.data[name])
        for name in leaves:
            assert bits(found.gradients[name][row]) == bits(run.grad[name])


def test_a_batch_of_an_array_and_of_every_length() -> None:
    graph = load(ROOT / "samples/tanh.json")
    replayer = graph.compile()
    for rows in (0, 1, 15, 16, 17, 33, 1000):
        table = np.random.default_rng(rows).uniform(-1, 1, (rows, 2))
        for threads in (1, 3):
            found = replayer.batch(table, gradients=["b"], threads=threads)
            assert isinstance(found, Batch)
            assert found.outputs["d"].shape == found.gradients["b"].shape == (rows,)
        for row in range(0, rows, 7):
            run = graph.replay(dict(zip("ab", table[row].tolist(), strict=True)))
            assert (found.outputs["d"][row], found.gradients["b"][row]) == (run.data["d"], run.grad["b"])


@pytest.mark.slow
def test_fast_arithmetic_says_so_and_is_close() -> None:
    graph = load(ROOT / "samples/operations.json")
    fast, exact = graph.compile(arithmetic="fast"), graph.compile()
    rows = {"a": np.linspace(0.5, 2.0, 100)}
    one, other = fast.batch(rows, gradients=True), exact.batch(rows, gradients=True)
    assert (one.arithmetic, other.arithmetic) == ("fast", "exact")
    assert one.outputs["total"] == pytest.approx(other.outputs["total"], rel=1e-13)
    assert one.gradients["a"] == pytest.approx(other.gradients["a"], rel=1e-12)


def refusals() -> list[tuple[str, Any, str]]:
    tanh, neuron = load(ROOT / "samples/tanh.json"), load(ROOT / "samples/neuron.json")
    x = Value(1.0, name="x")
    fixed = mgraph.record(x * mgraph.constant(2.0, "two"))
    unset = Graph({"mgraph": 1, "nodes": [{"id": "x", "op": "input"}, {"id": "y", "op": "tanh", "args": ["x"]}]})
    return [
        ("an unknown name", lambda: tanh.compile().set("q", 1.0), "no node has the id or label 'q'. The inputs are 'a', 'b'; the outputs are 'd'"),
        ("a constant", lambda: fixed.compile().set("two", 1.0), "'two' is a constant, which cannot be set; an input or a parameter can"),
        ("an operation", lambda: tanh.compile().set("c", 1.0), "'c' is computed, so it cannot be set here; replay(inputs=…) makes it act as a leaf"),
        ("not a number", lambda: tanh.compile().set("a", "1"), "the number for 'a' is not a real number but '1'"),
        ("no number yet", lambda: unset.compile().forward(), "there is no number for 'x'; it must be given one"),
        ("no number yet, in a batch", lambda: unset.compile().batch({}), "there is no number for 'x'; it must be given one"),
        ("a gradient of a constant", lambda: fixed.compile(gradients=["two"]), "'two' is a constant, which gets no gradient"),
        ("another gradient", lambda: neuron.compile(gradients=["w1"]).batch({"x1": [1.0]}, gradients=["x1"]), "this replayer was compiled for the gradients of other leaves"),
        ("a wrong shape", lambda: tanh.compile().batch(np.zeros((5, 3))), "the inputs are an array of float64 of shape 5 × 3; it should be real numbers, rows × 2 ('a', 'b')"),
        ("no numbers", lambda: tanh.compile().batch({"a": ["x"]}), "the column 'a' is not a sequence of real numbers"),
        ("lengths", lambda: tanh.compile().batch({"a": [1.0], "b": [1.0, 2.0]}), "the columns are not of one length: 'a' has 1, 'b' has 2"),
        ("an unknown arithmetic", lambda: tanh.compile(arithmetic="loose"), "the arithmetic is 'exact' or 'fast', not 'loose'"),
        ("an unknown engine", lambda: tanh.replay(engine="gpu"), "there is no engine 'gpu'; there are auto, reference, compiled"),
    ]  # fmt: skip


@pytest.mark.parametrize(("what", "call", "message"), refusals(), ids=[each[0] for each in refusals()])
def test_refusals(what: str, call: Any, message: str) -> None:
    with pytest.raises(ReplayError) as caught:
        call()
    assert str(caught.value) == message


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_replayer_is_not_copied(again: Any) -> None:
    made = load(ROOT / "samples" / "tanh.json").compile()
    made.forward()
    with pytest.raises(TypeError, match=r"^a Replayer is not copied or pickled; graph.compile\(\) makes another one$"):
        again(made)


def test_without_the_extra_everything_works() -> None:
    code = f"""
import sys
sys.modules["llvmlite"] = None
from mgraph import load, ReplayError
graph = load({str(ROOT / "samples/tanh.json")!r})
print(graph.replay().engine)
try:
    graph.compile()
except ReplayError as error:
    print(error)
"""
    out = python(code).stdout
    assert out.startswith(
        "reference\nthe compiled engine needs NumPy and llvmlite (the extra fast): pip install numpy llvmlite"
    )


def test_without_numpy_what_needs_it_says_so() -> None:
    code = """
import sys
sys.modules["numpy"] = None
import mgraph
for call in (lambda: mgraph.array([1.0]), lambda: mgraph.Replayer, lambda: mgraph.Batch):
    try:
        call()
    except (ImportError, mgraph.ReplayError) as error:
        print(type(error).__name__, error)
"""
    array, *compiled = python(code).stdout.splitlines()
    assert array == "ModuleNotFoundError mgraph.array needs NumPy (the extra fast brings it): pip install numpy"
    assert len(compiled) == 2
    for line in compiled:
        assert line.startswith("ReplayError the compiled engine needs NumPy and llvmlite (the extra fast): pip install")


def test_without_source_files_there_is_the_reference(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "mgraph", tmp_path / "mgraph", ignore=shutil.ignore_patterns("__pycache__"))
    assert compileall.compile_dir(tmp_path / "mgraph", quiet=1, legacy=True)
    for path in (tmp_path / "mgraph").rglob("*.py"):
        path.unlink()
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from mgraph import ReplayError, load
from mgraph.replaying import choice
assert choice.__file__.startswith({str(tmp_path)!r})
choice.SMALL = choice.WORTH_COMPILING = 1
graph = load({str(ROOT / "samples/tanh.json")!r})
print(graph.replay().engine)
try:
    graph.compile()
except ReplayError as error:
    print(error)
"""
    line = "the compiled engine compiles mgraph's source files, and here are none; use the reference engine"
    assert python(code).stdout == f"reference\n{line}\n"


@pytest.mark.slow
def test_compiling_writes_no_file_and_reads_none_but_sources() -> None:
    """So there is no cache that could be damaged, full, or somebody else's."""
    code = f"""
import sys
from mgraph import load
from mgraph.replaying.choice import load_compiled
graph = load({str(ROOT / "samples/operations.json")!r})
graph.replay(engine="reference")
load_compiled()
opened = set()
sys.addaudithook(lambda event, args: opened.add(args[:2]) if event == "open" else None)
graph.replay(engine="compiled")
graph.compile().batch({{"a": [0.5]}}, gradients=True)
for path, mode in opened:
    assert mode in ("r", "rb") and str(path).endswith(".py"), (path, mode)
assert opened
"""
    python(code)


@pytest.mark.slow
def test_auto_is_compiled_once_that_repays_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = load(ROOT / "samples/moons.json.gz")
    graph.replay(engine="compiled")
    graph = load(ROOT / "samples/moons.json.gz")
    assert graph.replay().engine == "compiled"  # its loops are there already, and it is large
    assert load(ROOT / "samples/tanh.json").replay().engine == "reference"  # too small to gain
    monkeypatch.setattr(replayer, "is_ready", lambda plan, rows: False)
    monkeypatch.setattr(choice, "WORTH_COMPILING", 3 * 64_000)
    graph = load(ROOT / "samples/moons.json.gz")
    assert [graph.replay().engine for _ in range(4)] == ["reference", "reference", "compiled", "compiled"]


@pytest.mark.slow
def test_auto_counts_what_it_would_run(tmp_path: Path) -> None:
    """A table's loops are others than a single replay's; that those are there does not make a small table worth it."""
    table, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    table.write_text("x0\n" + "0.5\n" * 3)
    code = f"""
from mgraph import load
from mgraph.replaying import choice
graph = load({str(ROOT / "samples/neuron.json")!r})
choice.SMALL = 1
run = lambda: graph.replay_rows({str(table)!r}, {str(out)!r}).engine
single = lambda: load({str(ROOT / "samples/neuron.json")!r}).replay().engine
print(single(), run())
graph.replay(engine="compiled")
print(single(), run())
graph.compile().batch({{"x1": [0.5]}})
print(single(), run())
"""
    table.write_text("x1\n" + "0.5\n" * 3)
    assert python(code).stdout == "reference reference\ncompiled reference\ncompiled compiled\n"


def test_the_loops_of_a_process_are_shared_and_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    assembled: list[str] = []
    assemble = machine_code._assembled
    monkeypatch.setattr(machine_code, "_assembled", lambda text, wide: assembled.append(text) or assemble(text, wide))
    monkeypatch.setattr(loops, "_made", {})
    x = Value(0.5, name="x")
    product, both = mgraph.record(x * x), mgraph.record((x * x + 1.0).sin())
    replayer = product.compile()
    replayer.forward()
    first = len(assembled)
    both.replay(engine="compiled", backward=False)
    assert len(assembled) - first in (1, 2)  # forward again, with sin if nothing has called it before
    grown = len(assembled)
    for graph in (product, both, product):
        graph.replay(engine="compiled", backward=False)
    assert len(assembled) == grown
    gc.collect()
    replayer.set("x", 3.0)
    replayer.forward()  # by code that no other graph uses any more
    assert list(replayer.outputs.values()) == [9.0]


@pytest.mark.parametrize("seed", range(12))
def test_the_loops_are_plain_python_too(seed: int) -> None:
    """What is compiled can be run, and followed, as it stands."""
    plan = Graph(random_document(seed, 30))._plan
    arrays = replayer.Arrays(plan, {plan.wiring.index[name]: x for name, x in plan.wiring.seeds.items()}, None, False)
    arrays.forward()
    arrays.backward()
    layout, ops = arrays.layout, loops.ops_of(set(arrays.layout.codes.tolist()))
    lists = replace(
        layout, **{f.name: x.tolist() for f in fields(layout) if hasattr(x := getattr(layout, f.name), "tolist")}
    )
    data, adjoints, reached = [0.0] * len(layout.position), [0.0] * layout.adjoints, [True] * layout.adjoints
    for slot, x in enumerate(arrays.initial.tolist()):
        data[lists.position[slot]] = x
    first = layout.adjoints - len(lists.seeds)
    adjoints[first:] = arrays.state.adjoints[first:].tolist()
    state = loops.State(data, adjoints, reached)
    loops.forward(ops, 1, state, lists)
    for careful in (False, True):
        if careful or loops.backward(ops, 1, False, state, lists):
            loops.backward(ops, 1, True, state, lists)
        assert [bits(x) for x in data] == [bits(x) for x in arrays.state.data.tolist()]
        assert [bits(x) for x in adjoints[: layout.nodes]] == [
            bits(x) for x in arrays.state.adjoints[: layout.nodes].tolist()
        ]
