"""The document of a name by SQLite's driver alone, in one statement or two: what SQLAlchemy adds would take longer.

What is not plainly there (a name that is missing, a digest, a history) is left to :mod:`mgraph.archive.naming`, which
also says what is wrong.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from mgraph.archive import bodies
from mgraph.archive.bodies import Body
from mgraph.archive.references import Reference
from mgraph.document import model
from mgraph.document.model import Document

_BODY = (
    "SELECT b.form, b.base, b.dictionary, b.size, b.bytes, d.digest, t.bytes"
    " FROM body b JOIN document d ON d.id = b.document LEFT JOIN dictionary t ON t.id = b.dictionary"
)
_NAMED = (
    f"{_BODY} JOIN version v ON v.document = d.id"
    " WHERE v.id NOT IN (SELECT version FROM forgotten) AND v.name = ?{} ORDER BY v.number DESC LIMIT 1"
)
_TAGGED = " AND v.id = (SELECT version FROM tag WHERE tag.name = v.name AND tag = ?)"


def document(connection: sqlite3.Connection, reference: Reference) -> Document | None:
    """The document; None if it is not plainly there. Raises FileError where its bytes are not those of its digest."""
    if reference.digest is not None:
        return None
    which = ""
    values: tuple[str | int, ...] = (reference.name,)
    if reference.number is not None:
        which, values = " AND v.number = ?", (reference.name, reference.number)
    elif reference.tag is not None:
        which, values = _TAGGED, (reference.name, reference.tag)
    row = connection.execute(_NAMED.format(which), values).fetchone()
    content = None if row is None else _content(connection, row)
    return None if content is None else model.parse(content)


def _content(connection: sqlite3.Connection, row: Sequence[Any]) -> bytes | None:
    *fields, digest, against = row
    body = Body(*fields)
    if body.form == bodies.VARIANT:
        base = connection.execute(f"{_BODY} WHERE b.document = ?", [body.base]).fetchone()
        if base is None or base[0] != bodies.WHOLE:
            return None
        against = _content(connection, base)
    elif body.form != bodies.WHOLE:
        return None
    return bodies.proven(bodies.unpacked(body, against), digest)
