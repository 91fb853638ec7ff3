"""Neurons, layers and multi-layer perceptrons of values: with tanh unless told otherwise, or as micrograd has them.

``mgraph.nn.MLP`` has tanh in its hidden layers; ``mgraph.nn.micrograd.MLP`` has ReLU, as micrograd's ``MLP`` does.
"""

from mgraph.nn import micrograd
from mgraph.nn.networks import MLP, Layer, Module, Neuron

__all__ = ["MLP", "Layer", "Module", "Neuron", "micrograd"]
