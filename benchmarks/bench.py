"""Ratios of mgraph to a peer measured in the same run: ``python benchmarks/bench.py``. Takes about twenty minutes.

``python benchmarks/bench.py speed`` runs that section only; the others are ``start``, ``documents``, ``moons``,
``recording``, ``travel`` and ``archive``. Every measure is a fresh process (see measures.py, speed.py, travel.py and
archive.py), mgraph and its peer take turns, and medians are compared. Nothing fails when a target is missed: times are
for people to read. This process imports nothing large, for on Linux a child's peak memory starts at that of its parent.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
MEASURES, SPEED, TRAVEL, ARCHIVE = (
    Path(__file__).with_name(f"{name}.py") for name in ("measures", "speed", "travel", "archive")
)
MOONS = ROOT / "samples/moons.json.gz"
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
CHAIN, ROWS = 1_000_000, 100_000
EXAMPLES, STEPS = 10_000, 20
TARGETS = {"exp": "<= 3", "log": "<= 3", "tanh": "<= 3", "sin": "<= 6", "cos": "<= 6", "pow": "<= 6"}
AGREEMENT = 1e-9
"""How far a peer's results may be from ours, relatively."""

Times = dict[str, float]


def measure(name: str, *arguments: object, script: Path = MEASURES) -> Times:
    """What one measure says, run in a process of its own."""
    command = [sys.executable, str(script), name, *map(str, arguments)]
    return json.loads(subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE).stdout)


def medians(runs: Sequence[Times]) -> Times:
    return {key: median(run[key] for run in runs) for key in runs[0]}


def take_turns(turns: int, *measures: Sequence[object], script: Path = MEASURES) -> list[Times]:
    """The medians of several measures, each a name and arguments, that run one after the other, ``turns`` times."""
    runs = [[measure(str(name), *arguments, script=script) for name, *arguments in measures] for _ in range(turns)]
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
    ours, peer = take_turns(3, ("moons_mgraph", MOONS), ("moons_micrograd", ROOT))
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
        ours, peer = take_turns(
            turns, ("recording", "mgraph.recording.value", size), ("recording", "micrograd.engine", size)
        )
        for op in ("+", "*"):
            mine, other = (f"{times[op] / size * 1e9:,.0f}" for times in (ours, peer))
            rows.append((f"{size:,}", op, mine, other, f"{ours[op] / peer[op]:.2f}", "<= 1.0"))
    table(
        "Recording, against micrograd: ns an operation, garbage collection on",
        ("nodes", "op", "mgraph ns", "micrograd ns", "ratio", "target"),
        *rows,
    )


def agreed(folder: Path, name: str, *peers: str) -> float:
    """How far the peers' results are from ours at most. Stops the run where they computed something else."""
    distances = [measure("apart", folder / name, folder / peer, script=SPEED)["apart"] for peer in peers]
    if not max(distances) <= AGREEMENT:
        raise SystemExit(f"{name}: the results of {', '.join(peers)} are {distances} from those of mgraph")
    return max(distances)


def quickest(several: dict[str, Times]) -> tuple[str, float]:
    name = min(several, key=lambda each: several[each]["time"])
    return name, several[name]["time"]


def against(ours: float, peers: dict[str, tuple[float, float]]) -> list[tuple[str, ...]]:
    """The rows of a table: each peer with its time and its target."""
    heading = ("peer", "mgraph ms", "peer ms", "ratio", "target")
    rows = [
        (
            name,
            f"{ours * 1e3:,.3f}",
            f"{time * 1e3:,.3f}",
            as_ratio(ours / time),
            f"<= {as_ratio(target)}" if target else "",
        )
        for name, (time, target) in peers.items()
    ]
    return [heading, *rows]


def as_ratio(x: float) -> str:
    return f"{x:.2f}" if x > 0.01 else f"1/{1 / x:,.0f}"


def bound(ours: Times) -> str:
    """What one replay consists of: for saying what limits it."""
    operations = ours["operations"]
    passes = "; ".join(
        f"{name} {milliseconds(ours[name])} ms, {ours[name] / operations * 1e9:.1f} ns an operation, "
        f"{ours[f'{name} bytes'] / MEBIBYTE:.1f} MiB of arrays"
        for name in ("forward", "backward")
    )
    return f"{operations:,.0f} operations in {ours['groups']:,.0f} groups, {ours['diagonals']:,.0f} diagonals: {passes}"


def compiled_moons(folder: Path) -> None:
    found = {name: folder / name for name in ("mgraph.npy", "casadi.npy", "torch.npy")}
    threads = sorted({1, os.cpu_count() or 1})
    ours, casadi, *torches = take_turns(
        3,
        ("moons_mgraph", MOONS, found["mgraph.npy"]),
        ("moons_casadi", MOONS, found["casadi.npy"]),
        *(("moons_torch", MOONS, found["torch.npy"], each) for each in threads),
        script=SPEED,
    )
    distance = agreed(folder, *found)
    micrograd = measure("moons_micrograd", ROOT)
    count, torch = quickest(dict(zip(map(str, threads), torches, strict=True)))
    peers = {
        "CasADi's virtual machine": (casadi["time"], 0.4),
        f"PyTorch, tensors, threads: {count}": (torch, 0.7),
        "micrograd, in a loop": (micrograd["loop"], 1 / 3000),
        "micrograd, collector off": (micrograd["off"], 0.0),
    }
    table("Two moons, compiled: one replay forward and backward, everything warm", *against(ours["time"], peers))
    print(f"\n{bound(ours)}; CasADi: {casadi['instructions']:,.0f} instructions; results {distance:.1g} apart")
    table(
        "Two moons: what compiling is worth",
        ("engine", "ms", "times"),
        *(
            (name, f"{ours[key] * 1e3:,.2f}", f"{ours['reference'] / ours[key]:.1f}")
            for name, key in {
                'graph.replay(engine="reference")': "reference",
                'graph.replay(engine="compiled"), every gradient, as dicts': "compiled",
                "forward() and backward() of graph.compile(gradients=parameters)": "time",
            }.items()
        ),
    )


def compiled_chain(folder: Path) -> None:
    ours, peer = take_turns(
        2,
        ("chain_mgraph", CHAIN, folder / "chain.npy"),
        ("chain_casadi", CHAIN, folder / "chain-casadi.npy"),
        script=SPEED,
    )
    distance = agreed(folder, "chain.npy", "chain-casadi.npy")
    table(
        f"A chain of {CHAIN:,} operations, each on the one before: value and gradient",
        *against(ours["time"], {"CasADi's virtual machine": (peer["time"], 0.85)}),
    )
    print(f"\n{bound(ours)}; CasADi: {peer['instructions']:,.0f} instructions; results {distance:.1g} apart")


def compiled_rows(folder: Path) -> None:
    kinds = {"serial": "CasADi's map, serial", "thread": "CasADi's map, threads"}
    ours, jax, *casadi = take_turns(
        3,
        ("rows_mgraph", ROWS, folder / "rows.npy"),
        ("rows_jax", ROWS, folder / "rows-jax.npy"),
        *(("rows_casadi", ROWS, folder / "rows-casadi.npy", kind) for kind in kinds),
        script=SPEED,
    )
    distance = agreed(folder, "rows.npy", "rows-jax.npy", "rows-casadi.npy")
    name, time = quickest(dict(zip(kinds.values(), casadi, strict=True)))
    peers = {name: (time, 0.2), "JAX, jit(vmap(value_and_grad)), tensors": (jax["time"], 3.0)}
    table(
        f"{ROWS:,} rows of the 2-16-16-1 relu network in scalars: values and input gradients",
        *against(ours["time"], peers),
    )
    per = 1e6 / ROWS
    print(
        f"\n{ours['operations']:,.0f} operations a row; {ours['time'] * per:.2f} µs a row, on one thread"
        f" {ours['one thread'] * per:.2f}, values only {ours['values'] * per:.2f};"
        f" CasADi: {casadi[0]['instructions']:,.0f} instructions a row; results {distance:.1g} apart"
    )


def compiled_functions() -> None:
    times = measure("elementary", 100_000, script=SPEED)
    rows = []
    for name in (each for each in times if f"{each} platform" in times):
        ours, peer = times[name], times[f"{name} platform"]
        rows.append((name, f"{ours * 1e9:.1f}", f"{peer * 1e9:.1f}", f"{ours / peer:.2f}", TARGETS.get(name, "")))
    table(
        "Elementary functions, correctly rounded, against the platform's: ns a call in a compiled loop",
        ("function", "mgraph ns", "platform ns", "ratio", "target"),
        *rows,
    )


def compiled_beginning() -> None:
    steps = ("imports", "replay", "batch")
    documents = {"two moons": MOONS, "every op": ROOT / "samples/operations.json"}
    runs = [(name, *take_turns(TURNS, ("beginning", path))) for name, path in documents.items()]
    table(
        "The first compiled replay of a process, and the first batch after it: processor time",
        ("document", *(f"{step} ms" for step in steps)),
        *((name, *(milliseconds(times[step]) for step in steps)) for name, times in runs),
    )


def compiled_growth(folder: Path) -> None:
    rows, compile_rows = [], []
    for size in SIZES:
        path = folder / f"{size}.json"
        if not path.exists():
            measure("generate", path, size)
        ours = measure("growth", path, script=SPEED)
        passes = [ours[name] / ours["operations"] * 1e6 for name in ("forward", "backward", "time")]
        total = (ours["forward bytes"] + ours["backward bytes"]) / MEBIBYTE
        speed = total * MEBIBYTE / ours["time"] / 1e9
        shape = [f"{ours['groups']:,.0f}", f"{total:.2f}", f"{speed:.1f}"]
        rows.append((f"{size:,}", *(f"{each:.4f}" for each in passes), *shape))
        if size >= SIZES[-2]:
            turns = take_turns(2, ("compiling", path, "warm"), ("compiling", path, "cold"), script=SPEED)
            for name, times in zip(("there", "not yet"), turns, strict=True):
                target = "<= 1" if size == SIZES[-1] else ""
                parts = [times[each] for each in ("import", "lay out", "first")]
                cells = [milliseconds(each) for each in (times["load"], *parts, sum(parts))]
                compile_rows.append((f"{size:,}", name, *cells, f"{sum(parts) / times['load']:.2f}", target))
    table(
        "Laying out: from the plan to the first result, the loops there or not; against loading the document",
        ("nodes", "loops", "load ms", "import", "lay out", "first run", "sum ms", "ratio", "target"),
        *compile_rows,
    )
    table(
        "Growth of a compiled replay: µs a node, gradients of every node",
        ("nodes", "forward", "backward", "both", "groups", "MiB", "GB/s"),
        *rows,
    )
    sizes = [10**k for k in range(1, 7)]
    times = measure("rows_growth", *sizes, script=SPEED)
    table(
        "Growth of a batch: values and input gradients of the 2-16-16-1 network",
        ("rows", "ms", "µs a row"),
        *((f"{size:,}", f"{times[str(size)] * 1e3:,.2f}", f"{times[str(size)] / size * 1e6:.2f}") for size in sizes),
    )


def speed() -> None:
    with tempfile.TemporaryDirectory(prefix="mgraph-bench-") as name:
        folder = Path(name)
        compiled_moons(folder)
        compiled_chain(folder)
        compiled_rows(folder)
        compiled_functions()
        compiled_beginning()
        compiled_growth(folder)


def all_documents() -> None:
    with tempfile.TemporaryDirectory(prefix="mgraph-bench-") as folder:
        documents(Path(folder))


def travel() -> None:
    times = measure("taken_over", ROOT, script=TRAVEL)
    pairs = [("the first time", "first import", "first"), ("again and again", "import", "build")]
    table(
        "Two moons: importing micrograd's graph against micrograd building it, the collector on",
        ("", "import ms", "build ms", "ratio", "target"),
        *(
            (name, milliseconds(times[a]), milliseconds(times[b]), f"{times[a] / times[b]:.2f}", "<= 1.0")
            for name, a, b in pairs
        ),
    )
    print(f"\n{times['nodes']:,.0f} nodes; with the collector off micrograd builds in {milliseconds(times['off'])} ms")
    rows = []
    for target in ("python", "c", "onnx"):
        with tempfile.TemporaryDirectory(prefix="mgraph-bench-") as folder:
            found = measure("exported", MOONS, target, folder, script=TRAVEL)
        off = abs(found["result"] - found["expected"])
        both = f"{found['gradients'] * 1e3:,.2f}" if found["gradients"] else ""
        seconds = (f"{found['export']:.1f}", f"{found['megabytes']:.1f}", f"{found['ready']:.1f}")
        rows.append((target, *seconds, f"{found['run'] * 1e3:,.2f}", both, f"{off:.1g}"))
    table(
        "Two moons exported: written, made ready (imported, compiled with -O1, loaded by onnxruntime), and run",
        ("format", "export s", "MB", "ready s", "forward ms", "gradients ms", "off by"),
        *rows,
    )


def archived(name: str, *arguments: object) -> Times:
    return measure(name, *arguments, script=ARCHIVE)


def archive_keeping(folder: Path) -> None:
    """Leaves the files and the archive in the folder, for what follows."""
    files, runs = folder / "files", []
    written = archived("generate", files, EXAMPLES)["bytes"]
    for turn in range(3):
        runs.append(
            {
                "validate": archived("validate", files),
                "one": archived("keep", files, folder / f"{turn}.mgraph", 1),
                "two": archived("keep", files, folder / f"{turn}-2.mgraph", 2),
                "git": archived("commit", files),
            }
        )
        shutil.rmtree(files / ".git")
    every = {key: medians([run[key] for run in runs]) for key in runs[0]}
    peer, one = every["validate"]["all"], every["one"]
    what = {
        "one": ("mgraph archive keep", "<= 2.5"),
        "two": ("with --jobs 2", "<= 1.8"),
        "git": ("git add, commit", ""),
    }
    table(
        f"Keeping {EXAMPLES:,} documents of 20 nodes, against validating them all in one process",
        ("", "seconds", "validate", "ratio", "target"),
        *(
            (name, f"{every[key]['all']:.2f}", f"{peer:.2f}", f"{every[key]['all'] / peer:.2f}", target)
            for key, (name, target) in what.items()
        ),
    )
    print(f"\nof the first, {one['in the database']:.2f} s in the database")
    sizes = {
        "bodies, against the JSON": (one["bodies"], written, 0.25),
        "the whole file, against the JSON": (one["file"], written, 0.5),
        "bodies, against a git pack": (one["bodies"], every["git"]["pack"], 0.75),
    }
    table(
        "Their size",
        ("", "MB", "peer MB", "ratio", "target"),
        *(
            (name, f"{ours / 1e6:.2f}", f"{other / 1e6:.2f}", f"{ours / other:.2f}", f"<= {target:.2f}")
            for name, (ours, other, target) in sizes.items()
        ),
    )


def archive_verifying(folder: Path) -> None:
    rows = []
    for differences, target, gain in ((False, 0.2, 1.5), (True, 2.0, 1.7)):
        one, two = (
            median(archived("verify", folder / "0.mgraph", differences, jobs)["each"] for _ in range(2))
            for jobs in (1, 2)
        )
        name = "with finite differences" if differences else "without"
        cells = (f"{one * 1e3:.3f}", f"<= {target:.1f}", f"{two * 1e3:.3f}", f"{one / two:.2f}", f">= {gain}")
        rows.append((name, *cells))
    table(
        f"Verifying the {EXAMPLES:,} out of the archive, verdicts kept: ms a document",
        ("finite differences", "one", "target", "--jobs 2", "times", "target"),
        *rows,
    )


FINDS = {
    "newest first": ("newest", 2),
    "ranked": ("ranked", 80),
    "contains: a closed subgraph": ("closed", 5),
    "contains: an open one, first 20": ("open", 20),
    "contains: an open one, all": ("every", 200),
    "like:": ("like", None),
}


def archive_finding(folder: Path) -> None:
    """Leaves an archive of 100,000 documents in the folder."""
    url, before, found = folder / "large.mgraph", 0, []
    for size in SIZES[:-1]:
        archived("fill", url, before, size)
        found.append(archived("search", url, folder))
        before = size
    last = found[-1]
    table(
        "Finding among documents: ms",
        ("", *(f"{size:,}" for size in SIZES[:-1]), "target", "that many hits"),
        *(
            (
                name,
                *(milliseconds(times[key]) for times in found),
                f"<= {target}" if target else "",
                f"{last[f'{key} hits']:,.0f}",
            )
            for name, (key, target) in FINDS.items()
        ),
    )


def archive_reading(folder: Path) -> None:
    times = archived("one", folder / "large.mgraph", "000017", folder / "one.json")
    get = times["get"]
    table(
        "One document out of 100,000, its digest checked, against mgraph.load of its file",
        ("", "get µs", "load µs", "ratio", "target"),
        *(
            (name, f"{get * 1e6:.0f}", f"{times[key] * 1e6:.0f}", f"{get / times[key]:.2f}", target)
            for name, key, target in (
                ("mgraph.load", "load", "<= 1.5"),
                ("mgraph.load and graph.digest", "digest", "<= 2"),
            )
        ),
    )
    small, neuron = folder / "course.mgraph", str(ROOT / "samples/neuron.json")
    for made in (["init", str(small)], ["keep", neuron, "--archive", str(small)]):
        subprocess.run([str(MGRAPH), "archive", *made], check=True, stdout=subprocess.DEVNULL)
    commands = {"archive": [str(MGRAPH), "run", f"{small}#neuron"], "file": [str(MGRAPH), "run", neuron]}
    runs = medians([{name: start_time(command) for name, command in commands.items()} for _ in range(13)][1:])
    ours, peer = runs["archive"], runs["file"]
    table(
        "Cold: mgraph run course.mgraph#neuron, against mgraph run neuron.json",
        ("", "ms", "file ms", "ratio", "target"),
        ("process", milliseconds(ours), milliseconds(peer), f"{ours / peer:.2f}", "<= 1.2"),
    )


def archive_histories(folder: Path) -> None:
    times = archived("history", folder / "history.mgraph", MOONS, STEPS)
    wholes = {"whole": times["plain"], "whole, compressed": times["compressed"]}
    table(
        f"{STEPS} steps of moons, --compact: bytes a step beside whole documents, and reading the last one back",
        ("", "", "peer", "ratio", "target"),
        *(
            (
                name,
                f"{times['kept'] / STEPS:,.0f}",
                f"{whole / STEPS:,.0f}",
                f"1/{whole / times['kept']:,.0f}",
                "<= 1/150",
            )
            for name, whole in wholes.items()
        ),
        (
            "get ms, against mgraph.load",
            milliseconds(times["get"]),
            milliseconds(times["load"]),
            f"{times['get'] / times['load']:.2f}",
            "<= 2.5",
        ),
    )
    print(f"\nbeside them the first, kept whole: {times['first']:,.0f} bytes")
    rows = []
    for name, path, count in (("neuron", ROOT / "samples/neuron.json", 1_000), ("moons", MOONS, 10)):
        for compact in (False, True):
            url = folder / f"{name}-{compact}.mgraph"
            sizes = archived("variants", url, path, count, compact)
            cells = (f"{count:,}", *(f"{sizes[key]:,.0f}" for key in ("whole", "body", "file")))
            rows.append((name + ", compact" * compact, *cells))
    table(
        "Variants of one structure, other numbers: bytes each", ("", "count", "document", "body", "of the file"), *rows
    )


def archive_server(folder: Path) -> None:
    theirs = archived("postgres", folder / "files", folder)
    if not theirs:
        print("\nPostgreSQL is not installed (Debian: apt-get install postgresql): not measured")
        return
    ours = archived("keep", folder / "files", folder / "beside.mgraph", 1)
    ours |= archived("search", folder / "beside.mgraph", folder)
    ratio = theirs["all"] / ours["all"]
    rows = [("keep, s", f"{theirs['all']:.2f}", f"{ours['all']:.2f}", f"{ratio:.2f}", "<= 1.5 ×")]
    for name, (key, _) in FINDS.items():
        target = {"newest": "<= 5 ms", "ranked": "<= 100 ms"}.get(key, "")
        cells = (milliseconds(theirs[key]), milliseconds(ours[key]), f"{theirs[key] / ours[key]:.2f}")
        rows.append((f"{name}, ms", *cells, target))
    table(
        f"PostgreSQL, against SQLite: {EXAMPLES:,} documents",
        ("", "PostgreSQL", "SQLite", "ratio", "target"),
        *rows,
    )


def archive() -> None:
    with tempfile.TemporaryDirectory(prefix="mgraph-bench-") as name:
        folder = Path(name)
        archive_keeping(folder)
        archive_verifying(folder)
        archive_finding(folder)
        archive_reading(folder)
        archive_histories(folder)
        archive_server(folder)


SECTIONS: dict[str, Callable[[], None]] = {
    "start": cold_start,
    "documents": all_documents,
    "moons": moons,
    "recording": recording,
    "speed": speed,
    "travel": travel,
    "archive": archive,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Print ratios of mgraph to its peers.")
    parser.add_argument("section", nargs="*", help=f"of {', '.join(SECTIONS)}; by default all")
    sections = parser.parse_args().section
    if unknown := [each for each in sections if each not in SECTIONS]:
        parser.error(f"there is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    begun = perf_counter()
    for section in sections or SECTIONS:
        SECTIONS[section]()
    print(f"\n{perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
