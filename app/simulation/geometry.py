"""Distances on the ground: from points to things and to walls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from app.simulation.world import PASSAGE, Area, Door, Kind, Thing

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROUND = (Kind.pillar, Kind.lamp)


def unit(angle: float) -> Floats:
    """The unit vector in a direction, `(2,)`."""
    return np.array([np.cos(angle), np.sin(angle)])


def middle(area: Area) -> Floats:
    """The middle of an area, `(2,)`."""
    return np.array([(area.left + area.right) / 2, (area.bottom + area.top) / 2])


def inside(points: Floats, area: Area, margin: float = 0.0) -> Bools:
    """Whether points (…, 2) are inside an area and at least `margin` metres from its edges, (…)."""
    x, y = points[..., 0], points[..., 1]
    across = (x >= area.left + margin) & (x <= area.right - margin)
    return across & (y >= area.bottom + margin) & (y <= area.top - margin)


def in_passage(points: Floats, door: Door, depth: float = PASSAGE) -> Bools:
    """Whether points (…, 2) are in the passage behind a door, up to `depth` metres from the opening, (…)."""
    ahead, aside = through(points, door)
    return (ahead <= 0) & (ahead >= -depth) & (np.abs(aside) <= door.width / 2)


def through(points: Floats, door: Door) -> tuple[Floats, Floats]:
    """Where points (…, 2) are as seen from a door: metres inwards, and metres to the left of who comes in, (…) each."""
    offset = points - np.asarray(door.position)
    ahead, left = unit(door.inwards), unit(door.inwards + np.pi / 2)
    return offset @ ahead, offset @ left


def thing_distance(points: Floats, thing: Thing) -> Floats:
    """Distance from points (…, 2) to the footprint of a thing in metres, negative inside, (…)."""
    offset = points - np.asarray(thing.centre)
    if thing.kind in ROUND:
        away: Floats = np.linalg.norm(offset, axis=-1) - thing.length / 2
        return away
    own = np.stack([offset @ unit(thing.yaw), offset @ unit(thing.yaw + np.pi / 2)], axis=-1)
    beyond = np.abs(own) - (thing.length / 2, thing.width / 2)
    outside = np.linalg.norm(np.maximum(beyond, 0), axis=-1)
    distance: Floats = outside + np.minimum(beyond.max(axis=-1), 0)
    return distance


def corners(thing: Thing) -> Floats:
    """Corners of a thing's footprint, of a round one of the square around it, `(4, 2)`."""
    own = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (thing.length / 2, thing.width / 2)
    at: Floats = own @ np.stack([unit(thing.yaw), unit(thing.yaw + np.pi / 2)]) + thing.centre
    return at


def clearance(points: Floats, area: Area, things: Iterable[Thing], doors: Sequence[Door]) -> Floats:
    """Distance from points (…, 2) to the nearest wall or thing in metres, (…).

    Doors are open, and so is the far end of the passages behind them.

    Args:
        points: Metres in the world.
        area: The area.
        things: Those that stand in it.
        doors: Its doors.

    Returns:
        Metres; negative inside a thing, and outside the area and its passages.
    """
    allowed = inside(points, area)
    for door in doors:
        allowed |= in_passage(points, door, PASSAGE + 1.0)
    nearest = np.full(points.shape[:-1], np.inf)
    for start, end in walls(area, doors):
        nearest = np.minimum(nearest, segment_distance(points, start, end))
    nearest = np.where(allowed, nearest, -nearest)
    for thing in things:
        nearest = np.minimum(nearest, thing_distance(points, thing))
    return nearest


def walls(area: Area, doors: Sequence[Door]) -> list[tuple[Floats, Floats]]:
    """The outer walls of an area less its doors, and the walls of the passages, as ends `(2,)` of straight pieces."""
    pieces = []
    edge_corners = np.array(
        [[area.left, area.bottom], [area.right, area.bottom], [area.right, area.top], [area.left, area.top]]
    )
    for start, end in zip(edge_corners, np.roll(edge_corners, -1, axis=0), strict=True):
        length = float(np.linalg.norm(end - start))
        along = (end - start) / length
        inwards = np.array([-along[1], along[0]])
        here = [door for door in doors if unit(door.inwards) @ inwards > 0.9]
        at = sorted((float((door.position - start) @ along), door.width / 2) for door in here)
        marks = [0.0, *(mark for place, half in at for mark in (place - half, place + half)), length]
        pieces += [
            (start + along * low, start + along * high) for low, high in zip(marks[::2], marks[1::2], strict=True)
        ]
        for place, half in at:
            for mark in (place - half, place + half):
                jamb = start + along * mark
                pieces.append((jamb, jamb - inwards * (PASSAGE + 1.0)))
    return pieces


def segment_distance(points: Floats, start: Floats, end: Floats) -> Floats:
    """Distance from points (…, 2) to the straight piece between two ends (2,), (…)."""
    along = end - start
    share = np.clip((points - start) @ along / max(float(along @ along), 1e-12), 0, 1)
    away: Floats = np.linalg.norm(points - start - share[..., None] * along, axis=-1)
    return away
