"""What an operator points at: a camera of a gallery, and a box in a frame of it, checked."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import InputError
from app.gallery import CameraRow, Gallery

EDGE = 2.0
"""Pixels that a box may reach over the frame's edge: rounding, not a mistake."""


@dataclass(frozen=True)
class BoxQuery:
    """A box in a stored camera's frame, checked.

    Attributes:
        camera: The camera, with the path of its source.
        frame: 0-based frame number.
        time: Time of that frame, seconds since the epoch, from the camera's start and rate (exact at constant rate).
        box: Left, top, right, bottom in source pixels, inside the frame.
    """

    camera: CameraRow
    frame: int
    time: float
    box: tuple[float, float, float, float]


def box_query(
    gallery: Gallery,
    camera: str,
    box: Sequence[float],
    *,
    frame: int | None = None,
    time: float | None = None,
) -> BoxQuery:
    """Checks a box that someone pointed at.

    Args:
        gallery: Where the camera is stored.
        camera: Name of the camera.
        box: Left, top, width, height in source pixels; it may reach over the frame's edge by 2 pixels, and is cut
            there.
        frame: 0-based frame number, or
        time: seconds since the epoch: the frame nearest to it. One of both is given.

    Returns:
        The camera, frame, time and box.

    Raises:
        InputError: If the camera is not in the gallery, or the frame, time or box is not in its video.
    """
    row = find_camera(gallery, camera)
    if (frame is None) == (time is None):
        raise InputError("give a frame number or a time, one of both")
    frame = _frame_at(row, time) if time is not None else _check_frame(row, frame or 0)
    moment = row.start + frame / row.rate if row.rate > 0 else row.start
    return BoxQuery(row, frame, moment, box_inside(row.name, (row.width, row.height), box))


def find_camera(gallery: Gallery, name: str) -> CameraRow:
    """The stored camera of that name.

    Raises:
        InputError: If there is none; the message names those there are, and the nearest.
    """
    known = {row.name: row for row in gallery.cameras()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    listed = ", ".join(known) or "none"
    raise InputError(f"camera {name!r}: not in {gallery.path}, which has {listed}{hint}")


def box_inside(camera: str, size: tuple[int, int], box: Sequence[float]) -> tuple[float, float, float, float]:
    """A box that someone pointed at, cut to its frame.

    Args:
        camera: Name of the camera, for the message.
        size: Width and height of its frames in pixels.
        box: Left, top, width, height in pixels; it may reach over the frame's edge by 2 pixels.

    Returns:
        Left, top, right, bottom.

    Raises:
        InputError: If it is no box, or not in the frame.
    """
    if len(box) != 4:
        raise InputError(f"box: expected left top width height, given {len(box)} numbers")
    left, top, width, height = (float(value) for value in box)
    given = f"box {left:g} {top:g} {width:g} {height:g}"
    if not all(math.isfinite(value) for value in (left, top, width, height)) or width <= 0 or height <= 0:
        raise InputError(f"{given}: width and height must be above 0; give left top width height in pixels")
    right, bottom = left + width, top + height
    if left < -EDGE or top < -EDGE or right > size[0] + EDGE or bottom > size[1] + EDGE:
        raise InputError(f"{given}: not inside the frame of camera {camera}, {size[0]} x {size[1]} pixels")
    cut = (max(left, 0.0), max(top, 0.0), min(right, float(size[0])), min(bottom, float(size[1])))
    if cut[2] - cut[0] < 1 or cut[3] - cut[1] < 1:
        raise InputError(f"{given}: smaller than a pixel; give left top width height in pixels")
    return cut


def _check_frame(camera: CameraRow, frame: int) -> int:
    if frame < 0 or 0 < camera.frame_count <= frame:
        last = f" to {camera.frame_count - 1}" if camera.frame_count > 0 else " and up"
        raise InputError(f"frame {frame}: camera {camera.name} has frames 0{last}; give one of them")
    return frame


def _frame_at(camera: CameraRow, time: float) -> int:
    if camera.rate <= 0 or camera.frame_count <= 0:
        raise InputError(f"time {time:.2f}: the frame rate of camera {camera.name} is not known; give a frame number")
    frame = round((time - camera.start) * camera.rate) if math.isfinite(time) else -1
    if not 0 <= frame < camera.frame_count:
        last = camera.start + (camera.frame_count - 1) / camera.rate
        span = f"{camera.start:.2f} to {last:.2f}"
        raise InputError(f"time {time:.2f}: camera {camera.name} was recorded from {span}; give a time in between")
    return frame
