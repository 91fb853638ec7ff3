"""How much of its bound each fast phase uses, band by band, against MPFR: the first half of ``make exactness``.

A fast phase ends in a test: do h + (low - error) and h + (low + error) round to the same double? Here each function is
read anew up to that test, where it returns its variables. How far h + low is from the value, over how far the test lets
it be, is measured over the whole range of the phase and near the edges of its reduction. Exit status 1 if that ratio
passes 1 anywhere.
"""

from __future__ import annotations

import argparse
import inspect
import math
import random
import re
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import gmpy2
from gmpy2 import mpfr

from mgraph.arithmetic import exponential, logarithm, trigonometric

WIDE = gmpy2.context(precision=256, emin=-200_000, emax=200_000)
TEST = re.compile(r"\w+ = h \+ \(low - error\)$", re.MULTILINE)
"""The first line of a rounding test, as the sources write it."""

Point = tuple[float, ...]
Band = tuple[float, float]


def bands(first: float, last: float, *cuts: float) -> list[Band]:
    """The range from first to last, cut at 0 and, on either side of it, at powers of two and the given numbers."""
    powers = (2.0**k for k in (-53, -30, -20, -10, -7, -4, -1, 2, 4, 6, 8, 9))
    ends = {first, last, 0.0, *(sign * x for x in (*powers, *cuts) for sign in (-1.0, 1.0))}
    return list(pairwise(sorted(x for x in ends if first <= x <= last)))


class Phase(NamedTuple):
    """A fast phase, and where it is measured."""

    name: str
    source: Callable[..., float]
    """The function in which its test stands."""
    bands: list[Band]
    """Of the argument; of log's and log1p's result; of the logarithm of pow's result."""
    step: float
    """The reduction leaves nothing at its even multiples and changes to another entry of the table at the odd ones."""
    rest: tuple[int, ...] = ()
    """The function's further arguments."""
    scaled: bool = False
    """Whether the value is 2**e·(h + low)."""


LN2_256, PI_1024 = math.log(2.0) / 256, math.pi / 1024
EXPONENTS = bands(-746.0, 710.0, 690.0, 708.0, 709.0)  # here as below, past the ends of the phase
TURNED = bands(-6100.0, 6100.0, 2.0**-27, 1000.0, 2000.0, 2500.0, 3000.0, 4000.0, 5000.0, 5900.0, 6000.0)
PHASES = (
    Phase("exp", exponential.exp, EXPONENTS, LN2_256, scaled=True),
    Phase("expm1", exponential.expm1, bands(-40.0, 710.0, 2.0**-6, 27.0, 30.0, 36.0, 38.0, 709.0), LN2_256),
    Phase("tanh", exponential.tanh, bands(-20.0, 20.0, 2.0**-28, 10.0, 14.0, 18.0, 19.07), LN2_256 / 2),
    Phase("sigmoid", exponential.sigmoid, bands(-746.0, 41.0, 30.0, 36.0, 40.0, 690.0, 700.0), LN2_256),
    Phase("log", logarithm.log, bands(-745.0, 709.7), 2.0**-9),
    Phase("log1p", logarithm.log1p, bands(-36.7, 709.7, 2.0**-9), 2.0**-9),
    Phase("sin", trigonometric.sin_turned, TURNED, PI_1024, rest=(0,)),
    Phase("cos", trigonometric.sin_turned, TURNED, PI_1024, rest=(256,)),
    Phase("pow", logarithm.pow_positive, EXPONENTS, LN2_256, scaled=True),
)


def until_test(source: Callable[..., float]) -> Callable[..., Any]:
    """The function, but where its test begins it returns its variables."""
    text, tests = TEST.subn("return locals()", inspect.getsource(source))
    assert tests == 1, f"{source.__name__} has {tests} rounding tests, not one"
    names = dict(vars(sys.modules[source.__module__]))
    exec(text, names)
    return names[source.__name__]  # type: ignore[no-any-return]


def exact(name: str, point: Point) -> Any:
    """The value, to the precision of the context."""
    if name == "sigmoid":
        return 1 / (1 + gmpy2.exp(-mpfr(point[0])))
    if name == "pow":
        return mpfr(point[0]) ** mpfr(point[1])
    return getattr(gmpy2, name)(mpfr(point[0]))


def within(band: Band, rng: random.Random) -> float:
    """A number of the band: spread over its values, over its exponents, or next to an end."""
    low, high = band
    kind = rng.random()
    if kind < 0.1:
        return math.nextafter(low, high) if kind < 0.05 else math.nextafter(high, low)
    if kind < 0.5 and low * high > 0.0:
        return low * (high / low) ** rng.random()
    return rng.uniform(low, high)


def near_edge(x: float, step: float, rng: random.Random) -> float:
    """x; or as often, a number off the nearest multiple of step by half of step or less, down to nothing."""
    if rng.random() < 0.5 or abs(x) < step:
        return x
    return round(x / step) * step + rng.choice((-step, step)) * 2.0 ** rng.uniform(-50.0, -1.0)


def mantissa_near_edge(x: float, rng: random.Random) -> float:
    """The same for the mantissa of x, which is what the logarithm reduces."""
    m, k = math.frexp(x)
    return math.ldexp(near_edge(m, 2.0**-9, rng), k)


def argument(phase: Phase, band: Band, rng: random.Random) -> Point:
    """A random argument whose value, or what stands for it, lies in the band."""
    t = within(band, rng)
    if phase.name in ("log", "log1p"):
        one = float(phase.name == "log1p")
        x = math.expm1(t) if one else math.exp(t)
        exactly = abs(t) < phase.step or rng.random() < 0.5  # 1 + x would lose bits
        return (x if exactly else mantissa_near_edge(one + x, rng) - one,)
    t = near_edge(t, phase.step, rng)
    if phase.name != "pow":
        return (t,)
    x = mantissa_near_edge(math.exp(rng.choice((-1.0, 1.0)) * 2.0 ** rng.uniform(-52.0, 9.4)), rng)
    return x, t / (math.log(x) or 1.0)


class Worst(NamedTuple):
    """What was measured in a band."""

    band: Band
    tested: int
    """How many arguments came to the test."""
    ratio: float
    """The largest of error/ε; more than 1 is a fault."""
    point: Point
    """Where it was."""


def worst(phase: Phase, count: int, rng: random.Random) -> Iterator[Worst]:
    """Measure the phase at so many arguments a band."""
    function = until_test(phase.source)
    with WIDE:
        for band in phase.bands:
            tested, ratio, where = 0, 0.0, ()
            for point in (argument(phase, band, rng) for _ in range(count)):
                found = function(*point, *phase.rest)
                if not isinstance(found, dict):
                    continue  # another way out of the function
                tested += 1
                h, low, error = found["h"], found["low"], found["error"]
                value = exact(phase.name, point) * (mpfr(2) ** -found["e"] if phase.scaled else 1)
                off = abs(abs(mpfr(h) + low) - abs(value))  # tanh computes with |x|
                allowed = min(abs(mpfr(low) - (low - error)), abs(mpfr(low) - (low + error)))  # both rounded
                if not off <= ratio * allowed:
                    ratio, where = (float(off / allowed) if off == off else math.inf), point
            yield Worst(band, tested, ratio, where)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="arguments a band")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("functions", nargs="*", default=[phase.name for phase in PHASES])
    options = parser.parse_args()
    print("function   from       to          tested  error/ε  at")
    passed = False
    for phase in (phase for phase in PHASES if phase.name in options.functions):
        for found in worst(phase, options.count, random.Random(f"{options.seed} {phase.name}")):
            passed = passed or not found.ratio <= 1.0
            low, high = found.band
            at = ", ".join(map(float.hex, found.point))
            print(f"{phase.name:8} {low:>10.4g} {high:>10.4g} {found.tested:>9,} {found.ratio:8.2g}  {at}", flush=True)
    return int(passed)


if __name__ == "__main__":
    sys.exit(main())
