"""Whether a world can be simulated; what is wrong with it, in one line, where it cannot."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from app.config import CAMERA_NAME
from app.errors import InputError
from app.simulation.camera import Camera
from app.simulation.config import LARGEST_SIDE, SMALLEST_SIDE
from app.simulation.geometry import clearance, corners, inside, thing_distance, through, unit
from app.simulation.world import Area, Door, Kind, Thing, World

AREA_NAME = re.compile(r"[a-z0-9-]+")

SMALLEST_AREA = 3.0
"""Metres an area measures at least in both directions."""

NARROWEST_DOOR = 1.0
WAY = 0.35
"""Metres on each side of the middle of a way that are free."""

NEAREST = 0.1
"""Metres between a camera and a wall or thing."""

LONGEST_AREA = 200.0
"""Metres of an area's longest side, at most."""

LARGEST_AREA = 20_000.0
"""Square metres of an area, at most: ways through it are looked for every 0.1 m."""

FARTHEST = 100_000.0
"""Metres of an area, a camera and what it is aimed at from the origin, at most."""


def check_world(world: World) -> None:
    """Refuses a world that cannot be simulated.

    Raises:
        InputError: Naming the first area, thing, door or camera that is wrong, and the cure.
    """
    if not world.areas:
        raise InputError("the world has no area; give at least one")
    if not world.cameras:
        raise InputError("the world has no camera; give at least one")
    for what, names in (
        ("area", [area.name for area in world.areas]),
        ("door", [door.name for door in world.doors]),
        ("camera", [camera.name for camera in world.cameras]),
    ):
        _unique(what, names)
    areas = {area.name: area for area in world.areas}
    _check_areas(world.areas)
    _known_areas(world, areas)
    for thing in world.things:
        _check_thing(thing, areas[thing.area])
    _check_doors(world, areas)
    for camera in world.cameras:
        _check_camera(camera, areas[camera.area], [thing for thing in world.things if thing.area == camera.area])
    for area in world.areas:
        _check_ways(area, world)


def _unique(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{what} {twice[0]}: the name is given twice; give every {what} its own")


def _check_areas(areas: Sequence[Area]) -> None:
    for area in areas:
        if not AREA_NAME.fullmatch(area.name):
            raise InputError(f"area {area.name!r}: only a-z, 0-9 and - are allowed in its name")
        sides = (area.right - area.left, area.top - area.bottom, area.height)
        if not all(math.isfinite(side) for side in sides) or min(sides[:2]) < SMALLEST_AREA or area.height < 2.5:
            raise InputError(
                f"area {area.name}: too small; it needs {SMALLEST_AREA:g} m both ways and a height of 2.5 m"
            )
        if max(sides) > LONGEST_AREA or sides[0] * sides[1] > LARGEST_AREA:
            raise InputError(
                f"area {area.name}: too large; it may have {LARGEST_AREA:g} square metres, and no side over "
                f"{LONGEST_AREA:g} m"
            )
        if max(map(abs, (area.left, area.right, area.bottom, area.top))) > FARTHEST:
            raise InputError(f"area {area.name}: too far away; move it to within {FARTHEST:g} m of the origin")
    for number, one in enumerate(areas):
        for other in areas[number + 1 :]:
            apart = max(one.left - other.right, other.left - one.right, one.bottom - other.top, other.bottom - one.top)
            if apart < 0:
                raise InputError(f"areas {one.name} and {other.name} overlap; move one of them")


def _known_areas(world: World, areas: dict[str, Area]) -> None:
    used: list[tuple[str, str]] = [(f"camera {each.name}", each.area) for each in world.cameras]
    used += [(f"door {each.name}", each.area) for each in world.doors]
    used += [(f"{each.kind.value} at {_at(each.centre)}", each.area) for each in world.things]
    for what, name in used:
        if name not in areas:
            raise InputError(f"{what}: there is no area '{name}'; the areas are {', '.join(areas)}")


def _check_thing(thing: Thing, area: Area) -> None:
    what = f"{thing.kind.value} at {_at(thing.centre)}"
    if not min(thing.length, thing.width, thing.height) > 0:
        raise InputError(f"{what}: its length, width and height must be more than 0")
    if not inside(corners(thing), area, -1e-6).all():
        raise InputError(f"{what}: it reaches beyond the walls of area {area.name}; move it inside")


def _check_doors(world: World, areas: dict[str, Area]) -> None:
    doors = {door.name: door for door in world.doors}
    for door in world.doors:
        _check_edge(door, areas[door.area])
        if door.leads_to is None:
            continue
        if door.leads_to not in doors:
            raise InputError(f"door {door.name}: it leads to door '{door.leads_to}', which does not exist")
        if door.leads_to == door.name:
            raise InputError(f"door {door.name}: it leads to itself; name another door, or none for the world outside")
        if not (math.isfinite(door.seconds) and door.seconds >= 0):
            raise InputError(f"door {door.name}: a walk of {door.seconds} s; expected 0 or more")
    for door in world.doors:
        _check_opening(door, world)


def _check_edge(door: Door, area: Area) -> None:
    """That a door is wholly on an edge of its area and opens into it."""
    x, y = door.position
    edges = (
        (x - area.left, 0.0, y - area.bottom, area.top - y),
        (area.right - x, math.pi, y - area.bottom, area.top - y),
        (y - area.bottom, math.pi / 2, x - area.left, area.right - x),
        (area.top - y, -math.pi / 2, x - area.left, area.right - x),
    )
    if not door.width >= NARROWEST_DOOR:
        raise InputError(f"door {door.name}: {door.width:g} m wide; people need {NARROWEST_DOOR:g} m")
    for off, inwards, before, after in edges:
        if abs(off) < 1e-6 and unit(door.inwards) @ unit(inwards) > 0.999:
            if min(before, after) < door.width / 2 + 0.05:
                raise InputError(f"door {door.name}: it reaches around a corner of area {area.name}; move it")
            return
    raise InputError(f"door {door.name}: it is not on an edge of area {area.name}, opening inwards; move or turn it")


def _check_opening(door: Door, world: World) -> None:
    """That nothing stands in a door and no other door overlaps it."""
    aside = (np.linspace(-0.5, 0.5, 9) * door.width)[:, None, None] * unit(door.inwards + math.pi / 2)
    ahead = np.linspace(0, 0.8, 5)[:, None] * unit(door.inwards)
    opening = np.asarray(door.position) + aside + ahead
    for thing in world.things:
        if thing.area == door.area and (thing_distance(opening, thing) < 0.1).any():
            raise InputError(f"{thing.kind.value} at {_at(thing.centre)}: it stands in door {door.name}; move it")
    for other in world.doors:
        if other.name != door.name and other.area == door.area and unit(door.inwards) @ unit(other.inwards) > 0.9:
            _, apart = through(np.asarray(other.position), door)
            if abs(float(apart)) < (door.width + other.width) / 2 + 0.1:
                raise InputError(f"doors {door.name} and {other.name} overlap; move one of them")


def _check_camera(camera: Camera, area: Area, things: Iterable[Thing]) -> None:
    what = f"camera {camera.name}"
    if not CAMERA_NAME.fullmatch(camera.name):
        raise InputError(f"{what}: only letters, digits, - and _ are allowed in its name")
    numbers = (*camera.position, *camera.target, camera.focal)
    if not all(math.isfinite(number) for number in numbers):
        raise InputError(f"{what}: its position, target and focal length must be numbers")
    for pixels in camera.size:
        if not SMALLEST_SIDE <= pixels <= LARGEST_SIDE or pixels % 2:
            raise InputError(
                f"{what}: pictures of {camera.size[0]}x{camera.size[1]} pixels; expected even sides of "
                f"{SMALLEST_SIDE} to {LARGEST_SIDE}, such as 1280x720"
            )
    if not camera.focal > 0:
        raise InputError(f"{what}: a focal length of {camera.focal:g} pixels; expected more than 0")
    if max(map(abs, (*camera.position, *camera.target))) > FARTHEST:
        raise InputError(f"{what}: it or its target is too far away; move it to within {FARTHEST:g} m of the origin")
    _check_direction(camera)
    _check_place(camera, area, things)


def _check_direction(camera: Camera) -> None:
    offset = np.subtract(camera.target, camera.position)
    if np.linalg.norm(offset) < 1e-6:
        raise InputError(f"camera {camera.name}: its target is its own position; aim it elsewhere")
    if np.hypot(*offset[:2]) < 1e-3 * np.linalg.norm(offset):
        raise InputError(f"camera {camera.name}: its target is straight above or below it; aim it to a side")


def _check_place(camera: Camera, area: Area, things: Iterable[Thing]) -> None:
    what = f"camera {camera.name} at {_at(camera.position)}"
    at, height = np.asarray(camera.position[:2]), camera.position[2]
    if not inside(at, area, -NEAREST):
        raise InputError(f"{what}: it is outside the walls of area {area.name}; move it inside")
    if not inside(at, area, NEAREST):
        raise InputError(f"{what}: it is inside a wall of area {area.name}; move it {NEAREST:g} m off the walls")
    if not 0 < height < area.height:
        raise InputError(f"{what}: it is not between the ground and {area.height:g} m, where the walls end; move it")
    for thing in things:
        if height < thing.height + NEAREST and thing_distance(at, thing) < NEAREST:
            wall = "a wall" if thing.kind is Kind.wall else f"the {thing.kind.value}"
            raise InputError(f"{what}: it is inside {wall} at {_at(thing.centre)}; move one of them")


def _check_ways(area: Area, world: World) -> None:
    """That a person can walk from every door of an area to every other, and to its open ground."""
    things = [thing for thing in world.things if thing.area == area.name]
    doors = [door for door in world.doors if door.area == area.name]
    step = 0.1
    rows, columns = (
        np.arange(low + step / 2, high, step) for low, high in ((area.bottom, area.top), (area.left, area.right))
    )
    points = np.stack(np.meshgrid(columns, rows), axis=-1)
    free = clearance(points, area, things, doors) > WAY
    if not free.any():
        raise InputError(f"area {area.name}: no room for a person between its things; take some away")
    _, labels = cv2.connectedComponents(free.astype(np.uint8), connectivity=4)
    largest = int(np.bincount(labels[free]).argmax())
    for door in doors:
        near = np.linalg.norm(points - (np.asarray(door.position) + 0.5 * unit(door.inwards)), axis=-1)
        if labels.flat[int(np.where(free, near, np.inf).argmin())] != largest:
            raise InputError(f"door {door.name}: no way from it to the rest of area {area.name}; move what blocks it")


def _at(place: Sequence[float]) -> str:
    return "(" + ", ".join(f"{round(float(value), 2):g}" for value in place) + ")"
