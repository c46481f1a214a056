"""The search index: sightings in memory, derived from the store and rebuilt from it.

Two stages: pooled vectors give a shortlist, one matrix product for everything; only the shortlist is matched cell by
cell. Searching everything cell by cell is there as `exact`, for the rare case and for measuring what the shortlist
loses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.gallery.rows import Sighting
from app.gallery.store import Gallery
from reid_model.features import Features, FloatArray
from reid_model.matching import Method, distances

SHORTLIST = 200
"""Sightings that the first stage hands to the second, for each query crop."""


@dataclass(frozen=True, eq=False)
class Hits:
    """What a search found, best first.

    Attributes:
        positions: Positions in the index, `(k,)`.
        distances: Distance to the nearest query crop, `(k,)`, float32 in [0, 2], ascending.
        crops: Which query crop that was, `(k,)`.
    """

    positions: npt.NDArray[np.intp]
    distances: FloatArray
    crops: npt.NDArray[np.intp]


class Index:
    """Sightings that can be searched by appearance.

    Attributes:
        rows: The sightings.
        features: Their features in the same order; None where there is no sighting.
    """

    def __init__(self, rows: Sequence[Sighting], features: Features | None) -> None:
        if len(rows) != (0 if features is None else len(features)):
            raise ValueError(f"features: expected {len(rows)} rows, given {0 if features is None else len(features)}")
        self.rows = rows
        self.features = features

    @classmethod
    def build(
        cls,
        gallery: Gallery,
        cameras: Sequence[str] | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> Index:
        """Loads what the gallery holds, filtered as `Gallery.sightings` does.

        Raises:
            InputError: If what is stored is damaged.
        """
        return cls(*gallery.sightings(cameras, start, end))

    def __len__(self) -> int:
        return len(self.rows)

    def search(
        self,
        query: Features,
        top: int,
        *,
        exact: bool = False,
        method: Method = "gasm",
        shortlist: int = SHORTLIST,
    ) -> Hits:
        """The sightings most like the query.

        Args:
            query: One or more crops of one person: a sighting is as far away as its nearest query crop.
            top: Most hits returned.
            exact: Whether every sighting is matched in full, not the shortlist only.
            method: How crops are compared.
            shortlist: Sightings matched in full for each query crop, where not `exact`; never fewer than `top`.

        Returns:
            Up to `top` hits, best first; equals in the order of the index.

        Raises:
            ValueError: If there is no query crop, `top` is below 1, or the features come from different models.
        """
        if not len(query):
            raise ValueError("query: expected at least one crop, given none")
        if top < 1:
            raise ValueError(f"top: expected 1 or more, given {top}")
        if self.features is None:
            nothing = np.zeros(0, np.intp)
            return Hits(nothing, np.zeros(0, np.float32), nothing)
        candidates = np.arange(len(self))
        keep = max(top, shortlist)
        if not exact and method != "global" and keep < len(self):
            pooled = distances(query, self.features, "global")
            candidates = np.unique(np.argpartition(pooled, keep - 1, axis=1)[:, :keep])
        considered = self.features if len(candidates) == len(self) else self.features[candidates]
        # Rounding can bring the distance of a crop to itself just below 0.
        found = np.maximum(distances(query, considered, method), 0)
        nearest = found.argmin(axis=0)
        best = found[nearest, np.arange(len(candidates))]
        order = np.argsort(best, kind="stable")[:top]
        return Hits(candidates[order], best[order], nearest[order])
