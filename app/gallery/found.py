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
class Terms:
    """How an index is searched, and among which sightings; see `LiveIndex.search`."""

    now: float
    exact: bool = False
    method: Method = "gasm"
    shortlist: int = SHORTLIST
    cameras: Sequence[str] | None = None
    start: float | None = None
    end: float | None = None

    def kept(self, top: int) -> int | None:
        """How many sightings of each query crop are compared cell by cell, for so many hits; None for all."""
        return None if self.exact or self.method == "global" else max(top, self.shortlist)


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes:
        ids: Numbers of the sightings in the store, `(k,)` int64.
        tracklets: Keys of their tracklets, `(k,)` int64.
        distances: Distance to the nearest query crop, `(k,)`, float32 in [0, 2].
        crops: Which query crop that was, `(k,)`.
        pooled: Distance to each of the q query crops by pooled vector, `(q, k)`.
    """

    ids: npt.NDArray[np.int64]
    tracklets: npt.NDArray[np.int64]
    distances: FloatArray
    crops: npt.NDArray[np.intp]
    pooled: FloatArray

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def none(cls, crops: int) -> Found:
        """Nothing, for so many query crops."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, np.zeros(0, np.float32), nothing, np.zeros((crops, 0), np.float32))

    def at(self, where: npt.NDArray[np.intp]) -> Found:
        """Those at some positions, in that order."""
        return Found(
            self.ids[where], self.tracklets[where], self.distances[where], self.crops[where], self.pooled[:, where]
        )

    def nearest(self, top: int) -> Found:
        """The `top` nearest, best first; equals by their numbers."""
        return self.at(np.lexsort((self.ids, self.distances))[:top])


def gathered(parts: Sequence[Found], crops: int, keep: int | None) -> Found:
    """What was found in several parts of a gallery, as one index over all of it would have found it.

    Args:
        parts: What each part found, in any order: of the nearest by pooled vector to each query crop `keep` at least.
        crops: How many query crops there are.
        keep: Of all parts together, as many are left that are nearest to a query crop by pooled vector; None for all.
    """
    if not parts:
        return Found.none(crops)
    ids, tracklets, distances, nearest = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "tracklets", "distances", "crops")
    )
    found = Found(ids, tracklets, distances, nearest, np.concatenate([part.pooled for part in parts], axis=1))
    if keep is None or len(parts) == 1 or len(found) <= keep:
        return found
    return found.at(np.unique([np.lexsort((found.ids, each))[:keep] for each in found.pooled]))


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
        """As `LiveIndex.search` has it: best first."""
