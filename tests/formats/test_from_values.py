"""Values of other classes imported: micrograd's and relatives that spell, order and repeat things otherwise."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import pytest
from conftest import ROOT, bits
from micrograd.engine import Value as Micrograd
from micrograd.nn import MLP

import mgraph
from mgraph import FormatError, Value, from_values, load, save
from mgraph.arithmetic.ops import OPS
from mgraph.formats.read import object_fields
from mgraph.recording.value import apply, topological_order


class Node:
    """A relative of micrograd's Value, without closures; ``keep`` is how it keeps operands."""

    def __init__(self, data: Any, operands: Any = (), op: Any = "", name: str = "", grad: Any = 0.0) -> None:
        self.data, self._prev, self._op, self.name, self.grad = data, operands, op, name, grad


def leaf(data: float, name: str = "") -> Node:
    return Node(data, (), "", name)


def ids(root: Any, **options: Any) -> list[tuple[Any, ...]]:
    return [(n["op"], *n.get("args", [])) for n in from_values(root, **options).nodes]


def test_micrograd() -> None:
    a, b = Micrograd(-4.0), Micrograd(2.0)
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g = g + 10.0 / f
    g.backward()
    graph = from_values(g, names=locals(), title="micrograd's example")
    assert graph.outputs == ["g"] and graph.seeds == {"g": 1.0}
    assert (graph.data["g"], graph.grad["a"], graph.grad["b"]) == (g.data, a.grad, b.grad)
    assert graph.verify(ulps=8).ok
    assert graph.document["meta"]["imported"]["from"] == "micrograd.engine.Value"
    assert sorted({n["op"] for n in graph.nodes} & {"add", "mul", "relu"}) == ["add", "mul", "relu"]


def test_the_same_value_twice_from_a_set() -> None:
    a = Micrograd(3.0)
    assert ids(a * a + a) == [("input",), ("mul", "n0", "n0"), ("add", "n1", "n0")]
    twice = from_values(Node(6.0, {leaf(3.0)}, "+"))
    assert twice.nodes[1]["args"] == ["n0", "n0"]
    assert twice.document["meta"]["imported"]["operands"] == {"one operand, taken twice": 1}


def test_save_and_record_take_a_foreign_root(tmp_path: Any) -> None:
    a = Micrograd(2.0)
    y = a.relu() * 3
    y.backward()
    graph = save(y, tmp_path / "y.json", names={"a": a, "y": y})
    assert load(tmp_path / "y.json").digest == graph.digest
    assert graph.replay({"a": 5.0}).outputs == {"y": 15.0}


def micrograd_of(root: Value, keep: Any, names: bool) -> Node:
    """The same graph in objects that keep operands otherwise; literals become leaves."""
    made: dict[Value, Any] = {}
    for value in topological_order((root,)):
        operands = [made[o] for o in value.operands]
        op = OPS[value.op].symbol if value.op in OPS else ""
        name = (value.name or "") if names else ""
        fixed = value.op in ("literal", "constant")
        made[value] = value.data if fixed else Node(value.data, keep(operands), op, name, value.grad)
    return made[root]


@pytest.mark.parametrize("keep", [list, tuple], ids=["list", "tuple"])
@pytest.mark.parametrize("seed", range(4))
def test_random_graphs_kept_in_order_are_the_same_computation(seed: int, keep: Any) -> None:
    from conftest import random_value

    root, _ = random_value(seed, 150)
    root.backward()
    graph = from_values(micrograd_of(root, keep, True))
    assert bits(graph.replay().outputs[graph.outputs[0]]) == bits(root.data)
    # The order in which values were made is not kept, and with it the order of a gradient's contributions.
    assert graph.verify(ulps=100, finite_differences=False).ok


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.arity == 2])
def test_order_found_by_the_recorded_number(name: str) -> None:
    """Of a set without closures the order that gives the number is taken, and the document says so."""
    rng = random.Random(name)
    for _ in range(20):
        x, y = Value(rng.uniform(0.5, 2)), Value(rng.uniform(2.5, 5))
        a, b = leaf(x.data, "a"), leaf(y.data, "b")
        for first, second, operands in ((x, y, ["a", "b"]), (y, x, ["b", "a"])):
            result = apply(name, first, second)
            same = apply(name, second, first).data == result.data
            root = Node(result.data, {a, b}, OPS[name].symbol)
            if name in ("add", "mul"):
                assert sorted(from_values(root).nodes[-1]["args"]) == ["a", "b"]
            elif same:
                with pytest.raises(FormatError, match=r"kept in a set, and 2 orders of them give the recorded number"):
                    from_values(root)
            else:
                graph = from_values(root)
                assert graph.nodes[-1]["args"] == operands
                assert graph.document["meta"]["imported"]["told by their number"] == [graph.nodes[-1]["id"]]


class Reflected(Node):
    """A class that reads ``1 - x`` in a method of its own, whose closure holds the operands the other way round."""

    def __rsub__(self, other: float) -> Reflected:
        other = Reflected(other)
        out = Reflected(other.data - self.data, {self, other}, "-")

        def _backward() -> None:
            self.grad -= out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __rtruediv__(self, other: float) -> Reflected:
        out = Reflected(other / self.data, {self}, "/")

        def _backward() -> None:
            self.grad -= other / self.data**2 * out.grad

        out._backward = _backward
        return out


def test_reflected_operators_are_read_the_right_way_round() -> None:
    x = Reflected(3.0, (), "", "x")
    graph = from_values(1.0 - x)
    assert graph.replay({"x": 5.0}).outputs[graph.outputs[0]] == -4.0
    assert graph.document["meta"]["imported"]["told by their number"] == graph.outputs
    graph = from_values(1.0 / x)
    assert graph.replay({"x": 4.0}).outputs[graph.outputs[0]] == 0.25
    graph = from_values(Node(-3.0, (leaf(5.0, "a"), leaf(2.0, "b")), "-"))
    assert graph.nodes[-1]["args"] == ["b", "a"]


SPELLED = [
    ("**2", 9.0, [("pow", "n0", 2.0)]),
    ("**-1", 1 / 3, [("pow", "n0", -1.0)]),
    ("**0.5", 3**0.5, [("pow", "n0", 0.5)]),
    ("^2", 9.0, [("pow", "n0", 2.0)]),
    ("pow(2)", 9.0, [("pow", "n0", 2.0)]),
    ("neg", -3.0, [("neg", "n0")]),
    ("-", -3.0, [("neg", "n0")]),
    ("ReLU", 3.0, [("relu", "n0")]),
    ("relu", 3.0, [("relu", "n0")]),
    ("Tanh", 0.99, [("tanh", "n0")]),
    ("exp", 20.0, [("exp", "n0")]),
    ("ln", 1.1, [("log", "n0")]),
    ("sigmoid", 0.95, [("sigmoid", "n0")]),
    ("sin", 0.14, [("sin", "n0")]),
    ("cos", -0.99, [("cos", "n0")]),
    ("__neg__", -3.0, [("neg", "n0")]),
    ("*", 9.0, [("mul", "n0", "n0")]),
    ("sqrt", 1.7, [("sqrt", "n0")]),
]


@pytest.mark.parametrize(("op", "data", "nodes"), SPELLED, ids=[s[0] for s in SPELLED])
def test_spellings(op: str, data: float, nodes: list[Any]) -> None:
    assert ids(Node(data, {leaf(3.0)}, op)) == [("input",), *nodes]


@pytest.mark.parametrize(
    "fields",
    [
        ("value", "grad", "_children", "op", "label"),
        ("val", "gradient", "parents", "_op", "name"),
        ("data", "grad", "prev", "op", "label"),
    ],
)
def test_fields_by_their_usual_names(fields: tuple[str, ...]) -> None:
    class Other:
        def __init__(self, *held: Any) -> None:
            for field, each in zip(fields, held, strict=True):
                setattr(self, field, each)

    x = Other(2.0, 4.0, (), "", "x")
    y = Other(4.0, 1.0, (x, x), "*", "y")
    graph = from_values(y)
    assert (graph.data, graph.grad, graph.outputs) == ({"x": 2.0, "y": 4.0}, {"x": 4.0, "y": 1.0}, ["y"])
    assert graph.verify().verdict == "exact"


@pytest.mark.parametrize("field", object_fields.OPERANDS)
def test_every_field_of_operands(field: str) -> None:
    class Kept:
        def __init__(self, data: float, operands: Any = (), op: str = "") -> None:
            self.data, self.grad, self._op = data, 0.0, op
            setattr(self, field, operands)

    assert ids(Kept(5.0, (Kept(2.0), Kept(3.0)), "+")) == [("input",), ("input",), ("add", "n0", "n1")]


def test_of_two_fields_the_one_with_operands_in_it_is_taken() -> None:
    class Both:
        def __init__(self, data: float, parents: Any = (), op: str = "") -> None:
            self.data, self.parents, self.op, self.children = data, parents, op, []
            for each in parents:
                each.children.append(self)  # what a value is used for, in this class

    c = Both(5.0, [Both(2.0), Both(3.0)], "+")
    assert ids(c) == [("input",), ("input",), ("add", "n0", "n1")]
    Both(math.tanh(5.0), [c], "tanh")
    with pytest.raises(FormatError):  # from here the consumers would be read as operands
        from_values(c)


class Elsewhere:
    """Keeps its operands where nobody looks; a method and a text have names of fields."""

    src = "elsewhere.py"

    def __init__(self, data: float, froms: Any = (), op: str = "") -> None:
        self.data, self.froms, self.op = data, froms, op

    def children(self) -> Any:
        return self.froms


@pytest.mark.parametrize("op", ["+", "mish", ""])
def test_a_root_whose_operands_are_not_found_is_no_leaf(op: str, tmp_path: Any) -> None:
    root = Elsewhere(5.0, (Elsewhere(2.0), Elsewhere(3.0)), op)
    says = rf"its operands are not found; none of the fields {', '.join(object_fields.OPERANDS)} is there"
    with pytest.raises(FormatError, match=says):
        save(root, tmp_path / "lost.json")
    assert not (tmp_path / "lost.json").exists()
    if op:
        with pytest.raises(FormatError, match=says):
            from_values(Node(7.0, (root, leaf(2.0)), "+"))
    else:
        assert ids(Node(7.0, (root, leaf(2.0)), "+"))[-1] == ("add", "n0", "n1")


@pytest.mark.parametrize("op", ["+", "tanh", "**2"])
def test_an_op_without_operands_is_no_leaf(op: str) -> None:
    with pytest.raises(FormatError, match=r"it has an op, but its _prev holds no operands$"):
        from_values(Node(5.0, (), op))
    assert ids(Node(5.0, (), "leaf")) == ids(Node(5.0, (), "weight")) == [("input",)]


def test_a_pytorch_tensor_is_for_from_torch(tmp_path: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra [torch])")
    y = torch.tensor(2.0, dtype=torch.float64, requires_grad=True) * 3
    with pytest.raises(FormatError, match=r"which is a PyTorch tensor: mgraph\.from_torch\(output\) reads its graph$"):
        save(y, tmp_path / "y.json")
    with pytest.raises(FormatError, match=r"^an unnamed node .* among its operands is tensor.* is a PyTorch tensor"):
        from_values(Node(7.0, (y, leaf(1.0)), "+"))


def test_a_sympy_expression_is_for_from_sympy() -> None:
    sympy = pytest.importorskip("sympy", reason="SymPy is not installed (the extra [sympy])")
    with pytest.raises(FormatError, match=r"which is a SymPy expression: mgraph\.from_sympy\(expression\) reads it$"):
        from_values(sympy.Symbol("x") + 1)


class Raising(Node):
    @property
    def grad(self) -> float:
        raise RuntimeError("call backward first")

    @grad.setter
    def grad(self, grad: float) -> None:
        pass


class RaisingLater(Node):
    """Of the first object everything can be read."""

    @property
    def _prev(self) -> Any:
        if self.op == "":
            raise RuntimeError("a leaf has none")
        return self.kept

    @_prev.setter
    def _prev(self, operands: Any) -> None:
        self.kept = operands

    @property
    def op(self) -> str:
        return self._op


def test_a_property_that_raises_is_named() -> None:
    with pytest.raises(FormatError, match=r"^Raising\.grad raises RuntimeError: call backward first$"):
        from_values(Raising(5.0, (leaf(2.0), leaf(3.0)), "+"))
    with pytest.raises(FormatError, match=r"^RaisingLater\._prev raises RuntimeError: a leaf has none$"):
        from_values(RaisingLater(5.0, (RaisingLater(2.0), RaisingLater(3.0)), "+"))


class Plain:
    """A class in the manner of micrograd's that keeps no op."""

    def __init__(self, data: float, children: Any = ()) -> None:
        self.data, self.grad, self._prev, self._backward = data, 0.0, set(children), lambda: None

    def made(self, data: float, *operands: Any) -> Plain:
        return Plain(data, operands)

    def __add__(self, other: Plain) -> Plain:
        out = self.made(self.data + other.data, self, other)

        def _backward() -> None:
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __pow__(self, other: float) -> Plain:
        out = self.made(self.data**other, self)
        out._backward = lambda: setattr(self, "grad", other * self.data)
        return out

    def __rsub__(self, other: float) -> Plain:
        other = Plain(other)
        out = self.made(other.data - self.data, self, other)

        def _backward() -> None:
            self.grad -= out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def tanh(self) -> Plain:
        out = self.made(math.tanh(self.data), self)
        out._backward = lambda: out
        return out

    def swish(self) -> Plain:
        out = self.made(self.data, self)
        out._backward = lambda: out
        return out


def test_a_class_that_keeps_no_op_tells_it_by_the_method_of_its_backward() -> None:
    x, y = Plain(2.0), Plain(3.0)
    assert [op for op, *_ in ids(((1.0 - x) + (x + y) ** 3).tanh())] == (
        ["input", "input", "sub", "input", "add", "pow", "add", "tanh"]
    )
    graph = from_values(((1.0 - x) + y) ** 3)
    assert graph.verify().ok and ("pow", "n4", 3.0) in [(n["op"], *n.get("args", [])) for n in graph.nodes]
    with pytest.raises(FormatError, match=r"^an unnamed node \(op 'swish', data 2\.0\): unknown op 'swish'\."):
        from_values(x.swish())
    with pytest.raises(FormatError) as refused:
        from_values(x.made(5.0, x, y))
    assert str(refused.value) == (
        "an unnamed node (data 5.0): it has operands, but none of the fields _op, op says what it computes of them,"
        " nor does the name of the method that made its _backward"
    )


def test_mgraphs_own_values_are_recorded() -> None:
    x = Value(2.0, name="x")
    y = (x * 3 + mgraph.constant(1.5, "c")).tanh()
    y.backward()
    graph = from_values(y, names={"y": y}, title="Mine", meta={"by": "hand"})
    assert graph.document == mgraph.record(y, title="Mine", meta={"by": "hand"}).document
    assert [n["op"] for n in graph.nodes] == ["input", "mul", "constant", "add", "tanh"]
    assert graph.verify().verdict == "exact"
    z = x * 3
    mixed = from_values(Node(8.0, (z, leaf(2.0)), "+"))
    assert [(n["op"], *n.get("args", [])) for n in mixed.nodes] == [
        ("input",),
        ("mul", "x", 3.0),
        ("input",),
        ("add", "n1", "n2"),
    ]


@pytest.mark.slow
def test_a_sum_of_very_many() -> None:
    graph = from_values(Node(50_000.0, [leaf(1.0) for _ in range(50_000)], "sum"))
    assert len(graph) == 99_999 and graph.replay().outputs[graph.outputs[0]] == 50_000.0


def test_the_documentation_lists_every_field() -> None:
    rows = dict(
        re.findall(
            r"^\| (number|gradient|operands|name) \| (.*) \|$",
            (ROOT / "docs/reference/import-operators.md").read_text(),
            re.M,
        )
    )
    looked_for = {
        "number": object_fields.DATA,
        "gradient": object_fields.GRAD,
        "operands": object_fields.OPERANDS,
        "name": object_fields.NAME,
    }
    for what, fields in looked_for.items():
        assert tuple(re.findall(r"`([^`]+)`", rows[what])) == fields


def test_plain_numbers_among_operands_in_order_are_literals() -> None:
    assert ids(Node(5.0, [leaf(3.0), 2], "+")) == [("input",), ("add", "n0", 2.0)]
    x = leaf(3.0)
    assert ids(Node(9.0, [x, x, leaf(3.0)], "sum")) == [
        ("input",),
        ("input",),
        ("add", "n0", "n0"),
        ("add", "n2", "n1"),
    ]


def test_ops_of_ones_own_become_known_ops() -> None:
    def mish(x: Value) -> Value:
        return x * (1 + x.exp()).log().tanh()

    y = mish(Value(0.5))
    x = Value(0.5)
    again = mish(x)
    again.backward()
    root = Node(y.data, {Node(0.5, (), "", "x", x.grad)}, "mish", "y", 1.0)
    graph = from_values(root, ops={"mish": mish})
    assert [n["op"] for n in graph.nodes] == ["input", "exp", "add", "log", "tanh", "mul"]
    assert graph.outputs == ["y"] and graph.verify().verdict == "exact"
    with pytest.raises(FormatError, match=r"the function given for this op returns 3; it must compute with the values"):
        from_values(root, ops={"mish": lambda x: 3})


def test_what_is_recorded_is_theirs_and_verify_compares() -> None:
    x = Node(2.0, (), "", "x", 5.0)  # should be 4
    y = Node(4.0, (x, x), "*", "y", 1.0)
    graph = from_values(y)
    assert graph.grad["x"] == 5.0
    assert graph.verify().culprits[0].node == "x"


def test_moons_from_micrograd() -> None:
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    rows = [(random.uniform(-1, 1), random.uniform(-1, 1)) for _ in range(20)]
    loss = sum((1 - model(row) * (1 if row[0] > row[1] else -1)).relu() for row in rows)
    loss.backward()
    graph = from_values(loss)
    assert len(graph) > 13_000
    run = graph.replay()
    assert bits(run.outputs[graph.outputs[0]]) == bits(loss.data)
    assert max(abs(run.grad[n] - g) for n, g in graph.grad.items()) < 1e-12
    assert set(graph.document["meta"]["imported"]["operands"]) == {"from the closure of _backward", "kept in order"}


@pytest.mark.slow
def test_a_chain_of_100_000() -> None:
    y = leaf(0.0)
    for _ in range(100_000):
        y = Node(y.data + 1.0, (y, 1.0), "+")
    graph = from_values(y)
    assert graph.depth == 100_000 and graph.data[graph.outputs[0]] == 100_000.0


class Same:
    """A class whose values are equal when their numbers are, and cannot be hashed."""

    def __init__(self, data: float, operands: tuple[Any, ...] = (), op: str = "") -> None:
        self.data, self._prev, self._op = data, operands, op

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]


def test_equal_values_are_not_the_same_value() -> None:
    assert ids(Same(2.0, (Same(1.0), Same(1.0)), "+")) == [("input",), ("input",), ("add", "n0", "n1")]


def cyclic() -> Node:
    x = Node(1.0, [], "tanh", "x")
    y = Node(2.0, (x,), "exp", "y")
    x._prev = (y,)
    return y


REFUSED = {
    "something else": (lambda: Node(3.0, {leaf(1.0, "a"), "b"}, "+"), "an unnamed node (op '+', data 3.0): its _prev holds 'b', which is not a value: it has none of the fields data, value, val"),
    "something else in order": (lambda: Node(3.0, (leaf(1.0, "a"), "b"), "+"), "an unnamed node (op '+', data 3.0): among its operands is 'b', which is not a value: it has none of the fields data, value, val"),
    "cycle": (cyclic, "the values depend on themselves: 'y' (op 'exp', data 2.0) <- 'x' (op 'tanh', data 1.0) <- 'y' (op 'exp', data 2.0)"),
    "two readings": (lambda: Node(0.0, {leaf(2.0, "a"), leaf(2.0, "b")}, "-"), None),
    "no reading": (lambda: Node(9.0, {leaf(2.0, "a")}, "/"), "an unnamed node (op '/', data 9.0): its one operand, 'a' (data 2.0), used twice makes 1.0; a plain number that it was computed with is not kept by its class"),
    "negation of zero": (lambda: Node(0.0, {leaf(0.0, "a")}, "-"), "an unnamed node (op '-', data 0.0): two readings fit, a - a and -a, since a is 0.0; call negation 'neg'"),
    "three in a set": (lambda: Node(6.0, {leaf(1.0), leaf(2.0), leaf(3.0)}, "+"), None),
    "too many": (lambda: Node(6.0, [leaf(1.0), leaf(2.0)], "tanh"), "an unnamed node (op 'tanh', data 6.0): tanh takes one operand, and it has 2"),
    "array": (lambda: Node([1.0], (), ""), "an unnamed node (data [1.0]): its data is not a number but list"),
    "boolean": (lambda: Node(True, (), ""), "an unnamed node (data True): its data is not a number but bool"),
    "bad gradient": (lambda: Node(1.0, (), "", "x", "none"), "'x' (data 1.0): its grad is not a number but str"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(FormatError) as refused:
        from_values(make())
    assert message is None or str(refused.value) == message
    if message is None:
        assert "are kept in a set, " in str(refused.value) and "(data 2.0)" in str(refused.value)


def test_an_unknown_op_names_the_node_and_what_to_do() -> None:
    with pytest.raises(FormatError) as refused:
        from_values(Node(1.0, (leaf(2.0, "a"),), "tahn", "y"))
    assert str(refused.value).startswith(
        "'y' (op 'tahn', data 1.0): unknown op 'tahn'. Did you mean 'tanh'? Give it a meaning: ops={'tahn': function}, a"
    )


@pytest.mark.parametrize("root", [3, "x", None, object(), [1.0]])
def test_what_is_no_graph(root: Any) -> None:
    with pytest.raises(FormatError, match=r"which is not a value: it has none of the fields data, value, val"):
        from_values(root)


# NumPy ------------------------------------------------------------------------------------------------------


def test_numpy_code_is_traced() -> None:
    np = pytest.importorskip("numpy")

    def net(W: Any, b: Any, x: Any, scale: float = 2.0) -> Any:
        hidden = np.maximum(W @ x + b, 0.0)
        return (np.tanh(hidden).sum() + np.exp(-hidden).mean()) * scale

    rng = np.random.RandomState(3)
    W, b, x = rng.normal(size=(3, 2)), rng.normal(size=3), rng.normal(size=2)
    graph = mgraph.trace(net, W, b, x)
    assert graph.inputs == [f"W[{i},{j}]" for i in range(3) for j in range(2)] + [
        "b[0]",
        "b[1]",
        "b[2]",
        "x[0]",
        "x[1]",
        "scale",
    ]
    assert graph.data[graph.outputs[0]] == pytest.approx(net(W, b, x), rel=1e-14)
    assert graph.verify().verdict == "exact"
    assert "maximum" in {n["op"] for n in graph.nodes}  # recorded, not decided by these numbers
    changed = graph.replay({"b[0]": -100.0}).outputs[graph.outputs[0]]
    assert changed == pytest.approx(net(W, np.array([-100.0, *b[1:]]), x), rel=1e-14)


NUMPY = {
    "broadcasting": lambda np, a, b: a[:, None] * b[None, :] - a[0] / 2.0,
    "tables": lambda np, a, b: [np.max(np.outer(a, b)), np.outer(a, b).min(axis=0), np.outer(a, b).sum(axis=1)],
    "signs": lambda np, a, b: [np.sign(a) * a, a / np.sqrt(a @ a), np.exp(a - a.max()) / np.exp(a - a.max()).sum()],
    "reductions": lambda np, a, b: [a.sum(), a.mean(), a.std(), np.max(a), np.min(b), np.prod(a)],
    "linear algebra": lambda np, a, b: [a @ b, np.dot(a, b), np.outer(a, b), np.einsum("i,j->ij", a, b)],
    "elementwise": lambda np, a, b: [np.exp(a), np.log(b), np.sqrt(b), np.sin(a), np.cos(a), np.abs(a), np.square(a), np.log1p(b), np.expm1(a)],
    "choices": lambda np, a, b: [np.maximum(a, b), np.minimum(a, 0.5), np.clip(a, -0.25, 0.25), np.where(a > 0, a, b)],
    "powers": lambda np, a, b: [a**2, b**0.5, 2.0**a, np.power(b, a)],
    "shapes": lambda np, a, b: [np.concatenate([a, b]), np.stack([a, b]).T.reshape(-1), a[::-1], np.cumsum(a)],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:no output depends on 'b'")
@pytest.mark.parametrize("name", NUMPY)
def test_numpy_functions_on_arrays_of_values(name: str) -> None:
    np = pytest.importorskip("numpy")

    def flat(found: Any) -> list[float]:
        return [float(x) for each in ([found] if name == "broadcasting" else found) for x in np.ravel(each)]

    a, b = np.array([0.5, -1.25, 2.0]), np.array([1.5, 0.25, 3.0])
    recorded = flat(NUMPY[name](np, mgraph.array(a, "a"), mgraph.array(b, "b")))
    assert recorded == pytest.approx(flat(NUMPY[name](np, a, b)), rel=1e-13)
    graph = mgraph.trace(lambda a, b: NUMPY[name](np, a, b), a, b)
    assert graph.verify(finite_differences=False).verdict == "exact"
    if name != "choices":  # numpy.where decides once
        others = {f"{x}[{k}]": float(v) for x, c in (("a", -a / 2), ("b", b + 0.5)) for k, v in enumerate(c)}
        found = set(graph.replay({n: x for n, x in others.items() if n in graph}, backward=False).outputs.values())
        again = flat(NUMPY[name](np, mgraph.array(-a / 2, "a"), mgraph.array(b + 0.5, "b")))
        assert found == set(again)


def test_numpy_functions_without_a_recorded_meaning() -> None:
    np = pytest.importorskip("numpy")
    a = mgraph.array([1.0, 2.0], "a")
    for name in ("fmax", "log2", "floor", "rint", "arctan", "spacing"):
        arguments = (a, 0.0) if name == "fmax" else (a,)
        with pytest.raises(TypeError, match=rf"numpy\.{name} has no recorded meaning; there are add, subtract, "):
            getattr(np, name)(*arguments)
    with pytest.raises(TypeError, match="has no recorded meaning: it returns numbers, not values"):
        np.gradient(a)
    with pytest.raises(TypeError, match="an array of real numbers is needed, not of complex128"):
        mgraph.array([1j])
    assert np.maximum(np.array([1.0, 3.0]), Value(2.0, name="v"))[0].op == "maximum"
