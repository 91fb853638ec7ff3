"""The canonical bytes of kept documents, by their ids: unpacked, and proven by their digests."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from sqlalchemy import Connection, func, select

from mgraph.archive import bodies, histories, tables
from mgraph.archive.bodies import Body
from mgraph.archive.lots import in_lots
from mgraph.document import model
from mgraph.document.canonical import canonical
from mgraph.document.model import Document
from mgraph.errors import FileError

_WORTH = 16
"""A base must be at most this many times as large as what is packed beside it."""


class Shelves:
    """The bodies of an archive, within one transaction. What is asked for again and again is read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.content = lru_cache(maxsize=64)(self._content)
        self._trained: dict[int, bytes] | None = None
        self._bases: dict[bytes, int] = {}
        self._not_there_yet: dict[int, bytes] = {}
        self._ahead: dict[int, tuple[Body, bytes]] = {}

    def _content(self, document: int) -> bytes:
        """The canonical bytes. Raises FileError if they are not there, or not those that the digest says."""
        if document in self._not_there_yet:
            return self._not_there_yet[document]
        body, digest = self._read(document)
        if body.form == bodies.REPLAYED:
            return bodies.proven(canonical(histories.unpacked(body.bytes, self._base(body))), digest)
        return bodies.proven(self._unpacked(body), digest)

    def document(self, number: int) -> Document:
        """The document. Raises as :attr:`content` does, and DocumentError for one that breaks the format."""
        body, digest = self._read(number)
        if body.form != bodies.REPLAYED:
            return model.parse(bodies.proven(self._unpacked(body), digest))
        document = histories.unpacked(body.bytes, self._base(body))
        bodies.proven(canonical(document), digest)
        return document

    def read_ahead(self, documents: Iterable[int]) -> None:
        """Read the bodies of documents that will be asked for, once each, in one statement a lot."""
        of, doc = tables.body.c, tables.document.c
        for lot in in_lots(documents):
            query = (
                select(of.document, of.form, of.base, of.dictionary, of.size, of.bytes, doc.digest)
                .join(tables.document, doc.id == of.document)
                .where(of.document.in_(lot))
            )
            for document, *fields, digest in self._connection.execute(query):
                self._ahead[document] = Body(*fields), bytes(digest)

    def _read(self, document: int) -> tuple[Body, bytes]:
        if document not in self._ahead:
            self.read_ahead([document])
        if document not in self._ahead:
            raise FileError(f"document {document} has no body: the archive is damaged")
        return self._ahead.pop(document)

    def _unpacked(self, body: Body) -> bytes:
        if body.form == bodies.VARIANT:
            return bodies.unpacked(body, self._base(body))
        if body.form != bodies.WHOLE:
            raise FileError(f"a body is of form {body.form}, which this mgraph does not know")
        return bodies.unpacked(body, None if body.dictionary is None else self._dictionaries().get(body.dictionary))

    def _base(self, body: Body) -> bytes:
        of = tables.body.c
        form = self._connection.execute(select(of.form).where(of.document == body.base)).scalar()
        if body.base is None or form != bodies.WHOLE:  # so that no chain of bases can be long, or a circle
            raise FileError("a body is packed beside a document that is not whole: the archive is damaged")
        return self.content(body.base)

    def dictionary(self) -> tuple[int, bytes] | None:
        """The newest trained dictionary and its id, None where there is none."""
        found = self._dictionaries()
        return max(found.items()) if found else None

    def _dictionaries(self) -> dict[int, bytes]:
        if self._trained is None:
            of = tables.dictionary.c
            self._trained = {number: bytes(raw) for number, raw in self._connection.execute(select(of.id, of.bytes))}
        return self._trained

    def look_for_bases(self, structures: Iterable[bytes], before: int) -> None:
        """Find the first whole document of each of these structures, among the documents before an id."""
        of, doc = tables.body.c, tables.document.c
        for lot in in_lots(structures):
            query = (
                select(doc.structure, func.min(doc.id))
                .join(tables.body, of.document == doc.id)
                .where(doc.structure.in_(lot), doc.id < before, of.form == bodies.WHOLE)
                .group_by(doc.structure)
            )
            self._bases |= {bytes(structure): number for structure, number in self._connection.execute(query)}

    def base_of(self, structure: bytes, document: int, content: bytes) -> int | None:
        """The whole document to pack ``content`` beside, None where it is to be whole itself: the first of its
        structure (the next will be packed beside it), or much smaller than that."""
        found = self._bases.setdefault(structure, document)
        if found == document:
            self._not_there_yet[document] = content
            return None
        return found if len(self.content(found)) <= _WORTH * len(content) else None
