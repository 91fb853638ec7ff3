"""Commands that recompute: run and fit."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mgraph.options import ENGINE, FILE, JSON, OUT, PICTURE, SET, ULPS, assignments
from mgraph.terminal import say, show, show_json, width

if TYPE_CHECKING:
    from mgraph.saved import Graph


@click.command()
@FILE
@SET
@OUT
@click.option("--no-backward", is_flag=True, help="Replay forward only.")
@click.option("--save", metavar="OUT", type=click.Path(allow_dash=True), help="Save a document that records this run.")
@click.option("--draw", metavar="PICTURE", type=click.Path(), help=f"Draw this run. {PICTURE}")
@click.option("--no-embed", is_flag=True, help="Leave the document out of the picture.")
@JSON
@ULPS
@click.option("--full", is_flag=True, help="All digits, names and operands, however wide.")
@click.option("--all", "everything", is_flag=True, help="All rows of a long graph.")
@ENGINE
@click.option("--inputs", metavar="TABLE", type=click.Path(allow_dash=True), help="Replay each row of TABLE.")
@click.option(
    "--output", metavar="TABLE", type=click.Path(allow_dash=True), help="Where the rows' results go.  [default: -]"
)
@click.option(
    "--arithmetic",
    type=click.Choice(["exact", "fast"]),
    default="exact",
    help="fast: the platform's functions, for --inputs; other last bits.",
)
def run(
    file: str,
    settings: tuple[str, ...],
    outputs: tuple[str, ...],
    no_backward: bool,
    save: str | None,
    draw: str | None,
    no_embed: bool,
    as_json: bool,
    ulps: int | None,
    full: bool,
    everything: bool,
    engine: str,
    inputs: str | None,
    output: str | None,
    arithmetic: str,
) -> int:
    """Recompute FILE and compare it with what it records.

    Prints every value with its gradient, and a verdict: exact, within N ulp, or differs at NODE. With --set, --out
    or --no-backward the numbers are this run's own, and the verdict is on the document as it was recorded.

    With --inputs, each row of a table (.csv with a header, .jsonl or .parquet; columns are leaves) is replayed and
    its outputs and gradients are written to --output.
    """
    from mgraph import console, files
    from mgraph.api import load, picture_bytes

    if inputs is not None:
        if save is not None or draw or as_json or ulps is not None or full or everything:
            raise click.UsageError("--inputs goes with --output, --set, --out, --no-backward, --engine, --arithmetic")
        if inputs == file == files.STANDARD:
            raise click.UsageError("FILE and --inputs would both read standard input")
        _run_rows(load(file), settings, outputs, not no_backward, engine, inputs, output or files.STANDARD, arithmetic)
        return 0
    if output is not None or arithmetic != "exact":
        raise click.UsageError("--output and --arithmetic are for --inputs")
    if save == files.STANDARD and as_json:
        raise click.UsageError("--save - and --json would both write to standard output")
    graph = load(file)
    result = graph.replay(assignments(settings), outputs or None, backward=not no_backward, engine=engine)
    report = graph.verify(ulps, finite_differences=False)
    if draw and save is not None and os.path.realpath(draw) == os.path.realpath(save):
        raise click.UsageError("--save and --draw name the same file")
    made = {}
    if draw:
        made[draw] = picture_bytes(graph.draw(result), draw, embed=not no_embed)
    if save is not None:
        made[save] = graph.with_run(result).to_bytes()
    files.write_all(made)
    if as_json:
        show_json(console.run_json(file, result, report))
    elif save != files.STANDARD:  # then the document is on standard output
        show(console.run_lines(graph, result, report, width(), full, everything))
    if draw:
        say(f"drawn: {draw}")
    if save not in (None, "-"):
        say(f"saved: {save}")
    return 0 if report.ok else 1


def _run_rows(
    graph: Graph,
    settings: tuple[str, ...],
    outputs: tuple[str, ...],
    backward: bool,
    engine: str,
    inputs: str,
    output: str,
    arithmetic: str,
) -> None:
    """Replay a table, with a progress bar on a terminal, and say on standard error what was done."""
    from contextlib import nullcontext

    graph = graph.slice(outputs) if outputs else graph
    length = Path(inputs).stat().st_size if Path(inputs).is_file() else 0
    shown = sys.stderr.isatty() and output != "-" and length > 0
    with click.progressbar(length=length, label=inputs, file=sys.stderr) if shown else nullcontext() as bar:
        done = graph.replay_rows(
            inputs,
            output,
            fixed=assignments(settings),
            backward=backward,
            engine=engine,
            arithmetic=arithmetic,
            progress=bar.update if bar is not None else None,
        )
    place = "standard output" if output == "-" else output
    say(f"rows: {done.rows:,} written to {place}; engine: {done.engine}, {done.arithmetic} arithmetic")


@click.command()
@FILE
@click.option("--steps", type=click.IntRange(min=0), default=100, show_default=True, help="How many steps to take.")
@click.option("--rate", type=float, default=0.05, show_default=True, help="How far each step goes.")
@click.option("--rate-end", type=float, metavar="RATE", help="Let the rate go from --rate in a line towards this one.")
@click.option("--method", type=click.Choice(["sgd", "momentum", "adam"]), default="sgd", show_default=True)
@click.option("--loss", metavar="NAME", help="The node to make small, if there are several outputs.")
@click.option("--data", metavar="TABLE", type=click.Path(), help="Take the mean over the rows of a table of inputs.")
@ENGINE
@click.option("--save", metavar="OUT", type=click.Path(), help="Save the document with the parameters found.")
@click.option("--plot", metavar="PICTURE", type=click.Path(), help="Draw the loss over the steps (.svg).")
@JSON
def fit(
    file: str,
    steps: int,
    rate: float,
    rate_end: float | None,
    method: str,
    loss: str | None,
    data: str | None,
    engine: str,
    save: str | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Move the parameters of FILE against the gradient of its loss.

    Prints the loss before each of some steps, and the one that is left. FILE itself stays as it is.
    """
    from mgraph import chart, console, files
    from mgraph.api import fit as fitted
    from mgraph.api import load, read_columns

    if plot and not plot.endswith(".svg"):
        raise click.UsageError("--plot draws an .svg")
    if plot and save and os.path.realpath(plot) == os.path.realpath(save):
        raise click.UsageError("--save and --plot name the same file")
    graph = load(file)
    slope = 0.0 if rate_end is None else rate_end - rate
    columns = None if data is None else read_columns(data)
    found = fitted(
        graph, steps, lambda step: rate + slope * step / steps, data=columns, loss=loss, method=method, engine=engine
    )
    made = {plot: chart.curve(found.losses, f"Loss of {graph.document.get('title', file)}").encode()} if plot else {}
    if save:
        made[save] = found.graph.to_bytes()
    files.write_all(made)
    if as_json:
        show_json({"losses": found.losses, "engine": found.engine, "parameters": console.parameters(found.graph)})
    else:
        show(console.fit_lines(found))
    for what, path in (("drawn", plot), ("saved", save)):
        if path:
            say(f"{what}: {path}")
