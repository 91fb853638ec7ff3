"""When something was done, and by whom."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from typing import NamedTuple


class Moment(NamedTuple):
    """When (UTC, as ``2026-01-31T12:00:00Z``), and by whom."""

    at: str
    by: str


def now(by: str | None = None) -> Moment:
    """This moment. ``by`` is by default what MGRAPH_USER says, else the name of the user of this computer."""
    return Moment(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), by or os.environ.get("MGRAPH_USER") or _user())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "unknown"
