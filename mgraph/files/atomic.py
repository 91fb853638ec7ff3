"""Bytes in and out: a path, a gzip, or ``-`` for standard input and output; writing is all or nothing."""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mgraph.errors import FileError, nearest, shown
from mgraph.files.urls import without_password

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STANDARD = "-"
EXPANSION = 100
"""How many times its own size packed data may become; a document gains a factor of 5 to 30."""
FLOOR = 16 * 2**20
"""What any packed data may become, however small it is, in bytes."""
PIECE = 1 << 20
"""Bytes written at a time."""
DATABASE = b"SQLite format 3\0"
"""How an SQLite database begins, and so an archive of graphs."""
PREFIX, SUFFIX = ".mgraph-", ".tmp"
"""Of the names of files that are being written."""
_SAFELY = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
"""A file of such a name that another user put there may be a pipe or a link: neither waits nor leads elsewhere."""


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of ``path``, unpacked if they are gzip (told by their first two bytes, not by the name).

    Raises FileError if they cannot be read or the gzip is damaged.
    """
    name = os.fspath(path)
    with reading(name, "a document"):
        raw = sys.stdin.buffer.read() if name == STANDARD else Path(name).read_bytes()
    return _gunzip(raw, path) if raw.startswith(b"\x1f\x8b") else raw


@contextmanager
def reading(name: str, what: str) -> Iterator[None]:
    """Say of an error in the block why ``name``, which should be ``what``, cannot be read. Raises FileError."""
    try:
        if name == STANDARD and sys.stdin is None:
            raise FileError("standard input is closed")
        yield
    except IsADirectoryError:
        raise FileError(f"{display(name)}: a directory, not {what}") from None
    except FileNotFoundError:
        raise FileError(f"{display(name)}: there is no such file.{_near(name)}".rstrip(".")) from None
    except UnicodeDecodeError:
        raise FileError(f"{display(name)}: cannot be read: it is not UTF-8") from None
    except (OSError, ValueError) as error:
        raise FileError(f"{display(name)}: cannot be read: {_reason(error)}") from None


def _near(name: str) -> str:
    """Which file of the same folder a name may be a slip for, or which folder there is not."""
    folder, last = os.path.split(name)
    try:
        with os.scandir(folder or ".") as entries:
            return nearest(last, [each.name for each in islice(entries, 1_000)])
    except OSError:
        return f" There is no folder {shown(folder)}.{_near(folder)}" if folder and not os.path.exists(folder) else ""


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

    ``-``, a pipe and a device are written to as they are, first. All other bytes go to new files in the same folders
    and reach the disk; when all have, they take the names, one after the other (only a folder that changes in between
    can come between those; an interrupt waits). Symbolic links are followed; an existing file keeps its permissions.
    Raises FileError.
    """
    packed = {name: _gzipped(data) if name.endswith(".gz") else data for name, data in contents.items()}
    targets = {}
    for name in packed:
        with writing(name):
            targets[name] = _regular(name)
    for name, target in targets.items():
        if target is None:
            with writing(name), _stream(name) as stream:
                stream.writelines(_pieces(packed[name]))
    _put({name: (target, _pieces(packed[name])) for name, target in targets.items() if target is not None})


def _put(contents: Mapping[str, tuple[str, Iterable[bytes]]]) -> None:
    """Write files, each by its name for messages, its path, and its bytes in pieces: all of them, or none."""
    staged: list[tuple[str, IO[bytes], str]] = []
    with _interrupts_held() as let_interrupt, ExitStack() as temporaries:
        for name, (target, pieces) in contents.items():
            with writing(name):
                file = temporaries.enter_context(_temporary(target))
                for piece in pieces:
                    file.write(piece)
                    let_interrupt()
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, stat.S_IMODE(_mode(target)))
                staged.append((name, file, target))
        for name, file, target in staged:
            with writing(name):
                if os.name == "nt":
                    file.close()  # Windows renames no open file
                os.replace(file.name, target)


def is_database(path: str | os.PathLike[str]) -> bool:
    """Whether a file is an SQLite database, as an archive of graphs is; not what can be read only once, such as a pipe,
    or not at all."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb", buffering=0) as file:
            return file.read(len(DATABASE)) == DATABASE
    except (OSError, ValueError):  # of no path, too
        return False


def is_there(path: str) -> bool:
    """Whether there is anything at ``path``; not for what is no path."""
    return os.path.exists(path)


def is_folder(path: str) -> bool:
    """Whether there is a folder at ``path``."""
    return path != STANDARD and os.path.isdir(path)


def make_folder(path: str) -> None:
    """Make a folder, and those it is in, if it is not there. Raises FileError."""
    try:
        os.makedirs(path, exist_ok=True)
    except (OSError, ValueError) as error:
        raise FileError(f"{display(path)}: the folder cannot be made: {_reason(error)}") from None


@contextmanager
def streamed(name: str) -> Iterator[IO[bytes]]:
    """A file to write to piece by piece, which is put at its path at the end, or is gone if anything fails: until then
    it has no name. ``-``, a pipe and a device are written to as they are. What fails in the block is the caller's to
    blame (see :func:`writing`). Raises FileError."""
    from tempfile import TemporaryFile

    with ExitStack() as stack:
        with writing(name):
            target = _regular(name)
            if target is None:
                file = stack.enter_context(_stream(name))
            else:
                file = stack.enter_context(TemporaryFile(dir=os.path.dirname(target)))
        yield file
        if target is not None:
            with writing(name):
                file.seek(0)
            _put({name: (target, iter(lambda: file.read(PIECE), b""))})
        with writing(name):
            stack.close()


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Say of an error in the block that ``name`` cannot be written. Raises FileError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        where = "standard output" if name == STANDARD else display(name)
        raise FileError(f"{where}: cannot be written: {_reason(error)}") from None


@contextmanager
def _stream(name: str) -> Iterator[IO[bytes]]:
    """What is written to as it is: standard output, a pipe, a device."""
    if name != STANDARD:
        with open(name, "wb") as stream:
            yield stream
    elif sys.stdout is None:
        raise ValueError("it is closed")
    else:
        yield _Terminal() if sys.stdout.isatty() else sys.stdout.buffer
        sys.stdout.flush()


class _Terminal(BytesIO):
    """The terminal as a file of bytes, which takes text only, and escapes what would command it."""

    def __init__(self) -> None:
        super().__init__()
        self._decode = getincrementaldecoder("utf-8")().decode

    def write(self, data: ReadableBuffer) -> int:
        raw = bytes(data)
        try:
            text = self._decode(raw)
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise ValueError("this is not text, and it is a terminal; name a file to write to")
        sys.stdout.write(visible(text))
        return len(raw)

    def writelines(self, lines: Iterable[ReadableBuffer]) -> None:
        for line in lines:
            self.write(line)


def visible(text: str) -> str:
    """A document or a program as a terminal may have it: all but line breaks and tabs that would not print is escaped
    as in JSON."""
    import json

    plain = text.replace("\n", "").replace("\t", "").isprintable()
    return text if plain else "".join(c if c.isprintable() or c in "\n\t" else json.dumps(c)[1:-1] for c in text)


def _gzipped(data: bytes) -> bytes:
    import gzip

    return gzip.compress(data, compresslevel=5, mtime=0)  # 9 takes five times as long, for 4 % fewer bytes


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + PIECE] for at in range(0, len(data), PIECE))


def _regular(name: str) -> str | None:
    """The path of the regular file, there or to be made, that a name means by way of links; None for a stream.

    Raises ValueError for a database, such as an archive of many graphs, which one file would replace."""
    if name == STANDARD:
        return None
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        return os.path.realpath(name)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(mode):
        return None
    if is_database(name):
        raise ValueError("it is a database (an archive?), which this would replace; name another file")
    return os.path.realpath(name)


def _mode(target: str) -> int:
    """The mode of the file there, or the one that a new file gets."""
    try:
        return os.stat(target).st_mode
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


@contextmanager
def _temporary(target: str) -> Iterator[IO[bytes]]:
    """A new file beside ``target``, ours by a lock; unless it has taken another name by then, it is gone at the end."""
    folder = os.path.dirname(target)
    _sweep(folder)
    while True:
        path = os.path.join(folder, f"{PREFIX}{os.urandom(8).hex()}{SUFFIX}")
        file = open(path, "xb", opener=lambda path, flags: os.open(path, flags, 0o600))  # noqa: SIM115
        with suppress(OSError):  # a file system without locks
            _lock(file.fileno(), wait=True)
        if os.fstat(file.fileno()).st_nlink:
            break
        file.close()  # swept away before it was locked
    try:
        yield file
    finally:
        file.close()
        with suppress(FileNotFoundError):
            os.unlink(path)


@cache
def _sweep(folder: str) -> None:
    """Remove from a folder, once a process, the temporaries of writers that were killed: those that nobody locks."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(PREFIX) and name.endswith(SUFFIX):
                path = os.path.join(folder, name)
                with suppress(OSError):
                    handle = os.open(path, os.O_RDONLY | _SAFELY)
                    try:
                        _lock(handle, wait=False)
                        os.unlink(path)
                    finally:
                        os.close(handle)


def _lock(handle: int, wait: bool) -> None:
    """Lock an open file until it is closed or its process ends. Raises OSError if another one has the lock, or where
    there are no locks. Windows needs none: what is open cannot be removed there.
    """
    if sys.platform != "win32":
        try:
            import fcntl
        except ImportError:  # WebAssembly
            raise OSError(errno.ENOSYS, "no locks") from None
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


@contextmanager
def _interrupts_held() -> Iterator[Callable[[], None]]:
    """Hold interrupts (Ctrl-C) back, so that none falls between two files' taking their names; afterwards they are
    what they would have been. The function to call where all can still be undone lets one through."""
    held: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def let_interrupt() -> None:
        if held and before in (signal.SIG_DFL, signal.default_int_handler):
            raise KeyboardInterrupt

    try:
        if before is None:
            raise ValueError("a handler that is not Python's cannot be put back")
        signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    except ValueError:  # nor can another thread than the main one, which no interrupt reaches, set one
        yield let_interrupt
        return
    try:
        yield let_interrupt
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            signal.raise_signal(signal.SIGINT)


def display(path: str | os.PathLike[str]) -> str:
    """A path for a message, or a URL without its password."""
    name = without_password(os.fspath(path))
    if name == STANDARD:
        return "standard input"
    return name if name.isprintable() else shown(name)


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return reason[:1].lower() + reason[1:]
