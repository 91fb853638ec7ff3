"""What type checkers make of users' programs: every op is known, with its types, and a misspelt one is an error."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

CHECKERS = {
    "mypy": [sys.executable, "-m", "mypy", "--strict"],  # with the cache of test_house's run
    "pyright": [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
}

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
[output] = mgraph.nn.MLP(2, [3, 1]).outputs([x, 2.0])
loss: Value = (output - 1) ** 2
[*outputs] = mgraph.nn.micrograd.Layer(1, 2).outputs([x])
sum_of_all: Value = sum(outputs, Value(0.0))
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


def checked(checker: str, *scripts: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}
    argv = [*CHECKERS[checker], *map(str, scripts)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("checker", CHECKERS)
def test_right_lines_pass_and_wrong_ones_are_errors(checker: str, tmp_path: Path) -> None:
    right, wrong, empty = (tmp_path / f"{name}.py" for name in ("right", "wrong", "empty"))
    right.write_text(RIGHT)
    wrong.write_text(
        "\n".join(["import mgraph", "from mgraph import Value", *(line for line, _ in WRONG.values()), ""])
    )
    empty.write_text("")
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed; install the extra [test]")
    if checker == "pyright" and checked(checker, empty).returncode != 0:
        pytest.skip("pyright cannot run: it needs node, and fetches itself from npm once")
    done = checked(checker, right, wrong)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and not any("right.py:" in line for line in lines), done.stdout + done.stderr
    for number, (line, word) in enumerate(WRONG.values(), 3):
        found = [each for each in lines if f"wrong.py:{number}:" in each]
        assert any("error" in each and word in each for each in found), (line, done.stdout)
