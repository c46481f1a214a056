"""What the gallery gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reid_model.features import FloatArray


@dataclass(frozen=True)
class CameraRow:
    """A camera, or the file that stands for one.

    Attributes:
        name: Its name: letters, digits, - and _.
        source: Absolute path of the video or image folder, or the address of a live camera.
        start: Time of the first frame, seconds since the epoch.
        width: Frame width in pixels.
        height: Frame height in pixels.
        rate: Frames a second; 0 where unknown.
        frame_count: Frames processed; 0 where unknown.
    """

    name: str
    source: str
    start: float
    width: int
    height: int
    rate: float
    frame_count: int


@dataclass(frozen=True, eq=False)
class TrackletRow:
    """One person in one camera.

    Attributes:
        camera: Name of the camera.
        track: Number of the track in that camera.
        frames: 0-based frame numbers, `(n,)`, int64.
        times: Seconds since the epoch, `(n,)`, float64.
        boxes: Left, top, right, bottom in source pixels, `(n, 4)`, float32.
        scores: Detection scores, `(n,)`, float32 in [0, 1].
        identity: Number of the identity, or None where none was decided.
    """

    camera: str
    track: int
    frames: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    boxes: FloatArray
    scores: FloatArray
    identity: int | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """One exemplar of a tracklet, without its vectors and picture.

    Attributes:
        id: Key in the store: what `Gallery.crops` takes.
        camera: Name of the camera.
        track: Number of the track in that camera.
        frame: 0-based frame number.
        time: Seconds since the epoch.
        box: Left, top, right, bottom in source pixels.
        mass: Saliency mass of the crop, [0, 1].
        span: First and last time of the tracklet, seconds since the epoch.
        identity: Number of the identity, or None where none was decided.
        status: Status of the identity, `linked` or `unknown`, or None.
    """

    id: int
    camera: str
    track: int
    frame: int
    time: float
    box: tuple[float, float, float, float]
    mass: float
    span: tuple[float, float]
    identity: int | None
    status: str | None


@dataclass(frozen=True)
class IdentityRow:
    """A person over all cameras.

    Attributes:
        number: Its number, from 1.
        status: `linked` or `unknown`.
        tracklets: Camera and track number of each member, in order of appearance.
    """

    number: int
    status: str
    tracklets: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class AuditEntry:
    """Something that was done with the gallery.

    Attributes:
        time: Seconds since the epoch.
        who: User name.
        action: What was done, such as `search`.
        details: What is needed to understand it.
    """

    time: float
    who: str
    action: str
    details: dict[str, object]
