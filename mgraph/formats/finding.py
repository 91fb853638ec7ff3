"""Which files are meant by paths: those themselves, those below a folder, and those that a list names."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mgraph.errors import FileError
from mgraph.files import atomic

ENDINGS = (".json", ".svg", ".png", ".ipynb", ".onnx")
"""Of the names of files that may hold a graph, in lower case; ``.gz`` may follow."""


class Found(NamedTuple):
    """A file to open, or what is wrong with a path."""

    path: str
    folder: str | None = None
    """The folder that was named, if the file lies below one."""
    error: FileError | None = None


def find(paths: Iterable[str]) -> tuple[list[Found], Counter[str]]:
    """The files that ``paths`` mean, in their order, and how many other files each of the folders has.

    ``@list.txt`` names a list of paths, one a line, or separated by zero bytes if it has any. Below a folder, files
    come before folders, both sorted by name; hidden ones (``.git``) are left out, and links to folders are not
    followed, so that no loop of them is.
    """
    found: list[Found] = []
    others: Counter[str] = Counter()
    for path, error in _listed(paths):
        if error is None and atomic.is_folder(path):
            others[path] = 0
            for each in _below(path):
                if each.error is not None or fits(each.path):
                    found.append(each)
                else:
                    others[path] += 1
        else:
            found.append(Found(path, error=error))
    return found, others


def fits(name: str) -> bool:
    """Whether a file of this name may hold a graph."""
    return name.lower().removesuffix(".gz").endswith(ENDINGS)


def _listed(paths: Iterable[str]) -> Iterator[tuple[str, FileError | None]]:
    for path in paths:
        if not path.startswith("@"):
            yield path, None
            continue
        try:
            raw = atomic.read(path[1:])
        except FileError as error:
            yield path, error
            continue
        lines = raw.split(b"\0") if b"\0" in raw else [line.removesuffix(b"\r") for line in raw.split(b"\n")]
        yield from ((os.fsdecode(line), None) for line in lines if line)


def _below(folder: str) -> Iterator[Found]:
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with atomic.reading(here, "a folder"), os.scandir(here) as entries:
                visible = sorted((e for e in entries if not e.name.startswith(".")), key=lambda each: each.name)
                folders = [each.path for each in visible if each.is_dir(follow_symlinks=False)]
                files = [Found(each.path, folder) for each in visible if _is_file(each)]
        except FileError as error:
            yield Found(here, folder, error)
            continue
        waiting += reversed(folders)
        yield from files


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link to one, or to nothing, which is for who opens it to say; no folder, no pipe."""
    if not entry.is_symlink():
        return entry.is_file()
    try:
        return stat.S_ISREG(Path(entry.path).stat().st_mode)
    except OSError:
        return True
