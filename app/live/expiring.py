"""What is over is taken out while a run lasts: recordings, what waits for the gallery, and the gallery itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from app.capture.recording import prune, recordings
from app.config import Config
from app.gallery.erasing import purge
from app.gallery.store import Gallery
from app.live.spool import Spool

PURGE_SECONDS = 600.0
"""Seconds between two removals of what has expired."""

PRUNE_SECONDS = 30.0
"""Seconds between two removals of recordings that are too old or too much."""


class Expiry:
    """Takes out what is over, each kind in its own time. `look` may be called by one thread.

    Recordings go also where nothing is recorded any more: those of earlier runs are not to stay for ever.

    Args:
        config: Of the run.
        folder: Of the run.
        gallery: Open for writing; None where another process looks after it.
        spool: What waits for it; None for nothing.
        wall: Seconds since the epoch.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        gallery: Gallery | None,
        spool: Spool | None,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = config.live
        self._folder, self._gallery, self._spool = folder, gallery, spool
        self._wall, self._clock = wall, clock
        self._pruned = self._purged = -PURGE_SECONDS

    def look(self) -> None:
        """Takes out what is over, if it is time.

        Raises:
            InputError: If the gallery or the file of what waits cannot be written; it is tried again at the next look.
        """
        now = self._clock()
        if now - self._pruned >= PRUNE_SECONDS:
            prune(recordings(self._folder), self._live.record_hours, self._live.record_gigabytes, self._wall())
            self._pruned = now
        if now - self._purged >= PURGE_SECONDS:
            if self._spool is not None:
                self._spool.expire()
            if self._gallery is not None:
                purge(self._gallery)
            self._purged = now
