"""The program among its streams: terminals that names must not command, full and closed streams, interrupts."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, drained

import mgraph
from mgraph import Value, load
from mgraph.cli.terminal import working
from mgraph.showing.as_text import cells, cut

if os.name != "posix":
    pytest.skip("pseudo-terminals and signals as POSIX has them", allow_module_level=True)

S = ROOT / "samples"
TANH = str(S / "tanh.json")
MGRAPH = [sys.executable, "-m", "mgraph"]
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b5m\u202etxt\u2066\x7f\r\nnext"
"""A title for the window, colours by ESC and by C1, text turned round, a deletion, a line of its own."""


pytestmark = pytest.mark.usefixtures("interruptible")


def on_a_terminal(*argv: str, cwd: Path, stdin: bytes | None = None, **env: str) -> tuple[int, str]:
    """The exit status, and what the command prints on a terminal of 80 columns."""
    reader, writer = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")} | {"TERM": "xterm", **env}
    process = subprocess.Popen([*MGRAPH, *argv], cwd=cwd, stdout=writer, stderr=writer, env=environment)
    os.close(writer)
    out = drained(reader)
    return process.wait(), out.decode()


def commanded(text: str) -> set[str]:
    """The characters beyond our own colours and line ends by which a text could command a terminal."""
    plain = re.sub(r"\x1b\[(0|1|2|31|32|33)m", "", text.replace("\r\n", ""))
    return {c for c in plain if not c.isprintable()}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of files that name things hostilely."""
    x = Value(1.0, name=HOSTILE)
    y = x * 2
    y.backward()
    mgraph.save(y, tmp_path / "x.json", title=HOSTILE, meta={"description": HOSTILE})
    mgraph.save(x * 3 + 1, tmp_path / "y.json", title=HOSTILE)
    (tmp_path / "old.ipynb").write_text(json.dumps({"nbformat": HOSTILE, "cells": []}))
    (tmp_path / "broken.json").write_text(json.dumps({"mgraph": 1, "nodes": [{"id": HOSTILE, "op": HOSTILE}]}))
    (tmp_path / f"{HOSTILE}.json").write_text("{")
    (tmp_path / "rows.csv").write_text(f'"{HOSTILE}"\n1\n')
    (tmp_path / "bad.csv").write_text(f'"{HOSTILE}"\n"{HOSTILE}"\n')
    return tmp_path


CALLS = [
    ["run", "x.json"],
    ["diff", "x.json", "y.json"],
    ["validate", "broken.json"],
    ["rows", "x.json", "bad.csv"],
    [HOSTILE],
]
MORE_CALLS = [
    ["run", "x.json", "--json"],
    ["run", "x.json", "--save", "-"],
    ["verify", "x.json"],
    ["info", "x.json"],
    ["info", "x.json", "--json"],
    ["gradient", "x.json"],
    ["export", "x.json", "--to", "python"],
    ["info", "old.ipynb"],
    ["validate", f"{HOSTILE}.json"],
    ["run", f"{HOSTILE}"],
    ["run", "x.json", "--set", f"{HOSTILE}=1"],
    ["run", "x.json", "--set", HOSTILE],
    ["run", "x.json", "--out", HOSTILE],
    ["run", "x.json", f"--{HOSTILE}"],
    ["run", "x.json", "--ulps", HOSTILE],
    ["run", "x.json", "--draw", f"x.{HOSTILE}"],
    ["run", "x.json", "--save", f"{HOSTILE}.json"],
    ["draw", "x.json", f"{HOSTILE}.dot"],
    ["rows", "x.json", "rows.csv"],
    ["extract", "x.json", HOSTILE],
]


@pytest.mark.parametrize(
    "argv",
    [*CALLS, *(pytest.param(argv, marks=pytest.mark.slow) for argv in MORE_CALLS)],
    ids=lambda argv: " ".join(argv).replace(HOSTILE, "HOSTILE"),
)
def test_no_name_commands_the_terminal(hostile: Path, argv: list[str]) -> None:
    _, text = on_a_terminal(*argv, cwd=hostile)
    assert text
    assert commanded(text) == set()


@pytest.mark.slow
def test_no_column_of_parquet_commands_the_terminal(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (the extra [parquet])")
    import pyarrow

    parquet.write_table(pyarrow.table({HOSTILE: ["text"]}), tmp_path / "rows.parquet")
    mgraph.save(mgraph.Value(1.0, name=HOSTILE) * 2, tmp_path / "hostile.json")
    for argv, said in (
        (["hostile.json", "rows.parquet"], "its type is string"),
        ([TANH, "rows.parquet"], "no node has the id or label"),
        ([TANH, "rows.parquet", "--keep", "x"], "there is no 'x' to keep"),
    ):
        status, text = on_a_terminal("rows", *argv, cwd=tmp_path)
        assert status == 2 and said in text
        assert commanded(text) == set()


@pytest.mark.slow
def test_no_name_of_onnx_commands_the_terminal(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (the extra [onnx])")
    helper, double = onnx.helper, onnx.TensorProto.DOUBLE
    ends = [helper.make_tensor_value_info(name, double, [1]) for name in (HOSTILE, "y")]
    node = helper.make_node("NonZero", [HOSTILE], ["y"], name=HOSTILE)
    (tmp_path / "x.onnx").write_bytes(
        helper.make_model(helper.make_graph([node], HOSTILE, ends[:1], ends[1:])).SerializeToString()
    )
    status, text = on_a_terminal("info", "x.onnx", cwd=tmp_path)
    assert status == 2 and "x.onnx" in text
    assert commanded(text) == set()


@pytest.mark.slow
def test_a_terminal_gets_text_and_a_pipe_the_bytes(hostile: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed (the extra [onnx])")
    status, text = on_a_terminal("export", TANH, "--to", "onnx", cwd=hostile)
    assert status == 2
    assert "standard output: cannot be written: this is not text, and it is a terminal" in text
    piped = subprocess.run([*MGRAPH, "export", "x.json", "--to", "json"], cwd=hostile, capture_output=True, check=True)
    assert piped.stdout == (hostile / "x.json").read_bytes()


def test_an_encoding_without_a_character_is_no_error(tmp_path: Path) -> None:
    mgraph.save(Value(1.0, name="日本") * 2, tmp_path / "x.json")
    env = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([*MGRAPH, "run", "x.json"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "\\u65e5\\u672c" in done.stdout and done.stderr == ""


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("ก็", 1), ("a\u20dd", 1), ("\u1112\u1161", 2)],
    ids=ascii,
)
def test_the_columns_that_a_text_takes(text: str, columns: int) -> None:
    assert cells(text) == columns
    assert cut(text, columns) == text
    assert cells(cut(text * 9, 5)) <= 5


# What is being done ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_after_two_seconds_a_terminal_says_what_is_being_done(tmp_path: Path) -> None:
    (tmp_path / "pipe.json").symlink_to("/dev/stdin")
    reader, writer = pty.openpty()
    with subprocess.Popen([*MGRAPH, "info", "pipe.json"], cwd=tmp_path, stdin=-1, stdout=-1, stderr=writer) as process:
        os.close(writer)
        told = os.read(reader, 4096)
        assert re.fullmatch(rb"\rreading pipe\.json: 2 s\x1b\[K", told)
        out, _ = process.communicate(Path(TANH).read_bytes())
    rest = drained(reader)
    assert rest.endswith(b"\r\x1b[K") and out.startswith(b"title  ")


def test_the_share_of_a_table_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pty.openpty()
    monkeypatch.setattr("mgraph.cli.terminal.PATIENCE", 0.05)
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with working("replaying rows.csv", 200) as advance:
            advance(50)
            advance(50)
            assert os.read(reader, 4096) == b"\rreplaying rows.csv: 50 %, 0 s\x1b[K"
        assert os.read(reader, 4096).endswith(b"\r\x1b[K")
        with working("quietly", quiet=True):
            time.sleep(0.2)
        stream.write("next")
    assert os.read(reader, 4096) == b"next"
    os.close(reader)


@pytest.mark.slow
def test_nothing_of_the_kind_goes_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "pipe.json").symlink_to("/dev/stdin")
    with subprocess.Popen([*MGRAPH, "info", "pipe.json"], cwd=tmp_path, stdin=-1, stdout=-1, stderr=-1) as process:
        time.sleep(2.6)
        assert process.communicate(Path(TANH).read_bytes())[1] == b""


# Streams that are full, closed, or left by their reader ------------------------------------------------------


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which $M is the command, and whose exit status is that of its first program."""
    script = f'M="{sys.executable} -m mgraph"; {line}; exit ${{PIPESTATUS[0]}}'
    return subprocess.run(["bash", "-c", script], cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")


@full
@pytest.mark.parametrize("argv", ["--version", "--help", "run --help", "schema", "completion zsh"])
def test_a_full_standard_output(argv: str, tmp_path: Path) -> None:
    done = shell(f"$M {argv} >/dev/full", tmp_path)
    message = "mgraph: standard output: cannot be written: no space left on device\n"
    assert (done.returncode, done.stderr) == (2, message)


@pytest.mark.slow
@full
def test_standard_error_closed_or_full_changes_no_exit_status(tmp_path: Path) -> None:
    for stream in ("2>&-", "2>/dev/full"):
        assert shell(f"$M gradient {TANH} --save da.json {stream}", tmp_path).returncode == 0
        assert shell(f"$M run none.json {stream}", tmp_path).returncode == 2
        assert shell(f"$M run {stream}", tmp_path).returncode == 2
    assert load(tmp_path / "da.json").outputs == ["dd/da", "dd/db"]


def test_closed_standard_input_and_output(tmp_path: Path) -> None:
    for argv in ("info -", f"rows {TANH} -"):
        done = shell(f"$M {argv} <&-", tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "mgraph: standard input is closed\n"
    done = shell(f"$M info {TANH} >&-", tmp_path)
    assert (done.returncode, done.stderr) == (2, "mgraph: standard output is closed\n")


@pytest.mark.slow
def test_the_reader_of_a_table_goes_away(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n" + "0.5,0.25\n" * 20_000)
    done = shell(f"$M rows {TANH} rows.csv | head -1", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "d,grad a,grad b\n", "")


def test_documents_to_pipes_by_name(tmp_path: Path) -> None:
    done = shell(f"$M gradient {TANH} --wrt a --save >(cat >copy.json)", tmp_path)
    assert done.returncode == 0 and done.stderr.startswith("saved: /dev/fd/")
    for _ in range(100):
        if (tmp_path / "copy.json").stat().st_size:
            break
        time.sleep(0.02)
    assert load(tmp_path / "copy.json").outputs == ["dd/da"]
    done = shell(f"$M gradient {TANH} --wrt a --save /dev/stdout | cat", tmp_path)
    assert done.returncode == 0
    assert done.stdout == (tmp_path / "copy.json").read_text()


# Interrupts ---------------------------------------------------------------------------------------------------


def interrupted(process: subprocess.Popen[bytes]) -> bytes:
    """Send SIGINT once; the process must end by it at once. What it said on standard error."""
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT  # 128 + 2 is what a shell makes of it
    assert b"Traceback" not in err
    return err


def test_an_interrupt_before_all_is_imported() -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "mgraph", "verify", TANH]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while b"click" not in process.stderr.readline():
            pass
        interrupted(process)


def test_an_interrupt_while_it_works() -> None:
    endless = [*MGRAPH, "fit", S / "moons.json.gz", "--steps", "1000000", "--engine", "reference"]
    with subprocess.Popen(endless, stdout=-1, stderr=-1) as process:
        time.sleep(1.0)
        assert interrupted(process) == b""


@pytest.mark.slow
def test_an_interrupt_while_a_table_is_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.csv").symlink_to("/dev/stdin")
    with subprocess.Popen(
        [*MGRAPH, "rows", TANH, "in.csv", "-o", "out.csv"], cwd=tmp_path, stdin=-1, stdout=-1, stderr=-1
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"a,b\n" + b"0.5,0.25\n" * 40_000)
        process.stdin.flush()
        time.sleep(0.5)
        assert interrupted(process) == b""
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("timeout") is None, reason="no timeout command")
def test_a_shell_sees_130(tmp_path: Path) -> None:
    moons = S / "moons.json.gz"
    call = f"timeout --preserve-status -s INT 1 $M fit {moons} --steps 100000 --engine reference"
    assert shell(call, tmp_path).returncode == 130


def test_an_interrupt_while_the_reader_of_a_pipe_waits() -> None:
    with subprocess.Popen([*MGRAPH, "export", S / "moons.json.gz", "--to", "json"], stdout=-1, stderr=-1) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        assert interrupted(process) == b""


WRITER = """
import os, signal, sys
from mgraph.files import atomic

def interrupting(function):
    def told(*arguments):
        signal.raise_signal(signal.SIGINT)
        return function(*arguments)
    return told

signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
setattr(os, sys.argv[2], interrupting(getattr(os, sys.argv[2])))
atomic.write_all({"a": b"new" * 1_000_000, "b": b"new"})
"""


@pytest.mark.parametrize("action", ["SIG_DFL", "default_int_handler"])
@pytest.mark.parametrize(("when", "kept"), [("urandom", "old"), ("fsync", "old or new"), ("replace", "new")])
def test_an_interrupt_while_files_are_written(action: str, when: str, kept: str, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", WRITER, action, when], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGINT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    found = {(tmp_path / name).read_text()[:3] for name in "ab"}
    assert len(found) == 1 and found.pop() in kept


KILLED = """
import os, signal, sys
from mgraph.files import atomic

def waits(handle):
    if sys.argv[1] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    print("ready", flush=True)
    sys.stdin.read()

os.fsync = waits
atomic.write_all({"live.json": b"written"})
"""


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_file_stays(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, "die"], cwd=tmp_path, check=False)
    (dead,) = tmp_path.iterdir()
    assert dead.name.startswith(".mgraph-") and dead.name.endswith(".tmp")
    os.mkfifo(tmp_path / ".mgraph-pipe.tmp")
    (tmp_path / ".mgraph-link.tmp").symlink_to(TANH)
    with subprocess.Popen([sys.executable, "-c", KILLED, "wait"], cwd=tmp_path, stdin=-1, stdout=-1) as living:
        assert living.stdout is not None and living.stdout.readline() == b"ready\n"
        (waiting,) = [path for path in tmp_path.glob(".mgraph-*.tmp") if len(path.name) > 20]
        assert waiting != dead
        load(TANH).save(tmp_path / "other.json")
        assert waiting.exists()
        living.communicate(b"")
    assert living.returncode == 0
    assert (tmp_path / "live.json").read_bytes() == b"written"
    assert Path(TANH).exists()


def test_an_errors_text_is_one_line_that_prints() -> None:
    assert str(mgraph.FormatError(f"the node {HOSTILE}")).isprintable()
    assert str(mgraph.DocumentError(HOSTILE, file=HOSTILE)).isprintable()
    assert str(mgraph.FileError("日本: there is no such file")) == "日本: there is no such file"
