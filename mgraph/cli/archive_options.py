"""What the commands of ``mgraph archive`` share: which archive is meant, ages, and how results are printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from mgraph.archive.reading import DEFAULT
from mgraph.cli.terminal import show, width
from mgraph.errors import shown

if TYPE_CHECKING:
    from mgraph.archive.archive import Archive
    from mgraph.showing.blocks import Block

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class Age(click.ParamType[timedelta]):
    """A time such as ``30d``."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The time."""
        found = re.fullmatch(r"([0-9]{1,4})([hdw])", value, re.ASCII)
        if found is None:
            self.fail(f"{shown(value)} is not a time such as 12h, 30d or 8w", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


ARCHIVE = click.option(
    "--archive", "url", metavar="ARCHIVE", envvar=DEFAULT, help=f"A file or postgresql://…; else {DEFAULT} names it."
)
REFERENCE = click.argument("reference")


@contextmanager
def chosen(url: str | None, *references: str, upgrade: bool = False) -> Iterator[tuple[Archive, list[str]]]:
    """The archive, and the references in it: ``course.mgraph#neuron`` names its archive itself."""
    from mgraph.archive import reading
    from mgraph.files.atomic import display

    places = [each.rpartition("#") for each in references]
    named = {before for before, _, _ in places if before}
    if len(named) > 1:
        raise click.UsageError(f"two archives: {' and '.join(map(display, sorted(named)))}; mgraph diff compares those")
    found = named.pop() if named else url
    if not found:
        raise click.UsageError(f"no archive is named: --archive ARCHIVE, or set {DEFAULT}")
    with reading.opened(found, upgrade=upgrade) as archive:
        yield archive, [after for _, _, after in places]


def print_blocks(blocks: list[Block]) -> None:
    """Print blocks, each line cut to the terminal."""
    from mgraph.showing.as_text import cut, lines

    show([cut(line, width()) if isinstance(line, str) else line for line in lines(blocks, width())])
