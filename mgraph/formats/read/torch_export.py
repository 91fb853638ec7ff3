"""PyTorch's exported programs: what an ATen operator computes, over arrays of values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils._pytree import tree_leaves, tree_map_only

from mgraph.arithmetic.ops import CONSTANT, INPUT, PARAMETER
from mgraph.document.model import Document
from mgraph.errors import FormatError
from mgraph.formats.read.tensor_ops import (
    CONDITIONS,
    Meaning,
    clamp,
    elementwise,
    gemm,
    greater,
    leaves,
    log_softmax,
    matmul,
    mean,
    only_value,
    overwrite,
    plus,
    precision,
    reduce,
    scaled,
    softmax,
    tensor,
    truth,
    where,
)
from mgraph.recording.numpy_arrays import Array
from mgraph.recording.record import document_of

DOUBLE = "compute in float64, as after model.double() and x.double()"
SUPPORTED = "docs/reference/import-operators.md lists what is"


def dtype_of(held: Any) -> str:
    """The name of a tensor's number format: ``float64``."""
    return str(held.dtype).removeprefix("torch.")


def numbers_in(held: torch.Tensor) -> Any:
    """A tensor's numbers as an array of float64."""
    return held.detach().to_dense().cpu().double().numpy()


def document(outputs: Sequence[Array], tolerance: int | None, title: str | None, meta: Mapping[str, str]) -> Document:
    """The document of tensors, which says that they are PyTorch's."""
    roots = [value for each in outputs for value in each.flat]
    return document_of(roots, title=title, tolerance=tolerance, meta={"source": f"PyTorch {torch.__version__}", **meta})


def result_of(x: Any) -> Any:
    """What a meaning returns, as a tensor, or a list of them for an operation with several results."""
    return [tensor(each) for each in x] if isinstance(x, list) else tensor(x)


# What operations mean.


def minus(a: Any, b: Any, alpha: float = 1.0) -> Array:
    """a - alpha·b."""
    return elementwise("sub", a, scaled(b, alpha))


def expand(x: Any, shape: Sequence[int]) -> Any:
    """Repeat x to a shape; a size of -1 stays."""
    known = (1,) * (len(shape) - tensor(x).ndim) + tensor(x).shape
    return np.broadcast_to(x, [own if size == -1 else size for size, own in zip(shape, known, strict=True)], subok=True)


def slices(x: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    """``x[start:end:step]`` along one dimension."""
    return np.moveaxis(np.moveaxis(x, dim, 0)[start:end:step], 0, dim)


def squeeze(x: Any, dims: int | Sequence[int]) -> Any:
    """Drop those of the dimensions that have one element."""
    dims = [dims] if isinstance(dims, int) else dims
    return np.squeeze(x, tuple(dim for dim in dims if x.shape[dim] == 1))


def index(x: Any, indices: Sequence[Any]) -> Any:
    """``x[indices]``; None is all of a dimension. Raises FormatError for indices that depend on an input."""
    if any(isinstance(each, Array) for each in indices):
        raise FormatError("places that depend on an input are not supported; torch.where chooses between values")
    return x[tuple(slice(None) if each is None else np.asarray(each) for each in indices)]


def split(x: Any, sizes: int | Sequence[int], dim: int = 0) -> list[Any]:
    """Parts of a size, the last perhaps smaller, or of these sizes."""
    ends = range(sizes, x.shape[dim], sizes) if isinstance(sizes, int) else np.cumsum(sizes)[:-1]
    return list(np.split(x, ends, dim))


def cat(parts: Sequence[Any], dim: int = 0) -> Any:
    """Tensors one after the other along a dimension."""
    return np.concatenate([tensor(each) for each in parts], dim)


ELEMENTWISE: dict[str, Meaning] = {
    name: partial(elementwise, name)
    for name in ("neg", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "relu", "sin", "cos", "abs")
} | {
    "reciprocal": lambda x: elementwise("div", 1.0, x),
    "rsqrt": lambda x: elementwise("div", 1.0, elementwise("sqrt", x)),
    "exp2": lambda x: elementwise("pow", 2.0, x),
}

_ROWS: dict[str, Meaning] = {
    **{f"{name}.default": meaning for name, meaning in ELEMENTWISE.items()},
    "add.Tensor": lambda a, b, alpha=1: plus(a, b, alpha),
    "sub.Tensor": lambda a, b, alpha=1: minus(a, b, alpha),
    "mul.Tensor": partial(elementwise, "mul"),
    "div.Tensor": partial(elementwise, "div"),
    "pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar": partial(elementwise, "pow"),
    "maximum.default": partial(elementwise, "maximum"),
    "minimum.default": partial(elementwise, "minimum"),
    "clamp.default clamp.Tensor hardtanh.default": clamp,
    "leaky_relu.default": lambda x, slope=0.01: where(greater(x, 0.0), x, scaled(x, slope)),
    **{f"{name}.Scalar {name}.Tensor": CONDITIONS[name] for name in ("gt", "ge", "lt", "le", "eq", "ne")},
    "logical_not.default bitwise_not.default": CONDITIONS["not"],
    "logical_and.default bitwise_and.Tensor": CONDITIONS["and"],
    "logical_or.default bitwise_or.Tensor": CONDITIONS["or"],
    "where.self": where,
    "sum.dim_IntList": lambda x, dim=None, keepdim=False: reduce("add", x, dim or None, keepdim),
    "mean.default mean.dim": lambda x, dim=None, keepdim=False: mean(x, dim or None, keepdim),
    "amax.default max.default": lambda x, dim=None, keepdim=False: reduce("maximum", x, dim or None, keepdim),
    "amin.default min.default": lambda x, dim=None, keepdim=False: reduce("minimum", x, dim or None, keepdim),
    "_softmax.default": lambda x, dim, half: softmax(x, dim),
    "_log_softmax.default": lambda x, dim, half: log_softmax(x, dim),
    "mm.default bmm.default": matmul,
    "addmm.default addmv.default": lambda c, a, b, beta=1, alpha=1: gemm(a, b, c, alpha, beta),
    "permute.default": np.transpose,
    "view.default": np.reshape,
    "unsqueeze.default": np.expand_dims,
    "squeeze.dims": squeeze,
    "expand.default": lambda x, shape, implicit=False: expand(x, shape),
    "select.int": lambda x, dim, index: np.take(x, index, dim),
    "slice.Tensor": slices,
    "index.Tensor": index,
    "split_with_sizes.default": split,
    "cat.default": cat,
    "flip.default": np.flip,
    "clone.default _to_copy.default": lambda x: x,
}
ATEN: dict[str, Meaning] = {name: meaning for names, meaning in _ROWS.items() for name in names.split()}
"""By operator and overload, a function of the operator's own arguments."""


LAYOUT = ("dtype", "layout", "device", "pin_memory", "memory_format")
"""Settings that say nothing of the numbers; which format an operator computes in is seen from its result."""

Known = dict[str, tuple[str, Any, Any]]
"""Placeholders by name: what the program calls it (nothing for an argument), what is given, and what stands for it."""


def read(
    program: torch.export.ExportedProgram, inputs: Sequence[Any] | None, tolerance: int | None, title: str | None
) -> Document:
    """The document of a program; see :func:`mgraph.formats.read.torch.load`. Raises FormatError."""
    arguments = program.example_inputs if inputs is None else (tuple(inputs), {})
    if arguments is None:
        raise FormatError("the program has no example inputs; give it some with inputs=(x, …)")
    core = _asked(program.run_decompositions, "PyTorch cannot bring the program to its core operators")
    _refuse_changes(core)
    meta = precision(_dtypes(core, tree_leaves(arguments)), tolerance, DOUBLE)
    known = _placeholders(core, tree_leaves(arguments))
    made: dict[Any, Any] = {}
    for node in core.graph.nodes:
        if node.op == "placeholder":
            made[node] = known[node.name][2]
        elif node.op == "call_function" and node.users:  # what has none is an assertion
            made[node] = _call(node, *tree_map_only(torch.fx.Node, made.get, (node.args, node.kwargs)))
    results = [tensor(made.get(each, each)) for each in _outputs(core)]
    _overwrite(program, arguments, results, known)
    return document(results, tolerance, title, meta)


def _asked(call: Callable[[], Any], failed: str) -> Any:
    """What PyTorch answers. Raises FormatError in place of whatever it raises."""
    try:
        return call()
    except Exception as error:
        said = str(error).strip().splitlines()
        raise FormatError(f"{failed}: {type(error).__name__}: {said[0] if said else ''}") from None


def _refuse_changes(program: torch.export.ExportedProgram) -> None:
    """Raise FormatError for a program that does something else than to compute outputs of inputs."""
    for spec in program.graph_signature.output_specs:
        if spec.kind == OutputKind.BUFFER_MUTATION:
            raise FormatError(f"the program changes {spec.target}; export the module after eval()")
        if spec.kind == OutputKind.USER_INPUT_MUTATION:
            raise FormatError(f"the program changes its input {spec.target} in place, which no graph of values can")
        if spec.kind not in (OutputKind.USER_OUTPUT, OutputKind.TOKEN):  # a token orders checks; it is no number
            raise FormatError(f"the program has an output of another kind than a result: {spec.kind.name}")


def _outputs(program: torch.export.ExportedProgram) -> list[Any]:
    """The results, nodes or plain numbers; an output that is None is none."""
    specs, outputs = program.graph_signature.output_specs, program.graph.output_node().args[0]
    results = [each for spec, each in zip(specs, outputs, strict=True) if spec.kind == OutputKind.USER_OUTPUT]
    for each in results:
        if isinstance(each, str):
            raise FormatError(f"the program returns the text {each!r}; numbers and tensors of them are supported")
    return [each for each in results if each is not None]


def _dtypes(program: torch.export.ExportedProgram, given: Sequence[Any]) -> set[str]:
    """Of the inputs, and of the arithmetic: indices and conditions inside are none, nor is a token, though a tensor."""
    signature = program.graph_signature
    tokens = {each.arg.name for each in (*signature.input_specs, *signature.output_specs) if each.kind.name == "TOKEN"}
    nodes = [node for node in program.graph.nodes if node.name not in tokens and str(node.target) != "with_effects"]
    inside = [each for node in nodes for each in tree_leaves(node.meta.get("val"))]
    inside = [each for each in inside if isinstance(each, torch.Tensor)]
    numbers = [each for each in inside if each.is_floating_point() or each.is_complex()]
    return {dtype_of(each) for each in [*numbers, *given] if isinstance(each, torch.Tensor)}


def _placeholders(program: torch.export.ExportedProgram, given: Sequence[Any]) -> Known:
    signature = program.graph_signature
    wanted = sum(spec.kind == InputKind.USER_INPUT for spec in signature.input_specs)
    if wanted != len(given):
        raise FormatError(f"the program takes {wanted} inputs, and {len(given)} are given")
    ops = {InputKind.PARAMETER: PARAMETER, InputKind.BUFFER: CONSTANT, InputKind.CONSTANT_TENSOR: CONSTANT}
    arguments = iter(given)
    known: Known = {}
    for spec in signature.input_specs:
        if spec.kind == InputKind.USER_INPUT:
            target, op, held = "", INPUT, next(arguments)
        elif spec.kind in ops and spec.target is not None:
            target, op = spec.target, ops[spec.kind]
            held = program.state_dict[target] if target in program.state_dict else program.constants[target]
        elif spec.kind == InputKind.TOKEN:
            target, op, held = "", INPUT, None
        else:
            raise FormatError(f"the program's input {spec.arg.name} is not a tensor")
        numbers = isinstance(held, torch.Tensor) and held.is_floating_point()
        stands = leaves(numbers_in(held), target or spec.arg.name, op) if numbers else held
        known[spec.arg.name] = target, held, stands
    return known


def _call(node: torch.fx.Node, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The result of one node; what depends on no leaf is a number, and PyTorch's own."""
    if node.target is operator.getitem:
        return args[0][args[1]]
    if not any(isinstance(each, Array) for each in tree_leaves((args, kwargs))):
        return _asked(lambda: node.target(*args, **kwargs), f"PyTorch cannot compute {_place(node)}")
    made = node.meta["val"]
    decides = isinstance(made, torch.Tensor) and made.dtype == torch.bool
    name = str(node.target).removeprefix("aten.")
    if name not in ATEN:
        raise FormatError(f"{_place(node)} is not supported; {SUPPORTED}")
    if isinstance(made, torch.Tensor) and not (made.is_floating_point() or decides):
        raise FormatError(f"{_place(node, f' to {dtype_of(made)}')} is not supported; {SUPPORTED}")
    if name.startswith("logical_") or (decides and name == "_to_copy.default"):
        args = [_truth(given, each) for given, each in zip(node.args, args, strict=True)]
    try:
        result = result_of(ATEN[name](*args, **{key: each for key, each in kwargs.items() if key not in LAYOUT}))
    except FormatError as error:
        raise FormatError(f"{_place(node)}: {error}") from None
    return truth(result) if decides and name == "add.Tensor" else result  # the sum of conditions is one


def _place(node: torch.fx.Node, what: str = "") -> str:
    """A node for a message: what it computes, and the line of the program that it comes from."""
    lines = [line.strip() for line in (node.stack_trace or "").splitlines() if line.strip().startswith("File ")]
    return f"{node.target}{what} (node {node.name}{''.join(f', {line}' for line in lines[-1:])})"


def _truth(given: Any, made: Any) -> Any:
    """An operand as a condition, unless it is one."""
    found = given.meta["val"] if isinstance(given, torch.fx.Node) else given
    return made if getattr(found, "dtype", None) == torch.bool else truth(made)


def _overwrite(program: torch.export.ExportedProgram, arguments: Any, results: Sequence[Array], known: Known) -> None:
    """Put the numbers that PyTorch computes on the outputs, and its gradients on the leaves if there is one output."""

    def fresh(x: torch.Tensor) -> torch.Tensor:
        return x.detach().clone().requires_grad_(x.is_floating_point())

    arguments = tree_map_only(torch.Tensor, fresh, arguments)
    module = program.module()
    with torch.enable_grad():
        found = _asked(lambda: module(*arguments[0], **arguments[1]), "the program does not run on these inputs")
    outputs = [torch.as_tensor(each) for each in tree_leaves(found) if each is not None]
    for held, values in zip(outputs, results, strict=True):
        overwrite(values, "data", numbers_in(held))
    out = only_value(results)
    if out is None or not outputs[0].requires_grad:
        return
    parameters, given = dict(module.named_parameters()), iter(tree_leaves(arguments))
    pairs = [(parameters.get(name) if name else next(given), values) for name, _, values in known.values()]
    pairs = [(held, values) for held, values in pairs if isinstance(held, torch.Tensor) and held.requires_grad]
    grads = torch.autograd.grad(outputs[0], [held for held, _ in pairs], allow_unused=True)
    out.backward()
    for grad, (_, values) in zip(grads, pairs, strict=True):
        if grad is not None:
            overwrite(values, "grad", numbers_in(grad))
