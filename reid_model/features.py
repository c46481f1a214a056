"""The features of person crops: what every part of crowdtrace exchanges and compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

UNIT_TOLERANCE = 2e-2
"""How far a vector's length, or a saliency row's sum, may be from 1 (room for half-precision storage)."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Saliency-weighted maps of local features, one per person crop.

    Cells are in row-major (height, width) order, so two sets may differ in their number of cells and still be
    matched.

    Attributes:
        global_: Pooled features, shape `(n, D)`, float32, rows of unit length.
        local: Cell features, shape `(n, P, d)`, float32, each cell of unit length.
        saliency: Weight of each cell, shape `(n, P)`, float32, non-negative, rows sum to 1. Uniform where the
            saliency map was empty.
        mass: Mean of the fused saliency map before it was normalised, shape `(n,)`, float32 in [0, 1]; 0 where the
            map was empty. High for a whole, unoccluded person.

    Raises:
        ValueError: If a shape, a type or a range is not as described; the message names the attribute, what was
            expected and what was given.
    """

    global_: FloatArray
    local: FloatArray
    saliency: FloatArray
    mass: FloatArray

    def __post_init__(self) -> None:
        self._check_arrays()
        self._check_values()

    def _check_arrays(self) -> None:
        for name, ndim in (("global_", 2), ("local", 3), ("saliency", 2), ("mass", 1)):
            value = getattr(self, name)
            if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.ndim != ndim:
                given = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
                raise ValueError(f"{name}: expected a float32 array of {ndim} dimensions, given {given}")
            if not np.isfinite(value).all():
                raise ValueError(f"{name}: expected finite values, given NaN or infinity")
        count, cells = self.local.shape[:2]
        for name, expected in (("global_", (count,)), ("saliency", (count, cells)), ("mass", (count,))):
            shape = getattr(self, name).shape
            if shape[: len(expected)] != expected:
                raise ValueError(
                    f"{name}: expected shape {expected} to agree with local {self.local.shape}, given {shape}"
                )

    def _check_values(self) -> None:
        for name in ("global_", "local"):
            length = np.linalg.norm(getattr(self, name), axis=-1)
            if np.abs(length - 1).max(initial=0) > UNIT_TOLERANCE:
                raise ValueError(
                    f"{name}: expected unit vectors, given lengths {length.min():.3f} to {length.max():.3f}"
                )
        if self.saliency.min(initial=0) < 0:
            raise ValueError(f"saliency: expected no negative weight, given {self.saliency.min():.3g}")
        total = self.saliency.sum(axis=1)
        if np.abs(total - 1).max(initial=0) > UNIT_TOLERANCE:
            raise ValueError(f"saliency: expected rows that sum to 1, given {total.min():.3f} to {total.max():.3f}")
        if self.mass.min(initial=0) < 0 or self.mass.max(initial=0) > 1:
            raise ValueError(f"mass: expected [0, 1], given {self.mass.min():.3f} to {self.mass.max():.3f}")

    @classmethod
    def _trusted(cls, global_: FloatArray, local: FloatArray, saliency: FloatArray, mass: FloatArray) -> Features:
        """Builds from arrays already known to be valid (rows of valid features), without checking them again."""
        features = object.__new__(cls)
        for name, value in (("global_", global_), ("local", local), ("saliency", saliency), ("mass", mass)):
            object.__setattr__(features, name, value)
        return features

    @classmethod
    def empty(cls, global_dim: int, cells: int, local_dim: int) -> Features:
        """No crops, of the given dimensions."""
        return cls(
            np.zeros((0, global_dim), np.float32),
            np.zeros((0, cells, local_dim), np.float32),
            np.zeros((0, cells), np.float32),
            np.zeros(0, np.float32),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Features]) -> Features:
        """Joins sets of the same dimensions into one, in order.

        Raises:
            ValueError: If there is no part, or their dimensions differ.
        """
        if not parts:
            raise ValueError("concatenate: expected at least one set of features, given none")
        shapes = {(part.global_.shape[1], *part.local.shape[1:]) for part in parts}
        if len(shapes) > 1:
            raise ValueError(f"concatenate: expected one (D, P, d), given {sorted(shapes)}")
        return cls._trusted(
            np.concatenate([part.global_ for part in parts]),
            np.concatenate([part.local for part in parts]),
            np.concatenate([part.saliency for part in parts]),
            np.concatenate([part.mass for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.mass)

    def __getitem__(self, index: slice | Sequence[int] | npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Features:
        """Selects crops by a slice, a list of positions or a mask; always features again, never a single row."""
        if isinstance(index, int | np.integer):
            raise TypeError("expected a slice, a list of positions or a mask, given one position: use [i : i + 1]")
        rows = index if isinstance(index, slice) else np.asarray(index, dtype=None if len(index) else np.intp)
        return Features._trusted(self.global_[rows], self.local[rows], self.saliency[rows], self.mass[rows])

    @property
    def cells(self) -> int:
        """Number of cells P of each crop."""
        return int(self.local.shape[1])
