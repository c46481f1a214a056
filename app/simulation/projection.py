"""Where people's vertices lie in a picture and on the floor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from app.simulation.meshes import Bools, Floats

Doubles = npt.NDArray[np.float64]


@njit(cache=True)
def project(
    vertices: Floats, used: Bools, own: Bools, matrix: Doubles, sampling: int, near: float
) -> tuple[Floats, Doubles, Doubles]:
    """Projects n people through a pinhole.

    Args:
        vertices: (n, v, 3) metres.
        used: (n, v) which of them each person's triangles have.
        own: (n, v) which are of the person, not of what they carry or push.
        matrix: (3, 4) from the world to the picture.
        sampling: Samples along a side of a pixel.
        near: Depth from which vertices are projected; nearer ones and unused ones are put anywhere.

    Returns:
        (n, v, 3) x and y in samples and 1 / depth; (n, 4) left, top, right, bottom of a person's own vertices in
        pixels; (n,) least depth of the used ones. A person without vertices has an empty box and infinite depth.
    """
    points = np.zeros(vertices.shape, np.float32)
    boxes = np.empty((len(vertices), 4), np.float64)
    least = np.full(len(vertices), np.inf)
    boxes[:, :2] = np.inf
    boxes[:, 2:] = -np.inf
    for row in range(vertices.shape[0]):
        for each in range(vertices.shape[1]):
            if not used[row, each]:
                continue
            x, y, z = vertices[row, each, 0], vertices[row, each, 1], vertices[row, each, 2]
            depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
            least[row] = min(least[row], depth)
            if depth < near:
                continue
            share = 1.0 / depth
            across = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]) * share
            down = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]) * share
            points[row, each, 0] = across * sampling
            points[row, each, 1] = down * sampling
            points[row, each, 2] = share
            if own[row, each]:
                boxes[row, 0] = min(boxes[row, 0], across)
                boxes[row, 1] = min(boxes[row, 1], down)
                boxes[row, 2] = max(boxes[row, 2], across)
                boxes[row, 3] = max(boxes[row, 3], down)
    return points, boxes, least


@njit(cache=True)
def cast_down(vertices: Floats, used: Bools, slope: Floats, at: Floats, least: Floats, most: Floats) -> Floats:
    """Where light that comes from one direction casts the vertices of n people on a map of the floor.

    Args:
        vertices: (n, v, 3) metres.
        used: (n, v) which of them each person's triangles have.
        slope: (2,) metres along x and y the light comes down over, a metre of height.
        at: (3,) x and y of the map's first cell's corner, cells a metre.
        least: (n, 2) lowered to the least x and y on the floor, metres.
        most: (n, 2) raised to the greatest.

    Returns:
        (n, v, 3) column and row in the map, and 0.
    """
    cells = np.zeros(vertices.shape, np.float32)
    for row in range(vertices.shape[0]):
        for each in range(vertices.shape[1]):
            if not used[row, each]:
                continue
            for axis in range(2):
                place = vertices[row, each, axis] - vertices[row, each, 2] * slope[axis]
                cells[row, each, axis] = (place - at[axis]) * at[2]
                least[row, axis] = min(least[row, axis], place)
                most[row, axis] = max(most[row, axis], place)
    return cells
