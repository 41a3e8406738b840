"""Alembic's entry: run revisions on the connection that `storage.state.migrate` hands over.

The caller owns the transaction. Tables are changed in batch mode, because SQLite can alter little.
"""

from alembic import context

from storage.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
