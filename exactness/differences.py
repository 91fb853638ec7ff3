"""Finite differences against gradients that are right, and against wrong ones: ``make exactness`` runs it in full.

Three trials. Every operation's slope against its partial derivative, at operands of all kinds. Honest graphs, over
every operation, with ordinary leaves and with hostile ones: not one gradient may be refuted. The same graphs with one
partial derivative replaced by a wrong one, in the replay and in the record alike, so that the audit finds nothing: a
gradient must be refuted if it is compared and off by twice its error estimate (which holds for both, the right
gradient and the wrong one, to be as far from the finite difference). Exit status 1 if one of these fails.
"""

from __future__ import annotations

import argparse
import math
import random
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf, isfinite, nextafter
from typing import Any, NamedTuple

from mgraph import Graph
from mgraph.arithmetic.ops import OPS
from mgraph.checking.audit import verify
from mgraph.checking.finite_differences import OWN_NOT_FINITE, Differences, slope_of
from mgraph.replaying.plan import Plan, compile_plan
from mgraph.replaying.reference import reference

Document = dict[str, Any]

EXTREME = [0.0, -0.0, 5e-324, 5e-309, 2.0**-1022, 1e-300, 1e-160, 1e-16, 1e8, 1e16, 1e22, 1e160, 1e300, 1.7e308]
EXTREME += [inf, math.nan, 37.0, 50.0, 709.7, 745.2, math.pi, 1e5 * math.pi]
LITERALS = [2.0, 3.0, 0.5, -1.0, 1.0, 0.0, 1e16, 1e-300, 1e22, -2.5]


def any_double(rng: random.Random) -> float:
    """A finite double or not, every exponent as often as another."""
    return float(struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0])


def near(x: float, rng: random.Random) -> float:
    """A double a few steps from x: at x, or beside a tie, a kink or the edge of a domain."""
    for _ in range(rng.choice((0, 1, 2, 5, 40))):
        x = nextafter(x, rng.choice((-inf, inf)))
    return x


def hostile(rng: random.Random) -> float:
    """A number of the kinds that break finite differences, among ordinary ones."""
    kind = rng.random()
    if kind < 0.4:
        return rng.uniform(-10.0, 10.0)
    if kind < 0.6:
        return near(rng.choice((-1.0, 1.0)) * rng.choice(EXTREME), rng)
    if kind < 0.7:
        return near(float(rng.randint(-3, 3)), rng)
    if kind < 0.8:
        return rng.uniform(-800.0, 800.0)
    if kind < 0.95:
        return math.ldexp(rng.uniform(-1.0, 1.0), rng.randint(-80, 80))
    return any_double(rng)


def ordinary(rng: random.Random) -> float:
    """A number within ±10."""
    return rng.uniform(-10.0, 10.0)


Leaf = Callable[[random.Random], float]
KINDS: dict[str, Leaf] = {"ordinary": ordinary, "hostile": hostile}


def written(x: float) -> float | str:
    """The number as the format writes it."""
    return x if isfinite(x) else "NaN" if x != x else "Infinity" if x > 0.0 else "-Infinity"


def graph(rng: random.Random, leaf: Leaf) -> Graph:
    """A recorded random graph: any op on any operands, literals, constants, operands used twice, deep or shallow.

    Nine of ten results that are not finite are left out, or there would be little else.
    """
    values = {f"x{k}": leaf(rng) for k in range(rng.randint(1, 6))}
    if rng.random() < 0.3:
        values[f"x{len(values)}"] = near(values["x0"], rng)
    leaves = ("input", "input", "parameter", "constant")
    nodes: list[Document] = [
        {"id": name, "op": rng.choice(leaves) if k else "input", "data": written(x)}
        for k, (name, x) in enumerate(values.items())
    ]
    window = rng.choice((2, 4, 100))  # how far back operands are: 2 makes a chain
    for k in range(rng.randint(1, 50)):
        op = OPS[rng.choice(list(OPS))]
        args: list[str | float] = [rng.choice(nodes[-window:])["id"] for _ in range(op.arity)]
        if op.arity == 2 and rng.random() < 0.25:
            args[rng.randrange(2)] = rng.choice(LITERALS)
        value = op.forward(*(values[x] if isinstance(x, str) else x for x in args))
        if isfinite(value) or rng.random() < 0.1:
            values[f"n{k}"] = value
            nodes.append({"id": f"n{k}", "op": op.name, "args": args})
    document: Document = {"mgraph": 1, "nodes": nodes}  # its outputs: what nothing uses
    if rng.random() < 0.3:
        document["seeds"] = {name: written(leaf(rng)) for name in Graph(document).seeds}
    recipe = Graph(document)  # type: ignore[arg-type]
    return recipe.with_run(recipe.replay(engine="reference"))


WRONG: list[tuple[str, Callable[[float], float]]] = [
    ("sign", lambda p: -p),
    ("twice", lambda p: 2.0 * p),
    ("zero", lambda p: 0.0),
    ("one", lambda p: 1.0),
    ("square", lambda p: p * p),
    *[(f"1e-{k}", lambda p, e=10.0**-k: p * (1.0 + e)) for k in range(1, 12)],  # type: ignore[misc]
]
"""Ways to be wrong: a name, and what becomes of a right partial. The last ones are off by that much relatively."""


class Planted(NamedTuple):
    """A graph that records what a wrong partial derivative makes of it, and the plan that has this partial."""

    plan: Plan
    node: str
    """The operand whose gradient goes wrong first."""
    right: float
    wrong: float


def planted(honest: Graph, change: Callable[[float], float], rng: random.Random) -> Planted | None:
    """One partial of one step replaced; None where that changes no finite gradient."""
    plan = compile_plan(honest._wiring)
    matters = [s for s, t in enumerate(plan.targets) if isfinite(x := honest.grad[honest.nodes[t]["id"]]) and x != 0.0]
    places = [(s, k) for s in matters for k in (0, 1) if plan.partials[s][k] is not None]
    if not places:
        return None
    step, k = rng.choice(places)
    right = plan.partials[step][k]
    assert right is not None
    pair = list(plan.partials[step])
    pair[k] = lambda *numbers: change(right(*numbers))
    bad = replace(plan, partials=[*plan.partials[:step], (pair[0], pair[1]), *plan.partials[step + 1 :]])
    seeds = {honest.index[name]: seed for name, seed in honest.seeds.items()}
    _, adjoints = reference(bad, {}, seeds)
    node = honest.nodes[(plan.left, plan.right)[k][step]]["id"]
    before, after = honest.grad[node], adjoints[honest.index[node]]
    assert after is not None
    if before == after or not isfinite(before) or not isfinite(after):
        return None
    nodes = [
        {**each, "grad": written(x)} if x is not None and "grad" in each else each
        for each, x in zip(honest.nodes, adjoints, strict=True)
    ]
    record = Graph({**honest.document, "nodes": nodes})  # type: ignore[arg-type]
    return Planted(replace(bad, wiring=record), node, before, after)


class Tally:
    """What became of honest graphs, and of the same graphs with a wrong partial."""

    def __init__(self) -> None:
        self.graphs = 0
        self.gradients, self.compared = 0, 0  # finite ones, and those of them that were compared
        self.reasons: Counter[str] = Counter()
        self.refuted: list[str] = []
        self.wrong: Counter[str] = Counter()  # wrong gradients, by the way in which they are wrong
        self.caught: Counter[str] = Counter()  # those of them that were refuted
        self.skipped = 0
        self.told, self.told_and_caught = 0, 0  # those that are further from the right one than the error estimate
        self.missed: list[str] = []  # those that are twice as far and were not refuted

    def honest(self, graph: Graph, label: str) -> None:
        """Verify a graph that is right."""
        report = graph.verify(strict=True)
        self.graphs += 1
        if report.verdict != "exact":
            self.refuted.append(f"{label}: {report.verdict}")
        found = report.differences
        if found is not None:
            self.compared += len(found.compared)
            self.reasons.update(found.skipped.values())
            self.gradients += found.candidates - list(found.skipped.values()).count(OWN_NOT_FINITE)

    def planted(self, bad: Planted, way: str, label: str) -> None:
        """Verify a graph that is wrong; the audit, which uses the same wrong partial, must find nothing."""
        report = verify(bad.plan)
        found = report.differences
        assert found is not None and not report.culprits
        self.wrong[way] += 1
        caught = bad.node in {each.node for each in found.refuted}
        self.caught[way] += caught
        error = error_of(found, bad.node)
        if error is None:
            self.skipped += 1
        elif abs(bad.wrong - bad.right) > error:
            self.told += 1
            self.told_and_caught += caught
            if not caught and abs(bad.wrong - bad.right) > 2.0 * error:  # the right one is within the error too
                self.missed.append(f"{label}: {way} at {bad.node}: {bad.wrong!r}, not {bad.right!r}, ± {error:.2g}")


def error_of(found: Differences, node: str) -> float | None:
    """The error estimate of a gradient, None if it was skipped."""
    return next((each.error for each in found.compared if each.node == node), None)


def trial(kind: str, count: int, seed: int) -> Tally:
    """So many random graphs with leaves of a kind: each as it is, and with a wrong partial."""
    tally = Tally()
    for k in range(count):
        label = f"{kind} {seed} {k}"
        rng = random.Random(label)
        found = graph(rng, KINDS[kind])
        tally.honest(found, label)
        way, change = WRONG[k % len(WRONG)]
        bad = planted(found, change, rng)
        if bad is not None:
            tally.planted(bad, way, label)
    return tally


def operands(name: str, rng: random.Random) -> tuple[float, ...]:
    """Operands of an op, of every kind, in its domain most of the time."""
    found = [hostile(rng) for _ in OPS[name].partials]
    if len(found) == 2 and rng.random() < 0.2:
        found[1] = near(found[0], rng)
    if name in ("log", "sqrt", "pow") and rng.random() < 0.9:
        found[0] = abs(found[0])
    return tuple(found)


def wrong_slopes(name: str, count: int, seed: int) -> Iterator[tuple[tuple[float, ...], int, float, object]]:
    """Operands at which an op's slope and its partial, a finite one, are further apart than the slope's error."""
    op, rng = OPS[name], random.Random(f"slopes {name} {seed}")
    for _ in range(count):
        numbers = operands(name, rng)
        for place, partial in enumerate(op.partials):
            right, found = partial(*numbers, op.forward(*numbers)), slope_of(op, numbers, place)
            if isinstance(found, str) or not isfinite(right):
                continue
            if abs(found.value - right) > found.error + 2.0**-48 * abs(right):  # the partial's own roundings
                yield numbers, place, right, found


def shown(tally: Tally, kind: str) -> None:
    """Print a tally."""
    share = tally.compared / max(1, tally.gradients)
    print(f"{tally.graphs:,} graphs with {kind} leaves: {len(tally.refuted):,} refuted;", end=" ")
    print(f"{tally.compared:,} of {tally.gradients:,} finite gradients compared ({share:.1%})")
    for reason, count in tally.reasons.most_common():
        print(f"  {count:>8,} skipped: {reason}")
    caught, wrong = tally.caught.total(), tally.wrong.total()
    print(f"  {wrong:,} wrong gradients: {caught:,} caught ({caught / max(1, wrong):.1%}), {tally.skipped:,} skipped;")
    print(f"  {tally.told:,} off by more than the error estimate: {tally.told_and_caught:,} caught,", end=" ")
    print(f"{len(tally.missed):,} missed that are off by twice as much")
    print("  caught by kind: " + ", ".join(f"{way} {tally.caught[way]}/{tally.wrong[way]}" for way, _ in WRONG))
    for each in (tally.refuted + tally.missed)[:10]:
        print(f"  {each}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="graphs of each kind, and operands of each operation")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failures = 0
    for name in OPS:
        wrong = list(wrong_slopes(name, options.count, options.seed))
        failures += len(wrong)
        print(f"{name:8} {options.count:,} operands: {len(wrong):,} slopes outside their error", *wrong[:3], flush=True)
    for kind in KINDS:
        tally = trial(kind, options.count, options.seed)
        failures += len(tally.refuted) + len(tally.missed)
        shown(tally, kind)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
