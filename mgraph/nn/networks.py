"""Neurons, layers and multi-layer perceptrons of values, called as micrograd's are, with tanh unless told otherwise.

A neuron is φ(Σ wᵢ·xᵢ + b), summed from the bias on. Its weights and bias are ``parameter`` leaves, and
everything it makes is recorded under its scope, such as ``mlp/layer0/neuron3``. Of two networks of one name in a
document, the second is ``mlp2`` there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import SupportsFloat

from mgraph.recording.scopes import owned, scope
from mgraph.recording.value import Value, apply, parameter

ACTIVATIONS = ("tanh", "relu", "sigmoid", "linear")
"""What a neuron may apply to its sum; ``linear`` is nothing."""
Operand = Value | SupportsFloat
"""An input of a neuron."""


class Module:
    """Something with parameters."""

    __module__ = "mgraph.nn"

    def parameters(self) -> list[Value]:
        """The leaves that are learnt, in a fixed order."""
        return []

    def zero_grad(self) -> None:
        """Set every parameter's gradient to 0. (``backward`` does not add up unless it is told to.)"""
        for p in self.parameters():
            p.grad = 0.0


class Neuron(Module):
    """``nin`` weights drawn uniformly from [-1, 1) by :mod:`random`, and a bias of 0.

    ``activation`` is one of ``tanh`` (the default), ``relu``, ``sigmoid`` and ``linear``; ``nonlin=False`` is
    micrograd's way to say ``linear``. Raises ValueError for any other activation.
    """

    __module__ = "mgraph.nn"

    def __init__(self, nin: int, nonlin: bool = True, *, activation: str = "tanh", name: str = "neuron") -> None:
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}, not {activation!r}")
        self.activation = activation if nonlin else "linear"
        """One of :data:`ACTIVATIONS`."""
        with scope(owned(name), absolute=True) as self.scope:
            self.w = [parameter(random.uniform(-1, 1), name=f"w{i}") for i in range(nin)]
            """The weights, one an input."""
            self.b = parameter(0.0, name="b")
            """The bias."""

    def __call__(self, x: Sequence[Operand]) -> Value:
        """The neuron's output for the inputs ``x``. Raises ValueError if they are not one a weight."""
        if len(x) != len(self.w):
            raise ValueError(f"a neuron with {len(self.w)} weights was given {len(x)} inputs")
        with scope(self.scope, absolute=True):
            total = sum((w * xi for w, xi in zip(self.w, x, strict=True)), self.b)
            return total if self.activation == "linear" else apply(self.activation, total)

    def parameters(self) -> list[Value]:  # noqa: D102
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{self.activation}Neuron({len(self.w)})"


def _alone(outputs: list[Value]) -> Value | list[Value]:
    return outputs[0] if len(outputs) == 1 else outputs


class Layer(Module):
    """``nout`` neurons over the same ``nin`` inputs. A layer of one neuron returns a Value, not a list."""

    __module__ = "mgraph.nn"

    neurons: Sequence[Neuron]

    def __init__(
        self, nin: int, nout: int, nonlin: bool = True, *, activation: str = "tanh", name: str = "layer"
    ) -> None:
        with scope(owned(name), absolute=True):
            self.neurons = [Neuron(nin, nonlin, activation=activation, name=f"neuron{i}") for i in range(nout)]
            """The neurons, one an output."""

    def outputs(self, x: Sequence[Operand]) -> list[Value]:
        """Every neuron's output for the inputs ``x``: a list, also of one."""
        return [neuron(x) for neuron in self.neurons]

    def __call__(self, x: Sequence[Operand]) -> Value | list[Value]:
        """The ``outputs``; where there is one, that alone."""
        return _alone(self.outputs(x))

    def parameters(self) -> list[Value]:  # noqa: D102
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(repr, self.neurons))}]"


class MLP(Module):
    """Layers of sizes ``nouts`` over ``nin`` inputs; ``activation`` on all but the last, ``output`` on that.

    The default is tanh, where micrograd's ``MLP`` has ReLU: ``mgraph.nn.micrograd`` is that one.

    >>> MLP(2, [16, 16, 1], activation="relu")  # the network of micrograd's demo

    A call returns a Value if the last layer has one neuron, else a list of them; ``outputs`` always returns a list,
    so that a type checker knows what ``[y] = mlp.outputs(x)`` is.
    """

    __module__ = "mgraph.nn"

    layers: Sequence[Layer]

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        *,
        activation: str = "tanh",
        output: str = "linear",
        name: str = "mlp",
    ) -> None:
        kinds = [activation] * (len(nouts) - 1) + [output]
        with scope(owned(name), absolute=True):
            self.layers = [
                Layer(n, nout, activation=kind, name=f"layer{i}")
                for i, (n, nout, kind) in enumerate(zip([nin, *nouts[:-1]], nouts, kinds, strict=True))
            ]
            """The layers, first to last."""

    def outputs(self, x: Sequence[Operand]) -> list[Value]:
        """The last layer's outputs for the inputs ``x``: a list, also of one."""
        *hidden, last = self.layers
        for layer in hidden:
            x = layer.outputs(x)
        return last.outputs(x)

    def __call__(self, x: Sequence[Operand]) -> Value | list[Value]:
        """The ``outputs``; where there is one, that alone."""
        return _alone(self.outputs(x))

    def parameters(self) -> list[Value]:  # noqa: D102
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(repr, self.layers))}]"
