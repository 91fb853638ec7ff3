"""What becomes of the graphs in a file, when many files are gone through."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from mgraph.errors import ERRORS, DocumentError, FileError, MgraphError

if TYPE_CHECKING:
    from mgraph.api import Entry
    from mgraph.formats.finding import Found

NOTHING = "nothing recorded"
TITLE = re.compile(r"(?!\d+$)[\w.-]{1,24}")
"""A title by which a notebook's graph is called: a name that a shell takes as it is. By any other it has its number."""


class Outcome(NamedTuple):
    """What became of a graph, or of a file that could not be opened: plain data, which other processes can send."""

    name: str
    """What to call it: ``lesson.ipynb#loss``."""
    kind: str
    """What it is counted as: a key of :data:`mgraph.cli.many.KINDS`."""
    status: int
    """0, 1 if its numbers differ, 2 if it could not be read."""
    says: str
    """The verdict, the title, or what is wrong, in a line."""
    facts: dict[str, Any]
    """What the verb finds out, as JSON."""
    nodes: int = 0
    lines: tuple[str, ...] = ()
    """If it failed, the whole story."""
    file: str = ""
    place: str = ""
    title: str | None = None
    seconds: float = 0.0


Judge = Callable[["Entry"], Outcome]


def verified(entry: Entry, ulps: int | None, strict: bool, differences: bool) -> Outcome:
    """A graph's numbers checked. Raises what is wrong with a broken one."""
    from mgraph.cli import reports
    from mgraph.showing import as_text, results

    graph = _graph(entry)
    report = graph.verify(ulps, strict, finite_differences=differences)
    kinds = ("exact", "within", "differs", "not replayed", NOTHING)
    kind = next(kind for kind in kinds if report.verdict.startswith(kind))
    lines = () if report.ok else tuple(map(as_text.plain, as_text.lines(results.report(report))))
    facts = {key: value for key, value in reports.report_json("", report).items() if key != "file"}
    return Outcome(entry.name, kind, int(not report.ok), report.verdict, facts, len(graph), lines)


def validated(entry: Entry) -> Outcome:
    """A graph that breaks the format in nothing. Raises what is wrong with a broken one."""
    from mgraph.document.model import VERSION

    count = len(_graph(entry))
    says = f"a valid document of format {VERSION}, {count:,} node{'s' * (count != 1)}"
    return Outcome(entry.name, "valid", 0, says, {"valid": True, "nodes": count}, count)


def described(entry: Entry) -> Outcome:
    """What is in a graph. Raises what is wrong with a broken one."""
    from mgraph.cli import reports

    graph = _graph(entry)
    return Outcome(entry.name, "graph", 0, graph.title or "", reports.facts(graph), len(graph))


def _graph(entry: Entry) -> Any:
    if entry.error is not None:
        raise entry.error
    return entry.graph


def opened(found: Found, pass_over: bool = False) -> list[Entry] | None:
    """The graphs in a file, or one broken one if it cannot be read; None if it is passed over, since it does not claim
    to hold any."""
    from mgraph.api import Entry, contents, contents_if_claimed
    from mgraph.files.atomic import display
    from mgraph.formats.opening import EMPTY

    where = display(found.path)
    try:
        with _bounded(where):
            if found.error is not None:
                raise found.error
            entries = (contents_if_claimed if pass_over or found.folder else contents)(found.path)
            if entries == []:
                raise FileError(f"{where}: {EMPTY}")
    except MgraphError as error:
        return [Entry(where, "", None, error, 1)]
    return None if entries is None else named(where, entries)


def named(file: str, entries: list[Entry]) -> list[Entry]:
    """A notebook's graphs called by their titles, where these tell them apart and are easily typed."""
    titles = Counter(entry.graph.title for entry in entries if entry.graph is not None)

    def tells(title: str | None) -> bool:
        return title is not None and titles[title] == 1 and TITLE.fullmatch(title) is not None

    return [
        entry._replace(name=f"{file}#{entry.graph.title}")
        if entry.name != file and not _kept(entry) and entry.graph is not None and tells(entry.graph.title)
        else entry
        for entry in entries
    ]


def _kept(entry: Entry) -> bool:
    """Whether it is an archive's, which has a name of its own."""
    return entry.place.startswith("version")


def judged(judge: Judge, pass_over: bool, found: Found) -> list[Outcome] | None:
    """What becomes of each graph in a file; None if it is passed over."""
    start = perf_counter()
    entries = opened(found, pass_over)
    if entries is None:
        return None
    outcomes = []
    for entry in entries:
        try:
            with _bounded(entry.name):
                outcome = judge(entry)
        except MgraphError as error:
            outcome = unreadable(entry.name, error)
        title = None if entry.graph is None else entry.graph.title
        end = perf_counter()
        outcomes.append(outcome._replace(file=found.path, place=entry.place, title=title, seconds=end - start))
        start = end
    return outcomes


@contextmanager
def _bounded(name: str) -> Iterator[None]:
    """Say that it is ``name`` which is too large or too deep for this machine. Raises FileError."""
    try:
        yield
    except RecursionError:
        raise FileError(f"{name}: it nests too deep") from None
    except MemoryError:
        raise FileError(f"{name}: not enough memory") from None


def unreadable(name: str, error: MgraphError) -> Outcome:
    """A file or a graph that could not be read, and why."""
    kind = "invalid" if isinstance(error, DocumentError) else "unreadable"
    lines = messages(error)
    return Outcome(name, kind, 2, lines[0], {"errors": lines}, lines=tuple(lines))


def messages(error: MgraphError) -> list[str]:
    """All that is told of an error in a file."""
    if not isinstance(error, DocumentError):
        return [str(error)]
    for other in error.others:
        other.file = error.file
    more = [f"{error.file}: only the first {ERRORS} errors are told"] if len(error.others) == ERRORS - 1 else []
    return [str(error), *map(str, error.others), *more]
