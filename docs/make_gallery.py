"""Make the gallery: docs/gallery.md and the pictures in docs/gallery/. Run after changing how graphs look."""

from __future__ import annotations

import random
from pathlib import Path

import mgraph
from mgraph import Value
from mgraph.drawing.display import Drawing
from mgraph.nn import MLP

DOCS = Path(__file__).resolve().parent
SAMPLES = DOCS.parent / "samples"

LARGE = ("perceptron", "moons")
"""Pictures that would be too large for a page with their documents in them."""

HEAD = """\
# Gallery

Each picture is an SVG made by `docs/make_gallery.py` with the line of Python above it; a test compares them. Those of \
one small graph carry it: `mgraph run docs/gallery/neuron.svg` recomputes the neuron.

How to read them, in either style:

| | |
|---|---|
| rounded corners, green | an input |
| cut corners, ochre | a parameter |
| dashed, grey | a constant |
| double (in a record, heavy) border | an output |
| a second sheet below | a collapsed scope: inputs → outputs, what its outputs are made by, how many nodes |
| `=` before a value | all of its digits |
| `≈` before a value | rounded |
| ∂, on blue or orange | the gradient, positive or negative |

Colour never stands alone: every sign is printed, every kind has a shape, and darker always means larger, so that a \
picture can be read in greyscale and by the colour-blind.
"""


def perceptron() -> mgraph.Graph:
    """The README's network, with weights that are the same every time."""
    random.seed(1)
    y = MLP(2, [16, 16, 1])([Value(0.5, name="x1"), Value(-1.25, name="x2")])
    assert isinstance(y, Value)
    y.name = "y"
    y.backward()
    return mgraph.record(y, title="A perceptron of two hidden layers")


def chain() -> mgraph.Graph:
    """A graph of 200 operations in no scope: Newton's iteration for the square root of 2."""
    x = Value(1.0, name="x")
    for _ in range(50):
        x = (x + 2.0 / x) * 0.5
    x.name = "root"
    x.backward()
    return mgraph.record(x, title="Newton's iteration, 50 times")


def pictures() -> dict[str, tuple[str, str, Drawing]]:
    """By file name: a heading, the line that draws it, and the drawing."""
    tanh, neuron, xor, moons = (
        mgraph.load(SAMPLES / name) for name in ("tanh.json", "neuron.json", "xor.json", "moons.json.gz")
    )
    changed = neuron.with_leaves({"w1": 0.5})
    return {
        "tanh": ("Records, as the text draws them", "tanh.draw()", tanh.draw()),
        "neuron": ("The compact style", 'neuron.draw(style="compact")', neuron.draw(style="compact")),
        "heat": (
            "Gradients by magnitude",
            'neuron.draw(style="compact", heat="grad")',
            neuron.draw(style="compact", heat="grad"),
        ),
        "xor": ("Scopes as boxes", "xor.draw(collapse=3)", xor.draw(collapse=3)),
        "perceptron": (
            "979 nodes, as a cell shows them",
            'network.draw(collapse="fit")',
            perceptron().draw(collapse="fit"),
        ),
        "moons": ("65,614 nodes", 'moons.draw(collapse="fit")', moons.draw(collapse="fit")),
        "chain": ("Without scopes: bands of depth", 'newton.draw(collapse="fit")', chain().draw(collapse="fit")),
        "hessian": ("Second derivatives", "tanh.hessian().draw()", tanh.hessian().draw()),
        "difference": (
            "What changed, and what moved",
            "neuron.draw_diff(changed, neuron.diff(changed))",
            neuron.draw_diff(changed, neuron.diff(changed)),
        ),
    }


def page(drawn: dict[str, tuple[str, str, Drawing]]) -> str:
    """The text of docs/gallery.md."""
    parts = [HEAD]
    for name, (heading, code, drawing) in drawn.items():
        parts.append(
            f"## {heading}\n\n```py\n{code}\n```\n\n![{drawing.title}: {drawing.description}](gallery/{name}.svg)\n"
        )
    return "\n".join(parts)


def main() -> None:
    """Write the page and its pictures."""
    drawn = pictures()
    (DOCS / "gallery.md").write_text(page(drawn))
    for name, (_, _, drawing) in drawn.items():
        mgraph.picture(drawing, DOCS / "gallery" / f"{name}.svg", embed=name not in LARGE)


if __name__ == "__main__":
    main()
