"""``mgraph archive``: argv over the methods of :class:`mgraph.Archive`. SQLAlchemy is imported when one is opened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from mgraph.archive.reading import DEFAULT
from mgraph.cli import many
from mgraph.cli.archive_options import ARCHIVE, REFERENCE, Age, chosen, print_blocks
from mgraph.cli.archive_upkeep import UPKEEP
from mgraph.cli.options import DESTINATION, JSON, PICTURE, put
from mgraph.cli.processes import MOST
from mgraph.cli.terminal import complain, show, show_json, working
from mgraph.errors import shown

if TYPE_CHECKING:
    from mgraph.showing.blocks import Block


def _name(reference: str) -> str:
    from mgraph.archive.references import parsed

    return parsed(reference).name


def _pairs(_ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """The labels that texts such as ``author=ada`` mean."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{shown(text)} is not KEY=VALUE")
        found[key] = value
    return found


@click.command()
@click.argument("url", metavar="ARCHIVE", envvar=DEFAULT)
def init(url: str) -> None:
    """Make an archive, unless there is one."""
    from mgraph.archive import reading

    with reading.opened(url, create=True) as made:
        show([f"ready: {made.name}"])


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(allow_dash=True))
@ARCHIVE
@click.option("--as", "called", metavar="NAME", help="Keep all as versions of NAME, in their order.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Let TAG point at each version.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", callback=_pairs, help="Label each name.")
@click.option("--note", default="", metavar="TEXT", help="Why.")
@click.option("--compact", is_flag=True, help="Keep a training's steps as their leaves, where a replay restores them.")
@many.PASS_OVER
@click.option("--jobs", type=click.IntRange(1, MOST), default=1, metavar="N", help="Use N processes.")
def keep(paths: tuple[str, ...], url: str | None, called: str | None, pass_over: bool, jobs: int, **how: Any) -> int:
    """Keep every graph in PATH, all or none.

    PATH is a FILE, a folder, - for standard input, or @LIST, a file of paths; of a notebook every graph is kept. The
    name is the file's, from the folder on and without its ending; of a notebook's graph its title or number follows:
    lesson/loss, lesson/2. What a name holds already makes no new version.
    """
    with chosen(url) as (opened, _):
        from mgraph.archive import telling
        from mgraph.archive.references import checked
        from mgraph.cli import archive_keeping

        if called is not None:
            checked(called, "a name")
        if paths.count("-") > 1:
            raise click.UsageError("- (standard input) is there twice")
        offers, problems, passed_over = archive_keeping.offers(paths, called, jobs, pass_over)
        for problem in problems:
            complain(problem)
        if problems:
            raise archive_keeping.refused(problems, len(offers))
        with working("keeping"):
            receipts = opened.keep_all(offers, **how)
        if receipts:
            print_blocks(telling.receipts(receipts))
        show([telling.counts(receipts, passed_over)])
    return 0


@click.command("list")
@click.argument("pattern", default="")
@ARCHIVE
@JSON
def list_(pattern: str, url: str | None, as_json: bool) -> None:
    """List the names, or those of a PATTERN such as 'lesson/*'."""
    with chosen(url, pattern) as (opened, [wanted]):
        from mgraph.archive import telling

        found = opened.list(wanted)
        _print(found, as_json, lambda names: telling.listed(names, wanted))


def _print(found: Any, as_json: bool, blocks: Callable[[Any], list[Block]]) -> None:
    if as_json:
        show_json([each._asdict() for each in found])
    else:
        print_blocks(blocks(found))


@click.command()
@click.argument("query", nargs=-1)
@ARCHIVE
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="At most N.")
@click.option("--ranked", is_flag=True, help="The best fit first, not the newest.")
@JSON
def find(query: tuple[str, ...], url: str | None, limit: int, ranked: bool, as_json: bool) -> None:
    """Find documents by words, facts, and subgraphs.

    QUERY is words of titles, descriptions, names and nodes, and fields:
    op:tanh, input:x1, nodes:>100, name:lesson/*, tag:exam, label:author=ada, since:2026-01-31, verified:exact,
    failing:, like:neuron.json (shares subgraphs), contains:cell.json (as a subgraph), shape:#neuron, recipe:#neuron;
    combined by and, or, not and parentheses.
    """
    with chosen(url) as (opened, _):
        from mgraph.archive import telling

        with working("looking"):
            found = opened.find(" ".join(query), limit=limit + 1, ranked=ranked)
        _print(found[:limit] if as_json else found, as_json, lambda hits: telling.hits(hits, limit))


@click.command("show")
@REFERENCE
@ARCHIVE
@JSON
def show_(reference: str, url: str | None, as_json: bool) -> None:
    """Say what is known of a version: when, by whom, tags, verdict."""
    with chosen(url, reference) as (opened, [wanted]):
        from mgraph.archive import telling

        found = opened.show(wanted)
        if as_json:
            show_json(found._asdict() | {"verdict": found.verdict and found.verdict._asdict()})
        else:
            print_blocks(telling.details(found))


@click.command()
@REFERENCE
@ARCHIVE
@click.option("-o", "--output", "out", metavar="OUT", type=DESTINATION, default="-", help="[default: standard output]")
def get(reference: str, url: str | None, out: str) -> None:
    """Write a kept document to a file."""
    with chosen(url, reference) as (opened, [wanted]):
        put({out: opened.get(wanted).to_bytes()})


@click.command()
@REFERENCE
@click.argument("tag", metavar="TAG")
@ARCHIVE
@click.option("--off", is_flag=True, help="Take TAG off the name.")
def tag(reference: str, tag: str, url: str | None, off: bool) -> None:
    """Let TAG point at a version."""
    with chosen(url, reference) as (opened, [wanted]):
        if off:
            opened.untag(wanted, tag)
        else:
            opened.tag(wanted, tag)


@click.command()
@click.argument("name")
@click.argument("labels", metavar="KEY=VALUE...", nargs=-1, callback=_pairs)
@ARCHIVE
@click.option("--off", multiple=True, metavar="KEY", help="Take a label off.")
def label(name: str, labels: dict[str, str], url: str | None, off: tuple[str, ...]) -> None:
    """Give a name's labels a value."""
    if not labels and not off:
        raise click.UsageError("name a label: KEY=VALUE, or --off KEY")
    if both := sorted(set(labels) & set(off)):
        raise click.UsageError(f"the label {shown(both[0])} is to be set and taken off")
    with chosen(url, name) as (opened, [wanted]):
        opened.label(wanted, {**dict.fromkeys(off), **labels})


@click.command()
@click.argument("name", required=False)
@ARCHIVE
@click.option("--verdicts", is_flag=True, help="Say since when NAME holds, and the first version that broke it.")
@JSON
def log(name: str | None, url: str | None, verdicts: bool, as_json: bool) -> None:
    """Say what was done to NAME, or to all, the oldest first."""
    if verdicts and name is None:
        raise click.UsageError("--verdicts needs a NAME")
    with chosen(url, *([] if name is None else [name])) as (opened, names):
        from mgraph.archive import telling

        wanted = names[0] if names else None
        if verdicts and wanted is not None:
            _print(opened.verdicts(wanted), as_json, lambda found: telling.verdicts(wanted, found))
        else:
            _print(opened.log(wanted), as_json, lambda found: telling.log(found, wanted is None))


@click.command()
@click.argument("old", metavar="REFERENCE")
@click.argument("new", metavar="[REFERENCE]", required=False)
@ARCHIVE
@JSON
@click.option("--draw", metavar="PICTURE", type=click.Path(), help=f"Draw both in one, changes coloured. {PICTURE}")
def diff(old: str, new: str | None, url: str | None, as_json: bool, draw: str | None) -> int:
    """Say what changed from one version to another.

    With one REFERENCE, from the version before it to that. Exit status 0 if both are the same computation, 1 if not.
    """
    from mgraph.cli.checking import compared

    with chosen(url, old, *([] if new is None else [new])) as (opened, names):
        if len(names) == 1:
            found = opened.show(names[0])
            if found.parent is None:
                raise click.UsageError(f"{found.name}@{found.number} is the first version; name another")
            pair = [f"{found.name}@{found.parent}", f"{found.name}@{found.number}"]
        else:
            pair = names
        before, after = map(opened.get, pair)
    return compared(pair[0], before, pair[1], after, as_json, draw)


@click.command()
@click.argument("query", nargs=-1)
@ARCHIVE
@click.option("--max-age", type=Age(), metavar="AGE", help="Leave out what was judged within 12h, 30d or 8w.")
@click.option("--no-differences", is_flag=True, help="Leave out the finite differences.")
@click.option("--jobs", type=click.IntRange(1, MOST), default=1, metavar="N", help="Use N processes.")
@click.option("-q", "--quiet", is_flag=True, help="Print failures and counts only.")
@JSON
@many.JUNIT
def verify(query: tuple[str, ...], url: str | None, max_age: timedelta | None, no_differences: bool, **how: Any) -> int:
    """Recompute what is kept, and keep the verdicts.

    QUERY is that of mgraph archive find; without one, all. What was interrupted goes on where it was when it is
    called again. Exit status 1 if the numbers of any differ, be it judged now or before; mgraph archive log NAME
    --verdicts says since when.
    """
    with chosen(url) as (opened, _):
        from mgraph.cli import archive_verifying

        wanted = many.Options(pass_over=False, **how)
        return archive_verifying.verify(opened, " ".join(query), not no_differences, max_age, wanted)


@click.command()
@REFERENCE
@ARCHIVE
@click.option("--undo", is_flag=True, help="Take the tombstone away again.")
def forget(reference: str, url: str | None, undo: bool) -> None:
    """Put a tombstone on a version, or on all of a name.

    What is forgotten is not found, listed or verified. Until it is pruned, --undo brings it back.
    """
    with chosen(url, reference) as (opened, [wanted]):
        numbers = opened.forget(wanted, undo=undo)
        show([f"{'remembered' if undo else 'forgotten'}: {', '.join(f'{_name(wanted)}@{each}' for each in numbers)}"])


@click.command()
@ARCHIVE
@click.option("--older-than", "age", type=Age(), required=True, metavar="AGE", help="Such as 12h, 30d or 8w.")
def prune(url: str | None, age: timedelta) -> None:
    """Remove for good what was forgotten longer ago."""
    with chosen(url) as (opened, _):
        from mgraph.archive.moments import ago

        versions, documents = opened.prune(ago(age))
        show([f"removed: {versions:,} version{'s' * (versions != 1)}, {documents:,} document{'s' * (documents != 1)}"])


COMMANDS = (init, keep, list_, find, show_, get, tag, label, log, diff, verify, forget, prune, *UPKEEP)
