"""Documents into an archive: each content once, under a name whose history grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, func, select, tuple_

from mgraph import __version__
from mgraph.archive import bodies, histories, tables
from mgraph.archive.bodies import Body
from mgraph.archive.lots import in_lots, next_id, put
from mgraph.archive.moments import Moment
from mgraph.archive.parcels import Parcel, Terms, add_name
from mgraph.archive.postings import post
from mgraph.archive.references import sound
from mgraph.archive.shelves import Shelves


class Offer(NamedTuple):
    """A parcel, the name to keep it under, and where it came from (file, place, …)."""

    parcel: Parcel
    name: str
    source: Mapping[str, str]


class New(NamedTuple):
    """A parcel that is not in the archive yet, since when it has been kept, and whether as its leaves alone."""

    parcel: Parcel
    at: str
    compact: bool


class Receipt(NamedTuple):
    """What became of an offer."""

    name: str
    number: int
    """The version of the name that holds it."""
    digest: str
    """``sha256:`` and 64 hexadecimal digits."""
    is_new: bool
    """Whether the document was not in the archive yet."""
    is_new_version: bool
    """Whether the name held something else, or nothing, before."""


def keep(
    connection: Connection, moment: Moment, offers: Sequence[Offer], note: str = "", compact: bool = False
) -> list[Receipt]:
    """Keep each document that is not there yet, and make it the newest version of its name unless it is.

    With ``compact``, a document that a replay of its leaves restores is kept as these.
    """
    parcels = {offer.parcel.digest: offer.parcel for offer in offers}
    there = _ids(connection, parcels)
    new = [parcel for digest, parcel in parcels.items() if digest not in there]
    there |= put_documents(connection, [New(parcel, moment.at, compact) for parcel in new])
    receipts = _versions(connection, moment, offers, there, note)
    fresh = {parcel.digest for parcel in new}
    terms: dict[int, Terms] = {}
    for offer, (_, is_new_version) in zip(offers, receipts, strict=True):
        is_new = offer.parcel.digest in fresh
        if is_new or is_new_version:
            found = terms.setdefault(there[offer.parcel.digest], dict(offer.parcel.terms) if is_new else {})
            add_name(found, offer.name)
    post(connection, terms, {there[parcel.digest]: parcel.fingerprints for parcel in new})
    done = []
    for offer, (number, is_new_version) in zip(offers, receipts, strict=True):
        digest = offer.parcel.digest
        done.append(Receipt(offer.name, number, f"sha256:{digest.hex()}", digest in fresh, is_new_version))
        fresh.discard(digest)
    return done


def _ids(connection: Connection, wanted: Iterable[bytes]) -> dict[bytes, int]:
    of = tables.document.c
    return {
        bytes(digest): number
        for lot in in_lots(wanted)
        for digest, number in connection.execute(select(of.digest, of.id).where(of.digest.in_(lot)))
    }


def _train(connection: Connection, new: Sequence[New]) -> None:
    """Train the archive's dictionary when there are documents enough; what was kept before stays as it is."""
    if len(new) < bodies.SAMPLES or connection.execute(select(tables.dictionary.c.id).limit(1)).first():
        return
    step = max(1, len(new) // (4 * bodies.SAMPLES))
    samples = [each.parcel.content for each in new[::step] if len(each.parcel.content) < bodies.SMALL]
    made = bodies.trained(samples) if len(samples) >= bodies.SAMPLES else None
    if made is not None:
        put(connection, tables.dictionary, [{"id": 1, "bytes": made}])


def put_documents(connection: Connection, new: Sequence[New]) -> dict[bytes, int]:
    """Insert the documents and their bodies; returns their ids by digest."""
    if not new:
        return {}
    _train(connection, new)
    first = next_id(connection, tables.document)
    rows = [
        {
            "id": number,
            "digest": parcel.digest,
            "recipe": parcel.recipe,
            "structure": parcel.structure,
            "title": parcel.title,
            "nodes": parcel.nodes,
            "at": at,
        }
        for number, (parcel, at, _) in enumerate(new, first)
    ]
    put(connection, tables.document, rows)
    shelves = Shelves(connection)
    shelves.look_for_bases({each.parcel.structure for each in new}, first)
    rows = [{"document": number, **_body(shelves, number, each)._asdict()} for number, each in enumerate(new, first)]
    put(connection, tables.body, rows)
    return {each.parcel.digest: number for number, each in enumerate(new, first)}


def _body(shelves: Shelves, number: int, new: New) -> Body:
    """The smallest body: beside a whole document of the same structure, or by itself."""
    parcel, _, compact = new
    content = parcel.content
    base = shelves.base_of(parcel.structure, number, content)
    if base is not None:
        against = shelves.content(base)
        if compact and (leaves := histories.packed(content, against)) is not None:
            return Body(bodies.REPLAYED, base, None, len(content), leaves)
        return Body(bodies.VARIANT, base, None, len(content), bodies.packed(content, against))
    trained = shelves.dictionary() if len(content) < bodies.SMALL else None
    if trained is None:
        return Body(bodies.WHOLE, None, None, len(content), bodies.packed(content))
    return Body(bodies.WHOLE, None, trained[0], len(content), bodies.packed(content, trained[1], trained=True))


def _versions(
    connection: Connection, moment: Moment, offers: Sequence[Offer], ids: Mapping[bytes, int], note: str
) -> list[tuple[int, bool]]:
    """The version of each name that holds its document: its newest one, else a new one. Whether it is new, too."""
    newest = _newest(connection, {offer.name for offer in offers})
    first = next_id(connection, *tables.LOGGED)
    rows: list[dict[str, object]] = []
    found = []
    for offer in offers:
        document = ids[offer.parcel.digest]
        number, held = newest.get(offer.name, (0, None))
        if held == document:
            found.append((number, False))
            continue
        rows.append(
            {
                "id": first + len(rows),
                "name": offer.name,
                "number": number + 1,
                "document": document,
                "parent": number or None,
                "at": moment.at,
                "by": moment.by,
                "note": note,
                "source": _source(offer),
                "mgraph": __version__,
            }
        )
        newest[offer.name] = number + 1, document
        found.append((number + 1, True))
    if rows:
        put(connection, tables.version, rows)
    return found


def _source(offer: Offer) -> str:
    given = {sound(key, "a source"): sound(text, "a source") for key, text in offer.source.items()}
    return orjson.dumps({**given, **offer.parcel.origin}).decode()


def _newest(connection: Connection, names: Iterable[str]) -> dict[str, tuple[int, int | None]]:
    """The number and document of each name's newest version; no document where that one is forgotten."""
    of, gone = tables.version.c, tables.forgotten.c.version
    found: dict[str, tuple[int, int | None]] = {}
    for lot in in_lots(sorted(names)):
        last = select(of.name, func.max(of.number)).where(of.name.in_(lot)).group_by(of.name)
        query = (
            select(of.name, of.number, of.document, gone)
            .outerjoin(tables.forgotten, gone == of.id)
            .where(tuple_(of.name, of.number).in_(last))
        )
        for name, number, document, forgotten in connection.execute(query):
            found[name] = number, None if forgotten else document
    return found
