"""Alembic's entry: runs on the connection that `contract.store.opening.migrate` opened, in its transaction."""

from alembic import context

from contract.store import audit_tables, tables

assert audit_tables.audits.metadata is tables.metadata  # both modules describe the one store

context.configure(
    connection=context.config.attributes["connection"], target_metadata=tables.metadata, compare_type=True
)
context.run_migrations()
