"""Which ground each camera sees, and which cameras see common ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from app.simulation.camera import Camera
from app.simulation.geometry import inside, thing_distance, unit
from app.simulation.world import Area, Thing, World

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STEP = 0.25
"""Metres between the points of ground that are looked at."""
LEAST_GROUND = 1.0
"""Square metres from which ground seen by two cameras counts as common: somebody can stand there."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two cameras that see common ground.

    Attributes:
        cameras: Their names, in the world's order.
        square_metres: Of ground that both see.
    """

    cameras: tuple[str, str]
    square_metres: float


def overlaps(world: World) -> tuple[Overlap, ...]:
    """All pairs of cameras that see at least `LEAST_GROUND` of the same ground, in the world's order."""
    seen: dict[str, Bools] = {}
    for area in world.areas:
        things = [thing for thing in world.things if thing.area == area.name]
        points = _free_ground(area, things)
        seen |= {each.name: sees(each, points, things) for each in world.cameras if each.area == area.name}
    pairs = [
        Overlap((one.name, other.name), float(np.sum(seen[one.name] & seen[other.name])) * STEP**2)
        for one, other in combinations(world.cameras, 2)
        if one.area == other.area
    ]
    return tuple(pair for pair in pairs if pair.square_metres >= LEAST_GROUND)


def _free_ground(area: Area, things: Sequence[Thing]) -> Floats:
    """Points of an area a step apart where somebody can be, (n, 2)."""
    x = np.arange(area.left + STEP / 2, area.right, STEP)
    y = np.arange(area.bottom + STEP / 2, area.top, STEP)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    free = inside(points, area)
    for thing in things:
        free &= thing_distance(points, thing) > 0
    return points[free]


def sees(camera: Camera, points: Floats, things: Sequence[Thing]) -> Bools:
    """Whether a camera sees points on the ground: they are in its picture and no thing stands before them.

    Args:
        camera: The camera.
        points: (n, 2) metres.
        things: What stands in its area; round things count as the square around them.

    Returns:
        (n,)
    """
    ground = np.column_stack([points, np.zeros(len(points))])
    pixels, depth = camera.project(ground)
    seen = (depth > 0) & ((pixels >= 0) & (pixels <= camera.size)).all(axis=1)
    for thing in things:
        seen[seen] &= ~_hides(thing, camera.position, ground[seen])
    return np.asarray(seen)


def _hides(thing: Thing, eye: tuple[float, float, float], points: Floats) -> Bools:
    """Whether the straight lines from an eye to points (n, 3) pass through a thing, (n,)."""
    axes = np.stack([np.append(unit(thing.yaw), 0), np.append(unit(thing.yaw + np.pi / 2), 0), (0.0, 0.0, 1.0)])
    middle = np.array([*thing.centre, thing.height / 2])
    half = np.array([thing.length, thing.width, thing.height]) / 2
    start, end = (np.asarray(eye) - middle) @ axes.T, (points - middle) @ axes.T
    step = np.where(np.abs(end - start) < 1e-12, 1e-12, end - start)
    # Shares of the way at which a line enters and leaves the slab between two opposite faces, for all three pairs.
    faces = np.stack([(-half - start) / step, (half - start) / step])
    enters, leaves = faces.min(axis=0).max(axis=1), faces.max(axis=0).min(axis=1)
    return np.asarray((enters < leaves) & (leaves > 0) & (enters < 1 - 1e-9))
