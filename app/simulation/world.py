"""The world: areas on one ground plane, things that stand in them, doors that join them, and cameras.

Metres, a right-handed frame with z up, the ground at z = 0. Angles in radians, counter-clockwise from the x axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.simulation.camera import Camera

Point = tuple[float, float]

PASSAGE = 1.5
"""Metres people are still there behind a door's opening, in a dark passage as wide as the door, before they vanish."""


class Ground(StrEnum):
    """What an area is, and so what its floor and surroundings look like."""

    plaza = "plaza"
    corridor = "corridor"
    hall = "hall"


class Kind(StrEnum):
    """What a thing is."""

    wall = "wall"
    pillar = "pillar"
    bench = "bench"
    kiosk = "kiosk"
    planter = "planter"
    lamp = "lamp"


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle people can walk in.

    Attributes:
        name: Unique, `[a-z0-9-]`.
        ground: What it is; corridors and halls have a ceiling, a plaza has the sky.
        left: Smallest x.
        bottom: Smallest y.
        right: Largest x.
        top: Largest y.
        height: Height of the ceiling, or of the buildings around a plaza.
    """

    name: str
    ground: Ground
    left: float
    bottom: float
    right: float
    top: float
    height: float


@dataclass(frozen=True, slots=True)
class Thing:
    """Something solid that stands on the ground: people walk around it and are hidden by it.

    Attributes:
        kind: What it is.
        area: Name of the area it stands in.
        centre: Of its footprint.
        length: Of its footprint along its own x axis.
        width: Of its footprint along its own y axis; of a pillar or lamp, as long as `length`: the diameter.
        height: Above the ground.
        yaw: Of its own x axis in the world. A kiosk's counter is at its own −y side: there people queue.
    """

    kind: Kind
    area: str
    centre: Point
    length: float
    width: float
    height: float
    yaw: float = 0.0


@dataclass(frozen=True, slots=True)
class Door:
    """A way in and out of an area, in one of its outer walls; behind it is a passage (`PASSAGE`).

    Attributes:
        name: Unique.
        area: Name of its area.
        position: Its middle, on the edge of the area.
        inwards: Direction of someone who comes in.
        width: Of the opening.
        leads_to: Name of the door at which who leaves here comes in again; none: the world outside.
        seconds: Time a walk to that door takes, unseen.
    """

    name: str
    area: str
    position: Point
    inwards: float
    width: float
    leads_to: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class World:
    """All there is but the people.

    Attributes:
        areas: Where people walk; they do not overlap.
        things: What stands there, inner walls included; the outer walls of an area are its edges, less its doors.
        doors: Ways in and out.
        cameras: What films it. Cameras in one area may see the same ground, cameras in different areas never do.
        sun: Unit vector towards the sun.
        seed: What it was made from.
    """

    areas: tuple[Area, ...]
    things: tuple[Thing, ...]
    doors: tuple[Door, ...]
    cameras: tuple[Camera, ...]
    sun: tuple[float, float, float]
    seed: int
