"""The command line: argv over the functions of :mod:`mgraph.api`. Nothing heavy is imported before it is used.

Results go to standard output, messages to standard error. Exit status: 0 fine, 1 the numbers differ, 2 the input
or the call is wrong.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mgraph import __version__
from mgraph.errors import MgraphError
from mgraph.options import ENGINE, FILE, JSON, OUT, SET, ULPS, assignments, colour, draw_options, show, show_json, width

if TYPE_CHECKING:
    from mgraph.saved import Graph

PICTURE = "PICTURE ends in .svg, .png, .pdf or .dot."


class _Group(click.Group):
    """The commands in the order in which they are written, and mgraph's errors as one line and exit status 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        if sys.stdout is None:
            _fail("standard output is closed")
        try:
            return super().invoke(ctx)
        except MgraphError as error:
            _fail(str(error))
        except BrokenPipeError:
            sys.stderr.close()  # the reader has gone; there is nobody to tell
            sys.exit(0)
        except OSError as error:
            _fail(f"standard output cannot be written: {error.strerror}")
        except RecursionError:
            _fail("the input nests too deep")
        except MemoryError:
            _fail("not enough memory")


def _fail(message: str) -> NoReturn:
    click.echo(f"{click.style('mgraph:', fg='red', bold=True)} {message}", err=True, color=colour(sys.stderr))
    sys.exit(2)


def _versions(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from mgraph.document import VERSION
        from mgraph.dot import version
        from mgraph.engines import versions

        click.echo(f"mgraph {__version__} (reads format {VERSION})\nPython {sys.version.split()[0]}")
        click.echo(f"pictures: {version()}\nengines: {versions()}")
        ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_versions,
    help="Show the versions of mgraph, Python, the program that draws, and the engines.",
)
def main() -> None:
    """Recompute, check and draw saved computations.

    FILE is a document (.json or .json.gz), or - for standard input. Exit status: 0 fine, 1 the numbers differ, 2
    the input or the call is wrong.
    """


@main.command()
@FILE
@SET
@OUT
@click.option("--no-backward", is_flag=True, help="Replay forward only.")
@click.option("--save", metavar="OUT", type=click.Path(allow_dash=True), help="Save a document that records this run.")
@click.option("--draw", metavar="PICTURE", type=click.Path(), help=f"Draw this run. {PICTURE}")
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
    as_json: bool,
    ulps: int | None,
    full: bool,
    everything: bool,
    engine: str,
    inputs: str | None,
    output: str | None,
    arithmetic: str,
) -> None:
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
        return
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
        made[draw] = picture_bytes(graph.draw(result), draw)
    if save is not None:
        made[save] = graph.with_run(result).to_bytes()
    files.write_all(made)
    if as_json:
        show_json(console.run_json(file, result, report))
    elif save != files.STANDARD:  # then the document is on standard output
        show(console.run_lines(graph, result, report, width(), full, everything))
    if draw:
        click.echo(f"drawn: {draw}", err=True)
    if save not in (None, "-"):
        click.echo(f"saved: {save}", err=True)
    sys.exit(0 if report.ok else 1)


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
    click.echo(f"rows: {done.rows:,} written to {place}; engine: {done.engine}, {done.arithmetic} arithmetic", err=True)


@main.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True))
def validate(files: tuple[str, ...]) -> None:
    """Check that each FILE is a document of the format."""
    from mgraph.api import load
    from mgraph.document import VERSION

    failed = False
    for file in files:
        try:
            graph = load(file)
        except MgraphError as error:
            click.echo(f"mgraph: {error}", err=True)
            failed = True
        else:
            count = f"{len(graph):,} node{'s' * (len(graph) != 1)}"
            click.echo(f"{file}: a valid document of format {VERSION}, {count}")
    sys.exit(2 if failed else 0)


@main.command()
@FILE
@ULPS
@click.option("--strict", is_flag=True, help="Let the distance of a full replay count too.")
@click.option("--no-differences", is_flag=True, help="Leave out the finite differences.")
@JSON
def verify(file: str, ulps: int | None, strict: bool, no_differences: bool, as_json: bool) -> None:
    """Check every number that FILE records.

    First, does each follow from the recorded numbers it was made of; then, how far does a full replay from the
    leaves end up; last, do finite differences agree with the gradients. The verdict rests on the first (with
    --strict on the second too) and on gradients that finite differences refute. Exit status 1 if it fails.
    """
    from mgraph import console
    from mgraph.api import load

    report = load(file).verify(ulps, strict, finite_differences=not no_differences)
    if as_json:
        show_json(console.report_json(file, report))
    else:
        show(console.report_lines(report))
    sys.exit(0 if report.ok else 1)


@main.command()
@FILE
@click.argument("picture_path", metavar="PICTURE", type=click.Path())
@OUT
@draw_options
def draw(file: str, picture_path: str, outputs: tuple[str, ...], timeout: float, **options: Any) -> None:
    """Draw the numbers that FILE records.

    PICTURE ends in .svg, .png, .pdf or .dot. A number that is not recorded is drawn as a question mark; mgraph run
    --draw draws what a replay gives. --out NAME draws only what NAME needs.
    """
    from mgraph.api import load, picture

    graph = load(file)
    if outputs:
        graph = graph.slice(outputs)
    picture(graph.draw(**options), picture_path, timeout)
    click.echo(f"drawn: {picture_path}", err=True)


@main.command()
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
            click.echo(f"{what}: {path}", err=True)


@main.command()
@FILE
@click.option("--of", metavar="NAME", help="What to differentiate.  [default: the outputs, times their seeds]")
@click.option("--wrt", metavar="NAME", multiple=True, help="With respect to what.  [default: inputs and parameters]")
@click.option("--second", is_flag=True, help="The second derivatives (the Hessian's upper triangle).")
@click.option("--save", metavar="OUT", type=click.Path(allow_dash=True), default="-", help="[default: standard output]")
def gradient(file: str, of: str | None, wrt: tuple[str, ...], second: bool, save: str) -> None:
    """Make the document that computes the gradient of FILE.

    It can be replayed with other inputs, drawn, and differentiated again.
    """
    from mgraph.api import load

    graph = load(file)
    derived = graph.hessian(of, wrt or None) if second else graph.gradient(of, wrt or None)
    derived.save(save)
    if save != "-":
        click.echo(f"saved: {save}", err=True)


@main.command()
@FILE
@JSON
def info(file: str, as_json: bool) -> None:
    """Say what is in FILE: counts, depth, leaves, digest."""
    from mgraph import console
    from mgraph.api import load

    found = console.facts(load(file))
    if as_json:
        show_json({"file": file.encode(errors="replace").decode(), **found})
    else:
        show(console.facts_lines(found, width()))


@main.command()
def schema() -> None:
    """Print the JSON Schema of the format."""
    from mgraph.document import schema_text

    click.echo(schema_text(), nl=False)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes mgraph's commands in SHELL.

    For bash, put this into ~/.bashrc: eval "$(mgraph completion bash)"
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "mgraph", "_MGRAPH_COMPLETE").source())
