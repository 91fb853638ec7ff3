"""The house: imports that run down, lint, strict types, the size of modules, and which names are public."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "mgraph"
MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(
    ("argv", "package"),
    [
        (["-m", "ruff", "check", "."], "ruff"),
        (["-m", "ruff", "format", "--check", "."], "ruff"),
        (["-m", "mypy"], "mypy"),
    ],
    ids=["lint", "format", "types"],
)
def test_checkers(argv: list[str], package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.fail(f"{package} is not installed; install the extra [test]")
    done = subprocess.run([sys.executable, *argv], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_says_what_it_is_and_keeps_its_size(path: Path) -> None:
    text = path.read_text()
    assert (ast.get_docstring(ast.parse(text)) or "").strip()
    assert len(text.splitlines()) <= 400 or path.stem == "coefficients", "a module this long usually hides two"


def test_users_see_types(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(
        "import mgraph\n"
        "x: mgraph.Value = mgraph.Value(1.0, name='x')\n"
        "y: mgraph.Value = (2 * x + 1).tanh() / x.maximum(0.5)\n"
        "y.backward()\n"
        "graph: mgraph.Graph = mgraph.save(y, 'y.json')\n"
        "number: float = graph.replay({'x': 0.7}).outputs['n1']\n"
        "ok: bool = graph.verify().ok\n"
    )
    argv = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", str(script)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
