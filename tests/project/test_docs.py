"""Documentation says what the code does: every block is run, every table compared, every link followed."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from arithmetic.test_ops import points
from click.testing import CliRunner
from conftest import ROOT, SAMPLES, Cli, random_value, script

import mgraph
from mgraph import loads
from mgraph.arithmetic import ops
from mgraph.arithmetic.ops import OPS
from mgraph.cli.main import main
from mgraph.formats import TARGETS

STORY = {"MGRAPH_USER": "ada", "SOURCE_DATE_EPOCH": "1767571200"}
"""Who keeps what in an archive, and when: on the fifth of January 2026."""
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"])
DECISIONS = sorted((ROOT / "docs" / "dev" / "decisions").glob("0*.md"))


FENCED = re.DOTALL | re.MULTILINE


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), FENCED)


def of(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


def runnable(page: Path) -> list[tuple[str, str, str]]:
    """Language, block, and the block of text after it, of each block of Python or console."""
    return re.findall(r"^```(python|console)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", page.read_text(), FENCED)


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=page_name)
def test_blocks_run(page: Path, call: Cli, tmp_path: Path, monkeypatch, capsys) -> None:
    """As pasted, in order, in one folder: Python in one session, and what it and the commands print.

    The folder has the repository's samples if the page runs commands, or says that it is the repository's.
    """
    text, found = page.read_text(), runnable(page)
    for package in re.findall(r"^<!-- needs: (\w+) -->$", text, re.MULTILINE):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    for variable, setting in STORY.items():
        monkeypatch.setenv(variable, setting)
    if "this repository's folder" in text or any(language == "console" for language, *_ in found):
        samples = tmp_path.with_name(f"{tmp_path.name}-samples")  # a link, so that folders below are the page's own
        shutil.copytree(ROOT / "samples", samples, ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / "samples").symlink_to(samples)
    namespace: dict[str, Any] = {}
    for language, block, shown in found:
        if language == "python":
            exec(compile(block, str(page), "exec"), namespace)
            printed = capsys.readouterr().out
            assert printed == shown or not shown
        else:
            first, _, expected = block.partition("\n")
            done = call(*shlex.split(first.removeprefix("$ mgraph ")))
            assert done.stdout + done.stderr == expected


def test_the_tour_computes_what_mgraph_computes() -> None:
    """On any graph of its operations, in about a hundred lines."""
    code = blocks(ROOT / "docs" / "dev" / "tour.md", "python")
    assert sum(bool(line.strip()) for line in "".join(code).splitlines()) <= 105
    toy: dict[str, Any] = {}
    for block in code[:-1]:
        exec(compile(block, "tour.md", "exec"), toy)
    for seed in range(20):
        root, _ = random_value(seed, 60, tuple(toy["OPS"]))
        root.backward()
        graph = mgraph.record(root)
        plan = toy["compile_plan"](graph.document)
        numbers = toy["forward"](plan)
        adjoints = toy["backward"](plan, numbers, graph.outputs[0])
        for node, number, adjoint in zip(graph.nodes, numbers, adjoints, strict=False):  # literals come last
            assert number == node["data"] and adjoint == node.get("grad", adjoint)


@pytest.mark.parametrize("page", of("json"), ids=page_name)
def test_json_blocks_are_documents(page: Path) -> None:
    for block in blocks(page, "json"):
        loads(block)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```|`[^`\n]+`", "", page.read_text(), flags=FENCED)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose):
        assert (page.parent / target).exists(), target
    assert "pip install mgraph" not in page.read_text().replace("pip install mgraph-replay", "")


def section(page: str, heading: str) -> str:
    return re.split(rf"^## {heading}$", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)[1].split("\n## ")[0]


ONE = {
    "run": ["samples/tanh.json"],
    "verify": ["samples/tanh.json"],
    "info": ["described.json"],
    "diff": ["samples/tanh.json", "samples/neuron.json"],
    "fit": ["samples/xor.json", "--loss", "loss/loss", "--steps", "1"],
}


@pytest.mark.parametrize("command", ONE)
def test_the_page_of_json_names_the_keys_of_a_command(command: str, call: Cli, tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    graph = mgraph.load(ROOT / "samples" / "tanh.json").with_meta(description="In words.", tags=["lesson"])
    (tmp_path / "described.json").write_bytes(graph.to_bytes())
    printed = json.loads(call(command, *ONE[command], "--json").stdout)
    text = section("reference/json-output.md", f"mgraph {command}")
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)))
    assert sorted(named) == sorted(printed)


def test_the_page_of_json_names_the_keys_of_a_line(call: Cli, tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    line = json.loads(call("validate", "samples/tanh.json", "samples/xor.json", "--json").stdout.splitlines()[0])
    named = re.findall(r"^\| `(\w+)` \|", section("reference/json-output.md", "Several files"), re.MULTILINE)
    assert [*named, "valid", "nodes"] == list(line)


def test_the_page_of_json_names_the_keys_of_a_check(call: Cli) -> None:
    call("archive", "init", "a.mgraph")
    printed = json.loads(call("archive", "check", "--archive", "a.mgraph", "--json").stdout)
    text = section("reference/json-output.md", "mgraph archive").partition("### mgraph archive check")[2]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(printed)


def test_the_page_of_the_api_names_the_fields_of_an_archives_records() -> None:
    rows = re.findall(r"^\| `\w+` \| `(\w+)` \| (.*) \|$", section("reference/api.md", "Archives"), re.MULTILINE)
    modules = ("checkup", "exchange", "hits", "keeping", "listing", "verdicts")
    known = {}
    for module in modules:
        known |= vars(importlib.import_module(f"mgraph.archive.{module}"))
    assert len(rows) == 10
    for name, fields in rows:
        assert tuple(re.findall(r"`(\w+)`", fields)) == known[name]._fields, name


def test_the_page_of_errors_shows_the_tree() -> None:
    assert mgraph.errors.__doc__ is not None
    (tree,) = blocks(ROOT / "docs" / "reference" / "errors.md", "text")
    assert dedent(mgraph.errors.__doc__.split("\n\n")[1]) == tree.rstrip()


@pytest.mark.parametrize("name", ["make_exports", "make_cli"])
def test_made_parts_of_pages_are_up_to_date(name: str) -> None:
    for package in ("torch", "jax", "onnx") if name == "make_exports" else ():
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; the tables tell of it")
    maker = script(ROOT / "docs" / f"{name}.py")
    assert maker.page(maker.PAGE.read_text()) == maker.PAGE.read_text(), f"run: python docs/{name}.py"


def test_what_is_made_of_the_op_table_is_up_to_date() -> None:
    for path, make in script(ROOT / "docs" / "make_ops.py").WRITTEN.items():
        assert path.read_text() == make(), "run: python docs/make_ops.py"


def test_the_page_of_exports_names_every_format() -> None:
    text = (ROOT / "docs" / "howto" / "export.md").read_text()
    assert all(f"`{name}`" in text for name in TARGETS)


@pytest.mark.parametrize("name", OPS)
def test_the_formulas_on_the_page_are_the_partials(name: str) -> None:
    op = OPS[name]
    for text, partial in zip(op.derivatives, op.partials, strict=True):
        for point in points(op):
            y = op.forward(*point)
            names = {"a": point[0], "b": point[-1], "y": y, **vars(ops)}
            assert float(eval(text, names)) == partial(*point, y)


def test_the_readme_names_every_command_sample_and_dependency() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in main.commands:
        assert f"`mgraph {name}" in readme
    for path in SAMPLES:
        assert f"`{path.name}`" in readme
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        assert f"| {re.match(r'[a-z-]+', requirement)[0]} | " in readme
    for extra in project["optional-dependencies"]:
        assert f"`{extra}` (" in readme
    assert f"## {mgraph.__version__}, " in (ROOT / "CHANGELOG.md").read_text()


def test_ci_runs_the_readmes_test_command() -> None:
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if re.match(r"python3 .* pytest$", line)]
    assert len(lines) == 1
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("name", [*script(ROOT / "docs" / "make_cli.py").names()])
def test_help_fits_80_columns_and_names_every_option(name: str, call) -> None:
    shown = call(*name.split(), "--help").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.startswith("Usage: mgraph")
    assert "..." not in shown.partition("\n\n")[2].replace("PATH...", ""), "a help line is cut"
    assert (
        f"## mgraph {name}".rstrip() + f"\n\n```text\n{shown}```\n"
        in (ROOT / "docs" / "reference" / "cli.md").read_text()
    )


def test_the_format_page_names_every_key() -> None:
    text = (ROOT / "docs" / "reference" / "format.md").read_text()
    schema = json.loads((ROOT / "schemas" / "mgraph-1.schema.json").read_text())
    for definition in (schema, *schema["$defs"].values()):
        for key in definition.get("properties", {}):
            assert f"`{key}`" in text or key == "ulps"


def test_what_is_tracked_names_no_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        raw = (ROOT / name).read_bytes() if (ROOT / name).exists() else b""
        assert str(ROOT).encode() + b"/" not in raw and b"index-url" not in raw.replace(b'b"index-url"', b""), name


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/dev/architecture.md", "docs/dev/tour.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    for name in re.findall(r"`((?:mgraph|tests|docs|samples|schemas|exactness|formats|document)/[\w./-]*)`", text):
        assert (ROOT / name).exists() or (ROOT / "mgraph" / name).exists(), name
    for name in re.findall(r"^\| `(\w+)/?` \|", text, re.MULTILINE) if "architecture" in page else ():
        assert (ROOT / "mgraph" / name).is_dir() or (ROOT / "mgraph" / f"{name}.py").exists(), name


def test_the_picture_of_the_rooms_is_the_import_contract() -> None:
    (contract,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    picture = next(block for block in blocks(ROOT / "docs" / "dev" / "architecture.md", "text") if "│" in block)
    drawn = [set(re.findall(r"\w+", line)) for line in picture.splitlines() if re.search(r"\w", line)]
    assert drawn == [set(re.findall(r"\w+", layer)) for layer in contract["layers"]]


def test_what_the_contributing_page_adds_works() -> None:
    from mgraph.cli import replaying

    row, exporter, importer, command = blocks(ROOT / "CONTRIBUTING.md", "py")
    square = eval(row.strip().removesuffix(","), {"Op": type(OPS["add"])})
    assert square.forward(3.0) == 9.0 and square.partials[0](3.0, 9.0) == 6.0
    assert square.scale[0](-3.0) == 3.0

    writes, reads = {}, {}
    exec(exporter, writes)
    exec(importer, reads)
    graph = mgraph.load(ROOT / "samples" / "neuron.json")
    listing = writes["write"](graph)
    assert reads["match"](listing)
    assert mgraph.Graph(reads["read"](listing)).digests["recipe"] == graph.digests["recipe"]
    for wrong in (b"a = input x", b"a = inptu 1", b"a", b"a = mul 1"):
        with pytest.raises(mgraph.FormatError, match="line 1"):
            reads["read"](wrong)

    found = dict(vars(replaying))
    exec(command, found)
    done = CliRunner().invoke(found["leaves"], [str(ROOT / "samples" / "tanh.json")])
    assert done.output == "a = 0.5001\nb = 0.71\n", done.output


@pytest.mark.parametrize("page", DECISIONS, ids=page_name)
def test_a_decision_says_its_status_date_reason_and_price(page: Path) -> None:
    title, status, *rest = page.read_text().split("\n\n")
    assert re.fullmatch(r"# .{1,90}", title) and not title.endswith(".")
    assert re.fullmatch(r"(Accepted|Superseded by \[\d{4}\]\(\d{4}-[a-z-]+\.md\)), \d{4}-\d\d-\d\d\.", status)
    assert re.findall(r"^\*\*(.+?)\*\* .", "\n\n".join(rest), re.MULTILINE) == ["Why.", "Given up."]


def test_the_index_lists_every_decision() -> None:
    rows = []
    for number, page in enumerate(DECISIONS, 1):
        title, status = page.read_text().split("\n\n")[:2]
        assert page.name.startswith(f"{number:04}-"), "decisions are numbered without a gap"
        state, date = status.removesuffix(".").rsplit(", ", 1)
        rows.append(f"| [{number:04}]({page.name}) | {title.removeprefix('# ')} | {state} | {date} |\n")
    assert (
        (ROOT / "docs" / "dev" / "decisions" / "README.md").read_text().endswith("|---|---|---|---|\n" + "".join(rows))
    )
