"""Moving a gallery to another place, and saving one: every row, compared afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Table, select

from app.errors import InputError
from app.gallery import queries
from app.gallery.bulk import insert_many
from app.gallery.database import copy_file
from app.gallery.file import File
from app.gallery.place import Place
from app.gallery.places import place_of
from app.gallery.schema import Base
from app.gallery.store import Gallery
from app.gallery.upgrading import make_tables

AT_ONCE = 1000
"""Rows read or written at once."""

Progress = Callable[[int, int], None]
"""Told the rows done and those expected."""


@dataclass
class Tally:
    """How many rows a table has, and a hash over all that is in them, in order.

    Attributes:
        rows: How many.
        sha256: Of every value of every row, by the order of the table's key.
    """

    rows: int = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256, repr=False)

    @property
    def sha256(self) -> str:
        """The hash, 64 hexadecimal digits."""
        return self._hash.hexdigest()

    def add(self, row: Mapping[str, object]) -> None:
        """Counts a row, given by its columns' names."""
        self.rows += 1
        for name in sorted(row):
            value = row[name]
            data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode()
            self._hash.update(f"{name} {type(value).__name__} {len(data)} ".encode())
            self._hash.update(data)


def backup(gallery: Gallery, target: Path) -> None:
    """Saves a gallery as it is at this moment, while others go on to read and write it; whole or not at all.

    Args:
        gallery: Open for writing: the copy is entered in its audit log, and so in the copy's.
        target: A file that does not exist.

    Raises:
        InputError: If the file exists or cannot be written.
    """
    if not isinstance(gallery.place, File):
        copy(gallery, target, action="backup")
        return
    _refuse_existing(File(target))
    gallery.audit("backup", {"to": str(target)})
    copy_file(gallery.place.path, target)


def copy(
    gallery: Gallery,
    target: Place | Path | str,
    progress: Progress = lambda done, expected: None,
    action: str = "copy",
) -> dict[str, Tally]:
    """Writes every row of a gallery into a new one, with its number, and compares; whole or not at all.

    The new gallery has no gaps and no trace of what was deleted from the old one. Cut off at any moment, there is no
    new gallery.

    Args:
        gallery: Open for writing: the copy is entered in its audit log, and so in the copy's.
        target: A file that does not exist, or a server's database that holds no gallery.
        progress: Called as rows are written and read again.
        action: What it is called in the audit log.

    Returns:
        What each table holds, in both.

    Raises:
        InputError: If there is something already, it cannot be written, a row is damaged, or what was written is not
            what was read.
    """
    place = place_of(target)
    _refuse_existing(place)
    gallery.audit(action, {"to": str(place)})
    with place.building() as made, gallery.reading() as source:
        make_tables(made, place, {})
        tables = Base.metadata.sorted_tables
        total, done = 2 * sum(queries.row_count(source, table) for table in tables), 0
        tallies = {table.name: Tally() for table in tables}
        for table in tables:
            for rows in _rows(source, table):
                insert_many(made, table, rows)
                for row in rows:
                    tallies[table.name].add(row)
                done += len(rows)
                progress(done, total)
        place.set_last_numbers(made, gallery.place.last_numbers(source))
        for table in tables:
            again = Tally()
            for rows in _rows(made, table):
                for row in rows:
                    again.add(row)
                done += len(rows)
                progress(done, total)
            if (again.rows, again.sha256) != (tallies[table.name].rows, tallies[table.name].sha256):
                raise InputError(
                    f"{place}: table {table.name} does not hold what was copied into it; nothing was kept, try again"
                )
    return tallies


def _rows(connection: Connection, table: Table) -> Iterator[list[dict[str, object]]]:
    """All rows of a table by its key, some at a time."""
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=AT_ONCE)
    for rows in connection.execute(query).mappings().partitions():
        yield [dict(row) for row in rows]


def _refuse_existing(place: Place) -> None:
    if place.exists():
        raise InputError(f"{place}: exists already; give another place or remove it first")
