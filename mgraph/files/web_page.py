"""Web pages (HTML) made of notebooks, by nbconvert, marimo or a browser's "save as", whose pictures carry graphs.

A page is not parsed, only searched: for a document in an SVG that stands in it (see :mod:`mgraph.files.svg`), for an
SVG as the base64 text of an image, and for a notebook's output in the JSON that marimo's script loads.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

from mgraph.errors import FormatError
from mgraph.files import notebook, svg

_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.DOTALL | re.IGNORECASE)
_CARRIER = re.compile(  # each alternative runs up to a character that it cannot hold, so a search takes linear time
    rf'<document xmlns="{svg.NAMESPACE}">(?P<inline>[^<]*)(?P<closed></document>)?'
    r"|data:image/svg\+xml;base64,(?P<image>[A-Za-z0-9+/=]*)"
    rf'|"{re.escape(notebook.MIME)}":\s*(?P<output>)'
)
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[][{}"]', re.DOTALL)


class Found(NamedTuple):
    """A graph in a page."""

    place: str
    """The line where it begins."""
    text: str
    """The document, as JSON."""
    scripted: bool = False
    """Whether the text is a part of a script, as a browser or another program writes JSON, and not mgraph's own."""
    error: str = ""
    """What is wrong with it, in place of a text."""


def match(raw: bytes) -> bool:
    """Whether these bytes begin as a page does."""
    return _BEGINS.match(raw[:4096]) is not None


def extract(raw: bytes) -> Iterator[Found]:
    """The graphs in a page, in order, unchecked. Raises FormatError for a page that is not UTF-8.

    Nothing in the page is run, loaded or expanded, and time and memory grow linearly with it.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"the page is not UTF-8: byte 0x{raw[error.start]:02X} at offset {error.start:,}") from None
    line, seen, found = 1, 0, _CARRIER.search(text)
    while found is not None:
        line, seen = line + text.count("\n", seen, found.start()), found.start()
        place, end = f"line {line:,}", found.end()
        if found["inline"] is not None:
            whole = found["closed"] is not None
            yield Found(place, unescape(found["inline"])) if whole else _cut_short(place)
        elif found["image"] is not None:
            yield from _image(place, found["image"])
        else:
            end = _end(text, end)
            if not end:
                yield _cut_short(place)
                return  # for each further attempt would read the rest again
            yield Found(place, text[found.end() : end], scripted=True)
        found = _CARRIER.search(text, end)


def _cut_short(place: str) -> Found:
    return Found(place, "", error="the graph ends in the middle (was the page cut short?)")


def _image(place: str, encoded: str) -> Iterator[Found]:
    picture = b64decode(encoded[: len(encoded) // 4 * 4])
    if svg.NAMESPACE.encode() in picture:
        try:
            document = svg.extract(picture)
        except FormatError as error:
            yield Found(place, "", error=str(error))
        else:
            if document is not None:
                yield Found(place, document.decode())


def _end(text: str, start: int) -> int:
    """Where the string, object or list ends that begins at ``start``; 0 if it does not."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] == '"':  # a string without an end
            return 0
        if token[0] in ("{", "["):
            depth += 1
        elif token[0] in ("}", "]"):
            depth -= 1
        if depth <= 0:
            return token.end()
    return 0
