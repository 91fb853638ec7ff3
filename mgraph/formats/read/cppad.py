"""From CppAD's JSON AD graph, by its grammar (``json_ad_graph`` and ``json_graph_op`` in CppAD's manual).

Its nodes are numbers: independent dynamic parameters from 1 on, independent variables, constants, then the results of
the operators in order. Nothing has a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mgraph.arithmetic.ops import CONSTANT, INPUT, PARAMETER
from mgraph.document import strict_json
from mgraph.document.model import TEXT_LIMIT, Document, Node, Operand, validate
from mgraph.document.strict_json import kind
from mgraph.errors import DocumentError, FormatError, nearest, shown

LIMIT = 10_000
"""Leaves that a file may have beside those that it has room to use: each costs memory, and no bytes in the file."""

KEYS = ("op_define_vec", "n_dynamic_ind", "n_variable_ind", "constant_vec", "op_usage_vec", "dependent_vec")
"""Of a graph, beside ``function_name``."""


class _Recipe:
    """Nodes as they are made. A usage of an operator is ``r[3]``, and what goes before its result ``r[3].0``."""

    def __init__(self, leaves: list[Node]) -> None:
        self.nodes = leaves
        self.usage = ""
        self.parts = 0

    def __call__(self, op: str, *args: Operand) -> Operand:
        """One more node, as an operand."""
        node: Node = {"id": f"{self.usage}.{self.parts}", "op": op, "args": list(args)}
        self.nodes.append(node)
        self.parts += 1
        return node["id"]

    def result(self, k: int, meaning: Callable[..., Operand], args: list[Operand]) -> Operand:
        """The result of a usage, which is the last of the nodes that it is made of, if it is made of any."""
        self.usage, self.parts = f"r[{k}]", 0
        made = meaning(self, *args)
        if self.parts:
            made = self.nodes[-1]["id"] = self.usage
        return made


def _one(name: str) -> Callable[..., Operand]:
    return lambda op, *args: op(name, *args)


def _chosen(op: _Recipe, c: Operand, not_c: Operand, if_true: Operand, if_false: Operand) -> Operand:
    return op("add", op("gate", c, if_true), op("gate", not_c, if_false))


def _where_equal(op: _Recipe, left: Operand, right: Operand, *cases: Operand) -> Operand:
    different = op("add", op("greater", left, right), op("greater", right, left))
    return _chosen(op, op("sub", 1.0, different), different, *cases)


def _where_at_most(op: _Recipe, left: Operand, right: Operand, *cases: Operand) -> Operand:
    above = op("greater", left, right)
    return _chosen(op, op("sub", 1.0, above), above, *cases)


def _where_less(op: _Recipe, left: Operand, right: Operand, *cases: Operand) -> Operand:
    below = op("greater", right, left)
    return _chosen(op, below, op("sub", 1.0, below), *cases)


def _sum(op: _Recipe, *args: Operand) -> Operand:
    total: Operand = args[0] if args else 0.0
    for each in args[1:]:
        total = op("add", total, each)
    return total


UNARY: dict[str, Callable[..., Operand]] = {
    **{name: _one(name) for name in ("abs", "cos", "exp", "expm1", "log", "log1p", "neg", "sin", "sqrt", "tanh")},
    "cosh": lambda op, a: op("mul", 0.5, op("add", op("exp", a), op("exp", op("neg", a)))),
    "sign": lambda op, a: op("sub", op("greater", a, 0.0), op("greater", 0.0, a)),
    "sinh": lambda op, a: op("mul", 0.5, op("sub", op("expm1", a), op("expm1", op("neg", a)))),  # nothing cancels
    "tan": lambda op, a: op("div", op("sin", a), op("cos", a)),
}
BINARY = {**{name: _one(name) for name in ("add", "div", "mul", "pow", "sub")}, "azmul": _one("gate")}
CHOICES = {"cexp_eq": _where_equal, "cexp_le": _where_at_most, "cexp_lt": _where_less}

MEANINGS: dict[str, Callable[..., Operand]] = {"sum": _sum, **UNARY, **BINARY, **CHOICES}
"""By CppAD's operator, of :class:`_Recipe` and the operands."""
ARITIES = {**dict.fromkeys(UNARY, 1), **dict.fromkeys(BINARY, 2), **dict.fromkeys(CHOICES, 4)}
"""Of the operators whose definition says ``n_arg``."""

REFUSED = (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "erf", "erfc"),
    *("discrete", "atom", "atom4", "print", "comp_eq", "comp_le", "comp_lt", "comp_ne"),
)
"""CppAD's other operators: functions that mgraph does not have, and what is no function of numbers."""


def match(loaded: object) -> bool:
    """Whether JSON data is a CppAD graph, right or wrong."""
    return isinstance(loaded, dict) and set(KEYS) <= loaded.keys()


def read(raw: bytes, title: str | None = None, loaded: Any = None) -> Document:
    """The document of a CppAD JSON graph: a recipe of inputs ``x[0]``, parameters ``p[0]`` and results ``r[0]``.

    The graph has no numbers but its constants. Its function's name is the title unless one is given; an output that is
    listed twice is one output. ``loaded`` is the JSON, where it was parsed already. Raises FormatError, with the JSON
    path, for what breaks the grammar and for operators that are not in ``MEANINGS``.
    """
    try:
        loaded = strict_json.loads(raw) if loaded is None else loaded
        strict_json.refuse_repeated_keys(raw, strict_json.count_keys(loaded))
    except DocumentError as error:
        says = re.sub("; (write it as|an infinity is) the string.*", "", str(error))  # which CppAD has not
        raise FormatError(says) from None
    if not isinstance(loaded, dict):
        raise FormatError(f"$: a CppAD graph is an object, not {kind(loaded)}")
    for key in KEYS:
        if key not in loaded:
            raise FormatError(f"$: not a CppAD graph: the key {key!r} is missing")
    nodes = _leaves(loaded, len(raw))
    leaves = len(nodes)
    at: list[Operand] = [*(leaf["id"] for leaf in nodes), *_constants(loaded)]
    names = _defined(_vector(loaded, "op_define_vec"))
    recipe = _Recipe(nodes)
    for k, usage in enumerate(_vector(loaded, "op_usage_vec")):
        name, args = _usage(usage, names, at, f"$.op_usage_vec[1][{k}]")
        at.append(recipe.result(k, MEANINGS[name], args))
    outputs = _outputs(loaded, at, leaves, nodes)
    document: Document = {"mgraph": 1, "nodes": nodes, "outputs": list(dict.fromkeys(outputs))}
    called = loaded.get("function_name")
    title = title or (called[:TEXT_LIMIT] if isinstance(called, str) else None)
    if title:
        document["title"] = title
    return validate({**document, "meta": {"source": "CppAD's JSON AD graph"}})


def _leaves(loaded: dict[str, Any], size: int) -> list[Node]:
    """The parameters and inputs; no more than a file of this size can use, and some that it does not."""
    counts = {op: _count(loaded[key], f"$.{key}") for op, key in _LEAVES.items()}
    if sum(counts.values()) > LIMIT + size:
        raise FormatError(f"$: {sum(counts.values()):,} independent parameters and variables in so small a file")
    return [
        {"id": f"{letter}[{k}]", "op": op}
        for (op, count), letter in zip(counts.items(), "px", strict=True)
        for k in range(count)
    ]


def _constants(loaded: dict[str, Any]) -> list[float]:
    constants = _vector(loaded, "constant_vec")
    for k, x in enumerate(constants):
        if not isinstance(x, int | float) or isinstance(x, bool):
            raise FormatError(f"$.constant_vec[1][{k}]: expected a number, got {kind(x)}")
    return list(map(float, constants))


def _outputs(loaded: dict[str, Any], at: list[Operand], leaves: int, nodes: list[Node]) -> list[str]:
    """The dependent variables; one that is a number becomes a constant among the nodes."""
    constants = len(loaded["constant_vec"][1])
    outputs: list[str] = []
    for k, each in enumerate(_vector(loaded, "dependent_vec")):
        output = _node(each, at, f"$.dependent_vec[1][{k}]")
        if not isinstance(output, str):
            number, place = output, each - 1 - leaves
            output = f"c[{place}]" if place < constants else f"r[{place - constants}]"
            nodes.append({"id": output, "op": CONSTANT, "data": number})
            at[each - 1] = output
        outputs.append(output)
    if not outputs:
        raise FormatError("$.dependent_vec: a graph without dependent variables computes nothing")
    return outputs


_LEAVES = {PARAMETER: "n_dynamic_ind", INPUT: "n_variable_ind"}


def _count(value: object, path: str) -> int:
    if type(value) is not int or value < 0:
        raise FormatError(f"{path}: expected a count, got {kind(value)}")
    return value


def _vector(loaded: dict[str, Any], key: str) -> list[Any]:
    """The entries of a vector, which CppAD writes behind their number."""
    vector = loaded[key]
    if not isinstance(vector, list) or len(vector) != 2 or not isinstance(vector[1], list):
        raise FormatError(f"$.{key}: expected a count and a list of so many entries")
    if _count(vector[0], f"$.{key}[0]") != len(vector[1]):
        raise FormatError(f"$.{key}: it says {vector[0]:,} entries and has {len(vector[1]):,}")
    return vector[1]


def _defined(definitions: list[Any]) -> list[str]:
    """The operators' names in the order of their codes."""
    names = []
    for k, each in enumerate(definitions):
        path = f"$.op_define_vec[1][{k}]"
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise FormatError(f"{path}: expected an object with an op_code and a name")
        name = each["name"]
        if each.get("op_code") != k + 1:
            raise FormatError(
                f"{path}.op_code: codes count from 1, so this is {k + 1}, not {kind(each.get('op_code'))}"
            )
        if name not in MEANINGS and name not in REFUSED:
            known = (*MEANINGS, *REFUSED)
            raise FormatError(f"{path}.name: CppAD has no operator {shown(name)}.{nearest(name, known)}")
        if name in MEANINGS and each.get("n_arg") != ARITIES.get(name):
            wanted = f"{ARITIES[name]}" if name in ARITIES else "not given"
            raise FormatError(f"{path}.n_arg: of {name} it is {wanted}, not {kind(each.get('n_arg'))}")
        names.append(name)
    return names


def _usage(usage: Any, names: list[str], at: list[Operand], path: str) -> tuple[str, list[Operand]]:
    """The operator that a usage is of, and its operands."""
    code = usage[0] if isinstance(usage, list) and usage else None
    if type(code) is not int or not 1 <= code <= len(names):
        raise FormatError(f"{path}: expected a list that begins with an op_code, of which there are {len(names)}")
    name, args = names[code - 1], usage[1:]
    if name in REFUSED:
        raise FormatError(f"{path}: CppAD's {name} is not supported; mgraph has no op for it")
    if name in ARITIES:
        if len(args) != ARITIES[name]:
            raise FormatError(
                f"{path}: {name} takes {ARITIES[name]} argument{'s' * (ARITIES[name] > 1)}, not {len(args)}"
            )
        return name, [_node(each, at, f"{path}[{k + 1}]") for k, each in enumerate(args)]
    if len(args) != 3 or args[0] != 1 or not isinstance(args[2], list) or args[1] != len(args[2]):
        raise FormatError(f"{path}: of {name} the form is [op_code, 1, n_arg, [n_arg arguments]]")
    return name, [_node(each, at, f"{path}[3][{k}]") for k, each in enumerate(args[2])]


def _node(index: Any, at: list[Operand], path: str) -> Operand:
    """What stands for a node that has been made."""
    if type(index) is not int or not 1 <= index <= len(at):
        raise FormatError(f"{path}: expected a node from 1 to {len(at):,}, those before it, got {kind(index)}")
    return at[index - 1]
