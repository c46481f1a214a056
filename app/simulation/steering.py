"""How people avoid one another, walls and things, a moment ahead.

Each person tries out velocities around the one they want and takes the one that costs least: for leaving the wanted
one, for turning from the present one, and for every collision that it would lead to, the sooner the dearer (van den
Berg, Lin and Manocha, 2008, reciprocal velocity obstacles: two who walk leave half of the avoiding to the other).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.simulation.navigation import CELL, compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SIGHT = 6.0
"""Metres within which people mind others."""

HORIZON = 4.0
"""Seconds ahead that a collision with a stranger is minded; with a companion a quarter of that."""

TURNS = np.radians([0.0, -9, 9, -20, 20, -34, 34, -50, 50, -70, 70, -95, 95])
SPEEDS = np.array([1.0, 0.7, 0.4, 0.15])
"""Tried velocities: turned from the wanted one, and shares of its speed."""

FINE_TURNS = np.array([-0.07, 0.0, 0.07])
FINE_SPEEDS = np.array([-0.12, 0.0, 0.12])
"""What the best of them is changed by in a second round."""

RIGHTWARDS = 0.06
"""Cost of a radian to the left."""

MOST_OTHERS = 24
"""Most people one minds at a time."""

AVOIDANCE = 1.1
"""Cost of a collision a second ahead, in metres a second off the wanted velocity."""

STEADINESS = 0.55
"""Cost of a metre a second off the present velocity."""

PERSONAL = 0.12
"""Metres people keep between their bodies where they can."""

WALL_TIMES = np.array([0.2, 0.45, 0.8, 1.3])


@compiled
def _clear(maps: Floats, origin: Floats, area: int, x: float, y: float) -> float:
    column = (x - origin[area, 0]) / CELL - 0.5
    row = (y - origin[area, 1]) / CELL - 0.5
    column = min(max(column, 0.0), maps.shape[2] - 1.001)
    row = min(max(row, 0.0), maps.shape[1] - 1.001)
    j, i = int(column), int(row)
    u, v = column - j, row - i
    low = (1 - u) * maps[area, i, j] + u * maps[area, i, j + 1]
    high = (1 - u) * maps[area, i + 1, j] + u * maps[area, i + 1, j + 1]
    clear: float = (1 - v) * low + v * high
    return clear


@compiled
def _others(
    i: int, patience: float, position: Floats, velocity: Floats, radius: Floats, area: Ints, group: Ints,
    resting: Bools, others: Floats,
) -> int:  # fmt: skip
    """Fills a row for each person near i, and returns how many there are.

    A row: where they are from i (2), how much of i's new velocity counts, what to take off it (2), how near they may
    come, the horizon in seconds.
    """
    count = 0
    for j in range(len(position)):
        x, y = position[j, 0] - position[i, 0], position[j, 1] - position[i, 1]
        if j == i or area[j] != area[i] or x * x + y * y > SIGHT * SIGHT or count == len(others):
            continue
        friends = group[i] == group[j]
        row = others[count]
        row[0], row[1] = x, y
        if resting[i] or resting[j]:
            row[2], row[3], row[4] = 1.0, velocity[j, 0], velocity[j, 1]
        else:
            row[2], row[3], row[4] = 2.0, velocity[i, 0] + velocity[j, 0], velocity[i, 1] + velocity[j, 1]
        bodies, apart = radius[i] + radius[j], np.hypot(x, y)
        row[5] = bodies if apart < bodies else min(bodies + (0.0 if friends else PERSONAL), apart - 1e-3)
        row[6] = (0.25 if friends else 1.0) * HORIZON * patience
        count += 1
    return count


@compiled
def _cost(u: float, v: float, limit: float, others: Floats, i: int, position: Floats, velocity: Floats, wanted: Floats,
          radius: Floats, area: Ints, maps: Floats, origin: Floats) -> float:  # fmt: skip
    """What velocity (u, v) costs person i; anything above `limit` where it costs more than that."""
    cost: float = np.hypot(u - wanted[i, 0], v - wanted[i, 1])
    cost += STEADINESS * np.hypot(u - velocity[i, 0], v - velocity[i, 1])
    if cost >= limit:
        return cost
    wall = 0.0
    for time in WALL_TIMES:
        room = _clear(maps, origin, area[i], position[i, 0] + time * u, position[i, 1] + time * v) - radius[i]
        if room < 0.05:
            wall = max(wall, (0.05 - room) * 6 / time)
    cost += wall
    soonest: float = 0.0
    for row in others:
        if cost + soonest >= limit:
            return cost + soonest
        x, y, reach = row[0], row[1], row[5]
        gap = x * x + y * y - reach * reach
        if gap < 0:
            soonest = max(soonest, 8 * (x * u + y * v) / max(np.hypot(x, y), 0.05))
            continue
        across, along = row[2] * u - row[3], row[2] * v - row[4]
        closing = x * across + y * along
        if closing <= 0:
            continue
        root = closing * closing - (across * across + along * along) * gap
        if root > 0:
            time = gap / (closing + np.sqrt(root))
            if time < row[6]:
                soonest = max(soonest, AVOIDANCE * (1 / max(time, 0.08) - 1 / row[6]))
    return cost + soonest


@compiled
def choose(
    deciding: Ints, position: Floats, velocity: Floats, wanted: Floats, radius: Floats, area: Ints, group: Ints,
    resting: Bools, patience: Floats, maps: Floats, origin: Floats, out: Floats,
) -> None:  # fmt: skip
    """The velocity people would best take now.

    Args:
        deciding: (k,) rows of those who decide.
        position: (n, 2) metres.
        velocity: (n, 2) metres a second.
        wanted: (n, 2) velocity they would take if they were alone.
        radius: (n,) metres.
        area: (n,) number of the area they are in.
        group: (n,) number of the group they belong to.
        resting: (n,) who stands and lets others walk around them.
        patience: (n,) 1 for who minds others as usual, less for who has been held up.
        maps: (areas, rows, columns) clearance.
        origin: (areas, 2) of the maps.
        out: (n, 2) the velocities; rows of those who do not decide are left.
    """
    rows = np.empty((MOST_OTHERS, 7))
    for i in deciding:
        pace, along = np.hypot(wanted[i, 0], wanted[i, 1]), np.arctan2(wanted[i, 1], wanted[i, 0])
        out[i, 0], out[i, 1] = 0.0, 0.0
        if pace < 1e-6:
            continue
        others = rows[: _others(i, patience[i], position, velocity, radius, area, group, resting, rows)]
        best = _cost(0.0, 0.0, 1e18, others, i, position, velocity, wanted, radius, area, maps, origin)
        best_speed, best_turn = 0.0, 0.0
        for fine in range(2):
            middle_speed, middle_turn = best_speed, best_turn
            for change in FINE_SPEEDS if fine else SPEEDS:
                for swing in FINE_TURNS if fine else TURNS:
                    speed, turn = fine * middle_speed + change, fine * middle_turn + swing
                    u, v = speed * pace * np.cos(along + turn), speed * pace * np.sin(along + turn)
                    # Most people pass on the right.
                    bias = RIGHTWARDS * max(0.0, turn)
                    cost = bias + _cost(
                        u, v, best - bias, others, i, position, velocity, wanted, radius, area, maps, origin
                    )
                    if speed > 0 and cost < best:
                        best, best_speed, best_turn = cost, speed, turn
                        out[i, 0], out[i, 1] = u, v


@compiled
def separate(
    position: Floats, radius: Floats, area: Ints, firm: Floats, maps: Floats, origin: Floats, most: float
) -> None:
    """Moves people out of one another, of walls and of things, in place, by at most `most` metres.

    Args:
        position: (n, 2) metres.
        radius: (n,) metres.
        area: (n,) number of their area.
        firm: (n,) how firmly they keep their place against others: weights.
        maps: (areas, rows, columns) clearance.
        origin: (areas, 2) of the maps.
        most: Metres people push one another in this step; walls know no limit.
    """
    count = len(position)
    push = np.zeros((count, 2))
    for i in range(count):
        for j in range(i):
            if area[i] != area[j]:
                continue
            x, y = position[i, 0] - position[j, 0], position[i, 1] - position[j, 1]
            apart = np.hypot(x, y)
            over = radius[i] + radius[j] - apart
            if over <= 0:
                continue
            if apart < 1e-6:
                x, y, apart = 1e-3, 0.0, 1e-3
            share = firm[j] / (firm[i] + firm[j])
            push[i, 0] += x / apart * over * share
            push[i, 1] += y / apart * over * share
            push[j, 0] -= x / apart * over * (1 - share)
            push[j, 1] -= y / apart * over * (1 - share)
    for i in range(count):
        length = np.hypot(push[i, 0], push[i, 1])
        scale = min(0.35, most / max(length, 1e-9))
        position[i, 0] += push[i, 0] * scale
        position[i, 1] += push[i, 1] * scale
        for _ in range(3):
            x, y = position[i, 0], position[i, 1]
            room = radius[i] - _clear(maps, origin, area[i], x, y)
            if room <= 0:
                break
            across = _clear(maps, origin, area[i], x + 0.1, y) - _clear(maps, origin, area[i], x - 0.1, y)
            along = _clear(maps, origin, area[i], x, y + 0.1) - _clear(maps, origin, area[i], x, y - 0.1)
            slope = max(np.hypot(across, along), 1e-9)
            position[i, 0] += across / slope * room
            position[i, 1] += along / slope * room
