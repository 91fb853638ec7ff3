"""``mgraph archive check``, ``export``, ``import``, ``copy`` and ``upgrade``: an archive as a whole."""

from __future__ import annotations

from contextlib import ExitStack
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from mgraph.cli.archive_options import ARCHIVE, chosen
from mgraph.cli.options import JSON
from mgraph.cli.terminal import show, show_json, width, working
from mgraph.showing.blocks import Styled

if TYPE_CHECKING:
    from mgraph.archive.archive import Archive
    from mgraph.archive.checkup import Checkup


@click.command()
@ARCHIVE
@click.option(
    "--level", type=click.IntRange(1, 4), default=3, show_default=True, metavar="1..4", help="How thoroughly."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N documents: those longest unchecked.")
@click.option("--repair", is_flag=True, help="Replace damaged documents by those of OTHER.")
@click.option("--from", "other", metavar="OTHER", help="The archive to repair from.")
@JSON
def check(url: str | None, level: int, limit: int | None, repair: bool, other: str | None, as_json: bool) -> int:
    """Check that what is kept is what was kept.

    Level 1 checks the database and its references; 2 also the digest of each document; 3 also what is derived from
    it, such as its title and the search index; 4 also recomputes it, and keeps the verdict. What was not checked is
    said. Exit status 0 if nothing is wrong or all was repaired, 1 if anything is, 2 if it cannot be checked.
    """
    if repair != (other is not None):
        raise click.UsageError("--repair and --from OTHER go together")
    with ExitStack() as stack:
        name, found = _checked(url, level, limit, None if other is None else stack.enter_context(_opened(other)))
    if as_json:
        facts = {"archive": name, "level": found.level, "documents": found.documents, "ok": found.ok}
        show_json({**facts, "faults": [each._asdict() for each in found.faults], "unchecked": found.unchecked})
    else:
        _tell(found)
    return int(not found.ok)


def _checked(url: str | None, level: int, limit: int | None, source: Archive | None) -> tuple[str, Checkup]:
    from mgraph.archive.sqlite_file import Damaged
    from mgraph.files.atomic import display

    try:
        with chosen(url) as (opened, _), working(f"checking {opened.name}"):
            return opened.name, opened.check(level, limit=limit, repair=source)
    except Damaged as error:
        from mgraph.archive.checkup import unreadable

        return display(url or ""), unreadable(error)


def _tell(found: Checkup) -> None:
    from mgraph.archive import telling

    *paragraphs, verdict = telling.checkup(found)
    for text in paragraphs:
        _say(text)
    show([Styled(verdict, "good" if found.ok else "bad")])


def _say(text: str) -> None:
    show(wrap(text, width(), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))


def _opened(url: str) -> Archive:
    from mgraph.archive import reading

    return reading.opened(url)


@click.command()
@click.argument("target", metavar="DIR|ZIP", type=click.Path())
@ARCHIVE
def export(target: str, url: str | None) -> None:
    """Write everything as plain files to a new folder, or a .zip.

    It is a BagIt bag with RO-Crate metadata: every document as JSON; names, versions, tags, labels, log and verdicts
    as JSON lines; a checksum of each file. The same archive makes the same bytes every time.
    """
    from mgraph.files.atomic import display

    with chosen(url) as (opened, _):
        with working(f"exporting {opened.name}"):
            count = opened.export(target)
        _say(f"{opened.name} → {display(target)}: {count:,} document{'s' * (count != 1)}")


@click.command("import")
@click.argument("bag", metavar="BAG", type=click.Path())
@ARCHIVE
def import_(bag: str, url: str | None) -> None:
    """Bring in what export wrote, all or nothing.

    What the archive holds already stays as it is. A BAG whose manifest disagrees with a file of it, or in which a
    version is another document than here, is refused.
    """
    from mgraph.archive import telling
    from mgraph.files.atomic import display

    with chosen(url) as (opened, _):
        with working(f"importing {display(bag)}"):
            found = opened.import_(bag)
        _say(f"{display(bag)} → {opened.name}: {telling.brought(found._asdict())}")


@click.command()
@click.argument("other", metavar="OTHER")
@ARCHIVE
def copy(other: str, url: str | None) -> None:
    """Bring everything from ARCHIVE into OTHER, all or nothing.

    ARCHIVE is what --archive or MGRAPH_ARCHIVE names; OTHER must be there (mgraph archive init OTHER). What OTHER
    holds already stays as it is; if a version is another document there, nothing is copied.
    """
    from mgraph.archive import telling

    with chosen(url) as (opened, _), _opened(other) as target:
        with working(f"copying {opened.name}"):
            found = opened.copy(target)
        _say(f"{opened.name} → {target.name}: {telling.brought(found._asdict())}")


@click.command()
@ARCHIVE
def upgrade(url: str | None) -> None:
    """Bring the tables of an older mgraph to this version.

    A file is upgraded by whatever opens it, after a copy beside it; a PostgreSQL database by this command alone, when
    nobody else uses it.
    """
    with chosen(url, upgrade=True) as (opened, _):
        before = opened.upgraded_from
        what = "there is nothing to upgrade" if before is None else f"upgraded from version {before} of the tables"
        _say(f"{opened.name}: {what}")


UPKEEP = (check, export, import_, copy, upgrade)
