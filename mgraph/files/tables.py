"""Tables, read a chunk of columns at a time: CSV, JSON lines, Parquet.

A table names its columns: in the header of CSV, the keys of each JSON line, the schema of Parquet. Some are numbers,
others may be kept: passed on as they are written. Whatever is wrong is said with the file, the line (the row of a
Parquet file) and the column.
"""

from __future__ import annotations

import csv
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

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


class Chunk(NamedTuple):
    """Some rows of a table, as columns of one length."""

    numbers: Columns
    kept: list[Any]
    """Cells as they are written: texts (CSV), JSON values in which numbers are :class:`Written`, an Arrow array."""


Chunks = Callable[[Sequence[str], Sequence[str]], Iterator[Chunk]]
"""The rows, of which the columns named first are numbers and those named next are kept."""


class Written(str):
    """A JSON number, digit by digit as it is written."""

    __slots__ = ()


def ending(path: str) -> str:
    """The format that a path's ending names; standard input and output are CSV. Raises FileError for another one."""
    if path == atomic.STANDARD:
        return ".csv"
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".jsonl", ".parquet"):
        raise FileError(f"{atomic.display(path)}: a table's name ends in .csv, .jsonl or .parquet")
    return suffix


@contextmanager
def read(path: str, progress: Progress | None = None) -> Iterator[tuple[list[str], Chunks]]:
    """The names of a table's columns, and what returns them chunk by chunk, to be called once. ``progress`` is told
    how many bytes each took.

    Raises FileError, also while the chunks are taken.
    """
    reader = {".csv": _csv, ".jsonl": _json, ".parquet": _parquet}[ending(path)]
    with ExitStack() as stack:
        with atomic.reading(path, "a table"):
            source = sys.stdin.buffer if path == atomic.STANDARD else stack.enter_context(Path(path).open("rb"))
            names, chunks = reader(atomic.display(path), source, progress or (lambda _: None))
        yield names, lambda numbers, kept: _blamed(path, chunks(numbers, kept))


def _blamed(path: str, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
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


def _csv(name: str, source: IO[bytes], progress: Progress) -> tuple[list[str], Chunks]:
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

    return header, lambda numbers, kept: _chunks(rows(), name, header, numbers, kept)


def _chunks(
    rows: Iterator[Row], name: str, header: list[str], numbers: Sequence[str], kept: Sequence[str]
) -> Iterator[Chunk]:
    places = {column: header.index(column) for column in numbers}
    while chunk := list(islice(rows, CHUNK)):
        cells = list(zip(*(cells for _, cells in chunk), strict=True))
        columns = [_quickly(cells[place]) for place in places.values()]
        whole = [column for column in columns if column is not None]
        yield Chunk(
            whole if len(whole) == len(columns) else _carefully(chunk, name, places),
            [list(cells[header.index(column)]) for column in kept],
        )


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


def _carefully(rows: list[Row], name: str, places: dict[str, int]) -> Columns:
    """Columns of numbers, cell by cell. Raises FileError for the first cell that is none."""
    wheres = {f"column {shown(column)}": place for column, place in places.items()}
    table = [
        [_number(cells[place], f"{name}, line {k:,}, {where}") for where, place in wheres.items()] for k, cells in rows
    ]
    return [list(column) for column in zip(*table, strict=True)]


def _json(name: str, source: IO[bytes], progress: Progress) -> tuple[list[str], Chunks]:
    lines = ((k, line) for k, line in enumerate(_lines(source, progress), 1) if line.strip())
    first = next(lines, None)
    if first is None:
        raise FileError(f'{name} is empty: each line should be an object such as {{"x": 0.5}}')
    header = list(_object(name, *first))

    def rows(as_written: bool) -> Iterator[Row]:
        for k, line in chain([first], lines):
            found = _object(name, k, line, as_written)
            if len(found) != len(header) or any(key not in found for key in header):
                missing = [f"there is no {shown(key)}" for key in header if key not in found]
                extra = [f"there is an extra {shown(key)}" for key in found if key not in header]
                what = [*missing, *extra][0]
                raise FileError(f"{name}, line {k:,}: {what}; the first line has {', '.join(map(shown, header))}")
            yield k, [found[key] for key in header]

    return header, lambda numbers, kept: _chunks(rows(bool(kept)), name, header, numbers, kept)


def _object(name: str, k: int, line: str, as_written: bool = False) -> dict[str, Any]:
    """The object in a JSON line. Raises FileError for anything else, and for a repeated key."""
    import json

    import orjson

    def whole(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if again := repeated(key for key, _ in pairs):
            raise FileError(f"{name}, line {k:,}: the key {shown(pairs[again[1]][0])} is repeated")
        return dict(pairs)

    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise FileError(f"{name}, line {k:,}: not JSON: {error.msg}") from None
    if not isinstance(found, dict):
        raise FileError(f'{name}, line {k:,}: not an object such as {{"x": 0.5}}')
    if as_written:
        try:
            return json.loads(line, object_pairs_hook=whole, parse_int=Written, parse_float=Written)  # type: ignore[no-any-return]
        except RecursionError:
            raise FileError(f"{name}, line {k:,}: nests too deep") from None
    if "-0" in line or line.count(":") != len(found):  # orjson takes -0 for 0, and the last of two equal keys
        return json.loads(line, object_pairs_hook=whole, parse_int=float)  # type: ignore[no-any-return]
    return found


def _parquet(name: str, source: IO[bytes], progress: Progress) -> tuple[list[str], Chunks]:
    parquet = pyarrow_parquet(name)
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

    def chunks(numbers: Sequence[str], kept: Sequence[str]) -> Iterator[Chunk]:
        for column in numbers:
            found = schema.field(column).type
            if not (pyarrow.types.is_floating(found) or pyarrow.types.is_integer(found)):
                raise FileError(f"{name}, column {shown(column)}: its type is {found}, not a number's")
        done, size = 0, os.fstat(source.fileno()).st_size
        with opening("damaged"):
            for batch in table.iter_batches(CHUNK):
                for column in numbers:
                    if (cells := batch[column]).null_count:
                        row = done + 1 + cells.is_null().index(True).as_py()
                        raise FileError(f"{name}, row {row:,}, column {shown(column)}: there is no number")
                yield Chunk(
                    [[*map(float, batch[each].to_pylist())] for each in numbers], [batch[each] for each in kept]
                )
                done += batch.num_rows
                progress(int(size * batch.num_rows / max(1, table.metadata.num_rows)))

    return header, chunks


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


def pyarrow_parquet(name: str) -> Any:
    """pyarrow's module for Parquet. Raises FileError without it, with what needs it."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise FileError(f"{name}: Parquet needs pyarrow (the extra parquet): pip install pyarrow") from None
    return parquet
