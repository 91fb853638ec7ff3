"""Keep this version's documents for ever, in tests/data/corpus/VERSION: python tests/data/keep_release.py.

They are the small samples, and the documents of the version before, as this version writes them. A folder is written
once and never again.
"""

from __future__ import annotations

import json
from pathlib import Path

import mgraph

CORPUS = Path(__file__).with_name("corpus")
SAMPLES = Path(__file__).parent.parent.parent / "samples"
DIGESTS = "digests.json"


def keep() -> Path:
    """Write the folder. Raises FileExistsError if there is one already."""
    before = max(CORPUS.iterdir(), key=lambda folder: tuple(map(int, folder.name.split("."))))
    documents = {path.name: path for path in (*before.glob("*.json"), *SAMPLES.glob("*.json"))}
    del documents[DIGESTS]
    folder = CORPUS / mgraph.__version__
    folder.mkdir()
    digests = {}
    for name, path in sorted(documents.items()):
        graph = mgraph.load(path)
        graph.save(folder / name)
        digests[name] = graph.digest
    (folder / DIGESTS).write_text(json.dumps(digests, indent=2) + "\n")
    return folder


if __name__ == "__main__":
    print(f"written: {keep()}")
