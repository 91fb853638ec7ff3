"""Python modules over PyTorch tensors, that autograd can differentiate further."""

from __future__ import annotations

from mgraph.document.wiring import Wiring
from mgraph.formats.write.programs import INFIX, Dialect, functions, module

OPS = {
    **INFIX,
    **functions("torch.", "pow", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "relu"),
    **functions("torch.", "sin", "cos", "abs", "maximum", "minimum"),
    "greater": "greater({0}, {1})",
    "gate": "gate({0}, {1})",
}

ULPS = {"pow": 2, "exp": 2, "expm1": 2, "log": 2, "log1p": 2, "tanh": 4, "sigmoid": 6, "sin": 2, "cos": 2}
"""How far PyTorch's functions may be from the correctly rounded result, per operation; the rest is exact, but for the
sign of a zero that maximum and minimum give."""

HELPERS = {
    "greater": '''
def greater(a, b):
    """1 where a > b, else 0; NaN if either is."""
    return torch.where(a > b, number(1.0), torch.where(a <= b, number(0.0), number(math.nan)))
''',
    "gate": '''
def gate(a, b):
    """a * b, and 0 where a is 0, whatever b is."""
    return torch.where(a == 0.0, number(0.0), a * b)
''',
    "number": '''
def number(value):
    """A number, or a tensor, in float64."""
    return torch.as_tensor(value, dtype=torch.float64)
''',
}

_NOTES = """\
Needs PyTorch, and computes in float64: each input is a number or a tensor; tensors broadcast. The functions of PyTorch
may differ from mgraph's in the last bits; + - * / and sqrt do not. Autograd goes through forward; gradients computes
them by mgraph's own graph, with its conventions at kinks."""

DIALECT = Dialect("PyTorch", "import math\n\nimport torch", OPS, HELPERS, "number(value)", "number({0})", _NOTES)


def write(wiring: Wiring) -> bytes:
    """A module with ``forward(**inputs)`` and ``gradients(**inputs)``, over numbers or tensors."""
    return module(wiring, DIALECT)
