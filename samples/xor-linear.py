"""The best that a linear neuron can do about XOR: nothing. Makes xor-linear.json."""

import random
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from mgraph import nn, record
from mgraph.graph import Graph

DESCRIPTION = """\
The same rows and loss as xor.json under one linear neuron, trained until nothing moves any more: all three \
parameters go to 0, every output is 0, and the mean squared error for the targets -1 and 1 stays at 1. Stacking \
linear neurons would still be a linear neuron."""

spec = spec_from_file_location("xor", Path(__file__).with_name("xor.py"))
assert spec is not None and spec.loader is not None
xor = module_from_spec(spec)
spec.loader.exec_module(xor)


def build() -> Graph:
    random.seed(1)
    neuron = nn.Neuron(2, activation="linear")
    xor.train(neuron, steps=400, rate=0.3)
    for p in neuron.parameters():
        p.data = round(p.data, 3) + 0.0
    loss, outputs = xor.loss_of(neuron)
    loss.backward()
    return record(loss, *outputs, title="XOR by a linear neuron", meta={"description": DESCRIPTION})


if __name__ == "__main__":
    build().save(Path(__file__).with_suffix(".json"))
