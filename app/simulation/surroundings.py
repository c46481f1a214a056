"""What encloses an area: its floor, outer walls with their doors, ceiling and lamps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.simulation import materials
from app.simulation.facades import house_front, inner_wall
from app.simulation.meshes import Bytes, Floats
from app.simulation.solids import Surface, box, rectangle
from app.simulation.world import Area, Door, Ground

DOOR_HEIGHT = 2.4
"""Of an opening, metres; lower where the wall is lower."""

RECESS = 3.0
"""Metres a dark passage goes on behind an opening."""

LAMP_SPACING = 4.0
"""Metres between lamps on a ceiling, about."""

PANEL = 0.6
"""Side of a ceiling's panels, and of its lamps, metres."""

APRON = 0.4
"""Metres the floor goes on beyond the walls, below them."""


def surrounding_surfaces(area: Area, doors: Sequence[Door], seed: int) -> list[Surface]:
    """Floor, outer walls and ceiling of an area.

    Args:
        area: The area.
        doors: Those of the area.
        seed: What differs from area to area.
    """
    random = np.random.default_rng([seed, 1])
    found = [_floor(area, random)]
    left, bottom, right, top = area.left, area.bottom, area.right, area.top
    # Clockwise, so that who walks along a wall in its direction has the area on their right; seen from inside that
    # is from left to right.
    corners = [(right, bottom), (left, bottom), (left, top), (right, top)]
    for side in range(4):
        start, end = np.array(corners[side]), np.array(corners[(side + 1) % 4])
        found += _outer_wall(area, start, end, doors, random)
    if area.ground is not Ground.plaza:
        found += _ceiling(area, random)
    return found


def lamp_places(area: Area) -> Floats:
    """(m, 3) where the lamps of an area's ceiling are; none under the sky."""
    if area.ground is Ground.plaza:
        return np.zeros((0, 3), np.float32)
    x, y = (_spread(low, high) for low, high in ((area.left, area.right), (area.bottom, area.top)))
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.column_stack([grid, np.full(len(grid), area.height)]).astype(np.float32)


def _spread(low: float, high: float) -> Floats:
    count = max(1, round((high - low) / LAMP_SPACING))
    return (low + (np.arange(count) + 0.5) * (high - low) / count).astype(np.float32)


def _floor(area: Area, random: np.random.Generator) -> Surface:
    textures: dict[Ground, tuple[Bytes, float, float]] = {
        Ground.plaza: _paving(random),
        Ground.corridor: (materials.plain((150, 146, 138), random, 1024, 6), 4.0, 0.25),
        Ground.hall: (materials.slabs((172, 166, 156), random, (6, 6), joint=2, variation=4, grain=3), 3.6, 0.35),
    }
    texture, scale, gloss = textures[area.ground]
    reach = APRON if area.ground is Ground.plaza else RECESS
    corner = (area.left - reach, area.bottom - reach, 0.0)
    across, up = area.right - area.left + 2 * reach, area.top - area.bottom + 2 * reach
    reach_floor = rectangle(corner, (across, 0, 0), (0, up, 0), texture, (scale, scale), gloss)
    return Surface(reach_floor, floor=True, casts=False)


def _paving(random: np.random.Generator) -> tuple[Bytes, float, float]:
    choice = random.integers(3)
    if choice == 0:
        return materials.slabs((158, 154, 146), random, (8, 8), joint=3), 4.0, 0.05
    if choice == 1:
        return materials.slabs((150, 138, 124), random, (8, 16), joint=3, offset=True, variation=9), 3.2, 0.05
    return materials.slabs((140, 140, 138), random, (4, 4), joint=4, variation=5, grain=7), 4.0, 0.05


def _outer_wall(
    area: Area, start: Floats, end: Floats, doors: Sequence[Door], random: np.random.Generator
) -> list[Surface]:
    """One wall with openings, and the passages behind them."""
    length = float(np.linalg.norm(end - start))
    along = (end - start) / length
    inwards = np.array([along[1], -along[0]])
    openings = []
    for door in doors:
        offset = np.asarray(door.position) - start
        if abs(offset @ inwards) < 0.3 and -0.1 <= offset @ along <= length + 0.1:
            middle = float(offset @ along)
            openings.append((max(0.0, middle - door.width / 2), min(length, middle + door.width / 2)))
    openings.sort()
    outdoors = area.ground is Ground.plaza
    picture = (
        house_front(length, area.height, random) if outdoors else inner_wall(length, area.height, openings, random)
    )
    head = min(DOOR_HEIGHT, area.height)
    parts = []
    place = 0.0
    for first, last in openings:
        parts.append((place, first, 0.0, area.height))
        parts.append((first, last, head, area.height))
        place = last
    parts.append((place, length, 0.0, area.height))
    found = [
        _part(start, along, span, area.height, length, picture)
        for span in parts
        if span[1] - span[0] > 1e-6 and span[3] - span[2] > 1e-6
    ]
    for opening in openings:
        found += _passage(start, along, inwards, opening, head, random)
    return found


def _part(
    start: Floats, along: Floats, span: tuple[float, float, float, float], height: float, length: float, picture: Bytes
) -> Surface:
    """A rectangular part of a wall: from, to, low, high; the picture spans the whole wall."""
    first, last, low, high = span
    corner = np.append(start + along * first, low)
    mesh = rectangle(
        corner, np.append(along * (last - first), 0.0), (0, 0, high - low), picture, (length, height), 0.05
    )
    mesh.uv[:] += np.array([first / length, -low / height], np.float32)
    return Surface(mesh)


def _passage(
    start: Floats,
    along: Floats,
    inwards: Floats,
    opening: tuple[float, float],
    head: float,
    random: np.random.Generator,
) -> list[Surface]:
    """The dark passage behind an opening, and its frame."""
    first, last = opening
    wall = materials.plain((120, 116, 110), random)
    floor = materials.plain((104, 100, 96), random)
    frame = materials.plain((84, 82, 80), random, grain=2)
    left, right = np.append(start + along * first, 0.0), np.append(start + along * last, 0.0)
    back, up = np.append(-inwards * RECESS, 0.0), np.array([0, 0, head])
    across = right - left
    metres = (2.0, 2.0)
    sides = [
        rectangle(left, back, up, wall, metres),
        rectangle(left + back, across, up, wall, metres),
        rectangle(right + back, -back, up, wall, metres),
        rectangle(left + up + back, across, -back, wall, metres),
    ]
    found = [Surface(each) for each in sides]
    # A little above the floor of the area, which indoors goes on below it.
    found.append(
        Surface(rectangle(left + np.array([0, 0, 0.004]), across, back, floor, metres), floor=True, casts=False)
    )
    yaw = float(np.arctan2(along[1], along[0]))
    out = np.append(inwards, 0) * 0.02
    found += [Surface(box(at + out, (0.1, 0.14, head), yaw, frame, (1.0, 1.0))) for at in (left, right)]
    middle = (left + right) / 2 + np.append(inwards * 0.02, head - 0.05)
    width = float(np.linalg.norm(across)) + 0.1
    found.append(Surface(box(middle, (width, 0.14, 0.1), yaw, frame, (1.0, 1.0))))
    return found


def _ceiling(area: Area, random: np.random.Generator) -> list[Surface]:
    panels = materials.slabs((206, 204, 198), random, (8, 8), joint=5, variation=2, grain=2)
    corner = (area.left - 0.1, area.top + 0.1, area.height)
    across, up = area.right - area.left + 0.2, area.top - area.bottom + 0.2
    found = [Surface(rectangle(corner, (across, 0, 0), (0, -up, 0), panels, (8 * PANEL, 8 * PANEL)))]
    glass = materials.plain((250, 250, 244), random, grain=1)
    for x, y, z in lamp_places(area):
        corner = (x - PANEL, y + PANEL / 2, z - 0.01)
        mesh = rectangle(corner, (2 * PANEL, 0, 0), (0, -PANEL, 0), glass, (1.0, 1.0))
        found.append(Surface(mesh, glow=4.0))
    return found
