"""What all readers of other tools' graphs share."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import random_value

from mgraph import Graph, record
from mgraph.document import model
from mgraph.formats.read import cppad, value_objects
from mgraph.formats.write import cppad as to_cppad

Read = Callable[[], Any]
"""Reads something that has been prepared."""


def of_values() -> Read:
    from micrograd.engine import Value

    root = (Value(2.0) * 3).relu()
    return lambda: value_objects.read([root])


def of_torch() -> Read:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra [torch])")
    from mgraph.formats.read import torch as reader

    out = torch.tensor(2.0, dtype=torch.float64, requires_grad=True).tanh()
    return lambda: reader.read(out)


def of_jax() -> Read:
    jax = pytest.importorskip("jax", reason="JAX is not installed (the extra [jax])")
    from mgraph.formats.read import jax as reader

    jax.config.update("jax_enable_x64", True)
    return lambda: reader.read(lambda x: x * x, 2.0)


def of_sympy() -> Read:
    sympy = pytest.importorskip("sympy", reason="SymPy is not installed (the extra [sympy])")
    from mgraph.formats.read import sympy as reader

    return lambda: reader.read([sympy.Symbol("x") + 1, sympy.Symbol("y")], {"x": 2.0})


def of_onnx() -> Read:
    pytest.importorskip("onnx", reason="onnx is not installed (the extra [onnx])")
    from mgraph.formats.read import onnx as reader
    from mgraph.formats.write import onnx as writer

    raw = writer.write(record(random_value(1, 30)[0]))
    return lambda: reader.read(raw, None)


def of_cppad() -> Read:
    raw = to_cppad.write(record(random_value(1, 30)[0]))
    return lambda: cppad.read(raw)


READERS = [of_values, of_torch, of_jax, of_sympy, of_onnx, of_cppad]


@pytest.mark.parametrize("prepare", READERS, ids=lambda prepare: prepare.__name__)
def test_a_reader_checks_its_document_once_and_returns_one_that_is_right(
    prepare: Callable[[], Read], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, validator, checked = prepare(), model._model, []

    def validate_python(loaded: Any) -> Any:
        checked.append(loaded)
        return validator.validate_python(loaded)

    monkeypatch.setattr(model, "_model", SimpleNamespace(validate_python=validate_python))
    found = read()
    assert len(checked) <= 1
    monkeypatch.undo()
    assert Graph(found).document == found
