"""The command line: argv over the functions of :mod:`mgraph.api`. Nothing heavy is imported before it is used.

Results go to standard output, messages to standard error. Exit status: 0 fine, 1 the numbers differ, 2 the input
or the call is wrong, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from mgraph import __version__
from mgraph.cli.archive_group import archive
from mgraph.cli.checking import diff, info, validate, verify
from mgraph.cli.making import draw, edit, export, extract, gradient
from mgraph.cli.replaying import fit, rows, run
from mgraph.cli.terminal import abandon, complain, say, show
from mgraph.errors import FileError, MgraphError, nearest, shown

WRONG, INTERRUPTED = 2, 130


class _ReaderGone(Exception):
    """The reader of a pipe has gone. A BrokenPipeError would end in click, with an exit status of its own."""


@contextmanager
def _readers_watched() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise _ReaderGone from None


class _Group(click.Group):
    """The commands in the order in which they are written; every error is a message and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """``mgraph help run`` is ``mgraph run --help``."""
        return super().parse_args(ctx, [*args[1:2], "--help"] if args[:1] == ["help"] else args)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        word = args[0]
        if word not in self.commands and not word.startswith("-"):
            there = len(word) < 1_000 and "\0" not in word and Path(word).exists()
            what = " The command comes first: mgraph run FILE" if there else nearest(word, [*self.commands, "help"])
            raise click.UsageError(f"there is no command {shown(word)}.{what}", ctx)
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the call; ``--help`` and ``--version`` print in here."""
        with _readers_watched():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _readers_watched():
            return super().invoke(ctx)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command, which returns its exit status or None for 0, and exit."""
        sys.exit(self._status(*args, **{**extra, "standalone_mode": False}))

    def _status(self, *args: Any, **extra: Any) -> int:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # an encoding that lacks a character must not end the program
                stream.reconfigure(errors="backslashreplace")
        try:
            if sys.stdout is None:
                raise FileError("standard output is closed")
            status = super().main(*args, **extra) or 0
            with _readers_watched():
                sys.stdout.flush()
            return int(status)
        except click.Abort:
            return INTERRUPTED
        except click.ClickException as error:
            _complain_of_call(error)
        except MgraphError as error:
            complain(getattr(error, "on_command_line", error))
        except _ReaderGone:  # there is nobody to tell
            abandon(sys.stdout)
            return 0
        except OSError as error:
            abandon(sys.stdout)
            where = "standard output" if error.filename is None else shown(error.filename)
            complain(f"{where}: cannot be written: {(error.strerror or str(error)).lower()}")
        except RecursionError:
            complain("the input nests too deep")
        except MemoryError:
            complain("not enough memory")
        return WRONG


MOVED = {"--inputs", "--output", "--arithmetic"}
"""Options that ``run`` had for tables."""


def _complain_of_call(error: click.ClickException) -> None:
    """What is wrong with a call: the option or argument, and what is allowed; then where the help is."""
    message = error.format_message()
    if isinstance(error, click.NoSuchOption):
        known = [name for each in error.ctx.command.params for name in each.opts] if error.ctx is not None else []
        message = f"there is no option {shown(error.option_name)}.{nearest(error.option_name, known)}"
        if error.option_name in MOVED and error.ctx is not None and error.ctx.info_name == "run":
            message = f"{error.option_name}: a table is replayed by mgraph rows FILE TABLE -o OUT"
    elif isinstance(error, click.MissingParameter) and error.param is not None:
        message = f"{_name(error.param)} is missing"
    elif isinstance(error, click.BadParameter):
        where = error.param_hint or (_name(error.param) if error.param is not None else "")
        message = f"{where}: {error.message}" if where else error.message
        if error.param is not None and isinstance(error.param.type, click.Choice):
            given = error.message[1:].partition("' is not one of")[0]
            message = f"{message.rstrip('.')}.{nearest(given, map(str, error.param.type.choices))}"
    complain((message[:1].lower() if message[1:2].islower() else message[:1]) + message[1:].rstrip("."))
    if isinstance(error, click.UsageError) and error.ctx is not None:
        say(f"Try: {error.ctx.command_path} --help")


def _name(param: click.Parameter) -> str:
    return max(param.opts, key=len) if isinstance(param, click.Option) else param.human_readable_name


def _versions(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from mgraph.document.model import VERSION
        from mgraph.drawing.graphviz_program import version
        from mgraph.replaying.choice import versions

        show(
            [
                f"mgraph {__version__} (reads format {VERSION})",
                f"Python {sys.version.split()[0]}",
                f"pictures: {version()}",
                f"engines: {versions()}",
            ]
        )
        ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_versions,
    help="Show the versions of mgraph, Python, the program that draws, and the engines.",
)
def main() -> None:
    """Recompute, check and draw saved computations.

    FILE is a document (.json or .json.gz), a picture, a notebook or a web page that carries one (lesson.svg,
    lesson.ipynb#2, lesson.html#2), ONNX (.onnx) or CppAD's JSON, or - for standard input. Exit status: 0 fine, 1 the
    numbers differ, 2 the input or the call is wrong, 130 interrupted.
    """


for command in (run, rows, verify, draw, export, extract, diff, edit, fit, gradient, info, validate, archive):
    main.add_command(command)


@main.command()
def schema() -> None:
    """Print the JSON Schema of the format."""
    from mgraph.document.model import schema_text

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
