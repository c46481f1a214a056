"""Light on surfaces: the sun with what stands in its way, the sky, lamps, and the dark in corners."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from app.simulation.raster import Number

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

LIFT = 0.03
"""Metres a point is moved off its surface before it looks for the sun, so that a surface does not shade itself."""

SLACK = 0.02
"""Metres something must be nearer to the sun than a point to shade it."""

DUSK = 1.2
"""Metres beyond an area's edge over which what comes in of its light falls to 1 / e: doorways are darker."""

PASSAGE_LIGHT = 0.3
"""Share of an area's light that passages have of their own."""

CORNER = 0.3
"""Metres over which the dark along the foot and the head of a wall fades."""

CORNER_STRENGTH = 0.35
"""Share of light lost right at the foot of a wall."""

HIGHLIGHT = 20.0
"""Exponent of the highlight (Blinn, "Models of light reflection for computer synthesized pictures", 1977)."""


class Setting(NamedTuple):
    """The light in one area.

    Attributes:
        sun: (3,) unit vector towards it.
        sun_colour: (3,) its light on a surface that faces it; 0 indoors.
        sun_map: (h, w) how near to the sun the first surface is, in metres along `sun`, seen from the sun.
        to_map: (3, 4) from a world point (x, y, z, 1) to column, row and nearness in `sun_map`.
        softness: Cells between the places in `sun_map` that are looked at: half the width of a shadow's edge.
        sky: (3,) light from straight above.
        bounce: (3,) light from below.
        lamps: (m, 3) positions; they shine downwards.
        lamp_colour: (3,) light of one on a surface that faces it, a metre below it.
        edges: (4,) left, bottom, right, top of the area.
        ceiling: Its height, infinite outdoors.
        corners: (h, w) share of light that reaches the floor, less where something stands beside it.
        corners_at: (3,) x and y of its first cell's corner, cells a metre.
    """

    sun: Floats
    sun_colour: Floats
    sun_map: Floats
    to_map: Floats
    softness: float
    sky: Floats
    bounce: Floats
    lamps: Floats
    lamp_colour: Floats
    edges: Floats
    ceiling: float
    corners: Floats
    corners_at: Floats


@njit(cache=True)
def illuminate(setting: Setting, points: Floats, normals: Floats, wanted: Bools, eye: Floats, lit: Floats) -> None:
    """Light that reaches points on surfaces and goes on to the eye.

    Args:
        setting: The light there is.
        points: (k, 3) metres.
        normals: (k, 3) unit vectors.
        wanted: (k,) which of them to light; the others' rows stay as they are.
        eye: (3,) the pinhole.
        lit: (k, 5) filled: light on a matt surface, red, green and blue; the sun's highlight; the share of the sun in
            the light.
    """
    # Taken out once: compiled code counts references to each array it takes out of a tuple.
    sun, sun_colour, seen, to_map, softness, sky, bounce, lamps, lamp_colour, edges, ceiling, corners, at = setting
    strength = sun_colour[0] + sun_colour[1] + sun_colour[2]
    for row in range(len(points)):
        if not wanted[row]:
            continue
        x, y, z = points[row, 0], points[row, 1], points[row, 2]
        nx, ny, nz = normals[row, 0], normals[row, 1], normals[row, 2]
        open_ = _openness(edges, ceiling, corners, at, x, y, z)
        above = np.float32(0.5) + np.float32(0.5) * nz
        lamp = _lamps(lamps, x, y, z, nx, ny, nz)
        highlight = lamp * np.float32(0.05)
        direct = np.float32(0.0)
        facing = nx * sun[0] + ny * sun[1] + nz * sun[2]
        if facing > 0 and strength > 0:
            share = _sunlit(seen, to_map, softness, x + nx * LIFT, y + ny * LIFT, z + nz * LIFT)
            direct = facing * share
            if share > 0:
                highlight += share * _highlight(sun, eye, x, y, z, nx, ny, nz)
        total = np.float32(0.0)
        for colour in range(3):
            soft = sky[colour] * above + bounce[colour] * (np.float32(1.0) - above) + lamp * lamp_colour[colour]
            lit[row, colour] = soft * open_ + direct * sun_colour[colour]
            total += lit[row, colour]
        lit[row, 3] = highlight
        lit[row, 4] = direct * strength / max(total, np.float32(1e-9))


@njit(cache=True)
def _openness(edges: Floats, ceiling: Number, corners: Floats, at: Floats, x: Number, y: Number, z: Number) -> Number:
    """Share of the soft light that reaches a point past what is beside it."""
    beyond = max(edges[0] - x, x - edges[2], edges[1] - y, y - edges[3], np.float32(0.0))
    share = PASSAGE_LIGHT + (np.float32(1.0) - PASSAGE_LIGHT) * np.exp(-beyond / DUSK)
    if z < 4 * CORNER:
        height, width = corners.shape
        column = min(max(np.int64((x - at[0]) * at[2]), 0), width - 1)
        row = min(max(np.int64((y - at[1]) * at[2]), 0), height - 1)
        foot = corners[row, column]
        if z > 0.01:
            # A wall's cell lies on or behind its own foot, so the darkest a foot gets is used in its stead.
            foot = np.float32(1.0) - CORNER_STRENGTH * np.exp(-z / CORNER)
        share *= foot
    if ceiling - z < 4 * CORNER:
        share *= np.float32(1.0) - np.float32(0.5 * CORNER_STRENGTH) * np.exp((z - ceiling) / CORNER)
    return np.float32(share)


@njit(cache=True)
def _lamps(lamps: Floats, x: Number, y: Number, z: Number, nx: Number, ny: Number, nz: Number) -> Number:
    """Light of all lamps on a surface, in units of one a metre below it."""
    total = np.float32(0.0)
    for row in range(len(lamps)):
        dx, dy, dz = lamps[row, 0] - x, lamps[row, 1] - y, lamps[row, 2] - z
        facing = nx * dx + ny * dy + nz * dz
        if facing > 0 and dz > 0:
            # Both cosines, and the square of the distance; panels are not points, hence the addend.
            square = dx * dx + dy * dy + dz * dz
            total += facing * dz / (square * (square + np.float32(0.5)))
    return total


@njit(cache=True)
def _sunlit(seen: Floats, to: Floats, softness: Number, x: Number, y: Number, z: Number) -> Number:
    """Share of 16 places around a point's in the sun's map that nothing nearer to the sun holds."""
    column = to[0, 0] * x + to[0, 1] * y + to[0, 2] * z + to[0, 3]
    row = to[1, 0] * x + to[1, 1] * y + to[1, 2] * z + to[1, 3]
    near = to[2, 0] * x + to[2, 1] * y + to[2, 2] * z + to[2, 3] + SLACK
    height, width = seen.shape
    lit = 0
    for down in range(4):
        for right in range(4):
            i = np.int64(row + (down - 1.5) * softness)
            j = np.int64(column + (right - 1.5) * softness)
            if i < 0 or j < 0 or i >= height or j >= width or seen[i, j] <= near:
                lit += 1
    return np.float32(lit / 16.0)


@njit(cache=True)
def _highlight(sun: Floats, eye: Floats, x: Number, y: Number, z: Number, nx: Number, ny: Number, nz: Number) -> Number:
    vx, vy, vz = eye[0] - x, eye[1] - y, eye[2] - z
    length = np.sqrt(vx * vx + vy * vy + vz * vz)
    hx, hy, hz = vx / length + sun[0], vy / length + sun[1], vz / length + sun[2]
    length = np.sqrt(hx * hx + hy * hy + hz * hz)
    along = (nx * hx + ny * hy + nz * hz) / max(length, np.float32(1e-6))
    return np.float32(max(along, 0.0) ** HIGHLIGHT)
