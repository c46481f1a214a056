"""A part of a texture while it is painted."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from app.simulation.lofts import Region
from app.simulation.wardrobe import Colour

Floats = npt.NDArray[np.floating[Any]]
Bytes = npt.NDArray[np.uint8]


class Canvas:
    """Colour and shade of a region.

    Args:
        region: Its place in the texture.
        colour: What it begins with.

    Attributes:
        u: (1, w) around, 0 and 1 behind, 0.5 before, 0.25 on the right.
        v: (h, 1) from the first ring, 0, to the last, 1.
        colour: (3, h, w) sRGB, 0 to 255.
        shade: (h, w) what the colour is multiplied by.
    """

    def __init__(self, region: Region, colour: Colour) -> None:
        self.region = region
        self.u = ((np.arange(region.width, dtype=np.float32) + 0.5) / region.width)[None]
        self.v = ((np.arange(region.height, dtype=np.float32) + 0.5) / region.height)[:, None]
        self.colour: Floats = np.empty((3, region.height, region.width), np.float32)
        self.colour[:] = np.array(colour, np.float32)[:, None, None]
        self.shade: Floats = np.ones((region.height, region.width), np.float32)

    def paint(self, mask: Floats, colour: Colour) -> None:
        """Lays a colour over what is there, as opaque as `mask` (h, w) says."""
        mask = np.asarray(mask, np.float32)
        for plane, part in zip(self.colour, colour, strict=True):
            plane += mask * (np.float32(part) - plane)

    def darken(self, mask: Floats, amount: float) -> None:
        """Takes a share of the light away where `mask` (h, w) is 1; a negative amount gives some."""
        self.shade *= np.float32(1.0) - np.float32(amount) * mask

    def noise(self, random: np.random.Generator, across: float, down: float, amount: float) -> None:
        """Clouds in the shade.

        Args:
            random: Source of the noise.
            across: Size of a cloud, a share of the width.
            down: Size of a cloud, a share of the height.
            amount: Standard deviation.
        """
        self.shade *= 1.0 + np.float32(amount) * self.clouds(random, across, down)

    def clouds(self, random: np.random.Generator, across: float, down: float) -> Floats:
        """Smooth noise (h, w) of mean 0 and standard deviation 1 that joins at the left and right edges."""
        height, width = self.shade.shape
        # As coarse as the clouds allow: about four samples to a cloud.
        rows = int(np.clip(4 / down, 4, height))
        columns = int(np.clip(4 / across, 4, width))
        seeds = random.standard_normal((rows, columns), np.float32)
        soft = cv2.GaussianBlur(np.hstack([seeds, seeds[:, :4]]), (0, 0), 1.0, borderType=cv2.BORDER_REFLECT)
        # Columns 2 to columns + 2 of the widened field run once around.
        field = cv2.remap(soft, *_lattice(rows, columns, height, width), cv2.INTER_LINEAR)
        mean, spread = cv2.meanStdDev(field)
        return (field - np.float32(mean[0, 0])) * np.float32(1 / max(spread[0, 0], 1e-6))

    def finish(self, picture: Bytes) -> None:
        """Writes the region into a texture (H, W, 3)."""
        picture[self.region.slices] = _bytes(self.colour * self.shade)


@lru_cache(maxsize=256)
def _lattice(rows: int, columns: int, height: int, width: int) -> tuple[Floats, Floats]:
    """Where the pixels of a field (height, width) lie in one of (rows, columns + 4)."""
    x = np.tile(2.0 + np.arange(width) * (columns / width), (height, 1)).astype(np.float32)
    y = np.tile(np.linspace(0, rows - 1, height)[:, None], (1, width)).astype(np.float32)
    return x, y


def _bytes(planes: Floats) -> Bytes:
    """(h, w, 3) of (3, h, w)."""
    pixels: Bytes = np.clip(planes + np.float32(0.5), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return pixels


def bump(value: Floats, middle: float, width: float) -> Floats:
    """1 at the middle, falling off like a bell."""
    return np.exp(-0.5 * ((value - np.float32(middle)) / np.float32(width)) ** 2)  # type: ignore[no-any-return]


def band(value: Floats, low: float, high: float, soft: float) -> Floats:
    """1 between two bounds, 0 beyond them, over soft edges."""
    rise = np.clip((value - low) / soft + 0.5, 0, 1)
    fall = np.clip((high - value) / soft + 0.5, 0, 1)
    return (rise * fall).astype(np.float32)  # type: ignore[no-any-return]


def around(u: Floats, middle: float) -> Floats:
    """Distance on the ring from a place on it, at most 0.5."""
    away = np.abs(u - np.float32(middle)) % 1.0
    return np.minimum(away, 1.0 - away)  # type: ignore[no-any-return]


def tone(colour: Colour, factor: float, towards: Colour = (128, 128, 128), share: float = 0.0) -> Colour:
    """A colour made lighter or darker and mixed with another."""
    mixed = [(1 - share) * part * factor + share * other for part, other in zip(colour, towards, strict=True)]
    red, green, blue = (round(min(max(part, 0.0), 255.0)) for part in mixed)
    return red, green, blue
