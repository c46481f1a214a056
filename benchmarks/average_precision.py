"""Average precision of person boxes at an overlap of 0.5, with places that count neither way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.detector_labels import Boxes, Labels
from trackers.gates import area, intersection, iou

OVERLAP = 0.5
"""Intersection over union from which a detection finds a person."""

COVERED = 0.5
"""Share of a detection inside a place that counts neither way from which it counts neither way itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of the detections of one or more frames.

    Attributes:
        scores: (n,) confidences of the detections that count.
        found: (n,) whether each finds a person nobody surer has found.
        people: Number of people that count.
    """

    scores: Boxes
    found: npt.NDArray[np.bool_]
    people: int


def match(boxes: Boxes, scores: Boxes, truth: Labels, least: float = 0.0) -> Outcome:
    """Detections of one frame against its truth.

    In order of confidence, each detection takes the person it overlaps most of those still free. What takes nobody
    and lies on a place that counts neither way, or is too low, is left out.

    Args:
        boxes: (n, 4).
        scores: (n,).
        truth: Of the frame.
        least: Height in pixels below which a detection that finds nobody counts neither way, and so does a person.
    """
    low = _heights(truth.people) < least
    truth = Labels(truth.people[~low], np.concatenate([truth.unsure, truth.people[low]]))
    order = np.argsort(-scores, kind="stable")
    boxes, scores = boxes[order], scores[order]
    overlaps = iou(boxes, truth.people)
    found = np.zeros(len(boxes), bool)
    if len(truth.people):
        for row in range(len(boxes)):
            best = int(overlaps[row].argmax())
            if overlaps[row, best] >= OVERLAP:
                found[row] = True
                overlaps[:, best] = -1
    inside = intersection(boxes, truth.unsure) / np.maximum(area(boxes), 1e-9)[:, None]
    # As with people, a box much smaller than the place is on it, and one that fits it is too.
    unsure = (inside >= COVERED).any(axis=1) | (iou(boxes, truth.unsure) >= OVERLAP).any(axis=1)
    counts = found | ~(unsure | (_heights(boxes) < least))
    return Outcome(scores[counts], found[counts], len(truth.people))


def _heights(boxes: Boxes) -> Boxes:
    return np.asarray(boxes[:, 3] - boxes[:, 1])


def join(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcomes of several frames as one, highest confidence first."""
    scores = np.concatenate([each.scores for each in outcomes])
    order = np.argsort(-scores, kind="stable")
    found = np.concatenate([each.found for each in outcomes])[order]
    return Outcome(scores[order], found, sum(each.people for each in outcomes))


def average_precision(outcome: Outcome) -> float:
    """Area under the curve of precision over recall, in per cent.

    Precision at a recall is the best at that recall or a higher one (PASCAL VOC from 2010 on). NaN without people.
    """
    if outcome.people == 0:
        return float("nan")
    right = np.cumsum(outcome.found)
    precision = right / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(100 * best[outcome.found].sum() / outcome.people)


def at_confidence(outcome: Outcome, confidence: float) -> tuple[float, float]:
    """Precision and recall, in per cent, of detections from a confidence on; precision is NaN without any."""
    taken = outcome.found[outcome.scores >= confidence]
    precision = 100 * float(taken.mean()) if len(taken) else float("nan")
    return precision, 100 * float(taken.sum()) / outcome.people if outcome.people else float("nan")
