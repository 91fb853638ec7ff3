"""The bits of version 0.3.0, kept: 5,000 random graphs and the samples, and a digest of what each replays to.

``python tests/kept_graphs.py FILE`` writes the digests of the mgraph that it imports. ``data/bits-0.3.0.txt`` was
written by 0.3.0 and is not written again: an op never changes meaning.

Nothing here may change what graph belongs to a number. So it draws from ``random.Random(seed).random()`` alone, which
Python promises to keep, and spells out the ops of 0.3.0 instead of asking the table. The arguments of sin and cos stay
below 2,500, beyond which 0.3.0 misrounded some.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from math import inf, isfinite, nan
from pathlib import Path
from random import Random
from typing import Any

from mgraph import Graph, Run, load

ROOT = Path(__file__).resolve().parent.parent
KEPT = Path(__file__).parent / "data" / "bits-0.3.0.txt"
SAMPLES = ("tanh.json", "neuron.json", "neuron-pytorch.json", "operations.json", "xor.json", "xor-linear.json", "moons.json.gz")  # fmt: skip
GRAPHS = 5000
LEAVES = 6
LARGEST_ANGLE = 2500.0

UNARY = ("neg", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "relu", "sin", "cos", "abs")
BINARY = ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "greater", "gate")
HOSTILE = (0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 2.0**-1022, -(2.0**-1040), 1e308, -1e308, inf, -inf, nan)
LITERALS = (1e300, 2.0, 0.5, -1.0, 0.0, -0.0, 1.0, 3.0, -2.0, 1e-300)  # the first is too large an angle


class Stream:
    """Choices made from ``random()`` alone."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed).random

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def choice(self, given: Sequence[Any]) -> Any:
        return given[int(self.random() * len(given))]

    def number(self, hostile: float) -> float:
        """Mostly tame; every binade now and then; a hostile one with the probability ``hostile``."""
        if self.random() < hostile:
            return self.choice(HOSTILE)
        kind = self.random()
        if kind < 0.7:
            return self.between(-3.0, 3.0)
        if kind < 0.85:
            return self.between(-LARGEST_ANGLE, LARGEST_ANGLE)
        return self.between(-2.0, 2.0) * 2.0 ** int(self.between(-1060.0, 1023.0))


def written(x: float) -> float | str:
    return x if isfinite(x) else "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"


def bound(op: str, sizes: Sequence[float]) -> float:
    """The largest size that a finite result can have, from those of the operands."""
    if op in ("tanh", "sigmoid", "sin", "cos", "greater"):
        return 1.0
    if op in ("neg", "relu", "abs"):
        return sizes[0]
    if op in ("maximum", "minimum"):
        return max(sizes)
    if op in ("log", "log1p"):
        return 750.0
    if op in ("add", "sub"):
        return sum(sizes)
    if op in ("mul", "gate") and inf not in sizes:
        return sizes[0] * sizes[1]
    return inf


def random_graph(number: int) -> dict[str, Any]:
    """The document of the graph of this number: any op on any operands, hostile numbers, constants, literals, seeds."""
    stream = Stream(number)
    hostile = (0.0, 0.05, 0.15, 0.3)[number % 4]
    nodes: list[dict[str, Any]] = []
    sizes: dict[str | float, float] = {x: abs(x) for x in LITERALS}
    for k in range(LEAVES):
        x = stream.number(hostile)
        op = stream.choice(("input", "input", "parameter", "constant"))
        nodes.append({"id": f"x{k}", "op": op, "data": written(x)})
        sizes[f"x{k}"] = abs(x) if isfinite(x) else 0.0  # which makes no finite result any larger
    size = LEAVES + 10 + int(stream.random() * 40)
    while len(nodes) < size:
        op = stream.choice((*UNARY, *BINARY))
        names = [node["id"] for node in nodes[-12:]]
        if op in ("sin", "cos"):
            names = [node["id"] for node in nodes if sizes[node["id"]] <= LARGEST_ANGLE] or [2.0]
        args = [
            stream.choice(names) if stream.random() > 0.1 else stream.choice(LITERALS[op in ("sin", "cos") :])
            for _ in range(2 if op in BINARY else 1)
        ]
        name = f"n{len(nodes)}"
        nodes.append({"id": name, "op": op, "args": args})
        sizes[name] = bound(op, [sizes[each] for each in args])
    used = {each for node in nodes for each in node.get("args", ())}
    outputs = [node["id"] for node in nodes[LEAVES:] if node["id"] not in used]
    document: dict[str, Any] = {"mgraph": 1, "nodes": nodes, "outputs": outputs}
    if number % 2:
        seeded = {stream.choice(nodes[LEAVES:])["id"] for _ in range(4)}
        document["seeds"] = {name: written(stream.number(hostile)) for name in sorted(seeded)}
    return document


def digest(run: Run) -> str:
    """Eight digits of the SHA-256 of all the bits of a replay, forward and backward; any NaN is one NaN."""
    numbers = [*run.data.values(), *run.grad.values()]
    return sha256(b"".join(struct.pack("<d", x) if x == x else b"NaN" for x in numbers)).hexdigest()[:8]


def digests(engine: str, numbers: Sequence[int]) -> Iterator[str]:
    for number in numbers:
        yield digest(Graph(random_graph(number)).replay(engine=engine))


def sample_digest(name: str, engine: str) -> str:
    return digest(load(ROOT / "samples" / name).replay(engine=engine))


def kept() -> tuple[dict[str, str], list[str]]:
    """What 0.3.0 computed: the samples' digests by name, the graphs' by number."""
    lines = KEPT.read_text().splitlines()
    samples = dict(line.split() for line in lines[: len(SAMPLES)])
    return samples, " ".join(lines[len(SAMPLES) :]).split()


if __name__ == "__main__":
    found = list(digests("reference", range(GRAPHS)))
    rows = [" ".join(found[k : k + 10]) for k in range(0, GRAPHS, 10)]
    Path(sys.argv[1]).write_text(
        "\n".join([*(f"{name} {sample_digest(name, 'reference')}" for name in SAMPLES), *rows, ""])
    )
