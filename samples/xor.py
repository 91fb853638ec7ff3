"""XOR by a trained network of two tanh layers, the four rows and the loss in one graph. Makes xor.json."""

import random
from pathlib import Path

from mgraph import Value, nn, record, scope
from mgraph.graph import Graph

ROWS = ((0.0, 0.0, -1.0), (0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, -1.0))
DESCRIPTION = """\
XOR of two inputs, as targets -1 and 1. Two hidden tanh neurons bend the plane, so that the four outputs have the \
signs of their targets; a linear neuron cannot do it, see xor-linear.json. The weights were found by gradient descent \
and rounded to three decimals."""


def loss_of(model: nn.Module) -> tuple[Value, list[Value]]:
    """The mean squared error over the four rows, and the four outputs."""
    outputs, errors = [], []
    for k, (x1, x2, target) in enumerate(ROWS):
        with scope(f"row{k}"):
            x = [Value(x1, name="x1"), Value(x2, name="x2")]
        y = model(x)  # type: ignore[operator]
        with scope(f"row{k}"):
            y.name = f"y{k}"
            outputs.append(y)
            errors.append((y - target) ** 2)
    with scope("loss"):
        loss = sum(errors) / len(errors)
    loss.name = "loss"
    return loss, outputs


def train(model: nn.Module, steps: int, rate: float) -> None:
    for _ in range(steps):
        loss_of(model)[0].backward()
        for p in model.parameters():
            p.data -= rate * p.grad


def build() -> Graph:
    random.seed(1)
    model = nn.MLP(2, [2, 1], output="tanh")
    train(model, steps=400, rate=0.5)
    for p in model.parameters():
        p.data = round(p.data, 3)
    loss, outputs = loss_of(model)
    loss.backward()
    return record(loss, *outputs, title="XOR by two layers of tanh neurons", meta={"description": DESCRIPTION})


if __name__ == "__main__":
    build().save(Path(__file__).with_suffix(".json"))
