"""The database of an archive: opened, checked, and written in transactions that cannot fail halfway."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

import sqlalchemy
from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mgraph.archive import tables
from mgraph.archive.sqlite_file import (
    APPLICATION_ID,
    CUT_SHORT,
    LONGEST,
    SCHEMA,
    WAIT,
    Damaged,
    cut_short,
    foreign,
    not_ours,
)
from mgraph.errors import FileError, printable, shown
from mgraph.files.atomic import display

CACHE = 65_536
"""KiB of pages that SQLite keeps in memory, at most: an index that it must read again and again is slow."""
_WRITING = "mgraph_writing"
_LOCK = 0x6D677261
"""The advisory lock that PostgreSQL's writers of an archive take in turn, as SQLite's do the file's."""


class Database:
    """An archive's database. ``url`` is a path, or ``postgresql://…``."""

    def __init__(self, url: str | os.PathLike[str], create: bool = False, upgrade: bool = False) -> None:
        text = os.fspath(url)
        self.is_file = "://" not in text
        self.name = display(text)
        self._path = text
        self._opened: tuple[int, int] | None = None
        self.upgraded_from: int | None = None
        """The version of the tables that were brought to this one when it was opened; None if they were not."""
        self._engine = self._file_engine(create) if self.is_file else self._server_engine()
        _databases.add(self)
        try:
            with self._translated():
                self._prepare(create, upgrade)
        except BaseException:
            self.close()
            raise

    # Connections ---------------------------------------------------------------------------------------------

    def _file_engine(self, create: bool) -> Engine:
        path = Path(self._path)
        if not self._path:
            raise FileError("the path of an archive is not empty")
        there = path.exists()
        if not there and not create:
            raise FileError(f"{self.name}: no such archive. To make one: mgraph archive init {self.name}")
        if there and (problem := not_ours(path)):
            raise Damaged(self.name, problem) if problem == CUT_SHORT else FileError(f"{self.name}: {problem}")
        if not there and not path.parent.is_dir():
            raise FileError(f"{self.name}: there is no folder {display(path.parent)}")
        self.read_only = there and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        pool = sqlalchemy.NullPool if self.read_only else sqlalchemy.QueuePool
        engine = sqlalchemy.create_engine("sqlite://", creator=lambda: _opened(self._address()), poolclass=pool)
        event.listen(engine, "begin", _begin)
        return engine

    def _address(self) -> str:
        """The file as SQLite is to open it. One that may not be written is read with its log while someone else writes;
        without a log it does not change, and none is begun."""
        address = Path(self._path).absolute().as_uri()
        if not self.read_only:
            return f"{address}?mode=rwc"
        return f"{address}?mode=ro" + "&immutable=1" * (not Path(f"{os.path.realpath(self._path)}-wal").exists())

    def _server_engine(self) -> Engine:
        self.read_only = False
        scheme, _, rest = self._path.partition("://")
        if scheme not in ("postgresql", "postgres"):
            raise FileError(f"{self.name}: an archive is a file, or a database at postgresql://HOST/NAME")
        try:
            engine = sqlalchemy.create_engine(f"postgresql+psycopg://{rest}", pool_pre_ping=True)
        except ImportError:
            raise FileError(f"{self.name}: needs psycopg: pip install 'mgraph-replay[postgres]'") from None
        except (SQLAlchemyError, ValueError):
            raise FileError(f"{self.name}: not a URL such as postgresql://USER@HOST:5432/NAME") from None
        event.listen(engine, "connect", _interpreted)
        return engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the archive throughout. Raises FileError."""
        level: dict[str, Any] = {} if self.is_file else {"isolation_level": "REPEATABLE READ"}
        with self._translated(), self._named(), self._connected(**level) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection whose changes are kept together at the end, or, after an exception, not at all.

        Writers take turns. Raises FileError."""
        if self.read_only:
            raise FileError(f"{self.name}: this archive cannot be written: the file or its folder is read-only")
        options: dict[str, Any] = {_WRITING: True}
        if not self.is_file:  # a snapshot, as a server's default may be, would be older than what the lock waits for
            options["isolation_level"] = "READ COMMITTED"
        with self._translated(), self._named(), self._connected(**options) as connection:
            if not self.is_file:
                connection.execute(select(sqlalchemy.func.pg_advisory_xact_lock(_LOCK)))
            yield connection

    @contextmanager
    def driver(self) -> Iterator[sqlite3.Connection]:
        """A file's connection as SQLite's driver has it, seeing one state throughout. Raises FileError."""
        with self._translated(), self._named(), closing(self._engine.raw_connection()) as pooled:
            self._check_identity()
            connection: Any = pooled.driver_connection
            connection.execute("BEGIN")  # the pool ends it
            yield connection

    @contextmanager
    def _connected(self, **options: Any) -> Iterator[Connection]:
        """A connection in a transaction, to the file that was opened, not to another that has taken its name since."""
        with self._engine.connect().execution_options(**options) as connection:
            self._check_identity()
            with connection.begin():
                yield connection

    def _check_identity(self) -> None:
        found = self._identity()
        if found != self._opened and self._opened is not None:
            raise FileError(f"{self.name}: the file was replaced by another while it was in use; open it again")
        self._opened = found

    def _identity(self) -> tuple[int, int] | None:
        if not self.is_file:
            return None
        try:
            status = os.stat(self._path)  # noqa: PTH116
        except OSError:
            raise FileError(f"{self.name}: the file was removed while it was in use") from None
        return status.st_dev, status.st_ino

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let a FileError begin with the archive's name."""
        try:
            yield
        except FileError as error:
            if str(error).startswith(f"{self.name}: "):
                raise
            raise FileError(f"{self.name}: {error}") from None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What the database says, as a FileError that names the archive."""
        before = sys.exception()
        try:
            yield
        except DBAPIError as error:
            _let_interrupt(error, before)
            raise self._failure(error.orig) from None
        except self._engine.dialect.loaded_dbapi.Error as error:  # of a cursor of the driver's own
            _let_interrupt(error, before)
            raise self._failure(error) from None
        except UnicodeEncodeError as error:
            raise FileError(f"{self.name}: no text has a character {shown(error.object[error.start])}") from None
        except AssertionError as error:  # SQLAlchemy's, of a transaction whose beginning was interrupted
            _let_interrupt(error, before)
            raise

    def _failure(self, error: BaseException | None) -> FileError:
        text = str(error).lower()
        if getattr(error, "sqlstate", "") in _CORRUPT:
            return Damaged(self.name, f"the database is damaged: {_reason(error)}")
        if "not a database" in text:
            return Damaged(self.name, "the file is damaged: it is no longer an SQLite database")
        if "malformed" in text and self.is_file:
            cut = cut_short(self._path)
            return Damaged(self.name, cut or "the file is damaged", "" if cut else "; mgraph archive check says where")
        return FileError(f"{self.name}: {_reason(error)}")

    def copy_beside(self, suffix: str) -> str:
        """Copy the file to one beside it, and return its name. Raises FileError."""
        copy = f"{self._path}.{suffix}"
        if Path(copy).exists():
            raise FileError(f"{display(copy)}: there is such a file already; move it away first")
        with self._translated(), self._engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("VACUUM INTO ?", (copy,))
        return copy

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    # The schema ----------------------------------------------------------------------------------------------

    def _prepare(self, create: bool, upgrade: bool) -> None:
        """Make the tables of a new archive, and refuse those of another version."""
        found = self._schema()
        if found == SCHEMA:
            return
        if found is None and not create:
            raise FileError(f"{self.name}: there is no archive in it yet. To make one: mgraph archive init {self.name}")
        if found is not None and found > SCHEMA:
            raise FileError(
                f"{self.name}: an archive of version {found}; this mgraph reads version {SCHEMA}. Install an"
                " mgraph that reads it"
            )
        if found is not None and not self.is_file and not upgrade:
            raise FileError(
                f"{self.name}: an archive of version {found}; this mgraph writes version {SCHEMA}. When nobody"
                " else uses it: mgraph archive upgrade"
            )
        from mgraph.archive.migrating import migrate

        self.upgraded_from = found
        migrate(self, found)

    def _schema(self) -> int | None:
        """The version of the tables that are there, None where there are none."""
        with self._engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table("info"):
                return None
            value = connection.execute(select(tables.info.c.value).where(tables.info.c.key == "schema")).scalar()
        if value is None or not value.isdecimal():
            raise FileError(f"{self.name}: the archive does not say of which version it is; it is damaged")
        return int(value)


_databases: WeakSet[Database] = WeakSet()


def _before_fork() -> None:
    """Two processes must not share a connection: afterwards each opens its own."""
    for database in list(_databases):
        database.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)


def _interpreted(connection: Any, _record: Any) -> None:
    """Let PostgreSQL interpret statements: to compile one takes it longer than any of ours runs."""
    connection.execute("SET jit = off")
    connection.commit()


class _Connection(sqlite3.Connection):
    """A connection that ends its transaction when it is closed, be it in the midst of a statement.

    SQLAlchemy closes the one that an interrupt comes upon. SQLite would hold its locks as long as a cursor is left, and
    one is, in the interrupt's traceback.
    """

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


def _opened(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address, uri=True, timeout=WAIT, isolation_level=None, check_same_thread=False, factory=_Connection
    )
    try:
        _set_up(connection, in_log="immutable" not in address)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, in_log: bool) -> None:
    """Let SQLite be careful, refuse SQL that is not an archive's, and write changes to a log if there may be any."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
    for pragma in (
        "trusted_schema=OFF",
        "cell_size_check=ON",
        "foreign_keys=ON",
        "synchronous=FULL",
        f"cache_size=-{CACHE}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if strange := foreign(connection):
        raise sqlite3.DatabaseError(f"{strange} is not an archive's; the file was altered, and nothing in it was run")
    if not in_log:
        return
    if connection.execute("PRAGMA page_count").fetchone()[0] == 0:  # to the file now, not to the log for later
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
        raise sqlite3.OperationalError(
            "the file system does not allow a write-ahead log (a network folder?); keep the archive on a local disk, or"
            " use PostgreSQL"
        )


def _begin(connection: Connection) -> None:
    """In a write-ahead log, a transaction that reads first and writes later fails at once if another has written."""
    immediate = connection.get_execution_options().get(_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


_UNREACHED = "the server cannot be reached: is it running, and are its name and port right?"
_SAID = {
    "locked": "another program has been writing for a minute; try again when it is done",
    "full": "the disk is full; nothing was kept",
    "readonly": "this archive cannot be written: the file or its folder is read-only",
    "disk i/o": "the disk failed to read or write it",
    "unable to open": "it cannot be opened",
    "nul (0x00)": "no text has a character '\\x00'",
    "no password supplied": "the server asks for a password: postgresql://USER:PASSWORD@HOST/NAME, or a password file",
    "connection failed": _UNREACHED,
    "connection is bad": _UNREACHED,
    "failed to resolve host": _UNREACHED,
    "too big": "a document is larger than an archive holds (1 GB, compressed)",
}


_CORRUPT = ("XX001", "XX002")
"""What PostgreSQL calls damaged data and a damaged index."""


def _reason(error: BaseException | None) -> str:
    text = str(error)
    if (refusal := text.rpartition("FATAL: ")[2]) != text:
        return printable(f"the server refuses: {' '.join(refusal.split())}")
    return next((said for part, said in _SAID.items() if part in text.lower()), printable(" ".join(text.split())))


def _let_interrupt(error: BaseException | None, before: BaseException | None) -> None:
    """Raise the interrupt (Ctrl-C) that an error came of: a driver that was stopped in a command cannot roll it back.

    One of ``before`` has been raised already."""
    while error is not None and error is not before:
        if isinstance(error, KeyboardInterrupt):
            raise error
        error = error.__context__
