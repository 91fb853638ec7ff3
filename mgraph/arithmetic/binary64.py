"""Whether this process computes in IEEE 754 binary64, each result rounded once: the bits depend on it."""

from __future__ import annotations

from mgraph.errors import MgraphError

TERMS = 1.0, 2.0**-53 + 2.0**-78
"""Their sum lies just above the middle between two doubles. Rounded to 64 bits first, as in an x87 register, it becomes
the middle, and then 1 (Monniaux, ACM TOPLAS 30 (2008) article 12)."""
FACTORS = (1.0 + 2.0**-30) * 2.0**-537, (1.5 - 1.5 * 2.0**-30) * 2.0**-537
"""Their product is 1.5·(1 - 2**-60) times the least subnormal number. Rounded to 53 bits first, it becomes 1.5 times
that number, and then twice; where subnormal numbers are flushed, it is 0."""


def require_single_rounding(total: float = TERMS[0] + TERMS[1], product: float = FACTORS[0] * FACTORS[1]) -> None:
    """Raise MgraphError if the sum or the product, as this process computed it, is not IEEE 754's."""
    units = product * 2.0**537 * 2.0**537  # where subnormal numbers are flushed, the product itself equals any of them
    if units == 0.0:
        raise MgraphError(
            "this process flushes subnormal numbers to 0, so its results would not be those of other machines."
            " mgraph needs IEEE 754 arithmetic, subnormal numbers included. A library built with -ffast-math turns them"
            " off, and so does torch.set_flush_denormal(True): do without it."
        )
    if total != 1.0 + 2.0**-52 or units != 1.0:
        raise MgraphError(
            "this Python rounds results twice, as x87 arithmetic does, so they would not be those of other machines:"
            f" 1 + (2**-53 + 2**-78) is {total.hex()} (right: 0x1.0000000000001p+0), (1.5 - 1.5*2**-60)*2**-1074 is"
            f" {units:g}*2**-1074 (right: 1*2**-1074). mgraph needs doubles that are rounded once: use a 64-bit Python,"
            " or on 32-bit x86 one compiled with -msse2 -mfpmath=sse."
        )
