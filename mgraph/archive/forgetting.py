"""What is forgotten, which can be undone, and what is removed for good."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, exists, select
from sqlalchemy.sql.elements import ColumnElement

from mgraph.archive import tables
from mgraph.archive.lots import in_lots, put
from mgraph.archive.moments import Moment
from mgraph.archive.naming import note, remove_tag, resolve, set_labels, tagged_number, versions
from mgraph.archive.parcels import prepared
from mgraph.archive.postings import reindex
from mgraph.archive.references import Reference
from mgraph.archive.shelves import Shelves
from mgraph.document.wiring import Wiring
from mgraph.errors import FileError, shown

_VERSION, _FORGOTTEN, _TAG, _LABEL = tables.version.c, tables.forgotten.c, tables.tag.c, tables.label.c


def forget(connection: Connection, moment: Moment, reference: Reference) -> list[int]:
    """Put a tombstone on a version, or on all of a name. Returns the versions' numbers. Raises FileError."""
    _refuse_digest(reference)
    found = resolve(connection, reference)
    which: ColumnElement[bool] = _VERSION.name == found.name
    if (reference.number, reference.tag) != (None, None):
        which = _VERSION.id == found.version
    rows = connection.execute(versions().where(which, _FORGOTTEN.version.is_(None)).order_by(_VERSION.number)).all()
    put(connection, tables.forgotten, [{"version": row.id, "at": moment.at} for row in rows])
    numbers = [row.number for row in rows]
    note(connection, moment, "forget", found.name, versions=numbers)
    return numbers


def _refuse_digest(reference: Reference) -> None:
    """A document may be held by several versions. Raises FileError."""
    if reference.digest is not None:
        raise FileError(f"{reference} is a document; name the version that holds it, NAME@VERSION, as its log does")


def remember(connection: Connection, moment: Moment, reference: Reference) -> list[int]:
    """Undo :func:`forget`. Returns the versions' numbers. Raises FileError if nothing was forgotten."""
    _refuse_digest(reference)
    which = [_VERSION.name == reference.name]
    if reference.number is not None:
        which.append(_VERSION.number == reference.number)
    elif reference.tag is not None:
        which.append(_VERSION.number == tagged_number(connection, reference.name, reference.tag))
    rows = connection.execute(
        select(_VERSION.id, _VERSION.number)
        .join(tables.forgotten, _FORGOTTEN.version == _VERSION.id)
        .where(*which)
        .order_by(_VERSION.number)
    ).all()
    if not rows:
        raise FileError(f"nothing of {shown(str(reference))} was forgotten")
    for lot in in_lots(row.id for row in rows):
        connection.execute(delete(tables.forgotten).where(_FORGOTTEN.version.in_(lot)))
    note(connection, moment, "remember", reference.name, versions=[row.number for row in rows])
    return [row.number for row in rows]


def prune(connection: Connection, moment: Moment, before: str) -> tuple[int, int]:
    """Remove the versions forgotten before a moment, and the documents that nothing names any more.

    A document that others are packed beside stays, and so does the newest version of a name that has others, so that
    its number is not given twice. Returns how many versions and how many documents were removed.
    """
    later = tables.version.alias()
    is_newest = ~exists().where(later.c.name == _VERSION.name, later.c.number > _VERSION.number)
    has_others = exists().where(
        later.c.name == _VERSION.name, later.c.id.not_in(select(_FORGOTTEN.version).where(_FORGOTTEN.at < before))
    )
    query = (
        select(_VERSION.id)
        .join(tables.forgotten, _FORGOTTEN.version == _VERSION.id)
        .where(_FORGOTTEN.at < before, ~(is_newest & has_others))
    )
    gone = connection.execute(query).scalars().all()
    for lot in in_lots(gone):
        tagged = select(_TAG.name, _TAG.tag).where(_TAG.version.in_(lot)).order_by(_TAG.name, _TAG.tag)
        for name, tag in connection.execute(tagged).all():
            remove_tag(connection, moment, name, tag)
        connection.execute(delete(tables.forgotten).where(_FORGOTTEN.version.in_(lot)))
    renamed: set[int] = set()
    for lot in in_lots(gone):
        renamed |= set(connection.execute(select(_VERSION.document).where(_VERSION.id.in_(lot))).scalars())
        connection.execute(delete(tables.version).where(_VERSION.id.in_(lot)))
    unnamed = select(_LABEL.name, _LABEL.key).where(_LABEL.name.not_in(select(_VERSION.name)))
    for name, key in connection.execute(unnamed.order_by(_LABEL.name, _LABEL.key)).all():
        set_labels(connection, moment, name, {key: None})
    removed = 0
    while count := _remove_unnamed(connection, before):
        removed += count
    _find_no_longer(connection, renamed)
    if gone or removed:
        note(connection, moment, "prune", "", versions=len(gone), documents=removed)
    return len(gone), removed


def _find_no_longer(connection: Connection, renamed: Iterable[int]) -> None:
    """Let documents that stay be found by the names that are left to them."""
    shelves = Shelves(connection)
    for lot in in_lots(sorted(renamed)):
        there = select(tables.document.c.id).where(tables.document.c.id.in_(lot))
        left = connection.execute(there).scalars().all()
        reindex(connection, {number: prepared(Wiring(shelves.document(number))) for number in left})


def _remove_unnamed(connection: Connection, before: str) -> int:
    of, body = tables.document.c, tables.body.c
    query = select(of.id).where(
        of.at < before,
        of.id.not_in(select(_VERSION.document)),
        of.id.not_in(select(body.base).where(body.base.is_not(None))),
    )
    documents = connection.execute(query).scalars().all()
    for lot in in_lots(documents):
        for table in (tables.posting, tables.verdict, tables.checked, tables.body):
            connection.execute(delete(table).where(table.c.document.in_(lot)))
        connection.execute(delete(tables.document).where(of.id.in_(lot)))
    return len(documents)
