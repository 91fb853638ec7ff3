"""What the fixture ``call`` runs in this process is what the command runs in one of its own."""

from __future__ import annotations

import pytest
from conftest import ROOT, Cli

TANH = ROOT / "samples" / "tanh.json"


@pytest.mark.parametrize(
    "argv",
    [
        ("run", TANH, "--set", "a=0.7"),
        ("run", TANH, "--set", "x=0.7"),
        ("verify", TANH, "--json"),
        ("info", "-"),
        ("export", TANH, "--to", "csv", "--save", "out.csv"),
        ("tanh",),
        ("fit", "--help"),
        ("--version",),
    ],
    ids=lambda argv: "-".join(map(str, argv[:1])),
)
def test_call_is_the_command(argv: tuple[str, ...], cli: Cli, call: Cli) -> None:
    stdin = TANH.read_bytes()
    here, there = call(*argv, stdin=stdin), cli(*argv, stdin=stdin)
    assert (here.returncode, here.stdout, here.stderr) == (there.returncode, there.stdout, there.stderr)


def test_call_hides_no_error(call: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mgraph.api.load", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call("draw", TANH, "tanh.svg")
