"""Which boxes can belong to which track: overlap, expected place and reach."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trackers.motion import Array, to_centre
from trackers.pairs import Pairs, touching

Mask = npt.NDArray[np.bool_]


def intersection(first: Array, second: Array) -> Array:
    """Area shared by every pair of boxes x1, y1, x2, y2, in square pixels, shape `(n, m)`."""
    width = np.minimum(first[:, None, 2], second[None, :, 2])
    width -= np.maximum(first[:, None, 0], second[None, :, 0])
    height = np.minimum(first[:, None, 3], second[None, :, 3])
    height -= np.maximum(first[:, None, 1], second[None, :, 1])
    np.maximum(width, 0, out=width)
    np.maximum(height, 0, out=height)
    width *= height
    return width


def area(boxes: Array) -> Array:
    """Areas of boxes x1, y1, x2, y2 in square pixels, shape `(n,)`."""
    size = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(size[:, 0] * size[:, 1])


def _over_union(shared: Array, first: Array, second: Array) -> Array:
    total = area(first)[:, None] + area(second)[None, :] - shared
    return np.asarray(np.divide(shared, total, out=np.zeros_like(shared), where=total > 0))


def iou(first: Array, second: Array) -> Array:
    """Intersection over union of every pair of boxes x1, y1, x2, y2, shape `(n, m)`, in [0, 1]."""
    return _over_union(intersection(first, second), first, second)


def paired_iou(first: Array, second: Array) -> Array:
    """Intersection over union of boxes `(k, 4)` and their partners `(k, 4)`, shape `(k,)`, in [0, 1]."""
    size = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    shared = np.maximum(size[:, 0], 0) * np.maximum(size[:, 1], 0)
    total = area(first) + area(second) - shared
    return np.asarray(np.divide(shared, total, out=np.zeros_like(shared), where=total > 0))


def overlapping(first: Array, second: Array) -> Pairs:
    """Pairs of boxes x1, y1, x2, y2 that share an area, with their intersection over union, in (0, 1]."""
    return _overlaps(touching(first, second), first, second)


def _overlaps(shared: Pairs, first: Array, second: Array) -> Pairs:
    total = area(first)[shared.rows] + area(second)[shared.columns] - shared.values
    return Pairs(shared.rows, shared.columns, shared.values / total)


def crowd(boxes: Array, trusted: Mask) -> tuple[Pairs, Array]:
    """How the boxes of one frame lie over each other.

    A person whose feet are lower in the picture stands nearer to the camera, hence in front.

    Args:
        boxes: Boxes x1, y1, x2, y2, shape `(m, 4)`, with areas above 0.
        trusted: The boxes that are certainly people, who can hide others, shape `(m,)`.

    Returns:
        The pairs that share an area, those of a box with itself too, with their intersection over union, in (0, 1],
        and the largest share of each box that one trusted box in front of it hides, shape `(m,)`, in [0, 1].
    """
    shared = touching(boxes, boxes)
    hidden = shared[trusted[shared.columns] & (boxes[shared.columns, 3] > boxes[shared.rows, 3])]
    return _overlaps(shared, boxes, boxes), hidden.greatest(len(boxes)) / area(boxes)


def inside(boxes: Array, others: Array) -> Array:
    """The largest share of each box `(k, 4)` that lies in one of the others `(m, 4)`, shape `(k,)`, in [0, 1]."""
    return np.asarray(touching(boxes, others).greatest(len(boxes)) / area(boxes))


def expanded(boxes: Array, margin: Array) -> Array:
    """Boxes grown on every side by `margin`, `(n, 2)` pixels in x and y."""
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def deviation(position: Array, spread: Array, boxes: Array) -> Array:
    """How far boxes are from where their tracks expect them, in standard deviations.

    Args:
        position: Expected centre x, centre y, width and height of each pair's track, shape `(k, 4)`.
        spread: Their standard deviations, shape `(k, 4)`, > 0.
        boxes: Each pair's box, x1, y1, x2, y2, shape `(k, 4)`.

    Returns:
        The Mahalanobis distance over the four coordinates, shape `(k,)`: for a box of the track, its square follows χ²
        with 4 degrees of freedom.
    """
    return np.asarray(np.linalg.norm((to_centre(boxes) - position) / spread, axis=1))


def reachable(position: Array, scale: Array, elapsed: Array, speed: float, boxes: Array) -> Mask:
    """Whether a person could have walked from a track's expected place to each box.

    Args:
        position: Expected centre x, centre y, width and height, shape `(n, 4)`.
        scale: Heights in pixels, shape `(n, 1)`.
        elapsed: Seconds since each track was seen, shape `(n,)`.
        speed: Fastest walk in heights per second.
        boxes: Boxes x1, y1, x2, y2, shape `(m, 4)`.

    Returns:
        Shape `(n, m)`: centres within one height plus the walk, and heights within a factor that grows from 1.5 to 3.
    """
    seen = to_centre(boxes)
    gap = np.hypot(seen[None, :, 0] - position[:, None, 0], seen[None, :, 1] - position[:, None, 1])
    near = gap <= scale * (1 + speed * elapsed[:, None])
    ratio = np.abs(np.log(seen[None, :, 3] / np.maximum(scale, 1e-9)))
    return np.asarray(near & (ratio <= np.log(np.minimum(1.5 + 0.25 * elapsed, 3.0))[:, None]))
