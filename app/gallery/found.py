"""What a search of an index finds, and what an index is to those who search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from reid_model.features import Features, FloatArray
from reid_model.matching import Method

SHORTLIST = 200
"""Sightings that the first stage hands to the second, for each query crop."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found, best first.

    Attributes:
        ids: Numbers of the sightings in the store, `(k,)` int64.
        tracklets: Keys of their tracklets, `(k,)` int64.
        distances: Distance to the nearest query crop, `(k,)`, float32 in [0, 2], ascending.
        crops: Which query crop that was, `(k,)`.
    """

    ids: npt.NDArray[np.int64]
    tracklets: npt.NDArray[np.int64]
    distances: FloatArray
    crops: npt.NDArray[np.intp]


class Searchable(Protocol):
    """What searches as `LiveIndex` does, wherever its sightings are."""

    model: str

    def search(
        self,
        query: Features,
        top: int,
        *,
        now: float,
        exact: bool = False,
        method: Method = "gasm",
        shortlist: int = SHORTLIST,
        cameras: Sequence[str] | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> Found:
        """As `LiveIndex.search` has it."""
