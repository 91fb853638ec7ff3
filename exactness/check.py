"""Every function against MPFR, bit for bit: the second half of ``make exactness`` (needs gmpy2; llvmlite if it is
there).

Random arguments, spread over binades and over values, the cases that are hardest to round, boundaries and special
values; by plain Python and by machine code, which must agree. Says how many random arguments fell on each band. Exit
status 1 if one result is wrong.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import random
import struct
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import gmpy2

from mgraph.arithmetic.ops import OPS

FUNCTIONS = ("exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "sin", "cos", "pow")
CASES = Path(__file__).with_name("hard_cases.txt")
DOUBLE = gmpy2.ieee(64)
WIDE = gmpy2.context(precision=400, emin=-200_000, emax=200_000)

Point = tuple[float, ...]


def plain(name: str) -> Callable[..., float]:
    """The function as plain Python."""
    return OPS[name].forward


def mpfr(name: str) -> Callable[..., float]:
    """The same by MPFR, which rounds correctly (Fousse et al., ACM TOMS 33 (2007) 13): subnormals too."""
    if name == "sigmoid":
        return lambda x: _rounded(1 / (1 + _wide_exp(-x)))
    if name == "pow":
        return lambda x, y: _call(lambda a, b: a**b, x, y)
    return lambda x: _call(getattr(gmpy2, name), x)


def _call(function: Callable[..., Any], *point: float) -> float:
    gmpy2.set_context(DOUBLE)
    return float(function(*map(gmpy2.mpfr, point)))


def _wide_exp(x: float) -> Any:
    gmpy2.set_context(WIDE)
    return gmpy2.exp(gmpy2.mpfr(x))


def _rounded(x: Any) -> float:
    gmpy2.set_context(DOUBLE)
    return float(gmpy2.mpfr(x))


def same(x: float, y: float) -> bool:
    """Equal to the bit, any NaN equal to any other."""
    return struct.pack("<d", x) == struct.pack("<d", y) or (x != x and y != y)


def any_double(rng: random.Random) -> float:
    """All bit patterns alike: every binade as often as another."""
    return float(struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0])


def near_zero(rng: random.Random) -> float:
    """Where exp, tanh and sigmoid are neither constant nor infinite."""
    kind = rng.random()
    if kind < 0.5:
        return rng.uniform(-10.0, 10.0)
    if kind < 0.75:
        return rng.uniform(-800.0, 800.0)
    return math.ldexp(rng.uniform(-1.0, 1.0), rng.randint(-60, 11))


def arguments(name: str, rng: random.Random) -> Iterator[Point]:
    """Random arguments: a third over all binades alike, a third over the values up to 100,000 alike, a third nearer."""
    while True:
        kind = rng.randrange(3)
        x = any_double(rng) if kind == 0 else rng.uniform(-1e5, 1e5) if kind == 1 else near_zero(rng)
        if (name in ("log", "sqrt", "pow") or (name == "log1p" and x < -1.0)) and rng.random() < 0.98:
            x = abs(x)
        if name != "pow":
            yield (x,)
            continue
        kind = rng.random()
        if kind < 0.5 and 0.0 < x < math.inf and x != 1.0:
            y = rng.uniform(-750.0, 715.0) / math.log(x)  # the whole range of results
        elif kind < 0.7:
            y = float(rng.randint(-40, 40)) / rng.choice((1, 1, 2, 4))
        elif kind < 0.95:
            y = rng.uniform(-20.0, 20.0)
        else:
            y = any_double(rng)
        yield x, y


SPECIAL = [0.0, 1.0, 0.5, 2.0, 3.0, 1.5, 5e-324, 2.0**-1022, 2.0**-1074 * 3, sys.float_info.max, math.inf, math.nan]
SPECIAL += [709.782712893384, 709.7827128933841, 745.1332191019411, 745.1332191019412, 708.3964185322641, 36.7, 19.0616]
SPECIAL += [2.0**k for k in (-54, -53, -52, -30, -28, -27, -9, -8, -7, -6, 10, 11, 52, 53, 54, 62, 63, 64, 1023)]
SPECIAL = [s * x for x in SPECIAL for s in (1.0, -1.0)]
SPECIAL += [math.nextafter(x, d) for x in SPECIAL for d in (-math.inf, math.inf)]


def special(name: str) -> list[Point]:
    """Boundaries and special values; for pow, every pair of them."""
    return [(x, y) for x in SPECIAL for y in SPECIAL] if name == "pow" else [(x,) for x in SPECIAL]


def hard(name: str) -> list[Point]:
    """The cases of hard_cases.txt, and those of the mirrored sign."""
    rows = [line.split() for line in CASES.read_text().splitlines() if line.strip() and not line.startswith("#")]
    found = [tuple(map(float.fromhex, row[1:])) for row in rows if row[0] == name]
    return found + [(-point[0], *point[1:]) for point in found]


EDGES = (2.0**-1074, 2.0**-30, 2.0**-10, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, math.inf)


def bands(points: list[Point]) -> Counter[int]:
    """How many points there are from each of EDGES to the next, by the size of the first argument."""
    return Counter(bisect_right(EDGES, abs(point[0])) for point in points if 0.0 < abs(point[0]) < math.inf)


def density(counts: Counter[int]) -> Iterator[str]:
    """A line a band: its arguments, and how many that is for each binade."""
    for band, (low, high) in enumerate(pairwise(EDGES), 1):
        binades = min(math.log2(high), 1024.0) - math.log2(low)
        yield f"{low:12.2g} to {high:<8.2g}{counts[band]:>12,} random, {counts[band] / binades:>11,.0f} a binade"


def wrong(
    name: str, points: list[Point], functions: list[Callable[..., float]]
) -> Iterator[tuple[Point, float, float]]:
    """The points where a function's result is not MPFR's: with the result and the right one."""
    reference = mpfr(name)
    for point in points:
        right = reference(*point)
        for function in functions:
            found = function(*point)
            if not same(found, right):
                yield point, found, right


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000_000, help="random arguments a function")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="plain Python alone, without machine code")
    parser.add_argument("functions", nargs="*", default=FUNCTIONS)
    options = parser.parse_args()
    with_machine = not options.plain and importlib.util.find_spec("llvmlite") is not None
    print("plain Python and machine code" if with_machine else "plain Python alone", "against MPFR", flush=True)
    failures = 0
    for name in options.functions:
        begun = perf_counter()
        functions = [plain(name)]
        if with_machine:
            from mgraph.replaying.compiled import machine_code

            functions.append(machine_code.compiled(plain(name)))
        fixed = hard(name) + special(name)
        bad = list(wrong(name, fixed, functions))
        stream, done, counts = arguments(name, random.Random(f"{options.seed} {name}")), 0, Counter[int]()
        while done < options.count:
            points = list(islice(stream, min(100_000, options.count - done)))
            bad += wrong(name, points, functions)
            done += len(points)
            counts += bands(points)
        for point, found, right in bad[:5]:
            print(f"  {name}({', '.join(x.hex() for x in point)}) = {found.hex()}, not {right.hex()}")
        failures += len(bad)
        print(
            f"{name:8} {done:>12,} random, {len(hard(name)):>5,} hard, {len(special(name)):>7,} special:"
            f" {len(bad):,} wrong  ({perf_counter() - begun:.0f} s)",
            *density(counts),
            sep="\n",
            flush=True,
        )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
