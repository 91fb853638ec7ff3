"""The measures, each to be run in a process of its own: ``python measures.py NAME ARGUMENT…`` prints JSON.

Times are in seconds, memory in bytes. Imports are inside the functions, so that a measure holds what it needs only.
"""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import sys
from collections.abc import Callable
from importlib import import_module
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

WINDOW = 1_000
"""How far back an operand of a generated node may be."""
ROOT = Path(__file__).resolve().parent.parent
FIRST = ROOT / "samples/tanh.json"
"""Loaded before anything is timed, so that imports are not."""

Times = dict[str, float]


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    before = perf_counter()
    result = call()
    return perf_counter() - before, result


def repeated(nodes: int, once: Callable[[], Times]) -> Times:
    """The medians of several runs if one is short; each begins with the garbage of the last one gone."""
    runs = []
    for _ in range(max(1, min(11, 50_000 // nodes))):
        gc.collect()
        runs.append(once())
    return {key: median(run[key] for run in runs) for key in runs[0]}


def peak() -> int:
    """The most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def generate(path: str, nodes: str) -> Times:
    """Write a document: inputs (at most WINDOW), then operations on what came shortly before."""
    import orjson

    stream = random.Random(int(nodes))
    inputs = min(WINDOW, int(nodes) // 10)
    listed: list[dict[str, Any]] = []
    for k in range(int(nodes)):
        op = "input" if k < inputs else stream.choice(("add", "mul", "tanh"))
        node: dict[str, Any] = {"id": f"n{k}", "op": op}
        if op != "input":
            node["args"] = [f"n{stream.randrange(max(0, k - WINDOW), k)}" for _ in range(1 if op == "tanh" else 2)]
        listed.append(node | {"data": stream.uniform(-1, 1), "grad": stream.uniform(-1, 1)})
    document = {"mgraph": 1, "title": f"{nodes} nodes", "nodes": listed, "outputs": [listed[-1]["id"]]}
    Path(path).write_bytes(orjson.dumps(document))
    return {}


def parse(path: str) -> Times:
    """The peer of loading and saving: orjson alone, with no garbage collection."""
    import orjson

    raw = Path(path).read_bytes()
    orjson.loads(FIRST.read_bytes())
    gc.disable()
    return repeated(int(Path(path).stem), lambda: {"parse": timed(lambda: orjson.loads(raw))[0]})


def document(path: str) -> Times:
    """Load and compile, save, and replay with the reference engine."""
    from mgraph.api import Graph, load

    def compiled() -> Graph:
        graph = load(path)
        _ = graph._plan
        return graph

    def once() -> Times:
        loading, graph = timed(compiled)
        highest = peak()
        saving, _ = timed(lambda: graph.save(f"{path}.saved"))
        replaying, _ = timed(graph.replay)
        return {"load": loading, "peak": highest, "save": saving, "replay": replaying}

    load(FIRST).replay()
    load(FIRST).save(f"{path}.saved")
    return repeated(int(Path(path).stem), once)


def moons_mgraph(path: str) -> Times:
    """Replay the saved loss: the first time, then with everything warm, then with the collector off as well."""
    from mgraph.api import load

    graph = load(path)
    plan, _ = timed(lambda: graph._plan)
    first, run = timed(graph.replay)
    loop = median(timed(graph.replay)[0] for _ in range(10))
    gc.disable()
    off = median(timed(graph.replay)[0] for _ in range(5))
    times = {"plan": plan, "first": first, "loop": loop, "clean": loop, "off": off}
    return times | {"loss": run.outputs[graph.outputs[0]], "nodes": len(graph)}


def moons_micrograd(root: str) -> Times:
    """The same loss by micrograd, which has to build its graph anew for each backward pass.

    Its graphs are garbage that only the collector frees: ``loop`` is steps as a training loop takes them, ``clean``
    has that garbage collected before each step, and ``off`` has the collector off during the step too.
    """
    sys.path.insert(0, f"{root}/samples")
    from micrograd.engine import Value
    from micrograd.nn import MLP
    from moons import two_moons

    def step() -> float:
        scores = [model([Value(x) for x in point]) for point, _ in rows]
        losses = [(1 + -y * score).relu() for (_, y), score in zip(rows, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        penalty = 1e-4 * sum(p * p for p in model.parameters())
        total = data_loss + penalty
        model.zero_grad()
        total.backward()
        return total.data

    def clean_step() -> float:
        gc.collect()
        return timed(step)[0]

    rows = two_moons()
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    first, loss = timed(step)
    loop = median(timed(step)[0] for _ in range(3))
    clean = median(clean_step() for _ in range(3))
    gc.disable()
    off = median(clean_step() for _ in range(3))
    return {"first": first, "loop": loop, "clean": clean, "off": off, "loss": loss}


def recording(module: str, nodes: str) -> Times:
    """Record a graph of so many additions, and one of so many multiplications, and keep it while at it."""
    value = import_module(module).Value
    size = int(nodes)

    def add() -> list[Any]:
        values = [value(1.0) for _ in range(100)]
        other, keep = value(1e-6), values.append
        for each in islice(values, size):
            keep(each + other)
        return values

    def mul() -> list[Any]:
        values = [value(1.0) for _ in range(100)]
        other, keep = value(1.000001), values.append
        for each in islice(values, size):
            keep(each * other)
        return values

    return repeated(size, lambda: {"+": timed(add)[0]}) | repeated(size, lambda: {"*": timed(mul)[0]})


def beginning(path: str) -> Times:
    """Processor seconds of the first steps of compiled replay: its imports, a replay, a batch of one row."""
    from mgraph.api import load
    from mgraph.replaying.choice import load_compiled

    graph = load(path)
    _ = graph._plan
    leaf = [*graph.inputs, *graph.parameters][0]
    row = {leaf: [graph.data[leaf]]}
    times, before = {}, process_time()
    for name, step in {
        "imports": load_compiled,
        "replay": lambda: graph.replay(engine="compiled"),
        "batch": lambda: graph.compile().batch(row, gradients=True),
    }.items():
        step()
        times[name] = process_time() - before
        before = process_time()
    return times


def main(*measures: Callable[..., Times]) -> None:
    """Run the measure that the command line names, print what it says, and end."""
    name, *arguments = sys.argv[1:]
    chosen = next(each for each in measures if each.__name__ == name)
    print(json.dumps(chosen(*arguments)), flush=True)
    os._exit(0)  # taking millions of objects apart takes seconds and measures nothing


if __name__ == "__main__":
    main(generate, parse, document, moons_mgraph, moons_micrograd, recording, beginning)
