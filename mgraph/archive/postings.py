"""The index: which documents are found by which terms and fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, select

from mgraph.archive import tables
from mgraph.archive.lots import count_anew, in_lots, next_id, put, put_values
from mgraph.archive.parcels import Parcel, Terms, add_name

_MANY = 500
"""New documents after which the database's statistics are out of date."""


def post(connection: Connection, terms: Mapping[int, Terms], fingerprints: Mapping[int, Iterable[int]]) -> None:
    """Note by which terms and fingerprints documents are found.

    Those without ``fingerprints`` have some already; of two weights the larger counts."""
    ids = _ids(connection, dict.fromkeys(term for each in terms.values() for term in each))
    there: dict[tuple[int, int], int] = {}
    for document in terms.keys() - fingerprints.keys():
        there |= _outweighed_gone(connection, document, {ids[term]: x for term, x in terms[document].items()})
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
    if len(fingerprints) >= _MANY:
        count_anew(connection)


def _outweighed_gone(connection: Connection, document: int, weights: Mapping[int, int]) -> dict[tuple[int, int], int]:
    """The weights by which a document is found by these terms already; those that are outweighed now are removed."""
    of = tables.posting.c
    found: dict[tuple[int, int], int] = {}
    for lot in in_lots(weights):
        there = connection.execute(select(of.term, of.weight).where(of.document == document, of.term.in_(lot))).all()
        gone = [term for term, weight in there if weight < weights[term]]
        if gone:
            connection.execute(delete(tables.posting).where(of.document == document, of.term.in_(gone)))
        found |= {(term, document): weight for term, weight in there if weight >= weights[term]}
    return found


def posted(connection: Connection, documents: Sequence[int]) -> dict[int, tuple[Terms, set[int]]]:
    """The terms and the fingerprints by which each of these documents is found, by its id.

    There is no index by document: it reads all postings once, so ask for a lot of documents at a time."""
    of, term = tables.posting.c, tables.term.c
    query = (
        select(of.document, of.term, of.weight, term.kind, term.text)
        .outerjoin(tables.term, term.id == of.term)
        .where(of.document.in_(documents))
    )
    found: dict[int, tuple[Terms, set[int]]] = {number: ({}, set()) for number in documents}
    for document, number, weight, kind, text in connection.execute(query):
        terms, marks = found[document]
        if kind is None:
            marks.add(number)
        else:
            terms[kind, text] = weight
    return found


def with_names(connection: Connection, document: int, terms: Terms) -> Terms:
    """A document's own terms, and those of its names."""
    of = tables.version.c
    found = dict(terms)
    for name in connection.execute(select(of.name).where(of.document == document).distinct()).scalars():
        add_name(found, name)
    return found


def reindex(connection: Connection, parcels: Mapping[int, Parcel]) -> None:
    """Note anew by what a lot of documents is found, and under which names."""
    connection.execute(delete(tables.posting).where(tables.posting.c.document.in_(parcels)))
    terms = {number: with_names(connection, number, parcel.terms) for number, parcel in parcels.items()}
    post(connection, terms, {number: parcel.fingerprints for number, parcel in parcels.items()})


def _ids(connection: Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The ids of terms, which are made where they are not there yet."""
    of = tables.term.c
    found: dict[tuple[str, str], int] = {}
    texts: dict[str, list[str]] = {}
    for kind, text in wanted:
        texts.setdefault(kind, []).append(text)
    for kind, some in texts.items():  # kind by kind: for a list of pairs SQLite would scan the table
        for lot in in_lots(some):
            query = select(of.text, of.id).where(of.kind == kind, of.text.in_(lot))
            found |= {(kind, text): number for text, number in connection.execute(query)}
    missing = [term for term in wanted if term not in found]
    first = next_id(connection, tables.term)
    put(
        connection,
        tables.term,
        [{"id": number, "kind": kind, "text": text} for number, (kind, text) in enumerate(missing, first)],
    )
    return found | {term: number for number, term in enumerate(missing, first)}
