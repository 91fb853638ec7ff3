"""Worked examples kept, found, and proven to still come out: one SQLite file, or a PostgreSQL database."""
