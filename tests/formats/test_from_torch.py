"""PyTorch's graphs, live and exported, against PyTorch's own numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

import mgraph
from mgraph.errors import FormatError
from mgraph.graph import Graph

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra [torch])")

from torch.nn import functional  # noqa: E402

from mgraph.formats.read import torch as reader  # noqa: E402
from mgraph.formats.read import torch_export  # noqa: E402
from mgraph.formats.read.torch_autograd import AUTOGRAD  # noqa: E402
from mgraph.formats.read.torch_export import ATEN  # noqa: E402

# What PyTorch itself says when it exports or decomposes a program.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


generator = torch.Generator().manual_seed(1)


def random(*shape: int, positive: bool = False, grad: bool = True) -> Any:
    made = torch.rand(shape, generator=generator, dtype=torch.float64)
    return (made + 0.1 if positive else 4 * made - 2).requires_grad_(grad)


def elements(name: str, held: Any) -> dict[str, float]:
    """The numbers of a tensor by the names that its elements get."""
    numbers = held.detach().numpy()
    if numbers.size == 1:
        return {name: numbers.item()}
    return {f"{name}[{','.join(map(str, place))}]": float(x) for place, x in np.ndenumerate(numbers)}


def agrees(document: Any, output: Any, grads: dict[str, Any]) -> Graph:
    """The document records PyTorch's numbers, and a replay gives them, but for the last bits."""
    graph = Graph(document)
    run = graph.replay()
    expected = output.detach().ravel().tolist()
    assert [graph.data[name] for name in document["outputs"]] == expected
    assert [run.data[name] for name in document["outputs"]] == pytest.approx(expected, rel=1e-12, abs=1e-13)
    for name, grad in grads.items():
        for node, number in elements(name, grad).items():
            assert graph.grad.get(node, 0.0) == number
            assert (run.grad[node] if node in graph.grad else 0.0) == pytest.approx(number, rel=1e-12, abs=1e-13)
    return graph


a, b, p = random(3, 4), random(3, 4), random(3, 4, positive=True)
v, u, w, x3, y3 = random(4), random(3), random(4, 5), random(2, 3, 4), random(2, 4, 2)
LEAVES = {"a": a, "b": b, "p": p, "v": v, "u": u, "w": w, "x3": x3, "y3": y3}
c, k = random(3, 4, grad=False), random(5, grad=False)

LIVE: dict[str, Callable[[], Any]] = {
    "add": lambda: torch.add(a, b, alpha=2),
    "add, broadcast": lambda: a + v,
    "sub": lambda: torch.sub(a, b, alpha=3),
    "sub, broadcast": lambda: x3 - a,
    "rsub": lambda: torch.rsub(a, b, alpha=2),
    "mul": lambda: a * b,
    "mul by a number": lambda: 2.5 * a,
    "mul by a constant": lambda: c * a,
    "mul, outer": lambda: torch.outer(u, v),
    "div": lambda: a / p,
    "div by a number": lambda: a / 3,
    "a number divided": lambda: 2 / p,
    "a constant divided": lambda: c / p,
    "neg": lambda: -a,
    "pow": lambda: a**3,
    "square": a.square,
    "pow of both": lambda: p**b,
    "pow of a constant": lambda: c.abs() ** b,
    "pow to a constant": lambda: p**c,
    "pow of a number": lambda: 2**a,
    "exp": a.exp,
    "exp2": lambda: torch.exp2(a),
    "expm1": a.expm1,
    "log": p.log,
    "log1p": p.log1p,
    "sqrt": p.sqrt,
    "rsqrt": p.rsqrt,
    "reciprocal": p.reciprocal,
    "tanh": a.tanh,
    "sigmoid": a.sigmoid,
    "relu": a.relu,
    "sin": a.sin,
    "cos": a.cos,
    "abs": a.abs,
    "maximum": lambda: a.maximum(b),
    "minimum of a constant": lambda: a.minimum(c),
    "clamp": lambda: a.clamp(-1, 0.5),
    "clamp below": lambda: a.clamp(min=-1),
    "clamp_min": lambda: torch.clamp_min(a, -1),
    "clamp_max": lambda: torch.clamp_max(a, 1),
    "sum": a.sum,
    "sum of rows": lambda: a.sum(-1),
    "sum of two": lambda: x3.sum((0, 2), keepdim=True),
    "mean": a.mean,
    "mean of columns": lambda: a.mean(0, keepdim=True),
    "max": a.max,
    "min": a.min,
    "amax": lambda: a.amax(1),
    "amin": lambda: a.amin((0, 1)),
    "mse": lambda: functional.mse_loss(a, b),
    "mse, summed": lambda: functional.mse_loss(a, c, reduction="sum"),
    "mse, each": lambda: functional.mse_loss(a, b, reduction="none"),
    "softmax": lambda: a.softmax(1),
    "log_softmax": lambda: a.log_softmax(0),
    "mm": lambda: a @ w,
    "mm of a constant": lambda: c @ w,
    "matmul of three dimensions": lambda: x3 @ w,
    "bmm": lambda: torch.bmm(x3, y3),
    "mv": lambda: a @ v,
    "vm": lambda: u @ a,
    "dot": lambda: v @ a[0],
    "addmm": lambda: torch.addmm(u.unsqueeze(1), a, w, alpha=2, beta=3),
    "linear": lambda: functional.linear(a, w.T, w[0]),
    "linear of a vector": lambda: functional.linear(v, w.T, w[0]),
    "linear of a constant": lambda: functional.linear(c, w.T),
    "addmv": lambda: torch.addmv(u, a, v, beta=2),
    "baddbmm": lambda: torch.baddbmm(x3[:, :, :2], x3, y3),
    "einsum": lambda: torch.einsum("ij,jk->ki", a, w),
    "t": a.t,
    "T": lambda: a.T @ b,
    "transpose": lambda: x3.transpose(0, -1),
    "permute": lambda: x3.permute(2, 0, 1),
    "view": lambda: a.view(4, 3),
    "reshape": lambda: a.T.reshape(12),
    "unsqueeze": lambda: a.unsqueeze(-1),
    "squeeze": lambda: a.unsqueeze(0).squeeze(),
    "squeeze one": lambda: a.unsqueeze(0).squeeze(0),
    "squeeze some": lambda: a.unsqueeze(0).squeeze((0, 1)),
    "expand": lambda: v.expand(3, 4),
    "select": lambda: a[1],
    "select a column": lambda: a[:, -1],
    "one element": lambda: a[1, 2],
    "slice": lambda: a[1:, ::2],
    "slice from the end": lambda: a[-2:, :-1],
    "index": lambda: a[[0, 2, 0]],
    "index a column": lambda: a[:, [0, 1]],
    "unbind": lambda: a.unbind(1)[2] * a.unbind(1)[0],
    "rows": lambda: sum((row[0] * row[1] for row in a), v[0]),
    "split": lambda: a.split(3, 1)[1],
    "split into sizes": lambda: a.split([1, 3], 1)[1],
    "cat": lambda: torch.cat([a, b], -1),
    "stack": lambda: torch.stack([a, b], -1),
    "clone": a.clone,
    "detached alias": lambda: torch.ops.aten.alias(a),
    "in place": lambda: (a * 2).mul_(b),
    "shared": lambda: a * a + a,
}


@pytest.mark.parametrize("name", LIVE)
def test_live_operation(name: str) -> None:
    for leaf in LEAVES.values():
        leaf.grad = None
    made = LIVE[name]() * 1.5
    agrees(reader.read(made), made, {})
    out = (made * made).sum()
    out.backward(retain_graph=True)
    grads = {key: leaf.grad for key, leaf in LEAVES.items() if leaf.grad is not None}
    graph = agrees(reader.read(out, LEAVES), out, grads)
    before = {key: leaf.detach().clone() for key, leaf in LEAVES.items()}
    try:
        for key, leaf in LEAVES.items():
            leaf.data.mul_(1.5 if key == "p" else -0.8).add_(0.05)
        given = {node: x for key, leaf in LEAVES.items() for node, x in elements(key, leaf).items() if node in graph}
        (found,) = graph.replay(given, backward=False).outputs.values()
        assert found == pytest.approx(((LIVE[name]() * 1.5) ** 2).sum().item(), rel=1e-12)
    finally:
        for key, leaf in LEAVES.items():
            leaf.data.copy_(before[key])


def test_every_live_operation_is_tried() -> None:
    seen = set()
    pending = [made().grad_fn for made in LIVE.values()]
    while pending:
        node = pending.pop()
        seen.add(node.name())
        pending += [source for source, _ in node.next_functions if source is not None]
    assert set(AUTOGRAD) - seen == {"ToCopyBackward0"}


NEURON = """
x1 = torch.tensor([0.5000]).double()
x2 = torch.tensor([0.7000]).double()
w1 = torch.tensor([0.0259]).double()
w2 = torch.tensor([0.1967]).double()
x1.requires_grad_(True)
x2.requires_grad_(True)
w1.requires_grad_(True)
w2.requires_grad_(True)
# Bias
b = torch.tensor([-0.7261]).double()
b.requires_grad_(True)
# Forward pass
x1w1 = x1 * w1
x2w2 = x2 * w2
sum_ = x1w1 + x2w2
sum_b = sum_ + b
out = torch.tanh(sum_b)
out.backward()
"""
PRINTED = {"x1": 0.0189139266452323, "x2": 0.14364360605503948, "w1": 0.3651337090624216, "w2": 0.5111871839819242}


def test_the_texts_neuron() -> None:
    made: dict[str, Any] = {"torch": torch}
    exec(NEURON, made)
    document = reader.read(made["out"], made, title="A neuron")
    graph = Graph(document)
    assert list(graph.data) == ["x1", "w1", "x1w1", "x2", "w2", "x2w2", "sum_", "b", "sum_b", "out"]
    assert graph.data["out"] == -0.5193578553128438
    assert {name: graph.grad[name] for name in PRINTED} == PRINTED
    assert graph.grad["b"] == 0.7302674181248432
    assert graph.verify(ulps=1).ok
    assert {node["op"] for node in document["nodes"]} == {"input", "mul", "add", "tanh"}
    assert document["meta"] == {"source": f"PyTorch {torch.__version__}"}
    assert "tolerance" not in document
    sample = mgraph.load(ROOT / "samples" / "neuron-pytorch.json")
    assert (sample.data, sample.grad) == (graph.data, graph.grad)


def test_the_texts_neuron_with_a_bias_of_float32() -> None:
    """The text prints this gradient, which is a float32: its bias was one when it was asked to keep a gradient."""
    made: dict[str, Any] = {"torch": torch}
    exec(NEURON.replace("-0.7261]).double()", "-0.7261])"), made)
    with pytest.raises(FormatError, match="float32"):
        reader.read(made["out"], made)
    graph = Graph(reader.read(made["out"], made, tolerance=2**29))
    assert graph.data["out"] == -0.5193578553128438
    assert {name: graph.grad[name] for name in PRINTED} == PRINTED
    assert graph.grad["b"] == 0.7302674055099487
    assert graph.document["meta"]["arithmetic"] == "float32"
    assert graph.verify(finite_differences=False).ok and not graph.verify(ulps=0).ok


def model(dtype: Any = None) -> Any:
    torch.manual_seed(3)
    layers = [torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1)]
    return torch.nn.Sequential(*layers).to(dtype or torch.float64)


def test_network() -> None:
    net, x, y = model(), random(5, 3), random(5, 1)
    loss = functional.mse_loss(net(x), y)
    loss.backward()
    grads = {name: each.grad for name, each in net.named_parameters()}
    graph = agrees(reader.read(loss, {"net": net, "x": x, "y": y, "loss": loss, "_": x, "n": 3}), loss, {"x": x.grad})
    assert graph.document["outputs"] == ["loss"]
    ops = {node["id"]: node["op"] for node in graph.document["nodes"]}
    assert ops["net.0.weight[3,2]"] == "parameter" and ops["x[4,1]"] == "input" and ops["net.4.bias"] == "parameter"
    agrees(reader.read(loss, net), loss, grads)
    assert graph.verify(ulps=1000).ok


def test_network_of_float32() -> None:
    net, x = model(torch.float32), random(5, 3).float().detach()
    loss = (net(x) ** 2).mean()
    with pytest.raises(FormatError) as refused:
        reader.read(loss, net)
    assert str(refused.value) == (
        "numbers computed in float32 are not those of a replay in binary64: compute in float64, as after model.double()"
        " and x.double(), or say how far they may be with tolerance=, in units in the last place of binary64 (one of"
        " binary32 is 2**29 of them)"
    )
    loss.backward(retain_graph=True)
    document = reader.read(loss, net, tolerance=2**40)
    assert document["tolerance"] == {"ulps": 2**40} and document["meta"]["arithmetic"] == "float32"
    graph = Graph(document)
    assert graph.data[document["outputs"][0]] == loss.item()
    assert graph.verify(finite_differences=False).ok


def test_a_cast_is_tolerated_or_refused() -> None:
    x = torch.tensor(0.1, requires_grad=True)
    document = reader.read(x.double() * 3.0, {"x": x}, tolerance=1)
    assert [node["op"] for node in document["nodes"]] == ["input", "mul"]
    assert document["nodes"][0]["data"] == x.item()
    with pytest.raises(FormatError, match=r"^numbers of float16 are not supported; mgraph computes in binary64"):
        reader.read(x.half() * 2, tolerance=1)
    with pytest.raises(FormatError, match=r"^numbers of complex128 are not supported"):
        reader.read(torch.zeros(2, dtype=torch.complex128, requires_grad=True) * 2)


@pytest.mark.slow
def test_long_chain() -> None:
    x = h = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    for _ in range(10_000):
        h = h * x
    document = reader.read(h, {"x": x})
    assert len(document["nodes"]) == 10_001


def test_the_order_is_that_of_the_forward_pass() -> None:
    x = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    first, second = x.sin(), x.cos()
    out = second * first
    out.backward()
    document = reader.read(out, {"x": x, "out": out})
    assert [node["op"] for node in document["nodes"]] == ["input", "sin", "cos", "mul"]
    assert Graph(document).verify().verdict == "exact"


def test_what_was_kept_is_recorded() -> None:
    x = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    k = torch.tensor([2.0, 3.0], dtype=torch.float64)
    h = (x * k).tanh()
    h.retain_grad()
    out = h.sum()
    out.backward(retain_graph=True)
    document = reader.read(out, {"x": x, "k": k, "h": h, "out": out})
    nodes = {node["id"]: node for node in document["nodes"]}
    assert nodes["k[1]"] == {"id": "k[1]", "op": "constant", "data": 3.0}
    assert nodes["h[1]"]["data"] == h[1].item() and nodes["h[1]"]["grad"] == 1.0
    x.grad = torch.tensor(7.0, dtype=torch.float64)
    assert Graph(reader.read(out, {"x": x})).verify().verdict.startswith("differs at x (grad")


def test_refusals_of_a_live_graph() -> None:
    x = torch.tensor([0.3, 0.4], dtype=torch.float64, requires_grad=True)

    def said(output: Any, error: type[Exception] = FormatError, **options: Any) -> str:
        with pytest.raises(error) as refused:
            reader.read(output, **options)
        return str(refused.value)

    lost = (
        ", because it requires no grad and no derivative needs it: make it a tensor that requires grad, or load what"
        " torch.export.export returns, which keeps every constant"
    )
    assert said((x * 2 + 1).sum()) == (
        f"autograd has not kept operand 2 of AddBackward0 (operation 2 of 3, of shape [2]){lost}"
    )
    assert said(1 - x) == f"autograd has not kept operand 1 of RsubBackward1 (operation 1 of 1, of shape [2]){lost}"
    assert said(torch.cat([x, x.detach()])).startswith("autograd has not kept operand 2 of CatBackward0")
    assert said(functional.gelu(x)) == (
        "GeluBackward0 (operation 1 of 1, of shape [2]) is not supported; docs/reference/import-operators.md lists what is"
    )
    assert said(torch.where(x > 0, x, -x)).startswith(
        "WhereBackward0 (operation 2 of 2, of shape [2]) is not supported"
    )
    changed = x * 1.0
    changed[0] = 2.0 * x[1]
    assert said(changed.sum()).startswith(
        "torch::autograd::CopySlices (operation 4 of 5, of shape [2]) is not supported"
    )
    freed = (x * torch.ones(2, dtype=torch.float64)).sum()
    freed.backward()
    assert said(freed) == (
        "PyTorch no longer has what autograd saved at MulBackward0 (operation 1 of 2, of shape [2]): load the graph"
        " before backward(), or call backward(retain_graph=True)"
    )
    none = (
        "autograd recorded nothing for this tensor (it has no grad_fn): compute it from tensors that require grad,"
        " outside of torch.no_grad()"
    )
    assert said(x) == said(x.detach() * 2) == none
    needed = "a tensor, a list of them or an ExportedProgram is needed, not "
    assert said(np.ones(2), TypeError) == needed + "ndarray"
    assert said([x * 2, 1.0], TypeError) == needed + "float"
    assert said([], TypeError) == "at least one tensor is needed"
    assert said(x * 2, TypeError, inputs=(x,)) == (
        "inputs are for an exported program; tensors have been computed already"
    )


class Formula(torch.nn.Module):
    """A function of two matrices, with a parameter, a buffer and constants."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.scale = torch.nn.Parameter(torch.tensor(1.25, dtype=torch.float64))
        self.register_buffer("shift", torch.tensor([0.5, -0.25, 2.0], dtype=torch.float64))
        self.plain = torch.tensor([0.25, -3.0, 1.0], dtype=torch.float64)

    def forward(self, x: Any, y: Any) -> Any:
        return self.function(self, x * self.scale, y)


EXPORTED: dict[str, Callable[..., Any]] = {
    "numbers": lambda m, x, y: 1 - 2 * (x + 1) / 3 - (5 - y),
    "alpha": lambda m, x, y: torch.add(x, y, alpha=2) - torch.sub(y, x, alpha=3),
    "buffers and constants": lambda m, x, y: (x * m.shift + m.plain) * torch.tensor([1.0, 2.0, 3.0], dtype=x.dtype),
    "powers": lambda m, x, y: x**3 + x.abs() ** y + 2**x + torch.exp2(y) + x.square(),
    "functions": lambda m, x, y: x.exp() + x.expm1() + x.tanh() + x.sigmoid() + x.relu() + x.sin() * x.cos() - (-x).abs(),
    "functions of what is positive": lambda m, x, y: y.exp().log() + (x * x).log1p() + y.exp().sqrt() + y.exp().rsqrt() + y.exp().reciprocal(),
    "extremes": lambda m, x, y: x.maximum(y) + x.minimum(y) + x.clamp(-1, 0.5) + x.clamp(min=0.1) + functional.hardtanh(x),
    "activations": lambda m, x, y: functional.leaky_relu(x, 0.1) + functional.silu(y) + functional.softplus(x),
    "branches": lambda m, x, y: torch.where(x > y, x * x, y) + torch.where((x >= 0) & (y < 1) & (y < x), x, 0.5) + torch.where((x <= 0) | ~(y >= x) | (y <= x), y, x),
    "conditions": lambda m, x, y: torch.where(torch.logical_and(x > 0, y > 0) | torch.logical_or(x > y, torch.logical_not(y < 1)), x, -y) + x.clamp(y - 1, y + 1),
    "equality": lambda m, x, y: torch.where((x == y) | (x != 0.5), x * y, x) + (x == y).double() + (x == 1) * y + (x != y) * x,
    "sums": lambda m, x, y: x.sum() + x.sum(0) + x.mean(1, keepdim=True) + y.mean(),
    "greatest": lambda m, x, y: x.amax(1, keepdim=True) + y.amin(0) + x.max() + y.min(),
    "softmax": lambda m, x, y: x.softmax(1) + y.log_softmax(0),
    "products": lambda m, x, y: (x @ y.T).sum() + (x @ y[0]).sum() + x[0] @ y[1] + torch.addmv(x[0], y.T @ x, y[1]),
    "stacks of products": lambda m, x, y: torch.einsum("ij,kj->ik", x, y) + torch.bmm(x[None], y.T[None])[0],
    "linear": lambda m, x, y: functional.linear(x, y, m.shift[:2]),
    "baddbmm": lambda m, x, y: torch.baddbmm(x[None], y[None], (y.T @ x)[None], beta=2)[0],
    "shapes": lambda m, x, y: x.T.reshape(-1)[:3] * y.view(6)[3:] + x.unsqueeze(0).squeeze(0)[0] + x[None].squeeze()[1],
    "parts": lambda m, x, y: x[:, 1:].sum() + y[0] + x.unbind(1)[2].sum() + x.split(2, 1)[1].sum() + y.split([1, 2], 1)[1].sum(),
    "indices": lambda m, x, y: x[[1, 0]] + y[:, [2, 1, 0]] + x.flip(1),
    "joined": lambda m, x, y: torch.cat([x, y, m.shift[None]])[1:3] + torch.stack([x, y], 1)[:, 1] + x[0].expand(2, 3),
    "made inside": lambda m, x, y: torch.arange(3) * x + torch.full((3,), 2.0, dtype=x.dtype) + torch.eye(3, dtype=x.dtype)[0] * y,
    "conditions of numbers": lambda m, x, y: torch.where((x > 0).logical_not(), x * 3, y) + torch.where(x.bool(), x, y) + torch.where(torch.logical_and(x, y), x, y),
    "copies": lambda m, x, y: x.clone() + y.contiguous().to(torch.float64),
}  # fmt: skip


def exported(function: Callable[..., Any], *inputs: Any) -> Any:
    return torch.export.export(Formula(function).double(), inputs)


@pytest.mark.slow
def test_exported_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them in one program, because exporting is slow."""
    seen = set()

    class Noted(dict[str, Any]):
        def __getitem__(self, operator: str) -> Any:
            seen.add(operator)
            return super().__getitem__(operator)

    def loss(module: Any, x: Any, y: Any) -> Any:
        return sum(((function(module, x, y) ** 2).mean() for function in EXPORTED.values()), module.shift[0])

    monkeypatch.setattr(torch_export, "ATEN", Noted(ATEN))
    program = exported(loss, random(2, 3, grad=False), random(2, 3, grad=False))
    graph = Graph(reader.read(program))
    run = graph.replay()
    (out,) = graph.document["outputs"]
    assert run.data[out] == pytest.approx(graph.data[out], rel=1e-12)
    for node in graph.document["nodes"]:
        if node["op"] in ("input", "parameter"):  # PyTorch's own
            assert run.grad[node["id"]] == pytest.approx(graph.grad[node["id"]], rel=1e-12)
    others = random(2, 3, grad=False), random(2, 3, grad=False)
    given = {node: x for name, held in zip("xy", others, strict=True) for node, x in elements(name, held).items()}
    again = graph.replay(given, backward=False)
    assert again.data[out] == pytest.approx(float(program.module()(*others)), rel=1e-12)
    assert sorted(set(ATEN) - seen) == []


@pytest.mark.slow
def test_the_numbers_of_a_program_are_pytorchs() -> None:
    x, y = random(2, 3), random(2, 3)
    program = exported(lambda m, x, y: (torch.tanh(x @ y.T) * m.plain[0] + m.shift[1]).sum(), x.detach(), y.detach())
    module = program.module()
    loss = module(x, y)
    loss.backward()
    graph = agrees(
        reader.read(program, title="A program"), loss, {"x": x.grad, "y": y.grad, "scale": module.scale.grad}
    )
    ops = {node["id"]: node["op"] for node in graph.document["nodes"]}
    assert [ops[name] for name in ("x[1,2]", "scale", "plain[0]", "shift[1]")] == [
        "input",
        "parameter",
        *2 * ["constant"],
    ]


@pytest.mark.slow
def test_outputs_of_a_program() -> None:
    x, y = random(2, 3, grad=False), random(2, 3, grad=False)
    document = reader.read(exported(lambda m, x, y: {"far": x * y, "near": [x.sum()]}, x, y), title="Two outputs")
    assert len(document["outputs"]) == 7 and "seeds" not in document and document["title"] == "Two outputs"
    other = reader.read(exported(lambda m, x, y: (x * y).sum(), x, y), inputs=(y, x))
    assert {node["id"]: node.get("data") for node in other["nodes"]}["x[0,0]"] == y[0, 0].item()


@pytest.mark.slow
def test_exported_network() -> None:
    net, x = model(), random(5, 3, grad=False)
    program = torch.export.export(net, (x,))
    expected = net(x)
    agrees(reader.read(program), expected, {})
    with pytest.raises(FormatError, match=r"^numbers computed in float32"):
        reader.read(torch.export.export(model(torch.float32), (x.float(),)))
    document = reader.read(torch.export.export(model(torch.float32), (x.float(),)), tolerance=2**40)
    assert document["meta"]["arithmetic"] == "float32" and document["tolerance"] == {"ulps": 2**40}


@pytest.mark.slow
def test_refusals_of_a_program() -> None:
    x, y = random(2, 3, grad=False), random(2, 3, grad=False)

    def said(function: Callable[..., Any], *inputs: Any) -> str:
        with pytest.raises(FormatError) as refused:
            reader.read(exported(function, *inputs))
        return str(refused.value)

    here = r', File "[^"]*test_from_torch.py", line \d+, in \w+\) is not supported; docs/reference/import-operators.md lists what is$'
    assert re.match(r"aten\.gelu\.default \(node gelu" + here, said(lambda m, x, y: functional.gelu(x), x, y))
    assert re.match(r"aten\._to_copy\.default to int64 \(node _to_copy" + here, said(lambda m, x, y: x.long(), x, y))
    assert said(lambda m, x, y: x * y, x, y.long()) == (
        "numbers of int64 are not supported; mgraph computes in binary64 (float64)"
    )
    normed = torch.nn.BatchNorm1d(3).double()
    with pytest.raises(FormatError, match=r"^the program changes running_mean; export the module after eval\(\)$"):
        reader.read(torch.export.export(normed, (x,)))
    with pytest.raises(TypeError, match=r"^an exported program has its own names$"):
        reader.read(torch.export.export(model(), (x,)), {"x": x})
    solve = said(lambda m, x, y: torch.linalg.solve(x[:, :2], y), x, y)
    assert re.match(r"aten\._linalg_solve_ex\.default \(node _linalg_solve_ex" + here, solve)
    assert re.match(
        r'aten\.index\.Tensor \(node index, File "[^"]*", line \d+, in \w+\): places that depend on an input are not'
        r" supported; torch\.where chooses between values$",
        said(lambda m, x, y: x[x > 0].sum(), x, y),
    )
    assert said(lambda m, x, y: y.add_(1.0) * x, x, y) == (
        "the program changes its input y in place, which no graph of values can"
    )
    assert re.match(
        r"PyTorch cannot bring the program to its core operators: RuntimeError: Cannot access data pointer",
        said(lambda m, x, y: torch.func.grad(lambda x: (x**3).sum())(x), x, y),
    )


@pytest.mark.slow
def test_inputs_that_a_program_does_not_take() -> None:
    x = random(2, 3, grad=False)
    program = exported(lambda m, x, y: x * y, x, x)
    for inputs, says in (
        ((x,), r"the program takes 2 inputs, and 1 are given"),
        ((x, x, x), r"the program takes 2 inputs, and 3 are given"),
        ((x[:, :2], x[:, :2]), r"the program does not run on these inputs: AssertionError: Guard failed: .*"),
    ):
        with pytest.raises(FormatError, match=f"^{says}$"):
            reader.read(program, inputs=inputs)


def test_outputs_that_are_no_tensors() -> None:
    x = random(2, grad=False)
    document = reader.read(exported(lambda m, x, y: (x * 2, None, 3.0), x, x))
    graph = Graph(document)
    assert list(graph.replay().outputs.values()) == [*(x * 1.25 * 2).tolist(), 3.0]
    assert graph.data[graph.outputs[2]] == 3.0


def test_the_documentation_lists_what_is_supported() -> None:
    text = (ROOT / "docs/reference/import-operators.md").read_text()
    rows = dict(re.findall(r"^\| (a live graph|an exported program)[^|]* \| (.*) \|$", text, re.MULTILINE))
    listed = {name: re.findall(r"`([^`]+)`", row) for name, row in rows.items()}
    assert listed["a live graph"] == sorted({re.sub(r"Backward\d$", "", name) for name in AUTOGRAD}, key=str.lower)
    assert listed["an exported program"] == sorted(ATEN)


def test_conditions_that_numbers_have_decided_are_refused() -> None:
    """A replay with other inputs would stay in the branch of the recording."""
    x = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    for made, what in (
        ((x * (x > 0)).sum(), "operand 2 of MulBackward0"),
        (x[x > 0].sum(), "the index of IndexBackward0"),
        (x[torch.tensor([1, 0], dtype=torch.uint8)].sum(), "the index of IndexBackward0"),
    ):
        with pytest.raises(FormatError, match=f"^{what} .* is a condition that these numbers have decided"):
            reader.read(made)


def test_a_sparse_gradient() -> None:
    w = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
    w.grad = torch.sparse_coo_tensor([[0], [1]], [2.0], (3, 2), dtype=torch.float64)
    nodes = {node["id"]: node for node in reader.read((w * w).sum(), {"w": w})["nodes"]}
    assert nodes["w[0,1]"]["grad"] == 2.0 and nodes["w[2,1]"]["grad"] == 0.0


def test_what_was_changed_in_place_is_not_called_freed() -> None:
    x, k = random(2), torch.tensor([2.0, 3.0], dtype=torch.float64)
    out = (x * k).sum()
    k.add_(1.0)
    with pytest.raises(FormatError) as refused:
        reader.read(out)
    assert str(refused.value) == (
        "an operand of MulBackward0 (operation 1 of 2, of shape [2]) was changed in place after it was used: load the"
        " graph before that"
    )


@pytest.mark.slow
def test_numbers_as_conditions() -> None:
    x, y = torch.tensor([2.0, 0.0, -1.0], dtype=torch.float64), torch.tensor([0.0, 5.0, -3.0], dtype=torch.float64)
    for formula in (
        lambda m, x, y: torch.where(x.bool(), x * 3, x * 0 + 1).sum(),
        lambda m, x, y: torch.where(torch.logical_not(x), x + 5, x).sum(),
        lambda m, x, y: torch.where(torch.logical_and(x, x - 2), x, x + 1).sum(),
        lambda m, x, y: torch.where(torch.logical_or(x, x - 5), x, x + 1).sum(),
        lambda m, x, y: ((x > 0) + (x > 1)).to(x.dtype).sum() * x.sum(),
    ):
        graph = Graph(reader.read(exported(formula, x, x.clone())))
        (found,) = graph.replay({f"x[{k}]": float(each) for k, each in enumerate(y)}).outputs.values()
        assert found == float(formula(None, y * 1.25, y))
