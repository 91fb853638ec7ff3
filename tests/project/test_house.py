"""The house: imports that run down, lint, strict types, the size of modules, and which names are public."""

from __future__ import annotations

import ast
import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import mgraph
from mgraph.arithmetic.ops import OPS

PACKAGE = ROOT / "mgraph"
MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(
    ("argv", "package"),
    [
        (["-m", "ruff", "check", "."], "ruff"),
        (["-m", "ruff", "format", "--check", "."], "ruff"),
        pytest.param(["-m", "mypy"], "mypy", marks=pytest.mark.slow),
        (["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"], "importlinter"),
    ],
    ids=["lint", "format", "types", "imports"],
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


SCRIPTS = [
    path for folder in ("benchmarks", "docs", "exactness", "samples", "tests") for path in (ROOT / folder).rglob("*.py")
]


def test_scripts_import_modules_that_are_there() -> None:
    lost = []
    for path in SCRIPTS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mgraph" and not node.level:
                place = ROOT.joinpath(*str(node.module).split("."))
                if not (place.is_dir() or place.with_suffix(".py").exists() or place.with_suffix(".pyi").exists()):
                    lost.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.module}")
    assert lost == []


def test_no_room_hides_a_public_name() -> None:
    rooms = {module.name for module in pkgutil.iter_modules([str(PACKAGE)])}
    public = {*mgraph.__all__, *OPS} - {"nn"}  # mgraph.nn is that module
    assert not rooms & public


def test_public_classes_say_mgraph() -> None:
    found = {name: getattr(mgraph, name) for name in mgraph.__all__}
    classes = {name: each for name, each in found.items() if isinstance(each, type)}
    assert classes
    assert {name: each.__module__ for name, each in classes.items()} == dict.fromkeys(classes, "mgraph")
    layers = {name: getattr(mgraph.nn, name) for name in mgraph.nn.__all__ if name != "micrograd"}
    assert {name: each.__module__ for name, each in layers.items()} == dict.fromkeys(layers, "mgraph.nn")


@pytest.mark.slow
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
