"""A curve of numbers over steps as an SVG picture, such as the loss of a fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 44, 44


def curve(numbers: Sequence[float], title: str, across: str = "step", up: str = "loss") -> str:
    """The SVG text. ``numbers`` are finite, one a step from 0 on; the scale is logarithmic if they span a factor of
    more than 30 and are all positive."""
    log = min(numbers) > 0.0 and max(numbers) / min(numbers) > 30.0
    shown = [math.log10(x) if log else x for x in numbers]
    low, high = min(shown), max(shown)
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    last = max(1, len(numbers) - 1)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last

    def y(level: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (level - low) / (high - low)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12" fill="#333">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="14">{escape(title)}</text>',
    ]
    for level, label in _levels(low, high, log):
        at = y(level)
        lines.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
    lines += [
        f'<text x="{x(step):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{int(step)}</text>'
        for step in _round_numbers(0, last)
        if step == int(step)
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    lines.append(f'<text x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>')
    lines.append(
        f'<text transform="translate(16 {HEIGHT / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(up)}</text>'
    )
    points = " ".join(f"{x(k):.1f},{y(each):.1f}" for k, each in enumerate(shown))
    lines.append(f'<polyline points="{points}" fill="none" stroke="#0b62a4" stroke-width="2" stroke-linejoin="round"/>')
    return "\n".join([*lines, "</svg>", ""])


def _levels(low: float, high: float, log: bool) -> Iterator[tuple[float, str]]:
    if not log:
        yield from ((level, f"{level:g}") for level in _round_numbers(low, high))
        return
    for exponent in range(math.floor(low), math.ceil(high) + 1):
        for factor in (1, 2, 5):
            level = exponent + math.log10(factor)
            if low <= level <= high:
                yield level, f"{factor * 10.0**exponent:g}"


def _round_numbers(low: float, high: float) -> list[float]:
    """About five multiples of 1, 2 or 5 times a power of ten from low to high."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
