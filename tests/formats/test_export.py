"""Going out: every op is mapped or refused in every format, and every program that is exported is run."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from arithmetic.test_ops import points
from conftest import ROOT, SMALL, Cli, bits, random_document, random_value, with_dot

from mgraph import FormatError, Graph, Value, load, record
from mgraph.arithmetic.ops import OPS
from mgraph.checking.audit import ulps
from mgraph.formats import TARGETS, export, module
from mgraph.recording.value import apply

PROGRAMS = ("python", "numpy", "torch", "jax", "c")
EXACT = ("neg", "add", "sub", "mul", "div", "sqrt", "relu", "abs", "maximum", "minimum", "greater", "gate")
"""Ops of IEEE basic operations and choices alone: the same bits everywhere."""


def needs(name: str) -> None:
    package = {"torch": "torch", "jax": "jax", "sympy": "sympy", "onnx": "onnx", "numpy": "numpy"}.get(name)
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed; this checks what is exported to it")
    if name == "c" and shutil.which("cc") is None:
        pytest.skip("no C compiler (cc) is installed")


def one_op(name: str, *operands: float) -> Graph:
    values = [Value(x, name=f"x{k}") for k, x in enumerate(operands)]
    y = apply(name, *values)
    y.backward()
    return record(y)


def python_module(text: bytes, path: Path) -> ModuleType:
    path.write_bytes(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def ran(graph: Graph, to: str, folder: Path) -> tuple[list[float], list[float]]:
    """Outputs and gradients that the exported program computes, in the document's order."""
    text = graph.export(to)
    if to == "c":
        (folder / "f.c").write_bytes(text)
        flags = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O2", "-DMGRAPH_MAIN"]
        subprocess.run(["cc", *flags, "f.c", "-o", "f", "-lm"], cwd=folder, check=True)
        lines = subprocess.run([folder / "f"], capture_output=True, text=True, check=True).stdout.splitlines()
        numbers = [float(line.rpartition(" = ")[2]) for line in lines if " = " in line]
        return numbers[: len(graph.outputs)], numbers[len(graph.outputs) :]
    made = python_module(text, folder / f"{to}_program.py")
    return [float(x) for x in made.forward().values()], [float(x) for x in made.gradients().values()]


def leaves(graph: Graph) -> list[str]:
    return [node["id"] for node in graph.nodes if node["op"] in ("input", "parameter")]


REFUSED: dict[str, set[str]] = {}
"""Ops that a format does not have and that cannot be composed of others; docs/howto/export.md says that there are none."""


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("name", OPS)
def test_every_op_is_mapped_or_refused_by_name(name: str, to: str) -> None:
    needs(to)
    graph = one_op(name, *next(iter(points(OPS[name]))))
    if name in REFUSED.get(to, ()):
        with pytest.raises(FormatError, match=rf"\b{name}\b"):
            graph.export(to)
    else:
        assert graph.export(to)


@pytest.mark.parametrize("to", [each for each in TARGETS if each not in ("json", "csv", "graphml", "node-link", "dot")])
def test_an_op_that_a_format_does_not_have_is_refused(to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(to)
    made = module(TARGETS[to].module)
    table = made.SPELLED if hasattr(made, "SPELLED") else made.OPS
    graph = one_op("tanh", 0.5)
    monkeypatch.delitem(table, "tanh")
    with pytest.raises(FormatError, match="tanh"):
        graph.export(to)


@pytest.mark.slow
@pytest.mark.parametrize("to", PROGRAMS)
def test_each_op_alone(to: str, tmp_path: Path) -> None:
    """Bit for bit for IEEE basic operations, within the stated ULPs for the rest."""
    needs(to)
    stated = module(TARGETS[to].module).ULPS
    assert set(stated) | set(EXACT) == set(OPS)
    outputs: list[Any] = []
    names = []
    for name, op in OPS.items():
        for k, point in enumerate(points(op)):
            if to == "jax" and any(0.0 < abs(x) < 2.0**-1022 for x in point):
                continue
            values = [Value(x, name=f"{name} {k} {place}") for place, x in enumerate(point)]
            outputs.append(apply(name, *values))
            names.append((name, point))
    graph = record(*outputs)
    found, _ = ran(graph, to, tmp_path)
    for (name, point), x, y in zip(names, found, graph.replay().outputs.values(), strict=True):
        if to == "jax" and 0.0 < abs(y) < 2.0**-1022:
            continue
        zero = to in ("torch", "jax") and name in ("maximum", "minimum", "relu") and x == y == 0.0
        same = zero or (bits(x) == bits(y) if name in EXACT else ulps(x, y) <= stated[name])
        assert same, f"{name}{point}: {x!r}, not {y!r}, {ulps(x, y)} ulp"


@pytest.mark.slow
@pytest.mark.parametrize("to", PROGRAMS)
@pytest.mark.parametrize("seed", range(3))
def test_random_graphs(to: str, seed: int, tmp_path: Path) -> None:
    needs(to)
    root, _ = random_value(seed, 120)
    root.backward()
    graph = record(root)
    run = graph.replay()
    found, slopes = ran(graph, to, tmp_path)
    assert found == pytest.approx(list(run.outputs.values()), rel=1e-11)
    assert slopes == pytest.approx([run.grad[name] for name in leaves(graph)], rel=1e-9, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("to", ["python", "numpy", "torch", "c"])
@pytest.mark.parametrize("seed", range(3))
def test_random_graphs_of_basic_operations_to_the_bit(to: str, seed: int, tmp_path: Path) -> None:
    needs(to)
    rng = random.Random(seed)
    pool = [Value(rng.uniform(-2, 2), name=f"x{k}") for k in range(5)]
    while len(pool) < 150:
        op = OPS[rng.choice(EXACT)]
        y = apply(op.name, *(rng.choice(pool[-40:]) for _ in range(op.arity)))
        pool.append(y * 0.125 if abs(y.data) > 100 else y - 1.5)
    root = sum(pool[-30:], pool[0])
    root.backward()
    graph = record(root)
    run = graph.replay()
    found, slopes = ran(graph, to, tmp_path)
    assert [*map(bits, found)] == [*map(bits, run.outputs.values())]
    assert [*map(bits, slopes)] == [bits(run.grad[name]) for name in leaves(graph)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("to", ["python", "numpy", "c"])
def test_hostile_numbers_and_constants(to: str, seed: int, tmp_path: Path) -> None:
    needs(to)
    graph = Graph(random_document(seed))
    found, slopes = ran(graph, to, tmp_path)
    run = graph.replay()
    assert len(found) == len(run.outputs) and len(slopes) == len(leaves(graph))
    for x, y in zip(found, run.outputs.values(), strict=True):
        assert x == pytest.approx(y, rel=1e-9, nan_ok=True)
    for x, name in zip(slopes, leaves(graph), strict=True):
        # Where a backward pass gives NaN, the gradient's graph may give 0: docs/explanation/derivatives.md.
        assert x == pytest.approx(run.grad[name], rel=1e-8, nan_ok=True) or (math.isnan(run.grad[name]) and x == 0.0)


@pytest.mark.parametrize("path", SMALL, ids=lambda p: p.stem)
@pytest.mark.parametrize("to", ["python", "numpy", "torch", "c", pytest.param("jax", marks=pytest.mark.slow)])
def test_samples(path: Path, to: str, tmp_path: Path) -> None:
    needs(to)
    graph = load(path)
    found, slopes = ran(graph, to, tmp_path)
    run = graph.replay()
    assert found == pytest.approx(list(run.outputs.values()), rel=1e-12)
    assert slopes == pytest.approx([run.grad[name] for name in leaves(graph)], rel=1e-11, abs=1e-15)


@pytest.mark.parametrize(
    "to", ["python", "numpy", "c", "sympy", *(pytest.param(to, marks=pytest.mark.slow) for to in ("torch", "jax"))]
)
def test_every_program_runs_as_a_script(to: str, tmp_path: Path) -> None:
    """Of every op, so that every helper is in it; it prints the outputs and the gradients."""
    needs(to)
    outputs = []
    for name, op in OPS.items():
        point = next(p for p in points(op) if all(0.01 < abs(x) < 10 for x in p) and math.isfinite(op.forward(*p)))
        outputs.append(apply(name, *(Value(x, name=f"{name}{k}") for k, x in enumerate(point))))
    graph = record(*outputs)
    run = graph.replay()
    script = tmp_path / f"program{TARGETS[to].suffix}"
    script.write_bytes(graph.export(to))
    if to == "c":
        subprocess.run(["cc", "-std=c99", "-DMGRAPH_MAIN", script, "-o", tmp_path / "program", "-lm"], check=True)
    argv = [tmp_path / "program"] if to == "c" else [sys.executable, script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    printed = dict(line.split(" = ") for line in done.stdout.splitlines())
    if to == "sympy":
        assert list(printed) == graph.outputs
        return
    wanted = {**run.outputs, **{f"d/d{name}": run.grad[name] for name in leaves(graph)}}
    assert list(printed) == list(wanted)
    assert [*map(float, printed.values())] == pytest.approx(list(wanted.values()), rel=1e-13, abs=1e-15)


def test_a_python_module_takes_numbers_and_refuses_others(tmp_path: Path) -> None:
    graph = load(ROOT / "samples/tanh.json")
    made = python_module(graph.export("python"), tmp_path / "lesson.py")
    assert made.forward(a=0.7)["d"] == pytest.approx(graph.replay({"a": 0.7}).outputs["d"], rel=1e-15)
    assert list(made.gradients()) == ["a", "b"]
    with pytest.raises(TypeError, match=r"no such input: \['z'\]"):
        made.forward(z=1.0)
    done = subprocess.run([sys.executable, tmp_path / "lesson.py"], capture_output=True, text=True, check=True)
    assert [line.partition(" = ")[0] for line in done.stdout.splitlines()] == ["d", "d/da", "d/db"]


def test_an_input_without_a_number_must_be_given_one(tmp_path: Path) -> None:
    graph = Graph({"mgraph": 1, "nodes": [{"id": "x", "op": "input"}, {"id": "y", "op": "mul", "args": ["x", 2.0]}]})
    made = python_module(graph.export("python"), tmp_path / "recipe.py")
    assert made.forward(x=3.0) == {"y": 6.0}
    with pytest.raises(TypeError, match=r"no number for \['x'\]"):
        made.forward()


def test_numpy_takes_rows(tmp_path: Path) -> None:
    import numpy as np

    graph = load(ROOT / "samples/tanh.json")
    made = python_module(graph.export("numpy"), tmp_path / "rows.py")
    rows = np.array([0.5001, 0.7, -1.0])
    alone = [float(made.forward(a=a)["d"]) for a in rows]
    assert made.forward(a=rows)["d"].tolist() == alone
    assert made.gradients(a=rows)["b"].shape == (3,)


def test_autograd_goes_through_what_is_exported_to_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; this checks what is exported to it")
    graph = load(ROOT / "samples/neuron.json")
    made = python_module(graph.export("torch"), tmp_path / "net.py")
    x = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    made.forward(x1=x)[graph.outputs[0]].backward()
    assert float(x.grad) == pytest.approx(float(made.gradients()["x1"]), rel=1e-14)


HOSTILE_NAMES = [
    "import",
    "math",
    "given",
    "x y",
    '"""',
    "\\",
    "*/",
    "??/",
    "é",
    "n\nm",
    "a\\",
    "__",
    "%s",
    "v0",
    "0",
    "d{}",
]


@pytest.mark.parametrize("to", TARGETS)
def test_hostile_names(to: str, tmp_path: Path) -> None:
    needs(to)
    values = [Value(float(k + 1), name=name) for k, name in enumerate(HOSTILE_NAMES)]
    y = sum(values[1:], values[0])
    y.name = '""" * / \\'
    y.backward()
    graph = record(y, title='*/ """ \\ end{align*} \u202e\x00\x1b\nsecond line' if to != "graphml" else None)
    if to in PROGRAMS:
        found, slopes = ran(graph, to, tmp_path)
        assert found == [sum(range(1, len(values) + 1))] and slopes == [1.0] * len(values)
    elif to == "sympy":
        made = python_module(graph.export(to), tmp_path / "s.py")
        assert made.outputs[y.name].subs(made.recorded) == sum(range(1, len(values) + 1))
    elif to == "c-header":
        needs("c")
        (tmp_path / "f.h").write_bytes(graph.export(to))
        (tmp_path / "f.c").write_text('#include "f.h"\nint mine = MGRAPH_LEAVES;\n')
        subprocess.run(["cc", "-std=c99", *STRICT, "-c", "f.c"], cwd=tmp_path, check=True)
    elif to in ("onnx", "cppad", "json"):
        (tmp_path / f"x{TARGETS[to].suffix}").write_bytes(graph.export(to))
        assert len(load(tmp_path / f"x{TARGETS[to].suffix}").inputs) == len(values)
    elif to == "csv":
        rows = list(csv.DictReader(io.StringIO(graph.export(to).decode(), newline="")))
        assert [row["id"] for row in rows] == list(graph.index)
    elif to == "graphml":
        import networkx as nx

        assert set(nx.read_graphml(io.BytesIO(graph.export(to))).nodes) == set(graph.index)
    elif to == "node-link":
        assert [node["id"] for node in json.loads(graph.export(to))["nodes"]] == list(graph.index)
    elif to == "mermaid":
        for line in graph.export(to).decode().splitlines()[1:]:
            assert re.fullmatch(r"""  n\d+\["[^"]*"\]|  n\d+op\(\("[^"]*"\)\) --> n\d+|  n\d+ --> n\d+op""", line), line
    elif to == "dot":
        if shutil.which("dot"):
            subprocess.run(["dot", "-Tsvg"], input=graph.export(to), capture_output=True, check=True)
    else:
        text = re.sub(r"\\\\|\\[{}%]", "", graph.export(to).decode())
        assert text.count("{") == text.count("}") and text.count("align*") == 2 + (
            graph.document["title"].count("align*")
        )


def test_sympy(tmp_path: Path) -> None:
    pytest.importorskip("sympy", reason="SymPy is not installed; this checks what is exported to it")
    for name, op in OPS.items():
        point = next(p for p in points(op) if all(0.01 < abs(x) < 10 for x in p) and math.isfinite(op.forward(*p)))
        graph = one_op(name, *point)
        made = python_module(graph.export("sympy"), tmp_path / f"{name}.py")
        (found,) = made.outputs.values()
        assert float(found.subs(made.recorded)) == pytest.approx(op.forward(*point), rel=1e-14), name
    root, _ = random_value(3, 25)
    made = python_module(record(root).export("sympy"), tmp_path / "random.py")
    (found,) = made.outputs.values()
    assert float(found.subs(made.recorded)) == pytest.approx(root.data, rel=1e-10)


@pytest.mark.slow
def test_latex_expressions_mean_what_the_graph_computes() -> None:
    """SymPy's parser reads the one-line expression back; the parentheses must be where they are needed."""
    pytest.importorskip("antlr4", reason="antlr4 is not installed; SymPy needs it to read LaTeX")
    from sympy import Symbol
    from sympy.parsing.latex import parse_latex

    ops = ("neg", "add", "sub", "mul", "div", "exp", "log", "log1p", "tanh", "sin", "cos", "sqrt")
    for seed in range(25):
        root, inputs = random_value(seed, 12, ops=ops)
        graph = record(root)
        text = graph.export("latex-expression").decode()
        line = re.search(r"&= (.*)$", text, re.MULTILINE)[1]
        if r"\sigma" in line:  # tames an operand now and then; the parser does not know it
            continue
        numbers = {Symbol(f"x_{{{k}}}"): x.data for k, x in enumerate(inputs)} | {Symbol("e"): math.e}
        assert float(parse_latex(line, backend="antlr").subs(numbers)) == pytest.approx(root.data, rel=1e-9), line


def test_latex_of_a_sample() -> None:
    graph = load(ROOT / "samples/tanh.json")
    assert graph.export("latex").decode().splitlines()[3:] == [
        r"\begin{align*}",
        r"  a &= 0.5001 \\",
        r"  b &= 0.71 \\",
        r"  t_{1} &= a \cdot b = 0.35507099999999997 \\",
        r"  t_{2} &= t_{1} + b = 1.0650709999999999 \\",
        r"  c &= t_{2} + a = 1.5651709999999999 \\",
        r"  d &= \tanh c = 0.9162542319535778",
        r"\end{align*}",
    ]
    assert r"d &= \tanh \left(a \cdot b + b + a\right)" in graph.export("latex-expression").decode()


def test_an_expression_that_doubles_at_each_step_is_refused() -> None:
    y = Value(1.0, name="x")
    for _ in range(20):
        y = y * y
    with pytest.raises(
        FormatError, match="takes more than 100,000 characters, because what is used twice is written twice"
    ):
        record(y).export("latex-expression")


def test_mermaid() -> None:
    text = load(ROOT / "samples/tanh.json").export("mermaid").decode()
    assert text.startswith('flowchart LR\n  n0["a<br/>data 0.5001<br/>grad 0.274418"]\n')
    assert '  n2op(("#42;")) --> n2\n  n0 --> n2op\n  n1 --> n2op\n' in text


@with_dot
def test_dot_is_drawn_by_dot() -> None:
    text = load(ROOT / "samples/neuron.json").export("dot")
    assert subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, check=True).stdout.count(b"<ellipse") == 5


@pytest.mark.parametrize("seed", range(3))
def test_networks_come_back(seed: int) -> None:
    import networkx as nx

    graph = Graph(random_document(seed))
    back = nx.node_link_graph(json.loads(graph.export("node-link")), edges="edges")
    ours = graph.to_networkx()
    assert set(back.nodes) == set(ours.nodes)
    assert sorted(back.edges(keys=True)) == sorted(ours.edges(keys=True))
    assert all(back.nodes[n]["op"] == ours.nodes[n]["op"] for n in ours)
    read = nx.read_graphml(io.BytesIO(graph.export("graphml")), force_multigraph=True)
    edges = sorted((a, b, d["position"]) for a, b, d in read.edges(data=True))
    assert edges == sorted((a, b, d["position"]) for a, b, d in ours.edges(data=True))
    for name, x in graph.data.items():
        assert bits(read.nodes[name]["data"]) == bits(x)
    assert json.loads(read.graph["outputs"]) == graph.outputs


def test_graphml_refuses_what_xml_cannot_hold() -> None:
    with pytest.raises(FormatError, match=r"GraphML cannot hold the control character in 'a\\x01' of node"):
        record(Value(1.0, name="a\x01")).export("graphml")


def test_csv_has_a_row_a_node() -> None:
    graph = Graph(random_document(4))
    rows = list(csv.DictReader(io.StringIO(graph.export("csv").decode())))
    assert [row["id"] for row in rows] == list(graph.index)
    for row, node in zip(rows, graph.nodes, strict=True):
        args = [row[f"operand {k}"] or float(row[f"literal {k}"]) for k in range(1, len(node.get("args", [])) + 1)]
        assert args == node.get("args", [])
        assert ("data" in node) == bool(row["data"]) and (
            row["data"] == "" or bits(float(row["data"])) == bits(graph.data[row["id"]])
        )


def test_formats_that_do_not_exist() -> None:
    with pytest.raises(
        FormatError, match=r"^no format 'pyton' to export to\. Did you mean 'python'\? There are json, "
    ):
        export(load(ROOT / "samples/tanh.json"), "pyton")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in [each for each in sys.modules if each.startswith("mgraph.formats.write.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(FormatError, match="this needs the package onnx, which is not installed: pip install onnx"):
        load(ROOT / "samples/tanh.json").export("onnx")


CALLER = """\
#include "one.h"
#include "two.h"
#include "one.h"
#include <stdio.h>

int main(void)
{
    double y[ONE_OUTPUTS], z[Two_OUTPUTS_], g[ONE_LEAVES], w[ONE_WORK], v[TWO_WORK], x[ONE_LEAVES];
    int k;
    for (k = 0; k < ONE_LEAVES; k++) x[k] = one_recorded[k];
    x[0] = 0.25;
    for (k = 0; k < ONE_WORK; k++) w[k] = -1e308;
    one_forward(x, y, w);
    Two_forward(Two_recorded, z, v);
    one_gradients(x, g, w);
    printf("%.17g %.17g %s %s\\n", y[0], z[0], one_leaf_names[0], Two_output_names[0]);
    for (k = 0; k < ONE_LEAVES; k++) printf("%.17g\\n", g[k]);
    return 0;
}
""".replace("Two_OUTPUTS_", "TWO_OUTPUTS")
STRICT = ["-Wall", "-Wextra", "-Wmissing-declarations", "-pedantic", "-Werror", "-O2"]


@pytest.mark.parametrize("compiler", [["cc", "-std=c99"], ["g++", "-std=c++98"], ["g++", "-x", "c++", "-std=c++17"]])
def test_c_with_a_header_and_a_prefix(compiler: list[str], tmp_path: Path) -> None:
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"no compiler {compiler[0]} is installed")
    one, two = load(ROOT / "samples/neuron.json"), load(ROOT / "samples/tanh.json")
    for graph, prefix in ((one, "one"), (two, "Two")):
        (tmp_path / f"{prefix.lower()}.c").write_bytes(graph.export("c", prefix=prefix))
        (tmp_path / f"{prefix.lower()}.h").write_bytes(graph.export("c-header", prefix=prefix))
    (tmp_path / "caller.c").write_text(CALLER)
    files = ["caller.c", "one.c", "two.c"]
    subprocess.run([*compiler, *STRICT, *files, "-o", "caller", "-lm"], cwd=tmp_path, check=True)
    first, *slopes = subprocess.run([tmp_path / "caller"], capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    y, z, leaf, output = first.split()
    name = leaves(one)[0]
    run = one.replay({name: 0.25})
    assert (leaf, output) == (name, "d")
    assert [float(y), float(z)] == pytest.approx([run.outputs[one.outputs[0]], two.data["d"]], rel=1e-14)
    assert [*map(float, slopes[:-1])] == pytest.approx([run.grad[each] for each in leaves(one)], rel=1e-13)


@pytest.mark.slow
def test_names_in_c_begin_with_the_prefix_and_nothing_is_kept(tmp_path: Path) -> None:
    needs("c")
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    root, _ = random_value(5, 400)  # of more than one function a pass
    graph = record(root)
    for prefix in ("net", None):
        (tmp_path / "f.c").write_bytes(graph.export("c") if prefix is None else graph.export("c", prefix=prefix))
        subprocess.run(["cc", "-std=c99", *STRICT, "-fno-pie", "-c", "f.c"], cwd=tmp_path, check=True)
        lines = subprocess.run(["nm", "f.o"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        symbols = [line.split()[-2:] for line in lines.splitlines()]
        assert {kind for kind, _ in symbols} <= {"T", "t", "R", "r", "U"}  # nothing that can be written
        seen = {name for kind, name in symbols if kind.isupper() and kind != "U"}
        start = prefix or "mgraph"
        ends = ("forward", "gradients", "leaf_names", "output_names", "recorded")
        assert seen == {f"{start}_{end}" for end in ends}


@pytest.mark.parametrize("prefix", ["", "_x", "1x", "a-b", "é", "a b", "x;", "x\n", "x" * 41])
def test_a_prefix_that_begins_no_name(prefix: str, call: Cli) -> None:
    for to in ("c", "c-header"):
        with pytest.raises(FormatError, match="begins no names in C: a prefix is a letter, and then letters, digits"):
            load(ROOT / "samples/tanh.json").export(to, prefix=prefix)
    done = call("export", ROOT / "samples/tanh.json", "--to", "python", "--prefix", "net")
    assert (done.returncode, done.stderr) == (2, "mgraph: names have no prefix in python; they have in c, c-header\n")


def test_the_c_of_the_page_compiles(tmp_path: Path) -> None:
    needs("c")
    code = re.search(r"```c\n(.*?)```", (ROOT / "docs/howto/export.md").read_text(), re.DOTALL)[1]
    end = '\n#include <stdio.h>\nint main(void)\n{\n    printf("%.17g\\n", slope_by_a(0.7, 0.71));\n    return 0;\n}\n'
    (tmp_path / "page.c").write_text(code.replace("double slope", "static double slope") + end)
    graph = load(ROOT / "samples/tanh.json")
    for to in ("c", "c-header"):
        (tmp_path / f"net{TARGETS[to].suffix}").write_bytes(graph.export(to, prefix="net"))
    subprocess.run(["cc", "-std=c99", *STRICT, "page.c", "net.c", "-o", "page", "-lm"], cwd=tmp_path, check=True)
    found = subprocess.run([tmp_path / "page"], capture_output=True, check=True).stdout
    assert float(found) == pytest.approx(graph.replay({"a": 0.7, "b": 0.71}).grad["a"], rel=1e-14)
