"""The tables of an archive, made or brought to this version by Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert

from mgraph.archive import tables
from mgraph.archive.sqlite_file import SCHEMA

if TYPE_CHECKING:
    from mgraph.archive.database import Database


SCRIPTS = Path(__file__).parent / "migrations"
"""The revisions, for Alembic."""


def migrate(database: Database, found: int | None) -> None:
    """Bring the tables from version ``found`` (None: there are none) to this one, in one transaction; of a file, after
    a copy beside it. Raises FileError."""
    from alembic import command
    from alembic.config import Config

    if database.is_file and found is not None:
        database.copy_beside(f"before-{SCHEMA}")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.execute(delete(tables.info).where(tables.info.c.key == "schema"))
        connection.execute(insert(tables.info), [{"key": "schema", "value": str(SCHEMA)}])
