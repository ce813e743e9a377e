"""Run by alembic on the connection `Database.migrate` hands over; never from a command line of its own."""

from alembic import context

from pipeline.store.tables import metadata

# The caller's transaction holds on both databases: it begins before and commits after all migrations.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
