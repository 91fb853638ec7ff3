"""Python modules over NumPy arrays: each input is a number or an array of them, a row each."""

from __future__ import annotations

from mgraph.document.wiring import Wiring
from mgraph.formats.write.programs import INFIX, Dialect, functions, module

OPS = {
    **INFIX,
    **functions("np.", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sin", "cos", "abs"),
    "pow": "np.power({0}, {1})",
    "sigmoid": "1.0 / (1.0 + np.exp(-{0}))",
    "relu": "np.where({0} <= 0.0, 0.0, {0})",
    "maximum": "maximum({0}, {1})",
    "minimum": "-maximum(-{0}, -{1})",
    "greater": "np.where({0} > {1}, 1.0, np.where({0} <= {1}, 0.0, np.nan))",
    "gate": "np.where({0} == 0.0, 0.0, {0} * {1})",
}

ULPS = {"pow": 2, "exp": 2, "expm1": 2, "log": 2, "log1p": 2, "tanh": 4, "sigmoid": 6, "sin": 2, "cos": 2}
"""How far NumPy's functions may be from the correctly rounded result, per operation; the rest is exact."""

HELPERS = {
    "maximum": '''
def maximum(a, b):
    """The greater; NaN if either is, and +0 is greater than -0, which numpy.maximum does not tell apart."""
    return np.where((a == 0.0) & (b == 0.0), a + b, np.maximum(a, b))
'''
}

_NOTES = """\
Needs NumPy, and computes in float64: each input is a number, or an array with a number a row; arrays broadcast. The
functions of NumPy may differ from mgraph's in the last bits; + - * / and sqrt do not."""

DIALECT = Dialect(
    "NumPy",
    "import numpy as np",
    OPS,
    HELPERS,
    "np.asarray(value, np.float64)[()]",
    "np.float64({0})",
    _NOTES,
    '@np.errstate(all="ignore")  # NaN and infinities are numbers here',
)


def write(wiring: Wiring) -> bytes:
    """A module with ``forward(**inputs)`` and ``gradients(**inputs)``, over numbers or arrays by name."""
    return module(wiring, DIALECT)
