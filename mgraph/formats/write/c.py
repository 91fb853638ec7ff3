"""C99: a file without dependencies but the C library's mathematics, and its header."""

from __future__ import annotations

import re
from math import isfinite

from mgraph.arithmetic.ops import CONSTANT, LEAVES
from mgraph.document.wiring import Wiring
from mgraph.errors import FormatError, shown
from mgraph.formats.write.programs import INFIX, about, expressions, gradients_of

OPS = {
    **INFIX,
    "pow": "pow({0}, {1})",
    "exp": "exp({0})",
    "expm1": "expm1({0})",
    "log": "log({0})",
    "log1p": "log1p({0})",
    "sqrt": "sqrt({0})",
    "tanh": "tanh({0})",
    "sigmoid": "1.0 / (1.0 + exp(-{0}))",
    "relu": "mg_relu({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "abs": "fabs({0})",
    "maximum": "mg_maximum({0}, {1})",
    "minimum": "-mg_maximum(-{0}, -{1})",
    "greater": "mg_greater({0}, {1})",
    "gate": "mg_gate({0}, {1})",
}

ULPS = {"pow": 2, "exp": 2, "expm1": 2, "log": 2, "log1p": 2, "tanh": 3, "sigmoid": 5, "sin": 2, "cos": 2}
"""How far a C library's functions may be from the correctly rounded result, per operation; the rest is exact."""

_HELPERS = {
    "mg_relu": "static double mg_relu(double a) { return a <= 0.0 ? 0.0 : a; }",
    "mg_maximum": "static double mg_maximum(double a, double b)\n"
    "{\n    return a > b ? a : b > a ? b : a == b && a != 0.0 ? a : a + b; /* the sum: NaN, or the zero's sign */\n}",
    "mg_greater": "static double mg_greater(double a, double b) { return a > b ? 1.0 : a <= b ? 0.0 : NAN; }",
    "mg_gate": "static double mg_gate(double a, double b) { return a == 0.0 ? 0.0 : a * b; }",
}
_CHUNK = 100
"""Statements in a function at most: compilers take more than linear time for long ones."""


def write(wiring: Wiring, prefix: str = "mgraph") -> bytes:
    """A C99 file, which is C++ too, with ``PREFIX_forward`` and ``PREFIX_gradients``, and a ``main`` that prints both
    where ``MGRAPH_MAIN`` is defined. It includes what :func:`write_header` writes.

    The functions are reentrant: what they compute is in arrays of the caller. Leaves, outputs and their names are
    arrays in the document's order. No product and sum is contracted. Raises FormatError for a ``prefix`` that is not
    a letter and then letters, digits and underscores.
    """
    program = _Program(wiring, prefix)
    body = "\n".join(program.functions)
    numbers = [_number(node["data"]) if "data" in node else "NAN" for node in program.leaves]
    return "\n".join(
        [
            *program.header("Compile with: cc -std=c99 -O2 -c FILE. With -DMGRAPH_MAIN and -lm it is a program."),
            "",
            "#include <math.h>",
            "#ifdef MGRAPH_MAIN",
            "#include <stdio.h>",
            "#endif",
            "#if defined(__clang__)",
            "#pragma STDC FP_CONTRACT OFF",
            "#elif defined(__GNUC__)",
            '#pragma GCC optimize("fp-contract=off")',
            "#endif",
            "",
            _array(f"const char *const {prefix}_leaf_names", [_string(node["id"]) for node in program.leaves]),
            _array(f"const char *const {prefix}_output_names", [_string(name) for name in wiring.outputs]),
            _array(f"const double {prefix}_recorded", numbers),
            "",
            *(text for name, text in _HELPERS.items() if f"{name}(" in body),
            "",
            body,
            program.main(),
        ]
    ).encode()


def write_header(wiring: Wiring, prefix: str = "mgraph") -> bytes:
    """The header of the file that :func:`write` writes with the same ``prefix``; for C and C++."""
    return "\n".join([*_Program(wiring, prefix).header(), ""]).encode()


class _Program:
    """The names, sizes and functions of a graph in C."""

    def __init__(self, wiring: Wiring, prefix: str) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", prefix):
            allowed = "a letter, and then letters, digits and underscores, 40 at most"
            raise FormatError(f"{shown(prefix)} begins no names in C: a prefix is {allowed}")
        self.wiring, self.prefix, self.upper = wiring, prefix, prefix.upper()
        self.leaves = [node for node in wiring.nodes if node["op"] in LEAVES and node["op"] != CONSTANT]
        derived = gradients_of(wiring)
        places = {node["id"]: f"x[{k}]" for k, node in enumerate(self.leaves)}
        self.functions = [_function(f"{prefix}_forward", wiring, places, wiring.outputs)]
        self.work = _operations(wiring)
        if derived is not None:
            self.functions.append(_function(f"{prefix}_gradients", derived[0], places, list(derived[1].values())))
            self.work = max(self.work, _operations(derived[0]))

    def header(self, note: str = "") -> list[str]:
        """What another file must know."""
        prefix, upper = self.prefix, self.upper
        listed = [f"x[{k}]  {node['id']}" for k, node in enumerate(self.leaves)]
        listed += [f"y[{k}]  {name}" for k, name in enumerate(self.wiring.outputs)]
        said = [*about(self.wiring), *([note] if note else []), "", *listed]
        lines = [
            "/* " + "\n".join(f" * {_comment(line)}".rstrip() for line in said)[3:] + " */",
            f"#ifndef {upper}_MGRAPH_H",
            f"#define {upper}_MGRAPH_H",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            "/* Lengths of the arrays below; of WORK doubles, what a call computes on its way. */",
            f"enum {{ {upper}_LEAVES = {len(self.leaves)}, {upper}_OUTPUTS = {len(self.wiring.outputs)},"
            f" {upper}_WORK = {max(1, self.work)} }};",
            "",
            f"extern const char *const {prefix}_leaf_names[];",
            f"extern const char *const {prefix}_output_names[];",
            "/* The leaves' recorded numbers; NAN where there is none. */",
            f"extern const double {prefix}_recorded[];",
            "",
            f"/* The outputs y[{upper}_OUTPUTS] from the leaves x[{upper}_LEAVES]. Reentrant: nothing is kept between",
            f" * calls, and work[{upper}_WORK] is the caller's, with any contents. The arrays do not overlap. */",
            f"void {prefix}_forward(const double *x, double *y, double *work);",
        ]
        if self.leaves:
            lines += [
                f"/* The gradient g[{upper}_LEAVES] of the outputs, times their seeds, by each of the leaves x. */",
                f"void {prefix}_gradients(const double *x, double *g, double *work);",
            ]
        return [*lines, "", "#ifdef __cplusplus", "}", "#endif", "#endif"]

    def main(self) -> str:
        """A program that prints the outputs, and the gradients, of the recorded numbers."""
        prefix, upper = self.prefix, self.upper
        lines = [
            "",
            "#ifdef MGRAPH_MAIN",
            "int main(void)",
            "{",
            f"    static double y[{upper}_LEAVES + {upper}_OUTPUTS], work[{upper}_WORK];",
            "    int k;",
            f"    {prefix}_forward({prefix}_recorded, y, work);",
            f'    for (k = 0; k < {upper}_OUTPUTS; k++) printf("%s = %.17g\\n", {prefix}_output_names[k], y[k]);',
        ]
        if self.leaves:
            lines += [
                f"    {prefix}_gradients({prefix}_recorded, y, work);",
                f'    for (k = 0; k < {upper}_LEAVES; k++) printf("d/d%s = %.17g\\n", {prefix}_leaf_names[k], y[k]);',
            ]
        return "\n".join([*lines, "    return 0;", "}", "#endif", ""])


def _operations(wiring: Wiring) -> int:
    return sum("args" in node for node in wiring.nodes)


def _function(name: str, wiring: Wiring, leaves: dict[str, str], results: list[str]) -> str:
    place = dict(leaves)
    place |= {node["id"]: _number(node["data"]) for node in wiring.nodes if node["op"] == CONSTANT}
    operations = [node["id"] for node in wiring.nodes if "args" in node]
    place |= {node: f"v[{k}]" for k, node in enumerate(operations)}

    def operand(each: str | float) -> str:
        return place[each] if isinstance(each, str) else _number(each)

    lines = [
        f"    {place[node['id']]} = {text}; /* {_comment(node['id'])} */"
        for node, text in expressions(wiring, "C", OPS, operand)
    ]
    parts, calls = [], []
    for k in range(0, len(lines), _CHUNK):
        chunk = lines[k : k + _CHUNK]
        part = f"{name}_{k // _CHUNK}"
        unused = [] if any("x[" in line for line in chunk) else ["    (void)x;"]
        parts.append("\n".join([f"static void {part}(const double *x, double *v)", "{", *unused, *chunk, "}", "", ""]))
        calls.append(f"    {part}(x, v);")
    ends = [f"    y[{k}] = {place[each]};" for k, each in enumerate(results)]
    unused = [f"    (void){each};" for each in "xv" if not calls and not any(f"{each}[" in end for end in ends)]
    inside = "\n".join([*unused, *calls, *ends])
    return "".join(parts) + f"void {name}(const double *x, double *y, double *v)\n{{\n{inside}\n}}\n"


def _array(declaration: str, entries: list[str]) -> str:
    # C99 has no empty arrays: one entry that nobody reads.
    return f"{declaration}[] = {{\n" + "\n".join(f"    {entry}," for entry in entries or ["0"]) + "\n};"


def _number(x: float | str) -> str:
    value = float(x)
    if not isfinite(value):
        return "NAN" if value != value else "INFINITY" if value > 0 else "(-INFINITY)"
    return repr(value) if repr(value)[0] != "-" else f"({value!r})"


def _string(text: str) -> str:
    def escaped(byte: int) -> str:
        return chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"

    return '"' + "".join(map(escaped, text.encode())) + '"'


def _comment(text: str) -> str:
    """A text that cannot end the comment it stands in, nor look like the start of another."""
    printable = "".join(c if " " <= c < "\x7f" else "?" for c in text[:120])
    return re.sub(r"[*/\\?](?=[*/?\s]|$)", "_", printable)
