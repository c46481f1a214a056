"""Run by Alembic: takes the connection that `app.gallery.upgrading` has open, and stays in its transaction."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
