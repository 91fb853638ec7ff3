"""A table of inputs replayed row by row into a table of results, a chunk at a time, by either engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from mgraph.arithmetic.ops import INPUT, PARAMETER
from mgraph.errors import FileError, ReplayError, nearest, shown, some
from mgraph.files import table_output, tables
from mgraph.files.atomic import display
from mgraph.replaying.choice import Engines, load_compiled
from mgraph.replaying.plan import Plan
from mgraph.replaying.run import replay, settable

MORE = 20
"""How many chunks to expect of a table whose first one is full."""
Run = Callable[[tables.Columns], tables.Columns]
"""The columns of the results from those of the leaves."""


class TableResult(NamedTuple):
    """What :meth:`Graph.replay_rows` did."""

    rows: int
    """How many rows were replayed."""
    engine: str
    """Which engine replayed them: ``reference`` or ``compiled``."""
    arithmetic: str
    """``exact``, or ``fast`` for the platform's elementary functions."""


TableResult.__module__ = "mgraph"


def replay_table(
    plan: Plan,
    source: str,
    target: str,
    fixed: Mapping[str, float],
    backward: bool,
    engine: str,
    arithmetic: str,
    keep: Sequence[str] = (),
    progress: tables.Progress | None = None,
) -> TableResult:
    """Read the table ``source``, whose columns are leaves, and write ``target``: the outputs, one column each, and with
    ``backward`` the gradient by each of the leaves, as ``grad NAME``. ``fixed`` sets other leaves to a number. Columns
    of the source to ``keep`` are passed on, in front; they need not be leaves.

    Raises FileError, ReplayError; then nothing is written.
    """
    tables.ending(target)
    if arithmetic == "fast" and engine == "reference":
        raise ReplayError("the arithmetic 'fast' needs the compiled engine; the reference engine is always exact")
    with tables.read(source, progress) as (names, rows):
        where = f"{display(source)}, columns"
        _refuse_unknown(keep, names, where)
        numbers = [name for name in names if name not in keep or _is_leaf(plan, name)]
        leaves = _leaves(plan, numbers, fixed, where)
        header = _header(plan.wiring.outputs, leaves if backward else [], keep)
        chunks = rows(numbers, keep)
        first = next(chunks, None)  # before anything is written
        count = len(first.numbers[0]) if first else 0
        expected = count * (MORE if count == tables.CHUNK else 1)
        used, _ = Engines().choose("compiled" if arithmetic == "fast" else engine, plan, expected, rows=True)
        if used == "compiled":
            run = _by_machine(plan, leaves, fixed, backward, arithmetic)
        else:
            run = _by_reference(plan, leaves, fixed, backward)
        with table_output.written(target, header, keep) as write:
            for chunk in chain([first] if first else [], chunks):
                write(tables.Chunk(run(chunk.numbers), chunk.kept))
                count += len(chunk.numbers[0]) if chunk is not first else 0
    return TableResult(count, used, arithmetic)


def _leaves(plan: Plan, names: list[str], fixed: Mapping[str, float], where: str) -> list[str]:
    """The ids of the leaves that the columns are. Raises FileError, and ReplayError if what is fixed is no leaf."""
    for name in fixed:
        if "args" in plan.wiring.nodes[plan.wiring.index[name]]:
            message = "is computed, so it cannot be set for all rows; an input or a parameter can"
            raise ReplayError(f"{shown(name)} {message}")
    given = set(fixed)
    leaves = []
    for leaf in (_leaf(plan, name, where) for name in names):
        if leaf in given:
            raise FileError(f"{where}: {shown(leaf)} is given two numbers")
        given.add(leaf)
        leaves.append(leaf)
    missing = [node for node in (plan.wiring.nodes[slot]["id"] for slot in plan.unset) if node not in given]
    if missing:
        raise FileError(f"{where}: there is no column for {some(missing)}, which has no recorded number")
    if not leaves:
        raise FileError(f"{where}: there are none; name at least one input or parameter")
    return leaves


def _refuse_unknown(keep: Sequence[str], names: list[str], where: str) -> None:
    for k, name in enumerate(keep):
        if name not in names:
            there = ", ".join(map(shown, names[:12])) + ", …" * (len(names) > 12)
            raise FileError(f"{where}: there is no {shown(name)} to keep.{nearest(name, names)} There are {there}")
        if name in keep[:k]:
            raise ReplayError(f"the column {shown(name)} is to be kept twice")


def _header(outputs: list[str], leaves: list[str], keep: Sequence[str]) -> list[str]:
    """The columns of the results. Raises ReplayError for two of one name, kept ones among them."""
    gradients = {f"grad {name}": name for name in leaves}
    for name in outputs:
        if name in gradients:
            raise ReplayError(
                f"the output {shown(name)} and the gradient of {shown(gradients[name])} would both be the column"
                f" {shown(name)}; leave the gradients out (backward=False; --no-backward on the command line)"
            )
    for name in keep:
        if name in outputs or name in gradients:
            what = f"output {shown(name)}" if name in outputs else f"gradient of {shown(gradients[name])}"
            raise ReplayError(f"the {what} and a column to keep would both be called {shown(name)}; rename the table's")
    return [*outputs, *gradients]


def _is_leaf(plan: Plan, given: str) -> bool:
    """Whether a column to keep has the name of an input or parameter: then it is that as well."""
    try:
        return plan.wiring.op(plan.wiring.resolve(given)) in (INPUT, PARAMETER)
    except ReplayError:
        return False


def _leaf(plan: Plan, given: str, where: str) -> str:
    try:
        name = plan.wiring.resolve(given)
    except ReplayError as error:
        keep = f"a column that is no leaf can be kept (keep={shown(given)}; --keep on the command line)"
        raise FileError(f"{where}: {error}; {keep}") from None
    try:
        settable(plan.wiring, name)
    except ReplayError as error:
        raise FileError(f"{where}: {error}") from None
    if "args" in plan.wiring.nodes[plan.wiring.index[name]]:
        raise FileError(f"{where}: {shown(name)} is computed; a column is an input or a parameter")
    return name


def _by_machine(plan: Plan, leaves: list[str], fixed: Mapping[str, float], backward: bool, arithmetic: str) -> Run:
    replayer = load_compiled().Replayer(plan, None, leaves if backward else [], arithmetic)
    for name, x in fixed.items():
        replayer.set(name, x)

    def run(columns: tables.Columns) -> tables.Columns:
        found = replayer.batch(dict(zip(leaves, columns, strict=True)), gradients=backward)
        return [column.tolist() for column in (*found.outputs.values(), *found.gradients.values())]

    return run


def _by_reference(plan: Plan, leaves: list[str], fixed: Mapping[str, float], backward: bool) -> Run:
    outputs = plan.wiring.outputs

    def one(row: tuple[float, ...]) -> list[float]:
        found = replay(plan, {**fixed, **dict(zip(leaves, row, strict=True))}, backward=backward)
        return [found.data[name] for name in outputs] + [found.grad[name] for name in leaves if backward]

    def run(columns: tables.Columns) -> tables.Columns:
        results = [one(row) for row in zip(*columns, strict=True)]
        return [list(column) for column in zip(*results, strict=True)]

    return run
