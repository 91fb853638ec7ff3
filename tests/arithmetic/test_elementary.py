"""The elementary functions: rounded correctly, the same in plain Python and in machine code, within their bounds."""

from __future__ import annotations

import ast
import importlib.util
import math
import random
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import islice, pairwise
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT

from mgraph.arithmetic import binary64, exponential, logarithm, trigonometric, triple_double
from mgraph.errors import MgraphError

pytest.importorskip("gmpy2", reason="gmpy2 is not installed (the extra mgraph-replay[test])")
from mpmath import mp, mpf


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "exactness" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check, bounds = script("check"), script("bounds")
SOURCES = ("exponential", "logarithm", "trigonometric")
every_function = pytest.mark.parametrize("name", check.FUNCTIONS)


def engines(name: str) -> list[Callable[..., float]]:
    found = [check.plain(name)]
    if importlib.util.find_spec("llvmlite"):
        from mgraph.replaying.compiled import machine_code

        found.append(machine_code.compiled(check.plain(name)))
    return found


@every_function
def test_random_arguments_round_as_mpfr_rounds_them(name: str) -> None:
    points = list(islice(check.arguments(name, random.Random(f"test {name}")), 5000))
    assert list(check.wrong(name, points, engines(name))) == []


@every_function
def test_the_hardest_cases_and_the_boundaries(name: str) -> None:
    if name not in ("sqrt", "sigmoid"):
        assert len(check.hard(name)) >= 30
    points = check.hard(name) + check.special(name)[:8000]
    assert list(check.wrong(name, points, engines(name))) == []


def test_powers_next_to_1_are_decided_far_below_the_general_bound() -> None:
    close = []
    for x, y in check.hard("pow"):
        if not x > 0.0 or abs(y * math.log(x)) > 2.0**-30:
            continue
        m, k = logarithm.reduced(x)
        e, t = exponential.exp_accurate(triple_double.multiply(logarithm.log_accurate(m, 0.0, k), (y, 0.0, 0.0)))
        with mp.workprec(400):
            value = mpf(x) ** mpf(y)
            half = mpf(2) ** -(53 if value > 1 else 54)  # of the gap between doubles
            distance = abs(value - 1 - mp.nint((value - 1) / half) * half)
            off = abs(sum(map(mpf, t)) * mpf(2) ** e - value)
            assert off <= mpf(2) ** -126 * abs(value - 1) + mpf(2) ** -52 * distance
            close += [distance] * (0 < distance < mpf(2) ** -120)
    assert len(close) >= 300 and min(close) < mpf(2) ** -160


def test_the_check_notices_a_wrong_result() -> None:
    found = list(check.wrong("exp", [(1.0,)], [lambda x: math.nextafter(math.exp(x), 0.0)]))
    assert len(found) == 1


def test_the_check_spends_its_arguments_over_binades_and_over_values() -> None:
    counts = check.bands(list(islice(check.arguments("sin", random.Random(9)), 30_000)))
    ends = list(pairwise(check.EDGES))
    binades = [min(math.log2(high), 1024) - math.log2(low) for low, high in ends]
    for band, (low, high) in enumerate(ends, 1):
        over_values = 10_000 * max(0.0, min(high, 1e5) - low) / 1e5
        assert counts[band] > 0.9 * (10_000 * binades[band - 1] / 2098 + over_values)
    lines = list(check.density(counts))
    assert lines[6].split() == f"1e+03 to 1e+04 {counts[7]:,} random, {counts[7] / math.log2(10):,.0f} a binade".split()


def test_the_tables_are_what_their_script_makes() -> None:
    made = subprocess.run([sys.executable, "exactness/make_tables.py"], capture_output=True, cwd=ROOT, check=True)
    assert made.stdout.decode() == (ROOT / "mgraph/arithmetic/coefficients.py").read_text()


@pytest.mark.parametrize("path", [*SOURCES, "triple_double"])
def test_nothing_is_left_to_the_c_library(path: str) -> None:
    tree = ast.parse((ROOT / f"mgraph/arithmetic/{path}.py").read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert used <= {"frexp", "ldexp", "sqrt", "floor", "copysign"}  # exact, or an IEEE 754 operation


def far(point: tuple[float, ...], found: tuple[float, ...], exact: object) -> float:
    """The relative error of a sum, as a power of two."""
    error = abs((sum(map(mpf, found)) - exact) / exact)
    return float(mp.log(error, 2)) if error else -200.0


def test_the_fast_phases_keep_their_bounds() -> None:
    rng = random.Random(5)
    with mp.workprec(300):
        for _ in range(3000):
            x, low = rng.uniform(-700, 700), rng.uniform(-1, 1) * 1e-14
            e, h, t = exponential.exp_fast(x, low)
            assert far((x,), (h, t), mp.exp(mpf(x) + mpf(low)) * mpf(2) ** -e) < -67
            x = (
                math.ldexp(rng.uniform(0.5, 1), rng.randint(-1000, 1000))
                if rng.random() < 0.5
                else rng.uniform(0.9, 1.1)
            )
            m, k = logarithm.reduced(x)
            h, t = logarithm.log_fast(m, 0.0, k)
            assert far((x,), (h, t), mp.log(mpf(x))) < (-69 if abs(h) < 0.0018 else -65)
            assert abs(h) < 0.0018 or abs(mpf(h) + mpf(t) - mp.log(mpf(x))) < mpf(2) ** -74


@pytest.mark.slow
@pytest.mark.parametrize("phase", bounds.PHASES, ids=[phase.name for phase in bounds.PHASES])
def test_every_fast_phase_uses_less_than_its_bound(phase: Any) -> None:
    found = list(bounds.worst(phase, 500, random.Random(f"test {phase.name}")))
    assert [each for each in found if not each.ratio < 0.9] == []
    assert sum(each.tested for each in found) > 300 * len(found)


def test_no_fast_phase_goes_unmeasured() -> None:
    text = "".join((ROOT / f"mgraph/arithmetic/{name}.py").read_text() for name in SOURCES)
    measured = {phase.source for phase in bounds.PHASES}
    assert len(bounds.TEST.findall(text)) == len(re.findall(r"\(low [+-] error\)", text)) / 2 == len(measured)


def too_sure(x: float) -> float:
    h, low, error = x, x * x * x * (-1 / 6), x * x * 2.0**-60
    y = h + (low - error)
    return y if y == h + (low + error) else math.nan


def test_a_bound_that_is_too_small_shows() -> None:
    phase = bounds.Phase("sin", too_sure, [(0.001, 0.01)], bounds.PI_1024)
    assert next(bounds.worst(phase, 100, random.Random(8))).ratio > 1


def test_the_accurate_phases_keep_their_bounds() -> None:
    rng = random.Random(6)
    with mp.workprec(400):
        for _ in range(300):
            x = rng.uniform(-700, 700)
            e, t = exponential.exp_accurate((x, x * 1e-17, x * 1e-34))
            assert far((x,), t, mp.exp(mpf(x) + mpf(x * 1e-17) + mpf(x * 1e-34)) * mpf(2) ** -e) < -128
            x = (
                rng.uniform(0.72, 1.4)
                if rng.random() < 0.7
                else 1 + math.ldexp(rng.uniform(-1, 1), -rng.randint(2, 51))
            )
            if x != 1.0:
                found = logarithm.log_accurate(x, 0.0, 0)
                assert far((x,), found, mp.log(mpf(x))) < (-127 if abs(found[0]) > 0.0027 else -156)
            x = math.ldexp(rng.uniform(0.5, 1), rng.randint(-29, 1023))
            n, t = trigonometric.turn_accurate(x)
            with mp.workprec(1600):
                turns = mpf(x) - sum(map(mpf, t)) - n * mp.pi / 512
                assert abs(turns / (2 * mp.pi) - mp.nint(turns / (2 * mp.pi))) < abs(mpf(t[0])) * mpf(2) ** -128


def in_register(x: Fraction, exponent: int, bits: int) -> float:
    """x, at least 2**exponent and less than twice that, rounded to so many bits and then to a double."""
    unit = Fraction(2) ** (exponent + 1 - bits)
    return float(round(x / unit) * unit)


@pytest.mark.parametrize(
    ("bits", "total", "units"),
    [(53, "0x1.0000000000001p+0", "2"), (64, "0x1.0000000000000p+0", "1")],
)
def test_a_python_that_rounds_twice_is_refused(bits: int, total: str, units: str) -> None:
    a, b = map(Fraction, binary64.TERMS)
    c, d = map(Fraction, binary64.FACTORS)
    twice = in_register(a + b, 0, bits), in_register(c * d, -1074, bits)
    with pytest.raises(MgraphError) as error:
        binary64.require_single_rounding(*twice)
    assert str(error.value) == (
        "this Python rounds results twice, as x87 arithmetic does, so they would not be those of other machines:"
        f" 1 + (2**-53 + 2**-78) is {total} (right: 0x1.0000000000001p+0), (1.5 - 1.5*2**-60)*2**-1074 is"
        f" {units}*2**-1074 (right: 1*2**-1074). mgraph needs doubles that are rounded once: use a 64-bit Python,"
        " or on 32-bit x86 one compiled with -msse2 -mfpmath=sse."
    )


@pytest.mark.slow
def test_a_process_without_subnormal_numbers_computes_nothing() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (the extra mgraph-replay[torch])")
    program = "import torch; print(torch.set_flush_denormal(True)); import mgraph; mgraph.Value(1.0)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.stdout.strip() == "False":
        pytest.skip("this processor cannot turn subnormal numbers off")
    assert done.returncode == 1
    assert "MgraphError: this process flushes subnormal numbers to 0, so its results" in done.stderr


def test_sums_and_products_are_exact() -> None:
    rng = random.Random(7)
    for _ in range(2000):
        a, b = (math.ldexp(rng.uniform(-1, 1), rng.randint(-60, 60)) for _ in "ab")
        assert sum(map(Fraction, triple_double.two_sum(a, b))) == Fraction(a) + Fraction(b)
        assert sum(map(Fraction, triple_double.two_product(a, b))) == Fraction(a) * Fraction(b)
        assert sum(map(Fraction, triple_double.split(a))) == Fraction(a)


@pytest.mark.parametrize(
    ("point", "boundary"),
    [
        ((3.0, 34.0), True),  # 3**34 has 54 bits
        ((3.0, 35.0), False),
        ((9.0, 1.5), True),
        ((2.0, 0.3), False),
        ((4.0, 0.5), True),
        ((16.0, 0.25), True),
        ((10.0, -1.0), False),
        ((0.25, -1.5), True),
        ((2.0**-1074, 0.5), True),
        ((1.1, 2.5), False),
    ],
)
def test_which_powers_are_exact_or_midway(point: tuple[float, float], boundary: bool) -> None:
    assert logarithm.rounds_exactly(*point) == boundary
