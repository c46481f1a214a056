"""A part of the search index: the sightings of its slices of time, taken in from the store as they come."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from app.gallery import Found, Gallery, LiveIndex
from app.gallery.found import Terms
from app.gallery.growing import audited
from app.gallery.index_reading import read
from app.gallery.schema import SightingRecord
from reid_model.features import Features

TAKE_OUT = {"erase", "purge"}
"""What takes sightings out of a gallery, by its name in the audit log."""


def owner(times: npt.NDArray[np.float64], slice_seconds: float, count: int) -> npt.NDArray[np.int64]:
    """Which of so many shards owns a sighting, `(n,)`, by its time `(n,)` in seconds since the epoch."""
    return np.floor(times / slice_seconds).astype(np.int64) % count


class Shard:
    """One of some shards. `search` may be called by any thread.

    Args:
        gallery: The store.
        number: Which it is, from 0.
        count: How many there are.
        slice_seconds: How long a slice of time is; shards take turns.
    """

    def __init__(self, gallery: Gallery, number: int, count: int, slice_seconds: float) -> None:
        self._gallery, self._number, self._count, self._slice = gallery, number, count, slice_seconds
        self._lock = threading.Lock()
        self._index: LiveIndex | None = None
        self._last, self._heeded = 0, -1

    def __len__(self) -> int:
        return 0 if self._index is None else len(self._index)

    def sync(self) -> int:
        """Takes in what was stored since, and takes out what is gone; gives the number of the last sighting seen.

        Writers take turns, so that no smaller number can come later.

        Raises:
            InputError: If the store cannot be read.
        """
        with self._lock:
            gallery, table = self._gallery, SightingRecord
            size = gallery.dimensions()
            if size is None:
                return 0
            with gallery.reading() as connection:
                heeded, done = audited(connection, self._heeded)
                query = select(table.id, table.time).where(table.id > self._last, table.expires > gallery.now())
                rows = np.array([*map(tuple, connection.execute(query.order_by(table.id)))], np.float64).reshape(-1, 2)
            if self._index is None:
                self._index = LiveIndex(gallery.model, size)
            elif done & TAKE_OUT:
                self._index.remove(np.setdiff1d(self._index.ids(), gallery.sighting_ids()))
            self._heeded = heeded
            mine = rows[owner(rows[:, 1], self._slice, self._count) == self._number, 0].astype(np.int64)
            for batch in read(gallery, mine, size):
                self._index.add(batch, expected=len(mine))
            if len(rows):
                self._last = int(rows[-1, 0])
            return self._last

    def hits(self, query: Features, top: int, terms: Terms) -> Found:
        """As `LiveIndex.hits` has it, among the sightings of this shard."""
        index = self._index
        return Found.none(len(query)) if index is None else index.hits(query, top, terms)
