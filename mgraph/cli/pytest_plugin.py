"""A plugin of pytest: with ``--mgraph``, each graph in a file that pytest comes across is a test.

pytest imports this module whenever it starts, so nothing is imported before the option is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mgraph.api import Entry


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    says = "verify each graph in documents (.json), pictures (.svg, .png) and notebooks, as mgraph verify does"
    parser.getgroup("mgraph").addoption("--mgraph", action="store_true", help=says)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a file whose name fits."""
    if not parent.config.getoption("--mgraph"):
        return None
    from mgraph.formats.finding import fits

    return _File.from_parent(parent, path=file_path) if fits(file_path.name) else None


class _File(pytest.File):
    """A file that may hold graphs."""

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each graph, or one that fails if the file cannot be read; none if it does not claim a graph."""
        from mgraph.cli.outcomes import opened
        from mgraph.formats.finding import Found

        for entry in opened(Found(str(self.path)), pass_over=True) or ():
            yield _Graph.from_parent(self, name=f"verify{entry.name.removeprefix(str(self.path))}", entry=entry)


class _Graph(pytest.Item):
    """A graph, which passes if its numbers hold."""

    def __init__(self, *, entry: Entry, **known: Any) -> None:
        super().__init__(**known)
        self.entry = entry

    def runtest(self) -> None:
        """Verify it."""
        from mgraph.cli.outcomes import NOTHING, verified

        outcome = verified(self.entry, None, strict=False, differences=True)
        if outcome.kind == NOTHING:
            pytest.skip(outcome.says)
        if outcome.status:
            raise _Failed("\n".join((outcome.says, *outcome.lines[:-1])))  # the last says the same

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong, without how it was found out."""
        from mgraph.errors import MgraphError

        if isinstance(excinfo.value, _Failed | MgraphError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is, for reports."""
        return self.path, None, self.nodeid.replace("::verify", "")


class _Failed(Exception):
    """Numbers differ."""
