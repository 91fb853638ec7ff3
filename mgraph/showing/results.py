"""What a run, a report and a fit say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mgraph.arithmetic.ops import LEAVES
from mgraph.checking.audit import Discrepancy, Report, count_ulps
from mgraph.document.model import Node
from mgraph.document.spelling import expression, number, title
from mgraph.document.wiring import Wiring
from mgraph.replaying.run import Run
from mgraph.showing.blocks import PYTHON, Block, Column, Entry, How, Line, Styled, Table
from mgraph.showing.derivatives import matrix

ROWS = 40
"""Rows of a table at most, unless all are asked for."""
SOME = 10
"""Entries of a list at most."""


def run(found: Run, everything: bool = False, how: How = PYTHON) -> list[Block]:
    """A run: its title, the table (of derivatives, the matrix), the first number that is not finite, the engine."""
    wiring = found._shown()
    name = wiring.document.get("title")
    blocks: list[Block] = [] if name is None else [Styled(name, "title")]
    derivatives = matrix(wiring, found.data, everything, how)
    if derivatives is not None:
        blocks.append(derivatives)
    if derivatives is None or everything:
        blocks.append(numbers(wiring, found.data, found.grad, everything, how))
    bad = found.first_nonfinite()
    if bad is not None:
        causes = [f"{name} = {number(x)}" if name in found.data else number(x) for name, x in bad.operands]
        made = _made(wiring.nodes[wiring.index[bad.node]].get("source"))
        origin = f", of {' and '.join(causes)}" if causes else ""
        blocks.append(Styled(f"first not finite: {bad.node} = {number(bad.data)}{origin}{made}", "notice"))
    return [*blocks, f"engine: {found.engine}"]


def numbers(wiring: Wiring, data: Mapping[str, float], grad: Mapping[str, float], everything: bool, how: How) -> Table:
    """Name, op with its operands, data and grad of each node.

    Of more than 40 nodes the leaves and outputs are shown, at most 20 of each, unless ``everything``.
    """
    nodes = wiring.nodes if everything else _chosen(wiring)
    columns = [
        Column("name", [title(node) for node in nodes], "text"),
        Column("op", [expression(node) for node in nodes], "text"),
    ]
    if data:
        columns.append(Column("data", [data.get(node["id"]) for node in nodes]))
    if grad:
        columns.append(Column("grad", [grad.get(node["id"]) for node in nodes], signed=True))
    hidden = len(wiring) - len(nodes)
    return Table(columns, f"… {hidden:,} of {len(wiring):,} rows are hidden; {how.rows}" if hidden else "")


def _chosen(wiring: Wiring) -> Sequence[Node]:
    if len(wiring) <= ROWS:
        return wiring.nodes
    outputs = wiring.outputs[: ROWS // 2]
    leaves = [node["id"] for node in wiring.nodes if node["op"] in LEAVES and node["id"] not in outputs]
    keep = {*leaves[: ROWS // 2], *outputs}
    return [node for node in wiring.nodes if node["id"] in keep]


def fit(losses: Sequence[float], engine: str, ended: str | None = None, brief: bool = False) -> list[Block]:
    """The loss before the first steps and every tenth of the way, or the first alone if brief; and the loss left.

    ``ended`` says why the method ended by itself, if it did.
    """
    last = len(losses) - 1
    shown = {*range(min(3, last)), *range(0, last, max(1, last // 10))}
    width = len(f"{last:,}")
    lines = [f"step {step:>{width},}  loss {number(losses[step])}" for step in sorted(shown)]
    why = [] if ended is None else [f"ended by itself: {ended}"]
    return [
        *lines[: 1 if brief else None],
        f"after {last:,} steps, loss {number(losses[-1])}",
        *why,
        f"engine: {engine}",
    ]


def verdict(report: Report, start: str = "verdict") -> Line:
    """The closing line of a report."""
    found = Styled(report.verdict, "good" if report.ok else "bad")
    return [f"{start}: ", found, f" ({report.data_checked:,} data and {report.grad_checked:,} grad checked)"]


def report(found: Report) -> list[Block]:
    """What ``verify`` found, question by question, and the verdict."""
    checked = f"{found.data_checked:,} data and {found.grad_checked:,} grad"
    blocks: list[Block] = [_entry("audit", f"{checked} against the recorded numbers they were made of")]
    blocks += _some(
        [
            f"{each.node}: {each.field} is {number(each.recorded)}, should be {number(each.expected)}"
            f" ({count_ulps(each.ulps)})" + _made(each.source)
            for each in found.culprits
        ]
    )
    blocks += _some([f"{name}: a leaf that disagrees with all computed from it" for name in found.suspects])
    if found.missing:
        blocks.append(_entry("replay", f"not possible: no number for {', '.join(found.missing[:SOME])}"))
    else:
        blocks.append(_entry("replay", f"data: {_worst(found.replayed.data)}"))
        blocks.append(_entry("replay", f"grad: {_worst(found.replayed.grad)}"))
    return [*blocks, *_differences(found), verdict(found)]


def _differences(report: Report) -> list[Block]:
    found = report.differences
    if found is None:
        return []
    of = f" of {found.candidates:,}" if len(found.compared) < found.candidates else ""
    off = f"{len(found.refuted):,} refuted" if found.refuted else "all agree within their error estimates"
    compared = f"{len(found.compared):,}{of} gradients compared: {off}"
    none = f"no gradient compared: none of {len(found.skipped):,} has a finite difference"
    refuted = [
        f"{each.node}: grad is {number(each.grad)}, finite differences give {each.estimate:.10g} ± {each.error:.2g}"
        for each in found.refuted
    ]
    skipped = [f"{name} skipped: {reason}" for name, reason in found.skipped.items()]
    return [_entry("finite", compared if found.compared else none), *_some(refuted), *_some(skipped)]


def _entry(head: str, text: str) -> Entry:
    return Entry(head, text, whole=True)


def _some(texts: list[str]) -> list[Block]:
    more = [f"… and {len(texts) - SOME:,} more"] if len(texts) > SOME else []
    return [_entry("", text) for text in texts[:SOME] + more]


def _made(source: str | None) -> str:
    return "" if source is None else f", made at {source}"


def _worst(found: Discrepancy | None) -> str:
    return f"{count_ulps(found.ulps)} at most, at {found.node}" if found else "0 ulp"
