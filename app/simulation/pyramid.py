"""Textures at all their sizes in one array, so that compiled loops can read any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from app.simulation.raster import Number

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]

LEVELS = 9
"""Sizes a texture is kept at, each half the one before; small textures repeat their smallest."""

_CODES = np.arange(256) / 255.0

LINEAR: Floats = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""Linear light of each sRGB value (IEC 61966-2-1), 0 to 1."""


class Pyramids(NamedTuple):
    """Textures at `LEVELS` sizes.

    Attributes:
        texels: (s,) sRGB, rows of pixels of one size after another.
        sizes: (n, LEVELS, 3) start in `texels`, height and width.
    """

    texels: Bytes
    sizes: Longs


def make_pyramids(textures: Sequence[Bytes] | Bytes) -> Pyramids:
    """Packs textures, (h, w, 3) sRGB each; smaller sizes are averages in linear light."""
    parts: list[Bytes] = []
    sizes = np.zeros((len(textures), LEVELS, 3), np.int64)
    start = 0
    for row, texture in enumerate(textures):
        light = LINEAR[texture]
        for level in range(LEVELS):
            height, width = light.shape[:2]
            if level and min(height, width) == 1:
                sizes[row, level] = sizes[row, level - 1]
                continue
            if level:
                height, width = height // 2, width // 2
                light = cv2.resize(light, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, 3)
            parts.append((to_srgb(light) if level else texture).ravel())
            sizes[row, level] = start, height, width
            start += parts[-1].size
    return Pyramids(np.concatenate(parts) if parts else np.zeros(0, np.uint8), sizes)


def to_srgb(light: Floats) -> Bytes:
    """Values of linear light, clipped to 0 to 1."""
    light = np.clip(light, 0.0, 1.0)
    code = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.power(light, 1 / 2.4, dtype=np.float32) - 0.055)
    return (code * 255.0 + 0.5).astype(np.uint8)


@njit(cache=True)
def look_up(
    texels: Bytes, sizes: Longs, texture: Number, level: Number, u: Number, v: Number, repeats: bool
) -> tuple[Number, Number, Number]:
    """Linear light of a texture at one place, between its four nearest texels.

    Args:
        texels: As of `Pyramids`. Not the tuple itself: compiled code counts references to what it takes out of one.
        sizes: The same.
        texture: Which of them.
        level: Which of its sizes.
        u: To the right, its edges at 0 and 1.
        v: Downwards.
        repeats: Whether it repeats beyond its edges; else its outermost texels go on.
    """
    start, height, width = sizes[texture, level, 0], sizes[texture, level, 1], sizes[texture, level, 2]
    x, y = u * width - 0.5, v * height - 0.5
    floor_x, floor_y = np.floor(x), np.floor(y)
    right, down = np.float32(x - floor_x), np.float32(y - floor_y)
    column, row = np.int64(floor_x), np.int64(floor_y)
    if repeats:
        x0, x1, y0, y1 = column % width, (column + 1) % width, row % height, (row + 1) % height
    else:
        x0, x1 = min(max(column, 0), width - 1), min(max(column + 1, 0), width - 1)
        y0, y1 = min(max(row, 0), height - 1), min(max(row + 1, 0), height - 1)
    at_00, at_01 = start + (y0 * width + x0) * 3, start + (y0 * width + x1) * 3
    at_10, at_11 = start + (y1 * width + x0) * 3, start + (y1 * width + x1) * 3
    one = np.float32(1.0)
    s00, s01, s10, s11 = (one - down) * (one - right), (one - down) * right, down * (one - right), down * right
    red = (
        LINEAR[texels[at_00]] * s00
        + LINEAR[texels[at_01]] * s01
        + LINEAR[texels[at_10]] * s10
        + LINEAR[texels[at_11]] * s11
    )
    green = (
        LINEAR[texels[at_00 + 1]] * s00
        + LINEAR[texels[at_01 + 1]] * s01
        + LINEAR[texels[at_10 + 1]] * s10
        + LINEAR[texels[at_11 + 1]] * s11
    )
    blue = (
        LINEAR[texels[at_00 + 2]] * s00
        + LINEAR[texels[at_01 + 2]] * s01
        + LINEAR[texels[at_10 + 2]] * s10
        + LINEAR[texels[at_11 + 2]] * s11
    )
    return red, green, blue
