"""The loss of a fit over its steps as a picture, drawn by matplotlib (the extra ``plot``)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from mgraph.errors import DrawError, printable
from mgraph.files.atomic import display
from mgraph.showing.as_text import cut

INK = "#16191d"
"""The colour of the curve and of what is written."""


def ending(path: str) -> str:
    """The format that a path's ending names. Raises DrawError for another one."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".svg", ".png", ".pdf"):
        raise DrawError(f"{display(path)}: a plot's name ends in .svg, .png or .pdf")
    return suffix


def curve(losses: Sequence[float], title: str, path: str) -> bytes:
    """The picture that the ending of ``path`` names, of one finite loss a step, from step 0 on.

    The scale is logarithmic if the losses are positive and span a factor of more than 30. The same losses make the
    same bytes. Raises DrawError for another ending, and without matplotlib.
    """
    return _drawn(losses, title, ending(path)[1:])


def inline(losses: Sequence[float], title: str) -> bytes:
    """The same as an SVG to stand in a page: without a background, in the colour of the page's text."""
    return _drawn(losses, title, "svg", transparent=True).replace(INK.encode(), b"currentColor")


def _drawn(losses: Sequence[float], title: str, kind: str, transparent: bool = False) -> bytes:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise DrawError("a plot needs matplotlib (the extra plot): pip install matplotlib") from None
    stamp = {"svg": "Date", "pdf": "CreationDate"}.get(kind)
    inks = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    out = BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "mgraph", **inks}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a title's characters that the font lacks
        axes = (figure := Figure(figsize=(6.4, 3.6), layout="constrained")).subplots()
        axes.plot(losses, gid="loss", color=INK)
        axes.set_title(cut(printable(title), 72), loc="left", parse_math=False)
        axes.set(xlabel="step", ylabel="loss", yscale="log" if _spans_decades(losses) else "linear")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
        metadata = {stamp: None} if stamp else None
        figure.savefig(out, format=kind, metadata=metadata, transparent=transparent)
    return out.getvalue()


def _spans_decades(losses: Sequence[float]) -> bool:
    return min(losses) > 0.0 and math.log10(max(losses)) - math.log10(min(losses)) > math.log10(30.0)
