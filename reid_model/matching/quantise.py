"""Vectors in 8 bits.

One scale for each crop: the largest magnitude among its values becomes 127. A value is then off by at most half a step,
step = largest magnitude / 127, and a cosine of two unit vectors of d values by at most √d/2 steps of each (root mean
square: about √(1/12) of a step of each). On real crops of 48 cells × 128 dimensions, `benchmarks.search` measures what
that does to distances and rankings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reid_model.features import Features, FloatArray

ByteArray = npt.NDArray[np.uint8]

ZERO = 128
"""What the stored byte 0 stands for: bytes are unsigned, which is what processors multiply fastest."""

MULTIPLE = 8
"""Cells are filled up with zeros to a multiple of so many values."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """Cells of n crops in 8 bits.

    Attributes:
        cells: `(n, P, d')` uint8, contiguous: value + 128; d' is d filled up to a multiple of 8 with zeros (bytes of
            128).
        scale: What one step is, `(n,)` float32.
    """

    cells: ByteArray
    scale: FloatArray

    @classmethod
    def of(cls, features: Features) -> Quantised:
        """The cells of these features."""
        return cls(*to_bytes(features.local, MULTIPLE))

    def __len__(self) -> int:
        return len(self.scale)


def steps(values: FloatArray) -> FloatArray:
    """The scale of each row of `(n, …)`: never 0, so that a row of zeros stays one."""
    largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), initial=0)
    return np.asarray(np.where(largest > 0, largest, 1) / 127, np.float32)


def to_bytes(values: FloatArray, multiple: int = 1) -> tuple[ByteArray, FloatArray]:
    """Values `(n, …, d)` as bytes `(n, …, d')` and the scale of each row, `(n,)`.

    Args:
        values: Any finite numbers.
        multiple: d' is d filled up to a multiple of it with zeros.
    """
    scale = steps(values)
    ratio = values / scale.reshape(-1, *[1] * (values.ndim - 1))
    wide = -(-values.shape[-1] // multiple) * multiple
    stored = np.full((*values.shape[:-1], wide), ZERO, np.uint8)
    stored[..., : values.shape[-1]] = np.rint(ratio) + ZERO
    return stored, scale


def to_floats(stored: ByteArray, scale: FloatArray) -> FloatArray:
    """The values `(n, …)` that bytes and the scales of their rows stand for."""
    values = stored.astype(np.float32)
    values -= ZERO
    values *= scale.reshape(-1, *[1] * (stored.ndim - 1))
    return values


def unit(values: FloatArray) -> FloatArray:
    """The vectors along the last axis, of length 1; what has no length stays as it is."""
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.asarray(values / np.where(length > 0, length, 1), np.float32)
