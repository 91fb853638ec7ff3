"""The same neuron as PyTorch computes it, whose leaves are float32 numbers. Makes neuron-pytorch.json."""

from pathlib import Path
from struct import pack, unpack

from mgraph import Value, parameter, record
from mgraph.graph import Graph

DESCRIPTION = """\
torch.tensor([0.7]).double() rounds 0.7 to float32 first, 0.699999988079071, and only then widens it: every leaf here \
is such a number. So the neuron differs from one of the same decimal digits in double from the eighth digit on. The \
gradient of b is 0.7302674181248432; the 0.7302674055099487 that is printed for it elsewhere is that number rounded \
to float32. A file that keeps exact numbers is the only way to tell such things apart."""


def single(x: float) -> float:
    """The float32 nearest to x, as a double."""
    return float(unpack("<f", pack("<f", x))[0])


def build() -> Graph:
    x1 = Value(single(0.5), name="x1")
    x2 = Value(single(0.7), name="x2")
    w1 = parameter(single(0.0259), name="w1")
    w2 = parameter(single(0.1967), name="w2")
    b = parameter(single(-0.7261), name="b")
    x1w1 = x1 * w1
    x2w2 = x2 * w2
    sum_ = x1w1 + x2w2
    sum_b = sum_ + b
    out = sum_b.tanh()
    out.backward()
    title = "A neuron with float32 leaves, as in PyTorch"
    return record(out, title=title, names=locals(), meta={"description": DESCRIPTION})


if __name__ == "__main__":
    build().save(Path(__file__).with_suffix(".json"))
