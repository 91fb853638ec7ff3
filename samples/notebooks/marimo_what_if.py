"""A marimo notebook: takes the graph out of neuron.ipynb, changes an input, and shows both."""

import marimo

app = marimo.App()


@app.cell
def _():
    from pathlib import Path

    import mgraph

    graph = mgraph.load(Path(__file__).with_name("neuron.ipynb"))
    graph
    return (graph,)


@app.cell
def _(graph):
    run = graph.replay(inputs={"w1": 0.5})
    run
    return (run,)


if __name__ == "__main__":
    app.run()
