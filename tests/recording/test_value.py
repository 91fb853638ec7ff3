"""Values: the numeric protocol, recording, backward, scopes and names, and code written for micrograd."""

from __future__ import annotations

import copy
import inspect
import math
import operator
import pickle
import pydoc
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

import mgraph
from mgraph import Value, nn
from mgraph.arithmetic.ops import OPS

OTHERS = [2, 2.0, np.float64(2), np.float32(2), np.int64(2), Fraction(2)]
INFIX = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("other", OTHERS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("infix", INFIX, ids=lambda f: f.__name__)
def test_infix_operators_with_numbers_on_either_side(infix, other) -> None:
    x = Value(3.0)
    left, right = infix(other, x), infix(x, other)
    assert type(left) is Value and type(right) is Value
    assert left.data == infix(2.0, 3.0)
    assert right.data == infix(3.0, 2.0)
    assert type(left.data) is float and type(right.data) is float


def test_in_place_forms_rebind() -> None:
    x = first = Value(3.0)
    x += 1
    x -= 2
    x *= 3
    x /= 4
    x **= 2
    assert x.data == 2.25
    assert first.data == 3.0


def test_unary_operators_and_the_rest_of_the_protocol() -> None:
    x = Value(-2.5)
    assert (-x).data == 2.5 and (+x) is x and abs(x).data == 2.5
    assert (float(x), int(x), complex(x), bool(x), bool(Value(0.0))) == (-2.5, -2, -2.5 + 0j, True, False)
    assert (round(x), round(Value(2.345), 2), math.floor(x), math.ceil(x), math.trunc(x)) == (-2, 2.35, -3, -2, -2)
    assert x < 0 and x <= Value(-2.5) and x > -3 and Value(1) >= x > -3
    assert max([Value(1), Value(3), Value(2)]).data == 3
    assert f"{x:.1f}" == "-2.5"
    assert x == x and x != Value(-2.5) and len({x, Value(-2.5)}) == 2
    assert repr(Value(1, name="x")) == "Value(data=1.0, grad=0.0, name='x')"
    assert repr(x) == "Value(data=-2.5, grad=0.0)"


@pytest.mark.parametrize("other", ["2", None, [1], 1j])
def test_what_is_not_a_real_number_is_refused(other) -> None:
    with pytest.raises(TypeError):
        Value(1.0) + other
    with pytest.raises(TypeError):
        other * Value(1.0)
    with pytest.raises(TypeError, match="a real number is needed"):
        Value(other)
    with pytest.raises(TypeError):
        Value(1.0) < other  # noqa: B015


def test_three_argument_pow_floor_and_mod_are_not_ops() -> None:
    for call in (lambda x: pow(x, 2, 3), lambda x: x // 2, lambda x: x % 2):
        with pytest.raises(TypeError):
            call(Value(3.0))


def test_an_int_past_binary64_is_an_overflow() -> None:
    with pytest.raises(OverflowError):
        Value(10**400)


@pytest.mark.parametrize("name", OPS)
def test_every_op_is_a_method_and_a_function(name: str) -> None:
    op = OPS[name]
    operands = [Value(0.75 + 0.5 * k) for k in range(op.arity)]
    numbers = [x.data for x in operands]
    by_method = getattr(operands[0], name)(*operands[1:])
    by_function = getattr(mgraph, name)(*operands)
    assert by_method.op == by_function.op == name
    assert by_method.operands == tuple(operands)
    assert by_method.data == by_function.data == getattr(mgraph, name)(*numbers) == op.forward(*numbers)
    assert name in dir(mgraph)


@pytest.mark.parametrize("name", OPS)
def test_the_help_of_an_op_is_its_row(name: str) -> None:
    op = OPS[name]
    function, method = getattr(mgraph, name), getattr(Value, name)
    assert (function.__module__, function.__name__, function.__qualname__) == ("mgraph", name, name)
    assert (method.__name__, method.__qualname__) == (name, f"Value.{name}")
    assert list(inspect.signature(function).parameters) == ["a", "b"][: op.arity]
    assert list(inspect.signature(method).parameters) == ["self", "b"][: op.arity]
    assert function.__doc__ == method.__doc__
    first, _, *facts = function.__doc__.splitlines()
    assert first and facts[0] == f"y = {op.formula}"
    assert facts[1 : 1 + op.arity] == [f"∂y/∂{x} = {each}" for x, each in zip("ab", op.derivatives, strict=False)]
    assert facts[1 + op.arity] == f"domain: {op.where}"
    assert facts[2 + op.arity :] == ([f"convention: {op.at_kink}"] if op.at_kink else [])


def test_help_speaks_of_the_operands_by_their_names() -> None:
    assert pydoc.render_doc(mgraph.tanh, renderer=pydoc.plaintext).splitlines()[2:] == [
        "tanh(a, /)",
        "    Hyperbolic tangent; 1 from 19.0616 on.",
        "    ",
        "    y = tanh(a)",
        "    ∂y/∂a = 1 - y*y",
        "    domain: all",
    ]
    assert mgraph.pow.__doc__.startswith("a**b (IEEE 754-2019 clause 9.2.1): NaN for a negative a under a b")
    assert Value.__rsub__.__doc__ == Value.sub.__doc__


def test_functions_check_their_arguments() -> None:
    with pytest.raises(TypeError, match="tanh takes 1 operand, got 2"):
        mgraph.tanh(1.0, 2.0)
    with pytest.raises(AttributeError, match="no attribute 'thanh'"):
        mgraph.thanh  # noqa: B018


def test_numpy_functions_record() -> None:
    x = np.array([Value(0.5), Value(1.5)], dtype=object)
    y = np.tanh(x) @ np.array([1.0, 2.0])
    assert y.data == math.tanh(0.5) + 2 * math.tanh(1.5)


@pytest.mark.parametrize("scalar", [np.float16, np.float32, np.longdouble, np.int8, np.uint64, np.bool_])
def test_numpy_scalars_are_operands_on_either_side(scalar: type) -> None:
    x, one, array = Value(2.0), scalar(1), np.array([1, 1], scalar)
    assert [each.data for each in (one + x, x + one, one / x, x**one, one**x)] == [3.0, 3.0, 0.5, 2.0, 1.0]
    assert [each.data for each in [*(array * x), *(x * array), *np.maximum(array, x)]] == [2.0] * 6


@pytest.mark.parametrize("scalar", [np.complex64, np.clongdouble])
def test_numpy_complex_numbers_are_no_operands(scalar: type) -> None:
    for call in (lambda: scalar(1) + Value(2.0), lambda: Value(2.0) * np.array([scalar(1)])):
        with pytest.raises(TypeError, match="unsupported operand"):
            call()


def test_importing_the_package_imports_none_of_it_but_fills_the_seams() -> None:
    script = (
        "import sys, mgraph\n"
        "print(sorted(name for name in sys.modules if name.startswith('mgraph')))\n"
        "from mgraph.recording.value import Value\n"
        "shown = Value(0.5)._repr_mimebundle_()\n"
        "print('application/vnd.mgraph+json' in shown, shown['text/plain'][:28])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['mgraph', 'mgraph.seams']", "True Value(data=0.5, grad=0.0)"]


# Backward


def test_reuse_is_exact() -> None:
    a = Value(3.0)
    (a * a).backward()
    assert a.grad == 6.0
    (a + a).backward()
    assert a.grad == 2.0
    (a - a).backward()
    assert a.grad == 0.0


def test_backward_is_idempotent_and_accumulates_on_request() -> None:
    a, b = Value(2.0), Value(-3.0)
    y = (a * b + a).tanh()
    y.backward()
    first = (a.grad, b.grad, y.grad)
    y.backward()
    assert (a.grad, b.grad, y.grad) == first
    y.backward(accumulate=True)
    assert (a.grad, b.grad, y.grad) == tuple(2 * g for g in first)
    y.backward(seed=0.5)
    assert (a.grad, b.grad, y.grad) == tuple(g / 2 for g in first)


@pytest.mark.slow
def test_a_chain_of_a_million_nodes() -> None:
    x = Value(1.0)
    y = x
    for _ in range(500_000):
        y = (y + x) * 0.5
    y.backward()
    assert x.grad == pytest.approx(1.0)
    assert y.serial - x.serial >= 1_000_000
    del y  # and is freed without recursion


def test_a_branch_not_taken_contributes_nothing() -> None:
    x = Value(0.0)
    y = x.log().relu() + x.sqrt().maximum(1.0) + 2 * x  # slopes of log and sqrt are infinite at 0
    y.backward()
    assert x.grad == 2.0


def test_constants_get_no_gradient() -> None:
    c, x = mgraph.constant(2.0), Value(3.0)
    y = c * x * 4
    y.backward()
    assert (c.grad, x.grad) == (0.0, 8.0)


def test_values_are_not_pickled_or_copied() -> None:
    for keep in (pickle.dumps, copy.deepcopy, copy.copy):
        with pytest.raises(TypeError, match=r"mgraph\.save"):
            keep(Value(1.0))


# Names and scopes


def test_names_and_labels_are_the_same() -> None:
    x = Value(1.0, label="x")
    assert x.name == x.label == "x"
    x.label = "y"
    assert x.name == "y"
    with pytest.raises(TypeError, match="a name is text"):
        x.name = 3


def test_scopes_nest_and_end() -> None:
    with mgraph.scope("mlp"), mgraph.scope("layer0") as path:
        x = Value(1.0)
        y = x + 1
    assert path == x.scope == y.scope == "mlp/layer0"
    assert Value(1.0).scope is None
    with pytest.raises(ValueError, match="a scope needs a name"), mgraph.scope(""):
        pass


def test_two_networks_of_one_name_have_their_own_scopes() -> None:
    with mgraph.scope("gan"):
        one, other = nn.MLP(1, [2, 1]), nn.MLP(1, [2, 1])
    third, alone = nn.MLP(1, [1]), nn.micrograd.Neuron(1)
    with mgraph.scope("gan/mlp2"):
        taken = Value(1.0, name="x") * 2
    x = Value(0.5, name="x")
    a, b = one([x]), other([x])
    graph = mgraph.record(b + a + third([a]) + alone([x]) + taken)
    scopes = {node.get("scope") for node in graph.nodes}
    parts = [
        f"gan/{mlp}/{part}"
        for mlp in ("mlp", "mlp3")
        for part in ("layer0/neuron0", "layer0/neuron1", "layer1/neuron0")
    ]
    assert scopes == {None, *parts, "mlp/layer0/neuron0", "neuron", "gan/mlp2"}
    for mlp, name in ((one, "gan/mlp"), (other, "gan/mlp3"), (third, "mlp")):
        for k, layer in enumerate(mlp.layers):
            for j, neuron in enumerate(layer.neurons):
                assert graph.data[f"{name}/layer{k}/neuron{j}/w0"] == neuron.w[0].data
    assert all("label" not in node or node["id"].endswith(f"/{node['label']}") for node in graph.nodes)
    assert {node.get("scope") for node in mgraph.record(b).nodes} == {
        None,
        *parts[:3],
    }  # what is not recorded counts not
    assert mgraph.record(b).to_bytes() == mgraph.record(b).to_bytes()
    again = mgraph.record(nn.Neuron(1, name="n")([x]), nn.Neuron(1, name="n")([x]), nn.Neuron(1, name="n")([x]))
    assert again.parameters == ["n/w0", "n/b", "n2/w0", "n2/b", "n3/w0", "n3/b"]
    for unnamed in (lambda: nn.MLP(1, [1], name=""), lambda: nn.Neuron(1, name="")):
        with pytest.raises(ValueError, match="a scope needs a name"):
            unnamed()


def test_a_users_scope_is_shared_and_a_networks_may_be_entered() -> None:
    y = 0.0
    for k in range(2):
        with mgraph.scope("f"):
            y = Value(float(k), name=f"x{k}") + y
    assert {node["scope"] for node in mgraph.record(y).nodes} == {"f"}
    mlp = nn.MLP(1, [1])
    with mgraph.scope("mlp", absolute=True):
        y = mlp([1.0]) * 2
    assert {node["scope"] for node in mgraph.record(y).nodes} == {"mlp", "mlp/layer0/neuron0"}


def test_name_takes_the_variables_names() -> None:
    x, w, _hidden = Value(1.0), [Value(2.0), [Value(3.0)]], Value(4.0)
    named = Value(5.0, name="kept")
    again = x
    mgraph.name({"x": x, "w": w, "_hidden": _hidden, "named": named, "again": again, "n": 3})
    assert [x.name, w[0].name, w[1][0].name, _hidden.name, named.name] == ["x", "w[0]", "w[1][0]", None, "kept"]


# nn


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "linear"])
def test_a_neuron_is_the_sum_and_its_activation(activation: str) -> None:
    neuron = nn.Neuron(2, activation=activation)
    y = neuron([0.5, Value(-0.25)])
    z = neuron.b.data + neuron.w[0].data * 0.5 + neuron.w[1].data * -0.25
    assert y.data == (z if activation == "linear" else OPS[activation].forward(z))
    assert [p.op for p in neuron.parameters()] == ["parameter"] * 3
    assert [p.name for p in neuron.parameters()] == ["w0", "w1", "b"]


def test_mlp_shapes_scopes_and_micrograds_calling_conventions() -> None:
    mlp = nn.MLP(3, [4, 4, 2], activation="relu")
    out = mlp([1.0, -2.0, 3.0])
    assert isinstance(out, list) and len(out) == 2
    assert len(mlp.parameters()) == 3 * 4 + 4 + 4 * 4 + 4 + 4 * 2 + 2
    assert isinstance(nn.MLP(3, [4, 1])([1, 2, 3]), Value)
    assert mlp.layers[0].neurons[3].w[0].scope == "mlp/layer0/neuron3"
    assert out[1].scope == "mlp/layer2/neuron1"
    assert mlp.layers[2].neurons[0].activation == "linear"
    out[0].backward()
    assert any(p.grad for p in mlp.parameters())
    mlp.zero_grad()
    assert not any(p.grad for p in mlp.parameters())
    assert nn.Neuron(2, nonlin=False).activation == "linear"
    assert repr(nn.Layer(2, 1)) == "Layer of [tanhNeuron(2)]"
    assert repr(nn.MLP(1, [1])) == "MLP of [Layer of [linearNeuron(1)]]"


def test_nn_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="activation is one of tanh, relu, sigmoid, linear, not 'gelu'"):
        nn.Neuron(2, activation="gelu")
    with pytest.raises(ValueError, match="a neuron with 2 weights was given 3 inputs"):
        nn.Neuron(2)([1, 2, 3])
