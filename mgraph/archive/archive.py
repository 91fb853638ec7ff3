"""``Archive``: a place where worked examples are kept, one method a verb."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from mgraph.archive import (
    bag,
    checkup,
    exchange,
    finding,
    forgetting,
    keeping,
    listing,
    naming,
    quick,
    unbagging,
    verdicts,
)
from mgraph.archive.checkup import Checkup
from mgraph.archive.database import Database
from mgraph.archive.exchange import Brought
from mgraph.archive.hits import Hits
from mgraph.archive.keeping import Offer, Receipt
from mgraph.archive.listing import Details, Listed, Logged
from mgraph.archive.moments import moment, now
from mgraph.archive.origins import kept_at
from mgraph.archive.parcels import prepared
from mgraph.archive.references import VALUE_LIMIT, Reference, checked, parsed, sound
from mgraph.archive.shelves import Shelves
from mgraph.archive.verdicts import Past, Verdict
from mgraph.document.collector import collector_paused
from mgraph.document.model import Document
from mgraph.errors import FileError, MgraphError
from mgraph.graph import Graph
from mgraph.recording.places import here


class Archive:
    """Worked examples, kept: ``Archive("course.mgraph")``, one SQLite file, or ``Archive("postgresql://HOST/NAME")``.

    A document is kept once, by its digest. A name has versions, a version may have tags, a name labels. A file that is
    not there is made. Every method that changes something does all of it or nothing. Raises FileError.

    The tables that an older mgraph made are brought to this version: of a file when it is opened, after a copy beside
    it; in PostgreSQL only with ``upgrade``, when nobody else uses them.
    """

    __module__ = "mgraph"

    def __init__(self, url: str | os.PathLike[str], *, create: bool = True, upgrade: bool = False) -> None:
        self._database = Database(url, create, upgrade)

    def __repr__(self) -> str:
        return f"<Archive {self._database.name}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the database."""
        self._database.close()

    def keep(
        self,
        graph: Any,
        name: str,
        *,
        tag: str | None = None,
        labels: Mapping[str, str] | None = None,
        note: str = "",
        compact: bool = False,
        source: Mapping[str, str] | None = None,
    ) -> Receipt:
        """Keep a graph, or a value with everything it depends on, under a name.

        If the name's newest version holds the same document, nothing is added. With ``compact``, a document that
        a replay of its leaves restores to the bit, beside one of the same structure, is kept as its leaves alone.
        ``source`` says where it came from, by default the place of this call: a file or a notebook's cell, and a line.
        """
        kept = graph if isinstance(graph, Graph) else _recorded(graph)
        offer = Offer(prepared(kept._wiring), checked(name, "a name"), kept_at(here()) if source is None else source)
        return self.keep_all(
            [offer], tags=[] if tag is None else [tag], labels=labels or {}, note=note, compact=compact
        )[0]

    @collector_paused()
    def keep_all(
        self,
        offers: Iterable[Offer],
        tags: Iterable[str] = (),
        labels: Mapping[str, str] | None = None,
        note: str = "",
        compact: bool = False,
    ) -> Sequence[Receipt]:
        """Keep prepared documents, all or none."""
        at, offered = now(), list(offers)
        wanted = [checked(tag, "a tag") for tag in tags]
        given, note = _labels(labels or {}), sound(note, "a note")
        with self._database.writing() as connection:
            receipts = keeping.keep(connection, at, offered, note, compact)
            for receipt in receipts if wanted else ():
                found = naming.resolve(connection, Reference(receipt.name, number=receipt.number))
                for tag in wanted:
                    naming.set_tag(connection, at, found, tag)
            for name in {receipt.name: None for receipt in receipts} if given else ():
                naming.set_labels(connection, at, name, given)
        return receipts

    def get(self, reference: str) -> Graph:
        """The graph that ``neuron``, ``neuron@2``, ``neuron:latest`` or ``sha256:3fa9…`` means."""
        wanted = parsed(reference)
        if self._database.is_file:
            with self._database.driver() as connection:
                if (document := quick.document(connection, wanted)) is not None:
                    return Graph._of(document)
        with self._database.reading() as connection:
            return Graph._of(Shelves(connection).document(naming.resolve(connection, wanted).document))

    __getitem__ = get

    @property
    def name(self) -> str:
        """Its path or URL, without a password."""
        return self._database.name

    @property
    def upgraded_from(self) -> int | None:
        """The version that its tables had until it was opened; None if they had this one's."""
        return self._database.upgraded_from

    def list(self, pattern: str = "") -> Sequence[Listed]:
        """The names, each with its newest version, in order; or those of a pattern such as ``lesson/*``."""
        with self._database.reading() as connection:
            return listing.listed(connection, sound(pattern, "a pattern"))

    def show(self, reference: str) -> Details:
        """A version: when it was kept, by whom, where it came from, its tags, labels and last verdict."""
        with self._database.reading() as connection:
            return listing.details(connection, reference)

    def log(self, name: str | None = None) -> Sequence[Logged]:
        """What was done to a name, or in the whole archive, the oldest first."""
        with self._database.reading() as connection:
            return listing.logged(connection, None if name is None else checked(name, "a name"))

    def newest(self) -> Iterator[tuple[Listed, Document | MgraphError]]:
        """Each name with its newest document, or what is wrong with that."""
        with self._database.reading() as connection:
            ids, shelves = exchange.digests(connection), Shelves(connection)
            for each in listing.listed(connection, ""):
                try:
                    yield each, shelves.document(ids[each.digest.removeprefix("sha256:")])
                except MgraphError as error:
                    yield each, error

    def only_name(self) -> str:
        """The only name that is kept. Raises FileError where there are none or more."""
        with self._database.reading() as connection:
            names = naming.names(connection, limit=13)
        if len(names) == 1:
            return names[0]
        if not names:
            raise FileError(f"{self._database.name}: nothing is kept in it yet")
        listed = ", ".join(f"#{name}" for name in names[:12]) + ", …" * (len(names) > 12)
        raise FileError(f"{self._database.name}: an archive; name one of its graphs: {listed}")

    @collector_paused()
    def find(self, query: str = "", *, limit: int | None = 20, ranked: bool = False) -> Hits:
        """The kept documents that a query asks for, the newest first, or with ``ranked`` the best fit first.

        ``tanh neuron`` are words of titles, descriptions, names and nodes; fields are ``op:tanh``, ``nodes:>100``,
        ``tag:lesson-2``, ``label:author=ada``, ``like:neuron.json``, ``contains:cell.json``, ``shape:sha256:…``,
        ``input:x1``, ``verified:exact``, ``failing:``, ``since:2026-01-01``; ``and``, ``or``, ``not`` and parentheses
        combine them.
        """
        with self._database.reading() as connection:
            return Hits(finding.find(connection, query, limit, ranked), self.get)

    def verify(
        self, query: str = "", *, differences: bool = True, jobs: int = 1, max_age: timedelta | None = None
    ) -> Iterator[tuple[int, int, Verdict]]:
        """Recompute the documents that a query asks for, and keep a verdict on each.

        Left out are those that this mgraph has judged here within ``max_age``, or in a verification of the same query
        that did not end. ``differences`` says whether finite differences test the gradients too, ``jobs`` how many
        processes work. Yields how many are done, of how many, and the verdict, the newest document first.
        """
        yield from verdicts.verify(self._database, query, differences, jobs, max_age)

    def verdicts(self, name: str) -> Sequence[Past]:
        """The verdicts on the versions of a name, the oldest first."""
        with self._database.reading() as connection:
            return verdicts.past(connection, naming.resolve(connection, Reference(name)).name)

    @collector_paused()
    def check(self, level: int = 3, *, limit: int | None = None, repair: Archive | None = None) -> Checkup:
        """Check that what is kept is what was kept, and keep the set of what was checked.

        Level 1 checks the database and its references, 2 every document's digest, 3 all that is derived from it, 4
        recomputes it. ``limit``: so many documents at most, those first that were not checked for longest. ``repair``
        is another archive, which replaces damaged documents; what is derived from them is derived anew.
        """
        return checkup.check(self._database, level, limit, None if repair is None else repair._database)

    @collector_paused()
    def export(self, target: str | os.PathLike[str]) -> int:
        """Write everything as plain files into a new folder or a ``.zip``. Returns how many documents there are.

        It is a BagIt bag with RO-Crate metadata, and has the same bytes every time.
        """
        return bag.export(self._database, target)

    @collector_paused()
    def import_(self, source: str | os.PathLike[str]) -> Brought:
        """Bring in what :meth:`export` wrote. What is here already stays as it is, so a second time changes nothing.

        A bag whose manifest disagrees with a file, or that has a version which is another document here, is refused
        before anything is written. Returns how much was new.
        """
        return unbagging.import_bag(self._database, source)

    @collector_paused()
    def copy(self, other: Archive) -> Brought:
        """Bring everything into another archive, as :meth:`import_` would. Returns how much was new there."""
        return exchange.copy(self._database, other._database)

    def tag(self, reference: str, tag: str) -> None:
        """Let a tag point at a version of a name."""
        at = now()
        with self._database.writing() as connection:
            naming.set_tag(connection, at, naming.resolve(connection, parsed(reference)), checked(tag, "a tag"))

    def untag(self, name: str, tag: str) -> None:
        """Take a tag off a name."""
        with self._database.writing() as connection:
            naming.remove_tag(connection, now(), checked(name, "a name"), tag)

    def label(self, name: str, labels: Mapping[str, str | None]) -> None:
        """Give labels of a name a value; None takes one off."""
        with self._database.writing() as connection:
            naming.resolve(connection, Reference(checked(name, "a name")))
            naming.set_labels(connection, now(), name, _labels(labels))

    def forget(self, reference: str, *, undo: bool = False) -> Sequence[int]:
        """Put a tombstone on a version, or on all versions of a name, or with ``undo`` take it away again.

        Returns the versions' numbers.
        """
        act = forgetting.remember if undo else forgetting.forget
        with self._database.writing() as connection:
            return act(connection, now(), parsed(reference))

    def prune(self, before: str) -> tuple[int, int]:
        """Remove what was forgotten before a moment (UTC, ``2026-01-31T12:00:00Z``), and documents without a name.

        Returns how many versions and how many documents were removed.
        """
        with self._database.writing() as connection:
            return forgetting.prune(connection, now(), moment(before))


def _labels(given: Mapping[str, str | None]) -> dict[str, str | None]:
    """Labels whose keys and values both databases hold."""
    return {
        checked(key, "a label's key"): None if value is None else sound(value, "a label's value", VALUE_LIMIT)
        for key, value in given.items()
    }


def _recorded(value: Any) -> Graph:
    from mgraph.recording.record import document_of

    return Graph._of(document_of(list(value) if isinstance(value, list | tuple) else [value]))
