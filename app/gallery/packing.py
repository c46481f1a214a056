"""Arrays as bytes: how vectors and tracks are stored.

All little-endian, row-major, without headers; shapes follow from the gallery's dimensions or the array's length.

| column | type | shape |
|---|---|---|
| tracklets.frames | int64 | (n,) |
| tracklets.times | float64 | (n,) |
| tracklets.boxes | float32 | (n, 4): left, top, right, bottom |
| tracklets.scores | float32 | (n,) |
| vectors.pooled | float16 | (D,) |
| vectors.local | float16 | (P, d) |
| vectors.saliency | float16 | (P,) |
| crops.jpeg | JPEG | |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reid_model.features import Features, FloatArray

CROP_HEIGHT = 256
"""Tallest stored picture in pixels; larger crops are scaled down."""

JPEG_QUALITY = 90


@dataclass(frozen=True)
class Dimensions:
    """Sizes of one model's features: D of the pooled vector, P cells, d of a cell."""

    pooled: int
    cells: int
    local: int

    @classmethod
    def of(cls, features: Features) -> Dimensions:
        """The sizes of these features."""
        return cls(features.global_.shape[1], features.cells, features.local.shape[2])

    def __str__(self) -> str:
        return f"{self.pooled} pooled, {self.cells} cells of {self.local}"


def pack(values: npt.ArrayLike, dtype: str) -> bytes:
    """The array's bytes in a little-endian type such as `<f4`."""
    return np.ascontiguousarray(values, dtype).tobytes()


def unpack(data: bytes, dtype: str, columns: int | None = None) -> npt.NDArray[np.generic]:
    """The array of packed bytes, writable and in the machine's own byte order; `(n, columns)` where columns are given.

    Raises:
        ValueError: If the bytes are not a whole number of rows.
    """
    values = np.frombuffer(data, dtype)
    if columns is not None:
        values = values.reshape(-1, columns)
    return values.astype(np.dtype(dtype).newbyteorder("="))


def unpack_features(
    pooled: Sequence[bytes], local: Sequence[bytes], saliency: Sequence[bytes], mass: Sequence[float], size: Dimensions
) -> Features:
    """The features of n sightings, validated.

    Half precision moves a saliency row's sum by up to a thousandth; rows are scaled to sum to 1 again.

    Raises:
        ValueError: If bytes are missing, or what they hold are not features.
    """
    count = len(mass)
    weights = _join(saliency, (count, size.cells))
    with np.errstate(invalid="ignore", over="ignore"):  # what is no number, or too large for one, is refused below
        total = weights.sum(axis=1, keepdims=True)
        masses = np.asarray(mass, np.float32)
    return Features(
        _join(pooled, (count, size.pooled)),
        _join(local, (count, size.cells, size.local)),
        np.divide(weights, total, out=weights, where=np.abs(total - 1) < 0.01),
        masses,
    )


def _join(parts: Sequence[bytes], shape: tuple[int, ...]) -> FloatArray:
    expected = 2 * int(np.prod(shape[1:]))
    wrong = next((len(part) for part in parts if len(part) != expected), None)
    if wrong is not None:
        raise ValueError(f"expected {expected} bytes, given {wrong}")
    return np.frombuffer(b"".join(parts), "<f2").astype(np.float32).reshape(shape)


def encode_crop(crop: npt.NDArray[np.uint8] | None) -> bytes | None:
    """A BGR crop as JPEG, at most `CROP_HEIGHT` tall; None for None or a crop without pixels."""
    if crop is None or not crop.size:
        return None
    height, width = crop.shape[:2]
    size = (max(1, round(width * CROP_HEIGHT / height)), CROP_HEIGHT)
    picture = cv2.resize(crop, size, interpolation=cv2.INTER_AREA) if height > CROP_HEIGHT else crop
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data) if done else None
