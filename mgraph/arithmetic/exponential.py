"""exp, expm1, tanh and sigmoid, correctly rounded: binary64, round to nearest even, over the whole range.

This module, :mod:`mgraph.arithmetic.logarithm` and :mod:`mgraph.arithmetic.trigonometric` return the double nearest to
the real value (IEEE 754-2019 clause 9.2), so that there is one right answer and every platform has it. Nothing in them
calls a C library function that rounds: only IEEE 754's basic operations, and frexp and ldexp, which are exact. The
compiled engine compiles the same source.

Ziv's strategy (ACM TOMS 17 (1991) 410-423): a fast phase computes the value as h + l with a bound on its error; if
h + l rounds to the same double with the bound taken off and put on, that is the answer. Else, for about one argument in
a thousand to ten thousand, an accurate phase computes it to some 130 bits. The tables and the reduction follow Tang
(ACM TOMS 15 (1989) 144-157, 16 (1990) 378-400) and Gal's idea of short leading parts; docs/explanation/exactness.md
derives the bounds, and exactness/bounds.py measures them.

How far this is a proof: the accurate phase is off by less than 2**-126 relatively. The values of exp, expm1 and tanh
that come closest to the middle between two doubles are known to stay about 2**-115 from it or further (Lefevre and
Muller, ARITH 15 (2001) 111-118, and the searches after it). For sigmoid no such search is published; near 0 and below
-100 its rounding follows from its series and from exp, elsewhere the chance that an argument comes within 2**-120 is
below 2**-65.
"""

from __future__ import annotations

import math
from math import inf

from mgraph.arithmetic.coefficients import EXP, INV_LN2_128, LN2_128, LN2_128_LOW
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

POWER = tuple(math.ldexp(1.0, n) for n in range(-1074, 1024))
"""2**n at n + 1074."""
TWO_52 = 2.0**52
ROUND = 1.5 * TWO_52
"""Adding and subtracting it rounds to a whole number, ties to even."""
ROUND_34 = 1.5 * 2.0**18
"""The same, to a multiple of 2**-34."""
ONE: Triple = (1.0, 0.0, 0.0)
EXP_ERROR = 2.0**-67
ONE_ERROR = 2.0**-105
"""What rounding costs where far less than 1 is added to it."""
LN2_0, LN2_1, LN2_2, LN2_3 = LN2_128


def exp_fast(x: float, low: float) -> tuple[int, float, float]:
    """e, h, l with exp(x + low) = 2**e·(h + l)·(1 + d), |d| < 2**-67, h in [0.99, 2.01], for |x| < 746."""
    n = (x * INV_LN2_128 + ROUND) - ROUND
    a, b = x - n * LN2_0, n * LN2_128_LOW - low  # a is exact
    r = a - b
    r1 = (r + ROUND_34) - ROUND_34
    r2 = (r - r1) + ((a - r) - b)
    z = r * r
    q = z * ((0.5 + r * (1 / 6)) + z * ((1 / 24 + r * (1 / 120)) + z * (1 / 720 + r * (1 / 5040))))
    k = int(n)
    j = 3 * (k & 127)
    t1, t2 = EXP[j], EXP[j + 1]
    h, low1 = fast_two_sum(t1, t1 * r1)
    h, low2 = fast_two_sum(h, t2 + (t1 * r2 + (t2 * r + (t1 + t2) * q)))
    return k >> 7, h, low1 + low2


def exp_accurate(x: Triple) -> tuple[int, Triple]:
    """e and t with exp(x) = 2**e·t to 2**-130, t in [0.99, 2.01], for |x| < 746."""
    n = (x[0] * INV_LN2_128 + ROUND) - ROUND
    r = add(add(x, triple(-n * LN2_0, -n * LN2_1, -n * LN2_2)), (-n * LN2_3, 0.0, 0.0))
    k = int(n)
    j = 3 * (k & 127)
    t = triple(EXP[j], EXP[j + 1], EXP[j + 2])
    return k >> 7, add(t, multiply(t, series(r, 1, 14, 1, 1.0)))


def exp(x: float) -> float:
    """e**x; +Infinity above 709.7827128933840, 0 below -745.1332191019412."""
    if -708.0 < x < 709.0:
        e, h, low = exp_fast(x, 0.0)
        error = h * EXP_ERROR
        y = h + (low - error)
        if y == h + (low + error):
            return y * POWER[e + 1074]
    if x != x:
        return x
    if x > 709.782712893384:
        return inf
    if x < -746.0:
        return 0.0
    e, t = exp_accurate((x, 0.0, 0.0))
    return finish(e, t)


def expm1_accurate(x: float) -> Triple:
    """exp(x) - 1, for 2**-54 <= |x| and -80 < x < 709, to 2**-126 relatively; to 2**-150 if |x| < 0.0027."""
    if -0.0027 < x < 0.0027:
        return series((x, 0.0, 0.0), 1, 14, 1, 1.0)
    e, (h, m, low) = exp_accurate((x, 0.0, 0.0))
    scale = POWER[e + 1074]
    return add((scale * h, scale * m, scale * low), (-1.0, 0.0, 0.0))


def expm1(x: float) -> float:
    """exp(x) - 1; +Infinity above 709.7827128933840, -1 below -37.43."""
    if -38.0 < x < 709.0:
        size = -x if x < 0.0 else x
        if size < 2.0**-54:
            return x
        if size < 2.0**-6:
            p, low = two_product(x, 0.5 * x)
            h, u = fast_two_sum(x, p)
            c = x * x * x
            low += u + c * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x * (1 / 720 + x * (1 / 5040 + x * (1 / 40320))))))
            error = size * (2.0**-70 + x * x * 2.0**-52)
        else:
            e, h, low = exp_fast(x, 0.0)
            scale = POWER[e + 1074]
            h, low = scale * h, scale * low
            error = h * EXP_ERROR + ONE_ERROR
            h, u = two_sum(h, -1.0)
            low += u
        y = h + (low - error)
        if y == h + (low + error):
            return y
        h, m, low = expm1_accurate(x)
        return nearest(h, m, low)
    if x != x:
        return x
    return exp(x) if x > 0.0 else -1.0


def tanh(x: float) -> float:
    """Hyperbolic tangent; 1 from 19.0616 on."""
    size = -x if x < 0.0 else x
    if size < 2.0**-28 or x != x:
        return x
    if size > 19.07:
        return 1.0 if x > 0.0 else -1.0
    if size < 2.0**-7:
        z = size * size
        h, low = size, -size * z * (1 / 3 - z * (2 / 15 - z * (17 / 315 - z * (62 / 2835 - z * (1382 / 155925)))))
        error = size * (z * 2.0**-52 + 2.0**-80)
    else:
        e, h, low = exp_fast(2.0 * size, 0.0)
        scale = POWER[e + 1074]
        d, u = fast_two_sum(scale * h, 1.0)  # 1 - 2/(1 + exp(2x))
        u += scale * low
        q = 2.0 / d
        p, v = two_product(q, d)
        error = q * EXP_ERROR + ONE_ERROR
        h, low = fast_two_sum(1.0, -q)
        low -= (((2.0 - p) - v) - q * u) / d
    y = h + (low - error)
    if y != h + (low + error):
        t = expm1_accurate(2.0 * size)
        h, m, low = divide(t, add(t, (2.0, 0.0, 0.0)))
        y = nearest(h, m, low)
    return y if x > 0.0 else -y


def sigmoid(x: float) -> float:
    """1/(1 + exp(-x)), in [0, 1]; 1 from 36.74 on, 0 below -745.1332191019412."""
    if -690.0 < x < 40.0:  # below, d has no exact split
        e, h, low = exp_fast(-x, 0.0)
        scale = POWER[e + 1074]
        d, u = two_sum(scale * h, 1.0)
        u += scale * low
        q = 1.0 / d
        p, v = two_product(q, d)
        h, low = q, (((1.0 - p) - v) - q * u) / d
        error = q * EXP_ERROR
        y = h + (low - error)
        if y == h + (low + error):
            return y
        if -(2.0**-30) < x < 2.0**-30:
            h, u = fast_two_sum(0.5, 0.25 * x)
            return nearest(h, u, x * x * x * (-1 / 48))
    if x != x:
        return x
    if x > 40.0:
        return 1.0
    if x < -100.0:
        return exp(x)  # their ratio, 1 + exp(x), is nearer to 1 than exp comes to a rounding boundary
    e, (h, m, low) = exp_accurate((-x, 0.0, 0.0))
    scale = POWER[e + 1074]
    h, m, low = divide(ONE, add((scale * h, scale * m, scale * low), ONE))
    return nearest(h, m, low)


def finish(e: int, t: Triple) -> float:
    """The double nearest to 2**e·t, |t| in [0.9, 2.1], e <= 1024; a subnormal is rounded once, at its last bit."""
    h, m, low = t
    if e > 1023:
        return nearest(h, m, low) * POWER[1023 + 1074] * 2.0
    if e > -1020:
        return nearest(h, m, low) * POWER[e + 1074]
    scale = POWER[e + 2 * 1074]  # in units of 2**-1074
    h, m, low = scale * h, scale * m, scale * low
    if h >= TWO_52 or h <= -TWO_52:
        return nearest(h, m, low) * POWER[0]
    one = TWO_52 if h > 0.0 else -TWO_52  # added to it, the last bit of a sum is a whole unit
    s, u = two_sum(one, h)
    u, v = two_sum(u, m)
    return (nearest(s, u, v + low) - one) * POWER[0]
