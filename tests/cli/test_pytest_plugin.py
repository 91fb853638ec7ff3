"""The plugin of pytest, in a pytest of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT

from mgraph import load

SAMPLES = ROOT / "samples"
PLUGIN = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]["mgraph"]


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """A pytest that has the plugin, whether or not this mgraph is installed."""
    words = [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", "--tb=short", *argv]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def lessons(tmp_path: Path) -> Path:
    (tmp_path / "tanh.json").write_bytes((SAMPLES / "tanh.json").read_bytes())
    (tmp_path / "what-if.ipynb").write_bytes((SAMPLES / "notebooks" / "what-if.ipynb").read_bytes())
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "recipe.json").write_text('{"mgraph": 1, "nodes": [{"id": "a", "op": "input"}]}')
    (tmp_path / "test_mine.py").write_text("def test_mine(): pass\n")
    return tmp_path


def test_each_graph_is_a_test(lessons: Path) -> None:
    done = run(lessons, "--mgraph", "-v")
    assert done.returncode == 0, done.stdout
    results = [line.split()[:2] for line in done.stdout.splitlines() if "::" in line]
    assert results == [
        ["recipe.json::verify", "SKIPPED"],
        ["tanh.json::verify", "PASSED"],
        ["test_mine.py::test_mine", "PASSED"],
        ["what-if.ipynb::verify#1", "PASSED"],
        ["what-if.ipynb::verify#2", "PASSED"],
    ]
    assert run(lessons, "--mgraph", "what-if.ipynb::verify#2").stdout.count("1 passed") == 1


@pytest.mark.slow
def test_a_failure_says_what_verify_says_and_the_rest_is_checked(lessons: Path) -> None:
    document = load(SAMPLES / "tanh.json").document
    document["nodes"][2]["data"] = 0.5
    (lessons / "bad.json").write_text(json.dumps(document))
    (lessons / "cut.json").write_text('{"mgraph": 1')
    (lessons / "cleared.ipynb").write_text('{"nbformat": 4, "cells": [{"source": "import mgraph", "outputs": []}]}')
    done = run(lessons, "--mgraph")
    assert done.returncode == 1
    assert "3 failed, 4 passed, 1 skipped" in done.stdout
    assert "\ndiffers at t1 (data, 2,610,808,761,580,715 ulp)\naudit    4 data and 6 grad against" in done.stdout
    assert "t1: data is 0.5, should be 0.35507099999999997" in done.stdout
    assert "FAILED bad.json::verify - differs at t1" in done.stdout
    assert f"{lessons}/cut.json: not JSON: it ends in the middle, at line 1, column 13 (cut short?)" in done.stdout
    assert f"{lessons}/cleared.ipynb: no graph in this notebook (were its outputs cleared?)" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr and "outcomes.py" not in done.stdout


def test_without_the_option_nothing_is_collected_or_imported(lessons: Path) -> None:
    """The plugin itself, which must be there to have the option, imports two modules that import nothing."""
    (lessons / "test_mine.py").write_text(
        "import sys\n"
        "def test_mine():\n"
        "    found = {name for name in sys.modules if name.partition('.')[0] == 'mgraph'}\n"
        f"    assert found == {{'mgraph', 'mgraph.seams', 'mgraph.cli', '{PLUGIN}'}}\n"
        "    assert 'pydantic' not in sys.modules and 'click' not in sys.modules\n"
    )
    done = run(lessons)
    assert "1 passed" in done.stdout, done.stdout
    (lessons / "test_mine.py").unlink()
    assert run(lessons).returncode == 5  # no tests
