"""Bytes in and out: a path, a gzip, or ``-`` for standard input and output; writing is all or nothing."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO

from mgraph.errors import FileError, shown

STANDARD = "-"
EXPANSION = 100
"""How many times its own size packed data may become; a document gains a factor of 5 to 30."""
FLOOR = 16 * 2**20
"""What any packed data may become, however small it is, in bytes."""


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of ``path``, unpacked if they are gzip (told by their first two bytes, not by the name).

    Raises FileError if they cannot be read or the gzip is damaged.
    """
    name = os.fspath(path)
    try:
        if name == STANDARD and sys.stdin is None:
            raise FileError("standard input is closed")
        raw = sys.stdin.buffer.read() if name == STANDARD else Path(name).read_bytes()
    except IsADirectoryError:
        raise FileError(f"{display(path)}: a directory, not a document") from None
    except FileNotFoundError:
        raise FileError(f"{display(path)}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise FileError(f"{display(path)}: cannot be read: {_reason(error)}") from None
    return _gunzip(raw, path) if raw.startswith(b"\x1f\x8b") else raw


def _gunzip(raw: bytes, path: str | os.PathLike[str]) -> bytes:
    import gzip
    import zlib

    try:
        with gzip.open(BytesIO(raw)) as stream:
            return _within(stream.read(_limit(raw) + 1), raw)
    except EOFError:
        reason = "ends in the middle (cut short?)"
    except ValueError as error:
        reason = str(error)
    except (OSError, zlib.error) as error:
        reason = f"is damaged: {_reason(error)}"
    raise FileError(f"{display(path)}: the gzip data {reason}")


def inflate(packed: bytes) -> bytes:
    """Unpack zlib data (RFC 1950), to at most 100 times its size or 16 MiB, whichever is more.

    Raises ValueError, with what the data does wrong, when it is cut short, damaged, or would become larger.
    """
    import zlib

    stream = zlib.decompressobj()
    try:
        found = _within(stream.decompress(packed, _limit(packed) + 1), packed)
    except zlib.error:
        raise ValueError("is damaged") from None
    if not stream.eof:
        raise ValueError("ends in the middle (cut short?)")
    return found


def _limit(packed: bytes) -> int:
    return max(FLOOR, EXPANSION * len(packed))


def _within(unpacked: bytes, packed: bytes) -> bytes:
    if len(unpacked) > _limit(packed):
        raise ValueError(
            f"unpacks to more than {_limit(packed):,} bytes ({EXPANSION} times its size, or 16 MiB): a decompression"
            " bomb? If you trust it, unpack it yourself first"
        )
    return unpacked


def write_all(contents: Mapping[str, bytes]) -> None:
    """Put each of ``contents`` at its path, gzipped if that ends in ``.gz``: all of them, or every old file stays.

    The bytes go to new files in the same folders and reach the disk; when all have, they take the names, one after
    the other (only a folder that changes in between can come between those). Symbolic links are
    followed; an existing file keeps its permissions; ``-``, a pipe and a device are written to as they are. Raises
    FileError.
    """
    staged: list[tuple[str, str]] = []
    name = ""
    try:
        for name, data in contents.items():
            staged += _stage(name, _gzipped(data) if name.endswith(".gz") else data)
        for temporary, target in staged:
            os.replace(temporary, target)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        where = "standard output" if name == STANDARD else display(name)
        raise FileError(f"{where}: cannot be written: {_reason(error)}") from None
    finally:
        for temporary, _ in staged:
            with suppress(FileNotFoundError):
                os.unlink(temporary)


def make_folder(path: str) -> None:
    """Make a folder, and those it is in, if it is not there. Raises FileError."""
    try:
        os.makedirs(path, exist_ok=True)
    except (OSError, ValueError) as error:
        raise FileError(f"{display(path)}: the folder cannot be made: {_reason(error)}") from None


@contextmanager
def streamed(name: str) -> Iterator[IO[bytes]]:
    """A file to write to piece by piece, which takes its name at the end, or is gone if anything fails. ``-`` is
    standard output. Raises FileError."""
    from tempfile import NamedTemporaryFile

    try:
        if name == STANDARD:
            yield sys.stdout.buffer
            sys.stdout.flush()
            return
        target = os.path.realpath(name)
        mode = _mode(target)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        if not stat.S_ISREG(mode):
            with open(target, "wb") as device:
                yield device
            return
        folder = os.path.dirname(target)
        with NamedTemporaryFile(dir=folder, prefix=".mgraph-", suffix=".tmp", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, stat.S_IMODE(mode))
                file.close()
                os.replace(file.name, target)
            except BaseException:
                os.unlink(file.name)
                raise
    except BrokenPipeError:
        raise
    except OSError as error:
        where = "standard output" if name == STANDARD else display(name)
        raise FileError(f"{where}: cannot be written: {_reason(error)}") from None


def visible(text: str) -> str:
    """A document or a program as a terminal may have it: all but line breaks and tabs that would not print is escaped
    as in JSON."""
    import json

    plain = text.replace("\n", "").replace("\t", "").isprintable()
    return text if plain else "".join(c if c.isprintable() or c in "\n\t" else json.dumps(c)[1:-1] for c in text)


def _gzipped(data: bytes) -> bytes:
    import gzip

    return gzip.compress(data, mtime=0)


def _stage(name: str, data: bytes) -> list[tuple[str, str]]:
    """Write to a temporary file, and say what it is to be renamed to; or write to a stream, with nothing left."""
    from tempfile import mkstemp

    if name == STANDARD:
        sys.stdout.buffer.write(_for_terminal(data) if sys.stdout.isatty() else data)
        sys.stdout.flush()
        return []
    target = os.path.realpath(name)
    mode = _mode(target)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(mode):
        Path(target).write_bytes(data)
        return []
    handle, temporary = mkstemp(dir=os.path.dirname(target), prefix=".mgraph-", suffix=".tmp")
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, stat.S_IMODE(mode))
    except BaseException:
        os.unlink(temporary)
        raise
    return [(temporary, target)]


def _for_terminal(data: bytes) -> bytes:
    try:
        return visible(data.decode()).encode()
    except UnicodeDecodeError:
        raise ValueError("this is not text, and standard output is a terminal; name a file") from None


def _mode(target: str) -> int:
    """The mode of the file there, or the one that a new file gets."""
    try:
        return os.stat(target).st_mode
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return stat.S_IFREG | (0o666 & ~mask)


def display(path: str | os.PathLike[str]) -> str:
    """A path for a message."""
    name = os.fspath(path)
    if name == STANDARD:
        return "standard input"
    return name if name.isprintable() else shown(name)


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return reason[:1].lower() + reason[1:]
