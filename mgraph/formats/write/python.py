"""Python modules that need nothing but Python."""

from __future__ import annotations

from inspect import getsource

from mgraph.arithmetic import ops
from mgraph.document.wiring import Wiring
from mgraph.formats.write.programs import INFIX, Dialect, functions, module

_OWN = ("div", "sqrt", "relu", "maximum", "minimum", "greater", "gate")

OPS = {
    **INFIX,
    **functions("", "exp", "expm1", "log", "log1p", "sqrt", "relu", "sin"),
    **functions("", "cos", "abs", "maximum", "minimum", "greater", "gate"),
    "div": "div({0}, {1})",  # which Python would raise at 0
    "pow": "power({0}, {1})",
    "tanh": "math.tanh({0})",
    "sigmoid": "1.0 / (1.0 + exp(-{0}))",
}

ULPS = {"pow": 2, "exp": 2, "expm1": 2, "log": 2, "log1p": 2, "tanh": 3, "sigmoid": 5, "sin": 2, "cos": 2}
"""How far a platform's functions may be from the correctly rounded result, per operation; the rest is exact."""

_MATH = '''
def {name}(x):
    """math.{name}, with the infinities and NaN of IEEE 754 where it raises."""
    try:
        return math.{name}(x)
    except OverflowError:
        return inf
    except ValueError:
        return {otherwise}
'''

HELPERS = {
    **{name: getsource(getattr(ops, name)) for name in _OWN},
    "exp": _MATH.format(name="exp", otherwise="nan"),
    "expm1": _MATH.format(name="expm1", otherwise="nan"),
    "log": _MATH.format(name="log", otherwise="-inf if x == 0.0 else nan"),
    "log1p": _MATH.format(name="log1p", otherwise="-inf if x == -1.0 else nan"),
    "sin": _MATH.format(name="sin", otherwise="nan"),
    "cos": _MATH.format(name="cos", otherwise="nan"),
    "power": '''
def power(x, y):
    """math.pow, with the infinities and NaN of IEEE 754 where it raises."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -inf if x < 0.0 and y % 2.0 == 1.0 else inf
    except ValueError:
        return nan if x != 0.0 else math.copysign(inf, x) if y % 2.0 == 1.0 else inf
''',
}

_NOTES = """\
Needs Python alone. + - * / and sqrt give mgraph's numbers to the bit; other functions are the platform's, and may
differ in the last bits."""

DIALECT = Dialect("Python", "import math\nfrom math import inf, nan", OPS, HELPERS, "float(value)", "{0}", _NOTES)


def write(wiring: Wiring) -> bytes:
    """A module with ``forward(**inputs)`` and ``gradients(**inputs)``, which take and give numbers by name."""
    return module(wiring, DIALECT)
