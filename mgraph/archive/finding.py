"""``find``: a query becomes one statement, the same in both databases, and so are its answers."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from mgraph.archive import subgraphs, tables
from mgraph.archive.hits import Hit
from mgraph.archive.lots import AT_ONCE
from mgraph.archive.naming import called, resolve
from mgraph.archive.parcels import entry, prepared, words
from mgraph.archive.query import FIELDS, Asked, Query, parsed
from mgraph.archive.references import parsed as reference_of
from mgraph.archive.shelves import Shelves
from mgraph.arithmetic.ops import LEAVES, OPS
from mgraph.document.wiring import Wiring
from mgraph.errors import FileError, nearest, shown

_PATTERN = 1_000
"""Nodes of a pattern at most: a match may have to go through all of it at each node of a document."""
_CONES = 20
"""Cones of a pattern that are looked up at most; the match decides the rest."""
_FIRST = 25
"""Candidates that are read at once at first; then twice as many each time, for a limit may stop the search."""
_DOCUMENT, _VERSION, _POSTING, _TERM = tables.document.c, tables.version.c, tables.posting.c, tables.term.c


class _Search:
    """One query, on its way to a statement: its conditions, what ranks, and what only a match can decide."""

    def __init__(self, connection: Connection, query: Query) -> None:
        self.connection = connection
        self.patterns: dict[str, Wiring] = {}
        self.driver: int | None = None
        self._holders = 1_001
        self.near: set[int] = set()
        self.all_near = False
        self.words: list[int] = []
        self.named: list[ColumnElement[bool]] = []
        self.query = query
        self.where = self._condition(query, sure=True)

    def _condition(self, query: Query, sure: bool) -> ColumnElement[bool]:
        """What a document must satisfy. ``sure``: every document that is found satisfies this part."""
        if isinstance(query, Asked):
            return _FIELDS[query.field](self, query.value, sure)
        if query.how == "not":
            inner = query.parts[0]
            condition = self._condition(inner, sure=False)
            return true() if _is_matched(inner) else not_(condition)  # a match is known only later
        parts = [self._condition(part, sure and query.how == "and") for part in query.parts]
        return or_(false(), *parts) if query.how == "or" else and_(true(), *parts)

    # Fields --------------------------------------------------------------------------------------------------

    def posted(self, term: int | None, sure: bool) -> ColumnElement[bool]:
        """That a document is found by a term."""
        if term is None:
            return false()
        if sure:
            self._drive(term)
        return exists().where(_POSTING.term == term, _POSTING.document == _DOCUMENT.id)

    def _drive(self, term: int) -> None:
        """Let the rarest of the sure terms lead: its documents are looked at, newest first."""
        some = select(_POSTING.document).where(_POSTING.term == term).limit(1_000).subquery()
        holders = self.connection.execute(select(func.count()).select_from(some)).scalar_one()
        if holders < self._holders:
            self.driver, self._holders = term, holders

    def term(self, kind: str, text: str) -> int | None:
        """The id of a term, None where no document has it."""
        return self.connection.execute(select(_TERM.id).where(_TERM.kind == kind, _TERM.text == text)).scalar()

    def word(self, value: str, sure: bool) -> ColumnElement[bool]:
        """Every word of the value, ``*`` for any rest."""
        found: list[ColumnElement[bool]] = []
        for word in words(value):
            if value.endswith("*") and word == words(value)[-1]:
                found.append(self._begins(word))
                continue
            term = self.term("word", entry(word))
            if term is not None and sure:
                self.words.append(term)
            found.append(self.posted(term, sure))
        return and_(true(), *found)

    def _begins(self, word: str) -> ColumnElement[bool]:
        ids = select(_TERM.id).where(_TERM.kind == "word", _TERM.text >= word, _TERM.text < word + "\U0010ffff")
        return exists().where(_POSTING.term.in_(ids), _POSTING.document == _DOCUMENT.id)

    def op(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That an operation occurs."""
        if value not in OPS:
            raise FileError(f"op: there is no operation {shown(value)}.{nearest(value, OPS)}")
        return self.posted(self.term("op", value), sure)

    def input(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That an input has a name."""
        return self.posted(self.term("input", entry(value)), sure)

    def nodes(self, value: str, sure: bool) -> ColumnElement[bool]:
        """How many nodes there are."""
        found = re.fullmatch(r"(?P<sign>[<>]=?|=)?(?P<low>\d{1,9})(?:\.\.(?P<high>\d{1,9}))?", value)
        if found is None or (found["sign"] and found["high"]):
            raise FileError(f"nodes: {shown(value)} is not a number such as 7, >100, <=20 or 3..20")
        low, count = int(found["low"]), _DOCUMENT.nodes
        if found["high"]:
            return count.between(low, int(found["high"]))
        signs: dict[str | None, Any] = {">": count > low, ">=": count >= low, "<": count < low, "<=": count <= low}
        return signs.get(found["sign"], count == low)  # type: ignore[no-any-return]

    def name(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That a version is called so."""
        return self._versions(sure, called(value))

    def tag(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That a version has a tag."""
        return self._versions(sure, _VERSION.id.in_(select(tables.tag.c.version).where(tables.tag.c.tag == value)))

    def label(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That a name has a label."""
        key, equals, wanted = value.partition("=")
        of = tables.label.c
        which = [of.key == key, *([of.value == wanted] if equals else [])]
        return self._versions(sure, _VERSION.name.in_(select(of.name).where(*which)))

    def since(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That it was kept since a day."""
        if not re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", value):
            raise FileError(f"since: {shown(value)} is not a day such as 2026-01-31")
        return self._versions(sure, _VERSION.at >= value)

    def _versions(self, sure: bool, *which: ColumnElement[bool]) -> ColumnElement[bool]:
        if sure:
            self.named += which
        return exists().where(_VERSION.document == _DOCUMENT.id, _remembered(), *which)

    def verified(self, value: str, sure: bool) -> ColumnElement[bool]:
        """What the last verdict was."""
        allowed = ("exact", "within", "differs", "never")
        if value not in allowed:
            raise FileError(
                f"verified: {shown(value)} is not one of {', '.join(allowed)}.{nearest(value, allowed)}".rstrip(".")
            )
        of = tables.verdict.c
        last = select(of.verdict).where(of.document == _DOCUMENT.id).order_by(of.id.desc()).limit(1).scalar_subquery()
        return last.is_(None) if value == "never" else last == value

    def failing(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That the last verdict is a failure."""
        return self.verified("differs", sure)

    def shape(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That the structure is the same."""
        return self._digest(value, "structure")

    def recipe(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That the structure and the leaves' numbers are the same."""
        return self._digest(value, "recipe")

    def _digest(self, value: str, which: str) -> ColumnElement[bool]:
        column: ColumnElement[Any] = _DOCUMENT[which]
        if found := re.fullmatch(r"sha256:([0-9a-f]{4,64})", value):
            low, high = (bytes.fromhex(found[1].ljust(64, digit)) for digit in "0f")
            return column.between(low, high)
        mine = prepared(self.graph(value))
        return column == (mine.structure if which == "structure" else mine.recipe)

    def contains(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That a subgraph may occur: a match decides."""
        pattern = self.patterns[value] = self.graph(value)
        if len(pattern) > _PATTERN:
            raise FileError(
                f"contains: {shown(value)} has {len(pattern):,} nodes, of at most {_PATTERN:,}; like: and shape: take"
                " graphs of any size"
            )
        if not subgraphs.is_closed(pattern):
            return and_(
                true(), *(self.posted(term, sure) for term in [*sorted(subgraphs.edges(pattern)), *self._ops(pattern)])
            )
        found = subgraphs.cones(pattern)
        every = {found[k] for k in subgraphs.roots(pattern) if pattern.nodes[k]["op"] not in LEAVES}
        wanted = sorted(every)[:_CONES]
        large = _DOCUMENT.nodes > subgraphs.CONES  # of which not every cone was kept
        if self.connection.execute(select(_DOCUMENT.id).where(large).limit(1)).first() is None:
            return and_(true(), *(self.posted(term, sure) for term in wanted))
        has_cones = and_(true(), *(self.posted(term, sure=False) for term in wanted))
        return and_(or_(has_cones, large), *(self.posted(term, sure) for term in self._ops(pattern)))

    def _ops(self, pattern: Wiring) -> list[int | None]:
        operations = {node["op"] for node in pattern.nodes if node["op"] not in LEAVES}
        return [self.term("op", op) for op in sorted(operations)]

    def like(self, value: str, sure: bool) -> ColumnElement[bool]:
        """That it shares a subgraph."""
        mine = self.graph(value)
        shared = subgraphs.kept(mine) - subgraphs.edges(mine)
        self.near |= shared
        self.all_near |= sure
        return exists().where(_POSTING.term.in_(sorted(shared)), _POSTING.document == _DOCUMENT.id)

    def graph(self, value: str) -> Wiring:
        """The graph of a file, or with ``#`` one that is kept here."""
        if value.startswith("#"):
            found = resolve(self.connection, reference_of(value[1:]))
            return Wiring(Shelves(self.connection).document(found.document))
        from mgraph.formats.opening import read_one

        return Wiring(read_one(os.fspath(value)))


_FIELDS: dict[str, Callable[[_Search, str, bool], ColumnElement[bool]]] = {
    name: getattr(_Search, name) for name in ("word", *FIELDS)
}


def _remembered() -> ColumnElement[bool]:
    return _VERSION.id.not_in(select(tables.forgotten.c.version))


def _is_matched(query: Query) -> bool:
    """Whether a match has a say in it."""
    if isinstance(query, Asked):
        return query.field == "contains"
    return any(map(_is_matched, query.parts))


def find(connection: Connection, text: str = "", limit: int | None = 20, ranked: bool = False) -> list[Hit]:
    """The documents that a query asks for, under their names: the newest first, or with ``ranked`` the best fit.

    ``like:`` always ranks. Raises FileError for a query that cannot be read.
    """
    query = parsed(text)
    search = _Search(connection, query)
    found = _hits(search, _scores(search, ranked), limit if not search.patterns else None)
    if search.patterns:
        found = _matched(connection, search, found)
    return [hit for _, hit in zip(range(limit if limit is not None else 1 << 62), found, strict=False)]


def _scores(search: _Search, ranked: bool) -> Subquery | None:
    """What to sort by, document by document: for ``like:``, the share of its cones that one has; for words, how rare
    and how telling they are."""
    if search.near:
        terms, score = sorted(search.near), func.count() * 1.0 / len(search.near)
    elif ranked and search.words:
        terms, score = search.words, func.sum(_POSTING.weight * _worths(search))
    else:
        return None
    found = select(_POSTING.document, score.label("score")).where(_POSTING.term.in_(terms))
    return found.group_by(_POSTING.document).subquery("scored")


def _worths(search: _Search) -> ColumnElement[int]:
    """The worth of each word: the more, the fewer documents have it."""
    documents = search.connection.execute(select(func.count()).select_from(tables.document)).scalar_one()
    worth = {}
    for term in search.words:
        holders = search.connection.execute(select(func.count()).where(_POSTING.term == term)).scalar_one()
        worth[term] = round(100 * math.log(1 + documents / max(1, holders)))
    return case(worth, value=_POSTING.term, else_=0)


_HELD, _LED = tables.version.alias("held"), tables.posting.alias("led")  # conditions have their own


def _newest(*named: ColumnElement[bool]) -> Select[Any]:
    """Documents, each with its newest version, of those that are ``named`` so if there are any."""
    of = _DOCUMENT
    order = [case((and_(*named), 0), else_=1)] if named else []
    held = select(_VERSION.id).where(_VERSION.document == of.id, _remembered()).order_by(*order, _VERSION.id.desc())
    return (
        select(of.id, of.digest, of.title, of.nodes, _HELD.c.name, _HELD.c.number, _HELD.c.at)
        .select_from(tables.document)
        .join(_HELD, _HELD.c.id == held.limit(1).correlate(tables.document).scalar_subquery())
    )


_NEWEST = _newest()
"""Made once, for that takes SQLAlchemy longer than a database to answer."""


def _hits(search: _Search, scored: Subquery | None, limit: int | None) -> Iterator[Hit]:
    of, newest = tables.document, _newest(*search.named) if search.named else _NEWEST
    if scored is None:
        query: Select[Any] = newest.add_columns(literal(0).label("score")).where(search.where)
        order = of.c.id.desc()
        if search.driver is not None:
            query = query.join(_LED, and_(_LED.c.document == of.c.id, _LED.c.term == search.driver))
            order = _LED.c.document.desc()
        query = query.order_by(order).limit(limit)
    else:
        best = _best(search, scored, limit)
        query = newest.add_columns(best.c.score).join(best, best.c.document == of.c.id)
        query = query.order_by(best.c.score.desc(), of.c.id.desc())
    for row in search.connection.execute(query):
        digest = f"sha256:{bytes(row.digest).hex()}"
        yield Hit(row.id, digest, row.name, row.number, row.title, row.nodes, row.at, float(row.score))


def _best(search: _Search, scored: Subquery, limit: int | None) -> Subquery:
    """The documents of the highest scores, all else left for these few to be asked."""
    rank = func.coalesce(scored.c.score, 0)
    named = exists().where(_VERSION.document == _DOCUMENT.id, _remembered())
    query = select(_DOCUMENT.id.label("document"), rank.label("score")).where(search.where, named)
    some_are_not = bool(search.near) and not search.all_near
    query = query.join_from(tables.document, scored, scored.c.document == _DOCUMENT.id, isouter=some_are_not)
    return query.order_by(rank.desc(), _DOCUMENT.id.desc()).limit(limit).subquery("best")


def _matched(connection: Connection, search: _Search, hits: Iterator[Hit]) -> Iterator[Hit]:
    """The hits that remain when the patterns are matched."""
    shelves = Shelves(connection)
    size = _FIRST
    while lot := list(islice(hits, size)):
        shelves.read_ahead(hit.document for hit in lot)
        for hit in lot:
            if _holds(search, search.query, hit.document, Wiring(shelves.document(hit.document))):
                yield hit
        size = min(2 * size, AT_ONCE)


def _holds(search: _Search, query: Query, document: int, wiring: Wiring) -> bool:
    """Whether a document satisfies a query, matches decided, and the rest asked of the database."""
    if not _is_matched(query):
        condition = search._condition(query, sure=False)
        return bool(search.connection.execute(select(_DOCUMENT.id).where(_DOCUMENT.id == document, condition)).first())
    if isinstance(query, Asked):
        return subgraphs.occurs(search.patterns[query.value], wiring)
    if query.how == "not":
        return not _holds(search, query.parts[0], document, wiring)
    if query.how == "and" and query is search.query:  # the statement has seen to the other parts
        return all(_holds(search, part, document, wiring) for part in query.parts if _is_matched(part))
    every = all if query.how == "and" else any
    return every(_holds(search, part, document, wiring) for part in query.parts)
