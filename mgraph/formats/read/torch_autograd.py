"""PyTorch's live graphs: what autograd keeps of an operation, and what that says was computed.

autograd remembers how to differentiate, not what it computed: the operands that no derivative needs are gone. A leaf
is still there, and so is a saved operand; any other is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
import torch

from mgraph.arithmetic.ops import CONSTANT, INPUT, PARAMETER
from mgraph.document.model import Document
from mgraph.errors import FormatError
from mgraph.formats.read.tensor_ops import (
    Meaning,
    clamp,
    elementwise,
    gemm,
    label,
    leaves,
    log_softmax,
    matmul,
    mean,
    only_value,
    overwrite,
    plus,
    precision,
    reduce,
    softmax,
    tensor,
)
from mgraph.formats.read.torch_export import (
    DOUBLE,
    ELEMENTWISE,
    SUPPORTED,
    cat,
    document,
    dtype_of,
    expand,
    index,
    minus,
    numbers_in,
    result_of,
    slices,
    split,
)
from mgraph.recording.numpy_arrays import Array


def _mean_square(a: Any, b: Any, reduction: int) -> Array:
    squares = elementwise("pow", minus(a, b), 2.0)
    return (squares, mean(squares), reduce("add", squares))[reduction]


def _alone(meaning: Meaning) -> Meaning:
    return lambda kept, x: meaning(x)


# By the name of the backward node: under which name autograd saves each operand, "-" if it does not, and the meaning,
# a function of what autograd saved and of the operands.
AUTOGRAD: dict[str, tuple[str, Meaning]] = {
    f"{name.title()}Backward0": ("-", _alone(meaning)) for name, meaning in ELEMENTWISE.items()
}
AUTOGRAD |= {
    "AddBackward0": ("- -", lambda kept, a, b: plus(a, b, kept.alpha)),
    "SubBackward0": ("- -", lambda kept, a, b: minus(a, b, kept.alpha)),
    "RsubBackward0": ("- -", lambda kept, a, b: minus(b, a, kept.alpha)),
    "MulBackward0": ("self other", lambda kept, a, b: elementwise("mul", a, b)),
    "DivBackward0": ("self other", lambda kept, a, b: elementwise("div", a, b)),
    "PowBackward0": ("self", lambda kept, a: elementwise("pow", a, float(kept.exponent))),
    "PowBackward1": ("self exponent", lambda kept, a, b: elementwise("pow", a, b)),
    "PowBackward2": ("exponent", lambda kept, b: elementwise("pow", float(kept.self), b)),
    "MaximumBackward0": ("self other", lambda kept, a, b: elementwise("maximum", a, b)),
    "MinimumBackward0": ("self other", lambda kept, a, b: elementwise("minimum", a, b)),
    "ClampBackward1": ("self", lambda kept, x: clamp(x, kept.min, kept.max)),
    "ClampMinBackward0": ("self", lambda kept, x: clamp(x, kept.min)),
    "ClampMaxBackward0": ("self", lambda kept, x: clamp(x, None, kept.max)),
    "SumBackward0": ("-", lambda kept, x: reduce("add", x)),
    "SumBackward1": ("-", lambda kept, x: reduce("add", x, kept.dim or None, kept.keepdim)),
    "MeanBackward0": ("-", lambda kept, x: mean(x)),
    "MeanBackward1": ("-", lambda kept, x: mean(x, kept.dim or None, kept.keepdim)),
    "MaxBackward1": ("self", lambda kept, x: reduce("maximum", x)),
    "MinBackward1": ("self", lambda kept, x: reduce("minimum", x)),
    "AmaxBackward0": ("self", lambda kept, x: reduce("maximum", x, kept.dim or None, kept.keepdim)),
    "AminBackward0": ("self", lambda kept, x: reduce("minimum", x, kept.dim or None, kept.keepdim)),
    "MseLossBackward0": ("self target", lambda kept, a, b: _mean_square(a, b, kept.reduction)),
    "SoftmaxBackward0": ("-", lambda kept, x: softmax(x, kept.dim)),
    "LogSoftmaxBackward0": ("-", lambda kept, x: log_softmax(x, kept.dim)),
    "MmBackward0": ("self mat2", lambda kept, a, b: matmul(a, b)),
    "BmmBackward0": ("self mat2", lambda kept, a, b: matmul(a, b)),
    "MvBackward0": ("self vec", lambda kept, a, b: matmul(a, b)),
    "DotBackward0": ("self tensor", lambda kept, a, b: matmul(a, b)),
    "AddmmBackward0": ("- mat1 mat2", lambda kept, c, a, b: gemm(a, b, c, kept.alpha, kept.beta)),
    "AddmvBackward0": ("- mat vec", lambda kept, c, a, b: gemm(a, b, c, kept.alpha, kept.beta)),
    "BaddbmmBackward0": ("- batch1 batch2", lambda kept, c, a, b: gemm(a, b, c, kept.alpha, kept.beta)),
    "TBackward0": ("-", lambda kept, x: x.T),
    "TransposeBackward0": ("-", lambda kept, x: np.swapaxes(x, kept.dim0, kept.dim1)),
    "PermuteBackward0": ("-", lambda kept, x: np.transpose(x, kept.dims)),
    "ExpandBackward0": ("-", lambda kept, x: expand(x, kept.shape)),
    "SelectBackward0": ("-", lambda kept, x: np.take(x, kept.index, kept.dim)),
    "SliceBackward0": ("-", lambda kept, x: slices(x, kept.dim, kept.start, kept.end, kept.step)),
    "IndexBackward0": ("-", lambda kept, x: index(x, kept.indices)),
    "UnbindBackward0": ("-", lambda kept, x: list(np.moveaxis(x, kept.dim, 0))),
    "SplitBackward0": ("-", lambda kept, x: split(x, kept.split_size, kept.dim)),
    "SplitWithSizesBackward0": ("-", lambda kept, x: split(x, kept.split_sizes, kept.dim)),
    "CatBackward0": ("-", lambda kept, *parts: cat(parts, kept.dim)),
    "StackBackward0": ("-", lambda kept, *parts: np.stack(list(map(tensor, parts)), kept.dim)),
    "CloneBackward0": ("-", lambda kept, x: x),
    "AliasBackward0": ("-", lambda kept, x: x),
    "ToCopyBackward0": ("-", lambda kept, x: x),  # what it makes has been found to be float64, or tolerated
}
AUTOGRAD |= {
    f"{name}Backward{k}": ("-", lambda kept, x: np.reshape(x, kept.shape))
    for name, variants in {
        "View": "0",
        "UnsafeView": "0",
        "ReshapeAlias": "0",
        "Unsqueeze": "0",
        "Squeeze": "0124",
    }.items()
    for k in variants
}


MASKS = (torch.bool, torch.uint8)
"""What PyTorch takes for conditions in an index."""


class _Kept:
    """What autograd keeps of one operation: the settings and operands that its derivative needs."""

    def __init__(self, node: Any, place: str) -> None:
        self.node = node
        self.place = f"{node.name()} ({place}, of shape {self.shape})"

    @property
    def shape(self) -> list[int]:
        """Of the result."""
        return list(self.node._input_metadata[0].shape)

    def __getattr__(self, name: str) -> Any:
        try:
            return _signed(getattr(self.node, f"_saved_{name}"))
        except RuntimeError as error:
            if "inplace" in str(error):
                raise FormatError(
                    f"an operand of {self.place} was changed in place after it was used: load the graph before that"
                ) from None
            raise FormatError(
                f"PyTorch no longer has what autograd saved at {self.place}: load the graph before backward(), or call"
                " backward(retain_graph=True)"
            ) from None


def _signed(x: Any) -> Any:
    """PyTorch shows a saved -1 as 2**64 - 1."""
    if isinstance(x, tuple):
        return tuple(map(_signed, x))
    return x - 2**64 if isinstance(x, int) and x >= 2**63 else x


class _Leaves:
    """The leaves made so far, each of one tensor."""

    def __init__(self, names: Mapping[str, torch.Tensor]) -> None:
        self.names: dict[int, str] = {}
        for name, held in names.items():
            self.names.setdefault(id(held), name)
        self.made: dict[int, tuple[torch.Tensor, Array]] = {}

    def of(self, held: torch.Tensor, op: str) -> Array:
        """The leaf of a tensor; the same tensor is the same leaf."""
        if id(held) not in self.made:
            self.made[id(held)] = held, leaves(numbers_in(held), self.names.get(id(held)), op)
        return self.made[id(held)][1]


def _operations(roots: Sequence[torch.Tensor]) -> tuple[list[Any], set[str]]:
    """The backward nodes in the order of the forward pass, and the dtypes of all tensors."""
    graph: Any = nx.DiGraph()
    dtypes: set[str] = set()
    pending = [root.grad_fn for root in roots]
    while pending:
        node: Any = pending.pop()
        if node in graph and "seen" in graph.nodes[node]:
            continue
        graph.add_node(node, seen=True)
        dtypes |= {dtype_of(each) for each in node._input_metadata}
        for source, _ in node.next_functions:
            if hasattr(source, "variable"):
                dtypes.add(dtype_of(source.variable))
            elif source is not None:
                graph.add_edge(source, node)
                pending.append(source)
    return list(nx.lexicographical_topological_sort(graph, lambda node: node._sequence_nr())), dtypes


def read(
    outputs: Sequence[torch.Tensor], names: Mapping[str, torch.Tensor], tolerance: int | None, title: str | None
) -> Document:
    """The document of tensors; see :func:`mgraph.formats.read.torch.load`. Raises FormatError."""
    if any(each.grad_fn is None for each in outputs):
        raise FormatError(
            "autograd recorded nothing for this tensor (it has no grad_fn): compute it from tensors that require grad,"
            " outside of torch.no_grad()"
        )
    operations, dtypes = _operations(outputs)
    meta = precision(dtypes, tolerance, DOUBLE)
    known = _Leaves(names)
    held: dict[Any, list[torch.Tensor]] = {}
    for each in [*names.values(), *outputs]:
        held.setdefault(each.grad_fn, []).append(each)
    made: dict[Any, Any] = {}
    shown: list[tuple[torch.Tensor, Array]] = []
    for place, node in enumerate(operations, 1):
        made[node] = result_of(_operation(_Kept(node, f"operation {place} of {len(operations)}"), made, known))
        for each in held.get(node, []):
            values = made[node][each.output_nr] if isinstance(made[node], list) else made[node]
            label(values, known.names.get(id(each)))
            overwrite(values, "data", numbers_in(each))
            shown.append((each, values))
    results = [next(values for mine, values in shown if mine is each) for each in outputs]
    numbered = [*known.made.values(), *((each, values) for each, values in shown if each.retains_grad)]
    graded = [(each.grad, values) for each, values in numbered if each.grad is not None]
    out = only_value(results)
    if out is not None and graded:
        out.backward()
        for grad, values in graded:
            overwrite(values, "grad", numbers_in(grad))
    return document(results, tolerance, title, meta)


def _operation(kept: _Kept, made: Mapping[Any, Any], known: _Leaves) -> Any:
    """The result of one operation, from those of its operands."""
    name = kept.node.name()
    if name == "RsubBackward1":
        raise _lost(kept, 1)
    if name not in AUTOGRAD:
        raise FormatError(f"{kept.place} is not supported; {SUPPORTED}")
    saved, meaning = AUTOGRAD[name]
    operands = []
    for k, (source, number) in enumerate(kept.node.next_functions):
        under = saved.split()[k] if k < len(saved.split()) else "-"
        if source is None:
            constant = None if under == "-" else getattr(kept, under)
            if constant is None:
                raise _lost(kept, k + 1)
            if constant.dtype == torch.bool:
                raise _decided(kept, f"operand {k + 1}")
            # A number among the operands is a tensor of no dimension here; it is a literal in the document.
            operands.append(known.of(constant, CONSTANT) if constant.ndim else tensor(constant.item()))
        elif hasattr(source, "variable"):
            parameter = isinstance(source.variable, torch.nn.Parameter)
            operands.append(known.of(source.variable, PARAMETER if parameter else INPUT))
        else:
            operands.append(made[source][number] if isinstance(made[source], list) else made[source])
    if name == "IndexBackward0" and any(getattr(each, "dtype", None) in MASKS for each in kept.indices):
        raise _decided(kept, "the index")
    return meaning(kept, *operands)


def _decided(kept: _Kept, what: str) -> FormatError:
    return FormatError(
        f"{what} of {kept.place} is a condition that these numbers have decided, and autograd has not kept how: load"
        " what torch.export.export returns, which does"
    )


def _lost(kept: _Kept, k: int) -> FormatError:
    return FormatError(
        f"autograd has not kept operand {k} of {kept.place}, because it requires no grad and no derivative needs it:"
        " make it a tensor that requires grad, or load what torch.export.export returns, which keeps every constant"
    )
