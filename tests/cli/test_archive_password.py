"""A password in the URL of a PostgreSQL database is never printed, kept or written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Cli

import mgraph
from mgraph.archive.archive import Archive
from mgraph.errors import FileError
from mgraph.files.urls import without_password

NEURON = ROOT / "samples/neuron.json"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://ada:sesame@host/course#neuron@2", "postgresql://ada:***@host/course#neuron@2"),
        ("postgresql://ada:ses@me/x@host:5432/course#n", "postgresql://ada:***@host:5432/course#n"),
        ("postgresql://ada:ses#sesame@host/course", "postgresql://ada:***@host/course"),
        ("postgresql://ada:sesame", "postgresql://ada:***"),
        ("postgresql://ada@host/course?password=sesame&port=1", "postgresql://ada@host/course?password=***&port=1"),
        ("postgresql://host:5432/course#lesson/2:latest", "postgresql://host:5432/course#lesson/2:latest"),
        ("postgresql://host:5432/course#neuron@2", "postgresql://host:5432/course#neuron@2"),
        ("postgresql://ada@/course?host=/run", "postgresql://ada@/course?host=/run"),
        ("a:b@c.json", "a:b@c.json"),
    ],
)
def test_what_of_a_url_is_told(url: str, told: str) -> None:
    assert without_password(url) == told


def quiet(call: Cli, *argv: str | Path) -> str:
    """What a command prints, which is no password."""
    done = call(*argv)
    told = done.stdout + done.stderr
    assert "sesame" not in told and "%2F42" not in told, told
    return told


WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "password": (lambda url: url.replace("%2F42", "1"), 'password authentication failed for user "guarded"'),
    "no password": (lambda url: url.replace("sesame%2F42", ""), "the server asks for a password"),
    "user": (lambda url: url.replace("guarded:", "nobody:"), 'role "nobody" does not exist'),
    "database": (lambda url: url.replace("@/", "@/sesam"), "does not exist"),
    "port": (lambda url: url.replace("port=", "port=1"), "the server cannot be reached: is it running"),
    "socket": (lambda url: url.replace("?host=", "?host=/lost"), "the server cannot be reached: is it running"),
    "host": (lambda url: url.partition("@")[0] + "@no-such-host.invalid/x", "the server cannot be reached"),
    "an @": (lambda url: url.partition("@")[0] + "@sesame@no-such-host.invalid/x", "the server cannot be reached"),
    "no number": (lambda url: url.partition("@")[0] + "@host:port/x", "not a URL such as postgresql://"),
    "a hash": (lambda url: "postgresql://guarded:sesame#1", "not a URL such as postgresql://"),
    "an option": (lambda url: url + "&colour=red", "colour"),
    "a scheme": (lambda url: url.replace("postgresql", "mysql"), "an archive is a file, or a database at postgresql"),
}


@pytest.mark.parametrize("how", WRONG)
def test_errors_name_the_server_without_the_password(how: str, guarded: str, call: Cli) -> None:
    alter, said = WRONG[how]
    url = alter(guarded)
    for argv in (["list", "--archive", url], ["init", url], ["show", f"{url}#neuron"]):
        assert said in quiet(call, "archive", *argv)
    if how != "a scheme":
        for command in (["run"], ["verify", "--json"], ["info"], ["verify", "--jobs", "2", "-q"]):
            assert said in quiet(call, *command, url if how == "a hash" else f"{url}#neuron")
    with pytest.raises(FileError) as caught:
        Archive(url)
    assert "sesame" not in str(caught.value) and "\n" not in str(caught.value)


def test_nothing_that_works_tells_it_either(guarded: str, call: Cli, tmp_path: Path) -> None:
    for argv in (
        ["init", guarded],
        ["keep", NEURON, "--archive", guarded],
        ["list", "--archive", guarded],
        ["show", f"{guarded}#nueron"],
        ["diff", f"{guarded}#neuron", "other.mgraph#neuron"],
        ["log", "--archive", guarded],
        ["check", "--archive", guarded, "--json"],
        ["verify", "--archive", guarded, "--junit", "archive.xml"],
        ["upgrade", "--archive", guarded],
        ["init", "other.mgraph"],
        ["copy", "other.mgraph", "--archive", guarded],
        ["check", "--repair", "--from", guarded, "--archive", "other.mgraph"],
        ["keep", f"{guarded}#neuron", "--as", "again", "--archive", "other.mgraph"],
        ["show", "again", "--archive", "other.mgraph"],
        ["log", "--archive", "other.mgraph", "--json"],
        ["export", "bag", "--archive", guarded],
        ["export", "other", "--archive", "other.mgraph"],
    ):
        quiet(call, "archive", *argv)
    place = f"{guarded}#neuron"
    for argv in (
        ["run", place, "--json"],
        ["verify", place, "--json"],
        ["verify", guarded, "--json"],
        ["verify", place, guarded, "--json", "--junit", "files.xml"],
        ["verify", place, guarded],
        ["info", place, "--json"],
        ["info", guarded, "--json"],
        ["validate", place, "--json"],
        ["diff", place, place, "--json"],
    ):
        assert "***" in quiet(call, *argv) or argv[0] == "validate"
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"archive.xml", "files.xml", "bag-info.txt"} <= {path.name for path in written}
    assert not [path for path in written if b"sesame" in path.read_bytes()]
    with Archive(guarded) as archive:
        assert "***" in repr(archive) and "***" in archive.name
    assert "***" in mgraph.contents(guarded)[0].name


def test_without_what_it_needs(guarded: str, call: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "psycopg", None)
        assert "needs psycopg: pip install 'mgraph-replay[postgres]'" in quiet(call, "archive", "init", guarded)
    monkeypatch.delitem(sys.modules, "mgraph.archive.archive")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.setitem(sys.modules, "mgraph.archive.archive", None)
    assert "***" in (told := quiet(call, "archive", "init", guarded))
    assert "an archive needs the extra: pip install 'mgraph-replay[archive]'" in told
