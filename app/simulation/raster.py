"""Drawing triangles: which of them each sample of a grid shows.

Samples lie in the middle of the cells of a grid. Corners are snapped to 1/256 of a cell and edges tested in whole
numbers, so that two triangles with a common edge share out the samples on it: none twice, none left out (the top-left
rule).

Nearness is any quantity that is linear on the grid and larger for what is nearer: 1 / depth for a pinhole, the
distance along the view for a parallel projection.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

Number = Any
"""A number in compiled code, of whichever type the compiler gives it."""

CELL_BITS = 8
CELL = 1 << CELL_BITS
"""Steps of the grid corners are snapped to, a cell."""

HALF = CELL // 2

TILE_BITS = 5
TILE = 1 << TILE_BITS
"""Samples along the side of a tile."""

TRIANGLE_BITS = 20
MOST_TRIANGLES = 1 << TRIANGLE_BITS
"""How many triangles a mesh may have; what is left of 31 bits numbers the copies of it that are drawn at a time."""

SILHOUETTE = 255
"""What a covered sample of a silhouette holds."""


@njit(cache=True)
def draw(  # noqa: C901 - a loop over triangles, rows and samples; calls would cost more than they explain
    points: Floats,
    triangles: Ints,
    shown: Bools,
    two_sided: Bools,
    own: Bools,
    nearness: Floats,
    drawn: Ints,
    tiles: Bytes,
    windows: Longs,
    silhouettes: Bytes,
) -> None:
    """Draws copies of a mesh, nearest in front; of what is equally near, the first stays.

    Args:
        points: (n, v, 3) x and y in samples and nearness of the vertices of n copies.
        triangles: (t, 3) rows of vertices; front faces are counter-clockwise to the eye, y downwards.
        shown: (n, t) whether a copy shows a triangle.
        two_sided: (t,) whether back faces are drawn.
        own: (t,) whether a triangle enters the silhouette of its copy.
        nearness: (h, w) of what is drawn already; changed in place.
        drawn: (h, w) `copy << TRIANGLE_BITS | triangle` of what each sample shows; changed in place.
        tiles: (⌈h / 32⌉, ⌈w / 32⌉) set to 1 where something may have been drawn.
        windows: (n, 5) left, top, width, height in samples of each copy's silhouette, which may lie beyond the grid,
            and its start in `silhouettes`. A copy with an empty window has none.
        silhouettes: (s,) row by row, set to 255 where a copy's own triangles are, whatever is in front of them.
    """
    height, width = nearness.shape
    for copy in range(points.shape[0]):
        left, top, across, down, start = windows[copy]
        for each in range(triangles.shape[0]):
            if not shown[copy, each]:
                continue
            a, b, c = triangles[each]
            ax, ay = _snap(points[copy, a, 0]), _snap(points[copy, a, 1])
            bx, by = _snap(points[copy, b, 0]), _snap(points[copy, b, 1])
            cx, cy = _snap(points[copy, c, 0]), _snap(points[copy, c, 1])
            area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
            if area == 0 or (area > 0 and not two_sided[each]):
                continue
            if area < 0:
                b, c = c, b
                bx, by, cx, cy = cx, cy, bx, by
                area = -area
            # Outside the grid only a silhouette is of interest.
            outlined = own[each] and across > 0
            least_x, least_y, most_x, most_y = 0, 0, width - 1, height - 1
            if outlined:
                least_x, least_y = min(least_x, left), min(least_y, top)
                most_x, most_y = max(most_x, left + across - 1), max(most_y, top + down - 1)
            first_x = max(least_x, (min(ax, bx, cx) + HALF - 1) >> CELL_BITS)
            first_y = max(least_y, (min(ay, by, cy) + HALF - 1) >> CELL_BITS)
            last_x = min(most_x, (max(ax, bx, cx) - HALF) >> CELL_BITS)
            last_y = min(most_y, (max(ay, by, cy) - HALF) >> CELL_BITS)
            if first_x > last_x or first_y > last_y:
                continue
            for row in range(max(first_y, 0) >> TILE_BITS, (min(last_y, height - 1) >> TILE_BITS) + 1):
                for column in range(max(first_x, 0) >> TILE_BITS, (min(last_x, width - 1) >> TILE_BITS) + 1):
                    tiles[row, column] = 1
            near_a, near_b, near_c = points[copy, a, 2], points[copy, b, 2], points[copy, c, 2]
            share = 1.0 / area
            slope = ((by - cy) * near_a + (cy - ay) * near_b + (ay - by) * near_c) * share * CELL
            label = copy << TRIANGLE_BITS | each
            # A sample exactly on an edge is the triangle's if the edge is a left or a top one.
            lack_a, lack_b, lack_c = _lack(cx - bx, cy - by), _lack(ax - cx, ay - cy), _lack(bx - ax, by - ay)
            step_a, step_b, step_c = (cy - by) << CELL_BITS, (ay - cy) << CELL_BITS, (by - ay) << CELL_BITS
            x = (first_x << CELL_BITS) + HALF
            for row in range(first_y, last_y + 1):
                y = (row << CELL_BITS) + HALF
                edge_a = (cx - bx) * (y - by) - (cy - by) * (x - bx)
                edge_b = (ax - cx) * (y - cy) - (ay - cy) * (x - cx)
                edge_c = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
                near = (edge_a * near_a + edge_b * near_b + edge_c * near_c) * share
                edge_a, edge_b, edge_c = edge_a - lack_a, edge_b - lack_b, edge_c - lack_c
                in_rows = 0 <= row < height
                line = start + (row - top) * across - left
                in_window = outlined and top <= row < top + down
                for column in range(first_x, last_x + 1):
                    if (edge_a | edge_b | edge_c) >= 0:
                        if in_window and left <= column < left + across:
                            silhouettes[line + column] = SILHOUETTE
                        if in_rows and 0 <= column < width:
                            here = np.float32(near + (column - first_x) * slope)
                            if here > nearness[row, column]:
                                nearness[row, column] = here
                                drawn[row, column] = label
                    edge_a -= step_a
                    edge_b -= step_b
                    edge_c -= step_c


@njit(cache=True)
def _snap(value: Number) -> Number:
    return np.int64(np.floor(value * CELL + 0.5))


@njit(cache=True)
def _lack(step_x: Number, step_y: Number) -> Number:
    """Least value an edge's function has at samples of a triangle that is clockwise to the eye, y downwards."""
    return 0 if step_y < 0 or (step_y == 0 and step_x > 0) else 1


@njit(cache=True)
def count_covered(windows: Longs, silhouettes: Bytes) -> Longs:
    """Number of pixels, (n,), of which at least two of the 2 × 2 samples are in a silhouette; windows as in `draw`.

    Windows start at even samples and have even sides.
    """
    found = np.zeros(len(windows), np.int64)
    for copy in range(len(windows)):
        _, _, across, down, start = windows[copy]
        for row in range(0, down, 2):
            upper = start + row * across
            lower = upper + across
            for column in range(0, across, 2):
                held = (
                    np.int64(silhouettes[upper + column])
                    + silhouettes[upper + column + 1]
                    + silhouettes[lower + column]
                    + silhouettes[lower + column + 1]
                )
                if held >= 2 * SILHOUETTE:
                    found[copy] += 1
    return found


def clip_near(corners: Doubles, depth: Doubles, near: float) -> Doubles:
    """Cuts off what of triangles is nearer than a plane.

    Args:
        corners: (t, 3, k) whatever is linear over a triangle, for each of its corners.
        depth: (t, 3) of the corners.
        near: Depth of the plane.

    Returns:
        (t', 3, k) triangles at or beyond the plane, facing as before: those wholly beyond it first, then the parts of
        those it cuts.
    """
    beyond = depth >= near
    count = beyond.sum(axis=1)
    whole = corners[count == 3]
    parts = [whole]
    for inside in (1, 2):
        chosen = np.flatnonzero(count == inside)
        # Turned so that the corner that differs from the two others comes first.
        odd = np.argmax(beyond[chosen] == (inside == 1), axis=1)
        order = (odd[:, None] + np.arange(3)) % 3
        turned = np.take_along_axis(corners[chosen], order[:, :, None], axis=1)
        at = np.take_along_axis(depth[chosen], order, axis=1)
        share = (near - at[:, :1]) / (at[:, 1:] - at[:, :1])
        cut = turned[:, :1] + share[:, :, None] * (turned[:, 1:] - turned[:, :1])
        if inside == 1:
            parts.append(np.stack([turned[:, 0], cut[:, 0], cut[:, 1]], axis=1))
        else:
            parts.append(np.stack([cut[:, 0], turned[:, 1], turned[:, 2]], axis=1))
            parts.append(np.stack([cut[:, 0], turned[:, 2], cut[:, 1]], axis=1))
    return np.concatenate(parts)
