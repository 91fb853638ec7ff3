"""Graphs as straight-line programs: an expression for each operation, in any language, and Python modules whole."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from math import isfinite
from typing import NamedTuple

from mgraph.arithmetic.ops import CONSTANT, LEAVES, OPS
from mgraph.document.canonical import digest
from mgraph.document.model import Node
from mgraph.document.spelling import unused
from mgraph.document.wiring import Wiring
from mgraph.errors import FormatError, shown
from mgraph.transforming.derivatives import gradient

INFIX = {"neg": "-{0}", "add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}", "div": "{0} / {1}"}
"""What most languages write alike."""


def functions(prefix: str, *names: str) -> dict[str, str]:
    """The templates of ops that are functions of the same name, behind a prefix such as ``np.``."""
    return {name: f"{prefix}{name}({', '.join(['{0}', '{1}'][: OPS[name].arity])})" for name in names}


def expressions(
    wiring: Wiring, format: str, ops: Mapping[str, str], operand: Callable[[str | float], str]
) -> Iterator[tuple[Node, str]]:
    """Each operation, in order, with its expression: the template that ``ops`` has for it, over its operands.

    ``operand`` spells an id or a literal. Raises FormatError for an op that is not in ``ops``.
    """
    for node in wiring.nodes:
        if "args" in node:
            if node["op"] not in ops:
                raise refused(format, node)
            yield node, ops[node["op"]].format(*map(operand, node["args"]))


def refused(format: str, node: Node) -> FormatError:
    """The error for an op that a format does not have."""
    return FormatError(f"{format} cannot express the op {node['op']!r} of node {shown(node['id'])}")


def identifiers(wiring: Wiring, reserved: Collection[str]) -> dict[str, str]:
    """A variable for each node, by id: the id if it can be one, else a number such as ``v12``."""
    taken = set(reserved)
    found: dict[str, str] = {}
    for node in wiring.nodes:
        name = node["id"]
        if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name not in taken:
            found[name] = name
            taken.add(name)
    for k, node in enumerate(wiring.nodes):
        if node["id"] not in found:
            found[node["id"]] = name = unused(f"v{k}", taken)
            taken.add(name)
    return found


def about(wiring: Wiring) -> list[str]:
    """The first lines of an exported text: its title, and which document it was made of."""
    title = wiring.document.get("title", "A computation")
    lines = ["".join(c if c.isprintable() else "\ufffd" for c in line) for line in title.splitlines()]
    return [*lines, "", f"Exported by mgraph from the document {digest(wiring.document)}."]


def docstring(wiring: Wiring, notes: str = "") -> list[str]:
    """The lines of a Python module's docstring."""
    text = "\n".join(about(wiring)).replace("\\", "\\\\").replace('"""', "'''")
    return [f'"""{text}', *(["", notes] if notes else []), '"""', ""]


def gradients_of(wiring: Wiring) -> tuple[Wiring, dict[str, str]] | None:
    """The graph of the gradients, and which of its outputs is that of each input and parameter; None without any."""
    leaves = [node["id"] for node in wiring.nodes if node["op"] in LEAVES and node["op"] != CONSTANT]
    if not leaves:
        return None
    derived = Wiring(gradient(wiring, None, leaves))
    return derived, dict(zip(leaves, derived.document["outputs"], strict=True))


class Dialect(NamedTuple):
    """A library that a Python module computes with."""

    format: str
    imports: str
    ops: Mapping[str, str]
    helpers: Mapping[str, str]
    """Source of the functions that the templates of ``ops`` call, by name; those used are written out."""
    convert: str
    """Makes a number of what was given: an expression over ``value``."""
    number: str
    """A number of the program's own, as a template; literals of + - * / are plain."""
    notes: str
    """What a reader must know, for the docstring."""
    decorator: str = ""
    """A line above each function, if it needs one."""


_PLAIN = ("add", "sub", "mul", "div")


def module(wiring: Wiring, dialect: Dialect) -> bytes:
    """A Python module with ``forward(**inputs)`` and ``gradients(**inputs)``. Raises FormatError."""
    names = {"forward": wiring, "gradients": wiring}
    results = {"forward": {name: name for name in wiring.outputs}, "gradients": {}}
    derived = gradients_of(wiring)
    if derived is not None:
        names["gradients"], results["gradients"] = derived
    functions = [_function(name, names[name], results[name], dialect) for name in ("forward", "gradients")]
    body = "\n\n\n".join(functions)
    ops = {node["op"] for each in names.values() for node in each.nodes} - {*LEAVES}
    called = dialect.convert + "".join(dialect.ops[op] for op in ops)
    used = _called(called + dialect.number, dialect.helpers)
    used = _called(called + dialect.number + "".join(used), dialect.helpers)
    leaves = [node for node in wiring.nodes if node["op"] in LEAVES and node["op"] != CONSTANT]
    lines = [
        *docstring(wiring, dialect.notes),
        dialect.imports,
        "",
        "LEAVES = {",
        *(f"    {node['id']!r}: {_literal(node['data']) if 'data' in node else None}," for node in leaves),
        "}",
        '"""Inputs and parameters with their recorded numbers; None must be given one."""',
        "",
        "",
        _GIVEN.format(convert=dialect.convert),
        *(f"\n{text.strip()}\n" for text in used),
        "",
        body,
        "",
        "",
        'if __name__ == "__main__":',
        "    for name, result in forward().items():",  # no name here may be that of a helper
        '        print(name, "=", float(result))',
        "    for name, result in gradients().items():",
        '        print("d/d" + name, "=", float(result))',
        "",
    ]
    return "\n".join(lines).encode()


def _called(text: str, helpers: Mapping[str, str]) -> list[str]:
    return [source for name, source in helpers.items() if re.search(rf"(?<!def )(?<![.\w]){name}\(", text)]


_GIVEN = """\
def _given(inputs):
    unknown = [name for name in inputs if name not in LEAVES]
    missing = [name for name, value in LEAVES.items() if value is None and name not in inputs]
    if unknown or missing:
        raise TypeError(f"no such input: {{unknown}}" if unknown else f"no number for {{missing}}")
    return {{name: {convert} for name, value in {{**LEAVES, **inputs}}.items()}}
"""
_DOCS = {
    "forward": "The outputs, by name; an input or parameter that is not given has its recorded number.",
    "gradients": "The gradient of the outputs, times their seeds, by each input and parameter.",
}


def _function(function: str, wiring: Wiring, results: Mapping[str, str], dialect: Dialect) -> str:
    reserved = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *dialect.helpers, "_given", "inputs", "given"}
    reserved |= {"LEAVES", "forward", "gradients", *re.findall(r"\w+", dialect.imports)}
    names = identifiers(wiring, reserved)
    lines = [
        *([dialect.decorator] if dialect.decorator else []),
        f"def {function}(**inputs):",
        f'    """{_DOCS[function]}"""',
    ]
    if results:
        lines.append("    given = _given(inputs)")
        lines += [_leaf(node, names, dialect) for node in wiring.nodes if node["op"] in LEAVES]
    for node, text in _statements(wiring, names, dialect) if results else ():
        told = "" if names[node["id"]] == node["id"] else f"  # {_comment(node['id'])}"
        lines.append(f"    {names[node['id']]} = {text}{told}")
    lines.append("    return {")
    lines += [f"        {name!r}: {names[of]}," for name, of in results.items()]
    return "\n".join([*lines, "    }"])


def _leaf(node: Node, names: Mapping[str, str], dialect: Dialect) -> str:
    name = node["id"]
    if node["op"] == CONSTANT:
        return f"    {names[name]} = {dialect.number.format(_literal(node['data']))}"
    return f"    {names[name]} = given[{name!r}]"


def _statements(wiring: Wiring, names: Mapping[str, str], dialect: Dialect) -> Iterator[tuple[Node, str]]:
    def plain(operand: str | float) -> str:
        return names[operand] if isinstance(operand, str) else _literal(operand)

    def wrapped(operand: str | float) -> str:
        return names[operand] if isinstance(operand, str) else dialect.number.format(_literal(operand))

    for node in wiring.nodes:
        if "args" in node:
            if node["op"] not in dialect.ops:
                raise refused(dialect.format, node)
            infix = node["op"] in _PLAIN and any(isinstance(operand, str) for operand in node["args"])
            yield node, dialect.ops[node["op"]].format(*map(plain if infix else wrapped, node["args"]))


def _literal(x: float | str) -> str:
    value = float(x)
    if not isfinite(value):
        return f'float("{value}")'
    return repr(value) if str(value)[0] != "-" else f"({value!r})"


def _comment(name: str) -> str:
    return name if name.isprintable() and len(name) <= 80 else ascii(name)[:80]
