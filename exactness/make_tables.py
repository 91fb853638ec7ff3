"""Write mgraph/arithmetic/coefficients.py: ``python exactness/make_tables.py > mgraph/arithmetic/coefficients.py``
(needs mpmath)."""

from __future__ import annotations

from collections.abc import Callable

from mpmath import mp, mpf

mp.prec = 1600
LEADING = 26
"""Bits of a leading part: the product of two of them is exact."""

HEAD = '''"""Constants and tables of the elementary functions, as exactness/make_tables.py makes them (a test holds it).

Tables are flat, three doubles an entry. Those of EXP and SIN add up to a number to 132 bits; the first has 26 bits, so
that its product with another number of 26 bits is exact.
"""
'''


def nearest(x: mpf, bits: int = 53) -> float:
    """x to so many bits, round to nearest even."""
    with mp.workprec(bits):
        return float(+x)


def multiple(x: mpf, exponent: int) -> float:
    """The multiple of 2**exponent nearest to x."""
    return float(mp.nint(mp.ldexp(x, -exponent)) * mpf(2) ** exponent)


def parts(x: mpf, *bits: int) -> tuple[float, ...]:
    """x as a sum of doubles of so many bits each."""
    found = []
    for each in bits:
        found.append(nearest(x, each))
        x = x - mpf(found[-1])
    return tuple(found)


def split_at(x: mpf, exponent: int) -> tuple[float, float]:
    """x as a multiple of 2**exponent and a double."""
    high = multiple(x, exponent)
    return high, nearest(x - mpf(high))


def reciprocal(i: int) -> float:
    """256/i to a multiple of 2**-9."""
    return multiple(mpf(256) / i, -9)


def logarithm(i: int) -> tuple[float, float, float]:
    """r near 256/i, and -log r as a multiple of 2**-42 and a double."""
    r = reciprocal(i)
    return (r, *split_at(-mp.log(mpf(r)), -42))


def two_over_pi(chunks: int) -> tuple[float, ...]:
    """2/π in chunks of 24 bits: chunk j, a whole number, counts 2**(-24·(j+1))."""
    x, found = 2 / mp.pi, []
    for _ in range(chunks):
        x *= 2**24
        found.append(float(mp.floor(x)))
        x -= mp.floor(x)
    return tuple(found)


def show(name: str, words: str, value: object) -> str:
    return f'\n{name} = {value!r}\n"""{words}"""'


def table(name: str, words: str, entries: range, row: Callable[[int], tuple[float, ...]]) -> str:
    lines = "".join(f"    {', '.join(map(repr, row(i)))},\n" for i in entries)
    return f'\n{name} = (\n{lines})\n"""{words}"""'


def text() -> str:
    wide = (LEADING, 53, 53)
    ln2, pi = mp.log(2), mp.pi
    pieces = [
        HEAD,
        "# fmt: off",
        show("INV_LN2_128", "128/log 2.", nearest(128 / ln2)),
        show("LN2_128", "log 2 / 128 in parts of 34, 34, 34 and 53 bits.", parts(ln2 / 128, 34, 34, 34, 53)),
        show("LN2_128_LOW", "What the first part leaves, to 53 bits.", parts(ln2 / 128, 34, 53)[1]),
        show("LN2", "log 2 as a multiple of 2**-42 and a double.", split_at(ln2, -42)),
        show("INV_PI_512", "512/π.", nearest(512 / pi)),
        show("PI_512", "π/512 in parts of 33, 33 and 53 bits.", parts(pi / 512, 33, 33, 53)),
        show("HALF_PI", "π/2 in three doubles.", parts(pi / 2, 53, 53, 53)),
        table(
            "INVERSE_FACTORIAL", "1/n! in three doubles.", range(18), lambda n: parts(1 / mp.factorial(n), 53, 53, 53)
        ),
        show("TWO_OVER_PI", "2/π in chunks of 24 bits: chunk j counts 2**(-24·(j+1)).", two_over_pi(56)),
        table("EXP", "2**(j/128).", range(128), lambda j: parts(mpf(2) ** (mpf(j) / 128), *wide)),
        table("SIN", "sin(i·π/512), the first quadrant.", range(257), lambda i: parts(mp.sin(i * pi / 512), *wide)),
        table(
            "LOG",
            "For i from 181 on: r near 256/i (a multiple of 2**-9), and -log r as a multiple of 2**-42 and a double.",
            range(181, 364),
            logarithm,
        ),
    ]
    return "\n".join(pieces) + "\n"


if __name__ == "__main__":
    print(text(), end="")
