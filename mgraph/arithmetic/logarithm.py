"""log, log1p and pow, correctly rounded; :mod:`mgraph.arithmetic.exponential` says how.

How far this is a proof: log as there. log1p of small arguments was found to come within 2**-153 of a middle; there its
accurate phase is off by less than 2**-156. For pow no exhaustive search is possible. Powers that are doubles, or midway
between two, are decided exactly; of others, drawn at random, less than one in 2**65 comes within 2**-120 of a middle.
Next to 1, arguments can be constructed whose powers come within 2**-160; there the accurate phase is off by less than
2**-126 of x**y - 1 and 2**-52 of the distance from the middle. docs/explanation/exactness.md says more.
"""

from __future__ import annotations

import math
from math import inf, nan

from mgraph.arithmetic.coefficients import LN2, LOG
from mgraph.arithmetic.exponential import (
    EXP_ERROR,
    LN2_0,
    LN2_1,
    LN2_2,
    LN2_3,
    ONE,
    POWER,
    TWO_52,
    exp_accurate,
    exp_fast,
    finish,
)
from mgraph.arithmetic.triple_double import (
    Triple,
    add,
    divide,
    fast_two_sum,
    multiply,
    nearest,
    series,
    triple,
    two_product,
    two_sum,
)

ROUND_25 = 1.5 * 2.0**27
"""Adding and subtracting it rounds to a multiple of 2**-25."""
LOG_ERROR = 2.0**-65
LN2_HIGH, LN2_LOW = LN2
frexp, sqrt_ = math.frexp, math.sqrt


def log_fast(m: float, more: float, k: int) -> tuple[float, float]:
    """h and l with log((m + more)·2**k) = h + l, for m in [0.7, 1.42], |more| <= 2**-53·m.

    The error is below 2**-65 relatively; and below 2**-69 relatively if |h| < 2**-9.1, 2**-74 absolutely if not.
    """
    i = int(m * 256.0 + 0.5)
    j = 3 * (i - 181)
    r = LOG[j]
    m1 = (m + ROUND_25) - ROUND_25
    z1 = m1 * r - 1.0  # exact, a multiple of 2**-34
    z2 = (m - m1) * r  # exact
    z = z1 + z2
    zz = z * z
    p = (1 / 3 - z * (1 / 4)) + zz * ((1 / 5 - z * (1 / 6)) + zz * ((1 / 7 - z * (1 / 8)) + zz * (1 / 9)))
    n = float(k)
    rest = ((n * LN2_LOW + LOG[j + 2]) - z2 * (z1 + 0.5 * z2)) + (zz * z) * p
    if more != 0.0:
        rest += more / m
    # Exact: the first sum is a multiple of 2**-42, and z1 has 26 bits.
    h, u = fast_two_sum((n * LN2_HIGH + LOG[j + 1]) + z1, -0.5 * z1 * z1)
    h, v = fast_two_sum(h, z2)
    return h, rest + (u + v)


def log_accurate(m: float, more: float, k: int) -> Triple:
    """log((m + more)·2**k) to 2**-127 relatively, and to 2**-156 where it is within 0.0027 of 0.

    A Newton step from the fast value, by the accurate exponential.
    """
    y, low = log_fast(m, more, 0)
    y += low
    x = (m, more, 0.0)
    if -0.0027 < y < 0.0027:
        em1 = series((y, 0.0, 0.0), 1, 14, 1, 1.0)
        t = add(em1, ONE)
        d = add(add(x, (-1.0, 0.0, 0.0)), (-em1[0], -em1[1], -em1[2]))
    else:
        e, (a, b, c) = exp_accurate((y, 0.0, 0.0))
        scale = POWER[e + 1074]
        t = (scale * a, scale * b, scale * c)
        d = add(x, (-t[0], -t[1], -t[2]))
    d = divide(d, t) if d[0] != 0.0 else d
    # log(1 + d) = d - d²/2, |d| < 2**-52 |y|
    d = add((y, 0.0, 0.0), add(d, (-0.5 * d[0] * d[0], 0.0, 0.0)))
    if k == 0:
        return d
    n = 128.0 * float(k)
    return add(add(triple(n * LN2_0, n * LN2_1, n * LN2_2), (n * LN2_3, 0.0, 0.0)), d)


def reduced(x: float) -> tuple[float, int]:
    """m in [0.707, 1.415] and k with x = m·2**k, for a positive finite x. Machine code works on the bits instead."""
    m, k = frexp(x)
    return (m, k) if m > 0.7072 else (2.0 * m, k - 1)


def log(x: float) -> float:
    """Natural logarithm; -Infinity at 0, NaN below."""
    if 0.0 < x < inf:
        m, k = reduced(x)
        h, low = log_fast(m, 0.0, k)
        error = LOG_ERROR * h
        y = h + (low - error)
        if y == h + (low + error):
            return y
        h, u, low = log_accurate(m, 0.0, k)
        return nearest(h, u, low)
    return -inf if x == 0.0 else x if x > 0.0 else nan


def log1p(x: float) -> float:
    """log(1 + x); -Infinity at -1, NaN below."""
    size = -x if x < 0.0 else x
    if size < 2.0**-54:
        return x
    if not -1.0 < x < inf:
        return -inf if x == -1.0 else x if x > 0.0 else nan
    s, more = two_sum(1.0, x)
    m, k = reduced(s)
    more *= POWER[1074 - k]
    if size < 2.0**-9:
        p, low = two_product(x, -0.5 * x)
        h, u = fast_two_sum(x, p)
        c = x * x * x
        low += u + c * (1 / 3 - x * (1 / 4 - x * (1 / 5 - x * (1 / 6 - x * (1 / 7 - x * (1 / 8))))))
        error = size * (2.0**-75 + x * x * 2.0**-52)
    else:
        h, low = log_fast(m, more, k)
        error = LOG_ERROR * h
    y = h + (low - error)
    if y == h + (low + error):
        return y
    h, u, low = log_accurate(m, more, k)
    return nearest(h, u, low)


def rounds_exactly(x: float, y: float) -> bool:
    """Whether x**y, for positive x, is a number of at most 54 bits: a double, or midway between two.

    x = m·2**e with m odd; m**y must be whole, so that m is a perfect power if y is a fraction (Lauter and Lefevre,
    IEEE Transactions on Computers 58 (2009) 197-207).
    """
    m, e = frexp(x)
    m, e = m * 2.0 * TWO_52, e - 53
    while 0.5 * m == math.floor(0.5 * m):
        m, e = 0.5 * m, e + 1
    if m == 1.0:
        p, low = two_product(float(e), y)
        return low == 0.0 and p == math.floor(p)
    if y < 0.0 or y > 34.0:
        return False
    while y != math.floor(y):
        root = math.floor(sqrt_(m) + 0.5) * 1.0
        if root * root != m or e % 2 != 0 or y * TWO_52 != math.floor(y * TWO_52):
            return False
        m, e, y = root, e // 2, 2.0 * y
    if y > 34.0:
        return False
    power = m
    for _ in range(int(y) - 1):
        power *= m
        if power > 4.0 * TWO_52:
            return False
    return True


def pow_positive(x: float, y: float) -> float:
    """x**y for positive finite x and finite y."""
    if y == 0.5:
        return sqrt_(x)
    m, k = reduced(x)
    a, b = log_fast(m, 0.0, k)
    a, b = fast_two_sum(a, b)
    h = a * y
    if h > 710.0 or h < -746.0:
        return inf if h > 0.0 else 0.0
    if -(2.0**-56) < h < 2.0**-56:
        return 1.0
    h, low = two_product(a, y)
    low += b * y
    if -708.0 < h < 709.0:
        error = 2.0**-69 * h if -0.0018 < a < 0.0018 else 2.0**-74 * y
        e, h, low = exp_fast(h, low)
        error = h * (EXP_ERROR + 1.01 * (error if error > 0.0 else -error))
        y1 = h + (low - error)
        if y1 == h + (low + error):
            return y1 * POWER[e + 1074]
    e, t = exp_accurate(multiply(log_accurate(m, 0.0, k), (y, 0.0, 0.0)))
    if rounds_exactly(x, y):
        h, u, low = t
        t = (h, ((h + 2.0 * u) - h) * 0.5, 0.0)  # u is 0 or half an ulp but for the error
    return finish(e, t)


def pow_(x: float, y: float) -> float:
    """x**y (IEEE 754-2019 clause 9.2.1): NaN for a negative x under a y that is not whole; x**0 and 1**y are 1."""
    if y == 2.0:
        return x * x
    if y == 1.0:
        return x
    if y == 0.0 or x == 1.0:
        return 1.0
    if x != x or y != y:
        return nan
    size = -x if x < 0.0 else x
    whole = y >= 2.0 * TWO_52 or y <= -2.0 * TWO_52 or y == math.floor(y)
    odd = whole and -2.0 * TWO_52 < y < 2.0 * TWO_52 and 0.5 * y != math.floor(0.5 * y)
    if size in (0.0, inf):
        y1 = 0.0 if (size == 0.0) == (y > 0.0) else inf
    elif y in (inf, -inf):
        y1 = 1.0 if size == 1.0 else inf if (size > 1.0) == (y > 0.0) else 0.0
    elif x < 0.0 and not whole:
        return nan
    else:
        y1 = pow_positive(size, y)
    return -y1 if odd and math.copysign(1.0, x) < 0.0 else y1
