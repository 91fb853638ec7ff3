"""Two inputs through tanh: tanh(a·b + b + a), with the intermediates named. Makes tanh.json."""

from pathlib import Path

from mgraph import Value, record
from mgraph.graph import Graph


def build() -> Graph:
    a = Value(0.5001, name="a")
    b = Value(0.71, name="b")
    t1 = a * b
    t2 = t1 + b
    c = t2 + a
    d = c.tanh()
    d.backward()
    return record(d, title="Two inputs through tanh", names=locals())


if __name__ == "__main__":
    build().save(Path(__file__).with_suffix(".json"))
