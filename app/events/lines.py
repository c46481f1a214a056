"""Events as lines of JSON in a file that is put aside when it is large, and loses what is too old."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from app.errors import InputError
from app.events.outbox import Stored
from app.events.sinks import NotDeliveredError

ROOM_SECONDS = 86400.0
"""A file that loses old events loses at once what is younger by less than this, or by a tenth of the time for which
they are kept: it is not written anew for every line."""


class JsonLines:
    """Appends to a file, whole lines only; `events.jsonl` is put aside as `events.1.jsonl`, that as `events.2.jsonl`.

    A line that a kill or a full disk has left unfinished is removed before the next one is written.

    Args:
        path: The file; made where it is missing.
        most_bytes: Size from which it is put aside.
        count: Files put aside that are kept.
        kept_seconds: How long events are kept.

    Raises:
        InputError: If the file cannot be written.
    """

    name = "file"

    def __init__(self, path: Path, most_bytes: int, count: int, kept_seconds: float = math.inf) -> None:
        self.dead = 0
        self._path, self._most, self._count, self._kept = path, most_bytes, count, kept_seconds
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

    def expire(self, now: float) -> None:
        """Removes what is too old from all files, and files in which nothing is left."""
        for path in (self._path, *map(self._aside, range(1, self._count + 1))):
            drop_older(path, now, self._kept)

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
        for number in range(self._count, 0, -1):
            before = self._path if number == 1 else self._aside(number - 1)
            if before.exists():
                before.replace(self._aside(number))

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.stem}.{number}{self._path.suffix}")


def drop_older(path: Path, now: float, kept_seconds: float) -> bool:
    """Removes events that are too old from a file of lines; gives whether it was changed.

    Lines are roughly in order of time: those before the first that is young enough go. A file in which none is left is
    removed; whoever reads on sees another file take its place.

    Args:
        path: The file; it need not exist. Nobody may write to it meanwhile.
        now: Seconds since the epoch.
        kept_seconds: Age from which an event goes.

    Raises:
        OSError: If it cannot be changed.
    """
    if not path.exists() or math.isinf(kept_seconds):
        return False
    before = now - kept_seconds
    room = min(ROOM_SECONDS, kept_seconds / 10)
    with path.open("rb") as file:
        first = file.readline()
        if not first.endswith(b"\n") or _time_of(first) >= before:
            return False
        place, line = file.tell(), file.readline()
        while line and _time_of(line) < before + room:
            place, line = file.tell(), file.readline()
        file.seek(place)
        if not line:
            path.unlink()
            return True
        # Beside it, and in its place when it is whole: whoever kills the program leaves one or the other.
        partial = path.with_name(f".{path.name}.part")
        with partial.open("wb") as kept:
            shutil.copyfileobj(file, kept)
        shutil.copymode(path, partial)
    partial.replace(path)
    return True


def _time_of(line: bytes) -> float:
    """When the event of a line happened; long ago where that cannot be read."""
    with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        values = json.loads(line)
        return float(values.get("event", values)["time"])
    return -float("inf")
