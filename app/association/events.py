"""What the online associator reports: who appeared, moved on, left, and which decisions it has changed."""

from __future__ import annotations

from dataclasses import dataclass

Key = tuple[str, int]
"""Camera name and track number."""


@dataclass(frozen=True)
class Appeared:
    """A person is seen for the first time, or again after they had left.

    Attributes:
        number: The identity.
        time: When they were first seen, seconds since the epoch.
        tracklet: Camera and track number.
        again: Whether they had left before.
    """

    number: int
    time: float
    tracklet: Key
    again: bool = False


@dataclass(frozen=True)
class Moved:
    """A person is seen by another camera than before; they may still be in view of the first one.

    Attributes:
        number: The identity.
        time: When the other camera first saw them, seconds since the epoch.
        tracklet: Its name and the track number there.
        origin: Name of the camera that saw them before.
    """

    number: int
    time: float
    tracklet: Key
    origin: str


@dataclass(frozen=True)
class Merged:
    """Two identities turned out to be one person.

    Attributes:
        number: The identity that goes on.
        time: When this was found, by the clock given.
        taken: The identity that ends; its number is never given again.
        tracklets: Those that were its own.
        reason: One line for people.
    """

    number: int
    time: float
    taken: int
    tracklets: tuple[Key, ...]
    reason: str


@dataclass(frozen=True)
class Split:
    """Some tracklets of an identity turned out to be somebody else.

    Attributes:
        number: The identity that loses them.
        time: When this was found, by the clock given.
        into: The identity that has them now, new or known before.
        tracklets: Which ones.
        reason: One line for people.
    """

    number: int
    time: float
    into: int
    tracklets: tuple[Key, ...]
    reason: str


@dataclass(frozen=True)
class Left:
    """A person was not seen for long.

    Attributes:
        number: The identity.
        time: When they were last seen, seconds since the epoch.
        tracklet: Camera and track number of where that was.
    """

    number: int
    time: float
    tracklet: Key


Event = Appeared | Moved | Merged | Split | Left


@dataclass(frozen=True)
class Visit:
    """One stop on a person's route.

    Attributes:
        camera: Name of the camera.
        first: When it first saw them there, seconds since the epoch.
        last: When it last saw them.
        tracklets: Numbers of the tracks in that camera, in order of time.
    """

    camera: str
    first: float
    last: float
    tracklets: tuple[int, ...]
