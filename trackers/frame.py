"""A frame on its way through the tracker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import supervision as sv

from trackers import gates
from trackers.config import TrackerConfig
from trackers.motion import Array
from trackers.pairs import Pairs

Indices = npt.NDArray[np.intp]

LARGEST = 1e6
"""Coordinates in pixels beyond which a box is not believed."""


@dataclass(slots=True)
class Frame:
    """A frame between `observe` and `update`: m usable boxes, and what they would cost the n tracks.

    Attributes:
        detections: As given.
        source: The rows of `detections` that are usable, shape `(m,)`.
        boxes: Their boxes x1, y1, x2, y2 in pixels, shape `(m, 4)`.
        scores: Their scores in [0, 1], shape `(m,)`.
        time: In seconds, as given.
        number: Index of the frame, as given.
        overlap: Intersection over union of the boxes that share an area, each with itself too.
        covered: Share of each box that a box in front hides, shape `(m,)`.
        cost: What a box costs a track, by motion alone, of the pairs that are possible; tracks in rows.
        match: The box of each track by motion alone, −1 where there is none, shape `(n,)`.
        crops: The boxes to embed, most useful first.
    """

    detections: sv.Detections
    source: Indices
    boxes: Array
    scores: Array
    time: float
    number: int
    overlap: Pairs
    covered: Array
    cost: Pairs
    match: Indices
    crops: Indices

    def owners(self, match: Indices) -> Indices:
        """The track of each box from the box of each track, −1 where there is none, shape `(m,)`."""
        owner = np.full(len(self.boxes), -1, np.intp)
        rows = np.flatnonzero(match >= 0)
        owner[match[rows]] = rows
        return owner


def usable(detections: sv.Detections, config: TrackerConfig) -> tuple[Indices, Array, Array]:
    """The rows of the detections that can be tracked, their boxes `(m, 4)` and their scores `(m,)` in [0, 1].

    Left out are boxes that are not finite, have no area or lie absurdly far out, scores that are NaN or below
    `config.low_score`, and parts: low-score boxes of which `config.part_share` or more lies in a trusted box. Detectors
    box a person twice, whole and in part, and the part would keep alive the track of somebody hidden behind. Detections
    without scores are all trusted.
    """
    boxes = np.asarray(detections.xyxy, np.float64).reshape(-1, 4)
    given = detections.confidence
    scores = np.ones(len(boxes)) if given is None else np.asarray(given, np.float64)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(boxes).all(axis=1) & (np.abs(boxes).max(axis=1, initial=0) <= LARGEST)
        good &= (boxes[:, 2:] - boxes[:, :2] > 0).all(axis=1) & (scores >= config.low_score)
        low, trusted = np.flatnonzero(good & (scores < config.high_score)), good & (scores >= config.high_score)
    good[low] = gates.inside(boxes[low], boxes[trusted]) < config.part_share
    source = np.flatnonzero(good)
    return source, boxes[source], np.clip(scores[source], 0.0, 1.0)
