"""Which kept document a reference means; the tags and labels of names, and the log of what was done to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Select, and_, delete, select
from sqlalchemy.sql.elements import ColumnElement

from mgraph.archive import tables
from mgraph.archive.lots import next_id, put
from mgraph.archive.moments import Moment
from mgraph.archive.references import Reference
from mgraph.errors import FileError, nearest, shown

_VERSION, _FORGOTTEN, _TAG, _LABEL = tables.version.c, tables.forgotten.c, tables.tag.c, tables.label.c


class Found(NamedTuple):
    """A kept document and, where it was asked for by name, the version that holds it."""

    document: int
    digest: bytes
    version: int | None
    name: str
    number: int


def resolve(connection: Connection, reference: Reference) -> Found:
    """What a reference means. Raises FileError, with what comes near."""
    if reference.digest is not None:
        return _by_digest(connection, reference.digest)
    query = versions().where(_VERSION.name == reference.name, _FORGOTTEN.version.is_(None))
    if reference.number is not None:
        query = query.where(_VERSION.number == reference.number)
    elif reference.tag is not None:
        query = query.join(tables.tag, _TAG.version == _VERSION.id).where(
            _TAG.name == reference.name, _TAG.tag == reference.tag
        )
    row = connection.execute(query.order_by(_VERSION.number.desc()).limit(1)).first()
    if row is None:
        raise FileError(_missing(connection, reference))
    return Found(row.document, bytes(row.digest), row.id, row.name, row.number)


def named(found: Found) -> Found:
    """A kept document that a name holds. Raises FileError for one that none holds any more."""
    if found.version is None:
        raise FileError(f"no name holds sha256:{found.digest.hex()[:12]} any more")
    return found


def versions() -> Select[Any]:
    """Every version, with its document's digest; ``forgotten`` is joined for a condition on it."""
    doc = tables.document
    return (
        select(_VERSION.id, _VERSION.name, _VERSION.number, _VERSION.document, doc.c.digest)
        .join(doc, doc.c.id == _VERSION.document)
        .outerjoin(tables.forgotten, _FORGOTTEN.version == _VERSION.id)
    )


def called(pattern: str) -> ColumnElement[bool]:
    """That a version's name is this one, or with ``*`` at the end begins so."""
    if not pattern.endswith("*"):
        return _VERSION.name == pattern
    start = pattern[:-1]
    return and_(_VERSION.name >= start, _VERSION.name < start + "\U0010ffff")


def names(connection: Connection, limit: int) -> list[str]:
    """The first names that hold anything, in order."""
    query = (
        select(_VERSION.name)
        .outerjoin(tables.forgotten, _FORGOTTEN.version == _VERSION.id)
        .where(_FORGOTTEN.version.is_(None))
        .distinct()
        .order_by(_VERSION.name)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def _by_digest(connection: Connection, digits: str) -> Found:
    of = tables.document.c
    low = bytes.fromhex(digits.ljust(64, "0"))
    high = bytes.fromhex(digits.ljust(64, "f"))
    query = select(of.id, of.digest).where(of.digest.between(low, high)).order_by(of.digest).limit(9)
    rows = connection.execute(query).all()
    if not rows:
        raise FileError(f"no document of digest sha256:{digits} is kept here")
    if len(rows) > 1:
        which = ", ".join(f"sha256:{bytes(row.digest).hex()[: len(digits) + 4]}" for row in rows[:8])
        raise FileError(f"sha256:{digits} begins more than one digest: {which}{', …' * (len(rows) > 8)}")
    version = connection.execute(
        versions()
        .where(_VERSION.document == rows[0].id, _FORGOTTEN.version.is_(None))
        .order_by(_VERSION.id.desc())
        .limit(1)
    ).first()
    named = (version.id, version.name, version.number) if version is not None else (None, "", 0)
    return Found(rows[0].id, bytes(rows[0].digest), *named)


def _missing(connection: Connection, reference: Reference) -> str:
    name = reference.name
    numbers = connection.execute(
        select(_VERSION.number, _FORGOTTEN.version)
        .outerjoin(tables.forgotten, _FORGOTTEN.version == _VERSION.id)
        .where(_VERSION.name == name)
        .order_by(_VERSION.number)
    ).all()
    if not numbers:
        names = connection.execute(select(_VERSION.name).distinct().order_by(_VERSION.name).limit(1_000)).scalars()
        return f"no graph {shown(name)} is kept here.{nearest(name, names)}".rstrip(".")
    if reference.tag is not None and (number := tagged_number(connection, name, reference.tag)) is not None:
        reference = Reference(name, number=number)
    kept = [number for number, forgotten in numbers if forgotten is None]
    if not kept:
        return f"{shown(name)} was forgotten; to undo that: mgraph archive forget --undo {name}"
    if reference.number in {number for number, _ in numbers}:
        return f"version {reference.number} of {shown(name)} was forgotten; it has {_listed(kept)}"
    if reference.number is not None:
        return f"{shown(name)} has no version {reference.number}; it has {_listed(kept)}"
    tags = connection.execute(select(_TAG.tag).where(_TAG.name == name).order_by(_TAG.tag)).scalars().all()
    known = f"; it has {', '.join(map(shown, tags[:12]))}" if tags else "; it has none"
    return f"{shown(name)} has no tag {shown(reference.tag)}{known}"


def tagged_number(connection: Connection, name: str, tag: str) -> int | None:
    """The number of the version that a tag points at, be it forgotten; None where there is no such tag."""
    query = select(_VERSION.number).join(tables.tag, _TAG.version == _VERSION.id)
    return connection.execute(query.where(_TAG.name == name, _TAG.tag == tag)).scalar()


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:12])) + ", …" * (len(numbers) > 12)


def note(connection: Connection, moment: Moment, verb: str, name: str, **detail: Any) -> None:
    """Write down what was done."""
    row = {
        "id": next_id(connection, *tables.LOGGED),
        "at": moment.at,
        "by": moment.by,
        "verb": verb,
        "name": name,
        "detail": orjson.dumps(detail).decode(),
    }
    put(connection, tables.event_log, [row])


def set_tag(connection: Connection, moment: Moment, found: Found, tag: str) -> None:
    """Let a tag of a name point at one of its versions. Every move is written down. Raises FileError."""
    named(found)
    before = tagged_number(connection, found.name, tag)
    if before == found.number:
        return
    connection.execute(delete(tables.tag).where(_TAG.name == found.name, _TAG.tag == tag))
    put(connection, tables.tag, [{"name": found.name, "tag": tag, "version": found.version}])
    note(connection, moment, "tag", found.name, tag=tag, before=before, now=found.number)


def remove_tag(connection: Connection, moment: Moment, name: str, tag: str) -> None:
    """Take a tag off a name. Raises FileError if it is not there."""
    before = tagged_number(connection, name, tag)
    if before is None:
        raise FileError(_missing(connection, Reference(name, tag=tag)))
    connection.execute(delete(tables.tag).where(_TAG.name == name, _TAG.tag == tag))
    note(connection, moment, "tag", name, tag=tag, before=before, now=None)


def set_labels(connection: Connection, moment: Moment, name: str, labels: Mapping[str, str | None]) -> None:
    """Give labels of a name a value, or with None take them off."""
    for key, value in labels.items():
        where = and_(_LABEL.name == name, _LABEL.key == key)
        before = connection.execute(select(_LABEL.value).where(where)).scalar()
        if before == value:
            continue
        connection.execute(delete(tables.label).where(where))
        if value is not None:
            put(connection, tables.label, [{"name": name, "key": key, "value": value}])
        note(connection, moment, "label", name, key=key, before=before, now=value)
