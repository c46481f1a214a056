"""What a camera sees when nobody is there, drawn once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

from app.simulation.camera import Camera
from app.simulation.lighting import Setting, illuminate
from app.simulation.materials import clouds
from app.simulation.meshes import Bools, Bytes, Floats, Ints
from app.simulation.pyramid import Longs, look_up, make_pyramids
from app.simulation.raster import TILE, Number, clip_near, draw
from app.simulation.solids import Surface

NEAR = 0.1
"""Metres before the camera nearer than which nothing is drawn."""

OVERSAMPLING = 2
"""Samples along each side of a pixel."""

MOST_TAPS = 12
"""Places in a texture that are averaged for a sample where the surface is seen at a flat angle."""

LARGEST_FOOTPRINT = 4096.0
"""Texels along a sample's footprint beyond which a texture is one colour."""

ROWS = 96
"""Rows of samples that are lit at a time."""

BLOTCHES = 0.05
"""Standard deviation of the large-scale variation of floors and walls, as a share of their light."""


@dataclass(frozen=True, slots=True)
class Background:
    """A scene without people, at 2 × 2 samples a pixel.

    Attributes:
        light: (2h, 2w, 3) linear light, red, green, blue.
        nearness: (2h, 2w) 1 / depth; 0 for the sky.
        floor: (2h, 2w) whether a sample shows the floor.
        sunny: (2h, 2w) share of the sun in a sample's light.
    """

    light: Floats
    nearness: Floats
    floor: Bools
    sunny: Floats


@dataclass(frozen=True, slots=True)
class _Soup:
    """All surfaces as separate triangles in front of the camera.

    Attributes:
        points: (t, 3, 3) x and y in samples and nearness of the corners.
        corners: (t, 3, 8) position, normal and place in the texture.
        surface: (t,) row of the surface each is of.
    """

    points: Floats
    corners: Floats
    surface: Ints


def draw_background(surfaces: Sequence[Surface], setting: Setting, camera: Camera, seed: int) -> Background:
    """Draws surfaces, and the sky where there are none."""
    textures = make_pyramids([each.mesh.texture for each in surfaces])
    soup = _soup(surfaces, camera)
    width, height = (OVERSAMPLING * side for side in camera.size)
    nearness = np.zeros((height, width), np.float32)
    drawn = np.full((height, width), -1, np.int32)
    count = len(soup.points)
    every, none = np.ones(count, np.bool_), np.zeros(count, np.bool_)
    tiles = np.zeros((-(-height // TILE), -(-width // TILE)), np.uint8)
    triangles = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    windows, outline = np.zeros((1, 5), np.int64), np.zeros(0, np.uint8)
    points = soup.points.reshape(1, -1, 3)
    draw(points, triangles, every[None], none, none, nearness, drawn, tiles, windows, outline)
    glow, floor, gloss = (
        np.array(values, np.float32)
        for values in zip(*((each.glow, each.floor, each.mesh.gloss) for each in surfaces), strict=True)
    )
    light, sunny = np.empty((height, width, 3), np.float32), np.empty((height, width), np.float32)
    eye = np.asarray(camera.position, np.float32)
    random = np.random.default_rng([seed, 2])
    stains = clouds((256, 256), 12, random) + 0.7 * clouds((256, 256), 40, random)
    for first in range(0, height, ROWS):
        rows = slice(first, min(first + ROWS, height))
        part = drawn[rows]
        albedo, position, normal = (np.zeros((*part.shape, 3), np.float32) for _ in range(3))
        _texture(part, first, soup.points, soup.corners, soup.surface, *textures, albedo, position, normal)
        lit = np.zeros((part.size, 5), np.float32)
        illuminate(setting, position.reshape(-1, 3), normal.reshape(-1, 3), part.reshape(-1) >= 0, eye, lit)
        lit = lit.reshape(*part.shape, 5)
        kind = soup.surface[part] if count else np.zeros(part.shape, np.int32)
        albedo *= _stained(stains, position, normal)[..., None]
        light[rows] = albedo * (lit[..., :3] + glow[kind][..., None])
        light[rows] += (lit[..., 3] * gloss[kind] * 0.5)[..., None]
        light[rows][part < 0] = _sky(camera, setting, first, part)
        sunny[rows] = lit[..., 4]
    ground = drawn >= 0
    ground[ground] = floor[soup.surface[drawn[ground]]] > 0
    return Background(light, nearness, ground, sunny)


def _soup(surfaces: Sequence[Surface], camera: Camera) -> _Soup:
    corners, kinds = [], []
    for row, surface in enumerate(surfaces):
        mesh = surface.mesh
        whole = np.concatenate([mesh.vertices, mesh.normals, mesh.uv], axis=1, dtype=np.float64)
        corners.append(whole[mesh.triangles])
        kinds.append(np.full(len(mesh.triangles), float(row)))
    every = np.concatenate(
        [np.concatenate(corners), np.repeat(np.concatenate(kinds)[:, None, None], 3, axis=1)], axis=2
    )
    depth = camera.to_camera(every[..., :3])[..., 2]
    kept = clip_near(every, depth, NEAR)
    image, depth = camera.project(kept[..., :3])
    points = np.concatenate([image * OVERSAMPLING, 1 / depth[..., None]], axis=2)
    return _Soup(points.astype(np.float32), kept[..., :8].astype(np.float32), np.rint(kept[:, 0, 8]).astype(np.int32))


def _stained(stains: Floats, position: Floats, normal: Floats) -> Floats:
    """What large-scale variation makes of the light at points, (h, w); uprights have less."""
    along = (position[..., 0] + 0.7 * position[..., 2]) * 10
    aside = (position[..., 1] + 0.4 * position[..., 2]) * 10
    found = cv2.remap(stains, along, aside, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(1 + BLOTCHES * found * (0.5 + 0.5 * np.abs(normal[..., 2])), np.float32)


def _sky(camera: Camera, setting: Setting, first: int, part: Ints) -> Floats:
    """Light of the sky at the samples of some rows that show nothing else, (k, 3)."""
    row, column = np.nonzero(part < 0)
    size = np.asarray(camera.size)
    x = ((column + 0.5) / OVERSAMPLING - size[0] / 2) / camera.focal
    y = ((row + first + 0.5) / OVERSAMPLING - size[1] / 2) / camera.focal
    way = np.stack([x, y, np.ones_like(x)], axis=1) @ camera.rotation
    rise = np.clip(way[:, 2] / np.linalg.norm(way, axis=1), 0, 1)[:, None]
    haze = np.array([1.25, 1.3, 1.35]) * (1 - rise) + np.array([0.55, 0.75, 1.05]) * rise
    return np.asarray(haze * float(setting.sky.mean()) * 2.0, np.float32)


@njit(cache=True)
def _texture(
    drawn: Ints,
    first: Number,
    points: Floats,
    corners: Floats,
    surface: Ints,
    texels: Bytes,
    sizes: Longs,
    albedo: Floats,
    position: Floats,
    normal: Floats,
) -> None:
    """Fills texture, position and normal of the samples of some rows, the first of them row `first`."""
    place = np.zeros(8, np.float32)
    right = np.zeros(8, np.float32)
    below = np.zeros(8, np.float32)
    for row in range(drawn.shape[0]):
        for column in range(drawn.shape[1]):
            each = drawn[row, column]
            if each < 0:
                normal[row, column, 2] = 1.0
                continue
            x, y = column + 0.5, row + first + 0.5
            _interpolate(points, corners, each, x, y, place)
            _interpolate(points, corners, each, x + 1, y, right)
            _interpolate(points, corners, each, x, y + 1, below)
            length = np.sqrt(place[3] ** 2 + place[4] ** 2 + place[5] ** 2)
            for axis in range(3):
                position[row, column, axis] = place[axis]
                normal[row, column, axis] = place[3 + axis] / length
            red, green, blue = _average(texels, sizes, surface[each], place, right, below)
            albedo[row, column, 0], albedo[row, column, 1], albedo[row, column, 2] = red, green, blue


@njit(cache=True)
def _interpolate(points: Floats, corners: Floats, each: Number, x: Number, y: Number, found: Floats) -> None:
    """What a triangle's corners have between them in perspective, at a place in the picture."""
    ax, ay, bx, by = points[each, 0, 0] - x, points[each, 0, 1] - y, points[each, 1, 0] - x, points[each, 1, 1] - y
    cx, cy = points[each, 2, 0] - x, points[each, 2, 1] - y
    a = (bx * cy - by * cx) * points[each, 0, 2]
    b = (cx * ay - cy * ax) * points[each, 1, 2]
    c = (ax * by - ay * bx) * points[each, 2, 2]
    total = a + b + c
    if total == 0:
        a, b, c, total = 1.0, 1.0, 1.0, 3.0
    a, b, c = a / total, b / total, c / total
    for k in range(len(found)):
        found[k] = a * corners[each, 0, k] + b * corners[each, 1, k] + c * corners[each, 2, k]


@njit(cache=True)
def _average(
    texels: Bytes, sizes: Longs, texture: Number, place: Floats, right: Floats, below: Floats
) -> tuple[Number, Number, Number]:
    """Mean of a texture over a sample's footprint, from places along the footprint's longer side."""
    height, width = sizes[texture, 0, 1], sizes[texture, 0, 2]
    du, dv = right[6] - place[6], right[7] - place[7]
    eu, ev = below[6] - place[6], below[7] - place[7]
    first = np.sqrt((du * width) ** 2 + (dv * height) ** 2)
    second = np.sqrt((eu * width) ** 2 + (ev * height) ** 2)
    if second > first:
        first, second, du, dv = second, first, eu, ev
    if not first < LARGEST_FOOTPRINT:
        # The next sample is past the horizon.
        first, second, du, dv = LARGEST_FOOTPRINT, LARGEST_FOOTPRINT, 0.0, 0.0
    finest = max(second, first / MOST_TAPS, 1.0)
    level = min(np.int64(np.log2(finest) + 0.3), sizes.shape[1] - 1)
    taps: Number = min(max(np.int64(np.ceil(first / 2.0**level)), 1), MOST_TAPS)
    red, green, blue = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for tap in range(taps):
        along = (tap + 0.5) / taps - 0.5
        r, g, b = look_up(texels, sizes, texture, level, place[6] + along * du, place[7] + along * dv, True)
        red, green, blue = red + r, green + g, blue + b
    share = np.float32(1.0 / taps)
    return red * share, green * share, blue * share
