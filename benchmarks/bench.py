"""Ratios of mgraph to a peer measured in the same run: ``python benchmarks/bench.py``. Takes about three minutes.

Every measure is a fresh process (see measures.py), mgraph and its peer take turns, and medians are compared.
Nothing fails when a target is missed: times are for people to read. This process imports nothing large, for on
Linux a child's peak memory starts at that of its parent.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
MEASURES = Path(__file__).with_name("measures.py")
MGRAPH = Path(sys.executable).with_name("mgraph")
PEER_START = """\
import orjson
from pydantic import BaseModel
class Point(BaseModel):
    name: str
    x: float
    y: float
"""
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
SIZES = (1_000, 10_000, 100_000, 1_000_000)
TURNS = 5
MEBIBYTE = 1 << 20

Times = dict[str, float]


def measure(name: str, *arguments: object) -> Times:
    """What one measure says, run in a process of its own."""
    command = [sys.executable, str(MEASURES), name, *map(str, arguments)]
    return json.loads(subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE).stdout)


def medians(runs: Sequence[Times]) -> Times:
    return {key: median(run[key] for run in runs) for key in runs[0]}


def take_turns(turns: int, *measures: Sequence[object]) -> list[Times]:
    """The medians of several measures, each a name and arguments, that run one after the other, ``turns`` times."""
    runs = [[measure(str(name), *arguments) for name, *arguments in measures] for _ in range(turns)]
    return [medians(each) for each in zip(*runs, strict=True)]


def table(title: str, *rows: Sequence[str]) -> None:
    """Print rows, the first of them the heading, in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}\n")
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip(), flush=True)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}"


def start_time(command: Sequence[str]) -> float:
    before = perf_counter()
    subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - before


def cold_start() -> None:
    commands = {
        "mgraph run tanh.json": [str(MGRAPH), "run", str(ROOT / "samples/tanh.json")],
        "mgraph --help": [str(MGRAPH), "--help"],
        "peer": [sys.executable, "-c", PEER_START],
    }
    runs = [{name: start_time(command) for name, command in commands.items()} for _ in range(12)]
    times = medians(runs[1:])  # the first writes the bytecode
    targets = {"mgraph run tanh.json": "<= 1.5", "mgraph --help": "<= 0.5"}
    table(
        "Cold start, against importing orjson and defining a Pydantic model",
        ("command", "ms", "peer ms", "ratio", "target"),
        *(
            (name, milliseconds(times[name]), milliseconds(times["peer"]), f"{times[name] / times['peer']:.2f}", target)
            for name, target in targets.items()
        ),
    )


def documents(folder: Path) -> None:
    ratios, growth = [], []
    for size in SIZES:
        path = folder / f"{size}.json"
        measure("generate", path, size)
        ours, peer = take_turns(3 if size == SIZES[-1] else TURNS, ("document", path), ("parse", path))
        last = size == SIZES[-1]
        load, save = ours["load"] / peer["parse"], ours["save"] / peer["parse"]
        ratios.append(
            (
                f"{size:,}",
                milliseconds(peer["parse"]),
                milliseconds(ours["load"]),
                f"{load:.2f}",
                "<= 5" if last else "",
                milliseconds(ours["save"]),
                f"{save:.2f}",
                "<= 2" if last else "",
            )
        )
        each = [ours["load"], ours["save"], ours["replay"], peer["parse"]]
        growth.append(
            (
                f"{size:,}",
                f"{path.stat().st_size / MEBIBYTE:,.1f}",
                *(f"{seconds / size * 1e6:.2f}" for seconds in each),
                f"{ours['replay']:.3f}",
                f"{ours['peak'] / MEBIBYTE:,.0f}",
                "< 1,331" if last else "",
            )
        )
    table(
        "Documents, against orjson.loads without garbage collection",
        ("nodes", "orjson ms", "load ms", "ratio", "target", "save ms", "ratio", "target"),
        *ratios,
    )
    table(
        "Their growth: µs a node; reference replay forward and backward; peak of load",
        ("nodes", "MiB", "load", "save", "replay", "orjson", "replay s", "peak MiB", "target"),
        *growth,
    )


def moons() -> None:
    ours, peer = take_turns(3, ("moons_mgraph", ROOT / "samples/moons.json.gz"), ("moons_micrograd", ROOT))
    columns = {
        "in a loop": ("loop", ">= 20"),
        "micrograd's garbage collected before": ("clean", ">= 20"),
        "collector off": ("off", ""),
        "the first time": ("first", ""),
    }
    table(
        "Two moons: reference replay against micrograd building the loss and backward",
        ("", "replay ms", "micrograd ms", "times", "target"),
        *(
            (name, milliseconds(ours[key]), milliseconds(peer[key]), f"{peer[key] / ours[key]:.1f}", target)
            for name, (key, target) in columns.items()
        ),
    )
    plan, off = milliseconds(ours["plan"]), abs(ours["loss"] - peer["loss"])
    print(f"\n{ours['nodes']:,.0f} nodes; the losses are {off:.1g} apart; the plan was compiled before, in {plan} ms")


def recording() -> None:
    rows = []
    for size in SIZES:
        turns = 3 if size >= 100_000 else TURNS
        ours, peer = take_turns(turns, ("recording", "mgraph.value", size), ("recording", "micrograd.engine", size))
        for op in ("+", "*"):
            mine, other = (f"{times[op] / size * 1e9:,.0f}" for times in (ours, peer))
            rows.append((f"{size:,}", op, mine, other, f"{ours[op] / peer[op]:.2f}", "<= 1.0"))
    table(
        "Recording, against micrograd: ns an operation, garbage collection on",
        ("nodes", "op", "mgraph ns", "micrograd ns", "ratio", "target"),
        *rows,
    )


def main() -> None:
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    begun = perf_counter()
    cold_start()
    with tempfile.TemporaryDirectory(prefix="mgraph-bench-") as folder:
        documents(Path(folder))
    moons()
    recording()
    print(f"\n{perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
