"""Foreign formats, one module each, and the table of those that a graph can be exported to.

The core knows none of them; a module here knows one format and nothing of the others. A module that reads has
``load``, which returns a document; one that writes has ``dump``, which takes a wiring and returns bytes, and ``OPS``:
how the format spells each op. An op that is not in ``OPS`` is refused by name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from mgraph.errors import FormatError, nearest

if TYPE_CHECKING:
    from mgraph.document.wiring import Wiring


class Target(NamedTuple):
    """A format that a graph can be exported to."""

    module: str
    suffix: str
    says: str
    """What it is, in a line."""
    function: str = "dump"


TARGETS = {
    "json": Target("json", ".json", "mgraph's own document"),
    "python": Target("python", ".py", "a Python module without dependencies"),
    "numpy": Target("numpy", ".py", "a Python module over NumPy arrays: many rows at once"),
    "torch": Target("torch", ".py", "a Python module over PyTorch tensors"),
    "jax": Target("jax", ".py", "a Python module over JAX arrays"),
    "c": Target("c", ".c", "one file of C99"),
    "onnx": Target("onnx", ".onnx", "an ONNX model in float64"),
    "latex": Target("latex", ".tex", "LaTeX, an equation a node"),
    "latex-expression": Target("latex", ".tex", "LaTeX, one expression an output", "dump_expression"),
    "sympy": Target("sympy", ".py", "a Python module that builds SymPy expressions"),
    "mermaid": Target("mermaid", ".mmd", "a Mermaid flowchart"),
    "dot": Target("dot", ".dot", "the picture's DOT text"),
    "graphml": Target("networkx", ".graphml", "GraphML, by NetworkX", "dump_graphml"),
    "node-link": Target("networkx", ".json", "NetworkX's node-link JSON"),
    "cppad": Target("cppad", ".json", "CppAD's JSON AD graph"),
    "csv": Target("csv", ".csv", "a table, a node a row"),
}


EXTRAS = ("torch", "jax", "sympy", "onnx")
"""Formats whose packages come with an extra of that name."""


def export(wiring: Wiring, to: str) -> bytes:
    """The graph in another format, one of :data:`TARGETS`.

    Raises FormatError for a format there is not, and for what the format cannot hold, by name.
    """
    if to not in TARGETS:
        raise FormatError(f"no format {to!r} to export to.{nearest(to, TARGETS)} There are {', '.join(TARGETS)}")
    return getattr(module(TARGETS[to].module), TARGETS[to].function)(wiring)  # type: ignore[no-any-return]


def module(name: str) -> Any:
    """The module of a format. Raises FormatError if the package that it needs is not installed."""
    try:
        return import_module(f"mgraph.formats.{name}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "mgraph"):
            raise
        extra = name.partition("_")[0]
        also = f" (the extra [{extra}] brings all that {extra} needs)" if extra in EXTRAS else ""
        message = f"this needs the package {package}, which is not installed: pip install {package}{also}"
        raise FormatError(message) from None
