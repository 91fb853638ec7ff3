"""A document made ready to be kept: its canonical bytes, its digests, and the terms by which it will be found."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from mgraph.archive import subgraphs
from mgraph.archive.origins import told
from mgraph.arithmetic.ops import INPUT, LEAVES
from mgraph.document.canonical import canonical
from mgraph.document.canonical_order import digests
from mgraph.document.wiring import Wiring

_WORD = re.compile(r"\w+")
_UNNAMED = re.compile(r"n[0-9]+")
"""The ids that recording gives to values without a name."""
_ENTRY = 100
WORDS = 1_000
"""Different words by which a document is found at most."""
TITLE, TEXT, NODE = 8, 4, 1
"""How much a word of a title or a name, of the rest of the text, or of a node weighs in a ranking."""

Terms = dict[tuple[str, str], int]
"""The weight of each term, by its kind (``word``, ``op``, ``input``) and its text."""


class Parcel(NamedTuple):
    """A document ready to be kept. Digests are 32 bytes each."""

    content: bytes
    digest: bytes
    recipe: bytes
    structure: bytes
    title: str
    nodes: int
    terms: Terms
    fingerprints: list[int]
    """Of its subgraphs."""
    origin: dict[str, str]
    """What it says of where it came from."""


def prepared(wiring: Wiring) -> Parcel:
    """The parcel of a checked document."""
    content = canonical(wiring.document)
    structure, recipe = digests(wiring)
    title = printed(wiring.document.get("title", ""))
    found = hashlib.sha256(content).digest()
    marks = sorted(subgraphs.kept(wiring))
    facts = _raw(recipe), _raw(structure), title, len(wiring)
    return Parcel(content, found, *facts, _terms(wiring, title), marks, told(wiring.document))


def _raw(digest: str) -> bytes:
    return bytes.fromhex(digest.removeprefix("sha256:"))


@lru_cache(maxsize=4_096)
def words(text: str) -> tuple[str, ...]:
    """The words of a text as they are looked up: letters, digits and underscores, upper and lower case alike."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _terms(wiring: Wiring, title: str) -> Terms:
    found: Terms = {}
    _add(found, [title], TITLE)
    _add(found, _texts(wiring.document.get("meta", {})), TEXT)
    for node in wiring.nodes:
        if node["op"] not in LEAVES:
            found["op", node["op"]] = NODE
        elif node["op"] == INPUT:
            _add_input(found, node["id"], node.get("label", ""))
    _add(found, (node["id"] for node in wiring.nodes if not _UNNAMED.fullmatch(node["id"])), NODE)
    _add(found, (node["label"] for node in wiring.nodes if "label" in node), NODE)
    return found


def _add_input(found: Terms, *names: str) -> None:
    for name in names:
        if name and len(found) < WORDS:
            found["input", entry(name)] = NODE


def _add(found: Terms, texts: Iterable[str], weight: int) -> None:
    """Add the words of texts, the heaviest texts first: a word's weight is the largest."""
    for text in texts:
        if len(found) >= WORDS:
            return
        for word in words(text)[: WORDS - len(found)]:
            if weight > NODE or not word.isdecimal():  # nobody looks for the nodes that are called 17
                found.setdefault(("word", entry(word)), weight)


def printed(text: str) -> str:
    """A document's text for a column of its own: PostgreSQL's have no NUL."""
    return text.replace("\0", "\ufffd")


def entry(text: str) -> str:
    """A name or a word in the index, which holds the first characters: PostgreSQL has no index of long texts."""
    return printed(text[:_ENTRY])


def add_name(terms: Terms, name: str) -> None:
    """Add the terms of a name that a document is kept under."""
    for word in words(name):
        key = "word", entry(word)
        terms[key] = max(TITLE, terms.get(key, 0))


def _texts(value: Any) -> Iterator[str]:
    """The texts in ``meta``, keys too, to any depth that a document may have."""
    waiting: list[Any] = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            yield from each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
