"""Where cameras hang and how they see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from app.simulation.camera import Camera, Look
from app.simulation.geometry import Bools, Floats, middle, segment_distance
from app.simulation.world import Area, Door, Ground

PERSON = 1.7
"""Height of the person who is imagined at a place to see how large they are there, metres."""

SMALLEST_VIEW = 90 / 720
"""Share of the picture's height from which a person counts as well seen."""

LARGE_VIEW = 200 / 720
"""Share of the picture's height from which a person counts as large."""

DRAWS = 48
"""Sets of cameras drawn for an area; the best is taken."""

SIDES = ("bottom", "right", "top", "left")
HEIGHTS = {Ground.plaza: (4.2, 6.0), Ground.hall: (3.2, 4.4), Ground.corridor: (2.65, 2.95)}
FOCALS = {Ground.plaza: (700.0, 880.0), Ground.hall: (680.0, 820.0), Ground.corridor: (800.0, 960.0)}
"""Focal lengths in pixels of a picture of 1280 × 720."""

INSET = 0.35
"""Metres between a camera and the wall it hangs on."""


def place_cameras(
    area: Area,
    doors: Sequence[Door],
    names: list[str],
    size: tuple[int, int],
    looks: list[Look],
    random: np.random.Generator,
) -> list[Camera]:
    """Cameras on different walls of an area that together see much of it, and much of it twice.

    Args:
        area: Where they hang.
        doors: Its doors: between them people walk most.
        names: One a camera.
        size: Of their pictures.
        looks: One a camera.
        random: Decides.

    Returns:
        One camera a name.
    """
    spots = _spots(area)
    busy = 1.0 + 2.0 * _between(doors, spots)
    busy /= busy.sum()
    best: list[Camera] = []
    highest = -1.0
    for _ in range(DRAWS):
        sides = _sides(area.ground, len(names), random)
        drawn = [
            _camera(area, name, side, size, look, random) for name, side, look in zip(names, sides, looks, strict=True)
        ]
        tall = np.array([heights_seen(camera, spots) for camera in drawn])
        seen, near = tall >= SMALLEST_VIEW, tall >= LARGE_VIEW
        twice = min(0.5, float((seen.sum(axis=0) > 1) @ busy))
        score = float((seen @ busy).min() + 3 * (near @ busy).min() + seen.any(axis=0) @ busy) + twice
        if score > highest:
            best, highest = drawn, score
    return best


def heights_seen(camera: Camera, spots: Floats) -> Floats:
    """How large people would be at places (n, 2), as shares of the picture's height; 0 who would not be in it, `(n,)`.

    Feet may be a little below the picture's lower edge.
    """
    feet_and_heads = np.stack([np.pad(spots, ((0, 0), (0, 1)), constant_values=z) for z in (0, PERSON)])
    (feet, heads), depth = camera.project(feet_and_heads)
    width, height = camera.size
    framed = (feet[:, 0] > 0) & (feet[:, 0] < width) & (feet[:, 1] < 1.08 * height) & (heads[:, 1] > 0)
    return np.where(framed & (depth.min(axis=0) > 0.5), (feet[:, 1] - heads[:, 1]) / height, 0)


def _between(doors: Sequence[Door], spots: Floats) -> Bools:
    """Which places (n, 2) lie on the way from one door to another, `(n,)`."""
    on_way = np.zeros(len(spots), np.bool_)
    for start, end in combinations([np.asarray(door.position) for door in doors], 2):
        on_way |= segment_distance(spots, start, end) < 1.5
    return on_way


def looks(count: int, random: np.random.Generator) -> list[Look]:
    """How cameras render: each a different step of colour temperature, tint, exposure and so on."""

    def spread() -> Floats:
        """Different values in [-1, 1], evenly spread over the cameras."""
        steps = (np.arange(count) + random.uniform(0.3, 0.7)) / count * 2 - 1
        return random.permutation(steps)

    warm, tint, light, noise, blur, quality = (spread() for _ in range(6))
    return [
        Look(
            balance=(1 + 0.25 * float(warm[i]), 1 + 0.06 * float(tint[i]), 1 - 0.25 * float(warm[i])),
            exposure=float(2.0 ** (0.45 * light[i])),
            noise=2.4 + 1.2 * float(noise[i]),
            blur=0.7 + 0.35 * float(blur[i]),
            quality=round(30 + 3 * float(quality[i])),
        )
        for i in range(count)
    ]


def _spots(area: Area) -> Floats:
    """Places all over an area, `(n, 2)`."""
    across = np.arange(area.left + 0.5, area.right, 1.0)
    along = np.arange(area.bottom + 0.5, area.top, 1.0)
    return np.stack(np.meshgrid(across, along), axis=-1).reshape(-1, 2)


def _sides(ground: Ground, count: int, random: np.random.Generator) -> list[str]:
    """Another wall for each camera; in a corridor the ends."""
    choice = ("left", "right") if ground is Ground.corridor else SIDES
    return [str(side) for side in random.permutation(choice)[:count]]


def _camera(area: Area, name: str, side: str, size: tuple[int, int], look: Look, random: np.random.Generator) -> Camera:
    share = float(random.uniform(0.12, 0.88))
    if area.ground is Ground.corridor:
        share = float(random.choice([random.uniform(0.14, 0.24), random.uniform(0.76, 0.86)]))
    height = float(random.uniform(*HEIGHTS[area.ground]))
    across = area.left + INSET + share * (area.right - area.left - 2 * INSET)
    along = area.bottom + INSET + share * (area.top - area.bottom - 2 * INSET)
    at = {
        "bottom": (across, area.bottom + INSET),
        "top": (across, area.top - INSET),
        "left": (area.left + INSET, along),
        "right": (area.right - INSET, along),
    }[side]
    centre = middle(area)
    if area.ground is Ground.corridor:
        reach = random.uniform(6.5, 9.0)
        aim = np.array([at[0] + (reach if side == "left" else -reach), centre[1] + random.uniform(-0.3, 0.3)])
    else:
        aim = centre + random.uniform(-0.12, 0.12, 2) * (area.right - area.left, area.top - area.bottom)
    zoom = math.hypot(*size) / math.hypot(1280, 720)
    target = (float(aim[0]), float(aim[1]), float(random.uniform(0.7, 1.2)))
    focal = float(random.uniform(*FOCALS[area.ground])) * zoom
    return Camera(name, area.name, (float(at[0]), float(at[1]), height), target, focal, size, look)
