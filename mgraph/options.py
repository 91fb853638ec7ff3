"""What the commands share: options and arguments, and numbers on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

from mgraph.errors import MgraphError


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


PICTURE = "PICTURE ends in .svg, .png, .pdf or .dot."
FILE = click.argument("file", type=click.Path(allow_dash=True))
ULPS = click.option("--ulps", type=click.IntRange(min=0), metavar="N", help="Tolerance in units in the last place.")
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
OUT = click.option(
    "--out",
    "outputs",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_names,
    help="Replay only what NAME needs, with it as the output.",
)


def assignments(settings: tuple[str, ...]) -> dict[str, float]:
    """NAME=VALUE, several times, as numbers by name. Raises click.BadParameter."""
    found: dict[str, float] = {}
    for setting in settings:
        name, equals, text = setting.rpartition("=")
        if not equals or not name:
            raise click.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint="--set")
        if name in found:
            raise click.BadParameter(f"{name!r} is set twice", param_hint="--set")
        found[name] = parse_number(text.strip())
    return found


def parse_number(text: str) -> float:
    """A number on the command line. Raises click.BadParameter."""
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(text)
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        raise click.BadParameter(f"{text!r} is not a number such as 0.7, -1e-3, NaN or Infinity", param_hint="--set")
    if float(text) - float(text) != 0.0:
        raise click.BadParameter(f"{text} is past binary64; write Infinity if you mean it", param_hint="--set")
    return float(text)


def draw_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a drawing."""
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
            click.option("--no-embed", is_flag=True, help="Leave the document out of an SVG or PNG."),
            click.option("--timeout", type=click.FloatRange(min=1), default=120, show_default=True, help="Seconds."),
        )
    ):
        command = option(command)
    return command
