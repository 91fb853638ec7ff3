"""Commands that make something of a graph: draw, gradient, export and extract."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mgraph.cli.options import FILE, OUT, SAVE, all_opened, draw_options, named, opened, put
from mgraph.cli.terminal import complain, say, working
from mgraph.errors import FileError, shown
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
    --draw draws what a replay gives. --out NAME draws only what NAME needs. An SVG or PNG carries the document: it
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
    of = None if of is None else named(graph, "--of", [of])[0]
    leaves = named(graph, "--wrt", wrt) or None
    with working("differentiating"):
        derived = graph.hessian(of, leaves) if second else graph.gradient(of, leaves)
    _write(save, derived.to_bytes())


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
@SAVE
def export(file: str, target: str, save: str) -> None:
    """Write FILE for another tool.

    python, numpy, torch, jax and c are programs that compute the same numbers and their gradients; json is
    mgraph's own document, for a FILE that is something else.
    """
    graph = opened(file)
    with working("exporting"):
        exported = graph.export(target)
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
