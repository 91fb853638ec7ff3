"""The loss of micrograd's demo at its first step: two moons, 100 points, MLP 2-16-16-1. Makes moons.json.gz.

Needs NumPy, for the stream of random numbers that the demo draws (legacy RandomState, frozen by NumPy's NEP 19).
"""

import math
import random
from pathlib import Path

import numpy as np

from mgraph import Value, nn, record, scope
from mgraph.graph import Graph

POINTS = 100
DESCRIPTION = """\
The total loss of micrograd's demo notebook before the first step of training: make_moons of 100 points with noise \
0.1 (seed 1337), a perceptron of layers 2-16-16-1 with relu, the max-margin loss and an L2 penalty of 1e-4. The loss \
is 0.8958441028683222."""


def two_moons() -> list[tuple[list[float], int]]:
    """Points on two half circles with noise, shuffled, as scikit-learn's make_moons draws them; labels -1 and 1."""
    stream = np.random.RandomState(1337)
    half = POINTS // 2
    angles = [float(t) for t in np.linspace(0, math.pi, half)]
    circle = [(math.cos(t), math.sin(t)) for t in angles]
    points = circle + [(1 - x, 1 - y - 0.5) for x, y in circle]
    order = np.arange(POINTS)
    stream.shuffle(order)
    noise = stream.normal(scale=0.1, size=(POINTS, 2))
    return [
        ([points[k][0] + float(dx), points[k][1] + float(dy)], 1 if k >= half else -1)
        for k, (dx, dy) in zip(order, noise, strict=True)
    ]


def loss_of(model: nn.MLP, rows: list[tuple[list[float], int]]) -> Value:
    """Max-margin loss plus the L2 penalty, summed in the demo's order."""
    inputs = []
    for k, (point, _) in enumerate(rows):
        with scope(f"points/{k}"):
            inputs.append([Value(x, name=f"x{axis}") for axis, x in enumerate(point)])
    scores = [model(x) for x in inputs]
    with scope("loss"):
        losses = [(1 + -y * score).relu() for (_, y), score in zip(rows, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        data_loss.name = "data loss"
        penalty = 1e-4 * sum(p * p for p in model.parameters())
        penalty.name = "penalty"
        total = data_loss + penalty
    total.name = "total loss"
    return total


def build() -> Graph:
    random.seed(1337)
    model = nn.MLP(2, [16, 16, 1], activation="relu")
    total = loss_of(model, two_moons())
    total.backward()
    return record(total, title="Two moons: the loss of micrograd's demo", meta={"description": DESCRIPTION})


if __name__ == "__main__":
    build().save(Path(__file__).with_suffix(".json.gz"))
