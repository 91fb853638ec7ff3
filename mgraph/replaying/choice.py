"""Which engine replays a graph: plain Python, or machine code where that is installed and repays its start."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mgraph.errors import ReplayError, shown
from mgraph.replaying.plan import Plan
from mgraph.replaying.reference import Execute, reference

if TYPE_CHECKING:
    from mgraph.replaying.compiled import replayer

ENGINES = ("auto", "reference", "compiled")
SMALL = 500
"""Operations below which plain Python is as quick as laying out arrays."""
WORTH_COMPILING = 500_000
"""Operations to replay, this time and before, that repay compiling the loops: about half a second of plain Python."""


class Engines:
    """The engines of one graph, and how much it has been replayed."""

    def __init__(self) -> None:
        self._replayed = 0
        self._machine: replayer.Engine | None = None

    def choose(self, requested: str, plan: Plan, replays: int = 1, rows: bool = False) -> tuple[str, Execute]:
        """The name of the engine to use for so many replays of a plan, and the engine.

        ``rows`` says that they are rows of a batch. Raises ReplayError for an engine that does not exist, or is not
        installed.
        """
        if requested not in ENGINES:
            raise ReplayError(f"there is no engine {shown(requested)}; there are {', '.join(ENGINES)}")
        operations = replays * len(plan.targets)
        self._replayed += operations
        if requested == "reference" or (requested == "auto" and not self._repaid(plan, operations, rows)):
            return "reference", reference
        replayer = load_compiled()
        if self._machine is None:
            self._machine = replayer.Engine()
        return "compiled", self._machine

    def _repaid(self, plan: Plan, operations: int, rows: bool) -> bool:
        if operations < SMALL:
            return False
        if self._machine is not None or self._replayed >= WORTH_COMPILING:
            return installed()
        return "mgraph.replaying.compiled.replayer" in sys.modules and load_compiled().is_ready(plan, rows)


def installed() -> bool:
    """Whether the extra ``fast`` is, and mgraph's own source files, which an application may be frozen without."""
    return find_spec("llvmlite") is not None and find_spec("numpy") is not None and _has_source()


@cache
def _has_source() -> bool:
    from linecache import getlines  # as the translator reads it: from the file, or by what imported this module

    return bool(getlines(__file__, globals()))


def versions() -> str:
    """The engines that there are, for people."""
    if not installed():
        return "reference (the extra fast, which compiles, is not installed)"
    from importlib.metadata import version

    return f"reference, compiled (llvmlite {version('llvmlite')})"


def load_compiled() -> Any:
    """The module of the compiled engine. Raises ReplayError where what it needs is not installed."""
    if not _has_source():
        raise ReplayError(
            "the compiled engine compiles mgraph's source files, and here are none; use the reference engine"
        )
    try:
        from mgraph.replaying.compiled import replayer
    except ImportError as error:
        message = f"the compiled engine needs NumPy and llvmlite (the extra fast): pip install numpy llvmlite ({error})"
        raise ReplayError(message) from None
    return replayer
