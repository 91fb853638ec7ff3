"""PNG pictures that carry their graph: an ``iTXt`` chunk, compressed (PNG, 3rd ed., clause 11.3.3.4)."""

from __future__ import annotations

import struct
import zlib

from mgraph.errors import FormatError
from mgraph.files import atomic

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEYWORD = b"mgraph"


def match(raw: bytes) -> bool:
    """Whether these bytes are a PNG picture."""
    return raw.startswith(SIGNATURE)


def embed(picture: bytes, document: bytes) -> bytes:
    """The picture with the document (its JSON) in it, before its pixels."""
    body = KEYWORD + b"\0\1\0\0\0" + zlib.compress(document, 9)  # compressed, by zlib, in no language
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    start = len(SIGNATURE) + 25  # IHDR, which comes first, has 13 bytes of its own
    return picture[:start] + chunk + picture[start:]


def extract(raw: bytes) -> bytes | None:
    """The document, as JSON, that a picture carries, or None. Raises FormatError for one that is not whole.

    Of a picture of any size only the chunks' headers in front of the document are read.
    """
    place = len(SIGNATURE)
    while True:
        header = raw[place : place + 8]
        if len(header) < 8:
            raise FormatError("no graph in this picture, which ends in the middle (cut short?)")
        (length,), kind = struct.unpack(">I", header[:4]), header[4:]
        body = place + 8
        if kind == b"iTXt" and raw[body : body + 7] == KEYWORD + b"\0":
            return _text(raw[body : body + length], raw[body + length : body + length + 4], length)
        if kind == b"IEND":
            return None
        place = body + length + 4


def _text(body: bytes, checksum: bytes, length: int) -> bytes:
    if len(body) < length or len(checksum) < 4:
        raise FormatError("the graph in this picture ends in the middle (cut short?)")
    if struct.pack(">I", zlib.crc32(b"iTXt" + body)) != checksum:
        raise FormatError("the graph in this picture is damaged: its checksum is wrong")
    compressed, method = body[7:8], body[8:9]
    text = body[9:].split(b"\0", 2)[2:]
    if not text or compressed not in (b"\0", b"\1") or method != b"\0":
        raise FormatError("the graph in this picture is damaged: not an iTXt chunk by the PNG standard")
    try:
        return atomic.inflate(text[0]) if compressed == b"\1" else text[0]
    except ValueError as error:
        raise FormatError(f"the graph in this picture {error}") from None
