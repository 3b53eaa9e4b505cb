"""Alembic's entry: the connection comes from `api.database.migrate`."""

from alembic import context

from api.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
