"""``export``: an archive as plain files that need no mgraph to read.

They form a BagIt 1.0 bag (RFC 8493: checksums of every file) around an RO-Crate 1.2 (what each file is). Documents are
JSON as ``mgraph.save`` writes them; names, tags, labels, the log and the verdicts are JSON lines. Nothing in it
depends on when or where it is made, so the same archive makes the same bytes every time; a ZIP is therefore not
compressed, since libraries compress differently.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from mgraph import __version__
from mgraph.archive.database import Database
from mgraph.archive.exchange import FIELDS, Rows, collected, digests
from mgraph.archive.shelves import Shelves
from mgraph.document import model
from mgraph.errors import FileError
from mgraph.files import atomic

BASE = "archive"
"""The folder that a ZIP holds."""
CRATE = "data/ro-crate-metadata.json"
_NEVER = "1970-01-01T00:00:00Z"
"""The date of an archive in which nothing happened yet."""
Put = Callable[[str, bytes], None]


def place(digest: str) -> str:
    """Where a document lies in a bag, by its digest (64 hexadecimal digits)."""
    return f"data/documents/{digest[:2]}/{digest}.json"


def export(database: Database, target: str | os.PathLike[str]) -> int:
    """Write an archive to a folder that is not there yet, or to a file that ends in ``.zip``, whole or not at all.

    Returns how many documents it holds. Raises FileError.
    """
    name = os.fspath(target)
    with (_zipped if name.lower().endswith(".zip") else _folder)(name) as put, database.reading() as connection:
        rows = collected(connection)
        ids, shelves = digests(connection), Shelves(connection)
        sums: dict[str, tuple[str, int]] = {}

        def add(path: str, raw: bytes) -> None:
            sums[path] = hashlib.sha256(raw).hexdigest(), len(raw)
            put(path, raw)

        titles = {}
        for row in rows["documents"]:
            document = shelves.document(ids[row["digest"]])
            titles[place(row["digest"])] = document.get("title", "")
            add(place(row["digest"]), model.dump(document))
        for kind in FIELDS:
            add(f"data/{kind}.jsonl", b"".join(orjson.dumps(row) + b"\n" for row in rows[kind]))
        add(CRATE, _crate(rows, titles, sums))
        _label(put, sums)
    return len(titles)


def _label(put: Put, payload: dict[str, tuple[str, int]]) -> None:
    """The files that make a folder a bag."""
    size = sum(each for _, each in payload.values())
    files = {
        "bagit.txt": "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": f"Bag-Software-Agent: mgraph {__version__}\nPayload-Oxum: {size}.{len(payload)}\n",
        "manifest-sha256.txt": "".join(f"{found}  {path}\n" for path, (found, _) in sorted(payload.items())),
    }
    sums = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
    files["tagmanifest-sha256.txt"] = "".join(f"{found}  {path}\n" for path, found in sorted(sums.items()))
    for path, text in files.items():
        put(path, text.encode())


_ABOUT = {
    "documents": "Every document's digest, and when it was kept",
    "versions": "The versions of each name, and the documents they are",
    "tags": "Tags: which version of a name each points at",
    "labels": "Labels of names",
    "events": "What was done, when and by whom",
    "verdicts": "Whether documents came out when they were recomputed, and with which mgraph",
}


def _crate(rows: Rows, titles: dict[str, str], sums: dict[str, tuple[str, int]]) -> bytes:
    """The RO-Crate metadata: what the folder is, and each file in it."""
    last = max(
        (row["at"] for kind in ("documents", "versions", "events", "verdicts") for row in rows[kind]), default=""
    )
    about = {f"data/{kind}.jsonl": text for kind, text in _ABOUT.items()}
    files: list[dict[str, Any]] = [
        {
            "@id": path.removeprefix("data/"),
            "@type": "File",
            "name": about.get(path) or titles.get(path) or path.rpartition("/")[2],
            "encodingFormat": "application/jsonl" if path in about else "application/json",
            "contentSize": str(size),
        }
        for path, (_, size) in sorted(sums.items())
    ]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": "An archive of mgraph",
        "description": "Graphs of scalar computations with their numbers, each named, in versions, by its digest",
        "datePublished": last or _NEVER,
        "hasPart": [{"@id": each["@id"]} for each in files],
    }
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.2"},
    }
    crate = {"@context": "https://w3id.org/ro/crate/1.2/context", "@graph": [descriptor, root, *files]}
    return orjson.dumps(crate, option=orjson.OPT_INDENT_2) + b"\n"


@contextmanager
def _folder(name: str) -> Iterator[Put]:
    """A folder to fill, which takes its name at the end, or is gone."""
    target = Path(name)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise FileError(f"{atomic.display(name)}: it is there already; export writes a new folder, or a .zip")
    with atomic.writing(name):
        filled = Path(tempfile.mkdtemp(prefix=atomic.PREFIX, dir=target.absolute().parent))

    def put(path: str, raw: bytes) -> None:
        with atomic.writing(name):
            place = filled / path
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())

    try:
        yield put
        with atomic.writing(name):
            filled.chmod(0o755)
            filled.replace(target)
    finally:
        shutil.rmtree(filled, ignore_errors=True)


@contextmanager
def _zipped(name: str) -> Iterator[Put]:
    if os.path.lexists(name):  # a link that leads nowhere is there, too
        raise FileError(f"{atomic.display(name)}: it is there already; export writes a new file, or a new folder")
    with atomic.streamed(name) as file, zipfile.ZipFile(file, "w") as packed:

        def put(path: str, raw: bytes) -> None:
            entry = zipfile.ZipInfo(f"{BASE}/{path}")  # of 1980, as every entry without a date
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            with atomic.writing(name):
                packed.writestr(entry, raw)

        yield put
