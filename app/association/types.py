"""What goes into association and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trackers.tracklet import Tracklet

Status = Literal["linked", "unknown"]


@dataclass(frozen=True, eq=False)
class CameraTracklet:
    """A tracklet and the camera that saw it.

    Attributes:
        camera: Name of the camera.
        tracklet: Its record; `track_id` is unique within the camera.
    """

    camera: str
    tracklet: Tracklet

    @property
    def key(self) -> tuple[str, int]:
        """Camera name and track number: names the tracklet among those of all cameras."""
        return self.camera, self.tracklet.track_id


@dataclass(frozen=True)
class Stay:
    """From when to when an identity has tracklets in a camera; in between it may have been elsewhere.

    Attributes:
        identity: Number of the identity.
        camera: Name of the camera.
        first: First time, seconds since the epoch.
        last: Last time.
    """

    identity: int
    camera: str
    first: float
    last: float


@dataclass(frozen=True)
class Link:
    """Why two groups of tracklets became one identity.

    Attributes:
        first: Camera and track number of a tracklet in one group: together with `second` the closest two of the groups.
        second: Camera and track number of its counterpart in the other group.
        distance: Distance of those two tracklets, [0, 2].
        linkage: Distance of the two groups, [0, 2]: what was compared with the threshold.
    """

    first: tuple[str, int]
    second: tuple[str, int]
    distance: float
    linkage: float


@dataclass(frozen=True, eq=False)
class Identity:
    """One person over all cameras.

    Attributes:
        number: 1-based, in the order of first appearance (time, then camera, then track number).
        status: `linked` where several tracklets were joined; `unknown` for a tracklet linked to no other.
        members: The tracklets, in order of first appearance.
        links: The joins that made it, in the order they were made; one fewer than members.
        nearest: Distance to the nearest tracklet outside that the identity could have been linked with, or None
            where there is none.
        reason: One line for people: why the tracklets were linked, or why one was not.
    """

    number: int
    status: Status
    members: tuple[CameraTracklet, ...]
    links: tuple[Link, ...]
    nearest: float | None
    reason: str
