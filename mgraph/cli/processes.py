"""A function of many items, in several processes, which end when this one does, however it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from mgraph.errors import MgraphError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 16
"""Items at most that a process is given at once."""
MOST = 60
"""Processes at most: Windows waits for 63 things, no more."""


def in_order(function: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    """``map(function, items)`` by that many processes, to which the function, items and results are copied.

    Raises MgraphError if one of them is killed.
    """
    size = max(1, min(CHUNK, len(items) // (8 * jobs)))
    chunks = [items[k : k + size] for k in range(0, len(items), size)]
    if min(jobs, len(chunks)) < 2:
        yield from map(function, items)
        return
    with _processes(function, min(jobs, len(chunks))) as pipes:
        done: dict[int, list[R]] = {}
        arriving = _in_any_order(pipes, chunks)
        for place in range(len(chunks)):
            while place not in done:
                done |= [next(arriving)]
            yield from done.pop(place)


def _in_any_order(pipes: list[Connection], chunks: Sequence[Sequence[T]]) -> Iterator[tuple[int, list[Any]]]:
    """The place of each chunk, and its results, as they arrive."""
    from multiprocessing.connection import wait

    rest, idle = enumerate(chunks), list(pipes)
    busy: dict[Connection, int] = {}
    try:
        while True:
            for pipe, (place, chunk) in zip(idle, islice(rest, len(idle)), strict=False):
                busy[pipe] = place
                pipe.send(chunk)
            if not busy:
                return
            ready = set(wait(busy))
            idle = [pipe for pipe in busy if pipe in ready]
            for pipe in idle:
                yield busy.pop(pipe), pipe.recv()
    except (EOFError, ConnectionError):
        message = "a process of --jobs was killed (out of memory?); --jobs 1 needs the least"
        raise MgraphError(message) from None


@contextmanager
def _processes(function: Callable[[T], R], count: int) -> Iterator[list[Connection]]:
    """That many new processes, each behind a pipe that takes lists of items and returns lists of results."""
    from multiprocessing import get_context

    context = get_context("spawn")  # a fork would copy locks that other threads hold
    pipes, processes = [], []
    try:
        with _interrupts_blocked():  # as they stay in the processes: an interrupt ends this one, and that ends them
            for _ in range(count):
                here, there = context.Pipe()
                processes.append(context.Process(target=_work, args=(there, function), daemon=True))
                processes[-1].start()
                there.close()
                pipes.append(here)
        yield pipes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        for pipe in pipes:
            pipe.close()


def _work(pipe: Connection, function: Callable[[T], R]) -> None:
    """What such a process does."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):  # the parent has gone
        while True:
            pipe.send([function(item) for item in pipe.recv()])


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it would be started with the first process, and lift the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
