"""The hooks that other repositories use, by pre-commit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from mgraph import load
from mgraph.formats.finding import ENDINGS, fits

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed (it comes with MkDocs)")
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


def test_the_hooks_are_for_every_file_that_may_hold_a_graph() -> None:
    assert [hook["id"] for hook in HOOKS] == ["mgraph-verify", "mgraph-validate"]
    for hook in HOOKS:
        for name in (*ENDINGS, *(f"{ending}.gz" for ending in ENDINGS)):
            assert fits(f"a{name}") and re.search(hook["files"], f"a{name}")
        assert not re.search(hook["files"], "a.py") and hook["require_serial"]


@pytest.mark.slow
def test_pre_commit_runs_them(tmp_path: Path) -> None:
    """As the file says, but for where the program is: here, this one, and not a new environment's."""
    pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    for hook in HOOKS:
        verb = hook["entry"].removeprefix("mgraph ")
        hook |= {"language": "system", "entry": f"env PYTHONPATH={ROOT} {sys.executable} -m mgraph {verb}"}
    config = {"repos": [{"repo": "local", "hooks": HOOKS}]}
    (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "tanh.json").write_bytes((ROOT / "samples" / "tanh.json").read_bytes())
    (tmp_path / "package.json").write_text("{}")

    def run() -> subprocess.CompletedProcess[str]:
        for argv in (["init", "-q"], ["add", "."]):
            subprocess.run(["git", *argv], cwd=tmp_path, check=True)
        argv = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--color=never"]
        return subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    done = run()
    assert (done.returncode, done.stdout.count("Passed")) == (0, 2), done.stdout
    document = load(tmp_path / "tanh.json").document
    document["nodes"][2]["data"] = 0.5
    text = str(document).replace("'", '"')
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "bad.json").write_text(text)
    done = run()
    assert (done.returncode, done.stdout.count("Passed")) == (1, 1)
    assert "lessons/bad.json          6  differs at t1" in done.stdout
    assert "1 exact, 1 differs, 1 other file passed over" in done.stdout
