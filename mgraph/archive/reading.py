"""A kept graph where a file is asked for: ``course.mgraph#neuron``, or ``#neuron`` of the archive MGRAPH_ARCHIVE.

To import SQLAlchemy takes as long as a small graph's whole replay, so what is plainly there is read with the standard
library. Whatever is not (another schema, a name that is missing, a history) is left to :class:`Archive`, which
also says what is wrong.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from mgraph.archive.sqlite_file import LONGEST, SCHEMA, foreign, is_archive
from mgraph.document import model
from mgraph.document.model import Document
from mgraph.errors import DocumentError, FileError
from mgraph.files.atomic import display

_SERVERS = ("postgresql://", "postgres://")
DEFAULT = "MGRAPH_ARCHIVE"
"""The environment variable that names the archive for ``#neuron``."""


class Place(NamedTuple):
    """An archive, by path or URL, and what is asked for in it; None for all."""

    url: str
    reference: str | None


def place(path: str | os.PathLike[str]) -> Place | None:
    """The archive and the reference that a path means; None where it is no archive's. Raises FileError."""
    text = os.fspath(path)
    if is_archive(text):
        return Place(text, None)
    url, mark, reference = text.rpartition("#")
    if mark and not url:
        default = os.environ.get(DEFAULT)
        if default is None and not Path(text).exists():
            raise FileError(f"{display(text)}: no archive is named: set {DEFAULT}, or write ARCHIVE{display(text)}")
        return Place(default, reference) if default is not None else None
    if mark and (is_archive(url) or url.startswith(_SERVERS)):
        return Place(url, reference)
    return Place(text, None) if text.startswith(_SERVERS) else None


def read(found: Place) -> Document:
    """The document that is asked for, or the only one that is kept. Raises FileError, DocumentError."""
    try:
        import zstandard  # noqa: F401
    except ImportError:
        raise FileError(
            f"{display(found.url)}: an archive needs the extra: pip install 'mgraph-replay[archive]'"
        ) from None
    try:
        document = None if "://" in found.url or found.reference is None else _quickly(found.url, found.reference)
        return document or _by_archive(found)
    except DocumentError as error:
        error.file = f"{display(found.url)}#{found.reference or ''}"
        raise


def _by_archive(found: Place) -> Document:
    from mgraph.archive.archive import Archive

    with Archive(found.url, create=False) as archive:
        reference = archive.only_name() if found.reference is None else found.reference
        return archive.get(reference)._wiring.document


_BODY = (
    "SELECT b.form, b.base, b.dictionary, b.size, b.bytes, d.digest FROM body b JOIN document d ON d.id = b.document"
)
_VERSION = (
    " JOIN version v ON v.document = d.id WHERE v.id NOT IN (SELECT version FROM forgotten) AND v.name = ?{}"
    " ORDER BY v.number DESC LIMIT 1"
)


def _quickly(path: str, text: str) -> Document | None:
    """The document, if it can be found and restored without more ado; else None."""
    from mgraph.archive import bodies
    from mgraph.archive.bodies import Body
    from mgraph.archive.references import parsed

    reference = parsed(text)
    if reference.digest is not None:
        return None
    where = ""
    values: list[str | int] = [reference.name]
    if reference.number is not None:
        where, values = " AND v.number = ?", [*values, reference.number]
    elif reference.tag is not None:
        where = " AND v.id = (SELECT version FROM tag WHERE tag.name = v.name AND tag = ?)"
        values = [*values, reference.tag]
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
            connection.execute("PRAGMA trusted_schema=OFF")
            if foreign(connection):
                return None
            if connection.execute("SELECT value FROM info WHERE key = 'schema'").fetchone() != (str(SCHEMA),):
                return None
            row = connection.execute(_BODY + _VERSION.format(where), values).fetchone()
            if row is None or row[0] != bodies.WHOLE:
                return None
            *fields, digest = row
            body = Body(*fields)
            against = None
            if body.dictionary is not None:
                query = "SELECT bytes FROM dictionary WHERE id = ?"
                against = connection.execute(query, [body.dictionary]).fetchone()[0]
    except (sqlite3.Error, TypeError, OSError):
        return None
    return model.parse(bodies.proven(bodies.unpacked(body, against), digest))
