"""mgraph's own document, as a format to export to: what a picture, a notebook or another tool's graph becomes."""

from __future__ import annotations

from mgraph.document.model import dump
from mgraph.document.wiring import Wiring


def write(wiring: Wiring) -> bytes:
    """The document's bytes, as they are saved."""
    return dump(wiring.document)
