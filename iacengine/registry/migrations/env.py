"""Run by Alembic before the scripts: they run in the transaction of the connection that is handed over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], version_table=context.config.attributes["version_table"]
)
# A change of large tables takes longer than a request may.
context.config.attributes["connection"].exec_driver_sql("SET LOCAL statement_timeout = 0")
with context.begin_transaction():
    context.run_migrations()
