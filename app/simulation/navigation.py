"""Ways over the ground: how far it is from everywhere to each goal, around everything that stands in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from app.simulation.furniture import counter
from app.simulation.geometry import Bools, Floats, clearance, through, unit
from app.simulation.world import PASSAGE, Area, Door, Kind, Thing, World

CELL = 0.125
"""Metres a cell of the maps measures."""

MARGIN = PASSAGE + 0.5
"""Metres the maps reach beyond the walls, for the passages behind doors."""

COMFORT = 0.7
"""Metres from walls and things nearer than which ways get longer, so that people keep off them where they can."""

ROOM_TO_STAND = 1.1
"""Metres around a place to stop at that are free."""

PLACE_SPACING = 3.0
SLOT_SPACING = 0.75
"""Metres between the places of a queue."""

LONGEST_QUEUE = 6

Result = TypeVar("Result")


def compiled(function: Callable[..., Result]) -> Callable[..., Result]:
    """The function as machine code, kept on disk between runs."""
    fast: Callable[..., Result] = njit(cache=True)(function)
    return fast


class Ground:
    """Where people can walk in each area of a world, and where to.

    Goals are numbered over all areas: first the doors in the order of the world, then places to stop at, then queues.

    Args:
        world: The world.
        random: Decides where the places to stop at are.

    Attributes:
        origin: (areas, 2) of the maps' first cells' corners.
        clearance: (areas, rows, columns) metres to the nearest wall or thing, negative inside.
        distance: (goals, rows, columns) metres to walk to each goal, on the map of the goal's area.
        area: (goals,) number of a goal's area.
        places: Goals that are places to stop at, of each area.
        queues: Goals that are queues, of each area.
        slots: Of each queue's goal, the places people stand at, `(n, 2)`, the head first.
        facing: Of each queue's goal, where people in it face, radians.
    """

    def __init__(self, world: World, random: np.random.Generator) -> None:
        self.world = world
        extent = max(max(area.right - area.left, area.top - area.bottom) for area in world.areas)
        rows = int(np.ceil((max(area.top - area.bottom for area in world.areas) + 2 * MARGIN) / CELL)) + 1
        columns = int(np.ceil((extent + 2 * MARGIN) / CELL)) + 1
        self.origin = np.array([(area.left - MARGIN, area.bottom - MARGIN) for area in world.areas])
        self.clearance = np.full((len(world.areas), rows, columns), -1.0)
        self.places: list[list[int]] = [[] for _ in world.areas]
        self.queues: list[list[int]] = [[] for _ in world.areas]
        self.slots: dict[int, Floats] = {}
        self.facing: dict[int, float] = {}
        names = [area.name for area in world.areas]
        self.door_area = np.array([names.index(door.area) for door in world.doors], np.int64)
        areas, fields = self.door_area.tolist(), []
        self.cells = [self._cells(number, rows, columns) for number in range(len(names))]
        for number, area in enumerate(world.areas):
            things = [thing for thing in world.things if thing.area == area.name]
            doors = [door for door in world.doors if door.area == area.name]
            self.clearance[number] = clearance(self.cells[number], area, things, doors)
        for door, number in zip(world.doors, areas, strict=True):
            fields.append(self._field(number, _exit(self.cells[number], door)))
        for number, area in enumerate(world.areas):
            things = [thing for thing in world.things if thing.area == area.name]
            for at in self._places(number, area, random):
                self.places[number].append(len(areas))
                areas.append(number)
                fields.append(self._field(number, np.linalg.norm(self.cells[number] - at, axis=-1) < 0.3))
            for thing in things:
                slots = self._slots(number, thing) if thing.kind is Kind.kiosk else np.zeros((0, 2))
                if len(slots):
                    self.queues[number].append(len(areas))
                    self.slots[len(areas)] = slots
                    self.facing[len(areas)] = float(thing.yaw + np.pi / 2)
                    areas.append(number)
                    near = np.linalg.norm(self.cells[number] - slots[-1], axis=-1) < 0.4
                    fields.append(self._field(number, near))
        self.area = np.array(areas, np.int64)
        self.distance = np.stack(fields)

    def clear(self, points: Floats, area: int) -> Floats:
        """Metres from points (n, 2) of an area to the nearest wall or thing, `(n,)`."""
        at = np.empty(len(points))
        sample(self.clearance, self.origin, np.full(len(points), area), np.full(len(points), area), points, at)
        return at

    def _cells(self, number: int, rows: int, columns: int) -> Floats:
        """Middles of a map's cells, `(rows, columns, 2)`."""
        x, y = (
            self.origin[number][axis] + (np.arange(count) + 0.5) * CELL for axis, count in ((0, columns), (1, rows))
        )
        return np.stack(np.meshgrid(x, y), axis=-1)

    def _field(self, number: int, goal: Bools) -> Floats:
        """Metres to walk to a goal, over a map."""
        clear = self.clearance[number]
        near = np.clip((COMFORT - clear) / COMFORT, 0, 1)
        slow = np.where(clear < 0.3, 12.0, 1 + 2.5 * near**2)
        slow[clear < 0] = 60.0
        distance = np.where(goal, 0.0, 1e6)
        sweep(slow * CELL, distance)
        return distance

    def _places(self, number: int, area: Area, random: np.random.Generator) -> list[Floats]:
        """Places to stop at with room around them, away from doors and from one another."""
        doors = [np.asarray(door.position) for door in self.world.doors if door.area == area.name]
        low, high = np.array([area.left, area.bottom]), np.array([area.right, area.top])
        found: list[Floats] = []
        drawn = random.uniform(low, high, (150, 2))
        for at, clear in zip(drawn, self.clear(drawn, number), strict=True):
            apart = all(np.linalg.norm(at - other) > PLACE_SPACING for other in found)
            if clear > ROOM_TO_STAND and apart and all(np.linalg.norm(at - door) > 2.6 for door in doors):
                found.append(at)
        return found[:12]

    def _slots(self, number: int, kiosk: Thing) -> Floats:
        """The places of the queue in front of a kiosk, as many as there is room for."""
        start, away = counter(kiosk)
        slots = start + away * (0.55 + SLOT_SPACING * np.arange(LONGEST_QUEUE))[:, None]
        blocked = self.clear(slots, number) < 0.45
        return slots[: int(blocked.argmax()) if blocked.any() else LONGEST_QUEUE]


def _exit(cells: Floats, door: Door) -> Bools:
    """The far end of a door's passage, the half on the right of who leaves: who comes in keeps to the other."""
    ahead, left = through(cells, door)
    return (ahead < 0.3 - PASSAGE) & (ahead > -PASSAGE) & (left > 0.1 * door.width) & (left < door.width / 2 - 0.2)


@compiled
def sweep(cost: Floats, distance: Floats) -> None:  # noqa: C901 — one loop over cells, no calls inside
    """Solves the eikonal equation by fast sweeping (Zhao, 2005), in place.

    Args:
        cost: Metres it takes to cross each cell, (rows, columns).
        distance: 0 at the goal, very large elsewhere, (rows, columns); then the distance to the goal.
    """
    rows, columns = cost.shape
    for turn in range(40):
        change = 0.0
        for i in range(rows):
            row = i if turn & 1 == 0 else rows - 1 - i
            for j in range(columns):
                column = j if turn & 2 == 0 else columns - 1 - j
                across, along = 1e9, 1e9
                if column > 0:
                    across = distance[row, column - 1]
                if column < columns - 1:
                    across = min(across, distance[row, column + 1])
                if row > 0:
                    along = distance[row - 1, column]
                if row < rows - 1:
                    along = min(along, distance[row + 1, column])
                step = cost[row, column]
                gap = abs(across - along)
                if gap >= step:
                    new = min(across, along) + step
                else:
                    new = 0.5 * (across + along + np.sqrt(2 * step * step - gap * gap))
                if new < distance[row, column]:
                    change = max(change, distance[row, column] - new)
                    distance[row, column] = new
        if turn >= 3 and change < 1e-3:
            break


@compiled
def sample(
    maps: Floats, origin: Floats, which: npt.NDArray[np.int64], area: npt.NDArray[np.int64], points: Floats, out: Floats
) -> None:
    """Values of maps at points, bilinearly between the middles of cells.

    Args:
        maps: (m, rows, columns).
        origin: (areas, 2) as in `Ground`.
        which: (n,) the map each point is looked up in.
        area: (n,) the area the map is of.
        points: (n, 2).
        out: (n,) the values.
    """
    rows, columns = maps.shape[1:]
    for i in range(len(points)):
        x = (points[i, 0] - origin[area[i], 0]) / CELL - 0.5
        y = (points[i, 1] - origin[area[i], 1]) / CELL - 0.5
        x, y = min(max(x, 0.0), columns - 1.001), min(max(y, 0.0), rows - 1.001)
        column, row = int(x), int(y)
        u, v = x - column, y - row
        here = maps[which[i]]
        low = (1 - u) * here[row, column] + u * here[row, column + 1]
        high = (1 - u) * here[row + 1, column] + u * here[row + 1, column + 1]
        out[i] = (1 - v) * low + v * high


def gradient(
    maps: Floats,
    origin: Floats,
    which: npt.NDArray[np.int64],
    area: npt.NDArray[np.int64],
    points: Floats,
    reach: float,
) -> Floats:
    """Slope of maps at points, from values `reach` metres away on both sides, `(n, 2)`; arguments as of `sample`."""
    count = len(points)
    around = np.concatenate([points + reach * unit(turn * np.pi / 2) for turn in range(4)])
    values = np.empty(4 * count)
    sample(maps, origin, np.tile(which, 4), np.tile(area, 4), around, values)
    right, up, left, down = values.reshape(4, count)
    return np.stack([right - left, up - down], axis=-1) / (2 * reach)
