"""The connection to the database: what is SQLite's own is here and nowhere else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from app.errors import InputError

BUSY_SECONDS = 60
"""How long a writer waits for another to finish: one that erases writes the file anew, some gigabytes of it."""


def connect(path: Path, *, read_only: bool) -> Engine:
    """An engine on an existing SQLite file.

    Writers use write-ahead logging with full synchronisation: what was committed survives a kill or a power cut, and
    readers go on while one writes.
    """
    mode = "ro" if read_only else "rw"
    engine = create_engine("sqlite://", creator=lambda: _plain(path, mode), poolclass=QueuePool)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA foreign_keys=ON")
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            # What is deleted is overwritten with zeros, not only forgotten.
            connection.execute("PRAGMA secure_delete=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the lock at once: two that read first and write later would block each other for good.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def disconnect(engine: Engine, *, read_only: bool) -> None:
    """Closes all connections and leaves one plain file, without `-wal` and `-shm` beside it.

    Where another process has the gallery open, the log stays for that process to clear.
    """
    engine.dispose()
    if not read_only:
        # Changing the journal needs the file to itself, so it comes after the other connections are closed.
        with suppress(SQLAlchemyError, sqlite3.Error):
            raw = engine.raw_connection()
            try:
                cursor = raw.cursor()
                cursor.execute("PRAGMA busy_timeout=0")
                cursor.execute("PRAGMA journal_mode=DELETE").fetchall()
                cursor.close()
            finally:
                raw.close()
    engine.dispose()


def flush_log(engine: Engine) -> bool:
    """Moves what is committed from the write-ahead log into the file and empties the log.

    The log keeps older versions of pages, with what has been deleted since.

    Returns:
        Whether that was possible; not while another process reads an older state.
    """
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        cursor.close()
        return not busy
    finally:
        raw.close()


def compact(engine: Engine) -> bool:
    """Writes the whole file anew, without gaps: what was deleted is then in no part of it.

    Overwriting on deletion is not enough: rows that moved between pages may have left copies in a page's free part.
    Takes the room of another such file on its disk meanwhile.

    Returns:
        Whether the log could be emptied too, as `flush_log` says.
    """
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        try:
            raw.execute("VACUUM")
        except sqlite3.Error as error:
            raise DatabaseError("VACUUM", None, error) from error
    return flush_log(engine)


def integrity(engine: Engine) -> list[str]:
    """What SQLite itself finds wrong with the file, a line each; nothing in a sound one."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars().all()
        lines = [str(line) for line in found if line != "ok"]
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return lines + [f"{row[0]} row {row[1]} names a row of {row[2]} that is not there" for row in broken]


def create_file(path: Path) -> None:
    """Makes an empty file where none is.

    Raises:
        InputError: If there is something already, or the folder is missing or not writable.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        raise InputError(f"{path}: exists already; give another path or remove it first") from None
    except FileNotFoundError:
        raise InputError(f"{path}: cannot be created, {path.parent} does not exist; make that folder first") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be created: {error.strerror}; give a path in a writable folder") from None


def copy_file(path: Path, copy: Path) -> None:
    """Copies what is committed, whole or not at all, while others read and write; a file of that name is replaced.

    Raises:
        InputError: If the copy cannot be written.
    """
    partial = copy.with_name(f".{copy.name}.part")
    try:
        partial.unlink(missing_ok=True)
        with closing(_plain(path, "ro")) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(copy)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        cause = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{copy}: cannot be written ({cause}); give a writable folder with room for a copy") from None


def _plain(path: Path, mode: str) -> sqlite3.Connection:
    """A connection without SQLAlchemy; isolation_level None: transactions begin where they are said to."""
    address = f"file:{quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False)


def check_file(path: Path, *, read_only: bool) -> None:
    """Checks that a path is a file that can be read, and written where it has to be.

    Raises:
        InputError: If it is not.
    """
    try:
        if path.is_dir():
            inside = path / "gallery.db"
            hint = f"give {inside}" if inside.is_file() else "give the gallery.db that annotate wrote"
            raise InputError(f"{path}: is a folder, not a gallery; {hint}")
        if not path.exists():
            raise InputError(f"{path}: no such gallery; give the gallery.db that annotate wrote")
        with path.open("rb") as file:
            magic = file.read(16)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if magic != b"SQLite format 3\0":
        raise InputError(f"{path}: is not a gallery; give the gallery.db that annotate wrote")
    if not read_only and not (os.access(path, os.W_OK) and os.access(path.absolute().parent, os.W_OK)):
        raise InputError(
            f"{path}: cannot be written, and every search is entered in the gallery's audit log; "
            "copy it to a writable folder"
        )


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Turns what the database reports into one line for the user.

    Raises:
        InputError: If the database failed: damaged, locked, full or read-only.
    """
    try:
        yield
    except DatabaseError as error:
        cause = str(error.orig)
        if "locked" in cause:
            cure = "another process is at work on it; try again when it is done"
        elif "malformed" in cause or "not a database" in cause:
            cure = "the file is damaged; restore it from a copy or annotate again"
        elif "readonly" in cause:
            cure = "make the file and its folder writable, or copy it"
        elif "full" in cause:
            cure = "free some space on its disk"
        else:
            cure = "make sure that the file is a whole gallery and its folder is writable"
        raise InputError(f"{path}: {cause}; {cure}") from error
    except UnicodeDecodeError as error:
        # The driver itself, on a damaged schema: it quotes what it could not read.
        raise InputError(f"{path}: the file is damaged; restore it from a copy or annotate again") from error
