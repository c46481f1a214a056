"""What the wall shows: a Protocol for cameras that are watched, with a picture of each and who is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

State = Literal["recorded", "live", "connecting", "stalled", "waiting", "ended", "missing"]

WIDTHS = (320, 480, 640, 960, 1280, 1920)
"""Widths in pixels in which pictures are sent: a few, so that one picture serves many browsers."""

QUALITY = 78
"""Of the JPEG, of 100."""


@dataclass(frozen=True)
class CameraView:
    """A camera as the wall knows it.

    Attributes:
        name: Its name.
        state: `recorded`; live: `live`, `connecting`, `stalled`, `waiting` or `ended`; `missing`: its recording is not
            at hand.
        width: Width of its frames in pixels; 0 where not known yet.
        height: Height, likewise.
        first: Time of its first frame, seconds since the epoch; None where there is none.
        last: Of its last frame, likewise.
        note: Why it is in that state; empty where nothing is to be said.
    """

    name: str
    state: State
    width: int
    height: int
    first: float | None
    last: float | None
    note: str = ""


@dataclass(frozen=True)
class ShownBox:
    """Somebody in a picture.

    Attributes:
        box: Left, top, width, height in source pixels.
        track: Number of their track in the camera.
        identity: Their number over all cameras; None where none was decided yet.
    """

    box: tuple[float, float, float, float]
    track: int
    identity: int | None


@dataclass(frozen=True)
class Shown:
    """A picture of a camera, and who is in it.

    Attributes:
        camera: Name of the camera.
        frame: 0-based frame number.
        time: Seconds since the epoch.
        width: Width of the source's frames in pixels: boxes are in these, whatever size the picture has.
        height: Their height.
        boxes: Who is in it.
        jpeg: The picture.
    """

    camera: str
    frame: int
    time: float
    width: int
    height: int
    boxes: tuple[ShownBox, ...]
    jpeg: bytes


class Wall(Protocol):
    """Cameras that are watched. Every method may be called from any thread.

    Attributes:
        recorded: Whether time is the viewer's to choose.
    """

    recorded: bool

    def cameras(self) -> list[CameraView]:
        """All cameras, by name, as they are now."""

    def show(self, camera: str, time: float | None, width: int, after: int = -1) -> Shown | None:
        """A picture of a camera.

        Args:
            camera: Its name.
            time: Seconds since the epoch: the frame shown at that time; None for the newest. Live walls show that.
            width: Wanted width in pixels; one of `WIDTHS` is given.
            after: Live, the frame that the viewer has: waits up to a second for a newer one.

        Returns:
            None where there is no picture at that time, or no newer one.

        Raises:
            InputError: If there is no such camera.
        """

    def frame(self, camera: str, index: int) -> Image:
        """A frame that `show` has given, in full, BGR `(h, w, 3)`.

        Raises:
            InputError: If there is no such camera, or the frame is not at hand any more.
        """

    def time(self, camera: str, index: int) -> float:
        """When a frame that `show` has given was taken, seconds since the epoch.

        Raises:
            InputError: As `frame` does.
        """

    def boxes(self, camera: str, index: int) -> tuple[ShownBox, ...]:
        """Who is in a frame that `show` has given.

        Raises:
            InputError: If there is no such camera, or, live, the frame is not at hand any more.
        """


def sent_width(wanted: int, width: int) -> int:
    """The width in which a picture `width` pixels wide is sent to somebody who wants `wanted`."""
    return min(width, next((each for each in WIDTHS if each >= wanted), WIDTHS[-1]))


def pack(shown: Shown) -> bytes:
    """A picture as it is sent to a page: the length of its JSON as four bytes, big-endian, the JSON, the JPEG.

    The JSON has `camera`, `frame`, `time`, `width`, `height`, `boxes`, and the JPEG's length as `bytes`.
    """
    facts = {name: getattr(shown, name) for name in ("camera", "frame", "time", "width", "height")}
    boxes = [asdict(box) for box in shown.boxes]
    return pack_facts({**facts, "boxes": boxes, "bytes": len(shown.jpeg)}) + shown.jpeg


def pack_facts(facts: Mapping[str, object]) -> bytes:
    """JSON with its length before it, as four bytes, big-endian."""
    head = json.dumps(facts).encode()
    return len(head).to_bytes(4, "big") + head


def encode(image: Image, width: int) -> bytes:
    """A BGR image as JPEG, made `width` pixels wide."""
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    if width != image.shape[1]:
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return data.tobytes()
