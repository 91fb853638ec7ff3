"""Python as machine code: what a translated function computes is what Python computes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import pytest
from conftest import HOSTILE, bits

pytest.importorskip("llvmlite", reason="llvmlite is not installed (the extra mgraph-replay[fast])")
import numpy as np

from mgraph.replaying.compiled.machine_code import Code, frexp
from mgraph.replaying.compiled.native import Bytes, Doubles, Fixed, Formula, Longs, Places

TABLE = (0.5, -0.0, 1e300, 5e-324, 3.0)


def arithmetic(x: float, y: float) -> float:
    return (x + y) * -x - y / 3.0 + 2**-3 * x


def magnitudes(x: float, y: float) -> float:
    return math.copysign(abs(x), y) + math.sqrt(abs(y)) * 1 / 7


def comparisons(x: float, y: float) -> float:
    found = 0.0
    if x < y:
        found += 1.0
    if x <= y:
        found += 2.0
    if x == y:
        found += 4.0
    if x != y:
        found += 8.0
    if not x > y:
        found += 16.0
    if -1.0 < x <= y < 3.0:
        found += 32.0
    if x in (0.0, math.inf):
        found += 64.0
    return found


def decisions(x: float, y: float) -> float:
    sure = x > 0.0 and (y > x or y != y)
    if sure or x == y or not (x < 1.0 and y < 1.0):
        return x if sure else -y
    if x:
        return 3.0 if x < 0.0 else 4.0 if y < 0.0 else 5.0
    return y


def halves(x: float) -> tuple[float, tuple[float, bool]]:
    return x * 0.5, (x - x * 0.5, x > 1.0)


def tuples(x: float, y: float) -> float:
    a, (b, large) = halves(x)
    a, b = b, a + y
    pair = (a, b) if large else (b, a)
    total = pair[0] - 2.0 * pair[1]
    total *= 3.0
    return total


def integers(n: int, m: int) -> int:
    found = (n // m << 3) + n % m - (n >> 2) | (m & 12)
    return -found if n > m else found


def loops(n: int, m: int) -> int:
    total = 0
    for i in range(n):
        for j in range(i, n + 3, 2):
            total += i * j
    for k in range(n, -n, -m):
        total -= k
    while total > 100:
        total //= 3
        if total == 37:
            return -1
    return total


def looked_up(n: int, x: float) -> float:
    return TABLE[n] * x + TABLE[2] + float(n) + int(x)


@pytest.mark.parametrize("function", [arithmetic, magnitudes, comparisons, decisions, tuples])
def test_functions_of_doubles_have_the_bits_of_python(function) -> None:
    code = Code(function)
    for x, y in product([*HOSTILE, 0.1, -7.25, 1.0000000000000002], repeat=2):
        assert bits(code(x, y)) == bits(function(x, y)), (x, y)


@pytest.mark.parametrize("function", [integers, loops])
def test_functions_of_integers_are_those_of_python(function) -> None:
    code = Code(function)
    for n, m in product(range(-9, 10), [-5, -2, -1, 1, 2, 3, 7]):
        if function is integers or m > 0:
            assert code(n, m) == function(n, m), (n, m)


def test_a_table_and_conversions() -> None:
    code = Code(looked_up)
    assert all(bits(code(n, x)) == bits(looked_up(n, x)) for n in range(5) for x in (0.0, -2.75, 1e9 + 0.5))


@dataclass(frozen=True)
class Step:
    """A formula, and how often it is applied."""

    formula: Formula
    times: int


@dataclass
class Strip:
    """Arrays of each kind, and a length."""

    data: Doubles
    where: Places
    size: int


def applied(steps: Fixed[tuple[Step, ...]], strip: Strip, marks: Bytes, counts: Longs) -> None:
    for step in steps:
        for k in range(strip.size):
            for _ in range(step.times):
                if step.times > 1:
                    counts[0] -= 1
                place = strip.where[k]
                strip.data[place] = step.formula(strip.data[place], 2.0, 0.5)
                marks[place] = strip.data[place] > 3.0 or marks[place]


@pytest.mark.parametrize("x", [1.0, 0.75, 1e300, 2.0**-1022, 5e-324, 1.7e-310])
def test_the_bits_of_a_double_are_those_in_plain_python_too(x: float) -> None:
    assert frexp(x) == math.frexp(x)


def test_what_is_fixed_is_compiled_in_and_arrays_are_written() -> None:
    names = {"root": math.sqrt}
    steps = (Step(Formula("root(a) + b * y", names), 1), Step(Formula("a * b - y", names), 3))

    def strips() -> tuple[Strip, np.ndarray, np.ndarray]:
        places = np.array([4, 0, 2, 2**31], np.uint32) % 5
        return Strip(np.linspace(0.0, 1.0, 5), places, 3), np.zeros(5, np.uint8), np.zeros(1, np.int64)

    mine, theirs = strips(), strips()
    Code(applied, steps=steps).bound(*mine)()
    applied(steps, *theirs)
    assert mine[0].data.tolist() == theirs[0].data.tolist() and mine[2].tolist() == theirs[2].tolist() == [-9]
    assert mine[1].tolist() == theirs[1].tolist() == [1, 0, 1, 0, 1]


def test_a_formula_means_what_its_own_names_mean() -> None:
    one, other = (Code(chosen, formula=Formula("f(a)", {"f": f})) for f in (math.sqrt, abs))
    assert (one(16.0), other(16.0)) == (4.0, 16.0)


def chosen(formula: Fixed[Formula], x: float) -> float:
    return formula(x, 0.0, 0.0)


def test_an_array_of_another_kind_is_refused() -> None:
    strip = Strip(np.zeros(3), np.zeros(3, np.int32), 3)
    with pytest.raises(TypeError, match="an array of int32 in place of one of uint32"):
        Code(applied, steps=()).bound(strip, np.zeros(3, np.uint8), np.zeros(1, np.int64))


def comprehension(x: float) -> float:
    return sum([x for _ in range(3)])


def test_what_is_not_in_the_subset_is_refused_by_name() -> None:
    with pytest.raises(NotImplementedError, match="ListComp is not in the subset of Python that becomes machine code"):
        Code(comprehension)


def product_and_sum(x: float, y: float, z: float) -> float:
    return x * y + z


def three(x: float, y: float, z: float) -> float:
    return x * y * z


def test_nothing_is_fused_or_reordered() -> None:
    fused, ordered = Code(product_and_sum), Code(three)
    for x, y in ((0.1, 0.7), (1.1, 1e-3), (3.3, 7.7)):
        assert fused(x, y, -(x * y)) == 0.0  # with one rounding it would be the product's error
    assert (ordered(2.0**-600, 2.0**-600, 2.0**700), ordered(2.0**-600, 2.0**700, 2.0**-600)) == (0.0, 2.0**-500)
