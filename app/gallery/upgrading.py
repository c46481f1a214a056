"""Galleries of older schemas: copied, then changed by Alembic's migrations in one transaction."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, select, update

from app.errors import InputError
from app.gallery.database import copy_file
from app.gallery.schema import SCHEMA, Meta

MIGRATIONS = Path(__file__).parent / "migrations"
EARLIER = ".schema-"
"""Between a gallery's name and the schema's number in the name of the copy that upgrading leaves."""


def check_schema(path: Path, found: str, *, read_only: bool) -> None:
    """Sees whether a gallery of a schema can be opened; one of an older schema, for writing only.

    Raises:
        InputError: If it cannot.
    """
    if not found.isdecimal() or int(found) > SCHEMA:
        raise InputError(
            f"{path}: has schema {found}, this program has {SCHEMA}; use the newer program that wrote it, "
            "or annotate again with this one"
        )
    if int(found) < SCHEMA and read_only:
        raise InputError(
            f"{path}: has the older schema {found}, this program has {SCHEMA}; "
            "it is upgraded when opened for writing, as `gallery verify` does"
        )


def earlier_copies(path: Path) -> list[Path]:
    """The copies of a gallery that upgrading it left beside it."""
    return sorted(item for item in path.parent.glob(f"{path.name}{EARLIER}*") if item.is_file())


def upgrade(path: Path, engine: Engine) -> Path | None:
    """Brings a gallery to this schema; its copy of before stays beside it.

    One transaction: cut off at any moment, the gallery has the old schema or the new one, and the copy is whole.

    Args:
        path: The file.
        engine: Its engine, for writing.

    Returns:
        The copy of before, `<name>.schema-<number>`; None where another process has upgraded it meanwhile.

    Raises:
        InputError: If the copy cannot be written.
    """
    # Nobody else can write during the copy: the transaction has the lock.
    with engine.execution_options(writes=True).begin() as connection:
        found = int(connection.scalars(select(Meta.value).where(Meta.key == "schema")).one())
        if found == SCHEMA:
            return None
        copy = path.with_name(f"{path.name}{EARLIER}{found}")
        copy_file(path, copy)
        migrate(connection, found)
    return copy


def migrate(connection: Connection, found: int | None, to: int = SCHEMA) -> None:
    """Runs the migrations from one schema to another in the connection's transaction; from None: makes the tables."""
    # Seldom needed, and takes as long to import as a search takes.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if found is not None:
        # The gallery's own record counts; Alembic's may be missing.
        command.stamp(config, str(found))
    command.upgrade(config, str(to))
    connection.execute(update(Meta).where(Meta.key == "schema").values(value=str(to)))
