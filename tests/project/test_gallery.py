"""The gallery is what its script makes, whichever Graphviz drew it: the same texts, names and shapes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT, script

from mgraph import load
from mgraph.drawing.graphviz_program import program

GALLERY = ROOT / "docs" / "gallery"
SVG = "{http://www.w3.org/2000/svg}"


def content(svg: ET.Element) -> tuple[list[str | None], Counter[str], Counter[str | None]]:
    """Name and description; every text; and how many nodes, edges and frames there are."""
    names = [svg.get("role"), svg.get("aria-label"), svg.findtext(f"{SVG}title"), svg.findtext(f"{SVG}desc")]
    texts = Counter("".join(text.itertext()).strip() for text in svg.iter(f"{SVG}text"))
    return names, texts, Counter(group.get("class") for group in svg.iter(f"{SVG}g"))


@pytest.mark.slow
@pytest.mark.skipif(program() is None, reason="no program to draw with")
def test_the_gallery_is_what_its_script_makes(tmp_path: Path) -> None:
    made = script(ROOT / "docs" / "make_gallery.py")
    drawn = made.pictures()
    assert (ROOT / "docs" / "gallery.md").read_text() == made.page(drawn), "run: python docs/make_gallery.py"
    assert {path.stem for path in GALLERY.iterdir()} == set(drawn)
    for name, (_, _, drawing) in drawn.items():
        path = GALLERY / f"{name}.svg"
        assert path.stat().st_size < 160_000, name
        kept = content(ET.parse(path).getroot())
        assert kept == content(ET.fromstring(drawing.to_bytes("x.svg", embed=False))), (
            "run: python docs/make_gallery.py"
        )
        assert kept[0][:3] == ["img", drawing.title, drawing.title] and "node" in (kept[0][3] or "")
        if drawing.document is not None and name not in made.LARGE:
            assert load(path).document == drawing.document
