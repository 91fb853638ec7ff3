"""CppAD's JSON AD graph: what is written means the same by an independent reading, and comes back the same."""

from __future__ import annotations

import json
import math
import random
from contextlib import suppress
from math import inf, nan
from typing import Any

import pytest
from conftest import HOSTILE, bits, random_document, random_value

from mgraph import FormatError, Graph, Value, record
from mgraph.arithmetic.ops import OPS
from mgraph.checking.audit import ulps
from mgraph.document import strict_json
from mgraph.formats.read import cppad as from_cppad
from mgraph.formats.write import cppad as to_cppad
from mgraph.recording.value import apply


def evaluate(raw: bytes, p: list[float], x: list[float]) -> list[float]:
    """The dependent variables, by the grammar alone."""
    graph = json.loads(raw)
    assert (graph["n_dynamic_ind"], graph["n_variable_ind"]) == (len(p), len(x))
    for key in ("op_define_vec", "constant_vec", "op_usage_vec", "dependent_vec"):
        assert graph[key][0] == len(graph[key][1])
    names = {each["op_code"]: each["name"] for each in graph["op_define_vec"][1]}
    arity = {each["op_code"]: each.get("n_arg") for each in graph["op_define_vec"][1]}
    assert list(names) == list(range(1, len(names) + 1))
    node = [nan, *p, *x, *map(float, graph["constant_vec"][1])]  # they count from 1
    choose = {"cexp_lt": float.__lt__, "cexp_le": float.__le__, "cexp_eq": float.__eq__}
    for code, *rest in graph["op_usage_vec"][1]:
        args = rest if arity[code] is not None else rest[2]
        assert arity[code] == len(args) or (names[code] == "sum" and rest[:2] == [1, len(args)])
        assert all(0 < each < len(node) for each in args)
        operands = [node[each] for each in args]
        if names[code] in choose:
            left, right, if_true, if_false = operands
            node.append(if_true if choose[names[code]](left, right) else if_false)
        elif names[code] == "azmul":
            node.append(0.0 if operands[0] == 0.0 else operands[0] * operands[1])
        elif names[code] == "sum":
            node.append(sum(operands))
        else:
            node.append(OPS[names[code]].forward(*operands))
    return [node[each] for each in graph["dependent_vec"][1]]


def leaves(graph: Graph) -> tuple[list[float], list[float]]:
    return [graph.data[name] for name in graph.parameters], [graph.data[name] for name in graph.inputs]


def given(back: Graph, p: list[float], x: list[float]) -> dict[str, float]:
    return {f"p[{k}]": each for k, each in enumerate(p)} | {f"x[{k}]": each for k, each in enumerate(x)}


def replayed(back: Graph, p: list[float], x: list[float]) -> list[float]:
    return list(back.replay(given(back, p, x)).outputs.values())


@pytest.mark.parametrize("op", OPS)
def test_every_op_means_the_same(op: str) -> None:
    rng = random.Random(op)
    ordinary = [[rng.uniform(-3, 3) * 10 ** rng.uniform(-4, 2) for _ in range(OPS[op].arity)] for _ in range(100)]
    hostile = [[a] if OPS[op].arity == 1 else [a, b] for a in HOSTILE for b in HOSTILE]
    raw = to_cppad.write(record(apply(op, *(Value(0.5, name=f"x{k}") for k in range(OPS[op].arity)))))
    for operands in ordinary + hostile:
        if op == "sigmoid" and operands[0] < -700:
            continue
        (got,), want = evaluate(raw, [], operands), OPS[op].forward(*operands)
        if op in to_cppad.ULPS:
            assert ulps(got, want) <= to_cppad.ULPS[op], (operands, got, want)
        else:
            assert bits(got) == bits(want), (operands, got, want)


@pytest.mark.parametrize("op", OPS)
def test_every_op_comes_back(op: str) -> None:
    graph = record(apply(op, *(Value(0.5, name=f"x{k}") for k in range(OPS[op].arity))))
    back = Graph(from_cppad.read(to_cppad.write(graph)))
    assert all("data" not in node for node in back.nodes)
    for a in HOSTILE:
        for operands in [[a]] if OPS[op].arity == 1 else [[a, b] for b in HOSTILE]:
            if op == "sigmoid" and operands[0] < -700:
                continue
            (got,), want = replayed(back, [], operands), OPS[op].forward(*operands)
            if isinstance(to_cppad.OPS[op], str):
                assert bits(got) == bits(want), (operands, got, want)
            else:  # a choice that is composed loses the sign of a zero
                assert ulps(got + 0.0, want + 0.0) <= to_cppad.ULPS.get(op, 0), (operands, got, want)


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs(seed: int) -> None:
    ops = tuple(op for op in OPS if op not in to_cppad.ULPS)
    root, values = random_value(seed, 200, ops)
    for value in values[:2]:
        value.op = "parameter"
    graph = record(root)
    p, x = leaves(graph)
    want = list(graph.replay().outputs.values())
    if "sigmoid" in {node["op"] for node in graph.nodes}:  # random_value squashes operands with it
        assert evaluate(to_cppad.write(graph), p, x) == pytest.approx(want, rel=1e-9)
    else:
        assert list(map(bits, evaluate(to_cppad.write(graph), p, x))) == list(map(bits, want))
    back = Graph(from_cppad.read(to_cppad.write(graph)))
    assert replayed(back, p, x) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_hostile_graphs_to_the_bit(seed: int) -> None:
    document = random_document(seed)
    for node in document["nodes"]:
        node["op"] = "tanh" if node["op"] == "sigmoid" else node["op"]
        if node["op"] == "constant" and isinstance(node["data"], str):
            node["op"] = "input"
    graph = Graph(document)
    raw = to_cppad.write(graph)
    want = list(map(bits, graph.replay().outputs.values()))
    assert list(map(bits, evaluate(raw, *leaves(graph)))) == want


def test_the_text() -> None:
    x, w = Value(2.0, name="x"), Value(3.0, name="w", op="parameter")
    graph = record((w * x + 0.5).relu(), title='A "small" function \\ é\n')
    assert to_cppad.write(graph).decode() == (
        "{\n"
        '"function_name": "A small function  é",\n'
        '"op_define_vec": [3,[{"op_code":1,"name":"mul","n_arg":2},{"op_code":2,"name":"add","n_arg":2},'
        '{"op_code":3,"name":"cexp_le","n_arg":4}]],\n'
        '"n_dynamic_ind": 1,\n'
        '"n_variable_ind": 1,\n'
        '"constant_vec": [2,[0.5,0.0]],\n'
        '"op_usage_vec": [3,[[1,1,2],[2,5,3],[3,6,4,4,6]]],\n'
        '"dependent_vec": [1,[7]]\n'
        "}\n"
    )


def test_constants_keep_their_bits() -> None:
    numbers = [-0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1]
    graph = Graph(
        {
            "mgraph": 1,
            "nodes": [{"id": "x", "op": "input", "data": 1.0}]
            + [{"id": f"k{k}", "op": "constant", "data": number} for k, number in enumerate(numbers)],
            "outputs": ["x", *(f"k{k}" for k in range(5))],
        }
    )
    raw = to_cppad.write(graph)
    assert list(map(bits, evaluate(raw, [], [1.0]))) == list(map(bits, [1.0, *numbers]))
    back = Graph(from_cppad.read(raw))
    assert back.outputs == ["x[0]", "c[0]", "c[1]", "c[2]", "c[3]", "c[4]"]
    assert list(map(bits, replayed(back, [], [1.0]))) == list(map(bits, [1.0, *numbers]))


@pytest.mark.parametrize("number", [nan, inf, -inf])
def test_a_constant_that_json_lacks_is_refused(number: float) -> None:
    with pytest.raises(FormatError) as caught:
        to_cppad.write(record(Value(1.0) + Value(number, name="k", op="constant")))
    assert str(caught.value) == f"the constant 'k' is {number}, which CppAD's JSON has no number for"


def test_an_op_without_a_mapping_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(to_cppad.OPS, "neg")
    with pytest.raises(FormatError) as caught:
        to_cppad.write(Graph({"mgraph": 1, "nodes": [{"id": "y", "op": "neg", "args": [2.0]}]}))
    assert str(caught.value) == "the op neg of node 'y' has no meaning in CppAD's JSON"


def graph_of(*usages: list[Any], ops: str, constants: tuple[float, ...] = (), **more: Any) -> dict[str, Any]:
    """A graph of one parameter (node 1), one variable (2), constants (from 3) and these usages."""
    arities = from_cppad.ARITIES
    defined = [
        {"op_code": k + 1, "name": name} | ({"n_arg": arities[name]} if name in arities else {})
        for k, name in enumerate(ops.split())
    ]
    return {
        "function_name": "f",
        "op_define_vec": [len(defined), defined],
        "n_dynamic_ind": 1,
        "n_variable_ind": 1,
        "constant_vec": [len(constants), list(constants)],
        "op_usage_vec": [len(usages), list(usages)],
        "dependent_vec": [1, [2 + len(constants) + len(usages)]],
        **more,
    }


def read(graph: dict[str, Any]) -> Graph:
    assert from_cppad.match(graph)
    return Graph(from_cppad.read(json.dumps(graph).encode()))


def test_a_graph_by_the_grammar() -> None:
    # p + x + 0.5 by a sum, times x, its sine
    graph = graph_of([1, 1, 3, [1, 2, 3]], [2, 4, 2], [3, 5], ops="sum mul sin", constants=(0.5,))
    back = read(graph)
    assert back.document["title"] == "f"
    assert (back.parameters, back.inputs, back.outputs) == (["p[0]"], ["x[0]"], ["r[2]"])
    assert [(node["id"], node.get("args")) for node in back.nodes[2:]] == [
        ("r[0].0", ["p[0]", "x[0]"]),
        ("r[0]", ["r[0].0", 0.5]),
        ("r[1]", ["r[0]", "x[0]"]),
        ("r[2]", ["r[1]"]),
    ]
    run = back.replay({"p[0]": 2.0, "x[0]": -1.5})
    assert run.outputs["r[2]"] == OPS["sin"].forward((2.0 - 1.5 + 0.5) * -1.5)
    assert Graph(from_cppad.read(json.dumps(graph).encode(), "mine")).document["title"] == "mine"


@pytest.mark.parametrize("name", ["lt", "le", "eq"])
def test_choices(name: str) -> None:
    back = read(graph_of([1, 1, 2, 3, 4], ops=f"cexp_{name}", constants=(7.0, -7.0)))
    compare = {"lt": float.__lt__, "le": float.__le__, "eq": float.__eq__}[name]
    for p, x in [(1.0, 2.0), (2.0, 1.0), (2.0, 2.0), (inf, inf), (-0.0, 0.0), (-inf, 3.0)]:
        assert replayed(back, [p], [x]) == [7.0 if compare(p, x) else -7.0]
    assert math.isnan(replayed(back, [nan], [1.0])[0])


def test_a_choice_drops_what_it_does_not_take() -> None:
    # 0 < x ? log x : 0, where log of a negative number is NaN
    back = read(graph_of([1, 2], [2, 3, 2, 4, 3], ops="log cexp_lt", constants=(0.0,)))
    run = back.replay({"p[0]": 0.0, "x[0]": -1.0})
    assert run.outputs["r[1]"] == 0.0 and run.grad["x[0]"] == 0.0
    assert back.replay({"p[0]": 0.0, "x[0]": 2.0}).grad["x[0]"] == 0.5


@pytest.mark.parametrize(
    ("name", "function"),
    [("tan", math.tan), ("sinh", math.sinh), ("cosh", math.cosh), ("sign", lambda x: math.copysign(1.0, x))],
)
def test_composed_functions(name: str, function: Any) -> None:
    back = read(graph_of([1, 2], ops=name))
    for x in (-3.0, -1e-9, 1e-200, 0.25, 20.0):
        assert ulps(replayed(back, [0.0], [x])[0], function(x)) <= 4
    assert replayed(read(graph_of([1, 2], ops="sign")), [0.0], [0.0]) == [0.0]


def test_outputs_that_repeat_and_sums_of_few() -> None:
    back = read(graph_of([1, 1, 0, []], [1, 1, 1, [2]], ops="sum", dependent_vec=[4, [3, 4, 2, 1]]))
    assert back.outputs == ["r[0]", "x[0]", "p[0]"]
    assert replayed(back, [5.0], [6.0]) == [0.0, 6.0, 5.0]


def test_a_function_without_a_name_has_no_title() -> None:
    for name in (None, "", 5, ["f"]):
        assert "title" not in read(graph_of([1, 2], ops="sin", function_name=name)).document


def test_a_small_file_has_few_leaves() -> None:
    small = {**SIN, "dependent_vec": [1, [1]], "op_usage_vec": [0, []]}
    assert len(read({**small, "n_variable_ind": 10_000}).inputs) == 10_000
    with pytest.raises(FormatError) as caught:
        read({**small, "n_variable_ind": 1_000_000})
    assert str(caught.value) == "$: 1,000,001 independent parameters and variables in so small a file"


def test_match() -> None:
    assert from_cppad.match(graph_of([1, 2], ops="sin"))
    assert not from_cppad.match({"mgraph": 1, "nodes": []})
    assert not from_cppad.match([1])


SIN = graph_of([1, 2], ops="sin")
BROKEN: list[tuple[Any, str]] = [
    ([], "$: a CppAD graph is an object, not a list"),
    ({k: v for k, v in SIN.items() if k != "constant_vec"}, "$: not a CppAD graph: the key 'constant_vec' is missing"),
    ({**SIN, "n_dynamic_ind": -1}, "$.n_dynamic_ind: expected a count, got -1"),
    ({**SIN, "n_variable_ind": True}, "$.n_variable_ind: expected a count, got true"),
    ({**SIN, "n_variable_ind": 10**9}, "$: 1,000,000,001 independent parameters and variables in so small a file"),
    ({**SIN, "constant_vec": [2, [1.0]]}, "$.constant_vec: it says 2 entries and has 1"),
    ({**SIN, "constant_vec": [1.0]}, "$.constant_vec: expected a count and a list of so many entries"),
    ({**SIN, "constant_vec": ["1", [1.0]]}, "$.constant_vec[0]: expected a count, got '1'"),
    ({**SIN, "constant_vec": [1, ["1"]]}, "$.constant_vec[1][0]: expected a number, got '1'"),
    ({**SIN, "dependent_vec": [1, [9]]}, "$.dependent_vec[1][0]: expected a node from 1 to 3, those before it, got 9"),
    ({**SIN, "dependent_vec": [0, []]}, "$.dependent_vec: a graph without dependent variables computes nothing"),
    (
        {**SIN, "op_define_vec": [1, [{"op_code": 1, "name": "sine", "n_arg": 1}]]},
        "$.op_define_vec[1][0].name: CppAD has no operator 'sine'. Did you mean 'sin'?",
    ),
    (
        {**SIN, "op_define_vec": [1, [{"op_code": 2, "name": "sin", "n_arg": 1}]]},
        "$.op_define_vec[1][0].op_code: codes count from 1, so this is 1, not 2",
    ),
    (
        {**SIN, "op_define_vec": [1, [{"op_code": 1, "name": "sin"}]]},
        "$.op_define_vec[1][0].n_arg: of sin it is 1, not null",
    ),
    ({**SIN, "op_define_vec": [1, ["sin"]]}, "$.op_define_vec[1][0]: expected an object with an op_code and a name"),
    (
        graph_of([2, 1], ops="sin"),
        "$.op_usage_vec[1][0]: expected a list that begins with an op_code, of which there are 1",
    ),
    (graph_of([1, 1, 2], ops="sin"), "$.op_usage_vec[1][0]: sin takes 1 argument, not 2"),
    (graph_of([1, 3], ops="sin"), "$.op_usage_vec[1][0][1]: expected a node from 1 to 2, those before it, got 3"),
    (graph_of([1, 0], ops="sin"), "$.op_usage_vec[1][0][1]: expected a node from 1 to 2, those before it, got 0"),
    (
        graph_of([1, 1, 3, [1, 2]], ops="sum"),
        "$.op_usage_vec[1][0]: of sum the form is [op_code, 1, n_arg, [n_arg arguments]]",
    ),
    (
        graph_of([1, 1, 1, [7]], ops="sum"),
        "$.op_usage_vec[1][0][3][0]: expected a node from 1 to 2, those before it, got 7",
    ),
    *(
        (
            graph_of([1, 2], [2, 2], ops=f"sin {name}"),
            f"$.op_usage_vec[1][1]: CppAD's {name} is not supported; mgraph has no op for it",
        )
        for name in from_cppad.REFUSED
    ),
]


@pytest.mark.parametrize(("graph", "says"), BROKEN)
def test_refusals(graph: Any, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        from_cppad.read(json.dumps(graph).encode())
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "not JSON: it ends in the middle, at line 1, column 2 (cut short?)"),
        (b'{"constant_vec": NaN}', "line 1, column 18: NaN is not JSON"),
        (b'{"constant_vec": -Infinity}', "line 1, column 18: -Infinity is not JSON"),
        (b'{"constant_vec": 1e999}', "line 1, column 18: a number past binary64 (whose largest is about 1.797e308)"),
        (b'{"a": 1, "a": 2}', "$: the key 'a' is repeated"),
        (b"", "empty: a document is a JSON object, such as the ones in samples/"),
    ],
)
def test_what_is_not_json(raw: bytes, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        from_cppad.read(raw)
    assert str(caught.value) == says


def test_json_that_was_parsed_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = to_cppad.write(record(random_value(1, 30)[0]))
    whole = from_cppad.read(raw)
    loaded = json.loads(raw)
    monkeypatch.delattr(strict_json, "loads")
    assert from_cppad.read(raw, loaded=loaded) == whole
    with pytest.raises(FormatError, match="the key 'function_name' is repeated"):
        from_cppad.read(raw.replace(b"{", b'{"function_name": "",', 1), loaded=loaded)


def test_cut_and_changed_files_are_refused_and_never_crash() -> None:
    raw = to_cppad.write(record(random_value(1, 30)[0]))
    rng = random.Random(7)
    for _ in range(400):
        changed = bytearray(raw[: rng.randrange(len(raw))] if rng.random() < 0.3 else raw)
        for _ in range(rng.randrange(1, 4)):
            if changed:
                changed[rng.randrange(len(changed))] = rng.choice(b'0123456789[]{},"-.e ax')
        with suppress(FormatError):
            Graph(from_cppad.read(bytes(changed)))
