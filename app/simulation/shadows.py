"""Shadows: what keeps the sun off, what stands beside the floor, and people's shadows on it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numba import njit

from app.simulation.meshes import Bools, Bytes, Floats, Ints, Template
from app.simulation.projection import cast_down
from app.simulation.raster import TILE, draw
from app.simulation.solids import Surface
from app.simulation.world import Area, Thing

MOST_CELLS = 2048
"""Cells of the sun's map along its longer side."""

FINEST = 0.01
"""Metres a cell of the sun's map has at least."""

GROUND_CELL = 0.03
"""Metres a cell of the maps of people's shadows has, or more in areas of more than `GROUND_CELLS`."""

GROUND_CELLS = 1_500_000

CORNER_CELL = 0.04
"""Metres a cell of the map of dark corners has."""

MARGIN = 1.0
"""Metres the maps of the ground go on beyond an area."""

FOOT = 0.16
"""Metres above the floor below which a triangle is of a foot."""

FOOT_SOFTNESS, BODY_SOFTNESS = 0.045, 0.16
"""Standard deviation in metres of the edges of the dark below feet and bodies."""

FOOT_SHARE, BODY_SHARE = 0.75, 0.5
"""How dark it is below feet and bodies."""

_NO_SILHOUETTE = np.zeros((1, 5), np.int64)


def sun_map(surfaces: Sequence[Surface], sun: Floats) -> tuple[Floats, Floats]:
    """How near to the sun the first surface is, seen from the sun.

    Args:
        surfaces: All there are; those that cast shadows are drawn.
        sun: (3,) unit vector towards it.

    Returns:
        (h, w) nearness in metres along `sun`, very small where there is none, and (3, 4) from a world point
        (x, y, z, 1) to column, row and nearness.
    """
    up = np.array([0.0, 0.0, 1.0]) if abs(sun[2]) < 0.99 else np.array([0.0, 1.0, 0.0])
    right = np.cross(up, sun)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(right, sun), sun])
    corners = np.concatenate([each.mesh.vertices[each.mesh.triangles] for each in surfaces if each.casts])
    seen = corners.astype(np.float64) @ axes.T
    low, high = seen.min(axis=(0, 1)) - 0.1, seen.max(axis=(0, 1)) + 0.1
    cell = max(FINEST, float((high - low)[:2].max()) / MOST_CELLS)
    columns, rows = (int(np.ceil(span / cell)) for span in (high - low)[:2])
    scale = np.array([1 / cell, 1 / cell, 1.0])
    to_map = np.column_stack([axes * scale[:, None], [-low[0] / cell, -low[1] / cell, 0.0]])
    points = ((seen - [low[0], low[1], 0.0]) * scale).reshape(1, -1, 3).astype(np.float32)
    nearness = np.full((rows, columns), -1e9, np.float32)
    drawn = np.empty((rows, columns), np.int32)
    _draw_all(points, nearness, drawn)
    return nearness, to_map.astype(np.float32)


def _draw_all(points: Floats, nearness: Floats, drawn: Ints) -> None:
    """Draws separate triangles, both sides of each."""
    count = points.shape[1] // 3
    triangles = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    every, none = np.ones(count, np.bool_), np.zeros(count, np.bool_)
    tiles = np.zeros([-(-side // TILE) for side in nearness.shape], np.uint8)
    draw(points, triangles, every[None], every, none, nearness, drawn, tiles, _NO_SILHOUETTE, np.zeros(0, np.uint8))


def corner_map(area: Area, things: Sequence[Thing]) -> tuple[Floats, Floats]:
    """Share of soft light that reaches the floor, less beside walls and things.

    Returns:
        (h, w) share, and (3,) x and y of the first cell's corner and cells a metre.
    """
    at = np.array([area.left - MARGIN, area.bottom - MARGIN, 1 / CORNER_CELL], np.float32)
    width, height = (
        int(np.ceil((high - low + 2 * MARGIN) / CORNER_CELL))
        for low, high in ((area.left, area.right), (area.bottom, area.top))
    )
    solid = np.ones((height, width), np.float32)
    inner = (np.array([area.left, area.bottom, area.right, area.top]) - np.tile(at[:2], 2)) * at[2]
    left, bottom, right, top = np.rint(inner).astype(int)
    solid[bottom:top, left:right] = 0.0
    for thing in things:
        size = (thing.length * float(at[2]), thing.width * float(at[2]))
        middle = (np.asarray(thing.centre) - at[:2]) * at[2]
        shape = cv2.boxPoints(((float(middle[0]), float(middle[1])), size, float(np.degrees(thing.yaw))))
        cv2.fillPoly(solid, [np.rint(shape).astype(np.int32)], 1.0)
    near = cv2.GaussianBlur(solid, (0, 0), 0.08 / CORNER_CELL)
    far = cv2.GaussianBlur(solid, (0, 0), 0.45 / CORNER_CELL)
    return (1.0 - 0.35 * near - 0.4 * far).astype(np.float32), at


@njit(cache=True)
def _below(vertices: Floats, triangles: Ints, shown: Bools, height: float) -> Bools:
    """(n, t) which of the triangles n people show lie wholly below a height."""
    low = np.zeros(shown.shape, np.bool_)
    for row in range(shown.shape[0]):
        for each in range(shown.shape[1]):
            if shown[row, each]:
                a, b, c = triangles[each, 0], triangles[each, 1], triangles[each, 2]
                highest = max(vertices[row, a, 2], vertices[row, b, 2], vertices[row, c, 2])
                low[row, each] = highest < height
    return low


class GroundShadows:
    """Draws people's shadows on a map of an area's floor.

    Args:
        area: The area.
        direction: (3,) towards the light that casts them.
        softness: Standard deviation of their edges in metres.

    Attributes:
        at: (3,) x and y of the map's first cell's corner, cells a metre.
    """

    def __init__(self, area: Area, direction: Floats, softness: float) -> None:
        span_x, span_y = area.right - area.left + 2 * MARGIN, area.top - area.bottom + 2 * MARGIN
        cell = max(GROUND_CELL, float(np.sqrt(span_x * span_y / GROUND_CELLS)))
        self.at = np.array([area.left - MARGIN, area.bottom - MARGIN, 1 / cell], np.float32)
        self._shape = int(np.ceil(span_y / cell)), int(np.ceil(span_x / cell))
        self._slope = (np.asarray(direction)[:2] / direction[2]).astype(np.float32)
        self._softness = max(softness / cell, 0.6)
        self._cell = cell

    def reach(self, vertices: Floats, used: Bools) -> Floats:
        """(n, 4) least x and y and greatest x and y of people's shadows on the floor, metres, soft edges included.

        Args:
            vertices: (n, v, 3) metres.
            used: (n, v) which of them each person's triangles have.
        """
        least = np.full((len(vertices), 2), np.inf, np.float32)
        most = np.full((len(vertices), 2), -np.inf, np.float32)
        for slope in (np.zeros(2, np.float32), self._slope):
            cast_down(vertices, used, slope, self.at, least, most)
        margin = 3 * max(self._softness * self._cell, BODY_SOFTNESS)
        return np.concatenate([least - margin, most + margin], axis=1)

    def draw(self, vertices: Floats, used: Bools, template: Template, shown: Bools) -> tuple[Bytes, Bytes]:
        """Draws the shadows of n people.

        Args:
            vertices: (n, v, 3) metres.
            used: (n, v) which of them each person's triangles have.
            template: The triangles.
            shown: (n, t) which of them each person shows.

        Returns:
            (h, w) how much of the light from `direction` they take, and (h, w) how much of all light their bodies and
            feet keep from the floor below them, 0 to 255 each.
        """
        ends = np.zeros((2, len(vertices), 2), np.float32)
        straight = cast_down(vertices, used, np.zeros(2, np.float32), self.at, *ends)
        low = _below(vertices, template.triangles, shown, FOOT)
        body, feet = self._cover(straight, template, shown), self._cover(straight, template, low)
        cast = body
        if self._slope.any():
            slanted = cast_down(vertices, used, self._slope, self.at, *ends)
            cast = self._cover(slanted, template, shown)
        soft_cast = cv2.GaussianBlur(cast, (0, 0), self._softness)
        soft_body = cv2.GaussianBlur(body, (0, 0), BODY_SOFTNESS / self._cell)
        soft_feet = cv2.GaussianBlur(feet, (0, 0), max(FOOT_SOFTNESS / self._cell, 0.7))
        contact = cv2.addWeighted(soft_body, BODY_SHARE, soft_feet, FOOT_SHARE, 0)
        return np.asarray(soft_cast, np.uint8), np.asarray(contact, np.uint8)

    def _cover(self, cells: Floats, template: Template, shown: Bools) -> Bytes:
        """(h, w) 255 in the cells triangles cover; what faces the light is left out, the rest has the same outline."""
        height, width = self._shape
        covered = np.zeros(self._shape, np.uint8)
        windows = np.tile(np.array([0, 0, width, height, 0], np.int64), (len(cells), 1))
        every = np.ones(len(template.triangles), np.bool_)
        draw(
            cells,
            template.triangles,
            shown,
            template.two_sided,
            every,
            np.zeros((0, 0), np.float32),
            np.zeros((0, 0), np.int32),
            np.zeros((0, 0), np.uint8),
            windows,
            covered.reshape(-1),
        )
        return covered
