"""The house: who may import whom, lint, strict types, size of the rooms, and what must not be in the tree."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "mgraph"

# Each module and what it may import of the package: itself a statement of the design (docs/decisions/).
MAY_IMPORT = {
    "errors": set(),
    "seams": set(),
    "coefficients": set(),
    "expansions": {"coefficients"},
    "exponential": {"coefficients", "expansions"},
    "logarithm": {"coefficients", "expansions", "exponential"},
    "circular": {"coefficients", "expansions", "exponential"},
    "formulas": set(),
    "ops": {"circular", "errors", "exponential", "formulas", "logarithm"},
    "binary64": {"errors"},
    "ops": {"binary64", "circular", "errors", "exponential", "logarithm"},
    "kernels": {"machine", "ops"},
    "schedule": {"kernels", "machine", "ops", "plan"},
    "compiled": {"errors", "kernels", "ops", "plan", "replay", "schedule"},
    "rows": {"errors", "files"},
    "derivatives": {"document", "errors", "graph", "ops", "replay", "value"},
    "fitting": {"engines", "errors", "ops", "plan", "replay"},
    "rowwise": {"engines", "errors", "files", "ops", "plan", "replay", "rows"},
    "engines": {"compiled", "errors", "replay"},
    "machine": {"circular", "coefficients", "expansions", "exponential", "formulas", "logarithm", "ops"},
    "files": {"errors"},
    "strictjson": {"errors"},
    "dot": {"errors"},
    "value": {"op_types", "ops", "seams"},  # op_types: stubs, for type checkers alone
    "nn": {"value"},
    "value": {"ops"},
    "nn": {"nn.micrograd", "nn.networks"},
    "nn.micrograd": {"nn.networks", "value"},
    "nn.networks": {"value"},
    "tracing": {"arrays", "value"},
    "arrays": {"ops", "value"},
    "document": {"errors", "ops", "strictjson"},
    "collector": set(),
    "graph": {"document", "errors", "ops"},
    "views": {"collector", "document", "graph"},
    "recording": {"document", "ops", "value"},
    "plan": {"graph", "ops"},
    "replay": {"document", "errors", "graph", "ops", "plan", "seams"},
    "differences": {"ops", "plan"},
    "verify": {"differences", "document", "errors", "ops", "plan", "replay"},
    "render": {"document", "dot", "drawing", "errors", "graph", "ops"},
    "table": {"document", "errors", "graph", "ops", "terminal"},
    "saved": {
        "collector",
        "compiled",
        "derivatives",
        "diff",
        "document",
        "drawing",
        "engines",
        "errors",
        "files",
        "formats",
        "graph",
        "plan",
        "render",
        "replay",
        "rowwise",
        "structure",
        "verify",
        "views",
    },
    "structure": {"document", "graph", "ops"},
    "matching": {"document", "graph", "ops", "structure"},
    "diff": {"document", "graph", "matching", "ops", "plan", "replay", "structure", "table", "verify"},
    "difftext": {"diff", "document", "errors", "table", "terminal"},
    "drawing": {"document", "dot", "errors", "formats.notebook", "formats.png", "formats.svg"},
    "containers": {
        "document",
        "errors",
        "files",
        "formats",
        "formats.notebook",
        "formats.png",
        "formats.svg",
        "strictjson",
    },
    "formats": {"errors", "graph"},
    "formats.notebook": {"errors"},
    "formats.svg": {"errors"},
    "formats.png": {"errors", "files"},
    "formats.own": {"document", "graph"},
    "formats.objects": {"errors", "ops"},
    "formats.readings": {"errors", "formats.objects", "ops", "value"},
    "formats.values": {"document", "errors", "formats.objects", "formats.readings", "ops", "recording", "value"},
    "formats.tensors": {"arrays", "errors", "ops", "value"},
    "formats.torch": {"document", "formats.torch_autograd", "formats.torch_export"},
    "formats.torch_export": {"arrays", "document", "errors", "formats.tensors", "ops", "recording"},
    "formats.torch_autograd": {"arrays", "document", "errors", "formats.tensors", "formats.torch_export", "ops"},
    "formats.jax": {"arrays", "document", "errors", "formats.tensors", "ops", "recording"},
    "formats.sympy": {"document", "errors", "ops", "recording", "value"},
    "formats.onnx": {
        "arrays",
        "document",
        "errors",
        "formats.onnx_operators",
        "formats.onnx_out",
        "formats.tensors",
        "ops",
        "recording",
        "value",
    },
    "formats.onnx_operators": {"arrays", "errors", "formats.onnx_out", "formats.tensors", "value"},
    "formats.onnx_out": {"errors", "graph", "ops"},
    "formats.cppad": {"document", "errors", "graph", "ops", "strictjson"},
    "formats.programs": {"derivatives", "document", "errors", "graph", "ops"},
    **{f"formats.{name}": {"formats.programs", "graph"} for name in ("numpy", "torch_out", "jax_out")},
    "formats.python": {"formats.programs", "graph", "ops"},
    "formats.c": {"formats.programs", "graph", "ops"},
    "formats.sympy_out": {"formats.programs", "graph", "ops"},
    "formats.latex": {"errors", "formats.programs", "graph", "ops"},
    "formats.mermaid": {"formats.programs", "graph", "ops", "table"},
    "formats.dot": {"graph", "render"},
    "formats.networks": {"errors", "graph"},
    "formats.csv": {"graph", "table"},
    "api": {
        "arrays",
        "collector",
        "containers",
        "document",
        "dot",
        "drawing",
        "errors",
        "files",
        "fitting",
        "formats",
        "formats.values",
        "recording",
        "rows",
        "saved",
        "tracing",
        "value",
    },
    "console": {"api", "document", "errors", "replay", "saved", "table", "terminal", "verify"},
    "terminal": {"errors", "files"},
    "cells": {"api", "drawing", "render", "replay", "value"},
    "console": {"api", "saved", "document", "replay", "table", "verify"},
    "chart": set(),
    "chart": {"errors", "terminal"},
    "options": {"api", "containers", "errors", "files", "ops", "saved", "terminal"},
    "commands": set(),
    "commands.replaying": {"api", "chart", "console", "files", "options", "replay", "saved", "terminal"},
    "commands.checking": {"api", "console", "difftext", "document", "errors", "files", "options", "terminal"},
    "commands.making": {"errors", "files", "formats", "options", "terminal", "api"},
    "cli": {
        "commands.checking",
        "commands.making",
        "commands.replaying",
        "document",
        "dot",
        "engines",
        "errors",
        "terminal",
        "",
    },
    "__main__": {"cli"},
    "__init__": {
        "api",
        "arrays",
        "cells",
        "document",
        "errors",
        "nn",
        "op_types",
        "ops",
        "recording",
        "replay",
        "saved",
        "seams",
        "value",
    },
}


def source(module: str) -> Path:
    """The file of a module of the package."""
    folder = PACKAGE / module.replace(".", "/")
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def name_of(path: Path) -> str:
    """The module in a file of the package, without the package's own name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports(module: str) -> set[str]:
    """The package's modules that a module imports anywhere, inside functions too; "" is the package itself."""
    found = set()
    for node in ast.walk(ast.parse(source(module).read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name.partition(".")[2] for a in node.names if a.name.partition(".")[0] == "mgraph"}
        elif isinstance(node, ast.ImportFrom) and node.level:
            found.add("a relative import")
        elif isinstance(node, ast.ImportFrom) and node.module == "mgraph":
            modules = {a.name for a in node.names if source(a.name).exists()}
            found |= modules or {""}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mgraph."):
            name = (node.module or "").removeprefix("mgraph.")
            modules = {f"{name}.{a.name}" for a in node.names if source(f"{name}.{a.name}").exists()}
            found |= modules or {name}
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=name_of)
def test_imports_follow_the_table(path: Path) -> None:
    name = name_of(path)
    assert name in MAY_IMPORT, "a new module: add its row, and say in its docstring what it alone knows"
    assert imports(name) <= MAY_IMPORT[name]
    assert (ast.get_docstring(ast.parse(path.read_text())) or "").strip()
    assert len(path.read_text().splitlines()) <= 400 or path.stem == "coefficients", "this module has outgrown its room"


def test_no_module_reaches_itself() -> None:
    def reach(module: str, seen: frozenset[str]) -> None:
        assert module not in seen, f"{module} imports itself by way of {sorted(seen)}"
        for each in MAY_IMPORT.get(module, ()):
            reach(each, seen | {module})

    for module in MAY_IMPORT:
        reach(module, frozenset())


@pytest.mark.parametrize(
    "argv",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=["lint", "format", "types"],
)
def test_lint_and_types(argv: list[str]) -> None:
    if importlib.util.find_spec(argv[0]) is None:
        pytest.fail(f"{argv[0]} is not installed; install the extra [test]")
    done = subprocess.run([sys.executable, "-m", *argv], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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
