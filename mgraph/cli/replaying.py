"""Commands that recompute: run, rows and fit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mgraph.cli.options import (
    DESTINATION,
    ENGINE,
    FILE,
    JSON,
    KEEP,
    NO_BACKWARD,
    NO_EMBED,
    OUT,
    PICTURE,
    SET,
    ULPS,
    assigned,
    named,
    of_option,
    opened,
    put,
    refuse_carrier,
    refuse_one_place,
    same_file,
)
from mgraph.cli.terminal import complain, say, show, show_json, width, working
from mgraph.errors import shown

if TYPE_CHECKING:
    from mgraph.graph import Graph
    from mgraph.replaying.run import Run
    from mgraph.transforming.optimizers import Rate


@click.command()
@FILE
@SET
@OUT
@NO_BACKWARD
@click.option("--save", metavar="OUT", type=DESTINATION, help="Save a document that records this run.")
@click.option("--draw", metavar="PICTURE", type=click.Path(), help=f"Draw this run. {PICTURE}")
@NO_EMBED
@JSON
@ULPS
@click.option("--full", is_flag=True, help="All digits, names and operands, however wide.")
@click.option("--all", "everything", is_flag=True, help="All rows of a long graph.")
@ENGINE
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
) -> int:
    """Recompute FILE and compare it with what it records.

    Prints every value with its gradient, and a verdict: exact, within N ulp, or differs at NODE. With --set, --out
    or --no-backward the numbers are this run's own, and the verdict is on the document as it was recorded.
    --save replaces FILE itself only if its record does not differ.

    For many rows of numbers, see mgraph rows.
    """
    from mgraph.cli import reports
    from mgraph.files import atomic

    refuse_one_place(save, as_json, "--draw", draw)
    graph = opened(file)
    refuse_carrier(file, save, "--save")
    inputs, only = assigned(graph, settings), named(graph, "--out", outputs)
    with working("replaying"):
        result = graph.replay(inputs, only or None, backward=not no_backward, engine=engine)
    with working("checking"), of_option("--ulps"):
        report = graph.verify(ulps, finite_differences=False)
    kept = save is not None and not report.ok and same_file(file, save)
    _write_run(graph, result, None if kept else save, draw, embed=not no_embed)
    if as_json:
        show_json(reports.run_json(file, result, report))
    elif save != atomic.STANDARD:  # then the document is on standard output
        show(reports.run_lines(graph, result, report, width(), full, everything))
    _say_unused(name for name in inputs if name not in result.overrides)
    _tell(drawn=draw, saved=None if kept else save)
    if kept:
        where = atomic.display(file)
        complain(f"{where} is kept: its record differs, and --save would replace it; name another file")
    return 0 if report.ok else 1


def _say_unused(names: Iterable[str]) -> None:
    """Say which of the numbers given play no part."""
    some = [shown(name) for name in names]
    if some:
        say(f"--set has no effect for {', '.join(some)}: no node that --out names depends on it")


def _write_run(graph: Graph, result: Run, save: str | None, draw: str | None, embed: bool) -> None:
    """Draw and save a run: both, or neither."""
    made = {}
    if draw:
        with working("drawing"), of_option("--draw"):
            made[draw] = graph.draw(result).to_bytes(draw, embed=embed)
    if save:
        with working("recording the run"):
            made[save] = graph.with_run(result).to_bytes()
    put(made)


def _tell(**paths: str | None) -> None:
    """Say what was written where."""
    for what, path in paths.items():
        if path and path != "-":
            say(f"{what}: {path}")


@click.command()
@FILE
@click.argument("table", metavar="TABLE", type=click.Path(allow_dash=True))
@click.option("-o", "--output", metavar="OUT", type=DESTINATION, default="-", help="[default: standard output]")
@SET
@OUT
@KEEP
@NO_BACKWARD
@ENGINE
@click.option(
    "--arithmetic",
    type=click.Choice(["exact", "fast"]),
    default="exact",
    help="fast: the platform's functions; other last bits.  [default: exact]",
)
def rows(
    file: str,
    table: str,
    output: str,
    settings: tuple[str, ...],
    outputs: tuple[str, ...],
    keep: tuple[str, ...],
    no_backward: bool,
    engine: str,
    arithmetic: str,
) -> None:
    """Replay FILE for each row of TABLE.

    TABLE and OUT end in .csv (with a header), .jsonl (an object a line) or .parquet; - is CSV. The columns of TABLE
    are inputs or parameters of FILE; those of OUT its outputs and, without --no-backward, the gradient of each column
    of TABLE, as "grad NAME". --set sets a leaf for all rows; --keep passes columns on, such as a key.
    """
    from mgraph.files import atomic

    if table == file == atomic.STANDARD:
        raise click.UsageError("FILE and TABLE would both read standard input")
    graph = opened(file)
    only, fixed = named(graph, "--out", outputs), assigned(graph, settings)
    graph = graph.slice(only) if only else graph
    unused = [name for name in fixed if name not in graph]
    size = Path(table).stat().st_size if Path(table).is_file() else 0
    with working(f"replaying {atomic.display(table)}", size, quiet=output == atomic.STANDARD) as progress:
        done = graph.replay_rows(
            table,
            output,
            fixed={name: x for name, x in fixed.items() if name in graph},
            keep=keep,
            backward=not no_backward,
            engine=engine,
            arithmetic=arithmetic,
            progress=progress,
        )
    _say_unused(unused)
    place = "standard output" if output == atomic.STANDARD else output
    say(f"rows: {done.rows:,} written to {place}; engine: {done.engine}, {done.arithmetic} arithmetic")


@click.command()
@FILE
@click.option("--steps", type=click.IntRange(min=0), default=100, show_default=True, help="How many steps to take.")
@click.option("--rate", type=float, help="How far each step of sgd, momentum and adam goes.  [default: 0.05]")
@click.option("--rate-end", type=float, metavar="RATE", help="Let the rate go from --rate in a line towards this one.")
@click.option(
    "--method",
    type=click.Choice(["sgd", "momentum", "adam", "lbfgs", "least-squares"]),
    default="sgd",
    show_default=True,
    help="The last two need SciPy.",
)
@click.option("--loss", metavar="NAME", help="The node to make small, if there are several outputs.")
@click.option("--wrt", metavar="NAME", multiple=True, help="Which inputs or parameters to move.  [default: parameters]")
@click.option("--data", metavar="TABLE", type=click.Path(), help="Take the mean over the rows of a table of inputs.")
@ENGINE
@click.option("--save", metavar="OUT", type=DESTINATION, help="Save the document with the parameters found.")
@click.option("--plot", metavar="PICTURE", type=click.Path(), help="Plot the loss over the steps: .svg, .png or .pdf.")
@NO_EMBED
@JSON
def fit(
    file: str,
    steps: int,
    rate: float | None,
    rate_end: float | None,
    method: str,
    loss: str | None,
    wrt: tuple[str, ...],
    data: str | None,
    engine: str,
    save: str | None,
    plot: str | None,
    no_embed: bool,
    as_json: bool,
) -> None:
    """Move the parameters of FILE so that its loss becomes small.

    Prints the loss before each of some steps, and the one that is left. FILE itself stays as it is. With
    least-squares, the outputs are residuals and the loss is the sum of their squares. A plot that is an SVG or PNG
    carries the document with the parameters found.
    """
    from mgraph.api import fit as fitted
    from mgraph.api import read_columns
    from mgraph.cli import reports
    from mgraph.drawing.display import carrying
    from mgraph.files import atomic
    from mgraph.showing import chart, results
    from mgraph.showing.as_text import lines

    refuse_one_place(save, as_json, "--plot", plot)
    if plot:
        with of_option("--plot"):
            chart.ending(plot)  # before any work
    graph = opened(file)
    refuse_carrier(file, save, "--save")
    target = None if loss is None else named(graph, "--loss", [loss])[0]
    moved = named(graph, "--wrt", wrt) or None
    columns = None
    if data is not None:
        with working(f"reading {atomic.display(data)}"), of_option("--data"):
            columns = read_columns(data)
    with working("fitting", steps + 1) as progress:
        found = fitted(
            graph,
            steps,
            _rate(rate, rate_end, steps),
            data=columns,
            loss=target,
            wrt=moved,
            method=method,
            engine=engine,
            report=lambda step, loss: progress(1),
        )
    made = {}
    if plot:
        with working("drawing"):
            title = file if graph.title is None else graph.title
            curve = chart.curve(found.losses, f"Loss of {title}", plot)
            made[plot] = curve if no_embed else carrying(curve, chart.ending(plot)[1:], found.graph.document)
    if save:
        with working("recording the fit"):
            made[save] = found.graph.to_bytes()
    put(made)
    if as_json:
        parameters = reports.parameters(found.graph, moved)
        show_json({"losses": found.losses, "engine": found.engine, "parameters": parameters})
    elif save != atomic.STANDARD:
        show(lines(results.fit(found.losses, found.engine, found.graph.meta["fit"].get("ended"))))
    _tell(drawn=plot, saved=save)


def _rate(first: float | None, last: float | None, steps: int) -> Rate | None:
    """The rate of each step: the same for all, or from ``first`` in a line towards ``last``."""
    if last is None:
        return first
    from mgraph.transforming.optimizers import RATE

    start = RATE if first is None else first
    return lambda step: start + (last - start) * step / steps
