"""SVG pictures that carry their graph: the document is the text of an element of its own in ``<metadata>``."""

from __future__ import annotations

import re
from xml.parsers import expat

from mgraph.errors import FormatError

NAMESPACE = "urn:mgraph:format:1"
_ELEMENT = f"{NAMESPACE} document"


def embed(picture: bytes, document: bytes) -> bytes:
    """The picture with the document (its JSON) in it, before anything that is drawn."""
    text = re.sub("[\ufffe\uffff]", lambda m: f"\\u{ord(m[0]):04x}", document.decode())  # XML has no such characters
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    element = f'<metadata><document xmlns="{NAMESPACE}">{text}</document></metadata>'
    start = picture.index(b">", picture.index(b"<svg")) + 1
    return picture[:start] + b"\n" + element.encode() + picture[start:]


def match(raw: bytes) -> bool:
    """Whether these bytes are XML, to be read as SVG."""
    return raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


class _Read(Exception):
    """The document has been read; the rest of the picture is not looked at."""


class _Handler:
    """What the parser tells: the root's name, and the text of the document as far as it has been read."""

    def __init__(self) -> None:
        self.root = ""
        self.found: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.root = self.root or name
        if name == _ELEMENT:
            self.found = []

    def end(self, name: str) -> None:
        if name == _ELEMENT:
            raise _Read

    def characters(self, text: str) -> None:
        if self.found is not None:
            self.found.append(text)

    def entity(self, *declaration: object) -> None:
        raise FormatError("the picture declares XML entities, which mgraph does not read")


def extract(raw: bytes) -> bytes | None:
    """The document, as JSON, that a picture carries, or None. Raises FormatError for one that is not whole.

    Entities are not expanded, nothing outside the file is read, and of a picture of any size only what is in front of
    the document is parsed.
    """
    told, parser = _Handler(), expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = told.start, told.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = told.characters, told.entity
    try:
        parser.Parse(raw, True)
    except _Read:
        return "".join(told.found or ()).encode()
    except (LookupError, ValueError) as error:
        raise FormatError(f"no graph in this picture: its XML cannot be decoded: {error}") from None
    except expat.ExpatError as error:
        where = f"line {error.lineno:,}, column {error.offset + 1:,}"
        if told.found is not None:
            raise FormatError(f"the graph in this picture ends in the middle, at {where} (cut short?)") from None
        raise FormatError(
            f"no graph in this picture, which is not whole XML: {expat.errors.messages[error.code]}, at {where}"
        ) from None
    root = told.root.rpartition(" ")[2]
    if root != "svg":
        raise FormatError(f"XML, but no SVG picture: its root is <{root[:60]}>")
    return None
