"""Worlds for any number of cameras: plazas, halls and corridors, joined by doors."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import cycle

import numpy as np

from app.simulation.camera import Camera
from app.simulation.checks import check_world
from app.simulation.config import SimulationConfig
from app.simulation.furniture import furnish
from app.simulation.viewpoints import looks, place_cameras
from app.simulation.world import Area, Door, Ground, Thing, World

__all__ = ["check_world", "make_world"]

SITES = ((Ground.plaza, 2), (Ground.hall, 1), (Ground.corridor, 1), (Ground.plaza, 3), (Ground.hall, 2))
"""Areas and how many cameras film each, repeated until every camera has its place."""

SPACING = 60.0
"""Metres between the lower left corners of neighbouring areas."""

AREAS_A_ROW = 6

MEASURES = {Ground.plaza: (24.0, 18.0, 9.0), Ground.hall: (14.0, 12.0, 4.8), Ground.corridor: (20.0, 4.0, 3.2)}
"""Width, depth and height in metres; seeds vary the first two a little."""

SLOTS: dict[Ground, tuple[tuple[str, float], ...]] = {
    Ground.plaza: (("right", 0.5), ("left", 0.5), ("top", 0.25), ("bottom", 0.75), ("top", 0.78), ("bottom", 0.25)),
    Ground.hall: (("left", 0.4), ("right", 0.6), ("top", 0.35), ("bottom", 0.65)),
    Ground.corridor: (("left", 0.5), ("right", 0.5), ("top", 0.32), ("bottom", 0.7)),
}
"""Where doors may be: a side, and the share of its length from its left or lower end. Links take the first ones."""

OUTSIDE = {Ground.plaza: 2, Ground.hall: 1, Ground.corridor: 1}
"""Most doors to the world outside, in a world of several areas."""

TRANSIT = (2.0, 5.5)
"""Seconds a walk between two areas takes, unseen."""


def make_world(config: SimulationConfig) -> World:
    """A world for as many cameras as are wanted, the same for the same seed and number.

    Args:
        config: How many cameras, the size of their pictures, the seed.

    Returns:
        A world that has passed `check_world`: plazas filmed by two or three cameras whose views overlap, halls and
        corridors filmed by one or two, all linked by doors. Cameras are named `cam1`, `cam2`, …
    """
    random = np.random.default_rng([config.seed, 1])
    sites = _sites(config.cameras, random)
    areas = [_area(ground, number, random) for number, (ground, _) in enumerate(sites)]
    areas = _named(areas)
    doors = _doors(areas, random)
    renderings = looks(config.cameras, random)
    cameras: list[Camera] = []
    things: list[Thing] = []
    for area, (_, count) in zip(areas, sites, strict=True):
        numbers = range(len(cameras), len(cameras) + count)
        here = [door for door in doors if door.area == area.name]
        names = [f"cam{number + 1}" for number in numbers]
        hung = place_cameras(area, here, names, config.size, [renderings[number] for number in numbers], random)
        cameras += hung
        things += furnish(area, here, hung, random)
    world = World(tuple(areas), tuple(things), tuple(doors), tuple(cameras), _sun(random), config.seed)
    check_world(world)
    return world


def _sites(cameras: int, random: np.random.Generator) -> list[tuple[Ground, int]]:
    """Kinds of areas and how many cameras each has."""
    sites: list[tuple[Ground, int]] = []
    indoors = [Ground.hall, Ground.corridor]
    if random.integers(2):
        indoors.reverse()
    other = dict(zip((Ground.hall, Ground.corridor), indoors, strict=True))
    for ground, count in cycle(SITES):
        left = cameras - sum(taken for _, taken in sites)
        if not left:
            return sites
        kind = other.get(ground, ground)
        if left == 1 and sites and kind is Ground.plaza:
            kind = Ground.hall
        sites.append((kind, min(count, left)))
    raise AssertionError("a cycle has no end")


def _area(ground: Ground, number: int, random: np.random.Generator) -> Area:
    width, depth, height = MEASURES[ground]
    if ground is not Ground.corridor:
        width *= float(random.uniform(0.94, 1.06))
        depth *= float(random.uniform(0.94, 1.06))
    left, bottom = SPACING * (number % AREAS_A_ROW), SPACING * (number // AREAS_A_ROW)
    return Area("", ground, left, bottom, left + round(width, 1), bottom + round(depth, 1), height)


def _named(areas: list[Area]) -> list[Area]:
    """The areas with names that number those of a kind, such as plaza-2."""
    counts = dict.fromkeys(Ground, 0)
    named = []
    for area in areas:
        counts[area.ground] += 1
        named.append(replace(area, name=f"{area.ground.value}-{counts[area.ground]}"))
    return named


def _doors(areas: list[Area], random: np.random.Generator) -> list[Door]:
    """Doors between neighbouring areas, which form a ring, and some to the world outside."""
    doors: list[list[Door]] = [[] for _ in areas]
    for first, second in _links(len(areas)):
        here = _door(areas[first], len(doors[first]), random)
        there = _door(areas[second], len(doors[second]), random)
        seconds = round(float(random.uniform(*TRANSIT)), 1)
        doors[first].append(replace(here, leads_to=there.name, seconds=seconds))
        doors[second].append(replace(there, leads_to=here.name, seconds=seconds))
    for area, made in zip(areas, doors, strict=True):
        outside = OUTSIDE[area.ground] if made else 4
        for _ in range(min(outside, len(SLOTS[area.ground]) - len(made))):
            made.append(_door(area, len(made), random))
    return [door for made in doors for door in made]


def _links(areas: int) -> list[tuple[int, int]]:
    """Pairs of areas that doors join: two areas twice, more in a ring."""
    if areas == 1:
        return []
    return [(number, (number + 1) % areas) for number in range(areas)]


def _door(area: Area, slot: int, random: np.random.Generator) -> Door:
    side, share = SLOTS[area.ground][slot]
    share += float(random.uniform(-0.04, 0.04)) if area.ground is not Ground.corridor else 0.0
    x = round(area.left + share * (area.right - area.left), 2)
    y = round(area.bottom + share * (area.top - area.bottom), 2)
    position, inwards = {
        "left": ((area.left, y), 0.0),
        "right": ((area.right, y), math.pi),
        "bottom": ((x, area.bottom), math.pi / 2),
        "top": ((x, area.top), -math.pi / 2),
    }[side]
    width = 2.2 if area.ground is Ground.corridor else round(float(random.uniform(2.2, 2.8)), 1)
    return Door(f"{area.name}-door-{slot + 1}", area.name, position, inwards, width)


def _sun(random: np.random.Generator) -> tuple[float, float, float]:
    """Unit vector towards the sun, 25 to 60 degrees high."""
    turn, height = float(random.uniform(0, 2 * math.pi)), math.radians(float(random.uniform(25, 60)))
    return math.cos(height) * math.cos(turn), math.cos(height) * math.sin(turn), math.sin(height)
