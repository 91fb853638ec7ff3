"""What the commands share: options and arguments, and numbers on the command line."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from mgraph.archive.reading import is_archive
from mgraph.cli.terminal import working
from mgraph.errors import DocumentError, DrawError, FileError, MgraphError, ReplayError, shown

if TYPE_CHECKING:
    from mgraph.api import Entry
    from mgraph.graph import Graph


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids that complete a name."""
    from mgraph.api import load

    try:
        # While an option has no value yet, click has not told the arguments apart.
        graph = load(ctx.params.get("file") or ctx.args[0])
    except (MgraphError, IndexError):
        return []
    setting = param.name == "settings"
    names = [*graph.inputs, *graph.parameters] if setting else list(graph.index)
    return [
        CompletionItem(name + "=" * setting) for name in names if name.startswith(incomplete) and name.isprintable()
    ]


class _Destination(click.Path):
    """Where to write: a path, or ``-`` for standard output, by whichever of its names."""

    def __init__(self) -> None:
        super().__init__(allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        url, mark, _ = str(value).rpartition("#")
        if mark and (not url or is_archive(url)):
            self.fail(f"{shown(value)} names a graph in an archive; write a file, and keep that: mgraph archive keep")
        return "-" if value in ("/dev/stdout", "/dev/fd/1") else super().convert(value, param, ctx)


DESTINATION = _Destination()
PICTURE = "PICTURE ends in .svg, .png, .pdf or .dot."
FILE = click.argument("file", type=click.Path(allow_dash=True))
ULPS = click.option("--ulps", type=click.IntRange(min=0), metavar="N", help="Tolerance in units in the last place.")
NO_EMBED = click.option("--no-embed", is_flag=True, help="Leave the document out of the picture.")
NO_BACKWARD = click.option("--no-backward", is_flag=True, help="Replay forward only.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=complete_names,
    help="Replay with another number for NAME, an id or a unique label.",
)
ENGINE = click.option(
    "--engine",
    type=click.Choice(["auto", "reference", "compiled"]),
    default="auto",
    help="Plain Python, or machine code (with the extra fast): the same bits.  [default: auto]",
)
SAVE = click.option("--save", metavar="OUT", type=DESTINATION, default="-", help="[default: standard output]")
OUT = click.option(
    "--out",
    "outputs",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_names,
    help="Replay only what NAME needs, with it as the output.",
)
KEEP = click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN[,COLUMN]",
    callback=lambda _ctx, _param, texts: _columns(texts),
    help="Pass columns of TABLE on to OUT, as they are.",
)


def _columns(texts: Iterable[str]) -> tuple[str, ...]:
    """The names in texts such as ``id,name``, written as in a header of CSV. Raises click.BadParameter."""
    try:
        return tuple(name.strip() for text in texts for name in next(csv.reader([text], strict=True)) or [""])
    except (csv.Error, StopIteration):
        raise click.BadParameter("column names are separated by commas, as in a header of CSV") from None


def opened(file: str) -> Graph:
    """The graph in FILE. Raises FileError, DocumentError, FormatError."""
    from mgraph.api import load
    from mgraph.files.atomic import display

    with working(f"reading {display(file)}"):
        return load(file)


def all_opened(file: str, may_be_none: bool = False) -> list[Entry]:
    """Every graph in FILE. Raises as :func:`opened` does, and FileError for a notebook without any unless there
    ``may_be_none``: nothing to check must not pass for a check."""
    from mgraph.api import contents
    from mgraph.files.atomic import display
    from mgraph.formats.opening import EMPTY

    with working(f"reading {display(file)}"):
        entries = contents(file)
    if not entries and not may_be_none:
        raise FileError(f"{display(file)}: {EMPTY}")
    return entries


def put(contents: dict[str, bytes]) -> None:
    """Write files, all or none. Raises FileError."""
    from mgraph.files.atomic import STANDARD, write_all

    with working("writing", quiet=STANDARD in contents):
        write_all(contents)


@contextmanager
def of_option(option: str) -> Iterator[None]:
    """Name the option whose value is refused in the block."""
    try:
        yield
    except (ReplayError, FileError, DrawError) as error:
        raise type(error)(f"{option}: {getattr(error, 'on_command_line', error)}") from None


def assigned(graph: Graph, settings: tuple[str, ...]) -> dict[str, float]:
    """The numbers that ``--set`` gives, by id. Raises click.BadParameter, ReplayError."""
    from mgraph.replaying.run import settable

    found: dict[str, float] = {}
    with of_option("--set"):
        for setting in settings:
            given, equals, text = setting.rpartition("=")
            if not equals or not given:
                raise click.BadParameter(f"{shown(setting)} is not NAME=VALUE", param_hint="--set")
            number, name = parse_number(text.strip()), settable(graph._wiring, given)
            if name in found:
                raise click.BadParameter(f"{shown(given)} is set twice", param_hint="--set")
            found[name] = number
    return found


def named(graph: Graph, option: str, names: Iterable[str]) -> list[str]:
    """The ids that an option names. Raises ReplayError."""
    with of_option(option):
        return [graph.resolve(name) for name in names]


def refuse_one_place(save: str | None, as_json: bool, option: str, picture: str | None) -> None:
    """Two results must not go to one file, or both to standard output. Raises click.UsageError."""
    if save == "-" and as_json:
        raise click.UsageError("--save - and --json would both write to standard output")
    if save and picture and os.path.realpath(save) == os.path.realpath(picture):
        raise click.UsageError(f"--save and {option} name the same file")


def same_file(file: str, out: str) -> bool:
    """Whether a result would replace FILE, or what holds it (``lesson.ipynb`` for ``lesson.ipynb#2``)."""
    held = (file, file.rpartition("#")[0])
    return out != "-" and os.path.realpath(out) in [os.path.realpath(path) for path in held if path not in ("", "-")]


def refuse_carrier(file: str, out: str | None, option: str) -> None:
    """A picture, a notebook or another tool's file must not be replaced by the graph that it holds. Raises
    click.UsageError."""
    from mgraph.document import model
    from mgraph.files import atomic

    if out is not None and same_file(file, out):
        try:
            model.parse(atomic.read(out))
        except DocumentError:
            what = f"{shown(out)} is a picture, a notebook or another tool's file, which the result would replace"
            raise click.BadParameter(f"{what}; name another file", param_hint=option) from None


def parse_number(text: str) -> float:
    """A number on the command line. Raises click.BadParameter."""
    if re.fullmatch(r"[+-]?(nan|inf|infinity)", text, re.ASCII | re.IGNORECASE):
        return float(text)
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        raise click.BadParameter(f"{text!r} is not a number such as 0.7, -1e-3, NaN or Infinity", param_hint="--set")
    if float(text) - float(text) != 0.0:
        raise click.BadParameter(f"{text} is past binary64; write Infinity if you mean it", param_hint="--set")
    return float(text)


class Level(click.ParamType[int | str]):
    """How deep scopes are drawn: a whole number from 1 on, or ``fit``."""

    name = "level"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The level."""
        if value == "fit" or isinstance(value, int):
            return value  # type: ignore[no-any-return]
        if not re.fullmatch(r"0*[1-9][0-9]{0,8}", value, re.ASCII):
            self.fail(f"{shown(value)} is not a level: 1, 2, … or fit", param, ctx)
        return int(value)


def draw_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a drawing."""
    for option in reversed(
        (
            click.option(
                "--style",
                type=click.Choice(["record", "compact"]),
                help="A record and a circle for each operation, or one box.  [default: record below 12 nodes]",
            ),
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
            click.option(
                "--collapse", type=Level(), metavar="N", help="One box a scope, N levels deep; fit: at most 150 boxes."
            ),
            click.option("--force", is_flag=True, help="Draw even if there are more than 2,000 boxes."),
            NO_EMBED,
            click.option("--timeout", type=click.FloatRange(min=1), default=120, show_default=True, help="Seconds."),
        )
    ):
        command = option(command)
    return command
