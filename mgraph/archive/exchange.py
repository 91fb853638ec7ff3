"""What an archive holds, as rows that need no database: read out of one, and brought into another.

Rows refer to documents by digest and to versions by name and number. What is there already stays as it is; what is
missing is added; a version that is another document here is refused. So bringing in twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Table, select

from mgraph.archive import bodies, naming, tables
from mgraph.archive.database import Database
from mgraph.archive.keeping import New, put_documents
from mgraph.archive.lots import in_lots, next_id, put
from mgraph.archive.moments import now
from mgraph.archive.parcels import Terms, add_name, prepared
from mgraph.archive.postings import post
from mgraph.archive.shelves import Shelves
from mgraph.document.model import Document
from mgraph.document.wiring import Wiring
from mgraph.errors import FileError, shown

Rows = dict[str, list[dict[str, Any]]]
"""The rows of each kind, in the order in which they were made."""

_TEXT, _WHOLE, _REAL = (str,), (int,), (int, float)
FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "documents": {"digest": _TEXT, "at": _TEXT, "compact": (bool,)},
    "versions": {
        "name": _TEXT,
        "number": _WHOLE,
        "digest": _TEXT,
        "parent": (int, type(None)),
        "at": _TEXT,
        "by": _TEXT,
        "note": _TEXT,
        "source": (dict,),
        "mgraph": _TEXT,
        "forgotten": (str, type(None)),
    },
    "tags": {"name": _TEXT, "tag": _TEXT, "number": _WHOLE},
    "labels": {"name": _TEXT, "key": _TEXT, "value": _TEXT},
    "events": {"at": _TEXT, "by": _TEXT, "verb": _TEXT, "name": _TEXT, "detail": (dict,)},
    "verdicts": {
        "digest": _TEXT,
        "verdict": _TEXT,
        "ulps": _REAL,
        "node": _TEXT,
        "said": _TEXT,
        "mgraph": _TEXT,
        "engine": _TEXT,
        "python": _TEXT,
        "platform": _TEXT,
        "at": _TEXT,
        "seconds": _REAL,
    },
}
"""The fields of a row of each kind, and the types that each may have."""
Source = Callable[[str], Document]
"""The document of a digest (64 hexadecimal digits)."""


class Brought(NamedTuple):
    """How many of each kind were new."""

    documents: int
    versions: int
    tags: int
    labels: int
    events: int
    verdicts: int


# Out ---------------------------------------------------------------------------------------------------------


def collected(connection: Connection) -> Rows:
    """All rows of an archive. Raises FileError for one that cannot be read."""
    doc, version, body, gone = tables.document.c, tables.version.c, tables.body.c, tables.forgotten.c
    compact = (body.form == bodies.REPLAYED).label("compact")
    queries = {
        "documents": select(doc.digest, doc.at, compact).join(tables.body, body.document == doc.id).order_by(doc.id),
        "versions": select(tables.version, doc.digest, gone.at.label("forgotten"))
        .join(tables.document, doc.id == version.document)
        .outerjoin(tables.forgotten, gone.version == version.id)
        .order_by(version.id),
        "tags": select(tables.tag, version.number)
        .join(tables.version, version.id == tables.tag.c.version)
        .order_by(tables.tag.c.name, tables.tag.c.tag),
        "labels": select(tables.label).order_by(tables.label.c.name, tables.label.c.key),
        "events": select(tables.event_log).order_by(tables.event_log.c.id),
        "verdicts": select(tables.verdict, doc.digest)
        .join(tables.document, doc.id == tables.verdict.c.document)
        .order_by(tables.verdict.c.id),
    }
    return {
        kind: [{name: _plain(row[name], types) for name, types in FIELDS[kind].items()} for row in found.mappings()]
        for kind, query in queries.items()
        for found in [connection.execute(query)]
    }


def _plain(value: Any, types: tuple[type, ...]) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if types == (dict,):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            raise FileError(f"{shown(value)} should be JSON: the archive is damaged") from None
    return bool(value) if types == (bool,) else value


# In ----------------------------------------------------------------------------------------------------------


def bring(connection: Connection, rows: Rows, source: Source, verb: str, origin: str) -> Brought:
    """Add what is not here yet, and note it. Raises FileError, after which the transaction is to be undone."""
    ids = digests(connection)
    versions = _new_versions(connection, rows["versions"])
    names: dict[str, list[str]] = {}
    for row in versions:
        names.setdefault(row["digest"], []).append(row["name"])
    before = set(ids)
    documents = [row for row in rows["documents"] if row["digest"] not in before]
    for lot in in_lots(documents):
        ids |= _put_documents(connection, lot, names, source)
    terms: dict[int, Terms] = {}
    for digest, given in names.items():
        if digest in before:
            for name in given:
                add_name(terms.setdefault(ids[digest], {}), name)
    post(connection, terms, {})
    _put_versions(connection, versions, ids)
    tags = _put_tags(connection, rows["tags"])
    labels = _put_missing(connection, tables.label, rows["labels"], ("name", "key"))
    events = [{**row, "detail": orjson.dumps(row["detail"]).decode()} for row in rows["events"]]
    verdicts = [
        {"document": ids[row["digest"]]} | {key: value for key, value in row.items() if key != "digest"}
        for row in rows["verdicts"]
    ]
    history = _append(connection, tables.event_log, events), _append(connection, tables.verdict, verdicts)
    found = Brought(len(documents), len(versions), tags, labels, *history)
    if any(found):
        naming.note(connection, now(), verb, "", origin=origin, **found._asdict())
    return found


def digests(connection: Connection) -> dict[str, int]:
    """The id of every document, by its digest (64 hexadecimal digits)."""
    of = tables.document.c
    return {bytes(digest).hex(): number for digest, number in connection.execute(select(of.digest, of.id))}


def _new_versions(connection: Connection, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    of, doc = tables.version.c, tables.document.c
    query = select(of.name, of.number, doc.digest).join(tables.document, doc.id == of.document)
    there = {(name, number): bytes(digest).hex() for name, number, digest in connection.execute(query)}
    new = []
    for row in rows:
        held = there.get((row["name"], row["number"]))
        if held is None:
            new.append(row)
        elif held != row["digest"]:
            raise FileError(
                f"{row['name']}@{row['number']} is sha256:{held[:12]} here, and sha256:{row['digest'][:12]} there;"
                " bring that into an archive of its own"
            )
    return new


def _put_documents(
    connection: Connection, lot: Iterable[dict[str, Any]], names: Mapping[str, list[str]], source: Source
) -> dict[str, int]:
    new = []
    for row in lot:
        parcel = prepared(Wiring(source(row["digest"])))
        if parcel.digest.hex() != row["digest"]:
            raise FileError(
                f"what is called sha256:{row['digest'][:12]} has the digest sha256:{parcel.digest.hex()[:12]}"
            )
        for name in names.get(row["digest"], ()):
            add_name(parcel.terms, name)
        new.append(New(parcel, row["at"], row["compact"]))
    found = put_documents(connection, new)
    numbers = {found[each.parcel.digest]: each.parcel for each in new}
    post(
        connection,
        {number: parcel.terms for number, parcel in numbers.items()},
        {number: parcel.fingerprints for number, parcel in numbers.items()},
    )
    return {digest.hex(): number for digest, number in found.items()}


def _put_versions(connection: Connection, rows: Iterable[dict[str, Any]], ids: Mapping[str, int]) -> None:
    versions, forgotten = [], []
    for number, row in enumerate(rows, next_id(connection, *tables.LOGGED)):
        kept = {key: value for key, value in row.items() if key not in ("digest", "forgotten")}
        kept |= {"id": number, "document": ids[row["digest"]], "source": orjson.dumps(row["source"]).decode()}
        versions.append(kept)
        if row["forgotten"] is not None:
            forgotten.append({"version": number, "at": row["forgotten"]})
    put(connection, tables.version, versions)
    put(connection, tables.forgotten, forgotten)


def _put_tags(connection: Connection, rows: Iterable[dict[str, Any]]) -> int:
    of = tables.version.c
    ids = {(name, number): each for each, name, number in connection.execute(select(of.id, of.name, of.number))}
    tags = [{"name": row["name"], "tag": row["tag"], "version": ids[row["name"], row["number"]]} for row in rows]
    return _put_missing(connection, tables.tag, tags, ("name", "tag"))


def _put_missing(connection: Connection, table: Table, rows: Iterable[dict[str, Any]], key: tuple[str, str]) -> int:
    there = {tuple(row) for row in connection.execute(select(*(table.c[name] for name in key)))}
    new = [row for row in rows if (row[key[0]], row[key[1]]) not in there]
    put(connection, table, new)
    return len(new)


def _append(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> int:
    """Add those of a history's rows that it does not hold yet, each as often as it is there."""
    if not rows:
        return 0
    names = list(rows[0])
    held = Counter(tuple(row) for row in connection.execute(select(*(table.c[name] for name in names))))
    new = list(_beyond(rows, held))
    first = next_id(connection, *(tables.LOGGED if table in tables.LOGGED else [table]))
    put(connection, table, [{"id": number, **row} for number, row in enumerate(new, first)])
    return len(new)


def _beyond(rows: Iterable[dict[str, Any]], held: Counter[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        values = tuple(row.values())
        if held[values]:
            held[values] -= 1
        else:
            yield row


def copy(database: Database, other: Database) -> Brought:
    """Bring everything into another archive. Raises FileError."""
    with database.reading() as connection:
        rows = collected(connection)
        ids, shelves = digests(connection), Shelves(connection)
        with other.writing() as target:
            return bring(target, rows, lambda digest: shelves.document(ids[digest]), "copy", database.name)
