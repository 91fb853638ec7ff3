"""What lets the repository's pages be a site: MkDocs calls the functions here, and griffe the class.

The site is the repository with docs/ as its root. Pages outside docs/ become pages of it, and every other file that a
page links to becomes part of it, so that a link works in both places and no host is named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import griffe
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")
"""Pages outside docs/."""
PUBLIC = re.findall(r"^::: mgraph\.(\w+)$", (Path(__file__).parent / "reference" / "api.md").read_text(), re.MULTILINE)
"""The names that the API's page documents."""

CODE = r"(?P<code>^```.*?^```|`[^`\n]+`)"
LINK = re.compile(CODE + r"|\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)]*)?\)", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r"(?P<code><(pre|code)\b.*?</\2>)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$<>\n]+)\$", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/, and what pages link to."""
    pages = {path: (ROOT / path).read_text() for path in PAGES}
    for path, text in pages.items():
        files.append(File.generated(config, place(path), content=text))
    pages |= {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages() if file.src_dir}
    linked = {target for path, text in pages.items() for target in targets(path, text)}
    for target in sorted(linked - set(pages)):
        if (ROOT / target).is_dir():
            names = sorted(each.name for each in (ROOT / target).iterdir() if each.is_file())
            listing = "\n".join([f"# {target}", "", *(f"- [{name}]({name})" for name in names)])
            files.append(File.generated(config, f"{target}/index.md", content=listing))
            linked |= {f"{target}/{name}" for name in names}
    for target in sorted(linked - set(pages)):
        if (ROOT / target).is_file() and not target.startswith("docs/"):
            files.append(File.generated(config, place(target), abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page lead to where the site has their targets."""
    here = source(page.file.src_uri)

    def moved(found: re.Match[str]) -> str:
        if found["code"] is not None:
            return found[0]
        target = resolved(here, found["target"])
        there = place(f"{target}/index.md" if (ROOT / target).is_dir() else target)
        return f"]({os.path.relpath(there, Path(page.file.src_uri).parent)}{found['anchor'] or ''})"

    return LINK.sub(moved, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write formulas in MathML, which browsers draw by themselves."""

    def drawn(found: re.Match[str]) -> str:
        if found["code"] is not None:
            return found[0]
        kind = "block" if found["block"] else "inline"
        return convert(unescape(found[kind]), display=kind)

    return FORMULA.sub(drawn, html)


def place(path: str) -> str:
    """Where the site has a file of the repository; ``source`` is the way back."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")


def source(uri: str) -> str:
    """Which file of the repository is at a place in the site."""
    return "README.md" if uri == "index.md" else uri if (ROOT / uri).exists() else f"docs/{uri}"


def resolved(page: str, target: str) -> str:
    """The path in the repository of what a page links to."""
    return os.path.normpath(Path(page).parent / target)


def targets(page: str, text: str) -> list[str]:
    """The paths in the repository of all that a page links to."""
    return [resolved(page, found["target"]) for found in LINK.finditer(text) if found["target"]]


class Roles(griffe.Extension):
    """Reads docstrings as they are written here: roles such as ``:func:`load``` become links, examples become code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite an object's docstring in Markdown."""
        if obj.docstring:
            text = re.sub(r":\w+:`([^`]+)`", link_from(obj), obj.docstring.value)
            obj.docstring.value = re.sub(
                r"((?:^(?:>>>|\.\.\.) .*\n?)+)", r"```python\n\1\n```\n", text, flags=re.MULTILINE
            )


def link_from(obj: griffe.Object) -> Callable[[re.Match[str]], str]:
    """What a role in the docstring of ``obj`` becomes: a link if its target is documented, else code."""
    owner = obj if obj.is_class else obj.parent

    def link(found: re.Match[str]) -> str:
        *before, name = found[1].split(".")
        if name in PUBLIC:
            return f"[`{name}`][mgraph.{name}]"
        kind = before[-1] if before else owner.name if owner else ""
        method = kind in PUBLIC and (before or (owner and name in owner.members))
        return f"[`{name}`][mgraph.{kind}.{name}]" if method else f"`{name}`"

    return link
