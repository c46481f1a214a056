"""Meshes of the things that stand in an area."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from app.simulation import materials
from app.simulation.solids import Surface, box, cylinder, foliage
from app.simulation.world import Kind, Thing

Maker = Callable[[Thing, np.random.Generator], list[Surface]]

SHOP_COLOURS = ((134, 58, 52), (58, 86, 108), (66, 94, 74), (164, 132, 78), (112, 104, 96))
STONE = (168, 164, 156)
METAL = (74, 78, 82)
WOOD = (142, 104, 66)


def thing_surfaces(things: Sequence[Thing], seed: int) -> list[Surface]:
    """Meshes of things, each from its own random numbers, which depend on the seed and its place in the list."""
    found: list[Surface] = []
    for row, thing in enumerate(things):
        found += _MAKERS[thing.kind](thing, np.random.default_rng([seed, row]))
    return found


def _at(thing: Thing, along: float, aside: float, up: float) -> tuple[float, float, float]:
    """A place in a thing's own axes, from the middle of its bottom, in the world."""
    cos, sin = math.cos(thing.yaw), math.sin(thing.yaw)
    x, y = thing.centre
    return x + along * cos - aside * sin, y + along * sin + aside * cos, up


def _wall(thing: Thing, random: np.random.Generator) -> list[Surface]:
    plaster = materials.plain((198, 194, 184), random)
    foot = materials.plain((92, 90, 88), random)
    size = (thing.length, thing.width, thing.height)
    skirting = (thing.length + 0.03, thing.width + 0.03, min(0.12, thing.height))
    return [
        Surface(box(_at(thing, 0, 0, 0), size, thing.yaw, plaster, (2.0, 2.0))),
        Surface(box(_at(thing, 0, 0, 0), skirting, thing.yaw, foot, (2.0, 2.0))),
    ]


def _pillar(thing: Thing, random: np.random.Generator) -> list[Surface]:
    radius = thing.length / 2
    shaft = materials.slabs(STONE, random, (2, 4), joint=4, variation=3, grain=5)
    base = materials.plain((120, 118, 114), random)
    return [
        Surface(cylinder(_at(thing, 0, 0, 0), (radius * 0.92, radius * 0.92), thing.height, shaft, (2.0, 4.0), 0.15)),
        Surface(cylinder(_at(thing, 0, 0, 0), (radius, radius), min(0.3, thing.height), base, (1.0, 1.0))),
    ]


def _bench(thing: Thing, random: np.random.Generator) -> list[Surface]:
    wood = materials.planks(WOOD, random, 4)
    metal = materials.plain(METAL, random, grain=2)
    thick = min(0.07, thing.height / 4)
    found = [
        Surface(
            box(
                _at(thing, 0, 0, thing.height - thick),
                (thing.length, thing.width, thick),
                thing.yaw,
                wood,
                (2.0, max(thing.width, 0.1)),
                0.1,
            )
        )
    ]
    for end in (-1, 1):
        at = _at(thing, end * (thing.length / 2 - min(0.25, thing.length / 4)), 0, 0)
        leg = (min(0.08, thing.length / 4), thing.width * 0.8, thing.height - thick)
        found.append(Surface(box(at, leg, thing.yaw, metal, (1.0, 1.0), 0.2)))
    return found


def _kiosk(thing: Thing, random: np.random.Generator) -> list[Surface]:
    colour = SHOP_COLOURS[random.integers(len(SHOP_COLOURS))]
    body = materials.planks(tuple(int(0.8 * part) for part in colour), random, 8)
    roof = materials.plain((108, 106, 104), random)
    dark = materials.plain((30, 30, 32), random, grain=3)
    counter = materials.planks(WOOD, random, 2)
    awning = materials.stripes((colour, (226, 222, 212)), random)
    found = [
        Surface(box(_at(thing, 0, 0, 0), (thing.length, thing.width, thing.height), thing.yaw, body, (2.0, 2.0))),
        Surface(
            box(
                _at(thing, 0, 0, thing.height),
                (thing.length + 0.2, thing.width + 0.2, 0.12),
                thing.yaw,
                roof,
                (2.0, 2.0),
            )
        ),
    ]
    sill, head = 0.42 * thing.height, 0.8 * thing.height
    for side in (-1, 1):
        # A dark hatch with a counter below and an awning above, on both long sides.
        at = _at(thing, 0, side * (thing.width / 2 - 0.02), sill)
        found.append(Surface(box(at, (0.78 * thing.length, 0.06, head - sill), thing.yaw, dark, (1.0, 1.0), 0.3)))
        at = _at(thing, 0, side * (thing.width / 2), sill - 0.06)
        found.append(Surface(box(at, (0.84 * thing.length, 0.3, 0.06), thing.yaw, counter, (2.0, 0.3), 0.2)))
        for step in range(6):
            at = _at(thing, 0, side * (thing.width / 2 + 0.07 + 0.13 * step), head + 0.16 - 0.045 * step)
            found.append(Surface(box(at, (0.96 * thing.length, 0.15, 0.03), thing.yaw, awning, (1.2, 0.3))))
    return found


def _planter(thing: Thing, random: np.random.Generator) -> list[Surface]:
    stone = materials.slabs((140, 134, 126), random, (2, 2), joint=4, variation=5)
    soil = materials.plain((54, 42, 32), random, grain=9)
    green = materials.leaves(random)
    tub = 0.45 * thing.height
    top = thing.height - tub
    count = int(np.clip(900 * thing.length * thing.width * max(top, 0.3), 150, 4000))
    crown = (thing.length * 0.95, thing.width * 0.95, top)
    inner = (thing.length * 0.9, thing.width * 0.9, 0.02)
    return [
        Surface(box(_at(thing, 0, 0, 0), (thing.length, thing.width, tub), thing.yaw, stone, (2.0, 2.0))),
        Surface(box(_at(thing, 0, 0, tub), inner, thing.yaw, soil, (1.0, 1.0))),
        Surface(foliage(_at(thing, 0, 0, tub), crown, thing.yaw, count, green, random)),
    ]


def _lamp(thing: Thing, random: np.random.Generator) -> list[Surface]:
    radius = thing.length / 2
    metal = materials.plain(METAL, random, grain=2)
    glass = materials.plain((228, 226, 214), random, grain=2)
    top = _at(thing, 0, 0, thing.height - 0.35)
    foot = (radius, radius)
    return [
        Surface(cylinder(_at(thing, 0, 0, 0), foot, 0.4, metal, (1.0, 1.0), 0.2, 16)),
        Surface(cylinder(_at(thing, 0, 0, 0.4), (radius * 0.7, radius * 0.5), thing.height - 0.75, metal, (1.0, 1.0))),
        Surface(cylinder(top, (0.11, 0.2), 0.3, glass, (1.0, 1.0), 0.4, 16)),
        Surface(cylinder((top[0], top[1], top[2] + 0.3), (0.26, 0.05), 0.1, metal, (1.0, 1.0), 0.2, 16)),
    ]


_MAKERS: dict[Kind, Maker] = {
    Kind.wall: _wall,
    Kind.pillar: _pillar,
    Kind.bench: _bench,
    Kind.kiosk: _kiosk,
    Kind.planter: _planter,
    Kind.lamp: _lamp,
}
