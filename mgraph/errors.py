"""What can go wrong, as a tree.

    MgraphError              everything mgraph raises on purpose; the command line exits 2
    ├── DocumentError        the document breaks format 1: where (JSON path, node id) and why
    │   ├── VersionError     the document is of another format version
    │   └── CycleError       the nodes depend on themselves; the cycle is named in order
    ├── FileError            a file cannot be read, decoded or written
    ├── ReplayError          a replay was asked for with names or numbers that do not fit
    ├── FormatError          another tool's graph or file that mgraph cannot import, or a document that another
    │                        tool's format cannot hold: which node, and why
    └── DrawError            no picture: no program to draw it, too large, or a bad format

Passing something that is not a number to a ``Value`` is Python's own ``TypeError``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import islice

ERRORS = 100
"""Errors of one document that are told at most."""


class MgraphError(Exception):
    """Base of every error that mgraph raises on purpose. Its text is one line that cannot command a terminal."""

    def __str__(self) -> str:
        return printable(super().__str__())


class DocumentError(MgraphError):
    """A document that breaks the format.

    ``path`` is the JSON path of the offending value (``$.nodes[3].args[1]``), ``node`` the id of the
    node it lies in, ``file`` the file it was read from; each may be None. ``others`` are further errors of the same
    document, as far as they could be told past the first, up to 99.
    """

    def __init__(self, message: str, path: str | None = None, node: str | None = None, file: str | None = None) -> None:
        super().__init__(message)
        self.message, self.path, self.node, self.file = message, path, node, file
        self.others: list[DocumentError] = []
        """Further errors of the same document, up to 99."""

    def _keep(self, errors: Iterable[DocumentError]) -> None:
        """Keep those of ``errors`` as :attr:`others` that say something else."""
        told = {str(self)}
        for each in errors:
            if str(each) not in told:
                told.add(str(each))
                self.others.append(each)
                if len(told) == ERRORS:
                    break

    def __str__(self) -> str:
        where = self.path or ""
        if self.node is not None:
            where += f" (node {shown(self.node)})"
        return printable(": ".join(part for part in (self.file, where, self.message) if part))


class VersionError(DocumentError):
    """A document of a format version that this release does not read."""


class CycleError(DocumentError):
    """Nodes that depend on themselves. ``cycle`` lists the ids, each an operand of the next."""

    def __init__(self, message: str, cycle: list[str]) -> None:
        super().__init__(message, path="$.nodes")
        self.cycle = cycle
        """The ids, each an operand of the next."""

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.cycle), vars(self)


class FileError(MgraphError):
    """A file that cannot be read, decoded or written."""


class ReplayError(MgraphError):
    """An override, output or seed that does not fit the graph, or an input with no number."""


class FormatError(MgraphError):
    """What another tool made cannot be imported, or its format cannot hold a document."""


class DrawError(MgraphError):
    """A picture that cannot be drawn. What to do about it is said in Python's words, and in the command line's."""

    def __init__(self, problem: str, *, python: str = "", command: str = "") -> None:
        super().__init__(f"{problem}; {python}" if python else problem)
        self.on_command_line = printable(f"{problem}; {command}" if command else problem)
        """The message with what to do in the words of the command line."""


_TREE = (MgraphError, DocumentError, VersionError, CycleError, FileError, ReplayError, FormatError, DrawError)
for _error in _TREE:
    _error.__module__ = "mgraph"


def printable(text: str) -> str:
    """A text on one line that cannot command a terminal: control, format and unassigned characters are escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(value: object, limit: int = 60) -> str:
    """Quote ``value`` for a message: printable, one line, at most about ``limit`` characters."""
    if isinstance(value, str) and len(value) > limit:
        return f"{value[: limit - 20]!r}… ({len(value):,} characters)"
    try:
        text = printable(repr(value))
    except (ValueError, RecursionError):  # Python writes no integer of more than 4,300 digits
        return f"an integer of {value.bit_length():,} bits" if isinstance(value, int) else f"<{type(value).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def some(names: Sequence[str]) -> str:
    """Some names for a message: the first eight."""
    return ", ".join(map(shown, names[:8])) + ", …" * (len(names) > 8)


def repeated(keys: Iterable[Hashable]) -> tuple[int, int] | None:
    """The places of the first key that has been there before: where it was, and where it is again."""
    seen: dict[Hashable, int] = {}
    for k, key in enumerate(keys):
        if seen.setdefault(key, k) != k:
            return seen[key], k
    return None


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`` Did you mean 'tanh'?`` for a near miss among ``allowed``, upper and lower case alike, else an empty string."""
    from difflib import get_close_matches

    # difflib is quadratic: look at a bounded number of candidates of a bounded length.
    candidates = {each.casefold(): each for each in islice(allowed, 1_000) if len(each) <= 60}
    found = get_close_matches(word[:60].casefold(), candidates, n=1, cutoff=0.6)
    return f" Did you mean {shown(candidates[found[0]])}?" if found else ""
