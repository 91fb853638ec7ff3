"""JAX's functions against JAX's own numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from mgraph.errors import FormatError
from mgraph.graph import Graph

jax = pytest.importorskip("jax", reason="JAX is not installed (the extra [jax])")
jnp = jax.numpy
lax = jax.lax

from mgraph.formats.read import jax as reader  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(autouse=True)
def doubles() -> Any:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


rng = np.random.default_rng(5)
X, Y, P, V, B = (
    rng.uniform(-2, 2, (3, 4)),
    rng.uniform(-2, 2, (3, 4)),
    rng.uniform(0.1, 2, (3, 4)),
    rng.uniform(-2, 2, 4),
    rng.uniform(-2, 2, (2, 4, 3)),
)


@jax.custom_jvp
def doubled(x: Any) -> Any:
    return x * 2.0


doubled.defjvps(lambda t, out, x: t * 2.0)


@jax.custom_vjp
def tripled(x: Any) -> Any:
    return x * 3.0


tripled.defvjp(lambda x: (x * 3.0, None), lambda _, t: (t * 3.0,))

# Of x and y (3, 4), p (3, 4) and positive, v (4) and b (2, 4, 3).
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "arithmetic": lambda x, y, p, v, b: (x + y) * v - x / p - (-y),
    "numbers": lambda x, y, p, v, b: 1 - 2 * x / 3 + (y - 0.5),
    "powers": lambda x, y, p, v, b: x**2 + x**-1 + p**0.5 + p**y + 2**x + jnp.exp2(y) + jnp.square(x),
    "exponentials": lambda x, y, p, v, b: jnp.exp(x) + jnp.expm1(y) + jnp.tanh(x) + jax.nn.sigmoid(y),
    "logarithms": lambda x, y, p, v, b: jnp.log(p) + jnp.log1p(p) + jnp.log2(p),
    "roots": lambda x, y, p, v, b: jnp.sqrt(p) + lax.rsqrt(p) + jnp.linalg.norm(x),
    "circular": lambda x, y, p, v, b: jnp.sin(x) * jnp.cos(y),
    "abs and sign": lambda x, y, p, v, b: jnp.abs(x) + jnp.sign(x) * y,
    "extremes": lambda x, y, p, v, b: jnp.maximum(x, y) + jnp.minimum(x, v) + jnp.clip(x, -1, 1) + lax.clamp(-0.5, y, 0.7),
    "rectifiers": lambda x, y, p, v, b: jax.nn.relu(x) + jax.nn.leaky_relu(y) + jax.nn.softplus(x) + jax.nn.silu(y) + jax.nn.gelu(x),
    "branches": lambda x, y, p, v, b: jnp.where(x > y, x * x, y) + jnp.where(x <= 0, y, 0.0) + jnp.where((x < 1) & ~(y >= 0), x, y),
    "equality": lambda x, y, p, v, b: jnp.where((x == y) | (x != 0.5), x * y, x) + (x > 0).astype(float) * y,
    "conversion": lambda x, y, p, v, b: x.astype(bool) * y + jnp.where(jnp.isfinite(x), x, 0.0),
    "softmax": lambda x, y, p, v, b: jax.nn.softmax(x, 1) + jax.nn.log_softmax(y, 0) + jax.scipy.special.logsumexp(x),
    "sums": lambda x, y, p, v, b: x.sum() + x.sum(0) + y.mean(1, keepdims=True) + jnp.var(v),
    "reductions": lambda x, y, p, v, b: x.max(1, keepdims=True) + y.min(0) + x.prod() + y.max(),
    "products": lambda x, y, p, v, b: (x @ y.T).sum() + x @ v @ x + v @ v + jnp.outer(x[:, 0], v),
    "stacks of products": lambda x, y, p, v, b: jnp.einsum("ij,bjk->bik", x, b).sum(0) @ x + jnp.einsum("ij,ij->i", x, y).sum(),
    "batches": lambda x, y, p, v, b: jnp.einsum("bjk,bkl->bjl", b, jnp.stack([x, y]))[1, :3] + jax.vmap(lambda r: r * (r @ v))(x),
    "shapes": lambda x, y, p, v, b: x.T.reshape(3, 4) + y.ravel()[:4] + x[None].squeeze(0) + jnp.expand_dims(v, 0),
    "parts": lambda x, y, p, v, b: x[:, 1:].sum() + y[0] + x[-1, ::-1] + jnp.split(x, 2, 1)[1].sum() + lax.dynamic_slice(v, (1,), (2,)).sum(),
    "indices": lambda x, y, p, v, b: x[jnp.array([2, 0, 0])] + jnp.take(v, 1) + jnp.roll(y, 1, 1) + jnp.diff(v).sum(),
    "joined": lambda x, y, p, v, b: jnp.concatenate([x, y])[2:5] + jnp.stack([x, y], 1)[:, 1] + jnp.tile(v, 2)[2:6] + jnp.pad(v, 1, constant_values=2.0)[:4],
    "set": lambda x, y, p, v, b: lax.dynamic_update_slice(x, v[None], (2, 0)) + jnp.asarray(x).at[0].set(v).at[1, 2].set(7.0) * y,
    "out of bounds": lambda x, y, p, v, b: jnp.asarray(v).at[jnp.array([9, 2, 3, 1])].get(mode="fill", fill_value=1.5) * x,
    "made inside": lambda x, y, p, v, b: jnp.arange(4.0) * x + jnp.eye(3) @ y + jax.random.normal(jax.random.key(0), (4,)) * x,
    "constants": lambda x, y, p, v, b: jnp.tanh(jnp.asarray(Y)) * x + X,
    "a gradient": lambda x, y, p, v, b: jax.grad(lambda x: jnp.sum(jnp.tanh(x) * x * y))(x),
    "nested": lambda x, y, p, v, b: jax.jit(jnp.tanh)(x) + jax.checkpoint(jnp.sin)(y) + doubled(x) + tripled(y),
    "copy": lambda x, y, p, v, b: jnp.copy(x) * y,
}  # fmt: skip


def agrees(document: Any) -> Graph:
    """A replay gives the numbers that are recorded, which are JAX's, but for the last bits."""
    graph = Graph(document)
    run = graph.replay()
    for node in document["nodes"]:
        name = node["id"]
        if name in document["outputs"]:
            assert run.data[name] == pytest.approx(graph.data[name], rel=1e-12, abs=1e-13)
        if node["op"] == "input" and name in graph.grad:
            assert run.grad[name] == pytest.approx(graph.grad[name], rel=1e-11, abs=1e-12)
    return graph


def read_and_replayed(name: str) -> None:
    """A function is read as JAX computes it, and replayed so at other inputs too."""

    def loss(x: Any, y: Any, p: Any, v: Any, b: Any) -> Any:
        return (FUNCTIONS[name](x, y, p, v, b) ** 2).sum()

    compiled = jax.jit(loss)  # as a whole, which is faster
    graph = agrees(reader.read(compiled, X, Y, P, V, B))
    others = dict(zip("xypvb", (Y * 0.9, X * -1.1, P[::-1] + 0.25, V[::-1] * 0.8, B * 0.7), strict=True))
    given = {
        f"{argument}[{','.join(map(str, place))}]": float(numbers[place])
        for argument, numbers in others.items()
        for place in np.ndindex(numbers.shape)
    }
    again = graph.replay({leaf: x for leaf, x in given.items() if leaf in graph}, backward=False)
    assert len(graph.inputs) == sum(leaf in graph for leaf in given)
    assert again.data[graph.outputs[0]] == pytest.approx(float(compiled(*others.values())), rel=1e-11, abs=1e-12)


@pytest.mark.slow
def test_every_primitive(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()

    class Noted(dict[str, Any]):
        def __getitem__(self, primitive: str) -> Any:
            seen.add(primitive)
            return super().__getitem__(primitive)

    monkeypatch.setattr(reader, "PRIMITIVES", Noted(reader.PRIMITIVES))
    for name in FUNCTIONS:
        read_and_replayed(name)
    assert sorted(set(reader.PRIMITIVES) - seen) == []


@pytest.mark.parametrize("name", ["branches", "products", "parts"])
def test_a_few_functions(name: str) -> None:
    read_and_replayed(name)


def perceptron(params: dict[str, Any], x: Any) -> Any:
    return jnp.mean((jnp.tanh(x @ params["w"] + params["b"]) @ params["out"]) ** 2)


PARAMS = {"b": V[:2], "w": rng.uniform(-1, 1, (4, 2)), "out": rng.uniform(-1, 1, 2)}


@pytest.mark.slow
def test_the_numbers_are_jaxs() -> None:
    document = reader.read(perceptron, PARAMS, X, title="A network")
    graph = agrees(document)
    assert document["title"] == "A network" and document["meta"] == {"source": f"JAX {jax.__version__}"}
    assert graph.data[document["outputs"][0]] == float(perceptron(PARAMS, X))
    grads, x = jax.grad(perceptron, (0, 1))(PARAMS, X)
    assert graph.grad["params['w'][3,1]"] == grads["w"][3, 1] and graph.grad["params['b'][0]"] == grads["b"][0]
    assert graph.grad["x[2,3]"] == x[2, 3]
    assert graph.verify(ulps=1000).ok


def test_names() -> None:
    def called(function: Callable[..., Any], *args: Any, **options: Any) -> list[str]:
        nodes = reader.read(function, *args, **options)["nodes"]
        return [node["id"] for node in nodes if node["op"] == "input"]

    assert called(lambda a, b: a * b, 2.0, np.ones(1)) == ["a", "b"]
    assert called(lambda *rows: rows[0] + rows[1], 1.0, 2.0) == ["rows[0]", "rows[1]"]
    assert called(lambda a: a[0] * a[1]["k"], [1.0, {"k": 2.0}]) == ["a[0]", "a[1]['k']"]
    assert called(lambda a, b: a @ b, np.ones(2), np.ones(2), names=("u", "v")) == ["u[0]", "u[1]", "v[0]", "v[1]"]
    assert called(jnp.multiply, 1.0, 2.0, names=("a", "b")) == ["a", "b"]


def test_outputs() -> None:
    document = reader.read(lambda x: {"far": x * 2, "near": [x[0] + 1.0, 3.0]}, np.ones(2))
    assert len(document["outputs"]) == 4 and "seeds" not in document
    assert [node["op"] for node in document["nodes"]].count("constant") == 1
    assert reader.read(lambda x: 3.0, 2.0)["nodes"] == [{"id": "n0", "op": "constant", "data": 3.0}]


def test_relu_at_its_kink() -> None:
    document = reader.read(lambda x: jax.nn.relu(x).sum(), np.zeros(2))
    assert [node["op"] for node in document["nodes"]] == ["input", "input", "relu", "relu", "add"]
    assert Graph(document).verify(finite_differences=False).verdict == "exact"


def test_single_precision() -> None:
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(FormatError) as refused:
        reader.read(lambda x: jnp.tanh(x) * 3, 0.3)
    assert str(refused.value) == (
        "numbers computed in float32 are not those of a replay in binary64: compute in float64, as after"
        ' jax.config.update("jax_enable_x64", True), or say how far they may be with tolerance=, in units in the last'
        " place of binary64 (one of binary32 is 2**29 of them)"
    )
    document = reader.read(lambda x: jnp.tanh(x) * 3, 0.3, tolerance=2**31)
    assert document["tolerance"] == {"ulps": 2**31} and document["meta"]["arithmetic"] == "float32"
    assert document["nodes"][0]["data"] == float(np.float32(0.3))
    graph = Graph(document)
    assert graph.data[document["outputs"][0]] == float(jnp.tanh(0.3) * 3)
    assert graph.verify(finite_differences=False).ok


def test_single_precision_inside() -> None:
    with pytest.raises(FormatError, match="float32"):
        reader.read(lambda x: x.astype(jnp.float32) * 2, np.ones(2))


def test_refusals() -> None:
    def said(function: Callable[..., Any], *args: Any) -> str:
        with pytest.raises(FormatError) as refused:
            reader.read(function, *args)
        return str(refused.value)

    here = r" \(File \"[^\"]*test_from_jax.py\", line \d+, in [\w<>.]+\) is not supported; docs/reference/import-operators.md lists what is$"
    assert re.match("erf" + here, said(lambda x: lax.erf(x) * x, 0.5))
    assert re.match("cond, unlike jnp.where," + here, said(lambda x: lax.cond(x > 0, jnp.sin, jnp.cos, x), 0.5))
    assert said(lambda x: lax.fft(x, "fft", (4,)).real, V).startswith("fft ")
    assert said(lambda x: [], 0.5) == "the function returns no numbers"
    assert re.match("scan" + here, said(lambda x: lax.fori_loop(0, 3, lambda k, c: c * x, x), 0.5))
    assert re.match("stop_gradient, which changes gradients," + here, said(lambda x: x * lax.stop_gradient(x), 0.5))
    assert re.match("convert_element_type to int64" + here, said(lambda x: x.astype(int) * x, np.ones(2)))
    assert re.match(
        "convert_element_type to int32" + here, said(lambda x: lax.dynamic_slice(x, (x[0].astype("int32"),), (1,)), V)
    )
    assert said(lambda x, n: x**n, 0.5, 3) == (
        "numbers of int64 are not supported; mgraph computes in binary64 (float64)"
    )
    with pytest.raises(TypeError, match=r"^a function is needed, not float$"):
        reader.read(0.5)


def test_the_documentation_lists_what_is_supported() -> None:
    text = (ROOT / "docs/reference/import-operators.md").read_text()
    rows = dict(re.findall(r"^\| (primitives|functions that they are in) \| (.*) \|$", text, re.MULTILINE))
    assert re.findall(r"`([^`]+)`", rows["primitives"]) == sorted(reader.PRIMITIVES)
    assert re.findall(r"`([^`]+)`", rows["functions that they are in"]) == sorted(reader.CALLS)
