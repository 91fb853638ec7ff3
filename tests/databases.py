"""A fresh archive in SQLite and one in a real PostgreSQL, which the tests start themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mgraph.archive.archive import Archive

PORT = 5544
Run = Callable[..., subprocess.CompletedProcess[str]]


def installed() -> Path | None:
    """The folder of PostgreSQL's programs, None where it is not installed."""
    there = shutil.which("initdb")
    found = [Path(there).parent] if there else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(found) if (folder / "pg_ctl").exists()), None)


def _is_user(name: str) -> bool:
    import pwd

    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL; ``{}`` is the database."""
    programs = installed()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    if os.getuid() == 0 and not _is_user("postgres"):
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    with started(programs) as found:
        yield found


@contextmanager
def started(programs: Path) -> Iterator[str]:
    """The URL of a PostgreSQL that listens on a socket in a folder of its own; ``{}`` is the database."""
    folder = Path(tempfile.mkdtemp(prefix="mgraph-postgresql-"))  # pytest's folders are closed to other users
    data = folder / "data"
    user: dict[str, str] = {}
    if os.getuid() == 0:  # as whom PostgreSQL refuses to run
        user = {"user": "postgres"}
        shutil.chown(folder, "postgres")

    def run(*argv: str) -> None:
        done = subprocess.run(
            [programs / argv[0], *argv[1:]], capture_output=True, text=True, check=False, cwd="/", **user
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run("initdb", "-D", str(data), "-A", "trust", "-U", "mgraph", "-E", "UTF8", "--locale=C.UTF-8")
    trusting = data / "pg_hba.conf"
    trusting.write_text("local all guarded scram-sha-256\n" + trusting.read_text())
    options = f"-k {folder} -p {PORT} -c listen_addresses= -c fsync=off"
    run("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql://mgraph@/{{}}?host={folder}&port={PORT}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


_made = 0


@pytest.fixture
def postgres(server: str) -> str:
    """The URL of an empty database."""
    import psycopg

    global _made
    _made += 1
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE kept{_made}")
    return server.format(f"kept{_made}")


@pytest.fixture
def guarded(postgres: str) -> str:
    """The URL of an empty database for a user whose password is ``sesame/42``."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'guarded'").fetchone():
            connection.execute("CREATE ROLE guarded SUPERUSER LOGIN PASSWORD 'sesame/42'")
    return postgres.replace("//mgraph@", "//guarded:sesame%2F42@")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place for an archive, in both databases by turns."""
    if request.param == "sqlite":
        return str(tmp_path / "course.mgraph")
    return str(request.getfixturevalue("postgres"))


@pytest.fixture
def archive(url: str) -> Iterator[Archive]:
    """A fresh archive."""
    with Archive(url) as made:
        yield made


@pytest.fixture
def do(call: Run, url: str) -> Run:
    """``mgraph archive`` on a fresh archive."""
    assert call("archive", "init", url).returncode == 0

    def run(*argv: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        done = call("archive", *argv, stdin=stdin, env={"MGRAPH_ARCHIVE": url, "MGRAPH_USER": "ada"})
        free = "--json" in argv or argv[0] in ("get", "verify")
        assert free or all(len(line) <= 80 or " " not in line.strip() for line in done.stdout.splitlines())
        return done

    return run


def as_nobody(work: Callable[[], str]) -> tuple[int, int]:
    """Do work in a process of a user who owns nothing. Returns its number, and a pipe with what it says."""
    read, write = os.pipe()
    if child := os.fork():
        os.close(write)
        return child, read
    said = ""
    try:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        said = work()
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    finally:
        os.write(write, said.encode())
        os._exit(0)
