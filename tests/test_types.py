"""What type checkers make of users' programs: every op is known, with its types, and a misspelt one is an error."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

MYPY = [sys.executable, "-m", "mypy", "--strict", "--config-file", ""]
PYRIGHT = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]

RIGHT = """\
# pyright: strict
from fractions import Fraction
import mgraph
from mgraph import Value, tanh

x = Value(1.0, name="x")
recorded: Value = mgraph.exp(x) + tanh(x) - 2 / x.maximum(0.5) ** 2
number: float = mgraph.exp(0.5) + mgraph.maximum(1, 2.0)
either: Value | float = mgraph.exp(Fraction(1, 2))
left: Value = mgraph.maximum(x, 0.5)
right: Value = mgraph.maximum(Fraction(1, 2), x)
total: Value = sum([x, x.tanh()], x) * Fraction(1, 2)
values: list[Value] = list(map(Value.tanh, [x, -x, abs(x)]))
"""
WRONG = {
    "a misspelt method": ("Value(1.0).tahn()", "tahn"),
    "a misspelt function": ("mgraph.sigmiod(Value(1.0))", "sigmiod"),
    "text": ('Value(1.0) + "2"', "+"),
    "text on the left": ('"2" * Value(1.0)', "*"),
    "an operand too many": ("Value(1.0).tanh(2.0)", "argument"),
    "an operand too few": ("mgraph.maximum(1.0)", "maximum"),
    "a value for a float": ("number: float = mgraph.exp(Value(1.0))", "Value"),
}


def checked(checker: list[str], program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "user.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}
    return subprocess.run(
        [*checker, str(script)], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )


@pytest.fixture(params=["mypy", "pyright"])
def checker(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    if request.param == "mypy":
        return MYPY
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("pyright is not installed; install the extra [test]")
    if checked(PYRIGHT, "", tmp_path).returncode != 0:
        pytest.skip("pyright cannot run: it needs node, and has to fetch itself from npm once")
    return PYRIGHT


def test_a_right_program_passes(checker: list[str], tmp_path: Path) -> None:
    done = checked(checker, RIGHT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_wrong_lines_are_errors_each(checker: list[str], tmp_path: Path) -> None:
    lines = [line for line, _ in WRONG.values()]
    done = checked(checker, "\n".join(["import mgraph", "from mgraph import Value", *lines, ""]), tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    for number, (line, word) in enumerate(WRONG.values(), 3):
        found = [each for each in done.stdout.splitlines() if f"user.py:{number}:" in each]
        assert any("error" in each and word in each for each in found), (line, done.stdout)
