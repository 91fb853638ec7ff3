"""How results read: lines for a terminal, and JSON for a program."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from mgraph.cli.terminal import file_in_json
from mgraph.document.model import VERSION
from mgraph.document.model import number as json_number
from mgraph.errors import printable
from mgraph.files.atomic import display
from mgraph.showing import results
from mgraph.showing.as_text import cut, lines
from mgraph.showing.blocks import COMMAND, Line, Styled

if TYPE_CHECKING:
    from mgraph.api import Entry
    from mgraph.checking.audit import Discrepancy, Report
    from mgraph.graph import Graph
    from mgraph.replaying.run import Run


def run_lines(graph: Graph, run: Run, report: Report, width: int, full: bool, everything: bool) -> list[Line]:
    """A run, and the verdict."""
    own = bool(run.overrides) or len(run.data) < len(graph)
    verdict = results.verdict(report, "verdict on the record" if own else "verdict")
    return lines([*results.run(run, everything, COMMAND), verdict], width, full)


def parameters(graph: Graph, names: Iterable[str] | None = None) -> dict[str, float | str]:
    """The parameters, or other leaves, by id, as JSON."""
    data = graph.data
    return _numbers({name: data[name] for name in (graph.parameters if names is None else names)})


def facts(graph: Graph) -> dict[str, Any]:
    """What is in a document, for ``info``."""
    told = {"description": graph.description, "tags": list(graph.tags)}
    told = {key: value for key, value in told.items() if value}
    found: dict[str, Any] = {} if graph.title is None else {"title": graph.title}
    return found | {
        **told,
        "format": VERSION,
        "nodes": len(graph),
        "ops": graph.op_counts,
        "depth": graph.depth,
        "inputs": graph.inputs,
        "parameters": graph.parameters,
        "constants": graph.constants,
        "outputs": graph.outputs,
        "recorded": {"data": len(graph.data), "grad": len(graph.grad)},
        "tolerance": {"ulps": graph.tolerance},
        "meta": {key: value for key, value in graph.meta.items() if key not in told},
        **_digests(graph),
    }


def _digests(graph: Graph) -> dict[str, str]:
    found = graph.digests
    return {"structure": found["structure"], "recipe": found["recipe"], "digest": found["document"]}


def facts_lines(found: dict[str, Any], width: int) -> list[str]:
    """The facts, one a line."""
    lines = []
    for key, value in found.items():
        if key in ("structure", "recipe", "digest"):  # in full they would not fit 80 columns
            name = "document" if key == "digest" else key
            lines += ["digests, SHA-256"] * (key == "structure") + [f"  {name:<11}{value.removeprefix('sha256:')}"]
            continue
        if key == "meta":
            lines += [cut(f"meta         {printable(_note(*each))}", width) for each in value.items()]
            continue
        label, text = f"{key:<13}", printable(", ".join(value) if key == "tags" else _in_words(value))
        if key in ("description", "tags"):
            lines += wrap(text, width, initial_indent=label, subsequent_indent=" " * len(label))
        else:
            fits = len(label) + len(text) <= width
            lines.append(cut(f"{label}{text}" if fits else f"{key}  {text}", width))
    return lines


def _note(key: str, value: object) -> str:
    """An entry of ``meta``: text as it is, all else as JSON."""
    import orjson

    return f"{key}: {value if isinstance(value, str) else orjson.dumps(value).decode()}"


def heading(name: str, place: str, graph: Graph) -> Line:
    """One graph of several: what it is called, and where it is."""
    title = "" if graph.title is None else f" {graph.title}"
    return [Styled(f"{name}{title}", "title"), f" ({place})"]


def entry(found: Entry) -> dict[str, Any]:
    """A graph of a notebook as JSON, in short."""
    known: dict[str, Any] = {"name": found.name, "place": found.place}
    if found.graph is None:
        return {**known, "error": str(found.error)}
    return {
        **known,
        "title": found.graph.title,
        "nodes": len(found.graph),
        "outputs": found.graph.outputs,
        "digest": found.graph.digest,
    }


def entry_lines(file: str, entries: list[Entry], width: int) -> list[str]:
    """The graphs of a notebook, one a line."""
    if not entries:
        return [f"{display(file)}: no graph in this notebook"]
    lines = []
    for k, each in enumerate(entries, 1):
        count = "broken" if each.graph is None else f"{len(each.graph):,} node{'s' * (len(each.graph) != 1)}"
        title = "" if each.graph is None else each.graph.title or ""
        lines.append(cut(f"#{k:<3} {each.place:<18} {count:<14} {printable(title)}".rstrip(), width))
    return lines


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items())
    if isinstance(value, list):
        return f"{len(value):,}: {', '.join(value[:12])}{', …' * (len(value) > 12)}" if value else "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def run_json(file: str, run: Run, report: Report) -> dict[str, Any]:
    """A run as JSON; NaN and infinities are the format's strings."""
    bad = run.first_nonfinite()
    return {
        "file": file_in_json(file),
        "engine": run.engine,
        "outputs": list(run.outputs),
        "overrides": _numbers(run.overrides),
        "seeds": _numbers(run.seeds),
        "data": _numbers(run.data),
        "grad": _numbers(run.grad),
        "first_nonfinite": None if bad is None else {"node": bad.node, "operands": _numbers(dict(bad.operands))},
        "verdict": report.verdict,
        "ok": report.ok,
    }


def report_json(file: str, report: Report) -> dict[str, Any]:
    """A report as JSON; a distance of 2**53 stands for any larger one."""
    found = report.differences
    return {
        "file": file_in_json(file),
        "verdict": report.verdict,
        "ok": report.ok,
        "tolerance": report.tolerance,
        "checked": {"data": report.data_checked, "grad": report.grad_checked},
        "culprits": [_entry(each) for each in report.culprits],
        "suspects": report.suspects,
        "within": min(report.within, 2**53),
        "replayed": {"data": _entry(report.replayed.data), "grad": _entry(report.replayed.grad)},
        "missing": report.missing,
        "differences": None
        if found is None
        else {
            "compared": len(found.compared),
            "candidates": found.candidates,
            "refuted": [
                {"node": each.node} | _numbers({"grad": each.grad, "estimate": each.estimate, "error": each.error})
                for each in found.refuted
            ],
            "skipped": found.skipped,
        },
    }


def _entry(found: Discrepancy | None) -> dict[str, Any] | None:
    if found is None:
        return None
    numbers = _numbers({"recorded": found.recorded, "expected": found.expected})
    source = {} if found.source is None else {"source": found.source}
    return {"node": found.node, "field": found.field, **numbers, "ulps": min(found.ulps, 2**53), **source}


def _numbers(found: Any) -> dict[str, Any]:
    return {name: json_number(x) for name, x in found.items()}
