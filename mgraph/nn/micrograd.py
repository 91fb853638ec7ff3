"""micrograd's ``nn`` over mgraph's values: its ReLU, the order in which it draws weights, and its texts.

Code written for micrograd trains to the same numbers, but for the last bits, with only its imports changed:

>>> from mgraph import Value  # from micrograd.engine import Value
>>> from mgraph.nn.micrograd import MLP, Layer, Neuron  # from micrograd.nn import …
>>> MLP(3, [4, 1])
MLP of [Layer of [ReLUNeuron(3), ReLUNeuron(3), ReLUNeuron(3), ReLUNeuron(3)], Layer of [LinearNeuron(4)]]
"""

from __future__ import annotations

from collections.abc import Sequence

from mgraph.nn import networks
from mgraph.nn.networks import Module
from mgraph.recording.scopes import owned, scope

__all__ = ["MLP", "Layer", "Module", "Neuron"]


class Neuron(networks.Neuron):
    """relu(Σ wᵢ·xᵢ + b), without the relu if ``nonlin`` is false; wᵢ from [-1, 1) by :mod:`random`, b = 0."""

    def __init__(self, nin: int, nonlin: bool = True, *, name: str = "neuron") -> None:
        super().__init__(nin, nonlin, activation="relu", name=name)
        self.nonlin = nonlin
        """Whether the relu is taken."""

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(networks.Layer):
    """``nout`` neurons over the same ``nin`` inputs. A layer of one neuron returns a Value, not a list."""

    def __init__(self, nin: int, nout: int, *, nonlin: bool = True, name: str = "layer") -> None:
        with scope(owned(name), absolute=True):
            self.neurons = [Neuron(nin, nonlin, name=f"neuron{i}") for i in range(nout)]


class MLP(networks.MLP):
    """Layers of sizes ``nouts`` over ``nin`` inputs, ReLU on all but the last."""

    def __init__(self, nin: int, nouts: Sequence[int], *, name: str = "mlp") -> None:
        sizes = [nin, *nouts]
        with scope(owned(name), absolute=True):
            self.layers = [
                Layer(sizes[i], sizes[i + 1], nonlin=i < len(nouts) - 1, name=f"layer{i}") for i in range(len(nouts))
            ]
