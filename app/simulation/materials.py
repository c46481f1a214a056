"""Textures of what stands still, made from random numbers: stone, plaster, wood, leaves, windows."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from app.simulation.meshes import Bytes, Floats

Colour = Sequence[int] | npt.NDArray[np.int_]


def clouds(shape: tuple[int, int], cells: float, random: np.random.Generator) -> Floats:
    """Smooth noise around 0 with standard deviation 1 that repeats beyond its edges, `cells` blotches along a side."""
    height, width = shape
    grey = random.standard_normal(shape).astype(np.float32)
    spread_x, spread_y = width / cells / 4, height / cells / 4
    down = np.exp(-2 * (np.pi * spread_y * np.fft.fftfreq(height)) ** 2)[:, None]
    right = np.exp(-2 * (np.pi * spread_x * np.fft.rfftfreq(width)) ** 2)[None]
    smooth = np.fft.irfft2(np.fft.rfft2(grey) * down * right, shape)
    smooth -= smooth.mean()
    return np.asarray(smooth / max(float(smooth.std()), 1e-9), np.float32)


def plain(colour: Colour, random: np.random.Generator, size: int = 256, grain: float = 4.0) -> Bytes:
    """One colour with blotches and grain; `grain` in grey levels."""
    tint = grain * random.standard_normal((size, size)) + 0.8 * grain * clouds((size, size), 5, random)
    return _bytes(np.asarray(colour, np.float32) + tint[..., None])


def slabs(
    colour: Colour,
    random: np.random.Generator,
    count: tuple[int, int],
    joint: int = 3,
    variation: float = 7.0,
    grain: float = 5.0,
    offset: bool = False,
) -> Bytes:
    """Slabs of stone or tiles with joints, (1024, 1024, 3).

    Args:
        colour: Of the stone.
        random: What differs from slab to slab.
        count: Slabs along the width and the height.
        joint: Width of a joint in texels.
        variation: Standard deviation between slabs in grey levels.
        grain: Standard deviation within a slab.
        offset: Whether every other row is moved by half a slab.
    """
    size = 1024
    across, down = size // count[0], size // count[1]
    y, x = np.mgrid[:size, :size]
    row = y // down
    x = (x + (row % 2) * (across // 2)) % size if offset else x
    column = x // across
    tints = random.normal(0, variation, (count[1] + 1, count[0] + 1, 1)) + random.normal(
        0, variation / 4, (count[1] + 1, count[0] + 1, 3)
    )
    picture = np.asarray(colour, np.float32) + tints[row, column]
    spots = random.standard_normal((size, size)) + 0.5 * clouds((size, size), 40, random)
    picture = picture + grain * spots[..., None]
    in_joint = np.minimum(x % across, y % down) < joint
    worn = in_joint * (0.30 + 0.08 * clouds((size, size), 12, random))
    return _bytes(picture * (1 - np.clip(worn, 0, 0.6))[..., None])


def planks(colour: Colour, random: np.random.Generator, count: int = 5) -> Bytes:
    """Boards side by side, their grain along the width, (512, 512, 3)."""
    size = 512
    fibre = clouds((size, size), 60, random)
    fibre = np.asarray(cv2.blur(fibre, (81, 1), borderType=cv2.BORDER_REFLECT), np.float32)
    board = np.arange(size) * count // size
    tint = random.normal(0, 5, count)[board][:, None] + 6 * fibre / max(float(fibre.std()), 1e-6)
    gap = (np.arange(size) % (size / count) < 10)[:, None]
    return _bytes((np.asarray(colour, np.float32) + tint[..., None]) * np.where(gap, 0.35, 1.0)[..., None])


def leaves(random: np.random.Generator) -> Bytes:
    """Greens, light and dark, (256, 256, 3)."""
    light = clouds((256, 256), 20, random) + 0.6 * clouds((256, 256), 60, random)
    green = np.array([66, 92, 44], np.float32) + light[..., None] * np.array([20, 22, 13], np.float32)
    return _bytes(green)


def stripes(colours: Sequence[Colour], random: np.random.Generator) -> Bytes:
    """Stripes across the width, as of an awning, (256, 256, 3)."""
    which = (np.arange(256) * 2 * len(colours) // 256) % len(colours)
    picture = np.asarray(colours, np.float32)[which][None].repeat(256, axis=0)
    return _bytes(picture + 3 * random.standard_normal((256, 256, 1)))


def _bytes(values: npt.NDArray[np.floating]) -> Bytes:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
