"""What a notebook's cell shows of an archive: what was found as a table with small pictures."""

from __future__ import annotations

import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import ROOT, with_dot, with_pure

import mgraph
from mgraph import Value, cells
from mgraph.archive.archive import Archive
from mgraph.archive.hits import Hits
from mgraph.drawing import graphviz_program
from mgraph.drawing.display import SMALL

HOSTILE = "</desc></svg></td><script>document.title='run'</script><img src=x id=\"n0\" onerror='1'>\u202e\x1b[31m"
XOR = mgraph.load(ROOT / "samples/xor.json")

with_kernel = pytest.mark.skipif(
    importlib.util.find_spec("nbclient") is None or importlib.util.find_spec("ipykernel") is None,
    reason="nbclient and ipykernel are not installed; this runs a notebook with a real kernel",
)


class Page(HTMLParser):
    """The cells of the table's last column, the attributes of its pictures, the lines below, all tags and all ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.named: list[tuple[str, str]] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value or "" for key, value in attrs if key == "id"]
        if tag == "svg":
            self.pictures.append(dict(attrs))
        if tag in ("th", "td", "tr"):
            self.words = ""
        self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "tr":
            self.rows.append(self.words.strip())
        elif tag == "table":
            self.words = ""

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("title", "desc"):
            self.named.append((self._open[-1], data))
        elif not {"svg", "style"} & {*self._open}:
            self.words += data


def shown(found: Hits) -> Page:
    return Page(found._repr_mimebundle_()["text/html"])


@pytest.fixture
def course(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "course.mgraph")
    for name in ("neuron", "tanh", "xor"):
        archive.keep(mgraph.load(ROOT / f"samples/{name}.json"), name)
    return archive


@with_dot
def test_small_graphs_have_pictures_and_others_words(course: Archive) -> None:
    found = course.find("op:tanh")
    page = shown(found)
    words = "90 nodes; outputs: loss/loss, mlp/layer1/neuron0/y0, mlp/layer1/neuron0/y1, mlp/layer1/neuron0/y2, "
    assert page.rows[0] == "graph" and page.rows[1].startswith(words) and page.rows[2:] == ["", ""]
    assert [each["aria-label"] for each in page.pictures] == ["Two inputs through tanh", "A neuron of two inputs"]
    assert "pictures" not in page.words
    assert found._repr_mimebundle_()["text/plain"] == str(found)  # as ever, without pictures


@with_dot
def test_pictures_are_small_named_and_have_no_ids_to_clash(course: Archive) -> None:
    page = shown(course.find("nodes:<20"))
    assert len(page.pictures) == 2 and page.ids == []
    for each in page.pictures:
        assert each["role"] == "img" and each["aria-label"]
        width, height = int(each["width"] or 0), int(each["height"] or 0)
        assert 0 < width <= SMALL[0] and 0 < height <= SMALL[1] == 150
        assert (width, height)[height / width > SMALL[1] / SMALL[0]] in SMALL  # as large as fits
        left, top, right, bottom = map(float, (each["viewbox"] or "").split())
        assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=0.02)
    assert page.named[:2] == [
        ("title", "Two inputs through tanh"),
        ("desc", "6 nodes; outputs: d; inputs: a, b"),
    ]


@with_dot
def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    with Archive(tmp_path / "a.mgraph") as archive:
        x = Value(1.0, name=HOSTILE[:200])
        archive.keep(mgraph.record(x * x, title=HOSTILE), "small")
        total = sum((x * float(k) for k in range(60)), x)
        archive.keep(mgraph.record(total, title=HOSTILE), "large")
        page = shown(archive.find())
    assert len(page.pictures) == 1
    assert not page.tags & {"script", "img"} and page.ids == []


@with_dot
def test_at_most_twenty_pictures(tmp_path: Path) -> None:
    with Archive(tmp_path / "a.mgraph") as archive:
        x = Value(1.0, name="x")
        for k in range(22):
            archive.keep(x * float(k), f"n{k}")
        page = shown(archive.find(limit=None))
        assert len(page.pictures) == 20 and len(page.rows) == 23
        assert "(of the first 20 only there are pictures)" in page.words
        assert len(shown(archive.find(limit=20)).pictures) == 20


def test_very_large_graphs_are_not_read(course: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "TOLD", 50)
    found = course.find("name:xor")
    monkeypatch.setattr(found, "_get", lambda digest: pytest.fail("was read"))
    assert shown(found).rows[1:] == ["90 nodes"]


def test_without_a_program_to_draw_there_are_words_and_one_note(
    course: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(graphviz_program, "fallback", lambda: None)
    page = shown(course.find("nodes:<20"))
    assert page.rows[1:] == [
        "6 nodes; outputs: d; inputs: a, b",
        "10 nodes; outputs: tanh(x1*w1 + x2*w2 + b); inputs: x1, x2; 3 parameters",
    ]
    assert page.words.count("(no pictures: no program to draw with: install Graphviz") == 1


@with_pure
def test_without_dot_the_wheel_draws(course: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    page = shown(course.find("nodes:<20"))
    assert len(page.pictures) == 2 and page.ids == []


@with_dot
def test_what_was_pruned_since_is_said(course: Archive) -> None:
    found = course.find("nodes:<20")
    course.forget("tanh")
    course.prune("2999-01-01T00:00:00Z")
    course.close()
    page = shown(found)
    assert page.rows[1].endswith(f"no document of digest {found[0].digest} is kept here")
    assert len(page.pictures) == 1


def test_nothing_found(course: Archive) -> None:
    assert "nothing is found" in course.find("op:exp")._repr_mimebundle_()["text/html"]


CELLS = [
    """\
import mgraph
archive = mgraph.Archive("course.mgraph")
a, b = mgraph.Value(0.5001, name="a"), mgraph.Value(0.71, name="b")
loss = (a * b + b + a).tanh()
loss.backward()
archive.keep(mgraph.record(loss, title="The loss"), "loss", tag="latest")""",
    'archive["loss"]',
    'archive.find("op:tanh")',
    "[each.verdict for *_, each in archive.verify()]",
    'archive.find("verified:exact")',
    'dict(archive.show("loss").source)',
]


@pytest.mark.slow
@with_kernel
@with_dot
@pytest.mark.filterwarnings("ignore")  # of the kernel's client
def test_in_a_real_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("JPY_SESSION_NAME", "/home/ada/lesson.ipynb")  # as Jupyter's server sets it
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in CELLS])
    NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    receipt, graph, found, verdicts, exact, source = (cell.outputs[-1]["data"] for cell in book.cells)
    assert "Receipt(name='loss', number=1" in receipt["text/plain"]
    assert "<svg" in graph["image/svg+xml"]
    assert verdicts["text/plain"] == "['exact']"
    assert source["text/plain"] == "{'file': 'lesson.ipynb', 'place': 'cell 1, line 6'}"
    for each in (found, exact):
        page = Page(each["text/html"])
        assert [picture["aria-label"] for picture in page.pictures] == ["The loss"]
        assert page.ids == []
        assert re.search(r"loss@1 +The loss +6 ", each["text/plain"])
