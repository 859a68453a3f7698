"""Alembic's entry: runs on the connection that `contract.store.opening.migrate` opened, in its transaction."""

from alembic import context

from contract.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True)
context.run_migrations()
