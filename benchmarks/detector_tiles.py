"""People found over overlapping tiles of an enlarged or reduced frame, by a detector whose input is small and fixed.

A frame of 1920×1080 at 640 pixels loses small people; tiles of it at its own size cut large ones. So a frame is looked
at in several sizes, boxes that a tile's border cuts are dropped (another tile or size has them whole), and what is left
is merged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from app.detector import Detector
from trackers.gates import area, intersection, iou

Image = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float64]

TILE = 640
"""Side of a tile in pixels: the input of the detector that labels."""

OVERLAP = 240
"""Least overlap of neighbouring tiles in pixels: people narrower than that are whole in one of them."""

LONGER_SIDES = (640, 1280, 1920)
"""Longer sides to which a frame is brought, in pixels; none more than `ENLARGED` times its own."""

ENLARGED = 2.0
BORDER = 4.0
"""Pixels of the tile within which a box counts as cut."""

SAME = 0.55
"""Overlap (intersection over union) from which boxes of two tiles are one person."""

PART = 0.85
"""Share of a box inside a surer one of another tile from which it is taken for a part of that person."""


def tile_starts(length: int) -> list[int]:
    """Where tiles begin along a side of `length` pixels: evenly spread, `OVERLAP` or more in common."""
    count = 1 if length <= TILE else math.ceil((length - OVERLAP) / (TILE - OVERLAP))
    return [round(start) for start in np.linspace(0, max(length - TILE, 0), count)]


def find_tiled(detector: Detector, image: Image) -> tuple[Boxes, Boxes]:
    """People of a frame, found in tiles.

    Args:
        detector: The detector.
        image: BGR, (h, w, 3).

    Returns:
        Boxes left, top, right, bottom in pixels of the frame (n, 4), and confidences (n,), highest first.
    """
    height, width = image.shape[:2]
    boxes, scores = [np.zeros((0, 4))], [np.zeros(0)]
    for side in (side for side in LONGER_SIDES if side <= ENLARGED * max(height, width)):
        scale = side / max(height, width)
        small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        for found, sure in _in_tiles(detector, np.asarray(small, np.uint8)):
            boxes.append(found / scale)
            scores.append(sure)
    return merge(np.concatenate(boxes), np.concatenate(scores))


def _in_tiles(detector: Detector, image: Image) -> list[tuple[Boxes, Boxes]]:
    height, width = image.shape[:2]
    found = []
    for top in tile_starts(height):
        for left in tile_starts(width):
            tile = image[top : top + TILE, left : left + TILE]
            (people,) = detector.detect([np.ascontiguousarray(tile)])
            boxes = people.xyxy.astype(np.float64) + np.array([left, top, left, top])
            window = (left, top, left + tile.shape[1], top + tile.shape[0])
            keep = whole(boxes, window, (width, height))
            found.append((boxes[keep], np.asarray(people.confidence, np.float64)[keep]))
    return found


def whole(boxes: Boxes, window: Sequence[int], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which boxes (n, 4) no border of their tile cuts; the picture's own borders do not count.

    Args:
        boxes: In pixels of the picture.
        window: The tile: left, top, right, bottom.
        size: Of the picture: width, height.
    """
    left, top, right, bottom = window
    cut = (left > 0) & (boxes[:, 0] < left + BORDER)
    cut |= (top > 0) & (boxes[:, 1] < top + BORDER)
    cut |= (right < size[0]) & (boxes[:, 2] > right - BORDER)
    cut |= (bottom < size[1]) & (boxes[:, 3] > bottom - BORDER)
    return ~cut


def merge(boxes: Boxes, scores: Boxes) -> tuple[Boxes, Boxes]:
    """One box a person from those of all tiles: the surest; less sure ones that are the same or a part of it go.

    Args:
        boxes: (n, 4).
        scores: (n,).

    Returns:
        Boxes and scores that are left, highest first.
    """
    order = np.argsort(-scores, kind="stable")
    boxes, scores = boxes[order], scores[order]
    part = intersection(boxes, boxes) / np.maximum(area(boxes), 1e-9)[:, None]
    same = (iou(boxes, boxes) > SAME) | ((part > PART) & (scores[:, None] < 0.5 * scores[None, :]))
    kept: list[int] = []
    for row in range(len(boxes)):
        if not same[row, kept].any():
            kept.append(row)
    return boxes[kept], scores[kept]
