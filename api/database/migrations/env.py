"""Alembic's entry: the connection comes from `api.database.migrate`."""

from alembic import context

from api.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite alters a column by making the table anew
)
with context.begin_transaction():
    context.run_migrations()
