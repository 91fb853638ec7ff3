"""Exact sums and products of doubles, and numbers held as three doubles (about 155 bits).

Only IEEE 754's basic operations, round to nearest even: error-free transforms by Knuth (The Art of Computer
Programming, vol. 2, 4.2.2, theorem B) and Dekker (Numerische Mathematik 18 (1971) 224-242), and three-term arithmetic
in the manner of Hida, Li and Bailey (ARITH 15 (2001) 155-162). A triple is (a, b, c) with each part at most half an ulp
of the one before. The compiled engine compiles these same functions.
"""

from __future__ import annotations

from mgraph.arithmetic.coefficients import INVERSE_FACTORIAL

Triple = tuple[float, float, float]

SPLITTER = 134217729.0
"""2**27 + 1."""


def fast_two_sum(a: float, b: float) -> tuple[float, float]:
    """a + b = s + t exactly, for a = 0 or |a| >= |b|."""
    s = a + b
    return s, b - (s - a)


def two_sum(a: float, b: float) -> tuple[float, float]:
    """a + b = s + t exactly (barring overflow)."""
    s = a + b
    u = s - a
    return s, (a - (s - u)) + (b - u)


def split(a: float) -> tuple[float, float]:
    """a = h + l exactly, each of at most 26 bits (|a| < 2**996)."""
    c = SPLITTER * a
    h = c - (c - a)
    return h, a - h


def two_product(a: float, b: float) -> tuple[float, float]:
    """a·b = p + e exactly, for a·b of 0 or in [2**-960, 2**995]."""
    p = a * b
    a1, a2 = split(a)
    b1, b2 = split(b)
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def triple(a: float, b: float, c: float) -> Triple:
    """The triple of a + b + c, for parts that may overlap."""
    b, c = two_sum(b, c)
    a, b = two_sum(a, b)
    b, c = two_sum(b, c)
    a, b = two_sum(a, b)
    return a, b, c


def add(x: Triple, y: Triple) -> Triple:
    """x + y, to 2**-153 of the larger."""
    s0, t0 = two_sum(x[0], y[0])
    s1, t1 = two_sum(x[1], y[1])
    s1, t0 = two_sum(s1, t0)
    return triple(s0, s1, x[2] + y[2] + t1 + t0)


def multiply(x: Triple, y: Triple) -> Triple:
    """x·y, to 2**-150 relatively."""
    p, e = two_product(x[0], y[0])
    q, f = two_product(x[0], y[1])
    r, g = two_product(x[1], y[0])
    s, t = two_sum(q, r)
    s, u = two_sum(s, e)
    return triple(p, s, x[0] * y[2] + x[1] * y[1] + x[2] * y[0] + f + g + t + u)


def divide(x: Triple, y: Triple) -> Triple:
    """x/y, to 2**-148 relatively: long division."""
    q0 = x[0] / y[0]
    x = add(x, multiply((-q0, 0.0, 0.0), y))
    q1 = x[0] / y[0]
    x = add(x, multiply((-q1, 0.0, 0.0), y))
    return triple(q0, q1, x[0] / y[0])


def inverse_factorial(n: int) -> Triple:
    """1/n!, for n up to 17."""
    return INVERSE_FACTORIAL[3 * n], INVERSE_FACTORIAL[3 * n + 1], INVERSE_FACTORIAL[3 * n + 2]


def series(r: Triple, first: int, last: int, step: int, sign: float) -> Triple:
    """r**first/first! + sign·r**(first + step)/(first + step)! + … up to the term of order ``last``."""
    square = multiply(r, r)
    power = r if step == 1 else square
    total = inverse_factorial(last)
    for n in range(last - step, first - 1, -step):
        total = multiply(total, power)
        total = add((sign * total[0], sign * total[1], sign * total[2]), inverse_factorial(n))
    return multiply(total, r if first == 1 else square)


def nearest(h: float, m: float, l: float) -> float:  # noqa: E741
    """The double nearest to the triple h + m + l, ties to even."""
    y = h + m
    d = m - (y - h)
    other = y + 2.0 * d
    # m = half an ulp looks like a tie; which way it goes, l says.
    tie = other - y == 2.0 * d
    return other if tie and d * l > 0.0 else y
