"""Which cameras see a common place: what has been declared, and else what was learned from who is in both at once.

The online form of `app.association.views`: of the people remembered who were at once in two cameras, the share that had
a double in the other one, who surely looked the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.association.types import CameraTracklet
from app.association.views import COMMON
from app.config_association import AssociationConfig

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


def declared_apart(names: Sequence[str], config: AssociationConfig) -> BoolArray:
    """Pairs of cameras declared to see no common place, `(C, C)`; none where nothing was declared."""
    if config.overlaps is None:
        return np.zeros((len(names), len(names)), np.bool_)
    number = {name: i for i, name in enumerate(names)}
    apart = ~np.eye(len(names), dtype=np.bool_)
    for first, second in config.overlaps:
        if first in number and second in number:
            apart[number[first], number[second]] = apart[number[second], number[first]] = False
    return apart


def declared_elsewhere(tracklets: Sequence[CameraTracklet], config: AssociationConfig) -> BoolArray:
    """Pairs of tracklets at once in two cameras declared to see no common place, `(n, n)`.

    At once is what lasts longer than the cameras' clocks may be apart, and than the share of the shorter tracklet that
    is forgiven inside one camera too.
    """
    names = sorted({item.camera for item in tracklets})
    camera = np.array([names.index(item.camera) for item in tracklets], np.intp)
    first = np.array([item.tracklet.times[0] for item in tracklets])
    last = np.array([item.tracklet.times[-1] for item in tracklets])
    common = np.minimum(last[:, None], last) - np.maximum(first[:, None], first)
    span = np.minimum((last - first)[:, None], last - first)
    return declared_apart(names, config)[camera[:, None], camera] & at_once_for(common, span, config)


def at_once_for(common: Floats, span: Floats, config: AssociationConfig) -> BoolArray:
    """Whether seconds in common, of the shorter `span`, are more than clocks and trackers are forgiven."""
    return np.asarray(common > np.maximum(config.shared_frames * span, config.clock_seconds), np.bool_)


class Overlaps:
    """Counts, for each two cameras, who was in both at once."""

    def __init__(self) -> None:
        """Nobody was seen yet."""
        self._company: BoolArray = np.zeros((0, 0), np.bool_)
        self._double: BoolArray = np.zeros((0, 0), np.bool_)
        self._people = np.zeros((0, 0), np.int64)
        self._same = np.zeros((0, 0), np.int64)

    def learn(self, rows: IntArray, cameras: IntArray, others: IntArray, theirs: IntArray, at_once: BoolArray) -> None:
        """Notes who was at once with somebody in another camera.

        Args:
            rows: Of n tracklets in the memory.
            cameras: Their cameras.
            others: Of m tracklets.
            theirs: Their cameras.
            at_once: Pairs in different cameras at once, `(n, m)`.
        """
        self._count(self._company, self._people, rows, cameras, others, theirs, at_once)

    def learn_same(
        self, rows: IntArray, cameras: IntArray, others: IntArray, theirs: IntArray, same: BoolArray
    ) -> None:
        """Notes who was at once in another camera: pairs `(n, m)` that surely show one person."""
        self._count(self._double, self._same, rows, cameras, others, theirs, same)

    def room(self, rows: int, cameras: int) -> None:
        """Makes room for row and camera numbers below these."""
        have_rows, have = self._company.shape
        if rows > have_rows or cameras > have:
            grown = ((0, max(0, rows - have_rows)), (0, max(0, cameras - have)))
            self._company, self._double = np.pad(self._company, grown), np.pad(self._double, grown)
            square = (grown[1], grown[1])
            self._people, self._same = np.pad(self._people, square), np.pad(self._same, square)

    def forget(self, row: int, camera: int) -> None:
        """Takes out what a tracklet has told."""
        self._people[camera] -= self._company[row]
        self._same[camera] -= self._double[row]
        self._company[row] = self._double[row] = False

    def common_place(self) -> BoolArray:
        """Pairs of cameras that see a common place, as far as is known, `(C, C)`."""
        people, same = np.minimum(self._people, self._people.T), np.minimum(self._same, self._same.T)
        return np.asarray(same >= np.maximum(1.0, COMMON * people), np.bool_)

    @staticmethod
    def _count(
        noted: BoolArray,
        counts: npt.NDArray[np.int64],
        rows: IntArray,
        cameras: IntArray,
        others: IntArray,
        theirs: IntArray,
        pairs: BoolArray,
    ) -> None:
        mine, other = np.nonzero(pairs)
        who = np.concatenate([rows[mine], others[other]])
        where = np.concatenate([cameras[mine], theirs[other]])
        there = np.concatenate([theirs[other], cameras[mine]])
        # Each person counts once for each other camera.
        fresh, index = np.unique(np.stack([who, there]), axis=1, return_index=True)
        new = ~noted[fresh[0], fresh[1]]
        noted[fresh[0][new], fresh[1][new]] = True
        np.add.at(counts, (where[index][new], fresh[1][new]), 1)
