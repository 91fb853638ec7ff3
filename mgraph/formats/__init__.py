"""Foreign formats, one module a format and direction, and the table of those that a graph can be exported to.

The core knows none of them; a module here knows one format and nothing of the others. One in ``read`` has a function
``read``, which returns a document; one in ``write`` has ``write``, which takes a wiring and returns bytes, and
``OPS``: how the format spells each op. An op that is not in ``OPS`` is refused by name.
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
    function: str = "write"
    prefixed: bool = False
    """Whether its names can be told how to begin."""


TARGETS = {
    "json": Target("write.json", ".json", "mgraph's own document"),
    "python": Target("write.python", ".py", "a Python module without dependencies"),
    "numpy": Target("write.numpy", ".py", "a Python module over NumPy arrays: many rows at once"),
    "torch": Target("write.torch", ".py", "a Python module over PyTorch tensors"),
    "jax": Target("write.jax", ".py", "a Python module over JAX arrays"),
    "c": Target("write.c", ".c", "a file of C99", prefixed=True),
    "c-header": Target("write.c", ".h", "the header of what c is", "write_header", prefixed=True),
    "onnx": Target("write.onnx", ".onnx", "an ONNX model in float64"),
    "latex": Target("write.latex", ".tex", "LaTeX, an equation a node"),
    "latex-expression": Target("write.latex", ".tex", "LaTeX, one expression an output", "write_expression"),
    "sympy": Target("write.sympy", ".py", "a Python module that builds SymPy expressions"),
    "mermaid": Target("write.mermaid", ".mmd", "a Mermaid flowchart"),
    "dot": Target("write.dot", ".dot", "the picture's DOT text"),
    "graphml": Target("write.networkx", ".graphml", "GraphML, by NetworkX", "write_graphml"),
    "node-link": Target("write.networkx", ".json", "NetworkX's node-link JSON"),
    "cppad": Target("write.cppad", ".json", "CppAD's JSON AD graph"),
    "csv": Target("write.csv", ".csv", "a table, a node a row"),
}


EXTRAS = ("torch", "jax", "sympy", "onnx")
"""Formats whose packages come with an extra of that name."""


def export(wiring: Wiring, to: str, prefix: str | None = None) -> bytes:
    """The graph in another format, one of :data:`TARGETS`; where names have a ``prefix``, with this one.

    Raises FormatError for a format there is not, and for what the format cannot hold, by name.
    """
    if to not in TARGETS:
        raise FormatError(f"no format {to!r} to export to.{nearest(to, TARGETS)} There are {', '.join(TARGETS)}")
    if prefix is not None and not TARGETS[to].prefixed:
        some = ", ".join(name for name, target in TARGETS.items() if target.prefixed)
        raise FormatError(f"names have no prefix in {to}; they have in {some}")
    options = {} if prefix is None else {"prefix": prefix}
    return getattr(module(TARGETS[to].module), TARGETS[to].function)(wiring, **options)  # type: ignore[no-any-return]


def module(name: str) -> Any:
    """The module of a format and direction, such as ``read.onnx``.

    Raises FormatError if the package that it needs is not installed.
    """
    try:
        return import_module(f"mgraph.formats.{name}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "mgraph"):
            raise
        extra = name.partition(".")[2].partition("_")[0]
        also = f" (the extra [{extra}] brings all that {extra} needs)" if extra in EXTRAS else ""
        message = f"this needs the package {package}, which is not installed: pip install {package}{also}"
        raise FormatError(message) from None
