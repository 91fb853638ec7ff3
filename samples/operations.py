"""Every operation at least once: subtraction, negation, powers, division, and the rest. Makes operations.json."""

from pathlib import Path

import mgraph
from mgraph import Value, record
from mgraph.graph import Graph


def build() -> Graph:
    a = Value(1.5, name="a")
    b = Value(-0.625, name="b")
    steps = {
        "a + b": a + b,
        "a - b": a - b,
        "-a": -a,
        "a * b": a * b,
        "a / b": a / b,
        "a ** 2": a**2,
        "b ** 3": b**3,
        "a ** -1": a**-1,
        "a ** 0.5": a**0.5,
        "a ** b": a**b,
        "exp(b)": b.exp(),
        "expm1(b)": b.expm1(),
        "log(a)": a.log(),
        "log1p(b)": b.log1p(),
        "sqrt(a)": a.sqrt(),
        "tanh(a)": mgraph.tanh(a),
        "sigmoid(b)": b.sigmoid(),
        "relu(a)": a.relu(),
        "relu(b)": b.relu(),
        "sin(a)": a.sin(),
        "cos(a)": a.cos(),
        "abs(b)": abs(b),
        "max(a, b)": a.maximum(b),
        "min(a, b)": a.minimum(b),
        "a > b": a.greater(b),
        "gate(a, b)": a.gate(b),
    }
    for name, value in steps.items():
        value.name = name
    total = sum(steps.values(), Value(0.0, name="start", op="constant"))
    total.name = "total"
    total.backward()
    return record(total, title="Every operation")


if __name__ == "__main__":
    build().save(Path(__file__).with_suffix(".json"))
