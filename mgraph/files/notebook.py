"""Jupyter notebooks (nbformat 4) whose outputs carry graphs, under a MIME type of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mgraph.errors import FormatError, shown

MIME = "application/vnd.mgraph+json"


def match(loaded: object) -> bool:
    """Whether JSON data is a notebook."""
    return isinstance(loaded, dict) and "nbformat" in loaded and "mgraph" not in loaded


def extract(loaded: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The documents in a notebook's outputs, in order, each with its place; unchecked.

    A document is a JSON object, or the text of one (see :func:`embed`). Raises FormatError for a notebook of another
    version, or one that is not built as nbformat says.
    """
    version = loaded["nbformat"]
    if version != 4:
        raise FormatError(
            f"a notebook of nbformat {shown(version, 20)}; mgraph reads nbformat 4, which Jupyter writes since 2015."
            " An older notebook holds no graph: convert it (jupyter nbconvert --to notebook --inplace FILE), run it"
            " again, and save it"
        )
    cells = loaded.get("cells")
    if not isinstance(cells, list):
        raise FormatError("a notebook without a list of cells: $.cells")
    for c, cell in enumerate(cells):
        outputs = cell.get("outputs", []) if isinstance(cell, dict) else None
        if not isinstance(outputs, list):
            raise FormatError(f"a cell of this notebook is not built as nbformat 4 says: $.cells[{c}]")
        for o, output in enumerate(outputs):
            data = output.get("data", {}) if isinstance(output, dict) else None
            if isinstance(data, dict) and MIME in data:
                yield f"cell {c + 1}" + f", output {o + 1}" * (len(outputs) > 1), data[MIME]


def embed(document: Any, text: bytes) -> Any:
    """What a notebook's output holds for a document and its bytes: the document itself, as JSON.

    If it holds a negative zero, its text: a notebook goes through the browser, where JavaScript writes -0 as 0.
    """
    return text.decode() if b"-0.0" in text else document
