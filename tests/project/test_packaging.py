"""What is shipped: everything that is imported is declared, and everything in the tree is in the source distribution."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DISTRIBUTION = {"google": "onnx", "jaxlib": "jax"}
"""Packages that come with another one, by the name they are imported under."""


def imported() -> set[str]:
    """Every package that a module of mgraph imports anywhere, but Python's own."""
    found = set()
    for path in (ROOT / "mgraph").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    # _typeshed is for type checkers alone, and the module that imports pytest is imported by pytest alone.
    return found - {*sys.stdlib_module_names, "mgraph", "_typeshed", "pytest"}


def test_everything_imported_is_declared() -> None:
    project = PROJECT["project"]
    extras = [each for name, extra in project["optional-dependencies"].items() if name != "test" for each in extra]
    declared = {re.match(r"[\w-]+", each)[0].lower() for each in (*project["dependencies"], *extras)}
    used = {DISTRIBUTION.get(name, name).replace("_", "-") for name in imported()}
    assert used <= declared


def test_the_source_distribution_has_everything_that_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    tops = {name.partition("/")[0] for name in listed.stdout.splitlines()}
    pages = {name for name in tops if name.endswith(".md")}
    assert "/*.md" in included
    assert tops - pages - {".gitignore", "pyproject.toml"} <= set(included)


def test_every_extra_that_the_tests_install_is_pinned() -> None:
    pinned = {
        line.partition("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()
    }
    extras = PROJECT["project"]["optional-dependencies"]
    named = {
        re.match(r"[\w-]+", each)[0].lower()
        for each in (*PROJECT["project"]["dependencies"], *extras["test"], *extras["docs"])
    }
    assert named - {"mgraph-replay"} <= pinned
