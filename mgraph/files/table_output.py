"""Tables of results, written a chunk of columns at a time: CSV, JSON lines, Parquet."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from mgraph.errors import shown
from mgraph.files import atomic
from mgraph.files.tables import Chunk, ending, pyarrow_parquet


@contextmanager
def written(path: str, header: list[str], kept: Sequence[str] = ()) -> Iterator[Callable[[Chunk], None]]:
    """A function that appends rows to a new table, which takes its name when all is written, or leaves nothing. The
    columns ``kept`` come first, then the numbers, called ``header``.

    Raises FileError.
    """
    kind = {".csv": _to_csv, ".jsonl": _to_json, ".parquet": _to_parquet}[ending(path)]
    with atomic.streamed(path) as target:
        with atomic.writing(path):
            append, finish = kind(target, list(kept), header)

        def write(chunk: Chunk) -> None:
            with atomic.writing(path):
                append(chunk)

        try:
            yield write
        finally:
            with atomic.writing(path):
                finish()


Append = tuple[Callable[[Chunk], object], Callable[[], object]]
"""What appends rows, and what ends the table."""


def _to_csv(target: IO[bytes], kept: list[str], header: list[str]) -> Append:
    text = io.TextIOWrapper(target, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*kept, *header])

    def append(chunk: Chunk) -> None:
        columns = [
            *(map(_text, _values(name, column)) for name, column in zip(kept, chunk.kept, strict=True)),
            *(map(_spelled, column) for column in chunk.numbers),
        ]
        writer.writerows(zip(*columns, strict=True))

    return append, text.detach


def _to_json(target: IO[bytes], kept: list[str], header: list[str]) -> Append:
    names = [*kept, *header]

    def append(chunk: Chunk) -> None:
        cells = [
            *(_values(name, column) for name, column in zip(kept, chunk.kept, strict=True)),
            *([x if math.isfinite(x) else _spelled(x) for x in column] for column in chunk.numbers),
        ]
        target.writelines(_dumped(dict(zip(names, row, strict=True))) + b"\n" for row in zip(*cells, strict=True))

    return append, target.flush


def _to_parquet(target: IO[bytes], kept: list[str], header: list[str]) -> Append:
    parquet = pyarrow_parquet("the results")
    import pyarrow

    writer: Any = None

    def append(chunk: Chunk) -> None:
        nonlocal writer
        arrays = [*map(_array, chunk.kept), *(pyarrow.array(column, pyarrow.float64()) for column in chunk.numbers)]
        batch = pyarrow.record_batch(arrays, [*kept, *header])
        writer = writer or parquet.ParquetWriter(target, batch.schema)
        writer.write_batch(batch)

    def finish() -> None:
        if writer is None:
            append(Chunk([[] for _ in header], [[] for _ in kept]))
        writer.close()

    return append, finish


def _array(cells: Any) -> Any:
    """The cells of a column to keep, as an Arrow array: of the type it has in Parquet, else of texts."""
    import pyarrow

    if not isinstance(cells, list):
        return cells
    return pyarrow.array([None if x is None else _text(x) for x in cells], pyarrow.string())


def _values(name: str, cells: Any) -> list[Any]:
    """The cells of a column to keep, as JSON values; what JSON has no kind for, as text. Raises ValueError."""
    if isinstance(cells, list):
        return cells
    import pyarrow

    kinds = (pyarrow.types.is_integer, pyarrow.types.is_boolean, pyarrow.types.is_floating)
    try:
        found = cells if any(kind(cells.type) for kind in kinds) else cells.cast(pyarrow.string())
    except pyarrow.ArrowException:
        raise ValueError(f"the column {shown(name)} to keep holds {cells.type}; only Parquet can hold that") from None
    return [_spelled(x) if x != x or x in (math.inf, -math.inf) else x for x in found.to_pylist()]


def _text(x: Any) -> str:
    """A JSON value as text: a text as it is, a number as it is written, null as nothing, all else as JSON."""
    return x if isinstance(x, str) else "" if x is None else _dumped(x).decode()


def _dumped(x: Any) -> bytes:
    """JSON, in which a number that was :class:`Written` is as it was."""
    import orjson

    return orjson.dumps(x, lambda written: orjson.Fragment(str(written)), orjson.OPT_PASSTHROUGH_SUBCLASS)


def _spelled(x: float) -> str:
    return repr(x) if x - x == 0.0 else "NaN" if x != x else "Infinity" if x > 0.0 else "-Infinity"
