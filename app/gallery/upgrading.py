"""Galleries of older schemas: copied, then changed by Alembic's migrations in one transaction."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import OperationalError

from app.errors import InputError
from app.gallery.database import connect, copy_file, one_line
from app.gallery.schema import SCHEMA, Meta

MIGRATIONS = Path(__file__).parent / "migrations"
EARLIER = ".schema-"
"""Between a gallery's name and the schema's number in the name of the copy that upgrading leaves."""


def read_facts(path: Path) -> dict[str, str]:
    """What a file says about itself as a gallery: schema, model, and more.

    Raises:
        InputError: If it is no gallery, or damaged.
    """
    # Looked at without the right to write, so that another program's database is left as it is.
    looking = connect(path, read_only=True)
    try:
        with one_line(path), looking.begin() as connection:
            facts = {row.key: row.value for row in connection.execute(select(Meta.key, Meta.value))}
    except InputError as error:
        if not isinstance(error.__cause__, OperationalError) or "no such" not in str(error.__cause__.orig):
            raise
        facts = {}
    finally:
        looking.dispose()
    if not {"schema", "model"} <= facts.keys():
        raise InputError(f"{path}: is a database but not a gallery; give the gallery.db that annotate wrote")
    return facts


def check_facts(path: Path, facts: dict[str, str], model_id: str | None, *, read_only: bool) -> None:
    """Sees whether a gallery can be opened: one of an older schema, for writing only.

    Args:
        path: The file, for messages.
        facts: What `read_facts` gave.
        model_id: The model whose vectors will be compared or added; None for any.
        read_only: Whether it will not be written.

    Raises:
        InputError: If it cannot.
    """
    found, model = facts["schema"], facts["model"]
    if not found.isdecimal() or int(found) > SCHEMA:
        raise InputError(
            f"{path}: has schema {found}, this program has {SCHEMA}; use the newer program that wrote it, "
            "or annotate again with this one"
        )
    if int(found) < SCHEMA and read_only:
        raise InputError(
            f"{path}: has the older schema {found}, this program has {SCHEMA}; "
            "it is upgraded when opened for writing, as `gallery compact` does"
        )
    if model_id is not None and model != model_id:
        raise InputError(
            f"{path}: its vectors come from model {model}, the model in use is {model_id}; "
            "use those weights, or annotate again with these"
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
