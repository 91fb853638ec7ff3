"""How often other libraries round an elementary function wrongly: ``python exactness/disagreement.py --figure PATH``.

Random arguments, uniform over fixed ranges: log and log1p over (0, 10], the base of pow too and its exponent over
[-5, 5], the other functions over [-5, 5]. The right results are mgraph's; each library that is installed is asked for
all arguments at once. Prints a table in Markdown and, with ``--figure``, draws it as SVG.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import platform
import random
from collections.abc import Callable
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from mgraph.arithmetic.ops import OPS
from mgraph.checking.audit import ulps

FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sin", "cos", "pow")
TITLE = "Share of random arguments rounded wrongly (binary64)"

Columns = list[list[float]]
"""One list of numbers for each argument of a function."""


class Library(NamedTuple):
    """A library: the module it needs, its bars' colour (Okabe and Ito's palette), and its results."""

    module: str
    colour: str
    results: Callable[[str, Columns], list[float]]


class Count(NamedTuple):
    """How a library did on one function: arguments with a wrong result, in per cent, and the largest distance."""

    share: float
    ulps: int


Counts = dict[str, dict[str, Count]]
"""By function, then by library."""


def arguments(name: str, count: int, seed: int) -> Columns:
    """The random arguments of a function."""
    rng = random.Random(f"{seed} {name}")

    def positive() -> list[float]:
        return [10.0 * (1.0 - rng.random()) for _ in range(count)]

    def symmetric() -> list[float]:
        return [rng.uniform(-5.0, 5.0) for _ in range(count)]

    if name == "pow":
        return [positive(), symmetric()]
    return [positive() if name in ("log", "log1p") else symmetric()]


def right(name: str, columns: Columns) -> list[float]:
    """The correctly rounded results; by machine code if llvmlite is there, which gives the same bits."""
    function = OPS[name].forward
    if importlib.util.find_spec("llvmlite") is not None:
        from mgraph.replaying.compiled import machine_code

        function = machine_code.compiled(function)
    return list(map(function, *columns))


def by_math(name: str, columns: Columns) -> list[float]:
    """What Python's math module gives."""
    function = (lambda x: 1 / (1 + math.exp(-x))) if name == "sigmoid" else getattr(math, name)
    return list(map(function, *columns))


def by_numpy(name: str, columns: Columns) -> list[float]:
    """What NumPy gives, in one call on arrays."""
    import numpy as np

    arrays = [np.array(column, dtype=np.float64) for column in columns]
    if name == "sigmoid":
        return (1 / (1 + np.exp(-arrays[0]))).tolist()
    return getattr(np, "power" if name == "pow" else name)(*arrays).tolist()


def by_torch(name: str, columns: Columns) -> list[float]:
    """What PyTorch gives, in one call on tensors."""
    import torch

    return getattr(torch, name)(*(torch.tensor(column, dtype=torch.float64) for column in columns)).tolist()


LIBRARIES = {
    "math": Library("math", "#0072b2", by_math),
    "NumPy": Library("numpy", "#e69f00", by_numpy),
    "PyTorch": Library("torch", "#009e73", by_torch),
}


def compare(libraries: list[str], count: int, seed: int) -> Counts:
    """Every function by every library."""
    found: Counts = {}
    for name in FUNCTIONS:
        columns = arguments(name, count, seed)
        wanted = right(name, columns)
        found[name] = {}
        for library in libraries:
            distances = list(map(ulps, LIBRARIES[library].results(name, columns), wanted))
            wrong = sum(distance > 0 for distance in distances)
            found[name][library] = Count(100 * wrong / count, max(distances))
    return found


def percent(share: float) -> str:
    """A share as text: two decimals where it is small."""
    return "0 %" if share == 0 else "< 0.01 %" if share < 0.005 else f"{share:.{2 if share < 1 else 1}f} %"


def table(counts: Counts, libraries: list[str]) -> str:
    """The counts in Markdown: the share of wrong results, and the largest distance from the right one."""
    rows = [["function", *libraries], ["---"] * (1 + len(libraries))]
    rows += [
        [f"`{name}`", *(f"{percent(c.share)}, {c.ulps} ulp" for c in row.values())] for name, row in counts.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def system(libraries: list[str]) -> str:
    """Where the numbers come from."""
    c_library = " ".join(platform.libc_ver()).strip() or f"{platform.system()} {platform.release()}"
    versions = [f"{each} {version(LIBRARIES[each].module)}" for each in libraries if each != "math"]
    return ", ".join([platform.machine(), c_library, f"Python {platform.python_version()}", *versions])


WIDTH, LEFT, RIGHT, TOP = 720, 84, 656, 92
BAR, GAP = 14, 14
"""The height of a bar, and the space between groups."""


def figure(counts: Counts, libraries: list[str], note: str) -> str:
    """The shares as a bar chart in SVG: a group a function, a bar a library."""
    largest = max([count.share for row in counts.values() for count in row.values()] + [1.0])
    step = next(step for step in (0.2, 0.5, 1, 2, 5, 10, 20) if largest <= 6 * step)
    scale = (RIGHT - LEFT) / (step * math.ceil(largest / step))
    group = BAR * len(libraries) + GAP
    bottom = TOP + group * len(counts)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 40}"'
        f' viewBox="0 0 {WIDTH} {bottom + 40}" font-family="sans-serif" font-size="12" fill="#222" role="img">',
        f"<title>{TITLE}</title>",
        f'<rect width="{WIDTH}" height="{bottom + 40}" fill="#fff"/>',
        text(16, 28, TITLE, 'font-size="16" font-weight="bold"'),
        text(16, 48, note, 'fill="#555"'),
    ]
    for i, library in enumerate(libraries):
        x = LEFT + 100 * i
        lines.append(f'<rect x="{x}" y="63" width="12" height="12" fill="{LIBRARIES[library].colour}"/>')
        lines.append(text(x + 18, 73.5, library, 'font-size="13"'))
    for i in range(math.ceil(largest / step) + 1):
        x = LEFT + i * step * scale
        colour = "#888" if i == 0 else "#ddd"
        lines.append(f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="{colour}" shape-rendering="crispEdges"/>')
        lines.append(text(x, bottom + 18, f"{i * step:g} %", 'text-anchor="middle" fill="#555"'))
    for i, (name, row) in enumerate(counts.items()):
        y = TOP + i * group + GAP / 2
        lines.append(text(LEFT - 10, y + (group - GAP) / 2 + 4.5, name, 'text-anchor="end" font-size="13"'))
        for library, (share, _) in row.items():
            width = share * scale
            colour = LIBRARIES[library].colour
            lines.append(f'<rect x="{LEFT}" y="{y:g}" width="{width:.1f}" height="{BAR - 1}" fill="{colour}"/>')
            outline = 'stroke="#fff" stroke-width="3" paint-order="stroke"'  # keeps grid lines off the digits
            lines.append(text(LEFT + width + 5, y + 10.5, percent(share), outline))
            y += BAR
    return "\n".join([*lines, "</svg>", ""])


def text(x: float, y: float, words: str, more: str) -> str:
    """A line of text, with further attributes."""
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'


def main() -> None:
    """Print the table; draw the figure if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000, help="random arguments a function")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path, metavar="PATH", help="write the bar chart here")
    options = parser.parse_args()
    if options.count < 1:
        parser.error("--count must be at least 1")
    libraries = [name for name, each in LIBRARIES.items() if importlib.util.find_spec(each.module) is not None]
    counts = compare(libraries, options.count, options.seed)
    note = f"{options.count:,} arguments a function. {system(libraries)}"
    print(f"{table(counts, libraries)}\n\n{note}")
    if options.figure:
        options.figure.write_text(figure(counts, libraries, note), encoding="utf-8")


if __name__ == "__main__":
    main()
