"""What is kept, by name: lists, one version in full, and what was done when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, func, select, true

from mgraph.archive import tables
from mgraph.archive.naming import called, resolve
from mgraph.archive.references import parsed
from mgraph.archive.verdicts import Past, last
from mgraph.errors import FileError

_VERSION, _DOCUMENT, _TAG, _LABEL = tables.version.c, tables.document.c, tables.tag.c, tables.label.c
_EVENT = tables.event_log.c


class Listed(NamedTuple):
    """A name, and its newest version."""

    name: str
    number: int
    """Of the newest version."""
    versions: int
    """How many there are, without those forgotten."""
    tags: Mapping[str, int]
    """The number of the version that each tag points at."""
    title: str
    nodes: int
    at: str
    """When the newest version was kept, in UTC."""
    digest: str
    """``sha256:`` and 64 hexadecimal digits."""


class Details(NamedTuple):
    """A version of a name."""

    name: str
    number: int
    parent: int | None
    """The number of the version that it followed."""
    digest: str
    """``sha256:`` and 64 hexadecimal digits."""
    title: str
    nodes: int
    at: str
    """When it was kept, in UTC."""
    by: str
    note: str
    source: Mapping[str, str]
    """Where it came from: the ``file`` and the ``place`` in it or in a program; and, where the document says so, its
    ``origin`` (the importer), the ``fit``, and where its output was ``made``."""
    mgraph: str
    """Which mgraph kept it."""
    tags: list[str]
    labels: Mapping[str, str]
    """Of the name."""
    versions: list[int]
    """The numbers of the name's versions, without those forgotten."""
    elsewhere: list[str]
    """The other versions, of any name, that hold the same document."""
    size: int
    """Bytes of the document, canonically written."""
    stored: int
    """Bytes that the archive keeps for it."""
    verdict: Past | None
    """The last one."""


class Logged(NamedTuple):
    """What was done to a name."""

    at: str
    """In UTC."""
    by: str
    verb: str
    """``keep``, ``tag``, ``label``, ``forget``, ``remember`` or ``prune``."""
    name: str
    detail: Mapping[str, Any]


def listed(connection: Connection, pattern: str) -> list[Listed]:
    """The names, or those of a pattern such as ``lesson/*``, in order."""
    which = called(pattern) if pattern else true()
    newest = (
        select(_VERSION.name, func.max(_VERSION.number).label("number"), func.count().label("versions"))
        .where(which, _VERSION.id.not_in(select(tables.forgotten.c.version)))
        .group_by(_VERSION.name)
        .subquery()
    )
    query = (
        select(_VERSION.name, _VERSION.number, newest.c.versions, _DOCUMENT.title, _DOCUMENT.nodes, _VERSION.at)
        .add_columns(_DOCUMENT.digest)
        .join(newest, (newest.c.name == _VERSION.name) & (newest.c.number == _VERSION.number))
        .join(tables.document, _DOCUMENT.id == _VERSION.document)
        .order_by(_VERSION.name)
    )
    tags: dict[str, dict[str, int]] = defaultdict(dict)
    tagged = select(_TAG.name, _TAG.tag, _VERSION.number).join(tables.version, _VERSION.id == _TAG.version)
    there = _VERSION.id.not_in(select(tables.forgotten.c.version))
    for name, tag, number in connection.execute(tagged.where(which, there).order_by(_TAG.name, _TAG.tag)):
        tags[name][tag] = number
    return [
        Listed(name, number, versions, tags.get(name, {}), title, nodes, at, f"sha256:{bytes(digest).hex()}")
        for name, number, versions, title, nodes, at, digest in connection.execute(query)
    ]


def details(connection: Connection, reference: str) -> Details:
    """A version in full. Raises FileError."""
    found = resolve(connection, parsed(reference))
    if found.version is None:
        raise FileError(f"no name holds sha256:{found.digest.hex()[:12]} any more; what it says: mgraph archive get")
    version = connection.execute(select(tables.version).where(_VERSION.id == found.version)).one()
    document = connection.execute(select(tables.document).where(_DOCUMENT.id == found.document)).one()
    of = tables.body.c
    body = connection.execute(select(of.size, func.length(of.bytes)).where(of.document == found.document)).one()
    there = (
        select(_VERSION.name, _VERSION.number)
        .where(_VERSION.id.not_in(select(tables.forgotten.c.version)))
        .order_by(_VERSION.name, _VERSION.number)
    )
    numbers = [number for _, number in connection.execute(there.where(_VERSION.name == found.name))]
    same = connection.execute(there.where(_VERSION.document == found.document, _VERSION.id != found.version))
    tags = select(_TAG.tag).where(_TAG.version == found.version).order_by(_TAG.tag)
    labels = select(_LABEL.key, _LABEL.value).where(_LABEL.name == found.name).order_by(_LABEL.key)
    return Details(
        found.name,
        found.number,
        version.parent,
        f"sha256:{found.digest.hex()}",
        document.title,
        document.nodes,
        version.at,
        version.by,
        version.note,
        orjson.loads(version.source),
        version.mgraph,
        list(connection.execute(tags).scalars()),
        {row.key: row.value for row in connection.execute(labels)},
        numbers,
        [f"{name}@{number}" for name, number in same],
        *body,
        last(connection, found.document, found.number),
    )


def logged(connection: Connection, name: str | None) -> list[Logged]:
    """What was done, to a name or at all, the oldest first. Raises FileError for a name that was never kept."""
    versions = select(tables.version, _DOCUMENT.digest).join(tables.document, _DOCUMENT.id == _VERSION.document)
    events = select(tables.event_log)
    if name is not None:
        versions, events = versions.where(_VERSION.name == name), events.where(_EVENT.name == name)
    found = []
    for row in connection.execute(versions):
        detail = {"version": row.number, "digest": f"sha256:{bytes(row.digest).hex()}", "mgraph": row.mgraph}
        detail |= {"note": row.note} if row.note else {}
        detail["source"] = orjson.loads(row.source)
        found.append((row.id, Logged(row.at, row.by, "keep", row.name, detail)))
    found += [
        (row.id, Logged(row.at, row.by, row.verb, row.name, orjson.loads(row.detail)))
        for row in connection.execute(events)
    ]
    if name is not None and not found:
        resolve(connection, parsed(name))  # which says what comes near
    found.sort(key=lambda each: (each[1].at, each[0]))
    return [each for _, each in found]
