"""Events on disk until everybody who is to have them has them: one SQLite file, a place in it for each receiver."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from app.errors import InputError

_TABLES = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, stored REAL NOT NULL, kind TEXT NOT NULL, camera TEXT, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS receivers (name TEXT PRIMARY KEY, delivered INTEGER NOT NULL, lost INTEGER NOT NULL);
"""


class Stored(NamedTuple):
    """A stored event: its number (later ones are greater), kind, camera or None, and itself as one line of JSON."""

    number: int
    kind: str
    camera: str | None
    body: str


class Outbox:
    """Keeps events for receivers by name, each of which takes them in order at its own pace.

    What `add` returned from outlives the program, killed or not; a cut in power may take what was added in the last
    moments. Events that everybody has are removed. A receiver that does not come for its events for too long, or for
    too many, loses the oldest, which is counted.

    Args:
        path: The file; made where it is missing.
        receivers: Their names. New ones begin with the next event; of others nothing is kept any longer.
        most: Events kept at most.
        seconds: How long they are kept at most.
        clock: Seconds since the epoch.

    Raises:
        InputError: If the file cannot be used.
    """

    def __init__(
        self, path: Path, receivers: Sequence[str], most: int, seconds: float, clock: Callable[[], float]
    ) -> None:
        self.path = path
        self._most, self._seconds, self._clock = most, seconds, clock
        self._lock = threading.Lock()
        self._had = dict.fromkeys(receivers, 0)
        try:
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            # The program may be killed at any time and nothing is lost; to outlive a cut in power too would cost a
            # wait for the disk with every event.
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("PRAGMA secure_delete=ON")
            self._database.executescript(_TABLES)
            latest = self._latest()
            for name in receivers:
                self._database.execute("INSERT OR IGNORE INTO receivers VALUES (?, ?, 0)", (name, latest))
            marks = ",".join("?" * len(receivers))
            self._database.execute(f"DELETE FROM receivers WHERE name NOT IN ({marks})", tuple(receivers))
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of a damaged schema that it quotes
            raise InputError(f"{path}: events cannot be kept there ({error}); move it away or free the place") from None

    def _latest(self) -> int:
        row = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        return int(row[0]) if row else 0

    def add(self, kind: str, camera: str | None, body: str) -> None:
        """Keeps an event; it is stored when this returns.

        Raises:
            sqlite3.Error: If it cannot be written.
        """
        with self._lock:
            values = (self._clock(), kind, camera, body)
            self._database.execute("INSERT INTO events (stored, kind, camera, body) VALUES (?, ?, ?, ?)", values)

    def waiting(self, receiver: str, most: int) -> list[Stored]:
        """The oldest events that a receiver has not got, in order."""
        with self._lock:
            rows = self._database.execute(
                "SELECT number, kind, camera, body FROM events WHERE number > "
                "(SELECT MAX(delivered, ?) FROM receivers WHERE name = ?) ORDER BY number LIMIT ?",
                (self._had.get(receiver, 0), receiver, most),
            )
            return [Stored(*row) for row in rows]

    def delivered(self, receiver: str, number: int) -> None:
        """Notes that a receiver has all events up to a number; in this run it is not given them again.

        Raises:
            sqlite3.Error: If that cannot be written: the next run gives them again unless a later call writes it.
        """
        with self._lock:
            self._had[receiver] = max(self._had.get(receiver, 0), number)
            self._note(receiver)

    def _note(self, receiver: str) -> None:
        self._database.execute(
            "UPDATE receivers SET delivered = MAX(delivered, ?) WHERE name = ?", (self._had[receiver], receiver)
        )

    def pending(self, receiver: str) -> int:
        """How many events a receiver has not got."""
        with self._lock:
            row = self._database.execute(
                "SELECT COUNT(*) FROM events WHERE number > (SELECT MAX(delivered, ?) FROM receivers WHERE name = ?)",
                (self._had.get(receiver, 0), receiver),
            ).fetchone()
            return int(row[0])

    def lost(self, receiver: str) -> int:
        """How many events a receiver never got because they were kept for too long, or too many."""
        with self._lock:
            return int(self._database.execute("SELECT lost FROM receivers WHERE name = ?", (receiver,)).fetchone()[0])

    def prune(self) -> int:
        """Removes what everybody has and what is too old or too much; gives how many events somebody lost by it."""
        with self._lock, self._database:
            base = self._database
            base.execute("BEGIN IMMEDIATE")
            for receiver in self._had:
                self._note(receiver)
            everybody = base.execute("SELECT MIN(delivered) FROM receivers").fetchone()[0]
            everybody = self._latest() if everybody is None else everybody
            old = base.execute("SELECT MAX(number) FROM events WHERE stored < ?", (self._clock() - self._seconds,))
            much = base.execute("SELECT number FROM events ORDER BY number DESC LIMIT 1 OFFSET ?", (self._most,))
            limit = max(int((row or (0,))[0] or 0) for row in (old.fetchone(), much.fetchone()))
            lost = 0
            for name, place in base.execute(
                "SELECT name, delivered FROM receivers WHERE delivered < ?", (limit,)
            ).fetchall():
                count = base.execute(
                    "SELECT COUNT(*) FROM events WHERE number > ? AND number <= ?", (place, limit)
                ).fetchone()[0]
                base.execute("UPDATE receivers SET delivered = ?, lost = lost + ? WHERE name = ?", (limit, count, name))
                lost += int(count)
            base.execute("DELETE FROM events WHERE number <= ?", (max(limit, everybody),))
            return lost

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()
