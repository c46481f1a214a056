"""Meshes of simple solids: rectangles, boxes, cylinders, and many leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.simulation.meshes import Bytes, Mesh

Vector = Sequence[float] | npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Surface:
    """A mesh of the world that stands still, and how it takes light.

    Attributes:
        mesh: Its shape and texture.
        glow: Light it gives off itself, as a multiple of its texture.
        floor: Whether it is ground on which shadows of people fall.
        casts: Whether it keeps the sun off others.
    """

    mesh: Mesh
    glow: float = 0.0
    floor: bool = False
    casts: bool = True


def rectangle(
    corner: Vector, across: Vector, up: Vector, texture: Bytes, scale: tuple[float, float], gloss: float = 0.0
) -> Mesh:
    """A rectangle seen from the side `across` × `up` points to.

    Args:
        corner: Its lower left corner, metres.
        across: From there to its lower right corner.
        up: From there to its upper left corner.
        texture: (h, w, 3) sRGB; its lower left corner lies at the rectangle's.
        scale: Width and height of the texture in metres.
        gloss: As of a `Mesh`.
    """
    start, right, rise = (np.asarray(each, np.float64) for each in (corner, across, up))
    normal = np.cross(right, rise)
    normal /= np.linalg.norm(normal)
    u, v = np.linalg.norm(right) / scale[0], np.linalg.norm(rise) / scale[1]
    return Mesh(
        np.stack([start, start + right, start + right + rise, start + rise]).astype(np.float32),
        np.repeat(normal[None], 4, axis=0).astype(np.float32),
        np.array([[0, 1], [u, 1], [u, 1 - v], [0, 1 - v]], np.float32),
        np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        texture,
        gloss,
    )


def box(
    centre: Vector, size: Vector, yaw: float, texture: Bytes, scale: tuple[float, float], gloss: float = 0.0
) -> Mesh:
    """A box turned by `yaw` about the vertical; `centre` is the middle of its bottom, `size` length, width, height."""
    length, width, height = size
    cos, sin = np.cos(yaw), np.sin(yaw)
    along, aside, up = np.array([cos, sin, 0]), np.array([-sin, cos, 0]), np.array([0, 0, 1.0])
    middle = np.asarray(centre, np.float64)
    sides = []
    for first, second, first_half, second_half in (
        (along, aside, length / 2, width / 2),
        (aside, -along, width / 2, length / 2),
        (-along, -aside, length / 2, width / 2),
        (-aside, along, width / 2, length / 2),
    ):
        # The face that looks along `first`; to the right on it is `second`.
        corner = middle + first * first_half - second * second_half
        sides.append(rectangle(corner, second * 2 * second_half, up * height, texture, scale, gloss))
    low = middle - along * length / 2 - aside * width / 2
    sides.append(rectangle(low + up * height, along * length, aside * width, texture, scale, gloss))
    sides.append(rectangle(low + aside * width, along * length, -aside * width, texture, scale, gloss))
    return joined(sides)


def cylinder(
    centre: Vector,
    radii: tuple[float, float],
    height: float,
    texture: Bytes,
    scale: tuple[float, float],
    gloss: float = 0.0,
    sides: int = 28,
) -> Mesh:
    """An upright cylinder or cone with a top; `centre` is the middle of its bottom, `radii` at bottom and top."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(sides + 1)], axis=1)
    middle = np.asarray(centre, np.float64)
    up = np.array([0, 0, height])
    lower, upper = middle + ring * radii[0], middle + ring * radii[1] + up
    lean = (radii[0] - radii[1]) / max(height, 1e-6)
    normals = ring + np.array([0, 0, lean])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    u = angle * max(radii) / scale[0]
    side = np.arange(sides)
    wall = np.concatenate(
        [
            np.stack([side, side + 1, side + sides + 2], axis=1),
            np.stack([side, side + sides + 2, side + sides + 1], axis=1),
        ]
    )
    mantle = Mesh(
        np.concatenate([lower, upper]).astype(np.float32),
        np.concatenate([normals, normals]).astype(np.float32),
        np.concatenate(
            [np.stack([u, np.ones_like(u)], axis=1), np.stack([u, 1 - np.full_like(u, height / scale[1])], axis=1)]
        ).astype(np.float32),
        wall.astype(np.int32),
        texture,
        gloss,
    )
    cap = Mesh(
        np.concatenate([[middle + up], upper]).astype(np.float32),
        np.repeat([[0, 0, 1.0]], sides + 2, axis=0).astype(np.float32),
        (np.concatenate([[[0, 0, 0]], ring * radii[1]])[:, :2] / scale[0]).astype(np.float32),
        np.stack([np.zeros(sides, int), side + 1, side + 2], axis=1).astype(np.int32),
        texture,
        gloss,
    )
    return joined([mantle, cap])


def foliage(centre: Vector, size: Vector, yaw: float, leaves: int, texture: Bytes, random: np.random.Generator) -> Mesh:
    """Leaves, seen from both sides, that fill a half ellipsoid.

    Args:
        centre: The middle of its bottom.
        size: Length, width and height.
        yaw: Of its length.
        leaves: How many.
        texture: Of a leaf.
        random: Where they are.
    """
    way = random.standard_normal((leaves, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    way[:, 2] = np.abs(way[:, 2])
    place = way * random.uniform(0.75, 1.0, (leaves, 1)) * [size[0] / 2, size[1] / 2, size[2]]
    cos, sin = np.cos(yaw), np.sin(yaw)
    place[:, :2] = place[:, :2] @ np.array([[cos, sin], [-sin, cos]])
    first = np.cross(way, random.standard_normal((leaves, 3)))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(way, first) + 0.7 * random.standard_normal((leaves, 3))
    reach = random.uniform(0.05, 0.11, (leaves, 1, 1))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [1.0, 0.7]
    spread = corners[None, :, :1] * first[:, None] + corners[None, :, 1:] * second[:, None]
    vertices = np.asarray(centre) + place[:, None] + reach * spread
    vertices[..., 2] = np.maximum(vertices[..., 2], float(np.asarray(centre)[2]))
    # Normals of the whole rather than of each leaf: a bush is lit like a ball.
    normals = np.repeat(way[:, None] + 0.25 * random.standard_normal((leaves, 1, 3)), 4, axis=1)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    u = random.uniform(0, 1, (leaves, 1, 2)) + (corners[None] + 1) / 2 * 0.3
    one = np.array([[0, 1, 2], [0, 2, 3], [0, 2, 1], [0, 3, 2]])
    triangles = (np.arange(leaves)[:, None, None] * 4 + one).reshape(-1, 3)
    return Mesh(
        vertices.reshape(-1, 3).astype(np.float32),
        normals.reshape(-1, 3).astype(np.float32),
        u.reshape(-1, 2).astype(np.float32),
        triangles.astype(np.int32),
        texture,
    )


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Meshes of one texture and gloss as one."""
    counts = [len(each.vertices) for each in meshes]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    triangles = [each.triangles + start for each, start in zip(meshes, starts, strict=True)]
    return Mesh(
        np.concatenate([each.vertices for each in meshes]),
        np.concatenate([each.normals for each in meshes]),
        np.concatenate([each.uv for each in meshes]),
        np.concatenate(triangles).astype(np.int32),
        meshes[0].texture,
        meshes[0].gloss,
    )
