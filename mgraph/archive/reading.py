"""A kept graph where a file is asked for: ``course.mgraph#neuron``, or ``#neuron`` of the archive MGRAPH_ARCHIVE.

To import SQLAlchemy takes as long as a small graph's whole replay, so what is plainly there is read with the standard
library. Whatever is not (another schema, a name that is missing, a history) is left to :class:`Archive`, which
also says what is wrong.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mgraph.errors import DocumentError, FileError, MgraphError
from mgraph.files.atomic import display, is_database, is_there

if TYPE_CHECKING:
    from mgraph.archive.archive import Archive
    from mgraph.document.model import Document
    from mgraph.formats.opening import Kept

_SERVERS = ("postgresql://", "postgres://")
DEFAULT = "MGRAPH_ARCHIVE"
"""The environment variable that names the archive for ``#neuron``."""


class Place(NamedTuple):
    """An archive, by path or URL, and what is asked for in it; None for all."""

    url: str
    reference: str | None


def is_archive(path: str) -> bool:
    """Whether a file is an archive. False for what cannot be read."""
    if not is_database(path):  # most files: no need to import what knows more
        return False
    from mgraph.archive import sqlite_file

    return sqlite_file.is_archive(path)


def place(path: str | os.PathLike[str]) -> Place | None:
    """The archive and the reference that a path means; None where it is no archive's. Raises FileError."""
    text = os.fspath(path)
    if is_archive(text):
        return Place(text, None)
    url, mark, reference = text.rpartition("#")
    if mark and is_there(text):  # a file of the whole name
        return None
    if mark and not url:
        default = os.environ.get(DEFAULT)
        if not default:
            raise FileError(f"{display(text)}: no archive is named: set {DEFAULT}, or write ARCHIVE{display(text)}")
        return Place(default, reference)
    if mark and (is_archive(url) or url.startswith(_SERVERS)):
        return Place(url, reference)
    return Place(text, None) if text.startswith(_SERVERS) else None


def read(found: Place) -> Document:
    """The document that is asked for, or the only one that is kept. Raises FileError, DocumentError."""
    try:
        import zstandard  # noqa: F401
    except ImportError:
        raise _not_installed(found.url) from None
    try:
        document = None if "://" in found.url or found.reference is None else _quickly(found.url, found.reference)
        return document or _by_archive(found)
    except DocumentError as error:
        error.file = f"{display(found.url)}#{found.reference or ''}"
        raise


def read_all(found: Place, path: str | os.PathLike[str]) -> list[Kept]:
    """The newest version of every name, or the one that ``path`` asks for. Raises as :func:`read` does."""
    from mgraph.formats.opening import Kept

    if found.reference is not None:
        return [Kept(display(path), "", read(found), None)]
    kept: list[Kept] = []
    with opened(found.url) as archive:
        for k, (each, document) in enumerate(archive.newest(), 1):
            name, place = f"{archive.name}#{each.name}", f"version {each.number}"
            if isinstance(document, MgraphError):
                told = document if isinstance(document, DocumentError) else FileError(f"{name}: {document}")
                kept.append(Kept(name, place, None, told, k))
            else:
                kept.append(Kept(name, place, document, None, k))
        if not kept:
            raise FileError(f"{archive.name}: nothing is kept in it yet")
    return kept


def opened(url: str, create: bool = False, upgrade: bool = False) -> Archive:
    """The archive. Raises FileError, also if what it needs is not installed."""
    try:
        from mgraph.archive.archive import Archive
    except ImportError:
        raise _not_installed(url) from None
    return Archive(url, create=create, upgrade=upgrade)


def _not_installed(url: str) -> FileError:
    return FileError(f"{display(url)}: an archive needs the extra: pip install 'mgraph-replay[archive]'")


def _by_archive(found: Place) -> Document:
    with opened(found.url) as archive:
        reference = archive.only_name() if found.reference is None else found.reference
        return archive.get(reference)._wiring.document


def _quickly(path: str, text: str) -> Document | None:
    """The document, if it can be found and restored without more ado; else None."""
    import sqlite3

    from mgraph.archive.quick import document
    from mgraph.archive.references import parsed
    from mgraph.archive.sqlite_file import LONGEST, SCHEMA, foreign

    reference = parsed(text)
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
            connection.execute("PRAGMA trusted_schema=OFF")
            if foreign(connection):
                return None
            if connection.execute("SELECT value FROM info WHERE key = 'schema'").fetchone() != (str(SCHEMA),):
                return None
            return document(connection, reference)
    except (sqlite3.Error, TypeError, OSError):
        return None
