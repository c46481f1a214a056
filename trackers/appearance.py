"""What people look like: a few views of each track, and how far a new crop is from them.

A view is kept for its mass (how much of a person the network saw), its size and its difference from the other
views. The distance of a crop to a track is the least over its views: people turn round, and a mean of front and back
resembles neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reid_model.features import Features
from reid_model.matching import pair_distances
from trackers.motion import Array
from trackers.tracklet import Image, Views

SHORTLIST = 2
"""Views of a track, best first by pooled distance, that are matched cell by cell."""

GOOD_HEIGHT = 128.0
"""Height in pixels from which a larger crop shows no more of a person to the network."""

Indices = npt.NDArray[np.intp]


class Crops(NamedTuple):
    """n crops of one frame: features, frame index, time in seconds, boxes `(n, 4)` in pixels and images or None."""

    features: Features
    frame: int
    time: float
    boxes: Array
    images: Sequence[Image | None]


def quality(features: Features, boxes: Array) -> Array:
    """How much of a person each crop shows, shape `(n,)`, in (0, 1]: mass times size."""
    size = np.minimum((boxes[:, 3] - boxes[:, 1]) / GOOD_HEIGHT, 1.0)
    return np.asarray((features.mass + 1e-3) * np.sqrt(np.maximum(size, 1e-3)), dtype=np.float64)


class Strangers:
    """What distance two different people have: a scale that follows the network and the scene.

    A distance that says "the same person" for one network, or in daylight, says nothing for another. Two boxes of one
    frame are two people for certain, so their distances are measured for nothing, and a distance below nearly all of
    them speaks for the same person.

    Args:
        start: The neutral distance, [0, 2], believed before anything is measured.
    """

    _MEMORY = 1000
    _ENOUGH = 100
    _SHARE = 5.0
    _UNTIL_MEASURED = 2.0
    _AGAIN_SECONDS = 0.2

    def __init__(self, start: float) -> None:
        self._start = start
        self._seen = np.zeros(self._MEMORY)
        self._count = 0
        self._measured = -np.inf
        self.neutral = start
        self.usual = start * self._UNTIL_MEASURED

    def speaks(self, distances: Array) -> Array:
        """What distances `(k,)` say, in [-1, 1]: 1 for the same look, 0 neutral, −1 as far as strangers usually are."""
        near = (self.neutral - distances) / self.neutral
        far = (self.neutral - distances) / max(self.usual - self.neutral, 1e-3)
        return np.asarray(np.clip(np.where(distances <= self.neutral, near, far), -1.0, 1.0))

    def distance(self, share: float) -> float:
        """The distance at a share of the way from the neutral one to that of strangers."""
        return float(self.neutral + share * (self.usual - self.neutral))

    def due(self, clock: float) -> bool:
        """Whether it is time to measure again, by the tracker's clock in seconds: always, until enough is known."""
        if self._count >= self._MEMORY and clock - self._measured < self._AGAIN_SECONDS:
            return False
        self._measured = clock
        return True

    def note(self, distances: Array) -> None:
        """Takes in distances `(k,)` between different people."""
        if not len(distances):
            return
        self._seen[(self._count + np.arange(len(distances))) % self._MEMORY] = distances
        self._count += len(distances)
        known = min(self._count, self._MEMORY)
        trust = min(known / self._ENOUGH, 1.0)
        neutral, usual = np.percentile(self._seen[:known], [self._SHARE, 50.0]).tolist()
        self.neutral = max(trust * neutral + (1 - trust) * self._start, 1e-3)
        self.usual = max(trust * usual + (1 - trust) * self._UNTIL_MEASURED * self._start, self.neutral)


class Exemplars:
    """Up to K views of each track, in one pool of arrays.

    Args:
        views: K.
    """

    def __init__(self, views: int) -> None:
        self._views = views
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._pool: Features | None = None
        self._quality = np.zeros((0, views))
        self._frames = np.zeros((0, views), np.int64)
        self._times = np.zeros((0, views))
        self._boxes = np.zeros((0, views, 4))
        self._images: list[list[Image | None]] = []

    def known(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which tracks have a view, shape `(n,)`."""
        return np.fromiter((track in self._slots for track in ids.tolist()), np.bool_, len(ids))

    def check(self, features: Features) -> None:
        """Refuses features that cannot be compared with the views.

        Raises:
            ValueError: If their dimensions differ.
        """
        shapes = [(each.global_.shape[1], *each.local.shape[1:]) for each in (self._pool, features) if each is not None]
        if shapes[0] != shapes[-1]:
            raise ValueError(f"features: expected (D, P, d) {shapes[0]} as before, given {shapes[-1]}")

    def learn(self, ids: npt.NDArray[np.int64], crops: Crops) -> None:
        """Offers one crop to each of the tracks `ids`, all different. The views kept are the best and most diverse."""
        if not len(ids):
            return
        slots = self._claim(ids, crops.features)
        pool, worth = self._pooled(), quality(crops.features, crops.boxes)
        views = pool.global_.reshape(-1, self._views, pool.global_.shape[1])[slots]
        views = np.concatenate([views, crops.features.global_[:, None]], axis=1)
        place = self._place(views, np.concatenate([self._quality[slots], worth[:, None]], axis=1))
        taken = np.flatnonzero(place < self._views)
        at = slots[taken], place[taken]
        rows = at[0] * self._views + at[1]
        for name in ("global_", "local", "saliency", "mass"):
            getattr(pool, name)[rows] = getattr(crops.features, name)[taken]
        self._quality[at], self._boxes[at] = worth[taken], crops.boxes[taken]
        self._frames[at], self._times[at] = crops.frame, crops.time
        for slot, view, source in zip(at[0].tolist(), at[1].tolist(), taken.tolist(), strict=True):
            self._images[slot][view] = crops.images[source]

    @staticmethod
    def _place(views: npt.NDArray[np.float32], worth: Array) -> Indices:
        """The view each new crop, the last of `(n, K + 1, D)`, replaces; K where it is not worth keeping.

        An empty place is taken first; else the view goes that is worth least for its distance to its nearest
        neighbour among the others.
        """
        gap = 1 - np.einsum("nid,njd->nij", views, views)
        gap += 4.0 * np.eye(views.shape[1])
        empty = worth == 0
        gap[np.broadcast_to(empty[:, None, :], gap.shape)] = 4.0
        value = worth * (gap.min(axis=2) + 0.02)
        value[empty] = -1.0
        return np.asarray(value.argmin(axis=1), np.intp)

    def distances(self, crops: Features, rows: Indices, ids: npt.NDArray[np.int64]) -> tuple[Array, Array]:
        """How far chosen crops are from chosen tracks, and how much that is worth.

        Args:
            crops: Features of a frame's crops.
            rows: Crop of each pair, shape `(k,)`.
            ids: Track of each pair, shape `(k,)`; each has a view.

        Returns:
            The GASM distance to the nearest view, `(k,)` in [0, 2]: pooled features choose the views, cells decide.
            The mass of the pair, `(k,)` in [0, 1]: the geometric mean of the crop's and the view's.
        """
        if not len(rows):
            return np.zeros(0), np.zeros(0)
        pool = self._pooled()
        slots = np.array([self._slots[track] for track in ids.tolist()], np.intp)
        views = slots[:, None] * self._views + np.arange(self._views)
        pooled = 1 - np.einsum("kd,kvd->kv", crops.global_[rows], pool.global_[views])
        pooled[self._quality[slots] == 0] = 9.0
        short = np.argsort(pooled, axis=1, kind="stable")[:, : min(SHORTLIST, self._views)]
        filled = np.take_along_axis(self._quality[slots], short, axis=1) > 0
        chosen = np.take_along_axis(views, short, axis=1)
        result = np.full(short.shape, 9.0)
        pair, _ = np.nonzero(filled)
        result[filled] = pair_distances(crops, pool, rows[pair], chosen[filled], "gasm")
        best = result.argmin(axis=1)[:, None]
        view = np.take_along_axis(chosen, best, axis=1)[:, 0]
        mass = np.sqrt(crops.mass[rows].astype(np.float64) * pool.mass[view])
        return np.take_along_axis(result, best, axis=1)[:, 0], mass

    def forget(self, track: int) -> Views | None:
        """Drops a track and hands out its views in the order they were seen; None where it has none."""
        views = self.views(track)
        slot = self._slots.pop(track, None)
        if slot is not None:
            self._quality[slot] = 0
            self._images[slot] = [None] * self._views
            self._free.append(slot)
        return views

    def views(self, track: int) -> Views | None:
        """A track's views in the order they were seen; None where it has none."""
        slot = self._slots.get(track)
        if slot is None:
            return None
        kept = np.flatnonzero(self._quality[slot] > 0)
        kept = kept[np.argsort(self._times[slot, kept], kind="stable")]
        return Views(
            self._pooled()[slot * self._views + kept],
            self._frames[slot, kept],
            self._times[slot, kept],
            self._boxes[slot, kept].astype(np.float32),
            tuple(self._images[slot][view] for view in kept.tolist()),
        )

    def _pooled(self) -> Features:
        assert self._pool is not None, "no track has a view yet"
        return self._pool

    def _claim(self, ids: npt.NDArray[np.int64], like: Features) -> Indices:
        """The slots of the tracks, new ones where they have none."""
        for track in ids.tolist():
            if track not in self._slots:
                if not self._free:
                    self._grow(like)
                self._slots[track] = self._free.pop()
        return np.array([self._slots[track] for track in ids.tolist()], np.intp)

    def _grow(self, like: Features) -> None:
        """Doubles the slots. Empty places hold valid features, so that the pool is valid as a whole."""
        have = len(self._quality)
        more = max(16, have)
        blank = like[np.zeros(more * self._views, np.intp)]
        self._pool = Features.concatenate([self._pool, blank]) if self._pool is not None else blank
        self._quality = np.concatenate([self._quality, np.zeros((more, self._views))])
        self._frames = np.concatenate([self._frames, np.zeros((more, self._views), np.int64)])
        self._times = np.concatenate([self._times, np.zeros((more, self._views))])
        self._boxes = np.concatenate([self._boxes, np.zeros((more, self._views, 4))])
        self._images += [[None] * self._views for _ in range(more)]
        self._free += range(have + more - 1, have - 1, -1)
