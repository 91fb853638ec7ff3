"""An op in a compiled loop over many arguments, for speed.py, which imports the engine only where it measures it."""

from __future__ import annotations

from mgraph.replaying.compiled.layout import CODES
from mgraph.replaying.compiled.loops import Case, ops_of
from mgraph.replaying.compiled.machine_code import Code
from mgraph.replaying.compiled.native import Doubles, Fixed


def applied(case: Fixed[Case], x: Doubles, y: Doubles, out: Doubles, count: int) -> None:
    for k in range(count):
        out[k] = case.formula(x[k], y[k], 0.0)


def loop(op: str, fast: bool) -> Code:
    """The op of each x and y, by our functions or the platform's."""
    (case,) = ops_of([CODES[op]]).forward
    return Code(applied, fast, case=case)
