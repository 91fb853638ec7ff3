"""The measures of the compiled engine and of its peers, each to be run in a process of its own.

``python speed.py NAME ARGUMENT…`` prints JSON. Times are in seconds, medians of many repeats with everything warm.
Peers write what they computed to a file, as mgraph does, and ``apart`` compares two of them.
"""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measures import Times, main, timed

from mgraph.api import Graph, load, record
from mgraph.replaying.choice import load_compiled

LAYERS = [16, 16, 1]
SEED = 1337
MOST = 1_000
"""Repeats of a call, at most."""


def repeated(call: Callable[[], Any], seconds: float = 1.0) -> float:
    """The median time of a call, of at least three and as many as the seconds hold, after two that do not count."""
    warm = min(timed(call)[0] for _ in range(2))
    return median(timed(call)[0] for _ in range(max(3, min(MOST, int(seconds / warm)))))


def apart(one: str, other: str) -> Times:
    """How far two results are from each other, relative to the largest number of each column."""
    a, b = np.load(one), np.load(other)
    if a.shape != b.shape:
        raise ValueError(f"results of shapes {a.shape} and {b.shape}")
    return {"apart": float((np.abs(a - b).max(axis=0) / np.abs(a).max(axis=0)).max())}


def parameters() -> list[str]:
    """The ids of the parameters of a 2-16-16-1 perceptron, neuron by neuron."""
    sizes = zip([2, *LAYERS], LAYERS, strict=False)
    return [
        f"mlp/layer{k}/neuron{n}/{name}"
        for k, (nin, nout) in enumerate(sizes)
        for n in range(nout)
        for name in (*(f"w{i}" for i in range(nin)), "b")
    ]


def weights(graph: Graph) -> list[tuple[Any, Any]]:
    """The parameters as arrays: a matrix and a vector a layer."""
    numbers, found = iter([graph.data[name] for name in parameters()]), []
    for nin, nout in zip([2, *LAYERS], LAYERS, strict=False):
        rows = np.array([[next(numbers) for _ in range(nin + 1)] for _ in range(nout)])
        found.append((rows[:, :-1].copy(), rows[:, -1].copy()))
    return found


def network() -> Graph:
    """The 2-16-16-1 relu network in scalars: two inputs, the score. Its biases are not 0, which a peer could fold."""
    from mgraph import Value, nn

    random.seed(SEED)
    model = nn.MLP(2, LAYERS, activation="relu")
    for p in model.parameters():
        p.data = p.data or random.uniform(-1, 1)
    return record(model([Value(0.5, name="x0"), Value(-0.5, name="x1")]))


def points(rows: str) -> Any:
    return np.random.default_rng(SEED).uniform(-1.5, 2.5, (int(rows), 2))


def casadi_of(graph: Graph, wrt: Sequence[str], fixed: bool = False) -> tuple[Any, list[str]]:
    """CasADi's function of the same graph: of ``wrt`` and the other leaves, the value and the gradient.

    Also the ids of the other leaves, in order; with ``fixed`` they are constants instead.
    """
    import casadi as ca

    made = {
        "neg": lambda a: -a,
        "add": lambda a, b: a + b,
        "mul": lambda a, b: a * b,
        "relu": lambda a: ca.fmax(a, 0),
    }
    known: dict[str, Any] = {name: ca.SX.sym("x") for name in wrt}
    others = [node["id"] for node in graph.nodes if "args" not in node and node["id"] not in known]
    known |= {name: ca.SX(graph.data[name]) if fixed else ca.SX.sym("x") for name in others}
    for node in graph.nodes:
        if "args" in node:
            operands = [known[arg] if isinstance(arg, str) else arg for arg in node["args"]]
            known[node["id"]] = made[node["op"]](*operands)
    x, rest, y = (ca.vertcat(*(known[name] for name in names)) for names in (wrt, others, graph.outputs))
    return ca.Function("f", [x] if fixed else [x, rest], [y, ca.gradient(y, x)]), others


def buffered(function: Any, arguments: Sequence[Any], results: Sequence[Any]) -> Callable[[], None]:
    """A call of a CasADi function that reads and writes these arrays themselves."""
    buffer, call = function.buffer()
    for k, each in enumerate(arguments):
        buffer.set_arg(k, memoryview(each))
    for k, each in enumerate(results):
        buffer.set_res(k, memoryview(each))
    KEPT.append((function, buffer, arguments, results))
    return call


KEPT: list[Any] = []
"""What these calls point into and do not hold."""


def moved(replayer: Any) -> Times:
    """How many operations a replay has, how many groups, and the bytes of the arrays that its two passes touch."""
    arrays, s = replayer._arrays, replayer._arrays.layout
    shared = s.left.nbytes + s.right.nbytes + s.starts.nbytes + s.codes.nbytes
    forward = shared + arrays.state.data.nbytes
    backward = arrays.state.adjoints.nbytes + s.edges.nbytes + s.diagonals.nbytes + s.widths.nbytes
    sizes = {"forward bytes": forward, "backward bytes": forward + backward}
    return sizes | {"operations": len(s.left), "groups": len(s.codes), "diagonals": len(s.diagonals)}


def one_by_one(replayer: Any, seconds: float = 1.5) -> Times:
    """A replay and its two passes."""

    def both() -> tuple[float, float]:
        return timed(replayer.forward)[0], timed(replayer.backward)[0]

    warm = min(sum(both()) for _ in range(2))
    runs = [both() for _ in range(max(3, min(MOST, int(seconds / warm))))]
    forward, backward = (median(column) for column in zip(*runs, strict=True))
    return {"time": median(map(sum, runs)), "forward": forward, "backward": backward}


def results_of(graph: Graph, replayer: Any, wrt: Sequence[str]) -> Any:
    """The output and the gradients, as a column."""
    grads = [replayer.grad[replayer.index[name]] for name in wrt]
    return np.array([replayer.outputs[graph.outputs[0]], *grads])[:, None]


def moons_mgraph(path: str, found: str) -> Times:
    graph = load(path)
    replayer = graph.compile(gradients=parameters())
    times = one_by_one(replayer)
    np.save(found, results_of(graph, replayer, parameters()))
    for engine in ("reference", "compiled"):
        times[engine] = repeated(lambda engine=engine: graph.replay(engine=engine), 0.5)
    return times | moved(replayer)


def moons_casadi(path: str, found: str) -> Times:
    graph = load(path)
    wrt = parameters()
    function, others = casadi_of(graph, wrt)
    value, gradient = np.zeros(1), np.zeros(len(wrt))
    numbers = [np.array([graph.data[name] for name in names]) for names in (wrt, others)]
    time = repeated(buffered(function, numbers, [value, gradient]))
    np.save(found, np.concatenate([value, gradient])[:, None])
    return {"time": time, "instructions": function.n_instructions()}


def moons_torch(path: str, found: str, threads: str) -> Times:
    """The same loss in tensors, 100 rows at once: forward and backward."""
    sys.path.insert(0, str(Path(path).parent))
    import torch
    from moons import two_moons

    torch.set_num_threads(int(threads))
    layers = [
        (torch.tensor(w, requires_grad=True), torch.tensor(b, requires_grad=True)) for w, b in weights(load(path))
    ]
    leaves = [each for layer in layers for each in layer]
    rows = two_moons()
    x = torch.tensor([point for point, _ in rows], dtype=torch.float64)
    y = torch.tensor([[float(label)] for _, label in rows], dtype=torch.float64)

    def step() -> Any:
        h = x
        for k, (w, b) in enumerate(layers):
            h = torch.nn.functional.linear(h, w, b)
            if k < len(layers) - 1:
                h = h.relu()
        loss = (1 - y * h).relu().mean() + 1e-4 * sum((each * each).sum() for each in leaves)
        return loss, torch.autograd.grad(loss, leaves)

    time = repeated(step)
    loss, grads = step()
    pairs = zip(grads[::2], grads[1::2], strict=True)
    slopes = [torch.cat([w, b[:, None]], 1).flatten().numpy() for w, b in pairs]
    np.save(found, np.concatenate([[loss.item()], *slopes])[:, None])
    return {"time": time}


PATTERN = ("mul", "add", "mul", "add", "mul", "add", "neg")
LEAVES = {"x": 0.5, "a": 0.9999999, "b": 0.1}


def chain(operations: int) -> Graph:
    """x·a + b again and again, with its sign changed now and then: each operation needs the one before."""
    nodes: list[dict[str, Any]] = [{"id": name, "op": "input", "data": x} for name, x in LEAVES.items()]
    more = {"mul": ["a"], "add": ["b"], "neg": []}
    last = "x"
    for k in range(operations):
        op = PATTERN[k % len(PATTERN)]
        nodes.append({"id": f"n{k}", "op": op, "args": [last, *more[op]]})
        last = f"n{k}"
    return Graph({"mgraph": 1, "nodes": nodes, "outputs": [last]})


def chain_mgraph(operations: str, found: str) -> Times:
    graph = chain(int(operations))
    replayer = graph.compile(gradients=LEAVES)
    times = one_by_one(replayer)
    np.save(found, results_of(graph, replayer, list(LEAVES)))
    return times | moved(replayer)


def chain_casadi(operations: str, found: str) -> Times:
    """The same operations; CasADi unrolls the pattern itself, which is quicker than one by one in Python."""
    import casadi as ca

    x, a, b = (ca.SX.sym(name) for name in LEAVES)
    apply = {"mul": lambda x: x * a, "add": lambda x: x + b, "neg": lambda x: -x}
    times, rest = divmod(int(operations), len(PATTERN))
    y = x
    for op in PATTERN:
        y = apply[op](y)
    y = ca.Function("turn", [x, a, b], [y]).fold(times)(x, ca.repmat(a, 1, times), ca.repmat(b, 1, times))
    for op in PATTERN[:rest]:
        y = apply[op](y)
    leaves = ca.vertcat(x, a, b)
    function = ca.Function("f", [leaves], [y, ca.gradient(y, leaves)])
    value, gradient = np.zeros(1), np.zeros(3)
    time = repeated(buffered(function, [np.array(list(LEAVES.values()))], [value, gradient]), 1.5)
    np.save(found, np.concatenate([value, gradient])[:, None])
    return {"time": time, "instructions": function.n_instructions()}


def rows_mgraph(rows: str, found: str) -> Times:
    """Values and input gradients of many rows; and on one thread, without gradients."""
    graph, table = network(), points(rows)
    replayer = graph.compile(gradients=graph.inputs)
    times = {
        "time": repeated(lambda: replayer.batch(table, gradients=True)),
        "one thread": repeated(lambda: replayer.batch(table, gradients=True, threads=1)),
        "values": repeated(lambda: replayer.batch(table)),
    }
    done = replayer.batch(table, gradients=True)
    np.save(found, np.column_stack([*done.outputs.values(), *done.gradients.values()]))
    return times | moved(replayer)


def rows_growth(*rows: str) -> Times:
    """A batch of each of these sizes."""
    graph = network()
    replayer = graph.compile(gradients=graph.inputs)
    times = {}
    for size in rows:
        table = points(size)
        times[size] = repeated(lambda table=table: replayer.batch(table, gradients=True), 0.5)
    return times


def rows_casadi(rows: str, found: str, how: str) -> Times:
    """The same by CasADi's map; the weights are constants of the function, so that it need not read them by row."""
    graph, table = network(), points(rows)
    function, _ = casadi_of(graph, graph.inputs, fixed=True)
    value, gradient = np.zeros(len(table)), np.zeros((len(table), 2))
    many = function.map(len(table), how) if how == "serial" else function.map(len(table), how, os.cpu_count() or 1)
    time = repeated(buffered(many, [table], [value, gradient]))
    np.save(found, np.column_stack([value, gradient]))
    return {"time": time, "instructions": function.n_instructions()}


def rows_jax(rows: str, found: str) -> Times:
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    def score(x: Any, layers: Any) -> Any:
        for k, (w, b) in enumerate(layers):
            x = w @ x + b
            if k < len(layers) - 1:
                x = jax.nn.relu(x)
        return x[0]

    layers = [(jnp.asarray(w), jnp.asarray(b)) for w, b in weights(network())]
    table = jnp.asarray(points(rows))
    step = jax.jit(jax.vmap(jax.value_and_grad(score), in_axes=(0, None)))
    time = repeated(lambda: jax.block_until_ready(step(table, layers)))
    value, gradient = step(table, layers)
    np.save(found, np.column_stack([value, gradient]))
    return {"time": time}


ARGUMENTS = {
    "exp": (-20, 20),
    "expm1": (-2, 2),
    "log": (1e-3, 1e3),
    "log1p": (-0.9, 10),
    "tanh": (-3, 3),
    "sigmoid": (-10, 10),
    "sin": (-10, 10),
    "cos": (-10, 10),
    "pow": (0.1, 10),
}
"""The functions, and the interval that their arguments come from; exponents of pow from [-5, 5]."""


def elementary(count: str) -> Times:
    """Each function in a loop over as many arguments, ours and the platform's in turns: seconds a call."""
    from applied import loop

    stream, n = np.random.default_rng(SEED), int(count)
    out, times = np.empty(n), {}
    for name, (low, high) in ARGUMENTS.items():
        x, y = stream.uniform(low, high, n), stream.uniform(-5, 5, n)
        loops = [loop(name, fast).bound(x, y, out, n) for fast in (False, True)]
        found = []
        for each in loops:
            each()
            found.append(out.copy())
        np.testing.assert_allclose(*found, rtol=1e-14, atol=1e-14)
        runs = [[timed(each)[0] / n for each in loops] for _ in range(31)]
        times[name], times[f"{name} platform"] = (median(column) for column in zip(*runs, strict=True))
    return times


def compiling(path: str, loops: str) -> Times:
    """From the plan to the first result, the loops compiled before (``warm``) or not; and loading."""
    if loops == "warm":
        one_by_one(load(path).compile(), 0.0)

    def loaded() -> Graph:
        graph = load(path)
        _ = graph._plan
        return graph

    gc.collect()
    loading, graph = timed(loaded)
    importing, _ = timed(load_compiled)
    laying, replayer = timed(graph.compile)
    running, _ = timed(lambda: (replayer.forward(), replayer.backward()))
    return {"load": loading, "import": importing, "lay out": laying, "first": running}


def growth(path: str) -> Times:
    """Compiled replays of a generated document, and the numbers of the reference."""
    graph = load(path)
    replayer = graph.compile()
    times = one_by_one(replayer, 1.0)
    run = graph.replay(engine="reference")
    grads = np.array([run.grad[node["id"]] for node in graph.nodes])
    ours = replayer.grad[[replayer.index[node["id"]] for node in graph.nodes]]
    if not np.array_equal(ours, grads):
        raise ValueError("the compiled replay gave other gradients than the reference")
    return times | moved(replayer)


if __name__ == "__main__":
    main(
        apart,
        moons_mgraph,
        moons_casadi,
        moons_torch,
        chain_mgraph,
        chain_casadi,
        rows_mgraph,
        rows_growth,
        rows_casadi,
        rows_jax,
        elementary,
        compiling,
        growth,
    )
