"""How the camera moved from one picture to the next, seen in what is not people.

Corners of a small grey picture (Shi and Tomasi, "Good Features to Track", 1994), away from people, are followed by
pyramidal Lucas-Kanade (Bouguet, 2000), and the similarity most of them agree on (RANSAC) is the camera's motion.

Cameras mostly stand still, and seeing that must cost next to nothing. So a picture is first compared with an earlier
one, the anchor, at a few corners of full size, by one step of Lucas-Kanade: where half of them have not moved, nothing
has. The anchor stays for as long as that holds. Compared with it, not with the picture before, motion too slow to be
seen from one picture to the next adds up until it is seen, and noise does not add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from trackers.frame import LARGEST
from trackers.gates import Mask
from trackers.motion import Affine, Array

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]

SMALL = 320
"""Longer side in pixels of the small picture."""

LEAST_SIDE = 32
"""Shorter side in pixels of the small picture below which nothing is to be seen in it."""

STILL = 8e-4
"""Motion that counts as none, over the longer side of the picture: one and a half pixels of 1920.

Above what standing cameras seem to move, by noise and compression (`python -m benchmarks.camera_motion`), and less
than a detector's boxes are off.
"""

CORNERS = 200
"""Most corners followed."""

APART = 6
"""Least distance of corners in pixels of the small picture."""

WINDOW, LEVELS = (15, 15), 3
"""Pixels of the small picture around a corner by which it is followed, and how often both are halved for that."""

LEAST_CORNERS = 12
"""Corners without which nobody can tell."""

AGREED = 0.4
"""Share of the corners that must agree on a motion."""

WIDE = 0.12
"""Least standard deviation of the places of those that agree, over the picture's sides, along x or y.

All in one place say little. A strip between people, from top to bottom, says all of a similarity.
"""

OFF = 0.5
"""Pixels of the small picture by which corners that agree may be off."""

OFF_SHARE = 0.1
"""The same as a share of the motion: the farther the picture moves, the less is a similarity all of it."""

LARGEST_ZOOM, LARGEST_TURN, LARGEST_SHIFT = 1.25, 0.3, 0.5
"""Zoom, turn in radians and shift over the picture's sides, beyond which two pictures agree by chance."""

WITNESSES = 64
"""Corners looked at in full size."""

REACH = 7
"""Pixels around a corner that are looked at in full size: a square of twice as many and one."""

CLEAR = 3.0
"""Least change of grey from pixel to pixel, along its weakest direction, of a corner looked at in full size."""

MARGIN = 0.05
"""Room around people, over the height of their boxes: shadows, and limbs the box has cut."""


class CameraMotion:
    """Gives the camera's motion from each picture to the next.

    The same pictures and boxes give the same motion bit for bit.
    """

    def __init__(self) -> None:
        self._anchor: _Anchor | None = None
        self._pending = np.eye(2, 3)

    def __call__(self, image: Image, boxes: npt.NDArray[Any]) -> Affine | None:
        """The motion since the last picture that had one, or since the first.

        Args:
            image: The next picture, BGR, shape `(h, w, 3)`, uint8.
            boxes: People in it, x1, y1, x2, y2 in pixels, shape `(n, 4)`: what moves there is not the camera.

        Returns:
            Map `(2, 3)` from pixels of the picture before to pixels of this one. None where the camera stands still,
            and where nobody can tell: in the first picture, at a cut, in the dark, among people only.
        """
        people = _with_margin(boxes)
        anchor = self._anchor
        if anchor is not None and anchor.shape != image.shape:
            anchor = self._anchor = None
        if anchor is not None and anchor.agrees(image, people):
            return None
        small = _small(image)
        if small is None:
            self._anchor = None
            return None
        found = None if anchor is None else anchor.followed(small, people)
        fresh = _Anchor(image.shape, small, people)
        if found is None and len(fresh.corners) < LEAST_CORNERS:
            # A dark or blank picture. What comes after it is compared with what was before.
            return None
        self._anchor = fresh
        total = np.eye(2, 3) if found is None else _after(self._pending, found)
        if found is not None and _length(total, image.shape) <= STILL * max(image.shape[:2]):
            self._pending = total
            fresh.look_closely(image)
            return None
        self._pending = np.eye(2, 3)
        return None if found is None else total


class _Anchor:
    """A picture that later ones are compared with.

    Args:
        shape: Of the picture.
        small: The small picture of it.
        people: Boxes `(n, 4)` in the picture's pixels, in which no corner is taken.
    """

    def __init__(self, shape: tuple[int, ...], small: Image, people: Array) -> None:
        self.shape = shape
        self._small = small
        self._size = np.array([shape[1] / small.shape[1], shape[0] / small.shape[0]])
        free = _free(small.shape, people / np.tile(self._size, 2))
        found = cv2.goodFeaturesToTrack(small, CORNERS, 0.01, APART, mask=free)
        self.corners: Points = np.asarray([] if found is None else found, np.float32).reshape(-1, 2)
        self._witnesses: _Witnesses | None = None

    def look_closely(self, image: Image) -> None:
        """Takes corners of the picture in full size, by which `agrees` can tell."""
        self._witnesses = _Witnesses.of(image, self._full(self.corners))

    def agrees(self, image: Image, people: Array) -> bool:
        """Whether a picture shows that the camera has not moved since; False where nobody can tell."""
        if self._witnesses is None:
            return False
        moved = self._witnesses.moved(image, people)
        return len(moved) >= LEAST_CORNERS and bool(np.median(moved) <= STILL * max(self.shape[:2]))

    def followed(self, small: Image, people: Array) -> Affine | None:
        """The similarity from this picture's pixels to those of a later small picture; None where nobody can tell."""
        if len(self.corners) < LEAST_CORNERS:
            return None
        after, status, _ = cv2.calcOpticalFlowPyrLK(
            self._small, small, self.corners, self.corners.copy(), winSize=WINDOW, maxLevel=LEVELS
        )
        start, end = self._full(self.corners), self._full(np.asarray(after, np.float32))
        seen = (np.ravel(status) > 0) & ~_inside(end, people)
        return _similarity(start[seen], end[seen], self.shape, float(self._size.mean()))

    def _full(self, points: Points) -> Array:
        """Points of the small picture in pixels of the whole one; both count from the middle of the first pixel."""
        return np.asarray((points + 0.5) * self._size - 0.5, np.float64)


@dataclass(frozen=True)
class _Witnesses:
    """Corners of a picture in full size.

    Attributes:
        places: In whole pixels x, y, shape `(k, 2)`.
        pixels: Numbers of the squares' pixels in the flat picture, green ones, shape `(k, s)`.
        grey: Their values, shape `(k, s)`, float32.
        solve: The step of Lucas-Kanade: a change of grey to a motion in pixels x, y, shape `(k, 2, s)`.
    """

    places: Array
    pixels: npt.NDArray[np.intp]
    grey: npt.NDArray[np.float32]
    solve: npt.NDArray[np.float32]

    @classmethod
    def of(cls, image: Image, corners: Array) -> _Witnesses:
        """Those of the corners `(n, 2)`, best first, that lie inside the picture and are clear enough."""
        height, width = image.shape[:2]
        places = np.rint(corners).astype(np.intp)
        room = REACH + 1
        inside = ((places >= room) & (places < np.array([width, height]) - room)).all(axis=1)
        places = places[inside][:WITNESSES]
        around = np.arange(-room, room + 1)
        rows, columns = places[:, 1, None, None] + around[:, None], places[:, 0, None, None] + around
        flat = (rows * width + columns) * 3 + 1
        grey = image.reshape(-1)[flat].astype(np.float32)
        slopes = np.stack([grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2], grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]], axis=1) / 2
        slopes = slopes.reshape(len(places), 2, (2 * REACH + 1) ** 2)
        # Without their mean they do not see the light change.
        slopes -= slopes.mean(axis=2, keepdims=True)
        power = slopes @ slopes.transpose(0, 2, 1)
        clear = np.linalg.eigvalsh(power)[:, 0] >= CLEAR**2 * slopes.shape[2]
        square = (slice(None), slice(1, -1), slice(1, -1))
        solve = np.asarray(-np.linalg.inv(power[clear]) @ slopes[clear], np.float32)
        return cls(
            places[clear].astype(np.float64),
            flat[square].reshape(len(places), -1)[clear],
            grey[square].reshape(len(places), -1)[clear],
            solve,
        )

    def moved(self, image: Image, people: Array) -> Array:
        """How far those that no person hides seem to have moved, in pixels, shape `(m,)`.

        Right for a pixel or two; beyond, it is wrong but hardly small.
        """
        free = ~_inside(self.places, people)
        change = image.reshape(-1)[self.pixels[free]] - self.grey[free]
        step = np.einsum("kcs,ks->kc", self.solve[free], change)
        return np.asarray(np.hypot(step[:, 0], step[:, 1]), np.float64)


def _small(image: Image) -> Image | None:
    """The picture small and grey; None if it is too small for anything to be seen in it."""
    height, width = image.shape[:2]
    share = min(1.0, SMALL / max(height, width))
    size = round(width * share), round(height * share)
    if min(size) < LEAST_SIDE:
        return None
    return np.asarray(cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), size, interpolation=cv2.INTER_AREA), np.uint8)


def _with_margin(boxes: npt.NDArray[Any]) -> Array:
    """The boxes that can be believed, with room around them."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    boxes = boxes[np.all(np.abs(boxes) <= LARGEST, axis=1) & np.all(boxes[:, 2:] > boxes[:, :2], axis=1)]
    room = MARGIN * (boxes[:, 3:] - boxes[:, 1:2])
    return np.concatenate([boxes[:, :2] - room, boxes[:, 2:] + room], axis=1)


def _inside(points: Array, boxes: Array) -> Mask:
    """Which points `(k, 2)` lie in one of the boxes `(n, 4)`, shape `(k,)`."""
    inside = (points[:, None] >= boxes[None, :, :2]) & (points[:, None] <= boxes[None, :, 2:])
    return np.asarray(np.any(np.all(inside, axis=2), axis=1))


def _free(shape: tuple[int, ...], boxes: Array) -> Image:
    """255 where none of the boxes is, else 0, shape `(h, w)`."""
    height, width = shape
    left, right = (np.clip(np.rint(boxes[:, column]), 0, width).astype(np.intp) for column in (0, 2))
    top, bottom = (np.clip(np.rint(boxes[:, row]), 0, height).astype(np.intp) for row in (1, 3))
    count = np.zeros((height + 1, width + 1), np.int32)
    # Each box is a step up at two of its corners and down at the others; sums along both sides fill it.
    for rows, columns, step in ((top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1)):
        np.add.at(count, (rows, columns), step)
    covered = count.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
    return np.where(covered > 0, 0, 255).astype(np.uint8)


def _similarity(start: Array, end: Array, shape: tuple[int, ...], unit: float) -> Affine | None:
    """The similarity that most points agree on; None where too few do, or what they say is no camera's motion.

    Args:
        start: Points in the picture before, `(k, 2)`, in pixels.
        end: The same points in the picture after.
        shape: Of both pictures.
        unit: Pixels of the picture in one of the small picture.
    """
    if len(start) < LEAST_CORNERS:
        return None
    off = max(OFF * unit, OFF_SHARE * float(np.median(np.hypot(*(end - start).T))))
    # OpenCV draws its samples from the same seed each time.
    found, agreed = cv2.estimateAffinePartial2D(start, end, method=cv2.RANSAC, ransacReprojThreshold=off)
    if found is None or not np.isfinite(found).all():
        return None
    sides = np.array([shape[1], shape[0]], np.float64)
    chosen = start[np.ravel(agreed) > 0]
    if len(chosen) < max(LEAST_CORNERS, AGREED * len(start)) or float((chosen.std(axis=0) / sides).max()) < WIDE:
        return None
    zoom, turn = np.hypot(found[0, 0], found[1, 0]), np.arctan2(found[1, 0], found[0, 0])
    middle = sides / 2
    shift = found[:, :2] @ middle + found[:, 2] - middle
    likely = abs(np.log(zoom)) <= np.log(LARGEST_ZOOM) and abs(turn) <= LARGEST_TURN
    return np.asarray(found, np.float64) if likely and (np.abs(shift) <= LARGEST_SHIFT * sides).all() else None


def _after(first: Affine, second: Affine) -> Affine:
    """The map that is the first, then the second."""
    return np.concatenate([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2:] + second[:, 2:]], axis=1)


def _length(by: Affine, shape: tuple[int, ...]) -> float:
    """How far a map moves a picture's pixels: the root of the mean of the squares over all of them."""
    sides = np.array([shape[1], shape[0]], np.float64)
    change = by[:, :2] - np.eye(2)
    middle = change @ (sides / 2) + by[:, 2]
    return float(np.sqrt((middle**2).sum() + (change**2 @ (sides**2 / 12)).sum()))
