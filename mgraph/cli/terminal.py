"""What reaches the terminal: results on standard output, messages on standard error. The one place that prints lines.

Every text is escaped here, so that no name in a file can command the terminal; colours are put on afterwards.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, TextIO

import click

from mgraph.errors import printable
from mgraph.showing.as_text import WIDTH, cut, plain
from mgraph.showing.blocks import Line, Styled

STYLES: dict[str, dict[str, Any]] = {
    "title": {"bold": True},
    "head": {"dim": True},
    "good": {"fg": "green", "bold": True},
    "bad": {"fg": "red", "bold": True},
    "notice": {"fg": "yellow"},
}
PATIENCE = 2.0
"""Seconds after which a line says what is being done."""


def painted(line: Line, coloured: bool) -> str:
    """The characters to print for a line."""
    if not coloured:
        return plain(line)
    pieces = line if isinstance(line, list) else [line]
    return "".join(
        click.style(plain(each), **STYLES[each.style] if isinstance(each, Styled) else {}) for each in pieces
    )


def show(lines: Iterable[Line]) -> None:
    """Print lines to standard output."""
    coloured = _coloured(sys.stdout)
    click.echo("\n".join(painted(line, coloured) for line in lines), color=coloured)


def show_json(found: object, indented: bool = True) -> None:
    """Print JSON to standard output, or with ``indented`` false, a line of it."""
    import orjson

    from mgraph.files.atomic import visible

    click.echo(visible(orjson.dumps(found, option=orjson.OPT_INDENT_2 if indented else 0).decode()), color=False)


def file_in_json(file: str) -> str:
    """A path as JSON can hold it, or a URL without its password."""
    from mgraph.files.urls import without_password

    return without_password(file).encode(errors="replace").decode()


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

    return shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH


def _coloured(stream: Any) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextmanager
def working(what: str, size: int = 0, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Where standard error is a terminal, show after two seconds what is being done, and erase it at the end.

    The function is told of progress, in bytes or steps; with ``size``, how many there are, the line has a percentage.
    What writes to standard output should be ``quiet``: that may be the same terminal, or a pager on it.
    """
    stream, done = sys.stderr, 0

    def advance(count: int) -> None:
        nonlocal done
        done += count

    if quiet or stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield advance
        return
    start, finished = monotonic(), threading.Event()

    def tell() -> None:
        pause = PATIENCE
        while not finished.wait(pause):
            pause = 0.5
            share = f"{min(100, 100 * done // size)} %, " if size else ""
            line = f"{printable(what)}: {share}{monotonic() - start:.0f} s"
            with suppress(OSError):
                columns = os.get_terminal_size(stream.fileno()).columns or WIDTH  # 0: the terminal does not know
                stream.write(f"\r{cut(line, columns - 1)}\x1b[K")
                stream.flush()
        with suppress(OSError):
            stream.write("\r\x1b[K" if pause != PATIENCE else "")
            stream.flush()

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield advance
    finally:
        finished.set()
        thread.join()
