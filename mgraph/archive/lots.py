"""What statements have in common: values in lots, and ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, func, select

AT_ONCE = 500
"""Values that one statement asks for: databases limit its parameters."""
_T = TypeVar("_T")


def in_lots(values: Iterable[_T]) -> Iterator[list[_T]]:
    """The values, as many at a time as a statement takes."""
    found = list(values)
    return (found[start : start + AT_ONCE] for start in range(0, len(found), AT_ONCE))


def next_id(connection: Connection, *tables: Table) -> int:
    """The first id that is free in all these tables. Writers take turns, so it stays free while this one writes."""
    return 1 + max(connection.execute(select(func.max(table.c.id))).scalar() or 0 for table in tables)


def put(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, all with the same keys, by the quickest way that the database has."""
    if rows:
        names = list(rows[0])
        values = map(itemgetter(*names), rows) if len(names) > 1 else ((row[names[0]],) for row in rows)
        put_values(connection, table, names, values)


def put_values(connection: Connection, table: Table, names: Sequence[str], values: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows, each the values of these columns."""
    columns = ", ".join(f'"{name}"' for name in names)
    cursor: Any = connection.connection.cursor()
    try:
        if connection.dialect.name == "sqlite":
            marks = ", ".join("?" * len(names))
            cursor.executemany(f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})', values)
        else:
            with cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN') as copy:
                for row in values:
                    copy.write_row(row)
    finally:
        cursor.close()


def count_anew(connection: Connection) -> None:
    """Let PostgreSQL count what its plans go by, which it would do by itself only a minute later."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ANALYZE document, body, version, term, posting")
