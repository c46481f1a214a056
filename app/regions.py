"""Which parts of a camera's picture count."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from app.config import CameraConfig, Polygon

FARTHEST = 2**20
"""Pixels from the picture's corner beyond which a corner of a polygon is taken to be there."""


def _filled(polygons: list[Polygon], width: int, height: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        corners = np.clip(np.round(np.array(polygon)), -FARTHEST, FARTHEST)
        cv2.fillPoly(mask, [corners.astype(np.int32)], (1,))
    return mask.astype(bool)


class Regions:
    """A camera's `ignore` and `interest` polygons, drawn once into a mask so that a box costs one look-up.

    Args:
        camera: The camera's configuration.
        width: Of its frames, in pixels.
        height: Of its frames, in pixels.
    """

    def __init__(self, camera: CameraConfig, width: int, height: int) -> None:
        self._counts: npt.NDArray[np.bool_] | None = None
        if camera.ignore or camera.interest:
            inside = _filled(camera.interest, width, height) if camera.interest else np.ones((height, width), bool)
            self._counts = inside & ~_filled(camera.ignore, width, height)

    def keep(self, boxes: npt.NDArray[np.number]) -> npt.NDArray[np.bool_]:
        """Whether each person counts, by the feet: the middle of the box's lower edge.

        Args:
            boxes: Left, top, right, bottom in pixels, `(n, 4)`.
        """
        if self._counts is None:
            return np.ones(len(boxes), bool)
        height, width = self._counts.shape
        x = np.clip((boxes[:, 0] + boxes[:, 2]) / 2, 0, width - 1).astype(np.intp)
        y = np.clip(boxes[:, 3], 0, height - 1).astype(np.intp)
        inside: npt.NDArray[np.bool_] = self._counts[y, x]
        return inside
