"""Commands that look and compare: verify, info, validate and diff."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mgraph.cli import many, outcomes
from mgraph.cli.options import JSON, PICTURE, ULPS, all_opened, of_option, opened, put
from mgraph.cli.terminal import complain, file_in_json, say, show, show_json, width, working
from mgraph.errors import MgraphError

if TYPE_CHECKING:
    from mgraph.api import Entry
    from mgraph.graph import Graph


def _entries(file: str, may_be_none: bool = False) -> tuple[list[Entry], bool]:
    """The graphs in a file, and whether it, or the name given, stands for one graph; else it is a whole notebook."""
    from mgraph.files.atomic import display

    entries = all_opened(file, may_be_none)
    whole = [entry.name for entry in entries] == [display(file)]
    if whole and entries[0].error is not None:
        raise entries[0].error
    return entries, whole


@click.command()
@many.PATHS
@ULPS
@click.option("--strict", is_flag=True, help="Let the distance of a full replay count too.")
@click.option("--no-differences", is_flag=True, help="Leave out the finite differences.")
@JSON
@many.options
@many.JUNIT
def verify(paths: tuple[str, ...], ulps: int | None, strict: bool, no_differences: bool, **how: Any) -> int:
    """Check every number that the graphs in PATH record.

    First, does each follow from the recorded numbers it was made of; then, how far does a full replay from the
    leaves end up; last, do finite differences agree with the gradients. The verdict rests on the first (with
    --strict on the second too) and on gradients that finite differences refute. Exit status 1 if it fails.

    PATH is a FILE, a folder, or @LIST, a file of paths, one a line. Of a notebook, every graph is checked; below a
    folder, every file that holds one. Of several, a line is printed for each and counts at the end, and exit status 2
    (something could not be read) wins over 1.
    """
    wanted = many.Options(**how)
    file = wanted.one(paths)
    if file is not None:
        return _verify(file, ulps, strict, no_differences, wanted.as_json)
    judge = partial(outcomes.verified, ulps=ulps, strict=strict, differences=not no_differences)
    return many.go_through("verify", paths, judge, wanted)


def _verify(file: str, ulps: int | None, strict: bool, no_differences: bool, as_json: bool) -> int:
    from mgraph.cli import reports
    from mgraph.showing import results
    from mgraph.showing.as_text import lines

    entries, whole = _entries(file)
    status, found = 0, []
    for entry in entries:
        if entry.graph is None:
            complain(entry.error)
            status = 2
            continue
        with working(f"checking {entry.name}"), of_option("--ulps"):
            report = entry.graph.verify(ulps, strict, finite_differences=not no_differences)
        status = max(status, int(not report.ok))
        found.append(reports.report_json(entry.name, report))
        if not as_json:
            found_lines = lines(results.report(report))
            show(found_lines if whole else [reports.heading(entry.name, entry.place, entry.graph), *found_lines, ""])
    if as_json:
        show_json(found[0] if whole else {"file": file_in_json(file), "graphs": found})
    return status


@click.command()
@many.PATHS
@JSON
@many.options
def info(paths: tuple[str, ...], **how: Any) -> int:
    """Say what is in PATH: counts, leaves, digests.

    Of a notebook, the graphs that its outputs carry, by their numbers. Of several PATHs, a folder, or @LIST, a line for
    each graph; mgraph verify --help says which files these are.
    """
    wanted = many.Options(**how)
    file = wanted.one(paths)
    if file is not None:
        return _info(file, wanted.as_json)
    return many.go_through("info", paths, outcomes.described, wanted)


def _info(file: str, as_json: bool) -> int:
    from mgraph.cli import reports
    from mgraph.files.atomic import display

    entries, whole = _entries(file, may_be_none=True)
    with working(f"counting {display(file)}"):
        if whole:
            assert entries[0].graph is not None
            found: dict[str, Any] = reports.facts(entries[0].graph)
        else:
            found = {"graphs": [reports.entry(each) for each in entries]}
    if as_json:
        show_json({"file": file_in_json(file), **found})
    elif whole:
        show(reports.facts_lines(found, width()))
    else:
        show(reports.entry_lines(file, entries, width()))
    for each in entries:
        if each.error is not None:
            complain(each.error)
    return 2 if any(each.error is not None for each in entries) else 0


@click.command()
@many.PATHS
@JSON
@many.options
@many.JUNIT
def validate(paths: tuple[str, ...], **how: Any) -> int:
    """Check the documents in PATH against the format.

    Every error of a document is told. Of a notebook, every graph that it carries is checked; of several PATHs, a
    folder, or @LIST, a line is printed for each graph, and counts at the end. mgraph verify --help says which files
    these are.
    """
    wanted = many.Options(**how)
    file = wanted.one(paths)
    if file is None or wanted.as_json:
        return many.go_through("validate", paths, outcomes.validated, wanted)
    status = 0
    try:
        entries, whole = _entries(file)
    except MgraphError as error:
        return _complain_of_all(error)
    for entry in entries:
        if entry.error is not None:
            status = _complain_of_all(entry.error)
        else:
            show([f"{file if whole else entry.name}: {outcomes.validated(entry).says}"])
    return status


def _complain_of_all(error: MgraphError) -> int:
    for line in outcomes.messages(error):
        complain(line)
    return 2


@click.command()
@click.argument("old", metavar="A", type=click.Path(allow_dash=True))
@click.argument("new", metavar="B", type=click.Path(allow_dash=True))
@JSON
@click.option("--draw", metavar="PICTURE", type=click.Path(), help=f"Draw both in one, changes coloured. {PICTURE}")
def diff(old: str, new: str, as_json: bool, draw: str | None) -> int:
    """Say what changed from A to B, and what moved.

    What was changed (an op, an operand, a leaf's number) is told apart from the numbers that moved because of it.
    Nodes are matched by id, else by structure: names and the order of nodes do not matter. Exit status 0 if A and B
    are the same computation, 1 if not.
    """
    from mgraph.files import atomic

    if old == new == atomic.STANDARD:
        raise click.UsageError("A and B would both read standard input")
    return compared(old, opened(old), new, opened(new), as_json, draw)


def compared(old: str, before: Graph, new: str, after: Graph, as_json: bool, draw: str | None) -> int:
    """Say what changed. Returns the exit status."""
    from mgraph.cli import diff_report
    from mgraph.showing import differences
    from mgraph.showing.as_text import lines

    with working("comparing"):
        found = before.diff(after)
    if draw:
        with working("drawing"), of_option("--draw"):
            drawn = before.draw_diff(after, found).to_bytes(draw)
        put({draw: drawn})
    if as_json:
        show_json({"a": file_in_json(old), "b": file_in_json(new), **diff_report.as_json(found)})
    else:
        show(lines(differences.diff(found), width()))
    if draw:
        say(f"drawn: {draw}")
    return 0 if found.same else 1
