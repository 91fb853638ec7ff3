"""The index: which documents are found by which terms and fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, select, tuple_

from mgraph.archive import tables
from mgraph.archive.lots import in_lots, next_id, put, put_values
from mgraph.archive.parcels import Parcel, Terms, add_name


def post(connection: Connection, terms: Mapping[int, Terms], fingerprints: Mapping[int, Iterable[int]]) -> None:
    """Note by which terms and fingerprints documents are found.

    Those without ``fingerprints`` have some already; of two weights the larger counts."""
    ids = _ids(connection, dict.fromkeys(term for each in terms.values() for term in each))
    known = {(ids[term], k): x for k, each in terms.items() if k not in fingerprints for term, x in each.items()}
    there = _weights(connection, known)
    if outweighed := [key for key, weight in there.items() if weight < known[key]]:
        of = tables.posting.c
        for lot in in_lots(outweighed):
            connection.execute(delete(tables.posting).where(tuple_(of.term, of.document).in_(lot)))
    found: dict[int, list[tuple[int, int]]] = {}
    for document, each in terms.items():
        for term, weight in each.items():
            if weight > there.get((ids[term], document), 0):
                found.setdefault(ids[term], []).append((document, weight))
    for document, marks in fingerprints.items():
        for mark in marks:
            found.setdefault(mark, []).append((document, 1))
    rows = ((term, *each) for term in sorted(found) for each in sorted(found[term]))  # in the order of the index
    put_values(connection, tables.posting, ["term", "document", "weight"], rows)


def _weights(connection: Connection, keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """What is posted of these terms and documents."""
    of = tables.posting.c
    return {
        (term, document): weight
        for lot in in_lots(keys)
        for term, document, weight in connection.execute(
            select(of.term, of.document, of.weight).where(tuple_(of.term, of.document).in_(lot))
        )
    }


def posted(connection: Connection, document: int) -> tuple[Terms, set[int]]:
    """The terms and the fingerprints by which a document is found."""
    of, term = tables.posting.c, tables.term.c
    query = (
        select(of.term, of.weight, term.kind, term.text)
        .outerjoin(tables.term, term.id == of.term)
        .where(of.document == document)
    )
    rows = connection.execute(query).all()
    terms = {(row.kind, row.text): row.weight for row in rows if row.kind is not None}
    return terms, {row.term for row in rows if row.kind is None}


def with_names(connection: Connection, document: int, terms: Terms) -> Terms:
    """A document's own terms, and those of its names."""
    of = tables.version.c
    found = dict(terms)
    for name in connection.execute(select(of.name).where(of.document == document).distinct()).scalars():
        add_name(found, name)
    return found


def reindex(connection: Connection, document: int, parcel: Parcel) -> None:
    """Note anew by what a document is found, and under which names."""
    connection.execute(delete(tables.posting).where(tables.posting.c.document == document))
    post(connection, {document: with_names(connection, document, parcel.terms)}, {document: parcel.fingerprints})


def _ids(connection: Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The ids of terms, which are made where they are not there yet."""
    of = tables.term.c
    found: dict[tuple[str, str], int] = {}
    for lot in in_lots(wanted):
        query = select(of.kind, of.text, of.id).where(tuple_(of.kind, of.text).in_(lot))
        found |= {(kind, text): number for kind, text, number in connection.execute(query)}
    missing = [term for term in wanted if term not in found]
    first = next_id(connection, tables.term)
    put(
        connection,
        tables.term,
        [{"id": number, "kind": kind, "text": text} for number, (kind, text) in enumerate(missing, first)],
    )
    return found | {term: number for number, term in enumerate(missing, first)}
