"""Measures of the archive: ``python archive.py NAME ARGUMENT...`` prints one as JSON. bench.py runs it.

The documents are random graphs of 20 nodes; number 17 is the same one in every run. Times are of the wall.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from measures import FIRST, ROOT, Times, main, timed

if TYPE_CHECKING:
    from mgraph import Graph

NODES, WORDS = 20, 1_000
RARE, USUAL, BINARY = (
    ("sigmoid", "cos", "sin"),
    ("add", "mul", "add", "mul", "sub", "tanh", "tanh", "relu"),
    ("add", "mul", "sub"),
)
SYLLABLES = ("ba", "co", "di", "fu", "ge", "ka", "lo", "mi", "nu", "pe")
LOT = 10_000
SHOWN = 20
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "gc.auto=0")


def example(number: int) -> Graph:
    """A recorded graph with gradients under a title of six words, some of which are frequent and some rare."""
    import mgraph

    stream = random.Random(number)
    values = [mgraph.Value(stream.uniform(-1, 1), name=f"x{k}") for k in (1, 2)]
    values += [mgraph.parameter(stream.uniform(-1, 1), name=f"w{k}") for k in (1, 2, 3)]
    ends = list(values)
    while len(values) < NODES:
        must_join = len(ends) > NODES - len(values)
        op = stream.choice(BINARY if must_join else RARE if stream.random() < 0.2 else USUAL)
        operands = [ends.pop(stream.randrange(len(ends)))]
        if op in BINARY:
            operands.append(stream.choice(ends if must_join else values[-7:]))
        values.append(getattr(mgraph, op)(*operands))
        ends = [value for value in ends if value is not operands[-1]] + values[-1:]
    values[-1].backward()
    return mgraph.record(values[-1], title=" ".join(word(int(WORDS * stream.random() ** 3)) for _ in range(6)))


def word(number: int) -> str:
    return "".join(SYLLABLES[int(digit)] for digit in str(number))


def generate(folder: str, count: str) -> Times:
    """Write so many examples, each a file."""
    Path(folder).mkdir()
    for number in range(int(count)):
        example(number).save(Path(folder, f"{number:06}.json"))
    return {"bytes": sum(path.stat().st_size for path in Path(folder).iterdir())}


def validate(folder: str) -> Times:
    """Read and validate every file, as ``mgraph validate`` does."""
    from mgraph.api import load
    from mgraph.cli.outcomes import opened
    from mgraph.formats.finding import find

    load(FIRST)
    return {"all": timed(lambda: [opened(each) for each in find([folder])[0]])[0]}


def keep(folder: str, url: str, jobs: str) -> Times:
    """Keep every file, as ``mgraph archive keep --jobs`` does."""
    from mgraph.api import load
    from mgraph.archive.archive import Archive
    from mgraph.cli.archive_keeping import offers

    def once() -> None:
        made, problems, _ = offers([folder], None, int(jobs))
        assert not problems
        prepared.append(timed(lambda: archive.keep_all(made))[0])

    prepared: list[float] = []
    _ = load(FIRST).digests
    with Archive(url) as archive:
        archive.keep(load(FIRST), "first")
        times = {"all": timed(once)[0], "in the database": prepared[0]}
    return times | _sizes(url)


def _sizes(url: str) -> Times:
    """How many bytes an archive takes: all of it, and the documents' bodies."""
    import sqlite3

    if "://" in url:
        return {}
    with sqlite3.connect(url) as connection:
        bodies = connection.execute("SELECT sum(length(bytes)) FROM body").fetchone()[0]
        bodies += connection.execute("SELECT coalesce(sum(length(bytes)), 0) FROM dictionary").fetchone()[0]
        return {"bodies": bodies, "file": Path(url).stat().st_size}


def commit(folder: str) -> Times:
    """Let git keep the files of a folder; then let it pack them."""

    def git(*arguments: str) -> None:
        subprocess.run([*GIT, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    def once() -> None:
        git("add", ".")
        git("commit", "--quiet", "--message", "examples")

    git("init", "--quiet")
    times = {"all": timed(once)[0]}
    git("repack", "-a", "-d", "--quiet")
    return times | {"pack": sum(path.stat().st_size for path in Path(folder, ".git/objects/pack").glob("*.pack"))}


def verify(url: str, differences: str, jobs: str) -> Times:
    """Recompute all that an archive holds, and keep the verdicts."""
    from mgraph.api import load
    from mgraph.archive.archive import Archive

    load(FIRST).verify()
    with Archive(url) as archive:
        archive.find("tanh")
        took, verdicts = timed(lambda: list(archive.verify(differences=differences == "True", jobs=int(jobs))))
    assert all(verdict.ok for *_, verdict in verdicts)
    return {"each": took / len(verdicts)}


def fill(url: str, first: str, last: str) -> Times:
    """Keep the examples of these numbers without files."""
    from mgraph.archive.archive import Archive
    from mgraph.archive.keeping import Offer
    from mgraph.archive.parcels import prepared

    with Archive(url) as archive:
        for start in range(int(first), int(last), LOT):
            numbers = range(start, min(start + LOT, int(last)))
            archive.keep_all([Offer(prepared(example(k)._wiring), f"{k:06}", {}) for k in numbers])
    return _sizes(url)


def search(url: str, folder: str) -> Times:
    """Ask an archive again and again, each query's first time left out. How many there are, too."""
    from mgraph.archive.archive import Archive

    closed, opened, near = (Path(folder, f"{name}.json") for name in ("closed", "open", "near"))
    _patterns(closed, opened)
    example(17).save(near)
    queries: dict[str, tuple[str, dict[str, Any]]] = {
        "newest": (word(0), {}),
        "ranked": (f"{word(0)} {word(7)}", {"ranked": True}),
        "closed": (f"contains:{closed}", {}),
        "open": (f"contains:{opened}", {}),
        "every": (f"contains:{opened}", {"limit": None}),
        "like": (f"like:{near}", {}),
    }
    times: Times = {}
    with Archive(url) as archive:
        for name, (query, how) in queries.items():
            archive.find(query, **how)
            times[name] = median(timed(lambda query=query, how=how: archive.find(query, **how))[0] for _ in range(5))
            times[f"{name} hits"] = len(archive.find(query, limit=None))
    return times


def _patterns(closed: Path, opened: Path) -> None:
    """A subgraph that ends in parameters, and one that ends in inputs, which stand for anything."""
    import mgraph

    w, v, x = mgraph.parameter(0.5, name="w"), mgraph.parameter(0.25, name="v"), mgraph.Value(0.5, name="x")
    mgraph.record(mgraph.tanh(w) * v).save(closed)
    mgraph.record(mgraph.sigmoid(mgraph.cos(x))).save(opened)


def one(url: str, name: str, path: str) -> Times:
    """One document: from an archive, and from its file, there with its digest computed too."""
    from mgraph.api import load
    from mgraph.archive.archive import Archive

    with Archive(url) as archive:
        archive.get(name).save(path)
        calls = {"get": lambda: archive.get(name), "load": lambda: load(path), "digest": lambda: load(path).digest}
        return _alternated(calls, 300)


def _alternated(calls: dict[str, Any], turns: int) -> Times:
    for call in calls.values():
        call()
    runs = [{name: timed(call)[0] for name, call in calls.items()} for _ in range(turns)]
    return {name: median(run[name] for run in runs) for name in calls}


def history(url: str, path: str, steps: str) -> Times:
    """Keep the steps of a training compactly; the same documents whole, plain and compressed; read the last one back.

    The whole documents are compressed one by one with the same compressor. The first step, which is kept whole, is not
    counted with the bytes of a step.
    """
    import gzip
    import sqlite3

    import zstandard

    from mgraph.api import load
    from mgraph.archive.archive import Archive

    graph = load(path)
    plain = compressed = 0
    last = Path(url).with_suffix(".json")
    with Archive(url) as archive:
        for step in range(int(steps) + 1):
            archive.keep(graph, "moons", compact=True)
            content = graph.to_bytes()
            last.write_bytes(content)
            plain += len(content) if step else 0
            compressed += len(zstandard.ZstdCompressor(level=6).compress(content)) if step else 0
            rate = 0.9 / (step + 1)
            graph = graph.with_leaves({name: graph.data[name] - rate * slope for name, slope in _slopes(graph)})
        with sqlite3.connect(url) as connection:
            query = "SELECT form, length(bytes) FROM body ORDER BY document"
            (_, first), *rest = connection.execute(query).fetchall()
        assert {form for form, _ in rest} == {2} and len(rest) == int(steps)
        times = _alternated({"get": lambda: archive.get("moons"), "load": lambda: load(last)}, 5)
    kept = sum(size for _, size in rest)
    packed = len(gzip.compress(content, 6))
    return times | {"plain": plain, "compressed": compressed, "kept": kept, "first": first, "gzip": packed}


def _slopes(graph: Graph) -> list[tuple[str, float]]:
    slopes = graph.grad
    return [(name, slopes[name]) for name in graph.parameters]


def variants(url: str, path: str, count: str, compact: str) -> Times:
    """Keep a graph with its parameters changed so many times; bytes of body a variant, and of the file."""
    import sqlite3

    from mgraph.api import load
    from mgraph.archive.archive import Archive
    from mgraph.archive.keeping import Offer
    from mgraph.archive.parcels import prepared

    graph, stream = load(path), random.Random(1)
    with Archive(url) as archive:
        archive.keep(graph, "original")
        before = Path(url).stat().st_size
        changed = []
        for k in range(int(count)):
            other = graph.with_leaves({name: stream.uniform(-1, 1) for name in graph.parameters})
            changed.append(Offer(prepared(other._wiring), f"variant/{k}", {}))
        archive.keep_all(changed, compact=compact == "True")
    with sqlite3.connect(url) as connection:
        body = connection.execute("SELECT avg(length(bytes)) FROM body WHERE form > 0").fetchone()[0]
    grown = (Path(url).stat().st_size - before) / int(count)
    return {"whole": len(other.to_bytes()), "body": body, "file": grown}


def postgres(folder: str, questions: str) -> Times:
    """Keep every file in a PostgreSQL that is started here, and search there. Empty where it is not installed."""
    sys.path.insert(0, str(ROOT / "tests"))
    from databases import installed, started

    programs = installed()
    if programs is None:
        return {}
    with started(programs) as server:
        url = server.format("postgres")
        return keep(folder, url, "1") | search(url, questions)


if __name__ == "__main__":
    main(generate, validate, keep, commit, verify, fill, search, one, history, variants, postgres)
