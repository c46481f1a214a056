"""What the index keeps of each sighting, as arrays: a million sightings in 7 GB, and no Python object for any.

| column | type | shape | what |
|---|---|---|---|
| ids, tracklets, cameras | int64 | | keys in the store, and the camera's place in the index's list |
| times, expires | float64 | | seconds since the epoch |
| mass | float32 | | of the crop |
| head, low | uint8 | (h,) | the first values of the turned pooled vector in 8 bits, and what 8 bits left over of them |
| tail | uint8 | (D',) | its other values in 8 bits |
| head_scale, tail_scale | float32 | | one step of each |
| saliency | uint8 | (P,) | heaviest cell 255 |
| cells | uint8 | (P, d') | as `reid_model.matching.quantise` says |
| cell_scale | float32 | | one step of them |
| checks | uint64 | (2,) | sums over all columns but `cells`, and over `cells`: see `row_sums` |

Pooled vectors are turned so that their first values hold most of their length: a scan of those alone, a quarter of the
bytes, already tells near from far, and all of them together give the product to within 0.0005.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from app.gallery.packing import Dimensions
from reid_model.features import Features, FloatArray
from reid_model.matching.quantise import MULTIPLE, ZERO, to_bytes, to_floats, unit

Columns = Mapping[str, npt.NDArray[Any]]

CHUNK = 64
"""Rows of pooled bytes are filled up to a multiple of so many: whole registers."""

HEAD = 128
"""Values of the head: on real crops they hold 88 % of the squared length of 512."""

REST = 254.0
"""Steps of `low` in one of `head`."""

BLOCK = 1 << 12
"""Rows worked on at once, to stay in the processor's cache."""

IDS, SUMS = "ids", "checks"


@dataclass(frozen=True)
class Layout:
    """Shapes of the columns for one model's features."""

    size: Dimensions

    @property
    def head(self) -> int:
        """Values of the head before filling up."""
        return min(HEAD, self.size.pooled)

    @property
    def columns(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Type and row shape of each column."""
        head, tail = _filled(self.head, CHUNK), _filled(max(self.size.pooled - self.head, 1), CHUNK)
        return {
            **dict.fromkeys((IDS, "tracklets", "cameras"), ("<i8", ())),
            **dict.fromkeys(("times", "expires"), ("<f8", ())),
            **dict.fromkeys(("mass", "head_scale", "tail_scale", "cell_scale"), ("<f4", ())),
            "head": ("u1", (head,)),
            "low": ("u1", (head,)),
            "tail": ("u1", (tail,)),
            "saliency": ("u1", (_filled(self.size.cells, 4),)),
            "cells": ("u1", (self.size.cells, _filled(self.size.local, MULTIPLE))),
            SUMS: ("<u8", (2,)),
        }

    def empty(self, rows: int) -> dict[str, npt.NDArray[Any]]:
        """Columns of so many rows, not yet filled."""
        return {name: np.zeros((rows, *shape), dtype) for name, (dtype, shape) in self.columns.items()}


def turn(pooled: FloatArray) -> FloatArray:
    """The rotation `(D, D)` that brings most of these vectors' length `(n, D)` into the first values."""
    _, vectors = np.linalg.eigh(pooled.T.astype(np.float64) @ pooled.astype(np.float64))
    return np.ascontiguousarray(vectors[:, ::-1].T, np.float32)


def encode(layout: Layout, features: Features, rotation: FloatArray) -> dict[str, npt.NDArray[Any]]:
    """The columns that features fill, for n sightings."""
    turned = features.global_ @ rotation.T
    head, head_scale = to_bytes(turned[:, : layout.head], CHUNK)
    left = turned[:, : layout.head] - to_floats(head, head_scale)[:, : layout.head]
    low = np.full_like(head, ZERO)
    low[:, : layout.head] = np.rint(left / head_scale[:, None] * REST) + ZERO
    rest = turned[:, layout.head :] if layout.head < layout.size.pooled else np.zeros((len(turned), 1), np.float32)
    tail, tail_scale = to_bytes(np.asarray(rest, np.float32), CHUNK)
    saliency = np.zeros((len(turned), _filled(layout.size.cells, 4)), np.uint8)
    heaviest = features.saliency.max(axis=1, keepdims=True, initial=1e-9)
    saliency[:, : layout.size.cells] = np.rint(features.saliency / heaviest * 255)
    cells, cell_scale = to_bytes(features.local, MULTIPLE)
    return {
        "mass": features.mass,
        "head": head,
        "low": low,
        "tail": tail,
        "head_scale": head_scale,
        "tail_scale": tail_scale,
        "saliency": saliency,
        "cells": cells,
        "cell_scale": cell_scale,
    }


def decode(layout: Layout, columns: Columns, rotation: FloatArray) -> Features:
    """The features of n sightings again, to within what 8 bits keep."""
    head = to_floats(columns["head"], columns["head_scale"])
    head += to_floats(columns["low"], columns["head_scale"]) / np.float32(REST)
    tail = to_floats(columns["tail"], columns["tail_scale"])
    turned = np.concatenate([head[:, : layout.head], tail[:, : layout.size.pooled - layout.head]], axis=1)
    weights = columns["saliency"][:, : layout.size.cells].astype(np.float32)
    total = weights.sum(axis=1, keepdims=True)
    local = to_floats(columns["cells"], columns["cell_scale"])
    return Features(
        unit(turned @ rotation),
        unit(local[..., : layout.size.local]),
        np.asarray(weights / np.where(total > 0, total, 1), np.float32),
        np.asarray(columns["mass"], np.float32),
    )


def row_sums(columns: Columns, names: list[str]) -> npt.NDArray[np.uint64]:
    """A check of each row, `(n,)`: its 32-bit words times fixed odd numbers, summed in 64 bits.

    Any change of one word, and all but 1 in 2³² of several, change the sum; a row of zeros sums to 0, and no other
    row that is kept does.
    """
    count = len(columns[names[0]])
    result = np.zeros(count, np.uint64)
    start = 0
    for name in names:
        values = columns[name]
        words = max(1, values.itemsize * int(np.prod(values.shape[1:])) // 4)
        factors = _factors(start, words)
        start += words
        for first in range(0, count, BLOCK):
            block = np.ascontiguousarray(values[first : first + BLOCK])
            parts = block.reshape(len(block), -1).view("<u4").astype(np.uint64)
            result[first : first + BLOCK] += (parts * factors).sum(axis=1, dtype=np.uint64)
    return result


def small(columns: Columns) -> list[str]:
    """The columns that the first check covers."""
    return [name for name in columns if name not in ("cells", SUMS)]


def checked(columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The same columns with their checks."""
    sums = np.stack([row_sums(columns, small(columns)), row_sums(columns, ["cells"])], axis=1)
    return {**columns, SUMS: sums}


def blocks(count: int, rows: int = BLOCK) -> Iterator[slice]:
    """Runs of rows that together are all of them."""
    return (slice(first, min(first + rows, count)) for first in range(0, count, rows))


@cache
def _factors(start: int, count: int) -> npt.NDArray[np.uint64]:
    return np.random.default_rng(start).integers(0, 1 << 63, count, np.uint64) * np.uint64(2) + np.uint64(1)


def _filled(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple
