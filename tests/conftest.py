"""What the tests share: the samples, random graphs, and the installed command."""

from __future__ import annotations

import importlib.util
import math
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from math import inf, nan
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from databases import archive, do, guarded, postgres, server, url  # noqa: F401  # fixtures

from mgraph import Value
from mgraph.arithmetic.ops import OPS
from mgraph.cli.main import main
from mgraph.drawing.graphviz_program import fallback
from mgraph.recording.value import apply

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = sorted([*(ROOT / "samples").glob("*.json"), *(ROOT / "samples").glob("*.json.gz")])
SMALL = [path for path in SAMPLES if path.suffix == ".json"]
EACH_SAMPLE = [*SMALL, *(pytest.param(path, marks=pytest.mark.slow) for path in SAMPLES if path not in SMALL)]

with_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the system's Graphviz (dot) is not installed")
with_pure = pytest.mark.skipif(fallback() is None, reason="graphviz-pure has no wheel for this platform")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell that starts the tests in the background ignores SIGINT, and its children would too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def drained(reader: int) -> bytes:
    """What is left to read from a pseudo-terminal, which is then closed."""
    out = b""
    try:
        while chunk := os.read(reader, 65536):
            out += chunk
    except OSError:  # the end, as Linux tells it
        pass
    finally:
        os.close(reader)
    return out


def script(path: Path) -> ModuleType:
    """A script that is in no package, imported."""
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sample_script(path: Path) -> ModuleType:
    """The script beside a sample, imported."""
    return script(path.with_name(path.name.removesuffix(".gz").removesuffix(".json") + ".py"))


def command() -> str:
    found = shutil.which(
        "mgraph", path=os.pathsep.join((sysconfig.get_path("scripts"), str(Path(sys.executable).parent)))
    )
    assert found, "the mgraph command is not installed beside this Python"
    return found


def work(call: Callable[[], object]) -> int:
    """How many instructions Python executes for a call: a measure of cost that is the same on every machine."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run the installed command, 80 columns wide, in an empty folder."""

    def run(*argv: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None, **more: object):
        environment = {**os.environ, "COLUMNS": "80", **(env or {})}
        done = subprocess.run(
            [command(), *map(str, argv)],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=environment,
            timeout=120,
            check=False,
            **more,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    return run


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command as ``cli`` does, but in this process: no pipes, signals or start-up, and a hundred times faster."""

    def run(*argv: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None):
        monkeypatch.chdir(tmp_path)
        words = [str(word) for word in argv]
        width = {"terminal_width": 78}  # what click leaves of 80 columns
        done = CliRunner().invoke(main, words, stdin, {"COLUMNS": "80", **(env or {})}, prog_name="mgraph", **width)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(["mgraph", *words], done.exit_code, done.stdout, done.stderr)

    return run


def torch_function(torch: ModuleType, op: str) -> Callable[..., object]:
    """PyTorch's name for an op, or what it would be."""
    own = {"greater": lambda a, b: (a > b).double(), "gate": lambda a, b: a * torch.where(a == 0, b.detach(), b)}
    return own[op] if op in own else getattr(torch, op)


def random_value(seed: int, size: int, ops: tuple[str, ...] | None = None) -> tuple[Value, list[Value]]:
    """A random graph over every op, with shared operands, literals and reuse; its root and its leaves.

    The numbers stay in the ops' domains: each operand is squashed to where its op is smooth and tame.
    """
    rng = random.Random(seed)
    leaves = [Value(rng.uniform(-2, 2), name=f"x{k}") for k in range(5)]
    pool = list(leaves)
    names = ops or tuple(OPS)
    while len(pool) < size:
        op = OPS[rng.choice(names)]
        operands = [rng.choice(pool[-50:] if rng.random() < 0.7 else pool) for _ in range(op.arity)]
        pool.append(apply(op.name, *(tame(x, low, high) for x, (low, high) in zip(operands, op.domain, strict=True))))
        if rng.random() < 0.2:
            pool.append(pool[-1] * rng.choice((0.5, -1.25)) + rng.randint(-1, 1))
        if abs(pool[-1].data) > 4:
            pool.append(pool[-1].tanh())
    root = sum(pool[-20:], Value(0.0, op="constant"))
    return root, leaves


def tame(x: Value, low: float, high: float) -> Value:
    """x, or a function of x that lies well inside the interval."""
    if math.isinf(low):
        return x
    return x.sigmoid() + (low + 0.25)


HOSTILE = [0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 2.0**-1022, 1e308, -1e308, 1e-200, inf, -inf, nan, 0.5, 2.0, 3.0]


def bits(x: float) -> bytes:
    return b"nan" if x != x else struct.pack("<d", x)


def random_document(seed: int, size: int = 40) -> dict[str, Any]:
    """Any op on any operands, hostile numbers among them, some constants and literals, some seeds."""
    rng = random.Random(seed)

    def number() -> float:
        return rng.choice(HOSTILE) if rng.random() < 0.3 * (seed % 3) else rng.uniform(-3, 3)

    def written(x: float) -> float | str:
        return "NaN" if x != x else x if math.isfinite(x) else "Infinity" if x > 0 else "-Infinity"

    nodes: list[dict[str, Any]] = [
        {"id": f"x{k}", "op": rng.choice(["input", "input", "parameter", "constant"]), "data": written(number())}
        for k in range(6)
    ]
    while len(nodes) < size:
        op = OPS[rng.choice(list(OPS))]
        args = []
        for _ in range(op.arity):
            literal = rng.random() < 0.1
            args.append(rng.choice([2.0, 0.5, -1.0, 0.0, 3.0]) if literal else rng.choice(nodes[-12:])["id"])
        nodes.append({"id": f"n{len(nodes)}", "op": op.name, "args": args})
    outputs = [node["id"] for node in rng.sample(nodes[6:], 2)]
    seeds = {name: written(number()) for name in outputs}
    return {"mgraph": 1, "nodes": nodes, "outputs": outputs, "seeds": seeds}
