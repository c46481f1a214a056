"""From light to the values of a picture: what the camera's lens and electronics do."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from app.simulation.camera import Look

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

BRIGHTEST = 4.0
"""Light beyond which all is white."""

STEPS = 4096
"""Entries of the table from light to values; they are evenly spaced in the square root of light."""

KNEE = 0.45
"""Light beyond which highlights are compressed, as cameras do to hold them."""

NOISE_TILES = 4
"""Pictures of noise that are made once; each frame takes one of them, moved by some pixels."""

NOISE_MARGIN = 64
"""Furthest a picture of noise is moved, in pixels."""


def tone_curve() -> tuple[Bytes, Floats]:
    """What a camera makes of light.

    Returns:
        (STEPS,) sRGB value of the light `BRIGHTEST * (entry / (STEPS - 1)) ** 2`, and (256,) the light of each value.
    """
    light = BRIGHTEST * np.linspace(0.0, 1.0, STEPS) ** 2
    held = np.where(light <= KNEE, light, KNEE + (1 - KNEE) * -np.expm1(-(light - KNEE) / (1 - KNEE)))
    codes = np.where(held <= 0.0031308, held * 12.92, 1.055 * held ** (1 / 2.4) - 0.055) * 255.0
    back = np.interp(np.arange(256.0), codes, light)
    return (codes + 0.5).astype(np.uint8), back.astype(np.float32)


def encode(light: Floats, curve: Bytes) -> Bytes:
    """Values of light, of any shape."""
    entry = np.sqrt(np.clip(light, 0.0, BRIGHTEST) / np.float32(BRIGHTEST)) * np.float32(STEPS - 1)
    return np.asarray(curve[(entry + 0.5).astype(np.int32)], np.uint8)


class Sensor:
    """A camera's blur and noise.

    Args:
        look: The camera's.
        size: Width and height of its pictures.
        seed: (…) what the noise is made from.
    """

    def __init__(self, look: Look, size: tuple[int, int], seed: list[int]) -> None:
        self._look, self._seed = look, seed
        width, height = size
        random = np.random.default_rng(seed)
        shape = (NOISE_TILES, height + NOISE_MARGIN, width + NOISE_MARGIN, 3)
        noise = random.standard_normal(shape, np.float32)
        # Cameras reconstruct colours from neighbours and smooth them, which leaves noise in grains of about a pixel.
        for tile in noise:
            grain = cv2.GaussianBlur(tile, (3, 3), 0.5)
            tile[:] = grain / max(float(grain.std()), 1e-6)
            tile[:] = 0.6 * tile + 0.8 * tile.mean(axis=2, keepdims=True) * np.sqrt(3.0) * 0.75
        self._noise = np.rint(noise * look.noise).astype(np.int8)

    def expose(self, image: Bytes, frame: int) -> Bytes:
        """Blurs a picture and adds the noise of a frame.

        Args:
            image: (h, w, 3) values.
            frame: Its number: the same number has the same noise.

        Returns:
            (h, w, 3) values, a new array.
        """
        if self._look.blur > 0:
            blurred = cv2.GaussianBlur(image, (0, 0), self._look.blur)
            image = np.asarray(blurred, np.uint8).reshape(image.shape)
        if self._look.noise <= 0:
            return image.copy()
        height, width = image.shape[:2]
        tile, down, right = np.random.default_rng([*self._seed, frame]).integers(
            [NOISE_TILES, NOISE_MARGIN + 1, NOISE_MARGIN + 1]
        )
        noise = self._noise[tile, down : down + height, right : right + width]
        added = cv2.add(image, noise, dtype=cv2.CV_8U)
        return np.asarray(added, np.uint8).reshape(image.shape)
