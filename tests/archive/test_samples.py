"""The samples ship as an archive too, which has the same bytes wherever it is made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, SMALL

import mgraph
from mgraph.archive.archive import Archive

SHIPPED = ROOT / "samples/samples.zip"


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Chatham"])
def test_the_archive_is_that_of_the_samples(tmp_path: Path, zone: str) -> None:
    script = ROOT / "samples/make_archive.py"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TZ": zone, "SOURCE_DATE_EPOCH": "7", "MGRAPH_USER": "x"}
    subprocess.run([sys.executable, script, tmp_path / "made.zip"], env=environment, check=True)
    assert (tmp_path / "made.zip").read_bytes() == SHIPPED.read_bytes(), "run samples/make_archive.py"


def test_it_is_imported_and_every_document_comes_out(archive: Archive) -> None:
    assert archive.import_(SHIPPED)[:2] == (len(SMALL), len(SMALL))
    assert {each.reference: each.verdict for *_, each in archive.verify()} == {
        f"{path.stem}@1": "exact" for path in SMALL
    }
    for path in SMALL:
        assert archive[f"{path.stem}:sample"].to_bytes() == mgraph.load(path).to_bytes() == path.read_bytes()
    assert archive.check(3).faults == []
