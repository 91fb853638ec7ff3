"""``archive verify``: what is kept, recomputed, told of like files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from mgraph.archive.archive import Archive
from mgraph.archive.hits import Hit
from mgraph.archive.holding import DIFFERS
from mgraph.archive.verdicts import DAMAGED, NOTHING, Verdict
from mgraph.cli import outcomes
from mgraph.cli.many import Options, tell_all
from mgraph.cli.outcomes import Outcome
from mgraph.cli.terminal import working
from mgraph.errors import FileError


def verify(archive: Archive, query: str, differences: bool, max_age: timedelta | None, wanted: Options) -> int:
    """Judge, tell and count. Returns the exit status."""
    with working("looking"):
        hits = archive.find(query, limit=None)
    if not hits:
        raise FileError(f"{archive.name}: no document that the query asks for is kept")
    names = [_reference(hit) for hit in hits]
    found = _judged(archive, query, differences, max_age, wanted.jobs)
    return tell_all("verify", names, found, wanted, Counter(), "all were judged lately")


def _judged(archive: Archive, query: str, differences: bool, max_age: timedelta | None, jobs: int) -> Iterator[Outcome]:
    """The verdicts of now; last, failures of before that were left out now, for they are failures still."""
    seen: set[str] = set()
    verdicts = archive.verify(query, differences=differences, jobs=jobs, max_age=max_age)
    done, count = 0, "…"
    while True:
        with working(f"verifying {archive.name}: {done:,} of {count}"):
            found = next(verdicts, None)
        if found is None:
            break
        done, count, verdict = found[0], f"{found[1]:,}", found[2]
        seen.add(verdict.reference)
        yield _outcome(archive, verdict)
    failing = archive.find(f"({query}) failing:" if query.strip() else "failing:", limit=None)
    for hit in failing:
        if _reference(hit) not in seen:
            judged = [each for each in archive.verdicts(hit.name) if each.verdict == DIFFERS]
            before = f"{judged[-1].said} (judged at {judged[-1].at})" if judged else "differs (judged before)"
            yield _outcome(archive, Verdict(_reference(hit), DIFFERS, 0, "", before, 0.0, hit.nodes))


def _reference(hit: Hit) -> str:
    return f"{hit.name}@{hit.number}"


def _outcome(archive: Archive, verdict: Verdict) -> Outcome:
    kind = outcomes.NOTHING if verdict.verdict == NOTHING else verdict.verdict
    facts = {"verdict": verdict.said, "ok": verdict.ok, "ulps": min(verdict.ulps, 2**53), "node": verdict.node}
    lines = () if verdict.ok else (verdict.said,)
    status = 2 if verdict.verdict == DAMAGED else int(not verdict.ok)
    found = Outcome(verdict.reference, kind, status, verdict.said, facts, verdict.nodes, lines)
    return found._replace(file=archive.name, place=verdict.reference, seconds=verdict.seconds)
