"""``verify``, ``validate`` and ``info`` of many files at once: a line for each graph, and counts at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from mgraph.cli.outcomes import NOTHING, Judge, Outcome, judged, unreadable
from mgraph.cli.processes import MOST, in_order
from mgraph.cli.terminal import complain, file_in_json, say, show, show_json, working
from mgraph.errors import FileError
from mgraph.showing.as_text import cells
from mgraph.showing.blocks import Line, Styled

if TYPE_CHECKING:
    from mgraph.formats.finding import Found

KINDS = {
    "exact": ("exact", "exact"),
    "within": ("within tolerance", "within tolerance"),
    NOTHING: ("with nothing recorded", "with nothing recorded"),
    "valid": ("valid", "valid"),
    "graph": ("graph", "graphs"),
    "differs": ("differs", "differ"),
    "not replayed": ("not replayed", "not replayed"),
    "invalid": ("invalid", "invalid"),
    "unreadable": ("unreadable", "unreadable"),
    "damaged": ("damaged", "damaged"),
    "other": ("other file passed over", "other files passed over"),
}
"""What graphs and files are counted as: the words for one and for several, in the order of the last line."""
NAMES = 48
"""Columns for names at most; a longer one pushes what follows it to the right."""

PATHS = click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(allow_dash=True))
JUNIT = click.option("--junit", metavar="FILE", type=click.Path(), help="Write JUnit XML, which CI systems read.")
PASS_OVER = click.option("--pass-over", is_flag=True, help="Pass over a PATH that holds no graph, as below a folder.")
F = TypeVar("F", bound=Callable[..., int])


class Options(NamedTuple):
    """How files are gone through, and what is told of them."""

    jobs: int
    quiet: bool
    pass_over: bool
    as_json: bool
    junit: str | None = None

    def one(self, paths: Sequence[str]) -> str | None:
        """The file, if ``paths`` are one file and nothing asks for lines and counts."""
        from mgraph.files.atomic import is_folder

        several = len(paths) > 1 or paths[0].startswith("@") or is_folder(paths[0])
        return None if several or self.quiet or self.pass_over or self.junit else paths[0]


def options(command: F) -> F:
    """The options of a command that goes through files."""
    for option in (
        PASS_OVER,
        click.option("-q", "--quiet", is_flag=True, help="Print failures and counts only."),
        click.option("--jobs", type=click.IntRange(1, MOST), default=1, metavar="N", help="Use N processes."),
    ):
        command = option(command)
    return command


def go_through(what: str, paths: Sequence[str], judge: Judge, wanted: Options) -> int:
    """Judge every graph in the files that ``paths`` mean, tell of each, and count. Returns the exit status."""
    from mgraph.files.atomic import display
    from mgraph.formats.finding import find

    if paths.count("-") > 1:
        raise click.UsageError("- (standard input) is there twice")
    with working("looking for files"):
        found, others = find(paths)
    names = [display(each.path) + " #title" * each.path.endswith(".ipynb") for each in found]
    return tell_all(what, names, _outcomes(found, others, judge, wanted), wanted, others, "no files")


def tell_all(
    what: str, names: Iterable[str], found: Iterable[Outcome], wanted: Options, others: Counter[str], nothing: str
) -> int:
    """Tell of each outcome as it comes, and count; ``nothing`` says that there were none.

    ``names`` are about as wide as theirs will be, ``others`` are files that are only counted.
    """
    from mgraph.cli import junit
    from mgraph.cli.options import put

    if wanted.junit == "-":
        raise click.UsageError("--junit needs a file; standard output has the lines")
    tell = _json_line if wanted.as_json else _Table(what, names).tell
    counts: Counter[str] = Counter()
    status, outcomes = 0, []
    for outcome in found:
        counts[outcome.kind] += 1
        status = max(status, outcome.status)
        if outcome.status or not wanted.quiet:
            tell(outcome)
        if wanted.junit:
            outcomes.append(outcome)
    counts["other"] = others.total()
    told = [f"{counts[kind]:,} {words[counts[kind] != 1]}" for kind, words in KINDS.items() if counts[kind]]
    (say if wanted.as_json else _show)(", ".join(told) or nothing)
    if wanted.junit:
        put({wanted.junit: junit.document(f"mgraph {what}", outcomes)})
    return status


def _outcomes(found: list[Found], others: Counter[str], judge: Judge, wanted: Options) -> Iterator[Outcome]:
    """Of each file in turn; last, of the folders that were named and have no graph. Counts what is passed over."""
    from mgraph.files.atomic import display

    each_of = partial(judged, judge, wanted.pass_over)
    elsewhere = in_order(each_of, [each for each in found if each.path != "-"], wanted.jobs)
    empty = dict.fromkeys(others)
    for each in found:
        with working(f"reading {display(each.path)}"):
            outcomes = each_of(each) if each.path == "-" else next(elsewhere)
        if outcomes is None:
            others[each.folder or ""] += 1
        else:
            empty.pop(each.folder or "", None)
            yield from outcomes
    for folder in empty:
        name, count = display(folder), others[folder]
        error = FileError(f"{name}: no graph below this folder ({count:,} other file{'s' * (count != 1)})")
        yield unreadable(name, error)._replace(file=folder)


class _Table:
    """Lines for people: what could not be read to standard error, all else to standard output."""

    def __init__(self, what: str, names: Iterable[str]) -> None:
        self.what, self.begun = what, False
        self.width = min(NAMES, max(map(cells, names), default=0))

    def tell(self, outcome: Outcome) -> None:
        if outcome.status == 2:
            for line in outcome.lines if self.what == "validate" else outcome.lines[:1]:
                complain(line)
        elif self.what == "validate":
            _show(f"{outcome.name}: {outcome.says}")
        else:
            if not self.begun:
                last = "title" if self.what == "info" else "verdict"
                show([Styled(f"{'graph':<{self.width}}  {'nodes':>9}  {last}", "head")])
                self.begun = True
            space = " " * max(0, self.width - cells(outcome.name))
            style = "title" if self.what == "info" else "bad" if outcome.status else "good"
            row: Line = [f"{outcome.name}{space}  {outcome.nodes:>9,}  ", Styled(outcome.says, style)]
            show([row])


def _show(line: str) -> None:
    show([line])


def _json_line(outcome: Outcome) -> None:
    known: dict[str, Any] = {
        "file": file_in_json(outcome.file),
        "name": outcome.name,
        "place": outcome.place,
        "title": outcome.title,
        "status": outcome.status,
    }
    show_json(known | outcome.facts, indented=False)
