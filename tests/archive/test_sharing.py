"""One archive in many hands: threads, forks, and readers who may not write."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from databases import as_nobody

import mgraph
from mgraph.archive.archive import Archive

NEURON = mgraph.load(ROOT / "samples/neuron.json")
unix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

THREADS = """
import random, sys, threading
import mgraph
from mgraph.archive.archive import Archive

archive, failed = Archive(sys.argv[1]), []
xor = mgraph.load("samples/xor.json")
graphs = [xor.with_leaves({name: random.uniform(-1, 1) for name in xor.parameters}) for _ in range(30)]
for k, graph in enumerate(graphs):
    archive.keep(graph, "xor", compact=k % 2 == 1)

def use(start):
    try:
        for k in range(start, start + 60):
            assert archive[f"xor@{k % 30 + 1}"].digest == graphs[k % 30].digest
            if k % 20 == 0:
                archive.keep(graphs[k % 30], f"thread {start}")
    except BaseException as error:
        failed.append(error)

sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=use, args=(start,)) for start in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(failed, [each.versions for each in archive.list()])
"""


def run(script: str, url: str) -> tuple[int, str, str]:
    """What a process of its own says, which a fault may bring down."""
    done = subprocess.run(
        [sys.executable, "-c", script, url],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr[-1_000:]


def test_threads_use_one_archive(url: str) -> None:
    assert run(THREADS, url) == (0, "[] [3, 3, 3, 3, 3, 3, 30]\n", "")


@unix
def test_a_fork_opens_connections_of_its_own(url: str) -> None:
    with Archive(url) as archive:
        archive.keep(NEURON, "neuron")
        if (child := os.fork()) == 0:
            status = 1
            try:
                for k in range(10):
                    archive.keep(NEURON.with_leaves({"x1": float(k)}), "child")
                status = 0
            finally:
                os._exit(status)
        for k in range(10):
            archive.keep(NEURON.with_leaves({"x1": float(k)}), "parent")
        assert os.waitpid(child, 0)[1] == 0
        assert {each.name: each.versions for each in archive.list()} == {"neuron": 1, "child": 10, "parent": 10}
        assert archive.check(3).ok


def test_an_interrupt_is_not_taken_for_an_error_of_the_database(postgres: str) -> None:
    with Archive(postgres) as archive:
        archive.keep(NEURON, "neuron")
        with pytest.raises(KeyboardInterrupt), archive._database.writing() as connection:
            raw: Any = connection.connection.driver_connection
            raw.pgconn.send_query(
                b"SELECT pg_sleep(0.1)"
            )  # whose answer is not awaited, so there is no way to roll back
            raise KeyboardInterrupt
        assert archive.keep(NEURON.with_leaves({"x1": 2.0}), "neuron").number == 2


@unix
def test_interrupts_at_any_moment_leave_no_lock(tmp_path: Path) -> None:
    """Fifty of them, and what is kept between them is kept."""
    code = """
import random, signal, sys
import mgraph

graph, rng, interrupted, kept = mgraph.load(sys.argv[1]), random.Random(1), 0, []
signal.signal(signal.SIGALRM, signal.default_int_handler)
with mgraph.Archive(sys.argv[2]) as archive:
    for k in range(100_000):
        changed = graph.with_leaves({"x1": float(k)})
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.02))
            archive.keep(changed, "neuron")
            signal.setitimer(signal.ITIMER_REAL, 0)
            kept.append(changed.digest)
        except KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, 0)
            interrupted += 1
        if interrupted == 50:
            break
    assert {*kept} <= {each.detail["digest"] for each in archive.log()}
    print(interrupted, archive.check(2).faults)
"""
    argv = [sys.executable, "-c", code, ROOT / "samples" / "neuron.json", tmp_path / "course.mgraph"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout == "50 []\n", done.stderr


@unix
def test_who_may_only_read_sees_what_another_writes() -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's folders are closed to other users
    course = folder / "course.mgraph"
    began, go_on = os.pipe(), os.pipe()

    def work() -> str:
        with Archive(course) as reader:
            before = len(reader.list())
            os.write(began[1], b"!")
            os.read(go_on[0], 1)
            return f"{before} {len(reader.list())} {reader.check(3).ok}"

    try:
        with Archive(course) as writer:
            writer.keep(NEURON, "neuron")
        with Archive(course) as writer:
            writer.keep(NEURON, "in the log")
            for path in folder.iterdir():
                path.chmod(0o444)
            folder.chmod(0o555)
            child, pipe = as_nobody(work)
            os.close(began[1])  # so that a child that failed is not waited for
            assert os.read(began[0], 1) == b"!"
            folder.chmod(0o755)
            for path in folder.iterdir():
                path.chmod(0o644)
            for k in range(100):
                writer.keep(NEURON.with_leaves({"x1": float(k)}), f"later {k}")
        os.write(go_on[1], b"!")
        os.waitpid(child, 0)
        with os.fdopen(pipe) as told:
            assert told.read() == "2 102 True"
    finally:
        shutil.rmtree(folder)
        for end in (began[0], *go_on):
            os.close(end)
