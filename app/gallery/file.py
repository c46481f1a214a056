"""A gallery in a file of SQLite's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from app.errors import InputError
from app.gallery import database
from app.gallery.place import Place
from app.gallery.schema import Base
from app.gallery.snapshot import Snapshot
from app.gallery.waiting import FILE

EARLIER = ".schema-"
"""Between a gallery's name and the schema's number in the name of the copy that upgrading leaves."""


class File(Place):
    """A file; while it is open for writing, its log lies beside it."""

    def __init__(self, path: Path) -> None:
        self.path = self.name = path

    def exists(self) -> bool:
        """Whether anything is there."""
        return self.path.exists()

    def check(self, *, read_only: bool) -> None:
        """Sees that it is a file that can be read, and written where it has to be.

        Raises:
            InputError: If not.
        """
        database.check_file(self.path, read_only=read_only)

    def reserve(self) -> None:
        """Makes an empty file where none is.

        Raises:
            InputError: If there is something already, or the folder is missing or not writable.
        """
        database.create_file(self.path)

    def give_up(self) -> None:
        """Removes the file, with its log."""
        for ending in ("", "-wal", "-shm", "-journal"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)

    def connect(self, *, read_only: bool) -> Engine:
        """An engine on the file."""
        return database.connect(self.path, read_only=read_only)

    def disconnect(self, engine: Engine, *, read_only: bool) -> None:
        """Closes all connections and leaves one plain file."""
        database.disconnect(engine, read_only=read_only)

    def one_line(self) -> AbstractContextManager[None]:
        """Turns what SQLite reports into one line for the user."""
        return database.one_line(self.path)

    @contextmanager
    def building(self) -> Iterator[Connection]:
        """A transaction on a file of another name, which takes its own when all is done."""
        if self.exists():
            raise InputError(f"{self.path}: exists already; give another path or remove it first")
        partial = File(self.path.with_name(f".{self.path.name}.part"))
        try:
            partial.give_up()
            partial.reserve()
            with Place.building(partial) as connection:
                yield connection
            engine = partial.connect(read_only=False)
            partial.disconnect(engine, read_only=False)
            partial.path.replace(self.path)
        except OSError as error:
            cause = error.strerror
            raise InputError(f"{self.path}: cannot be written ({cause}); give a path in a writable folder") from None
        finally:
            partial.give_up()

    def integrity(self, engine: Engine) -> list[str]:
        """What SQLite finds wrong with the file's pages, indexes and references."""
        return database.integrity(engine)

    def size(self, engine: Engine) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def flush(self, engine: Engine) -> bool:
        """Empties the log; what was deleted is overwritten."""
        return database.flush_log(engine)

    def compact(self, engine: Engine) -> bool:
        """Writes the whole file anew, without gaps."""
        return database.compact(engine)

    @property
    def held_up(self) -> str:
        """What to say where another process reads an older state."""
        return (
            f"{self.path}: what was deleted is still in {self.path.name}-wal, which another process is reading; "
            "close that one, then run `gallery compact`"
        )

    def save_earlier(self, schema: int) -> Path:
        """Copies the file to `<name>.schema-<number>`.

        Raises:
            InputError: If the copy cannot be written.
        """
        copy = self.path.with_name(f"{self.path.name}{EARLIER}{schema}")
        database.copy_file(self.path, copy)
        return copy

    def earlier_copies(self) -> list[Path]:
        """The copies that upgrading has left beside the file."""
        return sorted(item for item in self.path.parent.glob(f"{self.path.name}{EARLIER}*") if item.is_file())

    def snapshot(self) -> Snapshot:
        """The file beside it that keeps the search index."""
        return Snapshot.beside(self.path)

    def waiting(self) -> Path:
        """The file beside it."""
        return self.path.with_name(FILE)

    def last_numbers(self, connection: Connection) -> dict[str, int]:
        """The last number given in each table whose numbers are never given twice."""
        rows = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
        return {str(row[0]): int(row[1]) for row in rows}

    def set_last_numbers(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        """Makes numbers go on from these; other tables go on from their highest of themselves."""
        connection.exec_driver_sql("DELETE FROM sqlite_sequence")
        for table in Base.metadata.sorted_tables:
            number = numbers.get(table.name, 0)
            if number and table.dialect_options["sqlite"]["autoincrement"]:
                values = (table.name, number)
                connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", values)
