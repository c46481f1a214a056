"""How much of each person's box shows, from the boxes alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

POINTS = (24, 12)
"""Rows and columns of points that a box is looked at by; the share is exact to about 0.02."""


def visible_shares(
    frames: npt.NDArray[np.int64], boxes: npt.NDArray[np.float64], width: int, height: int, lead: float = 0.0
) -> npt.NDArray[np.float64]:
    """Share of each box inside the picture and not under a nearer box of its frame; the lower bottom edge is nearer.

    Feet about equally low do not tell who is nearer: a positive `lead` then counts neither as covered, a negative both.

    Args:
        frames: Frame of each box, `(n,)`.
        boxes: Left, top, right, bottom in pixels, `(n, 4)`.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        lead: By how much of a box's height another must end lower to cover it.

    Returns:
        0 to 1, `(n,)`.
    """
    shares = np.ones(len(boxes))
    for frame in np.unique(frames):
        rows = np.flatnonzero(frames == frame)
        shares[rows] = _in_frame(boxes[rows], width, height, lead)
    return shares


def _in_frame(boxes: npt.NDArray[np.float64], width: int, height: int, lead: float) -> npt.NDArray[np.float64]:
    down, across = ((np.arange(count) + 0.5) / count for count in POINTS)
    # Points (n, rows, 1) and (n, 1, columns): inside a box is inside both of its ranges.
    y = (boxes[:, 1:2] + (boxes[:, 3:] - boxes[:, 1:2]) * down)[:, :, None]
    x = (boxes[:, 0:1] + (boxes[:, 2:3] - boxes[:, 0:1]) * across)[:, None, :]
    within_y = (y[:, None] >= boxes[None, :, 1, None, None]) & (y[:, None] < boxes[None, :, 3, None, None])
    within_x = (x[:, None] >= boxes[None, :, 0, None, None]) & (x[:, None] < boxes[None, :, 2, None, None])
    nearer = boxes[None, :, 3] > (boxes[:, 3] + lead * (boxes[:, 3] - boxes[:, 1]))[:, None]
    np.fill_diagonal(nearer, False)
    covered = (within_y & within_x & nearer[:, :, None, None]).any(axis=1)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return np.asarray((inside & ~covered).mean(axis=(1, 2)), np.float64)
