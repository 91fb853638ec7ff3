"""Texts and numbers as a picture shows them: escaped for DOT and cut to what a box holds."""

from __future__ import annotations

import re
from html import escape
from math import isfinite
from typing import Any

NAME_LIMIT = 12
"""Characters of a name in a compact box at most; a longer one is cut in the middle."""
MINUS = "\u2212"

_VISIBLE = {
    **{c: 0x2400 + c for c in range(0x20) if c != ord("\n")},
    0x7F: 0x2421,
    **dict.fromkeys((0xFFFE, 0xFFFF), 0xFFFD),
}


def rounded(x: float | None, digits: int) -> str:
    """A number to ``digits`` decimals, as the record style writes it; a question mark for None."""
    if x is None:
        return "?"
    if not isfinite(x):
        return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"
    text = f"{x:.{digits}f}"
    lost = x != 0.0 and float(text) == 0.0
    return f"{x:.{digits}e}" if lost or abs(x) >= 1e6 else text


def short(x: float) -> str:
    """A literal operand: whole, or to six significant digits."""
    return f"{x:.0f}" if x == int(x) and abs(x) < 1e6 else f"{x:.6g}"


def spelled(x: float | None, digits: int) -> tuple[str, str]:
    """A number and whether it is exact: ``=`` and all of it if that takes at most ``digits + 1`` significant digits,
    else ``≈`` and ``digits`` decimals (as many significant digits below 0.1 and from 1,000 on)."""
    if x is None:
        return "", "?"
    if not isfinite(x):
        return "", "NaN" if x != x else "∞" if x > 0 else f"{MINUS}∞"
    significant = max(digits, 1)
    exact = float(f"{x:.{significant}e}") == x
    plain = x == 0.0 or 1e-4 <= abs(x) < 1e6
    if exact:
        text = f"{x:.{significant + 1}g}" if plain else f"{x:.{significant}e}"
    elif 0.1 <= abs(x) < 1_000:
        text = f"{x:.{digits}f}"
    else:
        text = f"{x:.{significant}g}" if plain else f"{x:.{significant - 1}e}"
    return "=" if exact else "≈", _tidy(text)


def brief(x: float) -> str:
    """A number to two significant digits with an exponent: the one form in legends."""
    mantissa, _, exponent = f"{x:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}".replace("-", MINUS)


def _tidy(text: str) -> str:
    """Without padding of the mantissa or the exponent, and with a minus that is as wide as a plus."""
    mantissa, e, exponent = text.partition("e")
    if e:
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    return text.replace("-", MINUS)


def cut(name: str, limit: int = NAME_LIMIT) -> str:
    """A name on one line, cut in the middle."""
    name = name.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "↵")
    return name if len(name) <= limit else f"{name[: limit // 2]}…{name[len(name) - limit + limit // 2 + 1 :]}"


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts neuron2 before neuron10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]{1,18})", name) if part]


def plain(text: str) -> str:
    """Make every character but a line break visible that is a control or none of XML's, and cut what no box holds."""
    text = text if len(text) <= 200 else text[:199] + "…"
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)


def _escaped(text: str) -> str:
    return plain(text).replace("&", "&amp;").replace("\\", "\\\\")


def quoted(text: str) -> Any:
    """A text as a DOT string that shows as itself; never taken for HTML."""
    from graphviz import nohtml

    return nohtml(_escaped(text).replace("\n", "\\n"))


def field(text: str) -> str:
    """A text as a field of a record label that shows as itself."""
    escaped = re.sub(r"([{}|<>])", r"\\\1", _escaped(text))
    # A record drops spaces at the ends, after spaces and (in Graphviz 2.43) after what is not ASCII; it keeps
    # no-break spaces.
    droppable = r"^ | $|(?<= ) " if text.isascii() else " "
    return re.sub(droppable, "\u00a0", escaped).replace("\n", "\\n")


def markup(text: str) -> str:
    """A text as part of an HTML-like label that shows as itself: spaces would be dropped, ``\\N`` replaced, and nothing
    at all is an error."""
    return escape(plain(text)).replace("\\", "\\\\").replace(" ", "\u00a0") or "\u00a0"
