"""Writes reference/cli.md, the reference of the command line, out of what every command's --help prints.

Run: python docs/make_cli.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from mgraph.cli.main import main

PAGE = Path(__file__).parent / "reference" / "cli.md"
WIDTH = 78
"""What click leaves of a terminal's 80 columns."""
HEAD = """\
# The command line

What `mgraph COMMAND --help` prints, for every command.
"""


def names() -> Iterator[str]:
    """Of all commands, those of a group behind it."""
    yield ""
    for name, command in main.commands.items():
        yield name
        yield from (
            (f"{name} {each}" for each in command.list_commands(click.Context(command)))
            if isinstance(command, click.Group)
            else ()
        )


def section(name: str) -> str:
    """A command's heading and help."""
    done = CliRunner().invoke(main, [*name.split(), "--help"], prog_name="mgraph", terminal_width=WIDTH)
    return f"## {f'mgraph {name}'.rstrip()}\n\n```text\n{done.output}```\n"


def page(_: str = "") -> str:
    """The whole page; nothing of the old one is kept."""
    return "\n".join([HEAD, *map(section, names())])


if __name__ == "__main__":
    PAGE.write_text(page())
