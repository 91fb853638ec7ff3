"""The small samples as an archive, exported: a ZIP of plain files. Makes samples.zip; a release makes it anew.

`mgraph archive import samples/samples.zip` brings it into an archive of yours. moons.json.gz is left out, for it has
nine megabytes, and what is exported is not compressed, in order to have the same bytes on every machine.
"""

import ast
import os
import sys
import tempfile
from pathlib import Path

from mgraph import Archive, load

HERE = Path(__file__).parent
SINCE, BY = "1767225600", "mgraph"  # 2026-01-01, and nobody's name


def make(target: Path) -> None:
    os.environ |= {"SOURCE_DATE_EPOCH": SINCE, "MGRAPH_USER": BY}
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder, Archive(Path(folder) / "samples.mgraph") as archive:
        for path in sorted(HERE.glob("*.json")):
            about = ast.get_docstring(ast.parse(path.with_suffix(".py").read_text("utf-8")))
            source = {"file": f"samples/{path.with_suffix('.py').name}"}
            archive.keep(load(path), path.stem, tag="sample", note=str(about).partition(" Makes ")[0], source=source)
        archive.export(target)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if sys.argv[1:] else HERE / "samples.zip")
