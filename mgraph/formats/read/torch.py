"""PyTorch: which of its two kinds of graph something is.

A tensor remembers how to differentiate what made it (:mod:`mgraph.formats.read.torch_autograd`); an exported program
says what is computed (:mod:`mgraph.formats.read.torch_export`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from mgraph.document.model import Document
from mgraph.formats.read import torch_autograd, torch_export


def read(
    output: Any,
    names: Mapping[str, object] | torch.nn.Module | None = None,
    *,
    inputs: Sequence[Any] | None = None,
    tolerance: int | None = None,
    title: str | None = None,
) -> Document:
    """The document of a tensor, or a list of them, that autograd recorded; or of a ``torch.export.ExportedProgram``.

    ``names``, such as ``locals()`` or a module, says what tensors are called. The numbers are PyTorch's own: the
    ``data`` of leaves, outputs and named tensors, and the ``grad`` that they have if the output is one number. A
    program is run, and differentiated, on ``inputs``, by default its example inputs. ``tolerance`` is in units in the
    last place; float32 needs one. Raises FormatError for a graph that cannot be imported, TypeError for what is none.
    """
    if isinstance(output, torch.export.ExportedProgram):
        if names is not None:
            raise TypeError("an exported program has its own names")
        return torch_export.read(output, inputs, tolerance, title)
    if inputs is not None:
        raise TypeError("inputs are for an exported program; tensors have been computed already")
    outputs = list(output) if isinstance(output, list | tuple) else [output]
    for each in outputs:
        if not isinstance(each, torch.Tensor):
            raise TypeError(f"a tensor, a list of them or an ExportedProgram is needed, not {type(each).__name__}")
    if not outputs:
        raise TypeError("at least one tensor is needed")
    return torch_autograd.read(outputs, dict(_named(names)), tolerance, title)


def _named(names: Mapping[str, object] | torch.nn.Module | None) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(names, torch.nn.Module):
        yield from names.named_parameters()
        yield from names.named_buffers()
        return
    for name, held in (names or {}).items():
        if name.startswith("_"):
            continue
        if isinstance(held, torch.Tensor):
            yield name, held
        elif isinstance(held, torch.nn.Module):
            yield from held.named_parameters(name)
            yield from held.named_buffers(name)
