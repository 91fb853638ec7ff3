"""``mgraph archive``: a group whose commands are imported when one is asked for, since no other command needs them."""

from __future__ import annotations

from typing import Any

import click

from mgraph.errors import nearest, shown


class _Group(click.Group):
    """The commands in the order in which they are written."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from mgraph.cli.archive_commands import COMMANDS

        self.commands = {str(each.name): each for each in COMMANDS}
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            raise click.UsageError(f"there is no command {shown(args[0])}.{nearest(args[0], names)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Group, no_args_is_help=False)
def archive() -> None:
    """Keep, find and verify worked examples.

    ARCHIVE is a file such as course.mgraph, or postgresql://HOST/NAME; --archive names it, or the variable
    MGRAPH_ARCHIVE. REFERENCE is a NAME that was kept, one of its versions (neuron@2), a tag of it (neuron:lesson-2), or
    the first digits of a digest (sha256:3fa9). Every command that takes FILE takes course.mgraph#REFERENCE.
    """
