"""Archives under the worst: ``make archive-kill`` kills writers at random moments, ``make archive-crowd`` runs many.

``kill``: a process keeps, tags, forgets, prunes, imports and verifies until ``kill -9`` ends it, again and again on
the same archive. Each time: what it had reported as done is there, what goes together is there together, and ``check``
finds nothing. ``crowd``: eight processes write and four read at once; none may see an error, and no update is lost.
Exit status 1 if one of these fails. Both take ``--url``, the archive of another database than a new SQLite file.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import orjson
from sqlalchemy import select

import mgraph
from mgraph.archive import tables
from mgraph.archive.archive import Archive
from mgraph.archive.keeping import Offer
from mgraph.archive.parcels import prepared
from mgraph.errors import MgraphError

SAMPLE = mgraph.load(Path(__file__).parent.parent / "samples" / "neuron.json")
TOGETHER = 5
WRITERS, READERS = 8, 4
EVER = "2999-01-01T00:00:00Z"
Say = Callable[..., None]


def variant(number: float) -> mgraph.Graph:
    return SAMPLE.with_leaves({"x1": number})


def forked(work: Callable[[Say], None], log: Path) -> int:
    """Run ``work`` in a process of its own; what it says reaches the log at once. Returns the process's number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        with log.open("ab", buffering=0) as file:
            work(lambda *said: file.write(orjson.dumps(said) + b"\n") and None)
        status = 0
    except BaseException:
        with log.with_suffix(".errors").open("a") as file:
            traceback.print_exc(file=file)
    finally:
        os._exit(status)


def said(log: Path) -> list[list[object]]:
    return [orjson.loads(line) for line in log.read_bytes().splitlines()] if log.exists() else []


# Kill --------------------------------------------------------------------------------------------------------


def write_on(url: str, bag: Path, seed: int, say: Say) -> None:
    """Do one thing after another until killed. What is about to be removed or moved is said before, the rest after."""
    rng = random.Random(seed)
    with Archive(url) as archive:
        for k in range(10_000):
            name, act = f"name {rng.randrange(4)}", rng.choice("kkklltpiv")
            if act == "k":
                found = archive.keep(variant(rng.random()), name, compact=rng.random() < 0.5)
                say("kept", name, found.number, found.digest)
            elif act == "l":
                parcels = [prepared(variant(rng.random())._wiring) for _ in range(TOGETHER)]
                archive.keep_all([Offer(parcel, f"together {j}", {}) for j, parcel in enumerate(parcels)])
            elif act == "t":
                found = archive.keep(variant(rng.random()), name)
                say("kept", name, found.number, found.digest)
                say("will tag", name, found.number)
                archive.tag(f"{name}@{found.number}", "latest")
                say("tagged", name, found.number)
            elif act == "p":
                found = archive.keep(variant(rng.random()), name)
                say("will forget", name, found.number)
                archive.forget(f"{name}@{found.number}")
                archive.prune(EVER)
            elif act == "i":
                archive.import_(bag)
                say("imported")
            else:
                list(archive.verify(f'name:"{name}"', differences=False))
            say("did", k, act)


def examine(archive: Archive, log: Path) -> list[str]:
    """What is wrong after a kill."""
    faults = [f"check: {fault}" for fault in archive.check(3).faults]
    kept, gone, tags = {}, set(), {}
    imported = False
    for what, *rest in said(log):
        if what == "kept":
            kept[rest[0], rest[1]] = rest[2]
        elif what == "will forget":
            gone.add((rest[0], rest[1]))
        elif what == "will tag":  # of several that were killed before they said so, any may have been the last
            tags.setdefault(rest[0], [None]).append(rest[1])
        elif what == "tagged":
            tags[rest[0]] = [rest[1]]
        imported |= what == "imported"
    there = versions(archive)
    faults += [
        f"lost: {name}@{number}" for (name, number), digest in kept.items() if there.get((name, number)) != digest
        and (name, number) not in gone
    ]  # fmt: skip
    newest = {max((n for name, n in there if name == f"together {j}"), default=0) for j in range(TOGETHER)}
    if len(newest) > 1:
        faults.append(f"half there: {newest}")
    brought = sum(name.startswith("imported ") for name, _ in there)
    if brought not in ({20} if imported else {0, 20}):
        faults.append(f"half imported: {brought}")
    with archive._database.reading() as connection:
        of = tables.version.c
        query = select(of.name, of.number).join(tables.tag, tables.tag.c.version == of.id)
        points = dict(map(tuple, connection.execute(query)))
    faults += [
        f"tag of {name}: {points.get(name)}" for name, allowed in tags.items() if points.get(name) not in allowed
    ]
    return faults


def versions(archive: Archive) -> dict[tuple[str, int], str]:
    of, doc = tables.version.c, tables.document.c
    with archive._database.reading() as connection:
        query = select(of.name, of.number, doc.digest).join(tables.document, doc.id == of.document)
        return {(name, number): f"sha256:{bytes(raw).hex()}" for name, number, raw in connection.execute(query)}


def kill(url: str, times: int, seed: int, folder: Path) -> int:
    bag, log = folder / "bag", folder / "log"
    with Archive(folder / "bagged.mgraph") as other:
        for k in range(20):
            other.keep(variant(-1.0 - k), f"imported {k}")
        other.export(bag)
    with Archive(url):
        pass  # made before the first kill
    rng, bad = random.Random(seed), 0
    for k in range(times):
        child = forked(lambda say, k=k: write_on(url, bag, seed * 1_000_003 + k, say), log)
        time.sleep(rng.uniform(0.01, 0.3))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with Archive(url, create=False) as archive:
            for fault in examine(archive, log):
                bad += 1
                print(f"kill {k}: {fault}")
            if k % 20 == 19:  # begin with few documents again, so that examining takes no longer
                for name in {name for name, _ in versions(archive) if not name.startswith("imported")}:
                    with suppress(MgraphError):  # all its versions may be forgotten already
                        archive.forget(name)
                archive.prune(EVER)
                log.unlink(missing_ok=True)
    errors = log.with_suffix(".errors")
    if errors.exists():
        bad += 1
        print(errors.read_text())
    done = sum(each[0] == "did" for each in said(log))
    print(f"{times:,} kills, {bad:,} faults; since the last pruning {done:,} things were done")
    return bad


# Crowd -------------------------------------------------------------------------------------------------------


def write_beside(url: str, number: int, until: float, say: Say) -> None:
    with Archive(url) as archive:
        k = 0
        while time.monotonic() < until:
            found = archive.keep(variant(number + k / 1_000_003), "shared", tag="latest")
            archive.label("shared", {"counter": f"{number} {k}"})
            say("wrote", found.number, found.digest)
            k += 1


def read_beside(url: str, until: float, say: Say) -> None:
    with Archive(url) as archive:
        while time.monotonic() < until:
            seen = archive.find("name:shared", limit=3)
            if seen:
                graph = archive[f"shared@{seen[0].number}"]
                assert graph.digest == seen[0].digest
                assert archive["shared:latest"].digest
            say("read", len(seen))


def chained(archive: Archive) -> Iterable[str]:
    """Where a move of the tag or a change of the label starts from something else than the one before it left."""
    of = tables.event_log.c
    with archive._database.reading() as connection:
        rows = connection.execute(select(of.verb, of.detail).order_by(of.id)).all()
    last: dict[str, object] = {}
    for verb, detail in rows:
        move = orjson.loads(detail)
        if move["before"] != last.get(verb):
            yield f"lost: a {verb} from {move['before']}, where {last.get(verb)} was"
        last[verb] = move["now"]


def crowd(url: str, seconds: float, folder: Path) -> int:
    log, until = folder / "log", time.monotonic() + seconds
    with Archive(url):
        pass
    children = [forked(lambda say, n=n: write_beside(url, n, until, say), log) for n in range(WRITERS)]
    children += [forked(lambda say: read_beside(url, until, say), log) for _ in range(READERS)]
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    if failed:
        print(log.with_suffix(".errors").read_text())
    wrote = {rest[0]: rest[1] for what, *rest in said(log) if what == "wrote"}
    reads = sum(each[0] == "read" for each in said(log))
    with Archive(url, create=False) as archive:
        there = {number: digest for (_, number), digest in versions(archive).items()}
        faults = [*chained(archive), *(f"check: {fault}" for fault in archive.check(3).faults)]
    if wrote != there or sorted(there) != list(range(1, len(there) + 1)):
        faults.append(f"{len(wrote):,} versions were written, {len(there):,} are there")
    print("\n".join([*faults, f"{len(wrote):,} writes, {reads:,} reads, {failed} failed, {len(faults):,} faults"]))
    return failed + len(faults)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trial", choices=["kill", "crowd"])
    parser.add_argument("--times", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = given.url or str(folder / "course.mgraph")
        try:
            if given.trial == "kill":
                return int(kill(url, given.times, given.seed, folder) > 0)
            return int(crowd(url, given.seconds, folder) > 0)
        except MgraphError as error:
            print(error)
            return 1


if __name__ == "__main__":
    sys.exit(main())
