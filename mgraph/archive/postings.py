"""The index: which documents are found by which terms and fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select, tuple_

from mgraph.archive import tables
from mgraph.archive.lots import in_lots, next_id, put
from mgraph.archive.parcels import Terms


def post(connection: Connection, terms: Mapping[int, Terms], fingerprints: Mapping[int, Iterable[int]]) -> None:
    """Note by which terms and fingerprints documents are found. Those without ``fingerprints`` have some already."""
    ids = _ids(connection, dict.fromkeys(term for each in terms.values() for term in each))
    rows = {(ids[term], document): weight for document, each in terms.items() for term, weight in each.items()}
    rows |= {(mark, document): 1 for document, marks in fingerprints.items() for mark in marks}
    of = tables.posting.c
    for lot in in_lots(key for key in rows if key[1] not in fingerprints):
        there = select(of.term, of.document).where(tuple_(of.term, of.document).in_(lot))
        for term, document in connection.execute(there):
            del rows[term, document]
    put(
        connection,
        tables.posting,
        [{"term": term, "document": document, "weight": weight} for (term, document), weight in sorted(rows.items())],
    )


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
