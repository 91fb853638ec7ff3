"""What an archive holds: its tables, the same in SQLite and PostgreSQL.

    document ◀─ body          a document once, by its digest, and its compressed bytes
        ▲    ◀─ posting ─▶ term     the words and facts by which it is found
        ▲    ◀─ verdict       that it came out, or did not: when, and with which mgraph
        └── version ◀─ tag    a name's history, and pointers into it
               ▲
               └── forgotten  a tombstone, which can be undone
    label, event, info        facts about names; what was done, when and by whom; the schema's version

What is history (documents, bodies, versions, verdicts, events) is never updated: a trigger refuses it.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
)

from mgraph.archive.sqlite_file import HISTORY, trigger

metadata = MetaData()

_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up an INTEGER PRIMARY KEY by itself
_At = Text  # UTC, as 2026-01-31T12:00:00Z: such texts sort as their times do, in both databases
_Exact = Text(collation="C").with_variant(Text(), "sqlite")  # compared and sorted by code points, in both databases

info = Table("info", metadata, Column("key", _Exact, primary_key=True), Column("value", Text, nullable=False))

dictionary = Table(
    "dictionary",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("bytes", LargeBinary, nullable=False),
)

document = Table(
    "document",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("recipe", LargeBinary, nullable=False, index=True),
    Column("structure", LargeBinary, nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("nodes", Integer, nullable=False, index=True),
    Column("at", _At, nullable=False),
)

body = Table(
    "body",
    metadata,
    Column("document", _Id, ForeignKey("document.id"), primary_key=True),
    Column("form", Integer, nullable=False),
    Column("base", _Id, ForeignKey("document.id"), index=True),
    Column("dictionary", _Id, ForeignKey("dictionary.id")),
    Column("size", Integer, nullable=False),
    Column("bytes", LargeBinary, nullable=False),
)

version = Table(
    "version",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", _Exact, nullable=False),
    Column("number", Integer, nullable=False),
    Column("document", _Id, ForeignKey("document.id"), nullable=False, index=True),
    Column("parent", Integer),  # the number of the version of this name that it followed
    Column("at", _At, nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("mgraph", Text, nullable=False),
    UniqueConstraint("name", "number"),
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("version", _Id, ForeignKey("version.id"), primary_key=True),
    Column("at", _At, nullable=False),
)

tag = Table(
    "tag",
    metadata,
    Column("name", _Exact, primary_key=True),
    Column("tag", _Exact, primary_key=True),
    Column("version", _Id, ForeignKey("version.id"), nullable=False, index=True),
    Index("ix_tag_tag", "tag"),
)

label = Table(
    "label",
    metadata,
    Column("name", _Exact, primary_key=True),
    Column("key", _Exact, primary_key=True),
    Column("value", _Exact, nullable=False),
    Index("ix_label_key_value", "key", "value"),
)

event_log = Table(
    "event",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", _At, nullable=False),
    Column("by", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("name", _Exact, nullable=False, index=True),
    Column("detail", Text, nullable=False),
)

LOGGED = version, event_log
"""What the log tells. Their ids count together, so they are in the order in which things were done."""

verdict = Table(
    "verdict",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("document", _Id, ForeignKey("document.id"), nullable=False, index=True),
    Column("verdict", Text, nullable=False),
    Column("ulps", Double, nullable=False),
    Column("node", Text, nullable=False),
    Column("said", Text, nullable=False),
    Column("mgraph", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("python", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("at", _At, nullable=False, index=True),
    Column("seconds", Double, nullable=False),
)

term = Table(
    "term",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("kind", _Exact, nullable=False),
    Column("text", _Exact, nullable=False),
    UniqueConstraint("kind", "text"),
)

posting = Table(
    "posting",
    metadata,
    Column("term", BigInteger, primary_key=True),  # the id of a term, or a fingerprint of a subgraph
    # no foreign key: without an index by document, each removed document would cost a scan of all postings
    Column("document", _Id, primary_key=True, autoincrement=False),
    Column("weight", Integer, nullable=False),
    sqlite_with_rowid=False,
)

checked = Table(
    "checked",
    metadata,
    Column("document", _Id, ForeignKey("document.id"), primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("at", _At, nullable=False),
)

for _table in (metadata.tables[name] for name in HISTORY):
    event.listen(
        _table,
        "after_create",
        DDL(trigger(_table.name)).execute_if(dialect="sqlite"),  # type: ignore[no-untyped-call]
    )
    event.listen(
        _table,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]
            f'CREATE FUNCTION "{_table.name}_is_history"() RETURNS trigger LANGUAGE plpgsql'
            " AS $$ BEGIN RAISE EXCEPTION 'what is kept is never changed'; END $$;"
            f' CREATE TRIGGER "{_table.name}_is_history" BEFORE UPDATE ON "{_table.name}"'
            f' FOR EACH ROW EXECUTE FUNCTION "{_table.name}_is_history"()'
        ).execute_if(dialect="postgresql"),
    )
