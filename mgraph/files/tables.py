"""Tables of inputs and of results, a chunk of columns at a time: CSV, JSON lines, Parquet.

A table names its columns: in the header of CSV, the keys of each JSON line, the schema of Parquet. Whatever is wrong is
said with the file, the line (the row of a Parquet file) and the column.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from mgraph.errors import FileError, printable, repeated, shown
from mgraph.files import atomic

CHUNK = 16_384
"""Rows that are held at a time."""
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
SPELLED = {"NaN", "Infinity", "-Infinity"}
_PLAIN = re.compile(r"[0-9.eE+\- \t,]*")
"""Of cells joined by commas: what ``float`` reads in them, it reads as :data:`NUMBER` does."""

Columns = list[list[float]]
"""One list a column, all of one length."""
Row = tuple[int, Sequence[Any]]
"""The number of a row's line, and its cells."""
Progress = Callable[[int], None]


def ending(path: str) -> str:
    """The format that a path's ending names; standard input and output are CSV. Raises FileError for another one."""
    if path == atomic.STANDARD:
        return ".csv"
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".jsonl", ".parquet"):
        raise FileError(f"{atomic.display(path)}: a table's name ends in .csv, .jsonl or .parquet")
    return suffix


# Reading ----------------------------------------------------------------------------------------------------


@contextmanager
def read(path: str, progress: Progress | None = None) -> Iterator[tuple[list[str], Iterator[Columns]]]:
    """The names of a table's columns, and the columns chunk by chunk. ``progress`` is told how many bytes each took.

    Raises FileError, also while the chunks are taken.
    """
    reader = {".csv": _csv, ".jsonl": _json, ".parquet": _parquet}[ending(path)]
    with ExitStack() as stack:
        with atomic.reading(path, "a table"):
            source = sys.stdin.buffer if path == atomic.STANDARD else stack.enter_context(Path(path).open("rb"))
            names, chunks = reader(atomic.display(path), source, progress or (lambda _: None))
        yield names, _blamed(path, chunks)


def _blamed(path: str, chunks: Iterator[Columns]) -> Iterator[Columns]:
    """The chunks; an error while they are taken is the table's, one while they are used is not."""
    with atomic.reading(path, "a table"):
        yield from chunks


def _lines(source: IO[bytes], progress: Progress) -> Iterator[str]:
    first, taken = True, 0
    for line in source:
        taken += len(line)
        if taken > 1 << 20:
            progress(taken)
            taken = 0
        yield line.decode("utf-8-sig" if first else "utf-8")
        first = False
    progress(taken)


def _csv(name: str, source: IO[bytes], progress: Progress) -> tuple[list[str], Iterator[Columns]]:
    reader = csv.reader(_lines(source, progress), strict=True)
    try:
        header = [cell.strip() for cell in next(reader)]
    except StopIteration:
        raise FileError(f"{name} is empty: its first line should name inputs or parameters") from None
    except csv.Error as error:
        raise FileError(f"{name}, line 1: {error}") from None
    _refuse_repeated(f"{name}, line 1", header)

    def rows() -> Iterator[Row]:
        try:
            for cells in reader:
                if len(cells) == len(header):
                    yield reader.line_num, cells
                elif cells:
                    count = f"{len(cells)} cell{'s' * (len(cells) != 1)}"
                    raise FileError(f"{name}, line {reader.line_num:,}: {count}; the header has {len(header)}")
        except csv.Error as error:
            raise FileError(f"{name}, line {reader.line_num:,}: {error}") from None

    return header, _chunks(rows(), name, header)


def _chunks(rows: Iterator[Row], name: str, header: list[str]) -> Iterator[Columns]:
    while chunk := list(islice(rows, CHUNK)):
        columns = [_quickly(cells) for cells in zip(*(cells for _, cells in chunk), strict=True)]
        whole = [column for column in columns if column is not None]
        yield whole if len(whole) == len(columns) else _carefully(chunk, name, header)


def _quickly(cells: Sequence[Any]) -> list[float] | None:
    """A column of plain finite numbers; None if anything in it has to be looked at."""
    try:
        texts = isinstance(cells[0], str)
        if not (_PLAIN.fullmatch(",".join(cells)) if texts else {*map(type, cells)} <= {float, int}):
            return None
        column = [*map(float, cells)]
    except (TypeError, ValueError, OverflowError):
        return None
    return column if all(map(math.isfinite, column)) else None


def _carefully(rows: list[Row], name: str, header: list[str]) -> Columns:
    """Columns of numbers, cell by cell. Raises FileError for the first cell that is none."""
    places = [f"column {shown(column)}" for column in header]
    table = [
        [_number(cell, f"{name}, line {k:,}, {place}") for cell, place in zip(cells, places, strict=True)]
        for k, cells in rows
    ]
    return [list(column) for column in zip(*table, strict=True)]


def _json(name: str, source: IO[bytes], progress: Progress) -> tuple[list[str], Iterator[Columns]]:
    stream = _objects(name, _lines(source, progress))
    first = next(stream, None)
    if first is None:
        raise FileError(f'{name} is empty: each line should be an object such as {{"x": 0.5}}')
    header = list(first[1])

    def rows() -> Iterator[Row]:
        for k, found in chain([first], stream):
            if found.keys() != first[1].keys():
                missing = [f"there is no {shown(key)}" for key in header if key not in found]
                extra = [f"there is an extra {shown(key)}" for key in found if key not in first[1]]
                what = [*missing, *extra][0]
                raise FileError(f"{name}, line {k:,}: {what}; the first line has {', '.join(map(shown, header))}")
            yield k, [found[key] for key in header]

    return header, _chunks(rows(), name, header)


def _objects(name: str, lines: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of JSON lines, numbered. Raises FileError for anything else, and for a repeated key."""
    import json

    import orjson

    def whole(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if again := repeated(key for key, _ in pairs):
            raise FileError(f"{name}, line {k:,}: the key {shown(pairs[again[1]][0])} is repeated")
        return dict(pairs)

    for k, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise FileError(f"{name}, line {k:,}: not JSON: {error.msg}") from None
        if not isinstance(found, dict):
            raise FileError(f'{name}, line {k:,}: not an object such as {{"x": 0.5}}')
        if "-0" in line or line.count(":") != len(found):  # orjson takes -0 for 0, and the last of two equal keys
            found = json.loads(line, object_pairs_hook=whole, parse_int=float)
        yield k, found


def _parquet(name: str, source: IO[bytes], progress: Progress) -> tuple[list[str], Iterator[Columns]]:
    parquet = _pyarrow(name)
    import pyarrow

    @contextmanager
    def opening(what: str) -> Iterator[None]:
        try:
            yield
        except (pyarrow.ArrowException, OSError) as error:
            reason = (str(error).splitlines() or ["no reason is known"])[0]
            raise FileError(f"{name}: {what}: {printable(reason)}") from None

    with opening("not a Parquet file"):
        table = parquet.ParquetFile(source)
        schema = table.schema_arrow
    header = list(schema.names)
    _refuse_repeated(name, header)
    for column in schema:
        if not (pyarrow.types.is_floating(column.type) or pyarrow.types.is_integer(column.type)):
            raise FileError(f"{name}, column {shown(column.name)}: its type is {column.type}, not a number's")

    def chunks() -> Iterator[Columns]:
        done, size = 0, os.fstat(source.fileno()).st_size
        with opening("damaged"):
            for batch in table.iter_batches(CHUNK):
                for column, cells in zip(header, batch.columns, strict=True):
                    if cells.null_count:
                        row = done + 1 + cells.is_null().index(True).as_py()
                        raise FileError(f"{name}, row {row:,}, column {shown(column)}: there is no number")
                yield [[*map(float, cells.to_pylist())] for cells in batch.columns]
                done += batch.num_rows
                progress(int(size * batch.num_rows / max(1, table.metadata.num_rows)))

    return header, chunks()


def _refuse_repeated(where: str, header: list[str]) -> None:
    if again := repeated(header):
        raise FileError(f"{where}: the column {shown(header[again[1]])} is there twice")


def _number(x: object, where: str) -> float:
    """A cell's number: written as in CSV, a JSON number, or NaN, Infinity and -Infinity by name."""
    text = x.strip(" \t") if isinstance(x, str) else x
    if isinstance(text, str) and text in SPELLED:
        return float(text)
    number: float | None = None
    try:
        if (isinstance(text, str) and NUMBER.fullmatch(text)) or (
            isinstance(text, int | float) and not isinstance(text, bool)
        ):
            number = float(text)
    except OverflowError:
        number = math.inf
    if number is None:
        what = "there is no number" if text in ("", None) else f"{shown(x)} is not a number"
        raise FileError(f"{where}: {what}")
    if number - number != 0.0:
        raise FileError(f"{where}: {shown(x)} is past binary64; write Infinity if you mean it")
    return number


# Writing ----------------------------------------------------------------------------------------------------


@contextmanager
def written(path: str, header: list[str]) -> Iterator[Callable[[Columns], None]]:
    """A function that appends columns to a new table, which takes its name when all is written, or leaves nothing.

    Raises FileError.
    """
    kind = {".csv": _to_csv, ".jsonl": _to_json, ".parquet": _to_parquet}[ending(path)]
    with atomic.streamed(path) as target:
        with atomic.writing(path):
            append, finish = kind(target, header)

        def write(columns: Columns) -> None:
            with atomic.writing(path):
                append(columns)

        try:
            yield write
        finally:
            with atomic.writing(path):
                finish()


Append = tuple[Callable[[Columns], object], Callable[[], object]]
"""What appends columns, and what ends the table."""


def _to_csv(target: IO[bytes], header: list[str]) -> Append:
    text = io.TextIOWrapper(target, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)

    def append(columns: Columns) -> None:
        writer.writerows(zip(*(map(_spelled, column) for column in columns), strict=True))

    return append, text.detach


def _to_json(target: IO[bytes], header: list[str]) -> Append:
    import orjson

    def append(columns: Columns) -> None:
        cells = [[x if math.isfinite(x) else _spelled(x) for x in column] for column in columns]
        target.writelines(orjson.dumps(dict(zip(header, row, strict=True))) + b"\n" for row in zip(*cells, strict=True))

    return append, target.flush


def _to_parquet(target: IO[bytes], header: list[str]) -> Append:
    parquet = _pyarrow("the results")
    import pyarrow

    schema = pyarrow.schema([(name, pyarrow.float64()) for name in header])
    writer = parquet.ParquetWriter(target, schema)

    def append(columns: Columns) -> None:
        arrays = [pyarrow.array(column, pyarrow.float64()) for column in columns]
        writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))

    return append, writer.close


def _spelled(x: float) -> str:
    return repr(x) if x - x == 0.0 else "NaN" if x != x else "Infinity" if x > 0.0 else "-Infinity"


def _pyarrow(name: str) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise FileError(f"{name}: Parquet needs pyarrow (the extra parquet): pip install pyarrow") from None
    return parquet
