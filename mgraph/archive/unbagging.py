"""``import``: a bag that ``export`` wrote, read back, and nothing written before all of it has been proven.

A bag comes from anywhere: its manifest must name every file and agree with it; nothing in it may lead out of it
(``..``, links), or unpack to more than a bound.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

import orjson

from mgraph.archive.bag import place
from mgraph.archive.database import Database
from mgraph.archive.exchange import FIELDS, Brought, Rows, bring
from mgraph.archive.references import checked
from mgraph.document import model
from mgraph.document.model import Document
from mgraph.errors import FileError, MgraphError, shown
from mgraph.files.atomic import EXPANSION, FLOOR, PIECE, display, reading

_SUMS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_STRONG = ("sha256", "sha512")
_MANIFEST = re.compile(r"(tag)?manifest-([a-z0-9]+)\.txt")
_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+(\S.*)")
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST = 1 << 30
"""Bytes of one file that is read whole at most."""


class _Files(Protocol):
    sizes: dict[str, int]
    """The size of each file, by its path in the bag."""

    def open(self, path: str) -> IO[bytes]:
        """A file's bytes."""


def import_bag(database: Database, source: str | os.PathLike[str]) -> Brought:
    """Bring what a bag (a folder, or a ``.zip``) holds into an archive. Raises FileError."""
    name = os.fspath(source)
    with _named(name), reading(name, "a bag"), _opened(name) as files:
        _prove(files)
        rows = _rows(files)
        with database.writing() as connection, _named(name):
            return bring(connection, rows, lambda digest: _document(files, digest), "import", display(name))


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Let an error name the bag."""
    try:
        yield
    except MgraphError as error:
        said, bag = str(error), f"{display(name)}: "
        raise FileError(said if bag in said else bag + said) from None


# Files -------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(name: str) -> Iterator[_Files]:
    if Path(name).is_dir():
        yield _Folder(Path(name))
        return
    with Path(name).open("rb") as file:
        try:
            packed = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError):
            raise FileError("not a bag: a folder, or a ZIP file") from None
        try:
            yield _Zip(packed, os.fstat(file.fileno()).st_size)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise FileError(f"the ZIP file is damaged: {error}") from None


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.sizes: dict[str, int] = {}
        waiting = [root]
        while waiting:
            for entry in sorted(waiting.pop().iterdir()):
                path = entry.relative_to(root).as_posix()
                status = entry.lstat()
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(entry)
                elif stat.S_ISREG(status.st_mode):
                    self.sizes[path] = status.st_size
                else:
                    raise FileError(f"{shown(path)} is a link, or not a file; a bag holds files alone")

    def open(self, path: str) -> IO[bytes]:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self._root / path, flags), "rb")


class _Zip:
    def __init__(self, packed: zipfile.ZipFile, size: int) -> None:
        self._packed = packed
        entries = [entry for entry in packed.infolist() if not entry.is_dir()]
        if sum(entry.file_size for entry in entries) > max(FLOOR, EXPANSION * size):
            raise FileError(f"unpacks to more than {EXPANSION} times its size: a decompression bomb?")
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            mode = entry.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise FileError(f"{shown(entry.filename)} is a link, or not a file; a bag holds files alone")
            path = _inside(entry.filename)
            if path in self._entries:
                raise FileError(f"{shown(path)} is in it twice")
            self._entries[path] = entry
        bases = {path.partition("/")[0] for path in self._entries}
        if len(bases) != 1:
            raise FileError("not a bag: a bag's ZIP holds one folder")
        self._base = bases.pop()
        self.sizes = {path.partition("/")[2]: entry.file_size for path, entry in self._entries.items()}

    def open(self, path: str) -> IO[bytes]:
        return self._packed.open(self._entries[f"{self._base}/{path}"])


def _inside(path: str) -> str:
    """A path that stays inside. Raises FileError."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in path or "\0" in path:
        raise FileError(f"{shown(path)} leads out of the bag")
    return "/".join(parts)


def _whole(files: _Files, path: str) -> bytes:
    if path not in files.sizes:
        raise FileError(f"not a bag of an archive: it has no {path}")
    if files.sizes[path] > _LARGEST:
        raise FileError(f"{shown(path)} is larger than {_LARGEST:,} bytes")
    with files.open(path) as file:
        return file.read(_LARGEST + 1)


def _text(files: _Files, path: str) -> str:
    try:
        return _whole(files, path).decode()
    except UnicodeDecodeError:
        raise FileError(f"{shown(path)} is not UTF-8") from None


# Proof -------------------------------------------------------------------------------------------------------


def _prove(files: _Files) -> None:
    """That the bag is complete and valid, as RFC 8493 has it. Raises FileError."""
    declared = _text(files, "bagit.txt").split()
    if declared[:1] != ["BagIt-Version:"] or declared[1:2] not in (["1.0"], ["0.97"]):
        raise FileError("bagit.txt does not say that this is a bag of BagIt 1.0")
    if "fetch.txt" in files.sizes:
        raise FileError("it names files to fetch from elsewhere (fetch.txt); nothing is fetched")
    manifests = {path: found for path in files.sizes if (found := _MANIFEST.fullmatch(path))}
    if not any(found[1] is None and found[2] in _STRONG for found in manifests.values()):
        raise FileError("it has no manifest-sha256.txt")
    sums: dict[str, dict[str, str]] = {}
    for path, found in sorted(manifests.items()):
        listed = _manifest(files, path, found[2])
        if found[1] is None and (missing := {each for each in files.sizes if each.startswith("data/")} - set(listed)):
            raise FileError(f"{path} does not name {shown(min(missing))}")
        for each, digits in listed.items():
            sums.setdefault(each, {})[found[2]] = digits
    for path, said in sums.items():
        if path not in files.sizes:
            raise FileError(f"the manifest names {shown(path)}, which is not there")
        for kind, digits in _hashed(files, path, list(said)).items():
            if digits != said[kind]:
                raise FileError(f"{shown(path)} is not what the manifest says: its {kind} is {digits[:12]}…")


def _manifest(files: _Files, path: str, kind: str) -> dict[str, str]:
    if kind not in _SUMS:
        raise FileError(f"{path}: checksums of a kind that is not known; known are {', '.join(_SUMS)}")
    listed: dict[str, str] = {}
    for k, line in enumerate(_text(files, path).splitlines(), 1):
        found = _LINE.fullmatch(line)
        if found is None or len(found[1]) != _SUMS[kind]:
            raise FileError(f"{path}, line {k}: not a {kind} and a path")
        named = found[2].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        each = _inside(named)
        if each in listed:
            raise FileError(f"{path}, line {k}: names {shown(each)} a second time")
        listed[each] = found[1].lower()
    return listed


def _hashed(files: _Files, path: str, kinds: list[str]) -> dict[str, str]:
    sums = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with files.open(path) as file:
        while piece := file.read(PIECE):
            for each in sums.values():
                each.update(piece)
    return {kind: each.hexdigest() for kind, each in sums.items()}


# Rows --------------------------------------------------------------------------------------------------------


def _document(files: _Files, digest: str) -> Document:
    try:
        return model.parse(_whole(files, place(digest)))
    except MgraphError as error:
        raise FileError(f"{place(digest)}: {error}") from None


def _rows(files: _Files) -> Rows:
    """The rows, every one of them checked. Raises FileError."""
    rows: Rows = {}
    for kind in FIELDS:
        path = f"data/{kind}.jsonl"
        rows[kind] = [_row(kind, line, f"{path}, line {k}") for k, line in enumerate(_lines(files, path), 1)]
    _once(rows["documents"], "documents", "digest")
    _once(rows["versions"], "versions", "name", "number")
    _once(rows["tags"], "tags", "name", "tag")
    _once(rows["labels"], "labels", "name", "key")
    digests = {row["digest"] for row in rows["documents"]}
    versions = {(row["name"], row["number"]) for row in rows["versions"]}
    names = {row["name"] for row in rows["versions"]}
    for kind in ("versions", "verdicts"):
        _lead("documents", kind, ((k, row["digest"]) for k, row in enumerate(rows[kind], 1)), digests)
    _lead("versions", "tags", ((k, (row["name"], row["number"])) for k, row in enumerate(rows["tags"], 1)), versions)
    _lead("versions", "labels", ((k, row["name"]) for k, row in enumerate(rows["labels"], 1)), names)
    return rows


def _lines(files: _Files, path: str) -> list[bytes]:
    return [line for line in _whole(files, path).split(b"\n") if line]


def _row(kind: str, line: bytes, where: str) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise FileError(f"{where}: not JSON: {error}") from None
    fields = FIELDS[kind]
    if not isinstance(row, dict) or row.keys() != fields.keys():
        raise FileError(f"{where}: not an object of {', '.join(fields)}")
    for key, types in fields.items():
        if (
            not isinstance(row[key], types)
            or (isinstance(row[key], bool) and bool not in types)
            or "\0" in str(row[key])
        ):
            raise FileError(f"{where}: its {key} is {shown(row[key])}")
    for key in ("at", "forgotten"):
        if row.get(key) is not None and not _AT.fullmatch(row[key]):
            raise FileError(f"{where}: its {key} is {shown(row[key])}, not a time such as 2026-01-31T12:00:00Z")
    if "digest" in row and not _DIGEST.fullmatch(row["digest"]):
        raise FileError(f"{where}: its digest is {shown(row['digest'])}, not 64 hexadecimal digits")
    if "number" in row and not 0 < row["number"] < 1 << 31:
        raise FileError(f"{where}: its number is {shown(row['number'])}")
    try:
        for key, what in (("name", "a name"), ("tag", "a tag"), ("key", "a label's key")):
            if key in row and (kind != "events" or row[key]):
                checked(row[key], what)
    except FileError as error:
        raise FileError(f"{where}: {error}") from None
    return {key: row[key] for key in fields}


def _once(rows: list[dict[str, Any]], kind: str, *keys: str) -> None:
    seen = set()
    for k, row in enumerate(rows, 1):
        key = tuple(row[each] for each in keys)
        if key in seen:
            raise FileError(f"data/{kind}.jsonl, line {k}: {' '.join(map(shown, key))} a second time")
        seen.add(key)


def _lead(target: str, kind: str, wanted: Iterator[tuple[int, Any]], there: set[Any]) -> None:
    for k, each in wanted:
        if each not in there:
            raise FileError(f"data/{kind}.jsonl, line {k}: {shown(each)} is not among the {target}")
