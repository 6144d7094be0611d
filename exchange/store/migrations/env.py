"""Alembic's way in: the connection and its transaction are the caller's (store/schema.py)."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
