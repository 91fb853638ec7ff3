"""Verdicts: whether a kept document comes out, recomputed now, and what was found before."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain, pairwise
from multiprocessing import get_context
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, literal, select

from mgraph import __version__
from mgraph.archive import tables
from mgraph.archive.database import Database
from mgraph.archive.finding import find
from mgraph.archive.hits import Hit
from mgraph.archive.holding import DIFFERS
from mgraph.archive.lots import next_id, put
from mgraph.archive.moments import ago, now
from mgraph.archive.parcels import printed
from mgraph.archive.shelves import Shelves
from mgraph.document import model
from mgraph.errors import FileError, MgraphError
from mgraph.graph import Graph

EXACT, WITHIN, NOTHING, DAMAGED = "exact", "within", "nothing", "damaged"
_LOT = 200
"""Documents whose verdicts are written together: what a verification that is killed does again at most."""
_OF = tables.verdict.c


class Verdict(NamedTuple):
    """Whether a document comes out."""

    reference: str
    """The name and version, ``neuron@3``."""
    verdict: str
    """``exact``, ``within``, ``differs``, or ``nothing`` was recorded to check."""
    ulps: int
    """The largest distance of a recorded number from what it should be, in units in the last place."""
    node: str
    """The first node that differs, else an empty string."""
    said: str
    """The verdict in words."""
    seconds: float
    """How long it took."""
    nodes: int = 0
    """How many nodes the graph has."""

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return self.verdict not in (DIFFERS, DAMAGED)


def judged(content: bytes | FileError, differences: bool) -> Verdict:
    """The verdict on a document, by its canonical bytes, or by why there are none."""
    start = time.perf_counter()
    if isinstance(content, FileError):
        return Verdict("", DAMAGED, 0, "", f"damaged: {content}", 0.0)
    try:
        graph = Graph._of(model.parse(content))
        report = graph.verify(finite_differences=differences)
    except MgraphError as error:
        return Verdict("", DIFFERS, 0, "", str(error), time.perf_counter() - start)
    node = "" if report.ok else next(iter([*report.suspects, *(each.node for each in report.culprits)]), "")
    if not report.ok and not node and report.differences is not None:
        node = report.differences.refuted[0].node
    kind = DIFFERS
    if report.ok:
        checked = report.data_checked + report.grad_checked
        kind = NOTHING if not checked else WITHIN if report.within else EXACT
    return Verdict("", kind, report.within, node, report.verdict, time.perf_counter() - start, len(graph))


def verify(
    database: Database, query: str, differences: bool = True, jobs: int = 1, max_age: timedelta | None = None
) -> Iterator[tuple[int, int, Verdict]]:
    """Judge the documents that a query asks for, the newest first, and keep the verdicts as they come.

    Those that this mgraph has judged within ``max_age``, or in a verification of the same query that did not end,
    are left out. On a document that is damaged no verdict is kept. Yields how many are done, of how many, and the
    verdict.
    """
    key = f"{'verifying' if differences else 'replaying'} {query}"
    hits = _begin(database, key, query, max_age)
    done = 0
    with _pool(jobs) as judge:
        lots = (hits[start : start + _LOT] for start in range(0, len(hits), _LOT))
        asked = ((lot, judge(_contents(database, lot), differences)) for lot in lots)
        for (lot, judged_lot), _ in pairwise(chain(asked, [((), ())])):  # the processes have the next lot already
            found = [
                each._replace(reference=f"{hit.name}@{hit.number}") for hit, each in zip(lot, judged_lot, strict=True)
            ]
            kept = [(hit.document, each) for hit, each in zip(lot, found, strict=True) if each.verdict != DAMAGED]
            write(database, kept)
            for each in found:
                done += 1
                yield done, len(hits), each
    _end(database, key)


class _pool:  # noqa: N801  # a context manager
    """Judge documents one after another, or in processes of their own."""

    def __init__(self, jobs: int) -> None:
        self._pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) if jobs > 1 else None

    def __enter__(self) -> _pool:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __call__(self, contents: Sequence[bytes | FileError], differences: bool) -> Iterable[Verdict]:
        if self._pool is None:
            return (judged(content, differences) for content in contents)
        with _killed_told():
            return _arriving(self._pool.map(judged, contents, [differences] * len(contents), chunksize=8))


def _arriving(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    with _killed_told():
        yield from verdicts


@contextmanager
def _killed_told() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise MgraphError(
            "a process of several jobs was killed (out of memory?), or could not start: a script needs"
            ' if __name__ == "__main__" around what it does. One job needs the least. The verdicts so far are kept, and'
            " the next call goes on from there"
        ) from None


def _begin(database: Database, key: str, query: str, max_age: timedelta | None) -> list[Hit]:
    """The documents to judge. That it has begun is noted under ``key`` until :func:`_end`."""
    of = tables.info.c
    with database.reading() as connection:  # a contains: may take long, and other writers would wait
        hits = find(connection, query, limit=None)
    with database.writing() as connection:
        began = connection.execute(select(of.value).where(of.key == key)).scalar()
        if began is None:
            began = now().at
            connection.execute(insert(tables.info), [{"key": key, "value": began}])
            fresh: set[int] = set()
        else:
            fresh = _judged_since(connection, began)
        if max_age is not None:
            fresh |= _judged_since(connection, ago(max_age))
    return [hit for hit in hits if hit.document not in fresh]


def _judged_since(connection: Connection, moment: str) -> set[int]:
    mine = [_OF.mgraph == __version__, _OF.python == platform.python_version(), _OF.platform == _platform()]
    return set(connection.execute(select(_OF.document).where(_OF.at >= moment, *mine)).scalars())


def _end(database: Database, key: str) -> None:
    with database.writing() as connection:
        connection.execute(delete(tables.info).where(tables.info.c.key == key))


def _contents(database: Database, hits: Sequence[Hit]) -> list[bytes | FileError]:
    """Of each document the canonical bytes, or what is wrong with it: one that is damaged keeps none of the others."""
    found: list[bytes | FileError] = []
    with database.reading() as connection:
        shelves = Shelves(connection)
        shelves.read_ahead(hit.document for hit in hits)
        for hit in hits:
            try:
                found.append(shelves.content(hit.document))
            except FileError as error:
                found.append(error)
    return found


def write(database: Database, verdicts: Sequence[tuple[int, Verdict]]) -> None:
    """Keep the verdicts on documents."""
    at = now().at
    with database.writing() as connection:
        first = next_id(connection, tables.verdict)
        rows = [
            {
                "id": number,
                "document": document,
                "verdict": each.verdict,
                "ulps": float(each.ulps),
                "node": printed(each.node),
                "said": printed(each.said),
                "mgraph": __version__,
                "engine": "reference",
                "python": platform.python_version(),
                "platform": _platform(),
                "at": at,
                "seconds": each.seconds,
            }
            for number, (document, each) in enumerate(verdicts, first)
        ]
        put(connection, tables.verdict, rows)


def _platform() -> str:
    return f"{sys.platform} {platform.machine()}"


class Past(NamedTuple):
    """A verdict that was kept."""

    at: str
    number: int
    """The version of the name."""
    verdict: str
    said: str
    mgraph: str
    python: str
    platform: str
    seconds: float


def past(connection: Connection, name: str) -> list[Past]:
    """The verdicts on a name's versions, the oldest first."""
    of = tables.version.c
    query = (
        select(_OF.at, func.max(of.number), _OF.verdict, _OF.said, _OF.mgraph, _OF.python, _OF.platform, _OF.seconds)
        .join(tables.version, of.document == _OF.document)
        .where(of.name == name)
        .group_by(*_OF)
        .order_by(_OF.id)
    )
    return [Past(*row) for row in connection.execute(query)]


def last(connection: Connection, document: int, number: int) -> Past | None:
    """The last verdict on the document that is version ``number`` of a name; None where it was never verified."""
    query = (
        select(_OF.at, literal(number), _OF.verdict, _OF.said, _OF.mgraph, _OF.python, _OF.platform, _OF.seconds)
        .where(_OF.document == document)
        .order_by(_OF.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else Past(*row)
