"""Events as lines of JSON in a file that is put aside when it is large."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from app.errors import InputError
from app.events.outbox import Stored
from app.events.sinks import NotDeliveredError


class JsonLines:
    """Appends to a file, whole lines only; `events.jsonl` is put aside as `events.1.jsonl`, that as `events.2.jsonl`.

    A line that a kill or a full disk has left unfinished is removed before the next one is written.

    Args:
        path: The file; made where it is missing.
        most_bytes: Size from which it is put aside.
        count: Files put aside that are kept.

    Raises:
        InputError: If the file cannot be written.
    """

    name = "file"

    def __init__(self, path: Path, most_bytes: int, count: int) -> None:
        self.dead = 0
        self._path, self._most, self._count = path, most_bytes, count
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._mend()
        except OSError as error:
            raise InputError(f"{path}: events cannot be written ({error.strerror}); give another events.file") from None

    def deliver(self, events: Sequence[Stored], stopped: Callable[[], bool]) -> None:
        """Appends a line for each event."""
        data = "".join(f"{event.body}\n" for event in events).encode()
        try:
            if self._path.exists() and self._path.stat().st_size >= self._most:
                self._put_aside()
            self._mend()
            # One write: readers, and whoever kills the program, see all or, rarely, a part that is mended later.
            with self._path.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise NotDeliveredError(f"{self._path}: {error.strerror}") from None

    def availability(self, camera: str, online: bool) -> None:
        """Files keep no state."""

    def close(self) -> None:
        """Nothing is kept open."""

    def _mend(self) -> None:
        """Removes what comes after the last whole line."""
        if not self._path.exists():
            return
        with self._path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            place = end
            while place > 0:
                begin = max(place - 65536, 0)
                file.seek(begin)
                found = file.read(place - begin).rfind(b"\n")
                if found >= 0:
                    place = begin + found + 1
                    break
                place = begin
            if place < end:
                file.truncate(place)

    def _put_aside(self) -> None:
        def aside(number: int) -> Path:
            return self._path.with_name(f"{self._path.stem}.{number}{self._path.suffix}")

        for number in range(self._count, 0, -1):
            before = self._path if number == 1 else aside(number - 1)
            if before.exists():
                before.replace(aside(number))
