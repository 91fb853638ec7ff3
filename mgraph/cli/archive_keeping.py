"""``archive keep``: what files hold, each graph with the name under which it will be kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from mgraph.archive import reading
from mgraph.archive.keeping import Offer
from mgraph.archive.parcels import Parcel, prepared
from mgraph.archive.references import name_of, parsed
from mgraph.cli.outcomes import messages, opened
from mgraph.cli.processes import in_order
from mgraph.cli.terminal import working
from mgraph.document.collector import collector_paused
from mgraph.errors import FileError, MgraphError
from mgraph.files.atomic import STANDARD, display
from mgraph.formats.finding import ENDINGS, Found, find
from mgraph.formats.opening import split


class Ready(NamedTuple):
    """A graph of a file, ready to be kept, or what is wrong with it."""

    said: str
    """What to call it in a message: ``lesson.ipynb#2``."""
    name: str
    place: str
    parcel: Parcel | None
    problem: str = ""


@collector_paused()
def offers(
    paths: Sequence[str], called: str | None, jobs: int, pass_over: bool = False
) -> tuple[list[Offer], list[str], int]:
    """What to keep, what is wrong with the rest, and how many files were passed over: below folders, or with
    ``pass_over`` anywhere.

    All are versions of the name ``called``, if that is given.
    """
    with working("looking for files"):
        found, others = find(paths)
    made: list[Offer] = []
    problems: list[str] = []
    empty = dict.fromkeys(others)
    holders: dict[str, tuple[bytes, str]] = {}
    for each, ready in zip(found, _all_ready(found, jobs, pass_over), strict=True):
        if ready is None:
            others[each.folder or ""] += 1
        else:
            empty.pop(each.folder or "", None)
        for one in ready or ():
            name = one.name if called is None else called
            problem = one.problem or ("" if called is not None else _problem(one, name, holders))
            if problem:
                problems.append(problem)
            elif one.parcel is not None:
                where = {"file": display(each.path)} | ({"place": one.place} if one.place else {})
                made.append(Offer(one.parcel, name, where))
    problems += [f"{display(folder)}: no graph below this folder" for folder in empty]
    return made, problems, others.total()


def _all_ready(found: Sequence[Found], jobs: int, pass_over: bool) -> list[list[Ready] | None]:
    each_of = partial(ready_of, pass_over=pass_over)
    elsewhere = in_order(each_of, [each for each in found if each.path != STANDARD], jobs)
    ready = []
    for each in found:
        with working(f"reading {display(each.path)}"):
            ready.append(each_of(each) if each.path == STANDARD else next(elsewhere))
    return ready


def ready_of(found: Found, pass_over: bool) -> list[Ready] | None:
    """The graphs of a file; None if it is passed over, since it does not claim to hold any."""
    entries = opened(found, pass_over)
    if entries is None:
        return None
    ready = []
    for entry in entries:
        name = _name(found, entry.name)
        try:
            if entry.error is not None:
                raise entry.error
            assert entry.graph is not None
            ready.append(Ready(entry.name, name, entry.place, prepared(entry.graph._wiring)))
        except MgraphError as error:
            ready.append(Ready(entry.name, name, entry.place, None, messages(error)[0]))
    return ready


def _name(found: Found, said: str) -> str:
    """The path from the folder that was named, without its ending; a notebook's graph by its title or number behind
    that. What is kept in another archive keeps its name."""
    kept = None if found.folder else reading.place(found.path)
    if kept is not None:
        return parsed(kept.reference or said.rpartition("#")[2]).name
    if found.path == STANDARD:
        return ""
    file, wanted = split(found.path)
    path = file[len(found.folder) :].lstrip(os.sep) if found.folder else os.path.basename(file)  # noqa: PTH119
    part = said.removeprefix(display(file)).removeprefix("#") or wanted
    return name_of(_without_ending(path.replace(os.sep, "/")) + (f"/{part}" if part else ""))


def _without_ending(path: str) -> str:
    short = path[:-3] if path.lower().endswith(".gz") else path
    return next((short[: -len(end)] for end in (*ENDINGS, ".html") if short.lower().endswith(end)), short)


def _problem(one: Ready, name: str, holders: dict[str, tuple[bytes, str]]) -> str:
    """Why a graph cannot be kept under its file's name."""
    if not name:
        return f"{one.said}: it has no name; choose one: --as NAME"
    assert one.parcel is not None
    digest, before = holders.setdefault(name, (one.parcel.digest, one.said))
    if digest != one.parcel.digest:
        return f"{one.said}: it would be kept as {name}, as would {before}, which is another graph; --as names it"
    return ""


def refused(problems: Sequence[str], ready: int) -> FileError:
    """That nothing was kept."""
    return FileError(f"nothing was kept: {len(problems):,} refused, {ready:,} could be kept without")
