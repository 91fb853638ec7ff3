"""``check``: whether an archive still is what it was. Four levels, each with those before it.

1. The database's own check, and the references between its rows.
2. Every body unpacked and hashed again: the digest proves it.
3. Every document read again: what is kept beside it (title, digests, words, fingerprints) derived anew, and compared.
4. Every document recomputed, and the verdict kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, delete, func, select
from sqlalchemy.exc import DBAPIError

from mgraph.archive import bodies, tables, verdicts
from mgraph.archive.database import Database
from mgraph.archive.lots import in_lots, put
from mgraph.archive.moments import now
from mgraph.archive.parcels import Terms, prepared
from mgraph.archive.postings import posted, reindex, with_names
from mgraph.archive.shelves import Shelves
from mgraph.archive.sqlite_file import HISTORY, Damaged, trigger
from mgraph.document import model
from mgraph.document.wiring import Wiring
from mgraph.errors import FileError, MgraphError, printable, shown

REFERENCES, BYTES, DERIVED, RECOMPUTED = LEVELS = (1, 2, 3, 4)
_DOCUMENT, _VERSION, _CHECKED = tables.document.c, tables.version.c, tables.checked.c


class Fault(NamedTuple):
    """Something that is not as it was."""

    level: int
    where: str
    """The document (its names and its digest), or the part of the database."""
    said: str
    repaired: bool = False

    @property
    def state(self) -> str:
        """``damaged``; ``differs`` where what was kept does not come out; ``repaired``."""
        return "repaired" if self.repaired else "differs" if self.level == RECOMPUTED else "damaged"


class Checkup(NamedTuple):
    """What a check found, and what it did not look at."""

    level: int
    """Up to which level; 0 where the database cannot be read to the end."""
    documents: int
    """How many documents were checked in this run; at level 1 none is."""
    faults: list[Fault]
    unchecked: list[str]
    """What was not checked, in words."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, or nothing any more."""
        return all(fault.repaired for fault in self.faults)


def check(database: Database, level: int, limit: int | None, repair: Database | None) -> Checkup:
    """Check up to a level; ``limit`` documents at most, those first that were not checked for longest."""
    if level not in LEVELS:
        raise ValueError(f"a level is one of {', '.join(map(str, LEVELS))}, not {level!r}")
    faults: list[Fault] = []
    done = 0
    sound: list[int] = []
    try:
        with database.reading() as connection:
            faults += _integrity(connection)
            faults += _references(connection)
        for lot in in_lots(_longest_ago(database, level)[:limit] if level > REFERENCES else []):
            found = _documents(database, lot, level)
            if repair is not None:
                found = {number: _repaired(database, number, fault, repair) for number, fault in found.items()}
            faults += found.values()
            done += len(lot)
            sound += (number for number in lot if number not in found or found[number].repaired)
        if not database.read_only:
            _note(database, sound, level)
        return Checkup(level, done, faults, _unchecked(database, level))
    except Damaged as error:
        return unreadable(error, done, faults)


def unreadable(error: Damaged, done: int = 0, faults: Sequence[Fault] = ()) -> Checkup:
    """What is known of an archive that the database cannot go on reading."""
    rest = "everything else, which cannot be read because of this damage"
    return Checkup(0, done, list(faults) or [Fault(REFERENCES, error.name, error.what)], [rest])


# The database ------------------------------------------------------------------------------------------------


def _integrity(connection: Connection) -> Iterator[Fault]:
    """What the database finds wrong in itself."""
    if connection.dialect.name == "sqlite":
        there = {sql for (sql,) in connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'trigger'")}
        for table in HISTORY:
            if trigger(table) not in there:
                yield Fault(REFERENCES, f"table {table}", "the trigger that refuses changes is gone")
        try:
            yield from _said_by_sqlite(connection, "the file", "20")
        except DBAPIError:  # it gave up; so does the check of each table that cannot be read
            for each in tables.metadata.sorted_tables:
                try:
                    yield from _said_by_sqlite(connection, f"table {each.name}", each.name)
                except DBAPIError:
                    yield Fault(REFERENCES, f"table {each.name}", "the database cannot read it to the end")
        return
    for index in _checkable_indexes(connection):
        try:
            with connection.begin_nested():
                connection.exec_driver_sql("SELECT bt_index_check(%s::regclass, true)", (index,))
        except DBAPIError as error:
            yield Fault(REFERENCES, f"index {index}", printable(str(error.orig)))


def _said_by_sqlite(connection: Connection, where: str, what: str) -> Iterator[Fault]:
    """What SQLite's own check says of a table, or of the file: the first so many errors."""
    for (said,) in connection.exec_driver_sql(f"PRAGMA integrity_check({what})"):
        for line in said.splitlines():
            if line != "ok" and not line.startswith("***"):
                yield Fault(REFERENCES, where, printable(line))


def _checkable_indexes(connection: Connection) -> list[str]:
    """The indexes that PostgreSQL can check, which takes its extension amcheck."""
    if not connection.exec_driver_sql("SELECT 1 FROM pg_extension WHERE extname = 'amcheck'").first():
        return []
    query = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = ANY(%s) ORDER BY 1"
    names = [table.name for table in tables.metadata.sorted_tables]
    return [f'"{name}"' for (name,) in connection.exec_driver_sql(query, (names,))]


def _references(connection: Connection) -> Iterator[Fault]:
    """Rows that refer to rows that are not there."""
    for table in tables.metadata.sorted_tables:
        for key in table.foreign_keys:
            target = key.column.table.alias()
            there = select(1).select_from(target).where(target.c[key.column.name] == key.parent).exists()
            yield from _lost(connection, table.name, key.column.table.name, and_(key.parent.is_not(None), ~there))
    of = tables.posting.c
    yield from _lost(connection, "posting", "document", of.document.not_in(select(_DOCUMENT.id)))
    yield from _lost(connection, "posting", "term", and_(of.term > 0, of.term.not_in(select(tables.term.c.id))))
    body = select(1).where(tables.body.c.document == _DOCUMENT.id).exists()
    yield from _lost(connection, "document", "body", ~body)
    tagged = select(1).where(_VERSION.id == tables.tag.c.version, _VERSION.name == tables.tag.c.name).exists()
    yield from _lost(connection, "tag", "version of its name", ~tagged)
    labelled = select(1).where(_VERSION.name == tables.label.c.name).exists()
    yield from _lost(connection, "label", "name", ~labelled)


def _lost(connection: Connection, table: str, what: str, which: object) -> Iterator[Fault]:
    rows = tables.metadata.tables[table]
    count = connection.execute(select(func.count()).select_from(rows).where(which)).scalar_one()  # type: ignore[arg-type]
    if count:
        yield Fault(REFERENCES, f"table {table}", f"{count:,} of its rows have no {what}")


# Documents ---------------------------------------------------------------------------------------------------


def _longest_ago(database: Database, level: int) -> list[int]:
    """All documents: first those never checked at this level, then those whose check is oldest."""
    last = (
        select(_CHECKED.document, func.max(_CHECKED.at).label("at"))
        .where(_CHECKED.level >= level)
        .group_by(_CHECKED.document)
        .subquery()
    )
    query = (
        select(_DOCUMENT.id)
        .outerjoin(last, last.c.document == _DOCUMENT.id)
        .order_by(func.coalesce(last.c.at, ""), _DOCUMENT.id)
    )
    with database.reading() as connection:
        return list(connection.execute(query).scalars())


def _documents(database: Database, lot: Sequence[int], level: int) -> dict[int, Fault]:
    """What is wrong with documents, the first thing of each, by their ids."""
    found: dict[int, Fault] = {}
    contents: dict[int, bytes] = {}
    with database.reading() as connection:
        shelves = Shelves(connection)
        index = posted(connection, lot) if level >= DERIVED else {}
        for number in lot:
            try:
                with connection.begin_nested():  # so that PostgreSQL goes on after an error
                    contents[number] = shelves.content(number)
                    said = _compared(connection, number, contents[number], index[number]) if index else ""
            except (MgraphError, DBAPIError) as error:
                said = printable(str(error.orig if isinstance(error, DBAPIError) else error))
            if said:
                reached = DERIVED if number in contents else BYTES
                found[number] = Fault(reached, _where(connection, number), said)
    if level == RECOMPUTED:
        sound = [number for number in lot if number not in found]
        judged = [verdicts.judged(contents[number], differences=True) for number in sound]
        if not database.read_only:
            verdicts.write(database, [*zip(sound, judged, strict=True)])
        with database.reading() as connection:
            for number, each in zip(sound, judged, strict=True):
                if not each.ok:
                    found[number] = Fault(RECOMPUTED, _where(connection, number), each.said)
    return found


def _compared(connection: Connection, number: int, content: bytes, index: tuple[Terms, set[int]]) -> str:
    """Which of the things kept beside a document does not follow from its bytes; an empty string if all do."""
    parcel = prepared(Wiring(model.parse(content)))
    row = connection.execute(select(tables.document).where(_DOCUMENT.id == number)).one()
    if parcel.digest != bytes(row.digest):
        return "its bytes are not the canonical ones"
    kept = bytes(row.recipe), bytes(row.structure), row.title, row.nodes
    derived = parcel.recipe, parcel.structure, parcel.title, parcel.nodes
    for what, one, other in zip(("recipe", "structure", "title", "number of nodes"), kept, derived, strict=True):
        if one != other:
            seen = [each.hex()[:12] if isinstance(each, bytes) else shown(each) for each in (one, other)]
            return f"its {what} is noted as {seen[0]}, and is {seen[1]}"
    terms = with_names(connection, number, parcel.terms)
    found, marks = index
    if found != terms:
        kind, text = min(dict(found.items() ^ terms.items()))
        return f"the index is wrong about the {kind} {shown(text)}"
    return "" if marks == set(parcel.fingerprints) else "the index is wrong about its subgraphs"


def _where(connection: Connection, number: int) -> str:
    """A document as a message calls it: by the last of its names, and its digest."""
    digest = connection.execute(select(_DOCUMENT.digest).where(_DOCUMENT.id == number)).scalar_one()
    query = select(_VERSION.name, _VERSION.number).where(_VERSION.document == number).order_by(_VERSION.id.desc())
    row = connection.execute(query.limit(1)).first()
    return f"{f'{row.name}@{row.number}, ' if row else ''}sha256:{bytes(digest).hex()[:12]}"


# Repair ------------------------------------------------------------------------------------------------------


def _repaired(database: Database, number: int, fault: Fault, other: Database) -> Fault:
    """The fault, mended if that is possible: a body from another archive, an index from the body."""
    if fault.level == RECOMPUTED:  # what is kept is what was kept
        return fault
    try:
        if fault.level == BYTES:
            content = _from(other, database, number)
            with database.writing() as connection:
                connection.execute(delete(tables.body).where(tables.body.c.document == number))
                row = bodies.Body(bodies.WHOLE, None, None, len(content), bodies.packed(content))
                put(connection, tables.body, [{"document": number, **row._asdict()}])
        with database.writing() as connection:
            content = Shelves(connection).content(number)
            reindex(connection, {number: prepared(Wiring(model.parse(content)))})
            said = _compared(connection, number, content, posted(connection, [number])[number])
    except MgraphError as error:
        return fault._replace(said=f"{fault.said}; it could not be repaired: {error}")
    return fault._replace(repaired=True) if not said else fault


def _from(other: Database, database: Database, number: int) -> bytes:
    """The bytes of a document, from another archive. Raises FileError."""
    with database.reading() as connection:
        digest = connection.execute(select(_DOCUMENT.digest).where(_DOCUMENT.id == number)).scalar_one()
    with other.reading() as connection:
        there = connection.execute(select(_DOCUMENT.id).where(_DOCUMENT.digest == digest)).scalar()
        if there is None:
            raise FileError("this document is not in it")
        return Shelves(connection).content(there)


# The set of what was checked ---------------------------------------------------------------------------------


def _note(database: Database, sound: Sequence[int], level: int) -> None:
    at = now().at
    for lot in in_lots(sound):
        with database.writing() as connection:
            there = set(connection.execute(select(_DOCUMENT.id).where(_DOCUMENT.id.in_(lot))).scalars())
            connection.execute(delete(tables.checked).where(_CHECKED.document.in_(lot), _CHECKED.level == level))
            rows = [{"document": number, "level": level, "at": at} for number in lot if number in there]
            put(connection, tables.checked, rows)


_DONE = {
    BYTES: "the bytes of documents",
    DERIVED: "what is derived from documents",
    RECOMPUTED: "whether documents still come out",
}


def _unchecked(database: Database, level: int) -> list[str]:
    """What no check has looked at so far, and what none can."""
    found = [f"{what} (level {each})" for each, what in _DONE.items() if each > level]
    with database.reading() as connection:
        if level > REFERENCES:
            seen = select(_CHECKED.document).where(_CHECKED.level >= level)
            rest = select(func.count()).select_from(tables.document).where(_DOCUMENT.id.not_in(seen))
            if count := connection.execute(rest).scalar_one():
                found.append(f"{count:,} document{'s' * (count != 1)} that no check of level {level} has found sound")
        if connection.dialect.name == "postgresql" and not _checkable_indexes(connection):
            found.append("PostgreSQL's indexes: its extension amcheck is not installed (CREATE EXTENSION amcheck)")
    found.append("notes, sources, times, what the log says and past verdicts, of which there is no second copy")
    return found
