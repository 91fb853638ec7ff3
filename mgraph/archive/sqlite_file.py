"""What tells an archive's SQLite file from other files, with the standard library alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mgraph.errors import FileError, shown
from mgraph.files.atomic import DATABASE

if TYPE_CHECKING:
    import sqlite3

SCHEMA = 1
"""The version of an archive's tables."""
APPLICATION_ID = 0x6D677268
"""``mgrh``, at byte 68 of the file: SQLite leaves these four bytes to the program."""
WAIT = 60.0
"""Seconds to wait for another writer at most."""
LONGEST = 1_000_000_000
"""Bytes of one value that SQLite reads at most."""

HISTORY = ("document", "body", "version", "verdict", "event")
"""Tables that are never updated."""
CUT_SHORT = "the file was cut short"
TABLES = {*HISTORY, "info", "dictionary", "forgotten", "tag", "label", "term", "posting", "checked", "alembic_version"}


_INDEX = re.compile(r'CREATE (UNIQUE )?INDEX [\w"]+ ON [\w"]+ \([\w", ]+\)')
"""An index of columns, and of nothing that is computed."""
_COMPUTES = re.compile(r"\b(CHECK|GENERATED|AS)\b|\bDEFAULT\s*\(|/\*|--", re.IGNORECASE)
"""What in a table's description would compute something unasked, or hide that it does."""


class Damaged(FileError):
    """An archive that the database cannot read, or not in full, since it is no longer what was written."""

    def __init__(self, name: str, what: str, hint: str = "") -> None:
        super().__init__(f"{name}: {what}{hint}")
        self.name, self.what = name, what
        """The archive, and what is wrong with it."""


def trigger(table: str) -> str:
    """The statement that makes the trigger which refuses updates."""
    return (
        f'CREATE TRIGGER "{table}_is_history" BEFORE UPDATE ON "{table}"'
        " BEGIN SELECT RAISE(ABORT, 'what is kept is never changed'); END"
    )


def foreign(connection: sqlite3.Connection) -> str:
    """What is in a file that no archive has, such as a view in place of a table: SQL that would run unasked.

    An empty string if there is nothing.
    """
    triggers = {trigger(table) for table in HISTORY}
    for kind, name, table, sql in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        plain = kind == "table" and name in TABLES and str(sql).startswith("CREATE TABLE") and not _COMPUTES.search(sql)
        index = kind == "index" and table in TABLES and (sql is None or _INDEX.fullmatch(sql))
        if not (plain or index or (kind == "trigger" and sql in triggers)):
            return f"the {kind} {shown(name)}"
    return ""


def is_archive(database: str | Path) -> bool:
    """Whether an SQLite database begins as an archive does. False for what cannot be read."""
    return _application(_head(database)) == APPLICATION_ID


def not_ours(path: Path) -> str:
    """What is wrong with a file as an archive, an empty string if nothing is."""
    if path.is_dir():
        return "a folder, not an archive"
    head = _head(path)
    if not head:
        return "" if _empty(path) else "it cannot be read"
    if head[:16] != DATABASE:
        return "not an archive, but a file of another kind"
    if len(head) < 100:
        return CUT_SHORT
    if _application(head) != APPLICATION_ID:
        return "an SQLite database of another program, not an archive"
    return ""


def cut_short(path: str | Path) -> str:
    """How much of a file is left, if that is less than its first bytes say; else an empty string."""
    head = _head(path)
    left, size = Path(path).stat().st_size, int.from_bytes(head[16:18], "big")
    whole = (65_536 if size == 1 else size) * int.from_bytes(head[28:32], "big")
    return f"{CUT_SHORT}: {left:,} of {whole:,} bytes are left" if left < whole else ""


def _application(head: bytes) -> int:
    return int.from_bytes(head[68:72], "big")


def _head(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(100)
    except (OSError, ValueError):
        return b""


def _empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return False
