"""Where in a program a value is made: a file or a notebook's cell, and a line."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, ExitStack
from functools import lru_cache
from pathlib import PurePath
from types import CodeType, FrameType

Place = tuple[CodeType, int]
"""Code, and the line in it that was running."""
NOTING: list[bool] = []
"""Not empty while values note where they are made: what is asked at every operation must cost next to nothing."""


def sources(on: bool = True) -> AbstractContextManager[object]:
    """Note from now on where each value is made (file or cell, and line), or, with ``on=False``, no more.

    >>> with sources():  # until the block ends
    ...     y = f(x)

    A document has it as each node's ``source``. It is off at first, because an operation then takes three to four
    times as long. It is one switch for all threads.
    """
    before = ExitStack()
    before.callback(_note, bool(NOTING))
    _note(on)
    return before


def _note(on: bool) -> None:
    NOTING[:] = [True] if on else []


def here() -> Place | None:
    """The innermost place outside mgraph and NumPy, or None if there is no other."""
    frame: FrameType | None = sys._getframe(2)  # what makes values is mgraph's own
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("mgraph.", "numpy.")):
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lineno)


def spelled(place: Place) -> str:
    """A place as a document has it: ``lesson.py, line 12`` or ``cell 3, line 2``. Of a file's path, which may tell of
    its owner, only the last part."""
    code, line = place
    return f"{_file(code.co_filename)}, line {line}"


@lru_cache
def _file(name: str) -> str:
    """The last part of a file's path; of IPython's cells, the number that is shown beside it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    label = shell and shell.compile.format_code_name(name)
    if label:
        return f"cell {label[1].removeprefix('In[').removesuffix(']')}"
    return PurePath(name).name.encode(errors="replace").decode()[:900] or name
