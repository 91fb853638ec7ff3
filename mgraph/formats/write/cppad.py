"""To CppAD's JSON AD graph, by its grammar (``json_ad_graph`` and ``json_graph_op`` in CppAD's manual).

Its nodes are numbers: independent dynamic parameters from 1 on, independent variables, constants, then the results of
the operators in order. Nothing has a name.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

import orjson

from mgraph.arithmetic.ops import CONSTANT, LEAVES
from mgraph.document.wiring import Wiring
from mgraph.errors import FormatError, shown


class _Tape:
    """Operators as they are written, each of what comes before it. Constants have negative numbers until the end."""

    def __init__(self, leaves: int) -> None:
        self.leaves = leaves
        self.codes: dict[str, int] = {}
        self.constants: dict[str, int] = {}
        self.usages: list[list[int]] = []

    def __call__(self, name: str, *args: int) -> int:
        """The result of one more operator."""
        self.usages.append([self.codes.setdefault(name, len(self.codes) + 1), *args])
        return self.leaves + len(self.usages)

    def constant(self, x: float) -> int:
        """The node of a number; equal numbers, by their bits, share one."""
        return self.constants.setdefault(repr(x), -1 - len(self.constants))

    def index(self, node: int) -> int:
        """The number that a node has in the end: constants stand between the leaves and the results."""
        return self.leaves - node if node < 0 else node + len(self.constants) * (node > self.leaves)


def _sigmoid(op: _Tape, a: int) -> int:
    return op("div", op.constant(1.0), op("add", op.constant(1.0), op("exp", op("neg", a))))


def _maximum(op: _Tape, a: int, b: int) -> int:
    # The sum: NaN of a NaN, -0 only of two -0.
    total = op("add", a, b)
    tie = op("cexp_eq", a, op.constant(0.0), total, a)
    unordered = op("cexp_eq", a, b, tie, total)
    return op("cexp_lt", b, a, a, op("cexp_lt", a, b, b, unordered))


def _minimum(op: _Tape, a: int, b: int) -> int:
    return op("neg", _maximum(op, op("neg", a), op("neg", b)))


def _greater(op: _Tape, a: int, b: int) -> int:
    unordered = op("add", a, b)  # where neither is true, this is NaN
    return op("cexp_lt", b, a, op.constant(1.0), op("cexp_le", a, b, op.constant(0.0), unordered))


OPS: dict[str, str | Callable[..., int]] = {
    **{name: name for name in ("neg", "add", "sub", "mul", "div", "pow", "exp", "expm1", "log", "log1p", "sqrt")},
    **{name: name for name in ("tanh", "sin", "cos", "abs")},
    # The sigmoid as CppAD can differentiate it everywhere: through the absolute value it could not at 0.
    "sigmoid": _sigmoid,
    "relu": lambda op, a: op("cexp_le", a, op.constant(0.0), op.constant(0.0), a),
    "maximum": _maximum,
    "minimum": _minimum,
    "greater": _greater,
    "gate": "azmul",
}
"""By op, CppAD's operator, or what it is composed of."""

ULPS = {"sigmoid": 4}
"""How far the composed ones may be from the correctly rounded result where CppAD's functions give that."""


def write(wiring: Wiring) -> bytes:
    """A CppAD JSON graph: parameters are its dynamic parameters, inputs its variables, each in the document's order.

    Ids, and the numbers of inputs and parameters, have no place in the format; the title is the function's name.
    Raises FormatError for a constant that is not finite, and for an op that is not in ``OPS``.
    """
    leaves = [*wiring.parameters, *wiring.inputs]
    at = {name: k + 1 for k, name in enumerate(leaves)}
    tape = _Tape(len(leaves))
    for node in wiring.nodes:
        name, op = node["id"], node["op"]
        if op == CONSTANT:
            x = float(node["data"])
            if not isfinite(x):
                raise FormatError(f"the constant {shown(name)} is {x}, which CppAD's JSON has no number for")
            at[name] = tape.constant(x)
        elif op not in LEAVES:
            if op not in OPS:
                raise FormatError(f"the op {op} of node {shown(name)} has no meaning in CppAD's JSON")
            args = [at[each] if isinstance(each, str) else tape.constant(float(each)) for each in node["args"]]
            written = OPS[op]
            at[name] = tape(written, *args) if isinstance(written, str) else written(tape, *args)
    return _written(tape, wiring, [at[name] for name in wiring.outputs])


def _written(tape: _Tape, wiring: Wiring, outputs: list[int]) -> bytes:
    """The JSON text: CppAD's reader wants the keys in this order, and knows no escapes in a string."""
    title = "".join(c for c in wiring.document.get("title", "") if c.isprintable() and c not in '"\\')
    arities = {code: len(args) for code, *args in tape.usages}
    defined = [{"op_code": code, "name": name, "n_arg": arities[code]} for name, code in tape.codes.items()]
    usages = [[code, *map(tape.index, args)] for code, *args in tape.usages]
    constants = [orjson.Fragment(text) for text in tape.constants]
    whole = {
        "function_name": title,
        "op_define_vec": [len(defined), defined],
        "n_dynamic_ind": len(wiring.parameters),
        "n_variable_ind": len(wiring.inputs),
        "constant_vec": [len(constants), constants],
        "op_usage_vec": [len(usages), usages],
        "dependent_vec": [len(outputs), list(map(tape.index, outputs))],
    }
    lines = ",\n".join(f'"{key}": {orjson.dumps(value).decode()}' for key, value in whole.items())
    return f"{{\n{lines}\n}}\n".encode()
