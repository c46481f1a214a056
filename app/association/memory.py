"""The tracklets that the online associator remembers: a row each, and what is asked of many rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.association.constraints import simultaneous
from app.association.crowd import GLIMPSE, people_among, seconds_in_view
from app.association.types import CameraTracklet, Link

IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
Times = npt.NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Known:
    """A tracklet that is remembered.

    Attributes:
        item: The tracklet as last observed.
        finished: Whether it will not grow any more.
        due: When it is to be decided, by the associator's clock.
        link: Why it is a member of its identity; None for the first one.
        nearest: Distance to the nearest tracklet of another identity when it was decided, or None.
    """

    item: CameraTracklet
    finished: bool
    due: float
    link: Link | None = None
    nearest: float | None = None


class Memory:
    """Rows of tracklets; the row of one that is forgotten is used again.

    Attributes:
        known: The tracklet of each row, or None.
        row_of: The row of each camera and track number.
        names: The cameras in order of their numbers, which is that of their first tracklets.
        first: First time of each row, seconds since the epoch.
        last: Last time.
        view: Seconds in view.
        heard: When it was observed last, by the associator's clock; never where it was not since it is remembered.
        camera: Number of its camera.
        number: Its identity; 0 where undecided, -1 where the row is free.
        slot: Where its looks are; -1 where it has none.
    """

    def __init__(self) -> None:
        """Remembers nothing yet."""
        self.known: list[Known | None] = []
        self.row_of: dict[tuple[str, int], int] = {}
        self.names: list[str] = []
        self.first: Times = np.zeros(0)
        self.last: Times = np.zeros(0)
        self.view: Times = np.zeros(0)
        self.heard: Times = np.zeros(0)
        self.camera: IntArray = np.zeros(0, np.intp)
        self.number: IntArray = np.zeros(0, np.intp)
        self.slot: IntArray = np.zeros(0, np.intp)
        self._free: list[int] = []

    def at(self, row: int) -> Known:
        """The tracklet of a row in use."""
        found = self.known[row]
        assert found is not None
        return found

    def add(self, known: Known) -> int:
        """Remembers a tracklet; gives its row."""
        camera = self.camera_number(known.item.camera)
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.known[row], self.row_of[known.item.key] = known, row
        self.camera[row], self.number[row], self.slot[row] = camera, 0, -1
        self.heard[row] = -np.inf
        self.update(row)
        return row

    def camera_number(self, name: str) -> int:
        """The number of a camera, which gets one where it has none yet."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def update(self, row: int) -> None:
        """Takes the times of a row from its tracklet."""
        times = self.at(row).item.tracklet.times
        self.first[row], self.last[row], self.view[row] = times[0], times[-1], seconds_in_view(times)

    def drop(self, row: int) -> None:
        """Forgets a tracklet."""
        del self.row_of[self.at(row).item.key]
        self.known[row] = None
        self.number[row] = -1
        self._free.append(row)

    def people(self) -> float:
        """How many people the identities are, by the time that each was in view (`people_among`)."""
        decided = self.number > 0
        _, identity = np.unique(self.number[decided], return_inverse=True)
        return people_among(np.bincount(identity, self.view[decided] + GLIMPSE).astype(np.float64))

    def rows(self) -> IntArray:
        """All rows in use."""
        return np.flatnonzero(self.number >= 0)

    def sorted(self, rows: Sequence[int] | IntArray) -> list[int]:
        """Rows by first time, then camera name, then track number."""
        return sorted(map(int, rows), key=lambda row: order(self.at(row).item))

    def common(self, rows: IntArray, others: IntArray) -> Times:
        """Seconds that two tracklets' spans have in common, `(n, m)`; negative where there is time between them."""
        return np.asarray(
            np.minimum(self.last[rows][:, None], self.last[others])
            - np.maximum(self.first[rows][:, None], self.first[others])
        )

    def spans(self, rows: IntArray, others: IntArray, least: float) -> Times:
        """Seconds of the shorter of two tracklets, `(n, m)`, but `least` at least."""
        span = self.last - self.first
        return np.asarray(np.maximum(np.minimum(span[rows][:, None], span[others]), least))

    def in_two_places(self, rows: IntArray, others: IntArray, overlap: float, share: float) -> BoolArray:
        """Pairs that one camera shows at once in different places, `(n, m)`: see `simultaneous`."""
        result = np.zeros((len(rows), len(others)), np.bool_)
        maybe = (self.camera[rows][:, None] == self.camera[others]) & (self.common(rows, others) >= 0)
        maybe &= rows[:, None] != others
        first, second = np.nonzero(maybe)
        if not len(first):
            return result
        involved = np.unique(np.concatenate([rows[first], others[second]]))
        apart = simultaneous([self.at(row).item for row in involved], overlap, share)
        where = np.searchsorted(involved, rows[first]), np.searchsorted(involved, others[second])
        result[first, second] = apart[where]
        return result

    def _grow(self) -> None:
        count = len(self.known)
        more = max(64, count)
        self.known += [None] * more
        self._free += range(count + more - 1, count - 1, -1)
        self.first, self.last = np.pad(self.first, (0, more)), np.pad(self.last, (0, more))
        self.view, self.heard = np.pad(self.view, (0, more)), np.pad(self.heard, (0, more))
        self.camera = np.pad(self.camera, (0, more))
        self.number = np.pad(self.number, (0, more), constant_values=-1)
        self.slot = np.pad(self.slot, (0, more), constant_values=-1)


def order(item: CameraTracklet) -> tuple[float, str, int]:
    """Tracklets in order of appearance."""
    return float(item.tracklet.times[0]), item.camera, item.tracklet.track_id
