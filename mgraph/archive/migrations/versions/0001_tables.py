"""The first tables.

While there is one version, they are made from their description in ``tables.py``. The revision that changes them
will write out these as they were.
"""

from alembic import op

from mgraph.archive.tables import metadata

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    metadata.create_all(op.get_bind())
