"""C99: one file without dependencies but the C library's mathematics."""

from __future__ import annotations

import re
from math import isfinite

from mgraph.arithmetic.ops import CONSTANT, LEAVES
from mgraph.document.wiring import Wiring
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


def write(wiring: Wiring) -> bytes:
    """A C99 file with ``forward`` and ``gradients``, and a ``main`` that prints both where ``MGRAPH_MAIN`` is defined.

    Leaves, outputs and their names are arrays in the document's order. No product and sum is contracted.
    """
    leaves = [node for node in wiring.nodes if node["op"] in LEAVES and node["op"] != CONSTANT]
    places = {node["id"]: f"x[{k}]" for k, node in enumerate(leaves)}
    parts = [_function("forward", wiring, places, wiring.outputs)]
    derived = gradients_of(wiring)
    if derived is not None:
        parts.append(_function("gradients", derived[0], places, list(derived[1].values())))
    body = "\n".join(parts)
    helpers = [text for name, text in _HELPERS.items() if f"{name}(" in body]
    numbers = [_number(node["data"]) if "data" in node else "NAN" for node in leaves]
    return "\n".join(
        [
            "/* " + "\n * ".join(map(_comment, about(wiring))) + "\n *",
            " * forward(x, y) computes the outputs y from the leaves x, gradients(x, y) the gradient of the outputs,",
            " * times their seeds, by each leaf; neither is reentrant.",
            " * Compile with: cc -std=c99 -O2 -DMGRAPH_MAIN FILE -lm */",
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
            f"enum {{ LEAVES = {len(leaves)}, OUTPUTS = {len(wiring.outputs)} }};",
            _array("const char *const leaf_names", [_string(node["id"]) for node in leaves]),
            _array("const char *const output_names", [_string(name) for name in wiring.outputs]),
            "/* The recorded numbers; NAN where there is none. */",
            _array("const double recorded", numbers),
            "",
            *helpers,
            "",
            body,
            _main(bool(leaves)),
        ]
    ).encode()


def _function(name: str, wiring: Wiring, leaves: dict[str, str], results: list[str]) -> str:
    place = dict(leaves)
    constants = [node for node in wiring.nodes if node["op"] == CONSTANT]
    place |= {node["id"]: _number(node["data"]) for node in constants}
    operations = [node["id"] for node in wiring.nodes if "args" in node]
    place |= {node: f"v[{k}]" for k, node in enumerate(operations)}

    def operand(each: str | float) -> str:
        return place[each] if isinstance(each, str) else _number(each)

    lines = [
        f"    {place[node['id']]} = {text}; /* {_comment(node['id'])} */"
        for node, text in expressions(wiring, "C", OPS, operand)
    ]
    chunks = [lines[k : k + _CHUNK] for k in range(0, len(lines), _CHUNK)]
    parts, calls = [], []
    for k, chunk in enumerate(chunks):
        uses = "    (void)x;\n" if not any("x[" in line for line in chunk) else ""
        parts.append(f"static void {name}_{k}(const double *x, double *v)\n{{\n{uses}" + "\n".join(chunk) + "\n}\n")
        calls.append(f"    {name}_{k}(x, v);")
    needed = f"    static double v[{len(operations)}];" if operations else ""
    ends = [f"    y[{k}] = {place[each]};" for k, each in enumerate(results)]
    unused = "" if leaves and (calls or any("x[" in end for end in ends)) else "    (void)x;"
    inside = "\n".join(line for line in (needed, unused, *calls, *ends) if line)
    return "".join(f"{part}\n" for part in parts) + f"void {name}(const double *x, double *y)\n{{\n{inside}\n}}\n"


def _main(gradients: bool) -> str:
    lines = [
        "",
        "#ifdef MGRAPH_MAIN",
        "int main(void)",
        "{",
        "    double y[LEAVES + OUTPUTS];",
        "    int k;",
        "    forward(recorded, y);",
        '    for (k = 0; k < OUTPUTS; k++) printf("%s = %.17g\\n", output_names[k], y[k]);',
    ]
    if gradients:
        lines += [
            "    gradients(recorded, y);",
            '    for (k = 0; k < LEAVES; k++) printf("d/d%s = %.17g\\n", leaf_names[k], y[k]);',
        ]
    return "\n".join([*lines, "    return 0;", "}", "#endif", ""])


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
