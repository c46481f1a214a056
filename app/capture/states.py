"""What is told about a live camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["connecting", "live", "stalled", "waiting", "ended"]
Change = Literal["online", "offline", "changed"]


@dataclass(frozen=True, slots=True)
class CameraState:
    """How a camera is doing.

    Attributes:
        name: Name of the camera.
        state: connecting; live: frames come; stalled: they stopped coming, it is connected anew in a moment; waiting:
            it could not be had, and is tried again; ended: a file that was played to its end.
        since: Seconds since the epoch from which it has been in this state.
        frame_age: Seconds since the latest frame was decoded; None before the first.
        frames_in: Frames that came, converted or not.
        analysed: Frames that were handed out.
        dropped: Converted frames that were not handed out, by reason: `replaced` by a newer one, `stale`, `torn`; and
            `late`: came too late to be decoded, behind a backlog.
        reconnects: How often it has been connected to again after frames had come.
        restarts: How often its decoding process had crashed.
        width: Width of its latest frame in pixels; 0 before the first.
        height: Height of its latest frame in pixels; 0 before the first.
        codec: Name of the codec, such as h264; empty before the first frame.
        fps_in: Frames a second that come, over the last seconds; 0 where it is not live.
        reason: Why it is not live, one line without secrets; empty where it is.
        unrecorded: Why it is not recorded although it should be, one line; empty where it is, or is not to be.
    """

    name: str
    state: State
    since: float
    frame_age: float | None
    frames_in: int
    analysed: int
    dropped: Mapping[str, int]
    reconnects: int
    restarts: int
    width: int
    height: int
    codec: str
    fps_in: float
    reason: str
    unrecorded: str = ""


@dataclass(frozen=True, slots=True)
class CameraNotice:
    """Something happened to a camera.

    Attributes:
        camera: Its name.
        kind: online: frames come; offline: they do not any more, or never did; changed: another size or codec.
        time: Seconds since the epoch.
        reason: One line, without secrets.
    """

    camera: str
    kind: Change
    time: float
    reason: str
