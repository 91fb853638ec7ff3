"""mgraph: save, share, check, recompute and draw graphs of scalar values.

>>> from mgraph import Value, save, load
>>> a, b = Value(0.5001, name="a"), Value(0.71, name="b")
>>> d = (a * b + b + a).tanh()
>>> d.backward()
>>> graph = save(d, "tanh.json", names={"d": d})
>>> load("tanh.json").replay(inputs={"a": 0.7}).outputs

Every name here is imported on first use, so that ``import mgraph`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module

from mgraph import seams

TYPE_CHECKING = False  # typing's own takes longer to import than Python to start, and the program waits for this
if TYPE_CHECKING:
    from typing import Any

    from mgraph import nn as nn
    from mgraph.api import Entry as Entry
    from mgraph.api import Fit as Fit
    from mgraph.api import array as array
    from mgraph.api import contents as contents
    from mgraph.api import fit as fit
    from mgraph.api import from_jax as from_jax
    from mgraph.api import from_sympy as from_sympy
    from mgraph.api import from_torch as from_torch
    from mgraph.api import from_values as from_values
    from mgraph.api import load as load
    from mgraph.api import loads as loads
    from mgraph.api import picture as picture
    from mgraph.api import record as record
    from mgraph.api import save as save
    from mgraph.api import trace as trace
    from mgraph.archive.archive import Archive as Archive
    from mgraph.checking.audit import Discrepancy as Discrepancy
    from mgraph.checking.audit import Report as Report
    from mgraph.checking.diff import Diff as Diff
    from mgraph.document.model import schema as schema
    from mgraph.drawing.display import Drawing as Drawing
    from mgraph.errors import CycleError as CycleError
    from mgraph.errors import DocumentError as DocumentError
    from mgraph.errors import DrawError as DrawError
    from mgraph.errors import FileError as FileError
    from mgraph.errors import FormatError as FormatError
    from mgraph.errors import MgraphError as MgraphError
    from mgraph.errors import ReplayError as ReplayError
    from mgraph.errors import VersionError as VersionError
    from mgraph.graph import Graph as Graph
    from mgraph.recording.op_types import *  # noqa: F403  # the ops
    from mgraph.recording.places import sources as sources
    from mgraph.recording.record import name_values as name
    from mgraph.recording.scopes import scope as scope
    from mgraph.recording.value import Value as Value
    from mgraph.recording.value import constant as constant
    from mgraph.recording.value import parameter as parameter
    from mgraph.replaying.compiled.replayer import Batch as Batch
    from mgraph.replaying.compiled.replayer import Replayer as Replayer
    from mgraph.replaying.run import Run as Run
    from mgraph.replaying.table_replay import TableResult as TableResult

__version__ = "0.4.0"

_HOME = {
    "api": (
        "Entry",
        "Fit",
        "array",
        "contents",
        "fit",
        "from_jax",
        "from_sympy",
        "from_torch",
        "from_values",
        "load",
        "loads",
        "picture",
        "record",
        "save",
        "trace",
    ),
    "archive.archive": ("Archive",),
    "checking.audit": ("Discrepancy", "Report"),
    "checking.diff": ("Diff",),
    "document.model": ("schema",),
    "drawing.display": ("Drawing",),
    "errors": (
        "CycleError",
        "DocumentError",
        "DrawError",
        "FileError",
        "FormatError",
        "MgraphError",
        "ReplayError",
        "VersionError",
    ),
    "replaying.compiled.replayer": ("Batch", "Replayer"),
    "replaying.run": ("Run",),
    "replaying.table_replay": ("TableResult",),
    "graph": ("Graph",),
    "recording.places": ("sources",),
    "recording.scopes": ("scope",),
    "recording.value": ("Value", "constant", "parameter"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}
_WITH_FAST = ("Batch", "Replayer")
_WITH_EXTRA = ("Archive", *_WITH_FAST)  # these need an extra: ``from mgraph import *`` must not
__all__ = ["__version__", "name", "nn", *(each for each in _MODULE if each not in _WITH_EXTRA)]  # noqa: PLE0604


if not TYPE_CHECKING:  # a type checker is to know every name, and to refuse any other

    def __getattr__(attribute: str) -> Any:
        if attribute in _WITH_FAST:
            found = getattr(import_module("mgraph.replaying.choice").load_compiled(), attribute)
        elif attribute in _MODULE:
            found = getattr(import_module(f"mgraph.{_MODULE[attribute]}"), attribute)
        elif attribute == "name":
            found = import_module("mgraph.recording.record").name_values
        elif attribute == "nn":
            found = import_module("mgraph.nn")
        else:
            found = _op_function(attribute)
        globals()[attribute] = found
        return found


def _op_function(attribute: str) -> Any:
    """``mgraph.tanh``, ``mgraph.maximum``, …: each op of the table as a function of values or numbers."""
    from mgraph.arithmetic.ops import OPS

    if attribute not in OPS:
        raise AttributeError(f"module 'mgraph' has no attribute {attribute!r}")
    from mgraph.recording.op_functions import op_function

    return op_function(OPS[attribute])


def __dir__() -> list[str]:
    from mgraph.arithmetic.ops import OPS

    return [*__all__, *OPS]


def _display(shown: Any) -> dict[str, Any]:
    from mgraph.cells import content

    return content(shown)


def _text(shown: Any) -> str:
    from mgraph.cells import text

    return text(shown)


def _on_ufunc(*args: Any, **options: Any) -> Any:
    from mgraph.recording.numpy_arrays import ufunc_on_values

    return ufunc_on_values(*args, **options)


seams.display, seams.text, seams.on_ufunc = _display, _text, _on_ufunc
