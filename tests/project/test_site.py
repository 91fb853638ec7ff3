"""The documentation site: it builds strictly, loads nothing from elsewhere, and leaves no public name out."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

import mgraph

pytest.importorskip("mkdocs", reason="the site needs the extra [docs]")
griffe = pytest.importorskip("griffe", reason="the site needs the extra [docs]")

NAMES = sorted({*mgraph._MODULE, "name", "nn"})


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_api_page_names_everything_public() -> None:
    page = (ROOT / "docs" / "reference" / "api.md").read_text()
    assert sorted(re.findall(r"^::: mgraph\.(\w+)$", page, re.MULTILINE)) == NAMES, (
        "docs/reference/api.md: one ::: line a name"
    )
    assert "`mgraph.__version__`" in page


def public(path: str, thing: griffe.Object) -> Iterator[tuple[str, griffe.Object]]:
    """A name and those of its members that are its own and public."""
    yield path, thing
    for name, member in thing.members.items() if thing.is_class or thing.is_module else ():
        if not name.startswith("_") and not member.is_alias:
            yield from public(f"{path}.{name}", member)


def test_everything_public_is_documented() -> None:
    package = griffe.load("mgraph", search_paths=[ROOT], resolve_aliases=True)
    bare = []
    for name in NAMES:
        for path, thing in public(name, package[name].final_target if package[name].is_alias else package[name]):
            inherits = thing.parent.is_class and any(thing.name in base.members for base in thing.parent.mro())
            if not thing.docstring and not inherits:
                bare.append(path)
    assert bare == [], "a docstring, also below a field"


@pytest.mark.slow
def test_the_site_shows_every_public_name(site: Path) -> None:
    shown = (site / "reference" / "api.html").read_text()
    assert [name for name in NAMES if f'id="mgraph.{name}"' not in shown] == []
    assert ":func:" not in shown and ":class:" not in shown and "&gt;&gt;&gt; <" not in shown


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^>]*", page.read_text()
        )
        assert [tag for tag in loaded if 'rel="canonical"' not in tag] == [], page.name
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\([\"']?(?:https?:)?//|@import", style.read_text()), style.name


@pytest.mark.slow
def test_formulas_are_drawn_without_a_script(site: Path) -> None:
    page = (site / "reference" / "ops.html").read_text()
    assert page.count("<math") > 20 and "$" not in re.sub(r"<(script|pre|code)\b.*?</\1>", "", page, flags=re.DOTALL)


@pytest.mark.slow
def test_a_strict_build_finds_what_is_wrong(tmp_path: Path) -> None:
    for name in ("docs", "mgraph", "samples", "benchmarks", "exactness", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*ROOT.glob("*.md"), ROOT / "mkdocs.yml", ROOT / "LICENSE"):
        shutil.copy(path, tmp_path)
    guide = tmp_path / "docs" / "start" / "guide.md"
    guide.write_text(
        guide.read_text() + "\n[a](nowhere.md) [b](../reference/format.md#nowhere) [c](../../samples/nowhere.json)\n"
    )
    (tmp_path / "docs" / "stray.md").write_text("# In no navigation\n")
    with (tmp_path / "docs" / "reference" / "api.md").open("a") as page:
        page.write("\nSee [`Graph`][mgraph.Grpah].\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    for fault in ("nowhere.md", "reference/format.md#nowhere", "nowhere.json", "stray.md", "mgraph.Grpah"):
        assert fault in done.stderr + done.stdout
