"""Tables of inputs: CSV, JSON lines, Parquet, by either engine; and what is wrong with them, to the line and column."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import random
from pathlib import Path

import pytest
from conftest import ROOT, Cli

import mgraph
from mgraph import FileError, Graph, ReplayError, load
from mgraph.files.tables import CHUNK

TANH = load(ROOT / "samples/tanh.json")
ENGINES = ["reference", *(["compiled"] if importlib.util.find_spec("llvmlite") else [])]


def expected(a: float, b: float) -> list[float]:
    run = TANH.replay({"a": a, "b": b}, engine="reference")
    return [run.data["d"], run.grad["a"], run.grad["b"]]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_every_row_is_a_replay(engine: str, suffix: str, tmp_path: Path) -> None:
    rng = random.Random(3)
    rows = [(rng.uniform(-2, 2), rng.uniform(-2, 2)) for _ in range(50)] + [(math.nan, 1.0), (math.inf, -0.0), (1, 2)]
    source, target = tmp_path / f"rows{suffix}", tmp_path / f"out{suffix}"
    names = {math.inf: "Infinity", -math.inf: "-Infinity"}
    if suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (the extra [parquet])")
        import pyarrow

        columns = list(zip(*rows, strict=True))
        parquet.write_table(pyarrow.table({"a": columns[0], "b": columns[1]}), source)
    elif suffix == ".csv":
        source.write_text(
            "a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in rows).replace("nan", "NaN").replace("inf", "Infinity")
        )
    else:
        spelled = [{k: "NaN" if x != x else names.get(x, x) for k, x in zip("ab", row, strict=True)} for row in rows]
        source.write_text("".join(json.dumps(row) + "\n" for row in spelled))
    done = TANH.replay_rows(source, target, engine=engine)
    assert done == (len(rows), engine, "exact")
    if suffix == ".parquet":
        table = parquet.read_table(target)
        assert table.column_names == ["d", "grad a", "grad b"]
        found = [list(row.values()) for row in table.to_pylist()]
    elif suffix == ".csv":
        header, *lines = csv.reader(target.read_text().splitlines())
        assert header == ["d", "grad a", "grad b"]
        found = [[float(cell) for cell in line] for line in lines]
    else:
        found = [[float(x) for x in json.loads(line).values()] for line in target.read_text().splitlines()]
    for row, numbers in zip(rows, found, strict=True):
        assert list(map(repr, numbers)) == list(map(repr, expected(*row)))


def test_the_command_line(call: Cli, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("\ufeffa, b\n0.7,0.71\n\n-.5,1e0\n")
    done = call("rows", ROOT / "samples/tanh.json", "rows.csv", "-o", "out.csv", "--engine", "reference")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "rows: 2 written to out.csv; engine: reference, exact arithmetic\n"
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines == ["d,grad a,grad b", *(",".join(map(repr, expected(*row))) for row in [(0.7, 0.71), (-0.5, 1.0)])]
    done = call("rows", ROOT / "samples/tanh.json", "-", "--set", "b=0.71", "--no-backward", stdin=b"a\n0.7\n")
    assert done.stdout == f"d\n{expected(0.7, 0.71)[0]!r}\n"
    done = call("rows", ROOT / "samples/tanh.json", "rows.csv", "--out", "t2", "--no-backward")
    assert done.stdout.splitlines()[0] == "t2"


def test_fast_arithmetic_says_so(call: Cli, tmp_path: Path) -> None:
    pytest.importorskip("llvmlite", reason="llvmlite is not installed (the extra mgraph-replay[fast])")
    (tmp_path / "rows.csv").write_text("a,b\n0.7,0.71\n")
    done = call("rows", ROOT / "samples/tanh.json", "rows.csv", "--arithmetic", "fast")
    assert done.stderr.endswith("rows: 1 written to standard output; engine: compiled, fast arithmetic\n")
    number = float(done.stdout.splitlines()[1].split(",")[0])
    assert number == pytest.approx(expected(0.7, 0.71)[0], rel=1e-15)


BAD = {
    "empty.csv": ("", "empty.csv is empty: its first line should name inputs or parameters"),
    "empty.jsonl": ("\n", 'empty.jsonl is empty: each line should be an object such as {"x": 0.5}'),
    "missing.csv": ("a\n1\n", None),
    "unknown.csv": ("a,bb\n1,2\n", "unknown.csv, columns: no node has the id or label 'bb'. Did you mean 'b'? The inputs are 'a', 'b'; the outputs are 'd'; a column that is no leaf can be kept (keep='bb'; --keep on the command line)"),
    "twice.csv": ("a,a\n1,2\n", "twice.csv, line 1: the column 'a' is there twice"),
    "operation.csv": ("c\n1\n", "operation.csv, columns: 'c' is computed; a column is an input or a parameter"),
    "ragged.csv": ("a,b\n1,2\n1\n", "ragged.csv, line 3: 1 cell; the header has 2"),
    "word.csv": ("a,b\n1,2\n1,x\n", "word.csv, line 3, column 'b': 'x' is not a number"),
    "blank.csv": ("a,b\n1,\n", "blank.csv, line 2, column 'b': there is no number"),
    "underscore.csv": ("a,b\n1_0,2\n", "underscore.csv, line 2, column 'a': '1_0' is not a number"),
    "lower.csv": ("a,b\n1,nan\n", "lower.csv, line 2, column 'b': 'nan' is not a number"),
    "large.csv": ("a,b\n1,1e999\n", "large.csv, line 2, column 'b': '1e999' is past binary64; write Infinity if you mean it"),
    "quoted.csv": ('a,b\n"1,2\n', "quoted.csv, line 2: unexpected end of data"),
    "arabic.csv": ("a,b\n١٢,2\n", "arabic.csv, line 2, column 'a': '١٢' is not a number"),
    "fullwidth.csv": ("a,b\n１.５,2\n", "fullwidth.csv, line 2, column 'a': '１.５' is not a number"),
    "nbsp.csv": ("a,b\n1.5\u00a0,2\n", "nbsp.csv, line 2, column 'a': '1.5\\xa0' is not a number"),
    "separator.csv": ("a,b\n1.5\x1c,2\n", "separator.csv, line 2, column 'a': '1.5\\x1c' is not a number"),
    "blanks.csv": ("\n\n", "blanks.csv, columns: there are none; name at least one input or parameter"),
    "latin.csv": (b"a,b\n\xe9,1\n", "latin.csv: cannot be read: it is not UTF-8"),
    "repeated.jsonl": ('{"a": 1, "b": 2}\n{"a": 1, "b": 2, "a": 3}\n', "repeated.jsonl, line 2: the key 'a' is repeated"),
    "true.jsonl": ('{"a": 1, "b": true}\n', "true.jsonl, line 1, column 'b': True is not a number"),
    "key.jsonl": ('{"a": 1, "b": 2}\n{"a": 1}\n', "key.jsonl, line 2: there is no 'b'; the first line has 'a', 'b'"),
    "extra.jsonl": ('{"a": 1}\n{"a": 1, "b": 2}\n', "extra.jsonl, line 2: there is an extra 'b'; the first line has 'a'"),
    "list.jsonl": ("[1]\n", 'list.jsonl, line 1: not an object such as {"x": 0.5}'),
    "rows.txt": ("a\n1\n", "rows.txt: a table's name ends in .csv, .jsonl or .parquet"),
    "bad.parquet": ("a\n1\n", None),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_tables(name: str, call: Cli, tmp_path: Path) -> None:
    text, message = BAD[name]
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "out.csv").write_text("kept")
    done = call("rows", ROOT / "samples/tanh.json", name, "--output", "out.csv")
    if name == "missing.csv":
        assert done.returncode == 0  # b has a recorded number
        return
    assert (done.returncode, done.stdout) == (2, "")
    if message is not None:
        assert done.stderr == f"mgraph: {message}\n"
    assert (tmp_path / "out.csv").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({name, "out.csv"})


@pytest.mark.slow
def test_a_damaged_parquet_file_is_refused(call: Cli, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (the extra [parquet])")
    import pyarrow

    rng = random.Random(5)
    whole = tmp_path / "whole.parquet"
    parquet.write_table(pyarrow.table({name: [rng.random() for _ in range(500)] for name in "ab"}), whole)
    raw = bytearray(whole.read_bytes())
    refused = 0
    for _ in range(200):
        damaged = raw.copy()
        for _ in range(3):
            damaged[rng.randrange(len(raw))] = rng.randrange(256)
        (tmp_path / "rows.parquet").write_bytes(damaged[: rng.choice([len(raw), rng.randrange(len(raw))])])
        try:
            TANH.replay_rows(tmp_path / "rows.parquet", tmp_path / "out.csv", engine="reference", backward=False)
        except FileError as error:
            assert str(error).startswith(f"{tmp_path}/rows.parquet")
            refused += 1
    assert refused > 100
    (tmp_path / "rows.parquet").write_bytes(raw[:-20])
    done = call("fit", ROOT / "samples/xor.json", "--data", "rows.parquet", "--loss", "loss/loss")
    assert done.returncode == 2 and done.stderr.startswith(("mgraph: rows.parquet: ", "mgraph: --data: rows.parquet: "))


def test_a_negative_zero_in_json_lines(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": -0, "b": 1}\n')
    (tmp_path / "rows.csv").write_text("a,b\n-0,1\n")
    graph = mgraph.record(mgraph.Value(1.0, name="a") * mgraph.Value(1.0, name="b"), names={})
    for suffix in ("jsonl", "csv"):
        graph.replay_rows(tmp_path / f"rows.{suffix}", tmp_path / "out.csv", backward=False)
        assert (tmp_path / "out.csv").read_text() == "n2\n-0.0\n"


def test_an_output_that_bears_the_name_of_a_gradient(tmp_path: Path) -> None:
    x = mgraph.Value(2.0, name="x")
    y = x * x
    y.name = "grad x"
    (tmp_path / "rows.csv").write_text("x\n3\n")
    graph = mgraph.record(y)
    message = (
        "the output 'grad x' and the gradient of 'x' would both be the column 'grad x'; leave the gradients out"
        " (backward=False; --no-backward on the command line)"
    )
    for suffix in ("csv", "jsonl", "parquet"):
        with pytest.raises(ReplayError) as refused:
            graph.replay_rows(tmp_path / "rows.csv", tmp_path / f"out.{suffix}")
        assert str(refused.value) == message
    graph.replay_rows(tmp_path / "rows.csv", tmp_path / "out.csv", backward=False)
    assert (tmp_path / "out.csv").read_text() == "grad x\n9.0\n"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"t1": 1.0}, "'t1' is computed, so it cannot be set for all rows; an input or a parameter can"),
        ({"b": True}, "the number for 'b' is not a real number but True"),
        ({"q": 1.0}, "no node has the id or label 'q'. The inputs are 'a', 'b'; the outputs are 'd'"),
    ],
)
def test_what_is_fixed_is_refused_alike_by_every_engine(engine: str, fixed, message: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n")  # also for no rows at all
    with pytest.raises(ReplayError) as refused:
        TANH.replay_rows(tmp_path / "rows.csv", tmp_path / "out.csv", fixed=fixed, engine=engine)
    assert str(refused.value) == message


@pytest.mark.parametrize("name", ["a\0b.csv", "half \ud800.csv"])
def test_a_path_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match="cannot be read"):
        TANH.replay_rows(name, tmp_path / "out.csv")
    with pytest.raises(FileError, match="cannot be written"):
        TANH.replay_rows(tmp_path / "rows.csv", name)


def test_a_missing_column(tmp_path: Path) -> None:
    graph = Graph({"mgraph": 1, "nodes": [{"id": "x", "op": "input"}, {"id": "y", "op": "tanh", "args": ["x"]}]})
    (tmp_path / "rows.jsonl").write_text("{}\n{}\n")
    with pytest.raises(FileError, match=r"columns: there is no column for 'x', which has no recorded number$"):
        graph.replay_rows(tmp_path / "rows.jsonl", tmp_path / "out.csv")


def test_one_bad_cell_at_the_end_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("llvmlite", reason="llvmlite is not installed (the extra mgraph-replay[fast])")
    count = 3 * CHUNK
    source, target = tmp_path / "rows.csv", tmp_path / "out.csv"
    source.write_text("a,b\n" + "0.5,0.25\n" * count + "0.5,oops\n")
    with pytest.raises(FileError, match=rf"line {count + 2:,}, column 'b': 'oops' is not a number"):
        TANH.replay_rows(source, target)
    assert list(tmp_path.iterdir()) == [source]


KEYS = [("007", "Ann"), (" 1.50 ", 'x "y", z'), ("", "two\nlines"), ("-0", "é𝛿\u202e"), ("NaN", "=1+1")]


@pytest.mark.parametrize("target", [".csv", *(pytest.param(x, marks=pytest.mark.slow) for x in (".jsonl", ".parquet"))])
@pytest.mark.parametrize("source", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("engine", ENGINES)
def test_columns_are_kept_as_they_are(engine: str, source: str, target: str, tmp_path: Path) -> None:
    rows, out = tmp_path / f"rows{source}", tmp_path / f"out{target}"
    table = [{"id": id, "a": k / 8, "who": who, "b": 0.5} for k, (id, who) in enumerate(KEYS * 5_000)]
    if ".parquet" in (source, target):
        parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (the extra [parquet])")
        import pyarrow
    if source == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(table), rows)
    elif source == ".jsonl":
        rows.write_text("".join(json.dumps(row) + "\n" for row in table))
    else:
        with rows.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, ["id", "a", "who", "b"])
            writer.writeheader()
            writer.writerows(table)
    small = mgraph.trace(lambda a, b: {"sum": a + b}, 1.0, 1.0)
    assert small.replay_rows(rows, out, keep=["who", "a", "id"], engine=engine).rows == len(table) > CHUNK
    if target == ".parquet":
        found = parquet.read_table(out).to_pylist()
    elif target == ".jsonl":
        found = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        with out.open(newline="") as stream:
            found = list(csv.DictReader(stream))
    assert list(found[0]) == ["who", "a", "id", "sum", "grad a", "grad b"]
    assert [(row["id"], row["who"]) for row in found] == KEYS * 5_000
    assert [float(row["a"]) for row in found] == [row["a"] for row in table]
    assert [float(row["sum"]) for row in found] == [row["a"] + 0.5 for row in table]


def test_json_values_are_kept_digit_by_digit(tmp_path: Path) -> None:
    keys = ["12345678901234567890123", "1.50", "-0", "true", "null", '"1.50"', '[1E30,{"u":-0.0}]', '"\\u00e9"']
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"key": {key}, "a": -0, "b": 0.5}}\n' for key in keys))
    TANH.replay_rows(tmp_path / "rows.jsonl", tmp_path / "out.jsonl", keep="key", backward=False)
    start = [
        line.removeprefix('{"key":').rpartition(',"d":')[0]
        for line in (tmp_path / "out.jsonl").read_text().splitlines()
    ]
    assert start == [*keys[:-1], '"é"']
    TANH.replay_rows(tmp_path / "rows.jsonl", tmp_path / "out.csv", keep="key", backward=False)
    _, *lines = csv.reader((tmp_path / "out.csv").read_text().splitlines())
    assert [line[0] for line in lines] == [*keys[:4], "", "1.50", keys[6], "é"]
    (tmp_path / "rows.jsonl").write_text('{"key": 1, "a": 1, "key": 2}\n')
    with pytest.raises(FileError, match=r"rows\.jsonl, line 1: the key 'key' is repeated$"):
        TANH.replay_rows(tmp_path / "rows.jsonl", tmp_path / "out.csv", keep="key")
    deep = "[" * 1_000 + "]" * 1_000
    (tmp_path / "rows.jsonl").write_text(f'{{"key": {deep}, "a": 1}}\n')
    with pytest.raises(FileError, match=r"rows\.jsonl, line 1: nests too deep$"):
        TANH.replay_rows(tmp_path / "rows.jsonl", tmp_path / "out.csv", keep="key")


def test_parquet_keeps_the_types_of_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (the extra [parquet])")
    import pyarrow

    types = {
        "when": (pyarrow.timestamp("ns"), [1, None]),
        "kind": (pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), ["x", "y"]),
        "count": (pyarrow.int16(), [7, None]),
        "part": (pyarrow.float32(), [0.5, math.nan]),
        "parts": (pyarrow.list_(pyarrow.int64()), [[1], [2]]),
    }
    columns = {name: pyarrow.array(cells).cast(kind) for name, (kind, cells) in types.items()}
    rows = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({**columns, "a": [1.0, 2.0]}), rows)
    TANH.replay_rows(rows, tmp_path / "out.parquet", keep=types, backward=False)
    found = parquet.read_table(tmp_path / "out.parquet")
    assert [found.schema.field(name).type for name in types] == [kind for kind, _ in types.values()]
    assert [found[name].combine_chunks() == columns[name] for name in types if name != "part"] == [True] * 4
    (tmp_path / "out.csv").write_text("kept")
    with pytest.raises(FileError, match=r"the column 'parts' to keep holds list<.*>; only Parquet can hold that$"):
        TANH.replay_rows(rows, tmp_path / "out.csv", keep=types)
    assert (tmp_path / "out.csv").read_text() == "kept"
    columns.pop("parts")
    parquet.write_table(pyarrow.table({**columns, "a": [1.0, 2.0]}), rows)
    TANH.replay_rows(rows, tmp_path / "out.jsonl", keep=columns, backward=False)
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert [first[name] for name in columns] == ["1970-01-01 00:00:00.000000001", "x", 7, 0.5]
    assert [second[name] for name in columns] == [None, "y", None, "NaN"]
    parquet.write_table(pyarrow.table({**columns, "a": [1.0, 2.0]}).slice(0, 0), rows)
    assert TANH.replay_rows(rows, tmp_path / "out.parquet", keep=columns).rows == 0
    assert parquet.read_table(tmp_path / "out.parquet").column_names == [*columns, "d", "grad a"]


KEPT = {
    "two,id": "rows.csv, columns: there is no 'two' to keep. There are 'id', 'a', 'd', 'grad a', 'x, y'",
    "idd": "rows.csv, columns: there is no 'idd' to keep. Did you mean 'id'? There are 'id', 'a', 'd', 'grad a', 'x, y'",
    "id,id": "the column 'id' is to be kept twice",
    'd,id,grad a,"x, y"': "the output 'd' and a column to keep would both be called 'd'; rename the table's",
    'grad a,id,d,"x, y"': "the gradient of 'a' and a column to keep would both be called 'grad a'; rename the table's",
    'id,"': "--keep: column names are separated by commas, as in a header of CSV",
    "": "rows.csv, columns: there is no '' to keep. There are 'id', 'a', 'd', 'grad a', 'x, y'",
}  # fmt: skip


@pytest.mark.parametrize("keep", KEPT)
def test_columns_that_cannot_be_kept(keep: str, call: Cli, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('id,a,d,grad a,"x, y"\n1,0.5,7,8,9\n')
    others = "id,d,grad a," + '"x, y"'
    done = call("rows", ROOT / "samples/tanh.json", "rows.csv", "-o", "out.csv", "--keep", keep)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"mgraph: {KEPT[keep]}")
    assert not (tmp_path / "out.csv").exists()
    graph = mgraph.trace(lambda a: {"y": a * a}, a=1.0)
    graph.save(tmp_path / "square.json")
    done = call("rows", "square.json", "rows.csv", "--keep", others, "--no-backward")
    assert done.stdout == 'id,d,grad a,"x, y",y\n1,7,8,9,0.25\n'
