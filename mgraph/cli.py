"""The command line: argv over the functions of :mod:`mgraph.api`. Nothing heavy is imported before it is used.

Results go to standard output, messages to standard error. Exit status: 0 fine, 1 the numbers differ, 2 the input
or the call is wrong.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from mgraph import __version__
from mgraph.commands.checking import diff, info, validate, verify
from mgraph.commands.making import draw, export, extract, gradient
from mgraph.commands.replaying import fit, run
from mgraph.errors import MgraphError
from mgraph.options import colour


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

    FILE is a document (.json or .json.gz), a picture or a notebook that carries one (lesson.svg, lesson.ipynb#2),
    ONNX (.onnx) or CppAD's JSON, or - for standard input. Exit status: 0 fine, 1 the numbers differ, 2 the input or
    the call is wrong.
    """


for command in (run, verify, draw, export, extract, diff, fit, gradient, info, validate):
    main.add_command(command)


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
