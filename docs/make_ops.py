"""Makes the table in ops.md from the op table: python docs/make_ops.py."""

from pathlib import Path

from mgraph.ops import OPS

PAGE = Path(__file__).with_name("ops.md")
START, END = "<!-- table -->\n", "<!-- end of table -->"


def table() -> str:
    """One line an op."""
    lines = [
        "| op | symbol | y = | ∂y/∂a | ∂y/∂b | domain | at a kink |",
        "|---|---|---|---|---|---|---|",
    ]
    for op in OPS.values():
        partials = [f"`{formula}`" for formula in op.derivatives] + [""] * (2 - op.arity)
        latex = "$" + op.latex.format("a", "b").replace("|", r"\vert ") + "$"
        symbol = op.symbol.replace("*", r"\*")
        lines.append(
            f"| `{op.name}` | {symbol} | {latex} | {partials[0]} | {partials[1]} | {op.where} | {op.at_kink} |"
        )
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with its table made anew."""
    head, rest = text.split(START)
    return head + START + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    print(f"{len(OPS)} operations written to {PAGE.name}")
