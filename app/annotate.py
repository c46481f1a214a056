"""Drawing people with their identity's colour and number."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import supervision as sv

COLOURS = 32
"""Identities with colours of their own; the next ones start again at the first colour."""


class Annotator:
    """Draws boxes with identity numbers. An identity has one colour in all cameras and all runs.

    Args:
        height: Height of the images in pixels; lines and numbers are sized to it.
    """

    def __init__(self, height: int) -> None:
        thickness = max(round(height / 360), 2)  # one pixel fades where yuv420p halves the colours
        fills, texts = _palettes()
        self._boxes = sv.BoxAnnotator(color=fills, thickness=thickness, color_lookup=sv.ColorLookup.TRACK)
        scale, weight, padding = max(height / 1200, 0.4), max(round(height / 400), 1), max(round(height / 270), 2)
        self._labels = sv.LabelAnnotator(
            color=fills,
            text_color=texts,
            text_scale=scale,
            text_thickness=weight,
            text_padding=padding,
            color_lookup=sv.ColorLookup.TRACK,
        )
        (digit, line), _ = cv2.getTextSize("0", cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
        self._digit, self._label_height, self._padding = digit, line + 2 * padding, padding

    def draw(
        self, image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.floating], identities: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.uint8]:
        """A copy of an image with people drawn on it.

        Args:
            image: BGR, shape (h, w, 3).
            boxes: Left, top, right, bottom in pixels, shape (n, 4).
            identities: Identity numbers, 0 or above, shape (n,).
        """
        if len(boxes) == 0:
            return image.copy()
        # The nearest, who stand lowest in the image, are drawn last and so on top.
        order = np.argsort(boxes[:, 3], kind="stable")
        numbers = np.asarray(identities, dtype=int)[order]
        texts = [str(number) for number in numbers]
        corners = np.asarray(boxes, dtype=np.float32)[order]
        drawn = self._boxes.annotate(image.copy(), _people(corners, numbers))
        return self._labels.annotate(
            drawn, _people(self._anchors(corners, texts, image.shape[1]), numbers), labels=texts
        )

    def _anchors(self, boxes: npt.NDArray[np.float32], texts: list[str], width: int) -> npt.NDArray[np.float32]:
        """The boxes, moved where a label above their left corner would leave the image of that width."""
        anchors = boxes.copy()
        needed = np.array([len(text) for text in texts]) * self._digit + 2 * self._padding
        anchors[:, 0] = np.clip(boxes[:, 0], 0, np.maximum(width - needed, 0))
        anchors[:, 1] = np.maximum(boxes[:, 1], self._label_height)
        return anchors


def _people(boxes: npt.NDArray[np.float32], numbers: npt.NDArray[np.int_]) -> sv.Detections:
    return sv.Detections(xyxy=boxes, class_id=np.zeros(len(boxes), dtype=int), tracker_id=numbers)


def identity_colour(identity: int) -> tuple[int, int, int]:
    """The colour of an identity: red, green, blue, 0 to 255 each."""
    red, green, blue = _colours()[identity % COLOURS]
    return int(red), int(green), int(blue)


@cache
def _colours() -> npt.NDArray[np.uint8]:
    """Well-distinguishable colours, RGB, shape (COLOURS, 3).

    Each is the one of a grid of vivid colours farthest, in CIE Lab, from those before it and from greys, which are the
    colours of streets.
    """
    steps = np.array([0, 64, 128, 192, 255], dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = cv2.cvtColor((grid[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    vivid = (np.linalg.norm(lab[:, 1:], axis=1) > 45) & (lab[:, 0] > 35)
    grid, lab = grid[vivid], lab[vivid]
    nearest = np.linalg.norm(lab[:, 1:], axis=1)
    chosen: list[int] = []
    for _ in range(COLOURS):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
    return np.asarray(grid[chosen], dtype=np.uint8)


@cache
def _palettes() -> tuple[sv.ColorPalette, sv.ColorPalette]:
    """Colours of boxes, and of the numbers on them: black on light, white on dark."""
    colours = _colours()
    light = colours @ np.array([0.299, 0.587, 0.114]) > 128
    fills = [sv.Color(*(int(value) for value in colour)) for colour in colours]
    return sv.ColorPalette(fills), sv.ColorPalette([sv.Color.BLACK if one else sv.Color.WHITE for one in light])
