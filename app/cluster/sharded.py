"""The index of a gallery that is spread over shards: all are asked at once, and their hits are merged exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.gallery import Found
from app.gallery.found import SHORTLIST
from reid_model.features import Features
from reid_model.matching import Method

Ask = Callable[[Features, int, dict[str, Any]], tuple[list[Found], list[str]]]
"""Asks all shards; gives the hits of those that answered, in their order, and what is missing of the others."""


class ShardedIndex:
    """Searched as `LiveIndex` is.

    Each shard gives as many hits, from a shortlist as long, as one index would give alone: whatever one index finds,
    the shards find too.

    Attributes:
        model: Name of the model that the vectors come from.
        missing: What could not be searched the last time, in words; nothing where all shards answered.
    """

    def __init__(self, model: str, ask: Ask) -> None:
        self.model, self._ask = model, ask
        self.missing: tuple[str, ...] = ()

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
        """The sightings most like the query, as `LiveIndex.search` has it."""
        wish = {
            "now": now,
            "exact": exact,
            "method": method,
            "shortlist": shortlist,
            "cameras": cameras,
            "start": start,
            "end": end,
        }
        results, missing = self._ask(query, top, wish)
        self.missing = tuple(missing)
        return merge(results, top)


def merge(results: Sequence[Found], top: int) -> Found:
    """The nearest of all hits; equals by the sightings' numbers, as one index has them."""
    if not results:
        nothing = np.zeros(0, np.int64)
        return Found(nothing, nothing, np.zeros(0, np.float32), nothing)
    distances = np.concatenate([found.distances for found in results])
    ids = np.concatenate([found.ids for found in results])
    order = np.lexsort((ids, distances))[:top]
    tracklets, crops = (np.concatenate([getattr(found, name) for found in results]) for name in ("tracklets", "crops"))
    return Found(ids[order], tracklets[order], distances[order], crops[order])
