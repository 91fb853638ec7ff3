"""The command line: argv over the functions of :mod:`mgraph.api`. Nothing heavy is imported before it is used.

Results go to standard output, messages to standard error. Exit status: 0 fine, 1 the numbers differ, 2 the input
or the call is wrong.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from mgraph import __version__
from mgraph.errors import MgraphError

if TYPE_CHECKING:
    from mgraph.api import Graph

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
    click.echo(f"{click.style('mgraph:', fg='red', bold=True)} {message}", err=True, color=_colour(sys.stderr))
    sys.exit(2)


def _colour(stream: Any) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _versions(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from mgraph.document import VERSION
        from mgraph.dot import version

        click.echo(f"mgraph {__version__} (reads format {VERSION})\nPython {sys.version.split()[0]}")
        click.echo(f"pictures: {version()}")
        ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_versions,
    help="Show the versions of mgraph, Python and the program that draws.",
)
def main() -> None:
    """Recompute, check and draw saved computations.

    FILE is a document (.json or .json.gz), or - for standard input. Exit status: 0 fine, 1 the numbers differ, 2
    the input or the call is wrong.
    """


def _complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from mgraph.api import load

    try:
        # While an option has no value yet, click has not told the arguments apart.
        graph = load(ctx.params.get("file") or ctx.args[0])
    except (MgraphError, IndexError):
        return []
    setting = param.name == "settings"
    names = [*graph.inputs, *graph.parameters] if setting else list(graph.index)
    return [CompletionItem(name + "=" * setting) for name in names if name.startswith(incomplete)]


_file = click.argument("file", type=click.Path(allow_dash=True))
_ulps = click.option("--ulps", type=click.IntRange(min=0), metavar="N", help="Tolerance in units in the last place.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_set = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=_complete_names,
    help="Replay with another number for NAME, an id or a unique label.",
)
_engine = click.option(
    "--engine",
    type=click.Choice(["auto", "reference", "compiled"]),
    default="auto",
    help="Plain Python, or machine code (with the extra fast): the same bits.  [default: auto]",
)
_out = click.option(
    "--out",
    "outputs",
    multiple=True,
    metavar="NAME",
    shell_complete=_complete_names,
    help="Replay only what NAME needs, with it as the output.",
)


@main.command()
@_file
@_set
@_out
@click.option("--no-backward", is_flag=True, help="Replay forward only.")
@click.option("--save", metavar="OUT", type=click.Path(allow_dash=True), help="Save a document that records this run.")
@click.option("--draw", metavar="PICTURE", type=click.Path(), help=f"Draw this run. {PICTURE}")
@_json
@_ulps
@click.option("--full", is_flag=True, help="All digits, names and operands, however wide.")
@click.option("--all", "everything", is_flag=True, help="All rows of a long graph.")
@_engine
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
    result = graph.replay(_assignments(settings), outputs or None, backward=not no_backward, engine=engine)
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
        _print_json(console.run_json(file, result, report))
    elif save != files.STANDARD:  # then the document is on standard output
        _print(console.run_lines(graph, result, report, _width(), full, everything))
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
            fixed=_assignments(settings),
            backward=backward,
            engine=engine,
            arithmetic=arithmetic,
            progress=bar.update if bar is not None else None,
        )
    place = "standard output" if output == "-" else output
    click.echo(f"rows: {done.rows:,} written to {place}; engine: {done.engine}, {done.arithmetic} arithmetic", err=True)


def _assignments(settings: tuple[str, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for setting in settings:
        name, equals, text = setting.rpartition("=")
        if not equals or not name:
            raise click.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint="--set")
        if name in found:
            raise click.BadParameter(f"{name!r} is set twice", param_hint="--set")
        found[name] = _parse_number(text.strip())
    return found


def _parse_number(text: str) -> float:
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(text)
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        raise click.BadParameter(f"{text!r} is not a number such as 0.7, -1e-3, NaN or Infinity", param_hint="--set")
    if float(text) - float(text) != 0.0:
        raise click.BadParameter(f"{text} is past binary64; write Infinity if you mean it", param_hint="--set")
    return float(text)


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80


def _print(lines: list[str]) -> None:
    click.echo("\n".join(lines), color=_colour(sys.stdout))


def _print_json(found: object) -> None:
    import orjson

    click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode(), color=False)


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
@_file
@_ulps
@click.option("--strict", is_flag=True, help="Let the distance of a full replay count too.")
@click.option("--no-differences", is_flag=True, help="Leave out the finite differences.")
@_json
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
        _print_json(console.report_json(file, report))
    else:
        _print(console.report_lines(report))
    sys.exit(0 if report.ok else 1)


def _draw_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.option("--digits", type=click.IntRange(0, 17), default=4, help="Decimals.", show_default=True),
            click.option(
                "--direction",
                type=click.Choice(["LR", "TB", "RL", "BT"]),
                default="LR",
                show_default=True,
                help="Flow.",
            ),
            click.option("--scopes/--no-scopes", default=True, help="Draw scopes as frames.", show_default=True),
            click.option("--heat", type=click.Choice(["grad"]), help="Colour by the gradient's magnitude."),
            click.option("--collapse", type=click.IntRange(min=1), metavar="N", help="One box a scope, N levels deep."),
            click.option("--force", is_flag=True, help="Draw more than 2,000 boxes all the same."),
            click.option("--timeout", type=click.FloatRange(min=1), default=120, show_default=True, help="Seconds."),
        )
    ):
        command = option(command)
    return command


@main.command()
@_file
@click.argument("picture_path", metavar="PICTURE", type=click.Path())
@_out
@_draw_options
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
@_file
@_json
def info(file: str, as_json: bool) -> None:
    """Say what is in FILE: counts, depth, leaves, digest."""
    from mgraph import console
    from mgraph.api import load

    found = console.facts(load(file))
    if as_json:
        _print_json({"file": file.encode(errors="replace").decode(), **found})
    else:
        _print(console.facts_lines(found, _width()))


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
