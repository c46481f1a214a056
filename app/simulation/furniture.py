"""Things for an area, placed so that they hide people at times but leave every way open."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from app.simulation.camera import Camera
from app.simulation.geometry import Floats, corners, inside, thing_distance, through, unit
from app.simulation.world import Area, Door, Ground, Kind, Thing

WALKWAY = 2.2
"""Metres left open between things, and between them and walls they do not stand at."""

DOOR_ROOM = {Ground.plaza: 3.6, Ground.hall: 3.0, Ground.corridor: 2.2}
"""Metres left open around a door's middle; benches and planters right at a wall may be a metre nearer."""

QUEUE_ROOM = 4.5
"""Metres left open in front of a kiosk's counter."""

NEAREST_VIEW = (4.5, 1.8)
"""Metres from a camera within which nothing tall stands in its view: at least, and more for each metre of length."""

SETS: dict[Ground, tuple[tuple[Kind, int], ...]] = {
    Ground.plaza: ((Kind.kiosk, 2), (Kind.pillar, 3), (Kind.planter, 3), (Kind.bench, 4), (Kind.lamp, 3)),
    Ground.hall: ((Kind.kiosk, 1), (Kind.wall, 1), (Kind.pillar, 3), (Kind.planter, 2), (Kind.bench, 2)),
    Ground.corridor: ((Kind.pillar, 2), (Kind.bench, 2), (Kind.planter, 1)),
}
"""What each kind of ground holds, in the order in which it is placed."""

TRIES = 120


def furnish(area: Area, doors: Sequence[Door], cameras: Sequence[Camera], random: np.random.Generator) -> list[Thing]:
    """Things that leave room for doors, walkways, queues and cameras.

    Args:
        area: Where they stand.
        doors: Its doors.
        cameras: Those that hang in it.
        random: Decides.

    Returns:
        Fewer things than the set of this ground where it has no room for them.
    """
    placed: list[Thing] = []
    for kind, count in SETS[area.ground]:
        for _ in range(count):
            for _ in range(TRIES):
                thing = _draw(kind, area, random)
                if _fits(thing, area, placed, doors, cameras):
                    placed.append(thing)
                    break
    return placed


def counter(kiosk: Thing) -> tuple[Floats, Floats]:
    """Middle of a kiosk's counter and the direction away from it, `(2,)` each."""
    away = unit(kiosk.yaw - np.pi / 2)
    return np.asarray(kiosk.centre) + away * kiosk.width / 2, away


def _draw(kind: Kind, area: Area, random: np.random.Generator) -> Thing:
    """One thing anywhere in an area; in a corridor at a wall."""
    length, width, height = _measures(kind, area, random)
    turn = int(random.integers(4)) * math.pi / 2
    if area.ground is Ground.plaza and kind is Kind.kiosk:
        turn += float(random.uniform(-0.4, 0.4))
    if area.ground is not Ground.corridor:
        x = float(random.uniform(area.left, area.right))
        y = float(random.uniform(area.bottom, area.top))
        return Thing(kind, area.name, (x, y), length, width, height, turn)
    x = float(random.uniform(area.left + 2, area.right - 2))
    gap = width / 2 + 0.04
    y = area.bottom + gap if random.integers(2) else area.top - gap
    return Thing(kind, area.name, (x, y), length, width, height, 0.0)


def _measures(kind: Kind, area: Area, random: np.random.Generator) -> tuple[float, float, float]:
    """Length, width and height of a thing."""
    narrow = area.ground is Ground.corridor
    if kind is Kind.pillar:
        across = float(random.uniform(0.35, 0.45) if narrow else random.uniform(0.45, 0.65))
        return across, across, float(random.uniform(2.8, 4.0)) if area.ground is Ground.plaza else area.height
    if kind is Kind.lamp:
        return 0.18, 0.18, float(random.uniform(3.8, 4.6))
    if kind is Kind.bench:
        return float(random.uniform(1.6, 2.2)), 0.45, 0.46
    if kind is Kind.planter:
        return float(random.uniform(1.0, 1.8)), 0.45 if narrow else 0.7, float(random.uniform(0.9, 1.3))
    if kind is Kind.kiosk:
        return float(random.uniform(2.0, 2.6)), 1.6, float(random.uniform(2.3, 2.7))
    return float(random.uniform(2.2, 3.2)), 0.2, 2.4


def _outline(thing: Thing) -> Floats:
    """Points around a thing's footprint, `(8, 2)`."""
    turning = corners(thing)
    return np.concatenate([turning, (turning + np.roll(turning, 1, axis=0)) / 2])


def _fits(thing: Thing, area: Area, placed: Sequence[Thing], doors: Sequence[Door], cameras: Sequence[Camera]) -> bool:
    outline = _outline(thing)
    if area.ground is not Ground.corridor and not _off_walls(thing, outline, area):
        return False
    for other in placed:
        gap = min(thing_distance(outline, other).min(), thing_distance(_outline(other), thing).min())
        if gap < WALKWAY or (other.kind is Kind.kiosk and thing_distance(_queue(other), thing).min() < 1.0):
            return False
    if thing.kind is Kind.kiosk and not _queue_open(thing, area, placed):
        return False
    room = DOOR_ROOM[area.ground] - float(not inside(outline, area, 0.3).all())
    return not any(_near_door(outline, door, room) for door in doors) and not any(
        _in_view(thing, each) for each in cameras
    )


def _off_walls(thing: Thing, outline: Floats, area: Area) -> bool:
    """Whether there is a walkway between a thing and the walls; benches and planters may stand right at them."""
    if inside(outline, area, WALKWAY).all():
        return True
    edge = np.array([area.left, area.bottom]) - outline, outline - np.array([area.right, area.top])
    gap = -max(float(side.max()) for side in edge)
    return thing.kind in (Kind.bench, Kind.planter) and 0.02 < gap < 0.25


def _queue(kiosk: Thing) -> Floats:
    """Places along the queue in front of a kiosk, `(n, 2)`."""
    start, away = counter(kiosk)
    return start + away * np.arange(0.3, QUEUE_ROOM, 0.5)[:, None]


def _queue_open(kiosk: Thing, area: Area, placed: Sequence[Thing]) -> bool:
    queue = _queue(kiosk)
    return bool(inside(queue, area, 1.2).all()) and all(thing_distance(queue, other).min() > 1.0 for other in placed)


def _near_door(outline: Floats, door: Door, room: float) -> bool:
    ahead, aside = through(outline, door)
    return bool((np.hypot(ahead, aside) < room).any())


def _in_view(thing: Thing, camera: Camera) -> bool:
    """Whether a thing stands where a camera hangs, or is tall and close in front of it."""
    at = np.asarray(camera.position[:2])
    distance = float(thing_distance(at, thing))
    if distance < 0.8:
        return True
    if thing.height < 1.4 or distance > NEAREST_VIEW[0] + NEAREST_VIEW[1] * thing.length:
        return False
    axis = np.arctan2(camera.target[1] - at[1], camera.target[0] - at[0])
    offset = _outline(thing) - at
    turned = np.angle(np.exp(1j * (np.arctan2(offset[:, 1], offset[:, 0]) - axis)))
    return bool((np.abs(turned) < math.atan2(camera.size[0] / 2, camera.focal) + 0.1).any())
