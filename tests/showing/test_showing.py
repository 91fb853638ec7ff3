"""Results as people read them: what ``print`` says, what the command line prints, and what a cell shows are the same."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from conftest import ROOT, Cli, with_dot

import mgraph
from mgraph import Graph, Value, cells, load
from mgraph.drawing import display
from mgraph.files import notebook, svg
from mgraph.showing import chart, results
from mgraph.showing.as_html import html
from mgraph.showing.as_text import cells as width_of
from mgraph.showing.as_text import lines, plain
from mgraph.showing.blocks import Column, Entry, Table

TANH = load(ROOT / "samples" / "tanh.json")
XOR = load(ROOT / "samples" / "xor.json")
NEURON = load(ROOT / "samples" / "neuron.json")
HOSTILE = "</td><script>alert(1)</script>\x1b[31m\u202e&amp;'\""


class Page(HTMLParser):
    """The rows of every table, the text outside, and the tags that were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.classes: list[str] = []
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.inside = tag
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
            self.classes.append(dict(attrs)["class"])

    def handle_data(self, data: str) -> None:
        if self.inside in ("th", "td"):
            self.rows[-1][-1] += data.rstrip("\u2007\u2008\n")
        elif self.inside != "style":
            self.words.append(data)


def altered() -> Graph:
    """tanh.json with one number changed."""
    document = TANH.document
    return Graph({**document, "nodes": [{**n, "data": 1.5} if n["id"] == "c" else n for n in document["nodes"]]})


def shown(name: str) -> Any:
    return {
        "run": lambda: NEURON.replay({"w1": 0.5}),
        "report": lambda: altered().verify(),
        "diff": lambda: TANH.diff(altered()),
        "fit": lambda: mgraph.fit(XOR, 12, loss="loss"),
        "hessian": lambda: TANH.hessian().replay(),
    }[name]()


def test_print_says_what_the_command_line_prints(call: Cli) -> None:
    path = ROOT / "samples" / "neuron.json"
    assert call("run", path, "--set", "w1=0.5").stdout.startswith(
        f"{NEURON.replay({'w1': 0.5})}\nverdict on the record"
    )
    assert call("verify", path).stdout == f"{NEURON.verify()}\n"
    other = ROOT / "samples" / "tanh.json"
    assert call("diff", path, other).stdout == f"{NEURON.diff(TANH)}\n"
    xor = ROOT / "samples" / "xor.json"
    assert call("fit", xor, "--loss", "loss", "--steps", 12).stdout == f"{mgraph.fit(XOR, 12, loss='loss')}\n"


def test_in_a_console_a_result_is_one_line() -> None:
    assert repr(TANH.replay()) == "<Run d = 0.9162542319535778>"
    assert repr(TANH.verify()) == "<Report exact, 4 data and 6 grad checked>"
    assert repr(TANH.diff(TANH)) == "<Diff same>"
    assert repr(TANH.diff(altered())) == "<Diff different: 1 number unexplained>"
    assert repr(mgraph.fit(XOR, 2, loss="loss")).startswith("<Fit 2 steps, loss 0.00144")
    assert len(repr(XOR.replay())) < 400


@pytest.mark.parametrize("name", ["run", "report", "diff", "fit", "hessian"])
def test_a_cell_says_in_html_what_it_says_in_text(name: str) -> None:
    found = shown(name)
    bundle = found._repr_mimebundle_()
    assert bundle["text/plain"].startswith(str(found))
    page = Page(bundle["text/html"][bundle["text/html"].index("</style>") :])
    assert page.tags.isdisjoint({"script", "iframe", "object", "link", "img"})
    text = str(found)
    for row in page.rows:
        assert row[0] in text
        assert all(len(row) == len(page.rows[0]) for row in page.rows)
    words = " ".join(page.words)
    for line in () if name == "fit" else text.splitlines():
        if not any(line.startswith(row[0]) for row in page.rows):
            assert all(word in words for word in line.split()), line


def test_a_fit_shows_its_losses_as_a_curve_and_keeps_the_graph() -> None:
    found = mgraph.fit(XOR, 12, loss="loss")
    bundle = found._repr_mimebundle_()
    page = bundle["text/html"]
    assert 'id="loss"' in page and "currentColor" in page and chart.INK not in page
    assert f"after 12 steps, loss {found.losses[-1]!r}" in page
    assert mgraph.loads(bundle[notebook.MIME]).digest == found.graph.digest  # a text, for there is a -0.0 in it


def test_gradients_are_coloured_by_the_printed_sign_and_nothing_else_is() -> None:
    x, y = Value(2.0, name="x"), Value(-3.0, name="y")
    run = mgraph.record(x * y + (x - x.data) * 0.0).replay()
    page = Page(html(results.run(run)))
    coloured = {each for each in page.classes if each not in ("text", "number")}
    assert coloured == {"number plus", "number minus"}
    table = next(each for each in results.run(run) if isinstance(each, Table))
    assert [column.head for column in table.columns if column.signed] == ["grad"]
    one = Page(html([Table([Column("n", [0.0, -0.0, float("nan"), float("-inf"), 1e-300, -2.0], signed=True)])]))
    assert one.classes[1:] == ["number", "number", "number", "number", "number plus", "number minus"]


def test_numbers_of_a_column_stand_with_their_points_below_one_another() -> None:
    numbers = [0.5, -12.25, 1e-05, float("nan"), 3.0]
    text = html([Table([Column("n", numbers)])])
    cells = [cell.split("<")[0] for cell in text.split('<td class="number">')[1:]]
    behind = {len(cell) - cell.index(".") if "." in cell else cell.count("\u2007") + 1 for cell in cells}
    assert len(behind) == 1
    assert [cell.rstrip("\u2007\u2008") for cell in cells] == ["0.5", "-12.25", "1e-05", "NaN", "3.0"]


def test_hostile_names_stay_text() -> None:
    x = Value(1.0, name=HOSTILE)
    y = x.tanh()
    y.backward()
    graph = mgraph.record(y, title=HOSTILE)
    found = [graph.replay(), graph.verify(), graph.diff(TANH), graph.hessian(), graph.gradient().replay()]
    for each in found:
        bundle = each._repr_mimebundle_()
        assert "<script" not in bundle["text/html"] and "\x1b" not in bundle["text/html"] + bundle["text/plain"]
        assert "\u202e" not in bundle["text/html"].replace(notebook.MIME, "") or "\\u202e" in bundle["text/html"]
        assert Page(bundle["text/html"]).tags.isdisjoint({"script"})


def test_a_cell_of_a_large_graph_is_small() -> None:
    x = Value(1.0, name="x")
    for _ in range(3000):
        x = (x + 1.0) * 0.5
    run = mgraph.record(x).replay()
    bundle = run._repr_mimebundle_()
    table = Page(bundle["text/html"])
    assert len(table.rows) == 3
    assert "… 5,999 of 6,001 rows are hidden; run.data and run.grad have them" in bundle["text/html"]
    assert "--" not in str(run)  # the words of the command line


# Derivatives -----------------------------------------------------------------------------------------------


def test_a_hessian_is_a_matrix_on_the_command_line(call: Cli, tmp_path: Any) -> None:
    made = call("gradient", ROOT / "samples" / "tanh.json", "--second", "--save", "h.json")
    assert made.returncode == 0
    shown = call("run", "h.json").stdout
    assert shown.splitlines()[:4] == [
        "Hessian of d",
        "wrt                    a                    b",
        "a    -0.8599123907780392  -0.5938812195647334",
        "b    -0.5938812195647334  -0.6617628882620107",
    ], shown
    assert "grad" not in shown.split("verdict")[0]
    run = load(tmp_path / "h.json").replay()
    assert [f"{x!r}" for x in run.outputs.values()] == [
        "-0.8599123907780392",
        "-0.5938812195647334",
        "-0.6617628882620107",
    ]
    whole = call("run", "h.json", "--all").stdout
    assert "wrt " in whole and "d2d/da da" in whole and "grad" in whole
    assert "d2d/da da" in call("run", "h.json", "--out", "d2d/da da").stdout  # which is no matrix any more


def test_a_jacobian_has_a_row_for_each_output_and_a_gradient_for_each_leaf() -> None:
    run = TANH.jacobian(of=["c", "d"], wrt=["a", "b"]).replay()
    head, *rows = (line.split() for line in str(run).splitlines()[1:-1])
    assert head == ["of", "a", "b"] and [row[0] for row in rows] == ["c", "d"]
    assert [float(x) for row in rows for x in row[1:]] == list(run.outputs.values())
    gradient = str(TANH.gradient().replay()).splitlines()
    assert [line.split() for line in gradient[1:4]] == [
        ["wrt", "d"],
        ["a", "0.27441769195044236"],
        ["b", "0.24073332145898163"],
    ]


def test_a_matrix_fits_the_width_and_says_what_does_not() -> None:
    hessian = XOR.hessian(of="loss", wrt=XOR.parameters).replay()
    shown = str(hessian).splitlines()
    assert max(map(len, shown)) <= 80
    assert shown[-2] == "… 4 of 9 columns do not fit; run.outputs has them"
    full = [plain(line) for line in lines(results.run(hessian), full=True)]
    assert len(full[1].split()) == 10
    assert all(name in full[1] for name in XOR.parameters)
    page = Page(hessian._repr_mimebundle_()["text/html"])
    assert len(page.rows) == 10 and len(page.rows[0]) == 10


def test_a_large_matrix_shows_its_corner() -> None:
    xs = [Value(float(k), name=f"x{k}") for k in range(50)]
    hessian = mgraph.record(sum(x * x for x in xs)).hessian().replay()
    bundle = hessian._repr_mimebundle_()
    note = "… 10 of 50 rows and 10 of 50 columns are hidden; run.data and run.grad have them"
    assert note in bundle["text/html"] and note in bundle["text/plain"]
    page = Page(bundle["text/html"])
    assert len(page.rows) == 41 and {len(row) for row in page.rows} == {41}


@pytest.mark.parametrize(
    "told",
    [
        3,
        {},
        {"order": 2, "of": ["d"], "wrt": ["a"]},
        {"order": 1, "of": ["d"], "wrt": "ab"},
        {"order": 1, "of": ["d"], "wrt": [["a"]]},
        {"order": [], "of": ["d"], "wrt": ["a", "b"]},
        {"order": 1, "of": [], "wrt": []},
    ],
)
def test_a_meta_that_lies_about_derivatives_is_not_believed(told: Any) -> None:
    graph = Graph({**TANH.gradient().document, "meta": {"derivative": told}})
    assert str(graph.replay()).splitlines()[1].split() == ["name", "op", "data", "grad"]
    assert "text/plain" in graph._repr_mimebundle_()


def test_a_hessian_without_numbers_is_shown_as_a_graph() -> None:
    unset = Graph({"mgraph": 1, "nodes": [{"id": "x", "op": "input"}, {"id": "y", "op": "tanh", "args": ["x"]}]})
    assert "wrt" not in unset.hessian()._repr_mimebundle_()["text/plain"]


# Cells -----------------------------------------------------------------------------------------------------


def test_without_a_picture_the_page_still_carries_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> bytes:
        raise mgraph.DrawError("no program to draw")

    monkeypatch.setattr(display.graphviz_program, "laid_out", none)
    for each in (TANH, TANH.replay()):
        found = each._repr_mimebundle_()
        page = found["text/html"]
        assert "(no picture: no program to draw)" in page and "(no picture: no program to draw)" in found["text/plain"]
        assert mgraph.loads(svg.extract(page[page.index("<svg") : page.index("</svg>") + 6].encode())).data == TANH.data


@with_dot
def test_a_picture_in_html_has_no_prolog() -> None:
    page = TANH.replay()._repr_mimebundle_()["text/html"]
    assert "<?xml" not in page and "<!DOCTYPE" not in page


def test_entries_are_cut_unless_they_are_whole() -> None:
    long = "x" * 100
    cut, whole = lines([Entry("a", long), Entry("b", long, whole=True)])
    assert width_of(cut) == 80 and cut.endswith("…") and whole == "b        " + long
    assert cells.text(TANH.verify()) == str(TANH.verify())
