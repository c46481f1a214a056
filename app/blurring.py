"""Making people in a video unrecognisable: who is blurred, where, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from trackers.evaluation import Rows
from trackers.gates import iou

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Boxes = npt.NDArray[np.float32]

CELLS = (4, 8)
"""Across and down: all that is left of a person is this many colours, whatever their size in the picture."""

MARGIN = 0.15
"""Share of a box's width and height by which it is blurred beyond its edges: boxes cut off hair, hands and feet."""

LEAST_MARGIN = 3.0
"""The same in pixels, at least."""

HELD = 0.5
"""Seconds for which a box is blurred before and after it was seen: detectors miss people for a frame or two."""

OWN = 0.5
"""Overlap (intersection over union) with somebody's box from which a detection may be theirs."""


@dataclass(slots=True)
class Sightings:
    """Everything in a recording that may be a person, whether anybody is known there or not.

    Detection runs ahead of tracking in a thread of its own; each writes frames of its own into a list of its own.
    """

    _boxes: dict[int, Boxes] = field(default_factory=dict)
    _expected: dict[int, Boxes] = field(default_factory=dict)
    _times: dict[int, float] = field(default_factory=dict)

    def detected(self, frame: int, time: float, boxes: npt.NDArray[np.number]) -> None:
        """Notes all detections of a frame, the unlikely ones included, `(n, 4)`."""
        self._times[frame] = time
        self._boxes[frame] = np.array(boxes, np.float32)

    def expected(self, frame: int, boxes: npt.NDArray[np.number]) -> None:
        """Notes where people are expected in a frame whom nobody saw in it, `(n, 4)`."""
        self._expected[frame] = np.array(boxes, np.float32)

    def detections(self, frame: int) -> Boxes:
        """The detections noted of a frame, `(n, 4)`."""
        return self._boxes.get(frame, np.zeros((0, 4), np.float32))

    def areas(self, rows: Rows, keep: Iterable[int], frames: int) -> list[Floats]:
        """What to blur in each frame.

        Errs on the safe side: a detection stays clear only where it is a kept person's box and nobody else's, and
        where somebody else's box covers a kept person, it is blurred.

        Args:
            rows: Boxes of identities; frames from 1.
            keep: Identities that stay clear.
            frames: How many frames there are.

        Returns:
            Boxes `(n, 4)` for each frame, left, top, right, bottom.
        """
        edges = np.searchsorted(rows.frames, np.arange(1, frames + 2))
        kept = np.isin(rows.ids, list(keep))
        nobody = np.zeros((0, 4), np.float32)
        found: list[Floats] = []
        for frame in range(frames):
            here = slice(edges[frame], edges[frame + 1])
            boxes = np.concatenate([self.detections(frame), self._expected.get(frame, nobody)]).astype(np.float64)
            strangers = boxes[~_is_kept(boxes, rows.boxes[here], kept[here])]
            found.append(np.concatenate([strangers, rows.boxes[here][~kept[here]]]))
        return self._held(found)

    def _held(self, found: list[Floats]) -> list[Floats]:
        """Each frame's boxes with those of the frames just before and after it."""
        times = np.array([self._times.get(frame, np.nan) for frame in range(len(found))])
        # A frame that did not decode is never drawn; it lies at the time of the one before.
        known = np.flatnonzero(~np.isnan(times))
        if not len(known):
            return found
        last = known[np.maximum(np.searchsorted(known, np.arange(len(times)), side="right") - 1, 0)]
        times = np.maximum.accumulate(times[last])
        first = np.minimum(np.searchsorted(times, times - HELD), np.maximum(np.arange(len(times)) - 1, 0))
        end = np.maximum(np.searchsorted(times, times + HELD, side="right"), np.arange(len(times)) + 2)
        return [np.concatenate(found[a:b]) for a, b in zip(first.tolist(), end.tolist(), strict=True)]


def _is_kept(boxes: Floats, known: Floats, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which of n boxes are those of kept people: they overlap no other known box more."""
    if not kept.any():
        return np.zeros(len(boxes), np.bool_)
    overlap = iou(boxes, known)
    nearest = overlap.argmax(axis=1)
    return np.asarray((overlap.max(axis=1) >= OWN) & kept[nearest], np.bool_)


def pixelated(image: Image, boxes: npt.NDArray[np.floating]) -> Image:
    """A copy of an image in which nothing of what is inside boxes is left but a few mean colours.

    The cells are a share of the box, so that a face close by is left no more than a figure far away, and they move
    with the box, so that frame after frame shows the same means and not finer ones. Several pictures have the same
    means: nothing can bring back which it was.

    Args:
        image: BGR, `(h, w, 3)`.
        boxes: Left, top, right, bottom in pixels, `(n, 4)`; they may reach beyond the image.
    """
    result = image.copy()
    if not len(boxes):
        return result
    grown = np.unique(_grown(np.asarray(boxes, np.float64), image.shape[1], image.shape[0]), axis=0)
    sides = grown[:, 2:] - grown[:, :2]
    grown = grown[(sides > 0).all(axis=1)]
    # The largest last: a small box inside a large one has finer cells.
    for left, top, right, bottom in grown[np.argsort(np.prod(grown[:, 2:] - grown[:, :2], axis=1), kind="stable")]:
        width, height = int(right - left), int(bottom - top)
        cells = (min(CELLS[0], -(-width // 4)), min(CELLS[1], -(-height // 4)))
        means = cv2.resize(image[top:bottom, left:right], cells, interpolation=cv2.INTER_AREA)
        result[top:bottom, left:right] = cv2.resize(means, (width, height), interpolation=cv2.INTER_NEAREST)
    return result


def _grown(boxes: Floats, width: int, height: int) -> npt.NDArray[np.int64]:
    sides = boxes[:, 2:] - boxes[:, :2]
    margin = np.maximum(MARGIN * sides, LEAST_MARGIN)
    low, high = np.floor(boxes[:, :2] - margin), np.ceil(boxes[:, 2:] + margin)
    size = np.array([width, height])
    return np.concatenate([np.clip(low, 0, size), np.clip(high, 0, size)], axis=1).astype(np.int64)
