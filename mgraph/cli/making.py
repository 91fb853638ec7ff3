"""Commands that make something of a graph: draw, gradient, export, extract and edit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mgraph.cli.options import (
    DESTINATION,
    FILE,
    OUT,
    SAVE,
    all_opened,
    draw_options,
    named,
    opened,
    put,
    refuse_carrier,
)
from mgraph.cli.terminal import complain, say, working
from mgraph.errors import FileError, nearest, shown
from mgraph.formats import TARGETS

if TYPE_CHECKING:
    from mgraph.drawing.display import Drawing
    from mgraph.graph import Graph


@click.command()
@FILE
@click.argument("picture_path", metavar="PICTURE", type=click.Path())
@OUT
@draw_options
def draw(
    file: str, picture_path: str, outputs: tuple[str, ...], timeout: float, no_embed: bool, **options: Any
) -> None:
    """Draw the numbers that FILE records.

    PICTURE ends in .svg, .png, .pdf or .dot. A number that is not recorded is drawn as a question mark; mgraph run
    --draw draws what a replay computes. --out NAME draws only what NAME needs. An SVG or PNG carries the document: it
    can be a FILE itself.
    """
    from mgraph.api import picture

    graph = opened(file)
    if outputs:
        graph = graph.slice(named(graph, "--out", outputs))
    with working("drawing"):
        drawing = graph.draw(**options)
        picture(drawing, picture_path, timeout, embed=not no_embed)
    say(f"drawn: {picture_path}{_more(graph, drawing)}")


def _more(graph: Graph, drawing: Drawing) -> str:
    """What a picture with collapsed scopes leaves out, and how to see more."""
    if not drawing.folded:
        return ""
    how = "--collapse N opens scopes to level N, --out NAME draws a part"
    return f" ({len(graph):,} nodes in {drawing.boxes:,} boxes; {how})"


@click.command()
@FILE
@click.option("--of", metavar="NAME", help="What to differentiate.  [default: the outputs, times their seeds]")
@click.option("--wrt", metavar="NAME", multiple=True, help="With respect to what.  [default: inputs and parameters]")
@click.option("--second", is_flag=True, help="The second derivatives (the Hessian's upper triangle).")
@SAVE
def gradient(file: str, of: str | None, wrt: tuple[str, ...], second: bool, save: str) -> None:
    """Make the document that computes the gradient of FILE.

    It can be replayed with other inputs, drawn, and differentiated again.
    """
    graph = opened(file)
    refuse_carrier(file, save, "--save")
    of = None if of is None else named(graph, "--of", [of])[0]
    leaves = named(graph, "--wrt", wrt) or None
    with working("differentiating"):
        derived = graph.hessian(of, leaves) if second else graph.gradient(of, leaves)
        made = derived.to_bytes()
    _write(save, made)


@click.command()
@FILE
@click.option(
    "--to",
    "target",
    type=click.Choice(list(TARGETS)),
    metavar="FORMAT",
    required=True,
    help=f"One of {', '.join(TARGETS)}.",
)
@click.option("--prefix", metavar="NAME", help="What names of c and c-header begin with.  [default: mgraph]")
@SAVE
def export(file: str, target: str, prefix: str | None, save: str) -> None:
    """Write FILE for another tool.

    python, numpy, torch, jax and c are programs that compute the same numbers and their gradients, c-header declares
    what c defines; json is mgraph's own document, for a FILE that is something else.
    """
    graph = opened(file)
    refuse_carrier(file, save, "--save")
    with working("exporting"):
        exported = graph.export(target, prefix=prefix)
    _write(save, exported)


def _write(path: str, data: bytes) -> None:
    """Write a result, and say where it is unless it is on standard output."""
    from mgraph.files import atomic

    put({path: data})
    if path != atomic.STANDARD:
        say(f"saved: {path}")


@click.command()
@FILE
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
@click.option("--force", is_flag=True, help="Overwrite files that are there already.")
def extract(file: str, folder: str, force: bool) -> int:
    """Write out the graphs that FILE carries.

    FILE is a notebook or a picture, DIR the folder to write documents to.

    They are called after FILE: lesson-1.json, lesson-2.json, … A broken one is named, and the others are written;
    the exit status is then 2.
    """
    from mgraph.files import atomic

    entries = all_opened(file)
    whole = file if file == atomic.STANDARD or Path(file).exists() else file.rpartition("#")[0]
    stem = "graph" if whole == atomic.STANDARD else Path(whole).stem
    made = {}
    with working("extracting"):
        for k, entry in enumerate(entries, 1):
            if entry.graph is not None:
                number = k if whole == file else entry.number
                made[str(Path(folder) / f"{stem}-{number}.json")] = entry.graph.to_bytes()
    there = [path for path in made if os.path.lexists(path)]
    if there and not force:
        some = ", ".join(map(shown, there[:4])) + ", …" * (len(there) > 4)
        raise FileError(f"there already: {some}; nothing is written. --force overwrites, another DIR keeps both")
    atomic.make_folder(folder)
    put(made)
    for path in made:
        say(f"saved: {path}")
    for entry in entries:
        if entry.error is not None:
            complain(entry.error)
    return 2 if len(made) < len(entries) else 0


OWN_OPTIONS = {"title": "--title", "description": "--description", "tags": "--tag"}
"""Of ``edit``, for what ``--meta`` must not set."""


@click.command()
@FILE
@click.option("--title", metavar="TEXT", help="What the graph is called.")
@click.option("--description", metavar="TEXT", help="What it is about.")
@click.option("--tag", "tags", multiple=True, metavar="TEXT", help="Add a tag.")
@click.option("--untag", "untags", multiple=True, metavar="TEXT", help="Take a tag away.")
@click.option("--meta", "entries", multiple=True, metavar="KEY=TEXT", help="Any other entry of the document's meta.")
@click.option("--unset", "unset", multiple=True, metavar="KEY", help="Take away an entry, title or description.")
@click.option("-o", "--output", metavar="OUT", type=DESTINATION, default="-", help="[default: standard output]")
def edit(
    file: str,
    title: str | None,
    description: str | None,
    tags: tuple[str, ...],
    untags: tuple[str, ...],
    entries: tuple[str, ...],
    unset: tuple[str, ...],
    output: str,
) -> None:
    """Change what FILE says about its graph.

    OUT is a document with the same numbers, names and order: only its title, description, tags and other entries of
    meta change. OUT may be FILE, if that is a document.
    """
    graph = opened(file)
    refuse_carrier(file, output, "--output")
    given = {"title": title, "description": description}
    changed: dict[str, Any] = {key: text for key, text in given.items() if text is not None}
    if tags or untags:
        changed["tags"] = _retagged(graph.tags, tags, untags)
    for key, text in (*map(_entry, entries), *[(_there(graph, key), None) for key in unset]):
        if key in changed:
            raise click.UsageError(f"{shown(key)} is changed twice")
        changed[key] = text
    if not changed:
        raise click.UsageError("nothing to change: name a --title, --description, --tag, --untag, --meta or --unset")
    _write(output, graph.with_meta(**changed).to_bytes())


def _entry(text: str) -> tuple[str, str]:
    """The key and the text that ``--meta`` gives it."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{shown(text)} is not KEY=TEXT", param_hint="--meta")
    if key in OWN_OPTIONS:
        raise click.BadParameter(f"{key} has an option of its own, {OWN_OPTIONS[key]}", param_hint="--meta")
    return key, value


def _there(graph: Graph, key: str) -> str:
    """The key that ``--unset`` names."""
    known = [*["title"] * (graph.title is not None), *graph.meta]
    if key not in known:
        raise click.BadParameter(f"there is no entry {shown(key)}.{_known(key, known)}", param_hint="--unset")
    return key


def _retagged(there: tuple[str, ...], tags: tuple[str, ...], untags: tuple[str, ...]) -> list[str] | None:
    """The tags with some more and without others; None for no tag."""
    for tag in untags:
        if tag not in there:
            raise click.BadParameter(f"there is no tag {shown(tag)}.{_known(tag, there)}", param_hint="--untag")
    return [tag for tag in dict.fromkeys((*there, *tags)) if tag not in untags] or None


def _known(name: str, known: Sequence[str]) -> str:
    return nearest(name, known) + (f" There are {', '.join(map(shown, known))}" if known else " There is none")
