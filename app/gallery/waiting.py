"""What waits on disk beside a gallery until that can be written: the tables of the file, and taking people out of it.

`app.live.spool` puts tracklets there and takes them out. Who erases people, or removes what has expired, reaches them
here, whether or not a run has the file open.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import InputError

FILE = "waiting.db"
"""Its name, in the folder of the run and of the gallery's file."""

_TABLES = (
    "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY, camera TEXT, track INTEGER, stored INTEGER, "
    "heeded INTEGER, tracklet BLOB, since REAL NOT NULL, expires REAL NOT NULL, UNIQUE (camera, track))",
    "CREATE TABLE IF NOT EXISTS people (camera TEXT, track INTEGER, identity INTEGER, heeded INTEGER, "
    "since REAL NOT NULL, expires REAL NOT NULL, PRIMARY KEY (camera, track))",
)

_UNSAID = 30 * 86400.0
"""Seconds that rows of earlier versions are kept."""

WAIT_SECONDS = 10.0
"""How long a run that writes to the file is waited for."""


def connect(path: Path, now: float) -> sqlite3.Connection:
    """Opens the file, and makes it where there is none. What is deleted in it is overwritten.

    Args:
        path: The file.
        now: Seconds since the epoch. Rows of earlier versions do not say since when they wait: from now on, they do.

    Raises:
        sqlite3.Error: If it cannot be opened.
    """
    file = sqlite3.connect(path, check_same_thread=False, timeout=WAIT_SECONDS)
    try:
        file.execute("PRAGMA synchronous=FULL")
        file.execute("PRAGMA secure_delete=ON")
        with file:
            for table in _TABLES:
                file.execute(table)
            for name in ("waiting", "people"):
                if "since" not in [row[1] for row in file.execute(f"PRAGMA table_info({name})")]:
                    file.execute(f"ALTER TABLE {name} ADD COLUMN since REAL NOT NULL DEFAULT {now!r}")
                    file.execute(f"ALTER TABLE {name} ADD COLUMN expires REAL NOT NULL DEFAULT {now + _UNSAID!r}")
    except sqlite3.Error:
        file.close()
        raise
    return file


def forget(file: sqlite3.Connection, identity: int, keys: Collection[tuple[str, int]]) -> int:
    """Takes out whatever shows a person; gives how many tracklets that were.

    Args:
        file: Open.
        identity: The person's number.
        keys: Camera and track of the tracklets that the gallery has of them.
    """
    query = "SELECT camera, track FROM people WHERE identity = ?"
    theirs = sorted({*keys, *file.execute(query, (identity,)).fetchall()})
    gone = file.executemany("DELETE FROM waiting WHERE camera = ? AND track = ?", theirs).rowcount
    file.executemany("DELETE FROM people WHERE camera = ? AND track = ?", theirs)
    return max(gone, 0)


def expire(file: sqlite3.Connection, now: float, older_than: float = math.inf) -> int:
    """Takes out what has expired, or has waited for so many seconds; gives how many tracklets that were."""
    over, limits = "expires <= ? OR since <= ?", (now, now - older_than)
    file.execute(f"DELETE FROM people WHERE {over}", limits)
    return max(file.execute(f"DELETE FROM waiting WHERE {over}", limits).rowcount, 0)


def take_out(path: Path | None, now: float, work: Callable[[sqlite3.Connection], int]) -> int:
    """Runs `forget` or `expire` on a file that may not be there, and whose run may have it open.

    Args:
        path: The file; None where a gallery has none beside it.
        now: As of `connect`.
        work: What is done; all of it, or nothing.

    Returns:
        What `work` returns; 0 without a file.

    Raises:
        InputError: If it cannot be changed.
    """
    if path is None or not path.exists():
        return 0
    with _one_line(path):
        file = connect(path, now)
        try:
            with file:
                return work(file)
        finally:
            file.close()


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(
            f"{path}: shows people who waited for the gallery and cannot be changed ({error}); remove it, or stop the "
            "run that holds it, and try again"
        ) from error
