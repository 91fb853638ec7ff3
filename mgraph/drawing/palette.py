"""Colours: values are ink, gradients are blue or orange by their printed sign, a leaf's kind is its border's colour.

Every sign is printed and every kind is a shape, so that nothing is lost in greyscale or to the colour-blind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, log10

from mgraph.drawing.labels import MINUS, brief, markup

PAPER, SURFACE, INK, QUIET, EDGE, RULE = "#FAFAF7", "#FFFFFF", "#16191D", "#545B64", "#7F8790", "#C9CCC6"
POSITIVE, NEGATIVE = ("#0A5EA8", "#E4EFFA"), ("#A33B00", "#FCE9DA")
"""Text and tint of a gradient."""
KINDS = {
    "input": ("#3F6E59", "#EAF2ED", "rounded"),
    "parameter": ("#7A5C14", "#F6EFDD", "diagonals"),
    "constant": ("#666D75", "#EFF0F1", "dashed"),
}
"""Border, fill and shape of a leaf."""
BLUES = ("#E4EFFA", "#B5D4F0", "#7DB3E3", "#3B8BD0", "#0A5EA8")
ORANGES = ("#FCE9DA", "#F8CDA6", "#F0A868", "#D9762F", "#A33B00")
AMBERS = ("#FFF6CC", "#FFE680", "#F9CE4B", "#E3A91B", "#C48A12")
"""Fills by magnitude, pale to dark, which greyscale keeps: of gradients by their sign, and of moves."""
WRONG = "#A8002F"
"""What moved though nothing it follows from did."""


def signed(text: str) -> tuple[str, str]:
    """Text colour and tint of a gradient that is printed so; ink and none for 0, NaN and the unknown."""
    if text.strip(f"{MINUS}0.") in ("", "?", "NaN"):
        return INK, ""
    return NEGATIVE if text.startswith(MINUS) else POSITIVE


@dataclass(frozen=True)
class Scale:
    """Five levels of magnitude, evenly spaced in the logarithm over at most five decades."""

    bounds: tuple[float, ...]
    """The largest magnitude of each level, ascending; empty if all are 0."""

    @classmethod
    def of(cls, magnitudes: Iterable[float]) -> Scale:
        """The levels for these magnitudes."""
        finite = [m for m in magnitudes if m > 0.0 and isfinite(m)]
        if not finite:
            return cls(())
        top, bottom = log10(max(finite)), max(log10(min(finite)), log10(max(finite)) - 5.0)
        step = (top - bottom) / 5 or 1.0
        return cls(tuple(10 ** (top - step * (4 - k)) for k in range(5)))

    def _level(self, magnitude: float) -> int:
        return next((k for k, bound in enumerate(self.bounds) if magnitude <= bound), 4)

    def heat(self, gradient: float) -> str:
        """The colour of a gradient; the surface's for 0 and NaN."""
        if gradient == 0.0 or gradient != gradient:
            return SURFACE
        return (BLUES if gradient > 0 else ORANGES)[self._level(abs(gradient))]

    def move(self, before: float, after: float) -> str:
        """The colour of a number that moved; the darkest for one that became NaN."""
        return AMBERS[self._level(abs(after - before))]

    def legend(self, head: str, *palettes: tuple[str, ...]) -> str:
        """One row: what is coloured, then each level's colours and its bound."""
        texts = [head, *(brief(bound) for bound in self.bounds)]
        swatches = [[], *([palette[k] for palette in palettes] for k in range(5))]
        cells = ""
        for text, colours in zip(texts, swatches, strict=False):
            cells += "".join(f'<TD BGCOLOR="{colour}" WIDTH="12" HEIGHT="12" BORDER="1"> </TD>' for colour in colours)
            cells += f"<TD>{markup(text)}</TD>"
        return (
            f'<<FONT POINT-SIZE="10" COLOR="{QUIET}"><TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="1"'
            f' COLOR="{EDGE}"><TR>{cells}</TR></TABLE></FONT>>'
        )


def on(fill: str) -> str:
    """The colour of text on a fill."""
    return SURFACE if fill in (BLUES[-1], ORANGES[-1]) else INK
