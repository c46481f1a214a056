"""Where a gallery is kept: a file of SQLite's, or a schema of a PostgreSQL server; what each does in its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from app.gallery.snapshot import Snapshot


class Place(ABC):
    """Where a gallery is kept.

    Engines that it gives open a transaction for writing where they have the execution option `writes`: one at a time,
    over all processes; all others see one state of the gallery throughout and change nothing. With `beside` as well,
    for an entry in the audit log alone, a place may let it be written beside the one whose turn it is.

    Attributes:
        name: What messages call it: the file's path, or the address without its password.
    """

    name: Path | str

    def __str__(self) -> str:
        return str(self.name)

    # Being there

    @abstractmethod
    def exists(self) -> bool:
        """Whether a gallery, or something else, is there already.

        Raises:
            InputError: If that cannot be found out.
        """

    @abstractmethod
    def check(self, *, read_only: bool) -> None:
        """Sees that a gallery may be there, and can be written where it has to be.

        Raises:
            InputError: If not.
        """

    @abstractmethod
    def reserve(self) -> None:
        """Makes room for a new gallery.

        Raises:
            InputError: If there is something already, or nothing can be written there.
        """

    @abstractmethod
    def give_up(self) -> None:
        """Takes back what `reserve` made."""

    @abstractmethod
    def connect(self, *, read_only: bool) -> Engine:
        """An engine on what is there."""

    @abstractmethod
    def disconnect(self, engine: Engine, *, read_only: bool) -> None:
        """Closes all connections."""

    @abstractmethod
    def one_line(self) -> AbstractContextManager[None]:
        """Turns what the database reports into one line for the user, an `InputError`."""

    @contextmanager
    def building(self) -> Iterator[Connection]:
        """A transaction in which a whole gallery is made; cut off at any moment, there is none.

        Raises:
            InputError: If there is something already, or it cannot be written.
        """
        with self.one_line():
            engine = self.connect(read_only=False)
            try:
                with engine.execution_options(writes=True).begin() as connection:
                    yield connection
            finally:
                engine.dispose()

    def tune(self, connection: Connection) -> None:  # noqa: B027
        """Has new tables kept as suits what is in them."""

    # Looking after it

    @abstractmethod
    def integrity(self, engine: Engine) -> list[str]:
        """What the database itself finds wrong, a line each; nothing in a sound one."""

    @abstractmethod
    def size(self, engine: Engine) -> int:
        """Bytes that it takes."""

    @abstractmethod
    def flush(self, engine: Engine) -> bool:
        """Overwrites or frees what has been deleted; gives whether that was possible."""

    @abstractmethod
    def compact(self, engine: Engine) -> bool:
        """Writes everything anew, without what was deleted; gives whether that was possible."""

    @property
    @abstractmethod
    def held_up(self) -> str:
        """What to say where `flush` or `compact` was not possible."""

    @abstractmethod
    def save_earlier(self, schema: int) -> Path | None:
        """Saves a gallery that is about to be upgraded; None where it is not needed."""

    @abstractmethod
    def earlier_copies(self) -> list[Path]:
        """What `save_earlier` has left."""

    @abstractmethod
    def snapshot(self) -> Snapshot | None:
        """The file in which the search index is kept, or None where it is kept in memory only."""

    def waiting(self) -> Path | None:
        """The file in which a run in the same folder keeps what waits; it need not exist. None where there is none."""
        return None

    # Numbers that are never given twice

    @abstractmethod
    def last_numbers(self, connection: Connection) -> dict[str, int]:
        """The last number given in each table whose numbers are never given twice."""

    @abstractmethod
    def set_last_numbers(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        """Makes numbers go on from these, and in other tables from the highest there is."""
