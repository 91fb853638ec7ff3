"""Blocks as HTML for a notebook: without scripts, with every text escaped, in the colours of what it stands in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby

from mgraph.errors import printable
from mgraph.showing.as_text import cut, spelled
from mgraph.showing.blocks import Block, Column, Entry, Line, Picture, Styled, Table

WIDTH = 90
"""Digits that the numbers of a row have together, as far as rounding can bring that about."""
TEXT = 60
"""Characters of a text in a table at most."""

# A colour mixed into that of the text is readable on light and dark alike; an old browser shows the text's own.
STYLE = """<style>
.mgraph-result { line-height: 1.45; font-variant-numeric: tabular-nums lining-nums; }
.mgraph-result div { white-space: pre-wrap; overflow-wrap: anywhere; }
.mgraph-result .entry { display: grid; grid-template-columns: 9ch 1fr; white-space: normal; }
.mgraph-result .wide { overflow-x: auto; }
.mgraph-result svg { display: block; max-width: none; }
.mgraph-result table { border-collapse: collapse; margin: 0.5em 0; font-size: inherit; }
.mgraph-result table :is(.text, .number) { padding: 0.15em 0.8em; text-align: left; white-space: nowrap; border: 0; }
.mgraph-result table :is(th, td).number { text-align: right; }
.mgraph-result table :is(.text, .number):first-child { padding-left: 0; }
.mgraph-result table .picture { padding-block: 0.3em; white-space: normal; min-width: 24em; }
.mgraph-result table thead :is(.text, .number) { font-weight: normal; border-bottom: 1px solid;
  border-color: color-mix(in srgb, currentColor 30%, transparent); }
.mgraph-result :is(.title, .good, .bad) { font-weight: 600; }
.mgraph-result .plus { color: color-mix(in srgb, #1b7fd1 75%, currentColor); }
.mgraph-result .minus { color: color-mix(in srgb, #d9620f 75%, currentColor); }
.mgraph-result .good { color: color-mix(in srgb, #1f9d57 70%, currentColor); }
.mgraph-result .good::before { content: "✓ "; }
.mgraph-result .bad { color: color-mix(in srgb, #e0245e 75%, currentColor); }
.mgraph-result .bad::before { content: "✕ "; }
</style>"""


def html(blocks: Iterable[Block], picture: str = "") -> str:
    """The blocks, under a picture that is HTML or SVG already."""
    return "\n".join(
        [f'{STYLE}<div class="mgraph-result"><div class="wide">{picture}</div>', *map(_block, blocks), "</div>"]
    )


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return "\n".join(_table(block))
    if isinstance(block, Entry):
        return f'<div class="entry"><span>{_escaped(block.head)}</span><span>{_escaped(block.text)}</span></div>'
    return f"<div>{_line(block)}</div>"


def _line(line: Line) -> str:
    pieces = line if isinstance(line, list) else [line]
    return "".join(
        f'<span class="{each.style}">{_escaped(each.text)}</span>' if isinstance(each, Styled) else _escaped(each)
        for each in pieces
    )


def _table(table: Table) -> Iterator[str]:
    columns = [list(_cells(*each)) for each in _spelled(table)]
    if table.pictures:
        columns.append(['<th class="text picture" scope="col">graph</th>', *map(_picture, table.pictures)])
    yield f'<div class="wide"><table>\n<thead><tr>{"".join(head for head, *_ in columns)}</tr></thead>\n<tbody>'
    for row in zip(*(rest for _, *rest in columns), strict=True):
        yield f"<tr>{''.join(row)}</tr>"
    yield "</tbody>\n</table></div>"
    if table.hidden:
        yield f"<div>{_escaped(table.hidden)}</div>"


def _spelled(table: Table) -> Iterator[tuple[Column, list[str]]]:
    """Each column with its head and cells as texts."""
    for texts, columns in groupby(table.columns, lambda column: column.textual):
        some = list(columns)
        if texts:
            for column in some:
                yield column, [cut(str(text), TEXT, column.kind == "path") for text in (column.head, *column.cells)]
        else:
            yield from zip(some, spelled(some, WIDTH), strict=True)


def _cells(column: Column, texts: list[str]) -> Iterator[str]:
    kind = "text" if column.textual else "number"
    head, *rest = texts
    yield f'<th class="{kind}" scope="col">{_escaped(cut(head, TEXT, end=True))}</th>'
    for text, padding in zip(rest, _padding(rest) if column.kind == "number" else [""] * len(rest), strict=True):
        sign = _sign(text) if column.signed else ""
        yield f'<td class="{kind}{sign}">{_escaped(text)}{padding}</td>'


def _picture(shown: Picture | str) -> str:
    return f'<td class="text picture">{shown.svg if isinstance(shown, Picture) else _escaped(shown)}</td>'


def _sign(text: str) -> str:
    """The class of a number's sign, as it is printed; 0 and what is not finite have none."""
    if not any(digit in text for digit in "123456789"):
        return ""
    return " minus" if text.startswith("-") else " plus"


def _padding(texts: list[str]) -> list[str]:
    """What to put behind numbers for their points to stand below one another: spaces as wide as points and digits."""
    behind = [len(text.partition(".")[2]) if "." in text else -1 for text in texts]
    most = max(behind, default=-1)
    return ["\u2008" * (most >= 0 > k) + "\u2007" * (most - max(k, 0)) for k in behind]


def _escaped(text: str) -> str:
    return escape(printable(text))
