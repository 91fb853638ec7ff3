"""A neuron of two inputs, tanh(x1·w1 + x2·w2 + b), every step named. Makes neuron.json."""

from pathlib import Path

from mgraph import Value, parameter, record
from mgraph.graph import Graph


def build() -> Graph:
    x1 = Value(0.5, name="x1")
    x2 = Value(0.7, name="x2")
    w1 = parameter(-0.8194, name="w1")
    w2 = parameter(0.9692, name="w2")
    b = parameter(0.4034, name="b")
    x1w1 = x1 * w1
    x1w1.name = "x1*w1"
    x2w2 = x2 * w2
    x2w2.name = "x2*w2"
    x1w1_x2w2 = x1w1 + x2w2
    x1w1_x2w2.name = "x1*w1 + x2*w2"
    x1w1_x2w2_b = x1w1_x2w2 + b
    x1w1_x2w2_b.name = "x1*w1 + x2*w2 + b"
    out = x1w1_x2w2_b.tanh()
    out.name = "tanh(x1*w1 + x2*w2 + b)"
    out.backward()
    return record(out, title="A neuron of two inputs")


if __name__ == "__main__":
    build().save(Path(__file__).with_suffix(".json"))
