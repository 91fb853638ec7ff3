"""Commands that look and compare: verify, info, validate and diff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mgraph.cli.options import FILE, JSON, PICTURE, ULPS, all_opened, of_option, opened, put
from mgraph.cli.terminal import complain, say, show, show_json, width, working
from mgraph.errors import MgraphError

if TYPE_CHECKING:
    from mgraph.api import Entry


def _entries(file: str, may_be_none: bool = False) -> tuple[list[Entry], bool]:
    """The graphs in a file, and whether it, or the name given, stands for one graph; else it is a whole notebook."""
    from mgraph.files.atomic import display

    entries = all_opened(file, may_be_none)
    whole = [entry.name for entry in entries] == [display(file)]
    if whole and entries[0].error is not None:
        raise entries[0].error
    return entries, whole


@click.command()
@FILE
@ULPS
@click.option("--strict", is_flag=True, help="Let the distance of a full replay count too.")
@click.option("--no-differences", is_flag=True, help="Leave out the finite differences.")
@JSON
def verify(file: str, ulps: int | None, strict: bool, no_differences: bool, as_json: bool) -> int:
    """Check every number that FILE records.

    First, does each follow from the recorded numbers it was made of; then, how far does a full replay from the
    leaves end up; last, do finite differences agree with the gradients. The verdict rests on the first (with
    --strict on the second too) and on gradients that finite differences refute. Exit status 1 if it fails.

    Of a notebook, every graph is checked.
    """
    from mgraph.cli import reports

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
            lines = reports.report_lines(report)
            show(lines if whole else [reports.heading(entry.name, entry.place, entry.graph), *lines, ""])
    if as_json:
        show_json(found[0] if whole else {"file": file, "graphs": found})
    return status


@click.command()
@FILE
@JSON
def info(file: str, as_json: bool) -> int:
    """Say what is in FILE: counts, leaves, digests.

    Of a notebook, the graphs that its outputs carry, by their numbers.
    """
    from mgraph.cli import reports

    entries, whole = _entries(file, may_be_none=True)
    with working(f"counting {file}"):
        if whole:
            assert entries[0].graph is not None
            found: dict[str, Any] = reports.facts(entries[0].graph)
        else:
            found = {"graphs": [reports.entry(each) for each in entries]}
    if as_json:
        show_json({"file": file.encode(errors="replace").decode(), **found})
    elif whole:
        show(reports.facts_lines(found, width()))
    else:
        show(reports.entry_lines(file, entries, width()))
    for each in entries:
        if each.error is not None:
            complain(each.error)
    return 2 if any(each.error is not None for each in entries) else 0


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True))
def validate(files: tuple[str, ...]) -> int:
    """Check each FILE against the format.

    Of a notebook, every graph that it carries.
    """
    from mgraph.document.model import VERSION

    failed = False
    for file in files:
        try:
            entries, whole = _entries(file)
        except MgraphError as error:
            complain(error)
            failed = True
            continue
        for entry in entries:
            if entry.graph is None:
                complain(entry.error)
                failed = True
            else:
                name = file if whole else entry.name
                count = f"{len(entry.graph):,} node{'s' * (len(entry.graph) != 1)}"
                show([f"{name}: a valid document of format {VERSION}, {count}"])
    return 2 if failed else 0


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
    from mgraph.cli import diff_report
    from mgraph.files import atomic

    if old == new == atomic.STANDARD:
        raise click.UsageError("A and B would both read standard input")
    before, after = opened(old), opened(new)
    with working("comparing"):
        found = before.diff(after)
    if draw:
        with working("drawing"):
            drawn = before.draw_diff(after, found).to_bytes(draw)
        put({draw: drawn})
    if as_json:
        show_json({"a": old, "b": new, **diff_report.as_json(found)})
    else:
        show(diff_report.lines(found, width()))
    if draw:
        say(f"drawn: {draw}")
    return 0 if found.same else 1
