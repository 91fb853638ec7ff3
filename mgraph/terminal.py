"""What reaches the terminal: results on standard output, messages on standard error. The one place that prints lines.

Every text is escaped here, so that no name in a file can command the terminal; colours are put on afterwards.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO

import click

from mgraph.errors import printable

STYLES: dict[str, dict[str, Any]] = {
    "title": {"bold": True},
    "head": {"dim": True},
    "good": {"fg": "green", "bold": True},
    "bad": {"fg": "red", "bold": True},
    "notice": {"fg": "yellow"},
}


@dataclass(frozen=True)
class Styled:
    """A text and how it looks in colour: one of :data:`STYLES`."""

    text: str
    style: str


Line = str | Styled | list[str | Styled]


def painted(line: Line, coloured: bool) -> str:
    """The characters to print for a line."""
    pieces = line if isinstance(line, list) else [line]
    return "".join(
        click.style(printable(each.text), **STYLES[each.style])
        if coloured and isinstance(each, Styled)
        else printable(each.text if isinstance(each, Styled) else each)
        for each in pieces
    )


def show(lines: Iterable[Line]) -> None:
    """Print lines to standard output."""
    coloured = _coloured(sys.stdout)
    click.echo("\n".join(painted(line, coloured) for line in lines), color=coloured)


def show_json(found: object) -> None:
    """Print JSON to standard output."""
    import orjson

    from mgraph.files import visible

    click.echo(visible(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()), color=False)


def say(*pieces: str | Styled) -> None:
    """Print a line to standard error. If that is closed or full there is nobody to tell: nothing else changes."""
    if sys.stderr is None:
        return
    coloured = _coloured(sys.stderr)
    try:
        click.echo(painted([*pieces], coloured), err=True, color=coloured)
    except OSError:
        abandon(sys.stderr)


def complain(error: object) -> None:
    """Print an error to standard error."""
    say(Styled("mgraph:", "bad"), f" {error}")


def abandon(stream: TextIO) -> None:
    """Lead a stream that cannot be written to nowhere, so that Python does not fail over what is left in it."""
    with suppress(OSError, ValueError):
        number = stream.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def width() -> int:
    """Columns to print in: the terminal's, else 80."""
    import shutil

    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80


def _coloured(stream: Any) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
