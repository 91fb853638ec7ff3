"""Measures of graphs that travel: ``python travel.py NAME ARGUMENT...`` prints one as JSON. bench.py runs it."""

from __future__ import annotations

import gc
import importlib.util
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from measures import Times, main, timed


def taken_over(root: str) -> Times:
    """micrograd builds the loss of moons; its graph is imported. Both as a notebook has it, the collector on."""
    sys.path.insert(0, f"{root}/samples")
    from micrograd.engine import Value
    from micrograd.nn import MLP
    from moons import two_moons

    from mgraph import from_values

    rows = two_moons()
    random.seed(1337)
    model = MLP(2, [16, 16, 1])

    def build() -> Any:
        scores = [model([Value(x) for x in point]) for point, _ in rows]
        losses = [(1 + -y * score).relu() for (_, y), score in zip(rows, scores, strict=True)]
        return sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in model.parameters())

    first, loss = timed(build)
    from_values(model(two_moons()[0][0]))  # imports what is needed
    took, graph = timed(lambda: from_values(loss))
    builds = median(timed(build)[0] for _ in range(3))
    takes = median(timed(lambda: from_values(loss))[0] for _ in range(3))
    gc.collect()
    gc.disable()
    off, _ = timed(build)
    return {"first": first, "first import": took, "build": builds, "import": takes, "off": off, "nodes": len(graph)}


def exported(path: str, target: str, folder: str) -> Times:
    """A document exported, made ready, and run: seconds for each, and the result."""
    from mgraph import load

    graph = load(path)
    graph.replay()
    took, text = timed(lambda: graph.export(target))
    found: Times = {"export": took, "megabytes": len(text) / 1e6, "expected": graph.replay().outputs[graph.outputs[0]]}
    return found | RUNS[target](text, Path(folder), graph.replay().data)


def _python(text: bytes, folder: Path, data: Any) -> Times:
    path = folder / "program.py"
    path.write_bytes(text)
    spec = importlib.util.spec_from_file_location("program", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    ready, _ = timed(lambda: spec.loader.exec_module(module))
    run = median(timed(module.forward)[0] for _ in range(5))
    both = median(timed(module.gradients)[0] for _ in range(5))
    return {"ready": ready, "run": run, "gradients": both, "result": next(iter(module.forward().values()))}


def _c(text: bytes, folder: Path, data: Any) -> Times:
    import ctypes

    (folder / "program.c").write_bytes(text)
    command = ["cc", "-std=c99", "-O1", "-shared", "-fPIC", "program.c", "-o", "program.so", "-lm"]
    ready, _ = timed(lambda: subprocess.run(command, cwd=folder, check=True))
    library = ctypes.CDLL(str(folder / "program.so"))
    size = text.count(b'\n    "') + 8  # no fewer than the leaves and outputs
    recorded, y = (ctypes.c_double * size).in_dll(library, "recorded"), (ctypes.c_double * size)()
    run = median(timed(lambda: library.forward(recorded, y))[0] for _ in range(20))
    result = y[0]
    both = median(timed(lambda: library.gradients(recorded, y))[0] for _ in range(20))
    return {"ready": ready, "run": run, "gradients": both, "result": result}


def _onnx(text: bytes, folder: Path, data: Any) -> Times:
    import numpy as np
    import onnxruntime

    ready, session = timed(lambda: onnxruntime.InferenceSession(text, providers=["CPUExecutionProvider"]))
    given = {each.name: np.array(data[each.name]) for each in session.get_inputs()}
    run = median(timed(lambda: session.run(None, given))[0] for _ in range(3))
    return {"ready": ready, "run": run, "gradients": 0.0, "result": float(session.run(None, given)[0])}


RUNS: dict[str, Callable[[bytes, Path, Any], Times]] = {"python": _python, "c": _c, "onnx": _onnx}

if __name__ == "__main__":
    main(taken_over, exported)
