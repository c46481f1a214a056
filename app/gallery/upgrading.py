"""Galleries of older schemas: copied, then changed by Alembic's migrations in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, inspect, select, update

from app.errors import InputError
from app.gallery.place import Place
from app.gallery.schema import SCHEMA, Base, Meta

MIGRATIONS = Path(__file__).parent / "migrations"


def read_facts(place: Place) -> dict[str, str]:
    """What a gallery says about itself: schema, model, and more.

    Raises:
        InputError: If it is no gallery, or damaged.
    """
    # Looked at without the right to write, so that another program's database is left as it is.
    looking = place.connect(read_only=True)
    try:
        with place.one_line(), looking.begin() as connection:
            facts = {}
            if is_gallery(connection):
                facts = {row.key: row.value for row in connection.execute(select(Meta.key, Meta.value))}
    finally:
        looking.dispose()
    if not {"schema", "model"} <= facts.keys():
        raise InputError(f"{place}: is a database but not a gallery; give the gallery.db that annotate wrote")
    if not all(isinstance(part, str) for pair in facts.items() for part in pair):
        raise InputError(
            f"{place}: is damaged: what it says of itself is no text; restore it from a copy or annotate again"
        )
    return facts


def is_gallery(connection: Connection) -> bool:
    """Whether there is a table that a gallery says in what it is."""
    looked = inspect(connection)
    return looked.has_table("meta") and {"key", "value"} <= {each["name"] for each in looked.get_columns("meta")}


def make_tables(connection: Connection, place: Place, facts: Mapping[str, str]) -> None:
    """Makes the tables of a new gallery, and has it say of itself what it is.

    Raises:
        InputError: If there is a gallery, or a table of another program that it would need.
    """
    there = set(inspect(connection).get_table_names()) & set(Base.metadata.tables)
    if there:
        what = "a gallery is there already" if is_gallery(connection) else f"has a table {min(there)} already"
        raise InputError(f"{place}: {what}; give another place, or clear that one first")
    Base.metadata.create_all(connection, checkfirst=False)
    place.tune(connection)
    if facts:
        connection.execute(insert(Meta), [{"key": key, "value": value} for key, value in facts.items()])


def check_facts(place: Place, facts: dict[str, str], model_id: str | None, *, read_only: bool) -> None:
    """Sees whether a gallery can be opened: one of an older schema, for writing only.

    Args:
        place: Where it is, for messages.
        facts: What `read_facts` gave.
        model_id: The model whose vectors will be compared or added; None for any.
        read_only: Whether it will not be written.

    Raises:
        InputError: If it cannot.
    """
    found, model = facts["schema"], facts["model"]
    if not found.isdecimal() or int(found) > SCHEMA:
        raise InputError(
            f"{place}: has schema {found}, this program has {SCHEMA}; use the newer program that wrote it, "
            "or annotate again with this one"
        )
    if int(found) < SCHEMA and read_only:
        raise InputError(
            f"{place}: has the older schema {found}, this program has {SCHEMA}; "
            "it is upgraded when opened for writing, as `gallery compact` does"
        )
    if model_id is not None and model != model_id:
        raise InputError(
            f"{place}: its vectors come from model {model}, the model in use is {model_id}; "
            "use those weights, or annotate again with these"
        )


def upgrade(place: Place, engine: Engine) -> Path | None:
    """Brings a gallery to this schema; the copy of a file's state before stays beside it.

    One transaction: cut off at any moment, the gallery has the old schema or the new one, and the copy is whole.

    Args:
        place: Where it is.
        engine: Its engine, for writing.

    Returns:
        The copy of before, `<name>.schema-<number>`; None where there is none, as for a server, or another process has
        upgraded it meanwhile.

    Raises:
        InputError: If the copy cannot be written.
    """
    # Nobody else can write during the copy: the transaction has the lock.
    with engine.execution_options(writes=True).begin() as connection:
        found = int(connection.scalars(select(Meta.value).where(Meta.key == "schema")).one())
        if found == SCHEMA:
            return None
        copy = place.save_earlier(found)
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
