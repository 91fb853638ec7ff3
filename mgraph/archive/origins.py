"""Where a version came from: what the document says of itself, and the place in a program that kept it."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Any

from mgraph.document.model import Document
from mgraph.recording.places import Place, spelled

_TEXT = 200
"""Characters of one of these texts at most."""


def told(document: Document) -> dict[str, str]:
    """What a document says of itself: its ``origin`` (the importer), the ``fit``, and where its output was ``made``."""
    meta: Any = document.get("meta", {})
    imported, fit = meta.get("imported"), meta.get("fit")
    outputs = document.get("outputs") or [document["nodes"][-1]["id"]]
    found = {
        "origin": imported.get("from") if isinstance(imported, dict) else meta.get("source"),
        "fit": _fit(fit) if isinstance(fit, dict) else None,
        "made": next(node.get("source") for node in reversed(document["nodes"]) if node["id"] in outputs),
    }
    return {key: text[:_TEXT] for key, text in found.items() if isinstance(text, str)}


def _fit(made: dict[str, Any]) -> str:
    return f"fit by {made.get('method')} in {made.get('steps')} steps with mgraph {made.get('mgraph')}"


def kept_at(place: Place | None) -> dict[str, str]:
    """The place in a program where a graph is kept. Jupyter tells its kernels the notebook's file, without which the
    number of a cell says little."""
    if place is None:
        return {}
    said, book = spelled(place), os.environ.get("JPY_SESSION_NAME", "")
    file = {"file": PurePath(book).name} if book and said.startswith("cell ") else {}
    return file | {"place": said}
