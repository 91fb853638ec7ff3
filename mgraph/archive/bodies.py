"""A document's canonical bytes, small: compressed by themselves, or as what differs from another document's.

A body is WHOLE (zstd, with the archive's trained dictionary where it has one); a VARIANT (zstd, with the canonical
bytes of a whole document of the same structure as the dictionary, so that what the two share costs next to nothing);
or REPLAYED (see :mod:`mgraph.archive.histories`). In each form the digest proves the bytes whenever they are read.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import zstandard

from mgraph.errors import FileError
from mgraph.files.atomic import EXPANSION, FLOOR

WHOLE, VARIANT, REPLAYED = 0, 1, 2
LARGEST = 1 << 30
"""Bytes of one document, unpacked, at most."""
_LEVEL = 6
_SMALL_LEVEL = 3
"""For small documents with a trained dictionary: level 6 takes three times as long for 5 % fewer bytes."""
_USUAL = 4_096
"""Bytes of a small document, for which the compressor is set up."""
SMALL = _LARGE = 100_000
_DICTIONARY = 16 << 10
SAMPLES = 100
"""Documents from which on a dictionary is trained."""


class Body(NamedTuple):
    """A stored body: its form, the ids of what it is packed against, the size unpacked, and the bytes."""

    form: int
    base: int | None
    dictionary: int | None
    size: int
    bytes: bytes


def refuse_bomb(size: int, payload: bytes, against: bytes | None = None) -> None:
    """Raise FileError for bytes that unpack to far more than they are, as a file's are refused (and nobody's graph
    does). ``size`` is in bytes; what they are packed ``against`` counts as theirs."""
    limit = min(LARGEST, max(FLOOR, EXPANSION * (len(payload) + len(against or b""))))
    if not 0 <= size <= limit:
        raise FileError(f"a body unpacks to {size:,} bytes, of at most {limit:,}: a decompression bomb?")


def packed(content: bytes, against: bytes | None = None, trained: bool = False) -> bytes:
    """The content, compressed; ``against`` is another document's canonical bytes, or a trained dictionary.

    Raises FileError for content that could not be unpacked again.
    """
    if against is None:
        found = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
    elif trained:
        found = _mine.trained_compressor(against).compress(content)
    else:
        found = _mine.compressor(against, _window(len(content), against)).compress(content)
    refuse_bomb(len(content), found, against)
    return found


def unpacked(body: Body, against: bytes | None = None) -> bytes:
    """What :func:`packed` was given. Raises FileError where that is not what the body says it is."""
    trained = body.form == WHOLE
    try:
        said = zstandard.frame_content_size(body.bytes)
        if said != body.size:
            raise FileError(f"a body says that it unpacks to {body.size:,} bytes, its frame {said:,}")
        refuse_bomb(said, body.bytes, against)
        if against is None:
            return _mine.plain.decompress(body.bytes)
        return _mine.decompressor(against, trained).decompress(body.bytes)
    except zstandard.ZstdError as error:
        raise FileError(f"a body cannot be unpacked: {error}") from None


def proven(content: bytes, digest: bytes) -> bytes:
    """The content, whose digest this is. Raises FileError if it is not."""
    found = hashlib.sha256(content).digest()
    if found != digest:
        raise FileError(
            f"the document kept as sha256:{digest.hex()[:12]} has the digest sha256:{found.hex()[:12]}: the archive is"
            " damaged or was altered. mgraph archive check lists what is; --repair --from OTHER mends it from a copy"
        )
    return content


def trained(samples: Iterable[bytes]) -> bytes | None:
    """A dictionary for documents like these, or None where they are too few or too alike for one."""
    found: list[bytes | bytearray | memoryview] = list(samples)
    try:
        return zstandard.train_dictionary(_DICTIONARY, found, k=256, d=8, level=_SMALL_LEVEL).as_bytes()
    except zstandard.ZstdError:
        return None


def _window(size: int, against: bytes) -> int:
    """The window, as a power of two, that reaches back from the end of the content to the start of ``against``."""
    return min(max((size + len(against)).bit_length(), 17), zstandard.WINDOWLOG_MAX)


def _trained_compressor(against: bytes) -> zstandard.ZstdCompressor:
    dictionary = _dictionary(against, trained=True)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _SMALL_LEVEL, source_size=_USUAL, dict_size=len(against), write_content_size=True
    )
    dictionary.precompute_compress(compression_params=parameters)
    return zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters)


def _compressor(against: bytes, window: int) -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, window_log=window, enable_ldm=len(against) > _LARGE, write_content_size=True
    )
    return zstandard.ZstdCompressor(dict_data=_dictionary(against, trained=False), compression_params=parameters)


def _decompressor(against: bytes, trained: bool) -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(dict_data=_dictionary(against, trained), max_window_size=1 << 31)


def _dictionary(against: bytes, trained: bool) -> zstandard.ZstdCompressionDict:
    kind = zstandard.DICT_TYPE_FULLDICT if trained else zstandard.DICT_TYPE_RAWCONTENT
    return zstandard.ZstdCompressionDict(against, dict_type=kind)


class _Contexts(threading.local):
    """A thread's compressors and decompressors: two threads that use one at once bring the process down."""

    def __init__(self) -> None:
        self.plain = zstandard.ZstdDecompressor(max_window_size=1 << 31)
        self.trained_compressor = lru_cache(maxsize=4)(_trained_compressor)
        self.compressor = lru_cache(maxsize=16)(_compressor)
        self.decompressor = lru_cache(maxsize=16)(_decompressor)


_mine = _Contexts()
