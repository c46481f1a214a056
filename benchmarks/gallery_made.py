"""Tracklets without meaning, but of the default sizes, to fill galleries with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.matching import random_features
from reid_model.features import Features
from trackers.tracklet import Tracklet

MODEL = "made for a benchmark"
CAMERA = "camera"
VIEWS = 4
"""Sightings of each tracklet."""

BOXES = 60
"""Boxes of each tracklet."""

POOL = 2000
PICTURE = (200, 80, 3)


class Maker:
    """Makes tracklets; the vectors are drawn from a pool, because to make them takes longer than to store them.

    Attributes:
        features: The pool, `POOL` crops.
    """

    def __init__(self, seed: int) -> None:
        self.features: Features = random_features(POOL, seed)
        self._random = np.random.default_rng(seed)
        # As smooth as people are: noise would make pictures many times as large.
        small = self._random.integers(0, 255, (VIEWS, 8, 4, 3), np.uint8)
        self._pictures = tuple(np.kron(each, np.ones((25, 20, 1), np.uint8)).astype(np.uint8) for each in small)

    def batch(self, first: int, count: int) -> list[Tracklet]:
        """Tracklets `first` to before `first + count`."""
        return [self._tracklet(number) for number in range(first, first + count)]

    def _tracklet(self, number: int) -> Tracklet:
        frames = np.arange(number, number + BOXES)
        boxes = np.tile(np.array([100, 100, 180, 300], np.float32), (BOXES, 1))
        kept = np.linspace(0, BOXES - 1, VIEWS).astype(int)
        # Neighbours in the pool: never the same view twice, which would be stored once.
        drawn = int(self._random.integers(0, POOL - VIEWS))
        return Tracklet(
            track_id=number,
            frames=frames,
            times=frames / 10,
            boxes=boxes,
            scores=np.full(BOXES, 0.9, np.float32),
            exemplars=self.features[drawn : drawn + VIEWS],
            exemplar_frames=frames[kept],
            exemplar_times=frames[kept] / 10,
            exemplar_boxes=boxes[kept],
            exemplar_crops=self._pictures,
        )


def batches(maker: Maker, total: int, size: int) -> Iterator[list[Tracklet]]:
    """Batches of tracklets, numbered from 1, until there are `total` of them."""
    for first in range(1, total + 1, size):
        yield maker.batch(first, min(size, total + 1 - first))
