"""Which engine replays a graph: plain Python, or machine code where that is installed and repays its start."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mgraph.errors import ReplayError, shown
from mgraph.replaying.reference import Execute, reference

if TYPE_CHECKING:
    from mgraph.replaying.compiled import replayer

ENGINES = ("auto", "reference", "compiled")
SMALL = 500
"""Operations below which plain Python is as quick as laying out arrays."""
WORTH_LOADING = 1_000_000
"""Operations to replay, this time and before, that repay loading numba: about a second of plain Python."""
WORTH_COMPILING = 50_000_000
"""The same for compiling the loops, which takes half a minute once."""


class Engines:
    """The engines of one graph, and how much it has been replayed."""

    def __init__(self) -> None:
        self._replayed = 0
        self._machine: replayer.Engine | None = None

    def choose(self, wanted: str, operations: int) -> tuple[str, Execute]:
        """The name of the engine to use for so many operations, and the engine.

        Raises ReplayError for an engine that does not exist, or is not installed.
        """
        if wanted not in ENGINES:
            raise ReplayError(f"there is no engine {shown(wanted)}; there are {', '.join(ENGINES)}")
        self._replayed += operations
        if wanted == "reference" or (wanted == "auto" and not self._repaid(operations)):
            return "reference", reference
        replayer = load_compiled()
        if self._machine is None:
            self._machine = replayer.Engine()
        return "compiled", self._machine

    def _repaid(self, operations: int) -> bool:
        loaded = "mgraph.replaying.compiled.replayer" in sys.modules
        if operations < SMALL or not (loaded or (self._replayed >= WORTH_LOADING and installed())):
            return False
        return load_compiled().kept() or self._replayed >= WORTH_COMPILING


def installed() -> bool:
    """Whether the extra ``fast`` is."""
    return find_spec("numba") is not None and find_spec("numpy") is not None


def versions() -> str:
    """The engines that there are, for people."""
    if not installed():
        return "reference (the extra fast, which compiles, is not installed)"
    from importlib.metadata import version

    return f"reference, compiled (numba {version('numba')})"


def load_compiled() -> Any:
    """The module of the compiled engine. Raises ReplayError where what it needs is not installed."""
    try:
        from mgraph.replaying.compiled import replayer
    except ImportError as error:
        message = f"the compiled engine needs NumPy and numba (the extra fast): pip install numba ({error})"
        raise ReplayError(message) from None
    return replayer
