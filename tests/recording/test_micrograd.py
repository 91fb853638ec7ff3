"""Code written for the text's class and for micrograd runs with only its import changed."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from conftest import ROOT, sample_script, with_dot
from graphviz import Digraph

import mgraph
from mgraph import Value, nn


def trace(root):
    nodes, edges = set(), set()

    def build(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)

    build(root)
    return nodes, edges


def draw_dot(root):
    dot = Digraph(format="svg", graph_attr={"rankdir": "LR"})
    nodes, _ = trace(root)
    for n in nodes:
        uid = str(id(n))
        var_name = n.name if n.name else ""
        label = f"{{ {var_name} | data={n.data:.4f} | grad={n.grad:.4f} }}"
        dot.node(name=uid, label=label, shape="record")
        if n._op:
            op_uid = uid + "_op"
            dot.node(name=op_uid, label=n._op, shape="circle")
            dot.edge(op_uid, uid)
            for child in n._prev:
                dot.edge(str(id(child)), op_uid)
    return dot


@with_dot
def test_the_texts_own_functions_draw_the_texts_graph() -> None:
    a = Value(0.5001, name="a")
    b = Value(0.71, name="b")
    t1 = a * b
    t1.name = "t1"
    t2 = t1 + b
    t2.name = "t2"
    c = t2 + a
    c.name = "c"
    d = c.tanh()
    d.name = "d"
    d.backward()
    assert (a.grad, b.grad, c.grad, d.grad) == (0.27441769195044236, 0.24073332145898163, 0.16047818242715928, 1.0)
    nodes, edges = trace(d)
    assert len(nodes) == 6 and len(edges) == 7
    dot = draw_dot(d)
    for text in ("{ a | data=0.5001 | grad=0.2744 }", "{ d | data=0.9163 | grad=1.0000 }", "label=tanh"):
        assert text in dot.source
    assert b"<svg" in dot.pipe()


def test_what_micrograd_calls_things() -> None:
    x = Value(2.0)
    assert (x + 1)._op == "+" and len((x + 1)._prev) == 2
    assert (x**3)._op == "**3" and (x**3)._prev == {x}
    assert (x**0.5)._op == "**0.5"
    assert x.relu()._op == "ReLU" and (-x)._op == "neg" and x._op == ""
    assert (x * x)._prev == {x}


def expression(a, b, relu, tanh, exp):
    """One expression with every operation that micrograd has, in-place forms, and numbers on both sides."""
    c = a * 2 + b**3 - a / b
    c += 1 + relu(c) * (-a)
    d = 3 * c - (b - c) / 2.0
    d -= tanh(a * 0.1) * exp(b * -0.5)
    e = (c - d) ** 2
    return e / 10.0 + 10.0 / e


@pytest.mark.parametrize(("x", "y"), [(-4.0, 2.0), (1.5, -0.75)])
def test_micrograds_expressions_agree_with_pytorch(x: float, y: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra mgraph-replay[torch])")
    a, b = Value(x), Value(y)
    g = expression(a, b, Value.relu, Value.tanh, Value.exp)
    g.backward()
    ta, tb = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (x, y))
    tg = expression(ta, tb, torch.Tensor.relu, torch.Tensor.tanh, torch.Tensor.exp)
    tg.backward()
    assert g.data == pytest.approx(tg.item(), rel=1e-12)
    assert a.grad == pytest.approx(ta.grad.item(), rel=1e-12)
    assert b.grad == pytest.approx(tb.grad.item(), rel=1e-12)


def test_the_same_network_and_training_step_as_micrograd() -> None:
    engine = pytest.importorskip("micrograd.engine", reason="micrograd is not installed (the extra [test])")
    from micrograd import nn as peer

    losses = []
    for value_class, mlp in ((engine.Value, peer.MLP), (Value, lambda *a: nn.MLP(*a, activation="relu"))):
        random.seed(7)
        model = mlp(2, [4, 4, 1])
        history = []
        for step in range(3):
            scores = [model(list(map(value_class, row))) for row in ((0.5, -1.0), (1.5, 0.25))]
            loss = sum((1 + -y * score).relu() for y, score in zip((1, -1), scores, strict=True)) * 0.5
            loss = loss + 1e-4 * sum(p * p for p in model.parameters())
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data -= (1.0 - 0.1 * step) * p.grad
            history.append(loss.data)
        losses.append(history)
    assert losses[1] == pytest.approx(losses[0], rel=1e-13)
    assert losses[1][0] == losses[0][0]


DEMO = """
import random
import numpy as np
from micrograd.engine import Value
from micrograd.nn import Neuron, Layer, MLP

np.random.seed(1337)
random.seed(1337)
X, y = moons()
model = MLP(2, [16, 16, 1])
print(model)
print("number of parameters", len(model.parameters()))

def loss(batch_size=None):
    if batch_size is None:
        Xb, yb = X, y
    else:
        ri = np.random.permutation(X.shape[0])[:batch_size]
        Xb, yb = X[ri], y[ri]
    inputs = [list(map(Value, xrow)) for xrow in Xb]
    scores = list(map(model, inputs))
    losses = [(1 + -yi*scorei).relu() for yi, scorei in zip(yb, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    alpha = 1e-4
    reg_loss = alpha * sum((p*p for p in model.parameters()))
    total_loss = data_loss + reg_loss
    accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(yb, scores)]
    return total_loss, sum(accuracy) / len(accuracy)

for k in range(100):
    total_loss, acc = loss()
    model.zero_grad()
    total_loss.backward()
    learning_rate = 1.0 - 0.9*k/100
    for p in model.parameters():
        p.data -= learning_rate * p.grad
    if k % 1 == 0:
        print(f"step {k} loss {total_loss.data}, accuracy {acc*100}%")
"""
"""The code of micrograd's demo.ipynb, but for the plots and for where the moons come from."""


@pytest.mark.slow
def test_micrograds_demo_with_only_its_imports_changed_trains_to_micrograds_losses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("micrograd.engine", reason="micrograd is not installed (the extra [test])")
    rows = sample_script(ROOT / "samples" / "moons.json.gz").two_moons()[::8]
    points, classes = np.array([point for point, _ in rows]), np.array([label for _, label in rows])
    short = DEMO.replace("range(100)", "range(10)")
    ours = short.replace("from micrograd.engine import", "from mgraph import")
    ours = ours.replace("from micrograd.nn import", "from mgraph.nn.micrograd import")
    assert "micrograd." not in ours.replace("mgraph.nn.micrograd", "")
    printed = []
    for source in (short, ours):
        exec(compile(source, "demo", "exec"), {"moons": lambda: (points, classes)})
        printed.append(capsys.readouterr().out.splitlines())
    theirs, mine = printed
    assert mine[:2] == theirs[:2] and mine[0].startswith("MLP of [Layer of [ReLUNeuron(2), ")
    assert len(mine) == len(theirs) == 12
    for line, wanted in zip(mine[2:], theirs[2:], strict=True):
        (step, x, rest), (same_step, y, same_rest) = (re.split(r"(?<=loss )([^,]+)", each) for each in (line, wanted))
        assert (step, rest) == (same_step, same_rest)
        assert float(x) == pytest.approx(float(y), rel=1e-12)


def test_micrograds_nn_calls_and_texts() -> None:
    random.seed(3)
    mine = nn.micrograd.MLP(3, [2, 1])
    assert repr(mine) == "MLP of [Layer of [ReLUNeuron(3), ReLUNeuron(3)], Layer of [LinearNeuron(2)]]"
    assert [layer.neurons[0].nonlin for layer in mine.layers] == [True, False]
    assert repr(nn.micrograd.Layer(2, 1, nonlin=False)) == "Layer of [LinearNeuron(2)]"
    assert nn.micrograd.Neuron(2, False).parameters()[2].data == 0.0
    random.seed(3)
    assert [p.data for p in nn.MLP(3, [2, 1]).parameters()] == [p.data for p in mine.parameters()]
    assert mine.layers[0].neurons[1].w[0].scope == "mlp/layer0/neuron1"
    assert isinstance(mine, nn.MLP) and isinstance(mine.layers[0].neurons[0], nn.micrograd.Module)
    [alone] = mine.outputs([1.0, 2.0, 3.0])
    assert isinstance(alone, Value) and alone.data == mine([1.0, 2.0, 3.0]).data
    assert [y.data for y in mine.layers[0].outputs([1, 2, 3])] == [y.data for y in mine.layers[0]([1, 2, 3])]


def test_values_are_made_as_in_micrograd() -> None:
    engine = pytest.importorskip("micrograd.engine", reason="micrograd is not installed (the extra [test])")

    def gradients(value_class):
        a, b = value_class(2.0), value_class(-3.0, (), "")
        c = a * b + a**3
        made = value_class(c.data + 1.5, (c, value_class(1.5)), "+")
        return a, b, (made * made).relu()

    a, b, out = gradients(Value)
    out.backward()
    x, y, peer = gradients(engine.Value)
    peer.backward()
    assert out.data == peer.data and (a.data, b.data) == (x.data, y.data)
    made = out.operands[0].operands[0]  # micrograd's has no _backward of its own: its gradient ends there
    assert made._op == "+" and made.grad == peer._prev.pop()._prev.pop().grad
    assert (a.grad, b.grad) == (2 * made.data * (b.data + 3 * a.data**2), 2 * made.data * a.data)


MADE = [
    ((5.0, 2.0), "+", "add"),
    ((6.0, 2.0), "*", "mul"),
    ((9.0,), "**2", "pow"),
    ((9.0, 0.0), "add", None),
    ((3.0,), "ReLU", "relu"),
    ((0.9950547536867306,), "tanh", "tanh"),
    ((20.085536923187668,), "exp", "exp"),
]


@pytest.mark.parametrize(("numbers", "symbol", "op"), MADE)
def test_an_op_made_by_hand_is_the_tables(numbers: tuple[float, ...], symbol: str, op: str | None) -> None:
    operands = (Value(3.0), *map(Value, numbers[1:]))
    if op is None:
        with pytest.raises(ValueError, match=r"^'add' of 3\.0, 0\.0 is 3\.0, not 9\.0$"):
            Value(numbers[0], operands, symbol)
        return
    made = Value(numbers[0], operands, symbol, name="made")
    assert (made.op, made.data, made._op, made.name) == (op, numbers[0], symbol, "made")
    made.backward()
    assert mgraph.record(made).verify(ulps=4).verdict.startswith(("exact", "within"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, (Value(1.0),), "erf"), "unknown op 'erf'. An op of your own is a function of values, such as def softp"),
        ((1.0, (Value(1.0),), "tahn"), "unknown op 'tahn'. Did you mean 'tanh'? An op of your own"),
        ((1.0, (Value(1.0),), ""), "unknown op ''. An op of your own"),
        ((1.0, (), "w"), "unknown op 'w'. An op of your own"),
        ((1.0, (Value(1.0),), "+"), "'+' takes 2 operands, got 1"),
        ((1.0, (Value(1.0),), "**x"), "'**x' is no power: ** is followed by a number"),
        ((1.0, {Value(1.0)}, "exp"), "the operands of a Value are a tuple of values, in order"),
        ((1.0, (1.0, 2.0), "+"), "the operands of a Value are a tuple of values, in order"),
    ],
    ids=str,
)
def test_what_cannot_be_made_by_hand_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(TypeError) as refused:
        Value(*arguments)
    assert str(refused.value).startswith(message)


def test_a_derivative_made_by_hand_is_refused() -> None:
    x = Value(1.0)
    out = Value(1.0, (x,), "ReLU")
    with pytest.raises(TypeError, match=r"^a Value takes no _backward: the op table has the derivative of each op"):
        out._backward = lambda: None
    assert not hasattr(out, "_backward")
