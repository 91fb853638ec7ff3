"""What Alembic runs: the revisions in ``versions``, on the connection that it was given, in its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
