"""The command line: 80 columns, exact words, exit status, files left alone."""

from __future__ import annotations

import gzip
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import EACH_SAMPLE, ROOT, Cli, command, drained, with_dot

import mgraph
from mgraph import Value, load

S = ROOT / "samples"
TANH = S / "tanh.json"

RUN_TANH = """\
Two inputs through tanh
name  op                      data                 grad
a     input                 0.5001  0.27441769195044236
b     input                   0.71  0.24073332145898163
t1    a * b    0.35507099999999997  0.16047818242715928
t2    t1 + b    1.0650709999999999  0.16047818242715928
c     t2 + a    1.5651709999999999  0.16047818242715928
d     tanh(c)   0.9162542319535778                  1.0
engine: reference
verdict: exact (4 data and 6 grad checked)
"""


def test_run_prints_the_table_and_the_verdict(cli: Cli) -> None:
    done = cli("run", TANH)
    assert (done.returncode, done.stdout, done.stderr) == (0, RUN_TANH, "")


@pytest.mark.parametrize("path", EACH_SAMPLE, ids=lambda p: p.name)
@pytest.mark.parametrize("verb", ["run", "verify", "info", "validate"])
def test_every_sample_fits_80_columns(call: Cli, verb: str, path: Path) -> None:
    if path.suffix == ".gz" and verb == "verify":
        return  # test_moons has it
    done = call(verb, path)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80 or verb == "validate"
    if verb in ("run", "verify"):
        assert lines[-1].startswith("verdict: exact (")


def test_the_texts_neuron_to_four_decimals(call: Cli) -> None:
    found = json.loads(call("run", S / "neuron.json", "--json").stdout)
    assert [f"{found['data'][name]:.4f}" for name in found["outputs"]] == ["0.5864"]
    assert [f"{found['grad'][name]:.4f}" for name in ("x1", "x2", "w1", "w2", "b")] == [
        "-0.5377",
        "0.6359",
        "0.3281",
        "0.4593",
        "0.6562",
    ]


def test_the_pytorch_neurons_printed_digits(call: Cli) -> None:
    found = json.loads(call("run", S / "neuron-pytorch.json", "--json").stdout)
    assert found["data"]["out"] == -0.5193578553128438
    assert [found["grad"][name] for name in ("x1", "x2", "w1", "w2", "b")] == [
        0.0189139266452323,
        0.14364360605503948,
        0.3651337090624216,
        0.5111871839819242,
        0.7302674181248432,
    ]
    assert "0.7302674055099487" in call("info", S / "neuron-pytorch.json").stdout


@pytest.mark.slow
def test_moons(call: Cli) -> None:
    done = call("run", S / "moons.json.gz")
    assert done.returncode == 0
    assert "… 65,593 of 65,614 rows are hidden; --all shows them" in done.stdout
    found = json.loads(call("run", S / "moons.json.gz", "--json").stdout)
    assert found["data"]["loss/total loss"] == 0.8958441028683222
    verified = call("verify", S / "moons.json.gz")
    assert verified.returncode == 0 and "of 65,614 gradients compared: all agree" in verified.stdout


def test_xor_is_solved_and_the_linear_neuron_stuck(call: Cli) -> None:
    found = json.loads(call("run", S / "xor.json", "--json").stdout)
    signs = [found["data"][name] > 0.9 for name in found["outputs"][1:]]
    assert signs == [False, True, True, False] and found["data"]["loss/loss"] < 0.01
    stuck = json.loads(call("run", S / "xor-linear.json", "--json").stdout)
    assert stuck["data"]["loss/loss"] == 1.0
    assert all(stuck["grad"][f"neuron/{p}"] == 0.0 for p in ("w0", "w1", "b"))


def test_set_out_and_no_backward(call: Cli) -> None:
    done = call("run", TANH, "--set", "a=0.7", "--set", "t1=1", "--out", "c", "--no-backward")
    assert done.returncode == 0
    assert done.stdout == (
        "Two inputs through tanh\n"
        "name  op      data\n"
        "a     input    0.7\n"
        "b     input   0.71\n"
        "t1    input    1.0\n"
        "t2    t1 + b  1.71\n"
        "c     t2 + a  2.41\n"
        "engine: reference\n"
        "verdict on the record: exact (4 data and 6 grad checked)\n"
    )


def test_save_records_the_run(call: Cli, tmp_path: Path) -> None:
    done = call("run", TANH, "--set", "a=0.7", "--save", "new.json.gz")
    assert (done.returncode, done.stderr) == (0, "saved: new.json.gz\n")
    assert load(tmp_path / "new.json.gz").data["a"] == 0.7
    assert call("verify", "new.json.gz").returncode == 0
    assert gzip.decompress((tmp_path / "new.json.gz").read_bytes()).startswith(b'{\n  "mgraph": 1,')


def test_standard_input_and_output(cli: Cli) -> None:
    done = cli("run", "-", "--save", "-", stdin=TANH.read_bytes())
    assert done.stdout == TANH.read_text()
    assert cli("run", "-", stdin=gzip.compress(TANH.read_bytes())).stdout == RUN_TANH
    done = cli("run", "-", "--save", "-", "--json", stdin=TANH.read_bytes())
    assert done.returncode == 2 and "would both write to standard output" in done.stderr


@with_dot
def test_draw(call: Cli, tmp_path: Path) -> None:
    done = call("run", TANH, "--draw", "run.svg", "--set", "a=1")
    assert (done.returncode, done.stderr) == (0, "drawn: run.svg\n")
    assert "data=1.0000" in (tmp_path / "run.svg").read_text()
    done = call("draw", S / "xor.json", "xor.png", "--heat", "grad", "--collapse", "2", "--direction", "TB")
    more = "90 nodes in 11 boxes; --collapse N opens scopes to level N, --out NAME draws a part"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"drawn: xor.png ({more})\n")
    done = call("draw", TANH, "piece.dot", "--out", "t1", "--digits", "2")
    assert (tmp_path / "piece.dot").read_text().count("shape=record") == 3
    done = call("draw", TANH, "compact.dot", "--style", "compact")
    assert done.returncode == 0 and "shape=record" not in (tmp_path / "compact.dot").read_text()
    done = call("draw", S / "moons.json.gz", "moons.svg", "--collapse", "fit")
    assert (done.returncode, done.stderr) == (
        0,
        "drawn: moons.svg (65,614 nodes in 35 boxes; --collapse N opens scopes to level N, --out NAME draws a part)\n",
    )
    for level in ("0", "x", "-1", "1.5", "\N{ARABIC-INDIC DIGIT ONE}"):
        done = call("draw", TANH, "x.svg", "--collapse", level)
        assert done.returncode == 2 and f"--collapse: {level!r} is not a level: 1, 2, … or fit" in done.stderr


def altered(tmp_path: Path) -> Path:
    path = tmp_path / "altered.json"
    path.write_text(TANH.read_text().replace("0.9162542319535778", "0.9162542319535779"))
    return path


def test_numbers_that_differ_exit_1(call: Cli, tmp_path: Path) -> None:
    path = altered(tmp_path)
    done = call("run", path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "verdict: differs at d (data, 1 ulp) (4 data and 6 grad checked)"
    done = call("verify", path)
    assert done.returncode == 1
    assert done.stdout == (
        "audit    4 data and 6 grad against the recorded numbers they were made of\n"
        "         d: data is 0.9162542319535779, should be 0.9162542319535778 (1 ulp)\n"
        "replay   data: 1 ulp at most, at d\n"
        "replay   grad: 0 ulp\n"
        "finite   6 gradients compared: all agree within their error estimates\n"
        "verdict: differs at d (data, 1 ulp) (4 data and 6 grad checked)\n"
    )
    assert call("verify", path, "--ulps", "8").returncode == 0
    report = json.loads(call("verify", path, "--json").stdout)
    assert report["ok"] is False and report["culprits"][0]["node"] == "d" and report["culprits"][0]["ulps"] == 1


def test_the_first_number_that_is_not_finite(call: Cli, tmp_path: Path) -> None:
    x, y = Value(-4.0, name="x"), Value(0.0, name="y")
    mgraph.save((x / y).sqrt() ** 2, tmp_path / "bad.json", names={})
    done = call("run", "bad.json")
    assert done.returncode == 0
    assert "first not finite: n2 = -Infinity, of x = -4.0 and y = 0.0\n" in done.stdout
    found = json.loads(call("run", "bad.json", "--json").stdout)
    assert (
        found["first_nonfinite"] == {"node": "n2", "operands": {"x": -4.0, "y": 0.0}}
        and found["data"]["n2"] == "-Infinity"
        and found["data"]["n3"] == "NaN"
    )


def test_info(call: Cli) -> None:
    done = call("info", TANH)
    assert done.stdout == (
        "title        Two inputs through tanh\n"
        "format       1\n"
        "nodes        6\n"
        "ops          input 2, add 2, mul 1, tanh 1\n"
        "depth        4\n"
        "inputs       2: a, b\n"
        "parameters   none\n"
        "constants    none\n"
        "outputs      1: d\n"
        "recorded     data 6, grad 6\n"
        "tolerance    ulps 0\n"
        "digests, SHA-256\n"
        f"  structure  {load(TANH).digests['structure'][7:]}\n"
        f"  recipe     {load(TANH).digests['recipe'][7:]}\n"
        f"  document   {load(TANH).digest[7:]}\n"
    )
    assert json.loads(call("info", TANH, "--json").stdout)["digest"] == load(TANH).digest


def test_validate_many(call: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"mgraph": 1, "nodes": []}')
    done = call("validate", TANH, "bad.json", S / "xor.json")
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        f"{TANH}: a valid document of format 1, 6 nodes",
        f"{S / 'xor.json'}: a valid document of format 1, 90 nodes",
        "2 valid, 1 invalid",
    ]
    assert done.stderr == "mgraph: bad.json: $.nodes: the graph is empty: it needs at least one node\n"


def test_what_a_newcomer_types_first(call: Cli, tmp_path: Path) -> None:
    assert call("-V").stdout == call("--version").stdout
    assert call("help").stdout == call("--help").stdout
    assert call("help", "run").stdout == call("run", "--help").stdout
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    assert call("run", "data.csv").stderr == (
        "mgraph: data.csv: a table of numbers, not a graph; to replay a graph for each of its rows: mgraph rows FILE"
        " data.csv\n"
    )
    (tmp_path / "page.html").write_text("<!DOCTYPE html>\n<html><p>text</html>")
    assert call("info", "page.html").stderr == (
        "mgraph: page.html: no graph in this web page. A page that nbconvert or marimo makes of a notebook has those that cells of the notebook showed, with mgraph 0.4 or later\n"
    )


@with_dot
def test_a_picture_of_a_difference_carries_no_graph_and_says_why(call: Cli, tmp_path: Path) -> None:
    assert call("diff", TANH, S / "neuron.json", "--draw", "diff.png").returncode == 1
    assert call("run", "diff.png").stderr == (
        "mgraph: diff.png: no graph in this picture. mgraph puts one into each picture of a single graph that it draws,"
        " but not with --no-embed, and not into a picture of a difference (mgraph diff --draw); other programs may drop"
        " it when they save a picture\n"
    )


def test_schema_and_version(call: Cli) -> None:
    assert call("schema").stdout == (ROOT / "schemas" / "mgraph-1.schema.json").read_text()
    lines = call("--version").stdout.splitlines()
    assert lines[0] == f"mgraph {mgraph.__version__} (reads format 1)"
    assert lines[1] == f"Python {sys.version.split()[0]}"
    assert lines[2].startswith("pictures: ") and "graphviz" in lines[2]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(call: Cli, shell: str) -> None:
    done = call("completion", shell)
    if shell == "bash" and "hell completion is not supported" in done.stderr:
        pytest.skip(f"this machine's bash is too old for click's completion: {done.stderr}")
    assert "_MGRAPH_COMPLETE" in done.stdout


def test_completion_knows_the_documents_names(cli: Cli) -> None:
    env = {
        "_MGRAPH_COMPLETE": "fish_complete",
        "COMP_CWORD": "",
        "COMP_WORDS": f"mgraph run {S / 'neuron.json'} --set ",
    }
    assert "plain\tw1=" in cli(env=env).stdout.replace(",", "\t")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "none.json"], "mgraph: none.json: there is no such file\n"),
        (
            ["run", "nowhere/none.json"],
            "mgraph: nowhere/none.json: there is no such file. There is no folder 'nowhere'\n",
        ),
        (
            ["run", S.parent / "sampels" / "xor.json"],
            f"mgraph: {S.parent / 'sampels/xor.json'}: there is no such file. There is no folder '{S.parent}/sampels'. Did you mean 'samples'?\n",
        ),
        (
            ["run", S / "Neurn.json"],
            f"mgraph: {S / 'Neurn.json'}: there is no such file. Did you mean 'neuron.json'?\n",
        ),
        (["run", "."], "mgraph: .: a directory, not a document\n"),
        (
            ["run", TANH, "--set", "e=1"],
            "mgraph: --set: no node has the id or label 'e'. The inputs are 'a', 'b'; the outputs are 'd'\n",
        ),
        (
            ["run", TANH, "--out", "tt2"],
            "mgraph: --out: no node has the id or label 'tt2'. Did you mean 't2'? The inputs are 'a', 'b'; the outputs are 'd'\n",
        ),
        (
            ["run", TANH, "--out", "D"],
            "mgraph: --out: no node has the id or label 'D'. Did you mean 'd'? The inputs are 'a', 'b'; the outputs are 'd'\n",
        ),
        (
            ["gradient", TANH, "--wrt", "A"],
            "mgraph: --wrt: no node has the id or label 'A'. Did you mean 'a'? The inputs are 'a', 'b'; the outputs are 'd'\n",
        ),
        *(
            (
                ["run", TANH, option, "x.csv"],
                f"mgraph: {option}: a table is replayed by mgraph rows FILE TABLE -o OUT\nTry: mgraph run --help\n",
            )
            for option in ("--inputs", "--output", "--arithmetic")
        ),
        (
            ["fit", S / "xor.json", "--loss", "loss/loss", "--method", "adm"],
            "mgraph: --method: 'adm' is not one of 'sgd', 'momentum', 'adam', 'lbfgs', 'least-squares'. Did you mean 'adam'?\nTry: mgraph fit --help\n",
        ),
        (
            ["completion", "bsh"],
            "mgraph: SHELL: 'bsh' is not one of 'bash', 'zsh', 'fish'. Did you mean 'bash'?\nTry: mgraph completion --help\n",
        ),
        (["fit", S / "xor.json", "--data", "none.csv"], "mgraph: --data: none.csv: there is no such file\n"),
        (
            ["fit", S / "xor.json", "--plot", "x.gif"],
            "mgraph: --plot: x.gif: a plot's name ends in .svg, .png or .pdf\n",
        ),
        (["hlep"], "mgraph: there is no command 'hlep'. Did you mean 'help'?\nTry: mgraph --help\n"),
        (["help", "rnu"], "mgraph: there is no command 'rnu'. Did you mean 'run'?\nTry: mgraph --help\n"),
        (["rows", TANH], "mgraph: TABLE is missing\nTry: mgraph rows --help\n"),
        (["rows", "-", "-"], "mgraph: FILE and TABLE would both read standard input\nTry: mgraph rows --help\n"),
        (
            ["run", TANH, "--draw", "x.bmp"],
            "mgraph: --draw: x.bmp: a picture's name ends in .svg, .png, .pdf or .dot\n",
        ),
        (["run", TANH, "--save", "no/x.json"], "mgraph: no/x.json: cannot be written: no such file or directory\n"),
        (
            ["run", S / "operations.json", "--set", "start=1"],
            "mgraph: --set: 'start' is a constant, which cannot be set; an input or a parameter can\n",
        ),
        pytest.param(
            ["draw", S / "moons.json.gz", "x.svg"],
            "mgraph: 65,614 boxes are more than can be laid out in good time (at most 2,000); mgraph draw --collapse fit folds its scopes, --out NAME draws a part, --force all of it\n",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["run", S / "moons.json.gz", "--draw", "x.svg"],
            "mgraph: --draw: 65,614 boxes are more than can be laid out in good time (at most 2,000); mgraph draw --collapse fit folds its scopes, --out NAME draws a part, --force all of it\n",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["diff", S / "moons.json.gz", S / "moons.json.gz", "--draw", "x.svg"],
            "mgraph: --draw: 65,614 boxes are more than can be laid out in good time (at most 2,000); mgraph draw --collapse fit folds its scopes, --out NAME draws a part, --force all of it\n",
            marks=pytest.mark.slow,
        ),
        (["run", TANH, "--set", "a"], "mgraph: --set: 'a' is not NAME=VALUE\nTry: mgraph run --help\n"),
        (["run", TANH, "--set", "a=1", "--set", "a=2"], "mgraph: --set: 'a' is set twice\nTry: mgraph run --help\n"),
        (
            ["run", TANH, "--set", "a=1e999"],
            "mgraph: --set: 1e999 is past binary64; write Infinity if you mean it\nTry: mgraph run --help\n",
        ),
        (
            ["run", TANH, "--set", "a=0x10"],
            "mgraph: --set: '0x10' is not a number such as 0.7, -1e-3, NaN or Infinity\nTry: mgraph run --help\n",
        ),
        (
            ["run", TANH, "--set", "a=1_0"],
            "mgraph: --set: '1_0' is not a number such as 0.7, -1e-3, NaN or Infinity\nTry: mgraph run --help\n",
        ),
        (
            ["run", TANH, "--set", "a=--nan"],
            "mgraph: --set: '--nan' is not a number such as 0.7, -1e-3, NaN or Infinity\nTry: mgraph run --help\n",
        ),
        (["run", TANH, "b.json"], "mgraph: got unexpected extra argument (b.json)\nTry: mgraph run --help\n"),
        (["run", TANH, "--set"], "mgraph: option '--set' requires an argument\n"),
        (
            ["fit", TANH, "--save", "-", "--json"],
            "mgraph: --save - and --json would both write to standard output\nTry: mgraph fit --help\n",
        ),
        *(
            (
                [command, TANH, "--json", "--ulps", str(2**64)],
                f"mgraph: --ulps: a tolerance is a whole number of ulp, from 0 to 2**53 - 1, not {2**64}\n",
            )
            for command in ("run", "verify")
        ),
        (["run", TANH, "--ulps", "-1"], "mgraph: --ulps: -1 is not in the range x>=0\nTry: mgraph run --help\n"),
        (["run"], "mgraph: FILE is missing\nTry: mgraph run --help\n"),
        (
            ["run", TANH, "--sett", "a=1"],
            "mgraph: there is no option '--sett'. Did you mean '--set'?\nTry: mgraph run --help\n",
        ),
        (["ruin", TANH], "mgraph: there is no command 'ruin'. Did you mean 'run'?\nTry: mgraph --help\n"),
        (
            ["."],
            "mgraph: there is no command '.'. The command comes first: mgraph run FILE\nTry: mgraph --help\n",
        ),
    ],
    ids=str,
)
def test_bad_calls_exit_2_in_exact_words_and_write_nothing(call: Cli, tmp_path: Path, argv, message: str) -> None:
    done = call(*argv)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == message
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_differs_is_not_replaced(call: Cli, tmp_path: Path) -> None:
    document = load(TANH).document
    document["nodes"][2]["data"] = 0.25
    mgraph.Graph(document).save(tmp_path / "x.json")
    before = (tmp_path / "x.json").read_bytes()
    kept = "mgraph: x.json is kept: its record differs, and --save would replace it; name another file\n"
    for more in ([], ["--set", "a=0.7"], ["--json"]):
        done = call("run", "x.json", "--save", "./x.json", "--draw", "x.dot", *more)
        assert done.returncode == 1 and (tmp_path / "x.json").read_bytes() == before
        assert done.stderr == f"drawn: x.dot\n{kept}"
    done = call("run", "x.json", "--save", "y.json")
    assert (done.returncode, done.stderr) == (1, "saved: y.json\n")
    assert call("run", "y.json", "--set", "a=0.7", "--save", "y.json").returncode == 0
    assert load(tmp_path / "y.json").data["a"] == 0.7


@pytest.mark.parametrize("argv", [("run",), ("gradient",), ("export", "--to", "json"), ("fit", "--wrt", "a")])
def test_a_result_does_not_replace_what_holds_the_graph(call: Cli, tmp_path: Path, argv: tuple[str, ...]) -> None:
    before = (ROOT / "docs" / "tanh.svg").read_bytes()
    (tmp_path / "x.svg").write_bytes(before)
    done = call(argv[0], "x.svg", *argv[1:], "--save", "x.svg")
    assert done.returncode == 2 and (tmp_path / "x.svg").read_bytes() == before
    assert done.stderr.startswith(
        "mgraph: --save: 'x.svg' is a picture, a notebook or another tool's file, which the result would replace; name"
    )


def test_a_set_number_that_plays_no_part_is_named(call: Cli, tmp_path: Path) -> None:
    x, y = Value(1.0, name="x"), Value(2.0, name="y")
    mgraph.save([x * 2, y * 3], tmp_path / "x.json")
    (tmp_path / "rows.csv").write_text("x\n1\n")
    told = "--set has no effect for 'y': no node that --out names depends on it\n"
    done = call("run", "x.json", "--set", "y=5", "--set", "x=4", "--out", "n2")
    assert done.returncode == 0 and done.stderr == told and "n2    x * 2" in done.stdout
    done = call("rows", "x.json", "rows.csv", "--set", "y=5", "--out", "n2")
    assert done.returncode == 0 and done.stderr.startswith(told) and done.stdout == "n2,grad x\n2.0,2.0\n"
    assert call("run", "x.json", "--set", "y=5").stderr == ""


def test_a_failed_draw_saves_nothing(call: Cli, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("old")
    for draw in ("x.bmp", "no/x.dot"):
        assert call("run", TANH, "--save", "out.json", "--draw", draw).returncode == 2
        assert (tmp_path / "out.json").read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


def test_one_file_is_not_both_the_picture_and_the_document(call: Cli, tmp_path: Path) -> None:
    done = call("run", TANH, "--save", "x.dot", "--draw", "./x.dot")
    assert done.returncode == 2 and "--save and --draw name the same file" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "argv", [["run", TANH], ["run", TANH, "--save", "-"], ["validate", TANH], ["info", TANH]], ids=str
)
def test_a_full_standard_output(argv) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([command(), *map(str, argv)], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"mgraph: standard output") and b"Traceback" not in done.stderr


def test_labels_cannot_command_the_terminal(call: Cli, tmp_path: Path) -> None:
    x = Value(1.0, name="\x1b[31mred\n\u202e日本")
    mgraph.save(x * 2, tmp_path / "x.json", title="\x1b]0;title\x07")
    for verb in ("run", "info", "verify"):
        out = call(verb, "x.json").stdout
        assert "\x1b" not in out and "\x07" not in out and "\u202e" not in out
    assert "\\x1b[31mred\\n\\u202e日本" in call("run", "x.json").stdout


def test_wide_tables_are_cut_to_80_columns_unless_full(call: Cli, tmp_path: Path) -> None:
    x = Value(1 / 3, name="x" * 100)
    y = x.sigmoid() * x
    y.name = "日本語の名前" * 10
    y.backward()
    mgraph.save(y, tmp_path / "wide.json")
    lines = call("run", "wide.json").stdout.splitlines()
    assert max(len(line) + sum(c > "\u2e80" for c in line) for line in lines) <= 80
    assert any("…" in line for line in lines)
    full = call("run", "wide.json", "--full").stdout
    assert "x" * 100 in full and "0.3333333333333333" in full and "…" not in full


def on_a_terminal(*argv: str | Path, **env: str) -> str:
    """What the command prints on a terminal of 80 columns."""
    reader, writer = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")} | {"TERM": "xterm", **env}
    done = subprocess.run([command(), *map(str, argv)], stdout=writer, stderr=writer, env=environment, check=False)
    os.close(writer)
    out = drained(reader)
    assert done.returncode == 0
    return out.decode()


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal")
def test_colour_only_on_a_terminal_and_not_under_no_color(cli: Cli) -> None:
    assert "\x1b[32m\x1b[1mexact\x1b[0m" in on_a_terminal("run", TANH)
    assert "\x1b" not in on_a_terminal("run", TANH, NO_COLOR="1")
    assert "\x1b" not in cli("run", TANH).stdout


def test_python_dash_m_is_the_same_command(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "mgraph", "run", TANH], capture_output=True, text=True, check=True)
    assert done.stdout == RUN_TANH


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_error() -> None:
    shell = f"'{command()}' run '{S / 'moons.json.gz'}' --json | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{\n", "")
