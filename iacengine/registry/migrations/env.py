"""Run by Alembic before the scripts: they run in the transaction of the connection that is handed over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], version_table=context.config.attributes["version_table"]
)
with context.begin_transaction():
    context.run_migrations()
