"""Which graphs a file holds, be it a document, a picture, a notebook, a page made of one or another tool's graph, and
which of them a name such as ``lesson.ipynb#loss`` means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mgraph.document import model as _document
from mgraph.document import strict_json
from mgraph.document.model import Document
from mgraph.errors import DocumentError, FileError, FormatError, MgraphError, nearest, shown
from mgraph.files import atomic

EMPTY = (
    "no graph in this notebook (were its outputs cleared?): run it, with a Value, Graph or Run as a cell's result, and"
    " save it"
)


class Kept(NamedTuple):
    """A graph that a file holds: its document, or what is wrong with it."""

    name: str
    """What to call it: the file, and for one of a notebook its number (``lesson.ipynb#2``)."""
    place: str
    """Where in the file it is, empty for a file that is nothing else."""
    document: Document | None
    error: MgraphError | None
    number: int = 1
    """Which of the file's graphs it is, from 1 on."""

    @property
    def title(self) -> str:
        """The document's title, or an empty string."""
        return "" if self.document is None else self.document.get("title", "")


def read_one(path: str | os.PathLike[str]) -> Document:
    """The document in a file; a notebook's is told by ``#`` and its number or title, unless it is the only one.

    Raises FileError, DocumentError, FormatError.
    """
    name, wanted = split(os.fspath(path))
    found = _chosen(list(_documents(atomic.read(name), name)), name, wanted)
    if found.error is not None:
        raise found.error
    assert found.document is not None
    return found.document


def read_all(path: str | os.PathLike[str]) -> list[Kept]:
    """Every graph in a file, or the one that ``#`` names. Of a notebook's graphs some may be broken; for any other
    file, what is wrong is raised: FileError, DocumentError, FormatError."""
    name, wanted = split(os.fspath(path))
    return _wanted(atomic.read(name), name, wanted, path)


def read_claimed(path: str | os.PathLike[str]) -> list[Kept] | None:
    """What :func:`read_all` returns, or None for a file that does not claim to hold a graph.

    The claim is made by what carries a graph (a document's first key, a picture's or a notebook's mark), whole or not,
    by the code of a notebook that imports mgraph, whose outputs may have been cleared, and by a file that is empty.
    """
    name, wanted = split(os.fspath(path))
    raw = atomic.read(name)
    return _wanted(raw, name, wanted, path) if _claims(raw, name) else None


def _wanted(raw: bytes, name: str, wanted: str | None, path: str | os.PathLike[str]) -> list[Kept]:
    kept = list(_documents(raw, name))
    return kept if wanted is None else [_chosen(kept, name, wanted)._replace(name=atomic.display(path))]


_CLAIM_OF_JSON = re.compile(rb'"mgraph"\s*:\s*\d|"op_usage_vec"')


def _claims(raw: bytes, path: str) -> bool:
    from mgraph.files import notebook, png, svg

    if png.match(raw):
        return b"iTXt" + png.KEYWORD + b"\0" in raw
    if svg.match(raw):
        return svg.NAMESPACE.encode() in raw
    if path.lower().endswith(".onnx"):
        return b"mgraph" in raw[:100]  # the producer
    if b'"nbformat"' in raw:
        return notebook.MIME.encode() in raw or re.search(rb"(import|from) mgraph\b", raw) is not None
    return not raw.strip() or _CLAIM_OF_JSON.search(raw) is not None


def split(path: str) -> tuple[str, str | None]:
    """A path and what follows ``#``, unless a file of the whole name is there."""
    name, mark, wanted = path.rpartition("#")
    return (name, wanted) if mark and name and not atomic.is_there(path) else (path, None)


def _chosen(kept: list[Kept], path: str, wanted: str | None) -> Kept:
    where = atomic.display(path)
    if not kept:
        raise FileError(f"{where}: {EMPTY}")
    if wanted is None:
        if len(kept) == 1:
            return kept[0]
        raise FileError(f"{where}: {len(kept)} graphs; name one: {_listed(kept)}")
    if re.fullmatch(r"[0-9]{1,9}", wanted) and 1 <= int(wanted) <= len(kept):
        return kept[int(wanted) - 1]
    titled = [each for each in kept if each.title == wanted]
    if len(titled) == 1:
        return titled[0]
    if titled:
        raise FileError(f"{where}: {len(titled)} graphs are called {shown(wanted)}; name one: {_listed(titled)}")
    near = nearest(wanted, [each.title for each in kept if each.title])
    raise FileError(f"{where}: no graph {shown(wanted)} in it.{near} There are {_listed(kept)}")


def _listed(kept: list[Kept]) -> str:
    names = [
        f"#{each.name.rpartition('#')[2]}" + f" ({shown(each.title, 40)[1:-1]})" * bool(each.title) for each in kept
    ]
    return ", ".join(names[:12]) + ", …" * (len(names) > 12)


_PICKLE = (".pkl", ".pickle", ".joblib")


def _documents(raw: bytes, path: str) -> Iterator[Kept]:
    from mgraph.files import png, svg
    from mgraph.formats import module

    where = atomic.display(path)
    if (raw[:1] == b"\x80" and raw[1:2] <= b"\x05") or path.lower().endswith(_PICKLE):
        raise FileError(
            f"{where}: a pickle. To open one runs any code that is in it, so mgraph never does; in the program that"
            " made it, keep the graph by mgraph.save(value, 'graph.json')"
        )
    if raw[:4] == b"PK\x03\x04":
        raise FileError(f"{where}: a zip archive (such as PyTorch's .pt, which holds pickles), not a document")
    if raw[:4] == b"PAR1" or (path.lower().endswith((".csv", ".jsonl")) and b'"mgraph"' not in raw):
        raise FileError(
            f"{where}: a table of numbers, not a graph; to replay a graph for each of its rows: mgraph rows FILE"
            f" {where}"
        )
    try:
        if path.lower().endswith(".onnx"):
            yield Kept(where, "", module("read.onnx").read(raw, Path(path).parent), None)
        elif png.match(raw):
            yield Kept(where, "PNG picture", _carried(png.extract(raw)), None)
        elif _is_page(raw):
            yield from _page(raw, where)
        elif svg.match(raw):
            yield Kept(where, "SVG picture", _carried(svg.extract(raw)), None)
        else:
            yield from _json(raw, where)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None
    except DocumentError as error:
        error.file = where
        raise


def _is_page(raw: bytes) -> bool:
    if raw[:512].lstrip()[:1] in (b"{", b"["):  # most files: no need to import what searches pages
        return False
    from mgraph.files import web_page

    return web_page.match(raw)


def _carried(text: bytes | None) -> Document:
    if text is None:
        raise FormatError(
            "no graph in this picture. mgraph puts one into each picture of a single graph that it draws, but not with"
            " --no-embed, and not into a picture of a difference (mgraph diff --draw); other programs may drop it when"
            " they save a picture"
        )
    return _document.parse(text)


def _page(raw: bytes, where: str) -> Iterator[Kept]:
    from mgraph.files import web_page

    count = 0
    for count, (place, text, scripted, error) in enumerate(web_page.extract(raw), 1):
        name = f"{where}#{count}"
        loaded = strict_json.as_browsers_do(text.encode()) if scripted else text
        if error or loaded is None:
            message = f"{name} ({place}): {error or 'what should be a document is not JSON'}"
            yield Kept(name, place, None, FormatError(message), count)
        else:
            yield _checked(loaded, name, place)._replace(number=count)
    if not count:
        raise FormatError(
            "no graph in this web page. A page that nbconvert or marimo makes of a notebook has those that cells of the"
            " notebook showed, with mgraph 0.4 or later"
        )


def _json(raw: bytes, where: str) -> Iterator[Kept]:
    from mgraph.files import notebook
    from mgraph.formats import module

    if b'"nbformat"' in raw and notebook.match(loaded := strict_json.as_browsers_do(raw)):
        for k, (place, found) in enumerate(notebook.extract(loaded), 1):
            yield _checked(found, f"{where}#{k}", place)._replace(number=k)
        return
    loaded = strict_json.loads(raw)
    if isinstance(loaded, dict) and "op_usage_vec" in loaded:  # one of CppAD's keys
        yield Kept(where, "", module("read.cppad").read(raw, loaded=loaded), None)
        return
    yield Kept(where, "", _document.checked(loaded, raw), None)


def _checked(found: Any, name: str, place: str) -> Kept:
    try:
        strict_json.check(found, "$", 10 + _document.META_DEPTH)
        strict_json.refuse_marked(found, "$")
        document = _document.parse(found.encode()) if isinstance(found, str) else _document.validate(found)
    except DocumentError as error:
        error.file = f"{name} ({place})"
        return Kept(name, place, None, error)
    return Kept(name, place, document, None)
