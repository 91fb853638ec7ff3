"""Python modules over JAX arrays, that ``jax.jit``, ``vmap`` and ``grad`` go through."""

from __future__ import annotations

from mgraph.document.wiring import Wiring
from mgraph.formats.write.programs import INFIX, Dialect, functions, module

OPS = {
    **INFIX,
    **functions("jnp.", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sin", "cos", "abs", "maximum", "minimum"),
    "pow": "jnp.power({0}, {1})",
    "sigmoid": "jax.nn.sigmoid({0})",
    "relu": "jax.nn.relu({0})",
    "greater": "jnp.where({0} > {1}, 1.0, jnp.where({0} <= {1}, 0.0, jnp.nan))",
    "gate": "jnp.where({0} == 0.0, 0.0, {0} * {1})",
}

ULPS = {"pow": 4, "exp": 2, "expm1": 4, "log": 4, "log1p": 4, "tanh": 8, "sigmoid": 8, "sin": 2, "cos": 2}
"""How far JAX's functions on the CPU may be from the correctly rounded result, per operation, for normal numbers; the
rest is exact, but XLA takes subnormal numbers for 0."""

_NOTES = """\
Needs JAX, and switches it to float64. Each input is a number or an array; arrays broadcast. Functions of JAX may differ
from mgraph's in the last bits, and jax.jit may contract products and sums; gradients computes the gradients by
mgraph's own graph, with its conventions at kinks."""

DIALECT = Dialect(
    "JAX",
    'import jax\nimport jax.numpy as jnp\n\njax.config.update("jax_enable_x64", True)',
    OPS,
    {},
    "jnp.asarray(value, jnp.float64)",
    "jnp.float64({0})",
    _NOTES,
)


def write(wiring: Wiring) -> bytes:
    """A module with ``forward(**inputs)`` and ``gradients(**inputs)``, over numbers or arrays."""
    return module(wiring, DIALECT)
