"""Since when a kept document comes out, or does not: what the verdicts of many nights come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mgraph.archive.verdicts import Past

DIFFERS = "differs"


class Holding(NamedTuple):
    """Whether a version of a name comes out on a platform, as the last verdict has it."""

    since: Past
    """The first of the verdicts, up to the last, that say so."""
    before: Past | None
    """The verdict before that, which said the opposite; None if there is none."""

    @property
    def ok(self) -> bool:
        """Whether it comes out."""
        return self.since.verdict != DIFFERS


def holdings(verdicts: Iterable[Past]) -> list[Holding]:
    """Of each version and platform, by the verdicts, the oldest first."""
    lines: dict[tuple[int, str], list[Past]] = {}
    for each in verdicts:
        lines.setdefault((each.number, each.platform), []).append(each)
    return [_holding(lines[key]) for key in sorted(lines)]


def _holding(line: Sequence[Past]) -> Holding:
    since = len(line) - 1
    while since and (line[since - 1].verdict == DIFFERS) == (line[-1].verdict == DIFFERS):
        since -= 1
    return Holding(line[since], line[since - 1] if since else None)


def broken(found: Iterable[Holding]) -> Holding | None:
    """That of the first version which does not come out; None if all do."""
    return next((each for each in found if not each.ok), None)
