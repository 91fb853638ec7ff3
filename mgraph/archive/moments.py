"""When something was done, and by whom."""

from __future__ import annotations

import getpass
import os
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from mgraph.archive.references import sound
from mgraph.errors import FileError, shown

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Moment(NamedTuple):
    """When (UTC, as ``2026-01-31T12:00:00Z``), and by whom."""

    at: str
    by: str


def now(by: str | None = None) -> Moment:
    """This moment. ``by`` is by default what MGRAPH_USER says, else the name of the user of this computer."""
    return Moment(ago(timedelta()), sound(by or os.environ.get("MGRAPH_USER") or _user(), "a user's name"))


def ago(age: timedelta) -> str:
    """The moment so long ago. SOURCE_DATE_EPOCH, in seconds since 1970, stops the clock, for an archive that is to be
    made again with the same content."""
    stopped = os.environ.get("SOURCE_DATE_EPOCH", "")
    at = datetime.fromtimestamp(int(stopped), UTC) if re.fullmatch("[0-9]{1,11}", stopped) else datetime.now(UTC)
    return (at - age).strftime(_FORMAT)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "unknown"


def moment(text: str) -> str:
    """A text that is a moment as it is kept, ``2026-01-31T12:00:00Z``. Raises FileError."""
    try:
        datetime.strptime(text, _FORMAT)
    except ValueError:
        raise FileError(f"{shown(text)} is not a moment such as 2026-01-31T12:00:00Z") from None
    return text
