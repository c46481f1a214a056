"""The index of a gallery that is spread over shards: all are asked at once, and their hits are merged exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.gallery import Found
from app.gallery.found import SHORTLIST, Terms, gathered
from reid_model.features import Features
from reid_model.matching import Method

Ask = Callable[[Features, int, Terms], tuple[list[Found], list[str]]]
"""Asks all shards; gives the hits of those that answered, in their order, and what is missing of the others."""


class ShardedIndex:
    """Searched as `LiveIndex` is.

    Each shard gives what it would choose its hits from if it were alone; of all of that together, those are left that
    one index would have compared cell by cell.

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
        terms = Terms(now, exact, method, shortlist, cameras, start, end)
        results, missing = self._ask(query, top, terms)
        self.missing = tuple(missing)
        return gathered(results, len(query), terms.kept(top)).nearest(top)
