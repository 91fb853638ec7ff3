"""The program that lays out DOT text: the system's ``dot`` if it is on PATH, else the ``graphviz-pure`` wheel's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from mgraph.errors import DrawError

FORMATS = ("svg", "png", "pdf", "dot")
RASTER_LIMIT = 1_000
"""Boxes in a PNG at most: beyond, it takes gigabytes."""
INSTALL = (
    "install Graphviz (Debian, Ubuntu: apt-get install graphviz; Fedora: dnf install graphviz; macOS: brew install"
    " graphviz; Windows: winget install graphviz)"
)


def program() -> str | None:
    """The path of the program that draws, or None. The system's ``dot`` comes first."""
    return shutil.which("dot") or fallback()


def fallback() -> str | None:
    """The path of the ``graphviz-pure`` command, or None. It draws SVG and PNG."""
    places = (os.environ.get("PATH", ""), str(Path(sys.executable).parent), sysconfig.get_path("scripts"))
    return next((found for place in places if (found := shutil.which("graphviz-pure", path=place))), None)


def use_fallback() -> None:
    """Where there is no ``dot``, point the graphviz package, which notebooks draw with, to ``graphviz-pure``."""
    if shutil.which("dot") is None and (found := fallback()):
        from graphviz.backend import dot_command

        dot_command.DOT_BINARY = Path(found)


def version() -> str:
    """One line that tells which program draws, and its version."""
    found = program()
    if found is None:
        return "none; " + INSTALL + ", or pip install graphviz-pure"
    try:
        done = subprocess.run([found, "-V"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return f"{found}, which does not run"
    return f"{(done.stderr or done.stdout).strip()} ({found})"


def laid_out(source: str, format: str, boxes: int, timeout: float = 120.0) -> bytes:
    """DOT text as a picture. ``format`` is svg, png, pdf or dot (the text itself); ``timeout`` is in seconds.

    Raises DrawError without a program that draws the format, for more than 1,000 boxes in a PNG, when the time is
    up, and with the program's own words when it fails.
    """
    if format not in FORMATS:
        raise DrawError(f"a picture is one of {', '.join(FORMATS)}, not {format!r}")
    if format == "dot":
        return source.encode()
    if format == "png" and boxes > RASTER_LIMIT:
        raise DrawError(f"{boxes:,} boxes are too many for a PNG (at most {RASTER_LIMIT:,}); draw an SVG")
    found = program()
    if found is None:
        raise DrawError(f"no program to draw with: {INSTALL}, or pip install graphviz-pure (SVG and PNG only)")
    name = Path(found).name
    if format == "pdf" and "graphviz-pure" in name:
        raise DrawError(f"graphviz-pure draws SVG and PNG, but no PDF: for that, {INSTALL}")
    try:
        done = subprocess.run(
            [found, f"-T{format}"], input=source.encode(), capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise DrawError(
            f"the layout was not ready after {timeout:.0f} s",
            python="draw fewer boxes: draw(collapse='fit'), or a part with slice(['NAME']).draw()",
            command="draw fewer boxes: --collapse fit, or a part with --out NAME",
        ) from None
    except OSError as error:
        raise DrawError(f"{found} cannot be run: {error.strerror}") from None
    if done.returncode or not done.stdout:
        words = "; ".join(done.stderr.decode(errors="replace").split("\n"))[:500].strip("; ")
        raise DrawError(f"{name} failed (exit status {done.returncode}): {words or 'no message'}")
    return done.stdout
