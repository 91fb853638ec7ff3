"""Tables of inputs and of results, a chunk of rows at a time: CSV, JSON lines, Parquet.

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from mgraph import files
from mgraph.errors import FileError, shown

CHUNK = 16_384
"""Rows that are held at a time."""
FORMATS = (".csv", ".jsonl", ".parquet")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
SPELLED = {"NaN", "Infinity", "-Infinity"}

Rows = list[Sequence[float]]
Progress = Callable[[int], None]


def ending(path: str) -> str:
    """The format that a path's ending names; standard input and output are CSV. Raises FileError for another one."""
    if path == files.STANDARD:
        return ".csv"
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise FileError(f"{files.display(path)}: the ending says what a table is in: {', '.join(FORMATS)}")
    return suffix


@contextmanager
def read(path: str, progress: Progress | None = None) -> Iterator[tuple[list[str], Iterator[Rows]]]:
    """The names of a table's columns, and its rows by chunks. ``progress`` is told how many bytes each chunk took.

    Raises FileError, also while the rows are taken.
    """
    reader = {".csv": _csv, ".jsonl": _json, ".parquet": _parquet}[ending(path)]
    with ExitStack() as stack:
        try:
            source = sys.stdin.buffer if path == files.STANDARD else stack.enter_context(Path(path).open("rb"))
            yield reader(files.display(path), source, progress or (lambda _: None))
        except FileNotFoundError:
            raise FileError(f"{files.display(path)}: there is no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            reason = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8"
            raise FileError(f"{files.display(path)}: cannot be read: {reason}") from None


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


def _csv(name: str, source: IO[bytes], progress: Progress) -> tuple[list[str], Iterator[Rows]]:
    reader = csv.reader(_lines(source, progress), strict=True)
    try:
        header = [cell.strip() for cell in next(reader)]
    except StopIteration:
        raise FileError(f"{name} is empty: its first line should name leaves") from None
    except csv.Error as error:
        raise FileError(f"{name}, line 1: {error}") from None
    _refuse_repeated(f"{name}, line 1", header)

    def chunks() -> Iterator[Rows]:
        found: Rows = []
        try:
            for cells in reader:
                if len(cells) != len(header):
                    if not cells:
                        continue
                    count = f"{len(cells)} cell{'s' * (len(cells) != 1)}"
                    raise FileError(f"{name}, line {reader.line_num:,}: {count}; the header has {len(header)}")
                try:
                    row = [float(cell) for cell in cells]
                    plain = all(x - x == 0.0 for x in row) and "_" not in "".join(cells)
                except ValueError:
                    plain = False
                if not plain:
                    row = [_number(cell, f"{name}, line {reader.line_num:,}, column {shown(column)}")
                           for cell, column in zip(cells, header, strict=True)]  # fmt: skip
                found.append(row)
                if len(found) == CHUNK:
                    yield found
                    found = []
        except csv.Error as error:
            raise FileError(f"{name}, line {reader.line_num:,}: {error}") from None
        if found:
            yield found

    return header, chunks()


def _json(name: str, source: IO[bytes], progress: Progress) -> tuple[list[str], Iterator[Rows]]:
    import orjson

    def objects() -> Iterator[tuple[str, dict[str, Any]]]:
        for k, line in enumerate(_lines(source, progress), 1):
            if line.strip():
                where = f"{name}, line {k:,}"
                try:
                    found = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise FileError(f"{where}: not JSON: {error.msg}") from None
                if not isinstance(found, dict):
                    raise FileError(f"{where}: not an object such as {{{chr(34)}x{chr(34)}: 0.5}}")
                yield where, found

    stream = objects()
    try:
        first = next(stream)
    except StopIteration:
        raise FileError(f"{name} is empty: each line should be an object of leaves and numbers") from None
    header = list(first[1])

    def rows() -> Iterator[Sequence[float]]:
        for where, found in chain([first], stream):
            for key in [*(key for key in header if key not in found), *(key for key in found if key not in header)]:
                what = "there is no" if key in header else "there is an extra"
                raise FileError(f"{where}: {what} {shown(key)}; the first line has {', '.join(map(shown, header))}")
            yield [_number(found[key], f"{where}, column {shown(key)}") for key in header]

    return header, _chunked(rows())


def _parquet(name: str, source: IO[bytes], progress: Progress) -> tuple[list[str], Iterator[Rows]]:
    parquet = _pyarrow(name)
    import pyarrow

    try:
        table = parquet.ParquetFile(source)
    except pyarrow.ArrowException as error:
        raise FileError(f"{name}: not a Parquet file: {str(error).splitlines()[0]}") from None
    header = list(table.schema_arrow.names)
    _refuse_repeated(name, header)
    for column in table.schema_arrow:
        if not (pyarrow.types.is_floating(column.type) or pyarrow.types.is_integer(column.type)):
            raise FileError(f"{name}, column {shown(column.name)}: its type is {column.type}, not a number's")

    def rows() -> Iterator[Sequence[float]]:
        done = 0
        for batch in table.iter_batches(CHUNK):
            columns = [column.to_pylist() for column in batch.columns]
            for k, row in enumerate(zip(*columns, strict=True), done + 1):
                for column, x in zip(header, row, strict=True):
                    if x is None:
                        raise FileError(f"{name}, row {k:,}, column {shown(column)}: there is no number")
                yield [float(x) for x in row]
            done += batch.num_rows
            progress(int(os.fstat(source.fileno()).st_size * batch.num_rows / max(1, table.metadata.num_rows)))

    return header, _chunked(rows())


def _chunked(rows: Iterable[Sequence[float]]) -> Iterator[Rows]:
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _refuse_repeated(where: str, header: list[str]) -> None:
    for k, column in enumerate(header):
        if column in header[:k]:
            raise FileError(f"{where}: the column {shown(column)} is there twice")


def _number(x: object, where: str) -> float:
    """A cell's number: written as in CSV, a JSON number, or NaN, Infinity and -Infinity by name."""
    text = x.strip() if isinstance(x, str) else x
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


@contextmanager
def written(path: str, header: list[str]) -> Iterator[Callable[[Iterable[Sequence[float]]], None]]:
    """A function that appends rows to a new table, which takes its name when all is written, or leaves nothing.

    Raises FileError.
    """
    suffix = ending(path)
    with files.streamed(path) as target:
        if suffix == ".parquet":
            with _parquet_writer(path, header, target) as append:
                yield append
            return
        text = io.TextIOWrapper(target, "utf-8", newline="", write_through=True)
        if suffix == ".csv":
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(header)
            yield lambda rows: writer.writerows([_spelled(x) for x in row] for row in rows)
        else:
            yield lambda rows: text.writelines(_object(header, row) for row in rows)
        text.detach()


def _spelled(x: float) -> str:
    return repr(x) if x - x == 0.0 else "NaN" if x != x else "Infinity" if x > 0.0 else "-Infinity"


def _object(header: list[str], row: Sequence[float]) -> str:
    import orjson

    cells = {name: x if x - x == 0.0 else _spelled(x) for name, x in zip(header, row, strict=True)}
    return orjson.dumps(cells).decode() + "\n"


@contextmanager
def _parquet_writer(
    path: str, header: list[str], target: IO[bytes]
) -> Iterator[Callable[[Iterable[Sequence[float]]], None]]:
    parquet = _pyarrow(files.display(path))
    import pyarrow

    schema = pyarrow.schema([(name, pyarrow.float64()) for name in header])
    with parquet.ParquetWriter(target, schema) as writer:

        def append(rows: Iterable[Sequence[float]]) -> None:
            columns = list(zip(*rows, strict=True)) or [()] * len(header)
            arrays = [pyarrow.array(column, pyarrow.float64()) for column in columns]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))

        yield append


def _pyarrow(name: str) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise FileError(f"{name}: Parquet needs pyarrow (the extra parquet): pip install pyarrow") from None
    return parquet
