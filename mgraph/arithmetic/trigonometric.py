"""sin and cos, correctly rounded, of any double in radians; :mod:`mgraph.arithmetic.exponential` says how.

How far this is a proof: the closest that a value comes to the middle between two doubles is known for small arguments
and for ranges that were searched; of the others, the chance that one comes within 2**-120 is below 2**-65.
"""

from __future__ import annotations

import math
from math import nan

from mgraph.arithmetic.coefficients import HALF_PI, INV_PI_512, PI_512, SIN, TWO_OVER_PI
from mgraph.arithmetic.exponential import POWER, ROUND, TWO_52
from mgraph.arithmetic.triple_double import Triple, add, fast_two_sum, multiply, nearest, series, split, triple, two_sum

ROUND_UP_27 = 1.5 * 2.0**79
"""Adding and subtracting it rounds to a multiple of 2**27."""
SIN_ERROR = 2.0**-66
PI_0, PI_1, PI_2 = PI_512
frexp = math.frexp


def turn_fast(x: float) -> tuple[int, float, float]:
    """n, r, l with x = n·π/512 + r + l to 2**-105, |r| < 0.0031, |l| < 2**-61, for |x| < 6000."""
    n = (x * INV_PI_512 + ROUND) - ROUND
    a, b = n * PI_1, n * PI_2
    s = a + b
    r, low = two_sum(x - n * PI_0, -s)  # the difference and n·PI_1 are exact
    return int(n), r, low - (b - (s - a))


def turn_accurate(x: float) -> tuple[int, Triple]:
    """n modulo 1024 and r with x = n·π/512 + r to 2**-130 relatively to r, for any finite x of at least 2**-30.

    x·2/π by chunks of 24 bits of 2/π, without those that give whole turns (Payne and Hanek, ACM SIGNUM Newsletter
    18 (1983) 19-24).
    """
    m, e = frexp(x if x > 0.0 else -x)
    m, e = (m if x > 0.0 else -m) * 2.0 * TWO_52, e - 53
    m2 = m - ((m + ROUND_UP_27) - ROUND_UP_27)
    m1 = m - m2
    first = (e - 2) // 24 if e > 2 else 0
    n, total = 0.0, (0.0, 0.0, 0.0)
    for j in range(first, first + 12):
        unit = e - 24 * (j + 1)  # m2·chunk counts 2**unit, m1·chunk a multiple of 2**(unit + 27)
        c = TWO_OVER_PI[j] * POWER[unit + 1074]
        if unit + 27 < 2:
            p = m1 * c
            total = add(total, (p - ((p * 0.25 + ROUND) - ROUND) * 4.0, 0.0, 0.0))
        p = m2 * c
        total = add(total, (p - ((p * 0.25 + ROUND) - ROUND) * 4.0, 0.0, 0.0))
        if j == first + 6:  # so far exact
            n = (total[0] * 256.0 + ROUND) - ROUND
            total = add(total, (n * (-1 / 256), 0.0, 0.0))
    return int(n) & 1023, multiply(total, HALF_PI)


def sine(n: int) -> tuple[float, int]:
    """The sign, and the place in SIN of the magnitude, of sin(n·π/512)."""
    i = n & 255
    return (1.0 if n & 512 == 0 else -1.0), 3 * (256 - i if n & 256 else i)


def sin_turned(x: float, quarter: int) -> float:
    """sin(x + quarter·π/2), for a finite x of at least 2**-30."""
    if -6000.0 < x < 6000.0:
        n, r, low = turn_fast(x)
        if not -(2.0**-30) < r < 2.0**-30:
            n += quarter
            s, i = sine(n)
            s1, s2 = s * SIN[i], s * SIN[i + 1]
            c, i = sine(n + 256)
            c1, c2 = c * SIN[i], c * SIN[i + 1]
            r1, r2 = split(r)
            r2 += low
            z = r * r
            slow = (s1 + s2) * (z * (0.5 - z * (1 / 24 - z * (1 / 720))))
            fast = (c1 + c2) * (z * r * (1 / 6 - z * (1 / 120 - z * (1 / 5040))))
            h, u = fast_two_sum(s1, c1 * r1)
            h, low = fast_two_sum(h, ((s2 + (c1 * r2 + c2 * r)) - fast) - slow)
            low += u
            error = SIN_ERROR * (h if h > 0.0 else -h)
            y = h + (low - error)
            if y == h + (low + error):
                return y
    n, t = turn_accurate(x)
    n += quarter
    s, i = sine(n)
    sine_n = triple(s * SIN[i], s * SIN[i + 1], s * SIN[i + 2])
    c, i = sine(n + 256)
    cosine_n = triple(c * SIN[i], c * SIN[i + 1], c * SIN[i + 2])
    a = multiply(cosine_n, series(t, 1, 13, 2, -1.0))
    b = multiply(sine_n, series(t, 2, 14, 2, -1.0))
    h, u, low = add(sine_n, add(a, (-b[0], -b[1], -b[2])))
    return nearest(h, u, low)


def sin(x: float) -> float:
    """Sine of x radians; NaN at the infinities."""
    if x - x != 0.0:
        return nan
    if -(2.0**-27) < x < 2.0**-27:
        return x
    return sin_turned(x, 0)


def cos(x: float) -> float:
    """Cosine of x radians; NaN at the infinities."""
    if x - x != 0.0:
        return nan
    if -(2.0**-27) < x < 2.0**-27:
        return 1.0
    return sin_turned(x, 256)
