"""Searches from the pages: what somebody wishes for, what was found, and what is kept of it for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from app.search import Match
from reid_model.explain import CellMatches
from reid_model.features import Features

Key = tuple[str, int]
"""Camera and track number."""

KEPT_SEARCHES = 200
"""Searches whose results are kept; the oldest goes first."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How to search.

    Attributes:
        top: Most matches.
        start: Earliest time, seconds since the epoch, or None.
        end: Latest time, or None.
        cameras: Cameras to search; none for all.
        exact: Whether every sighting is matched cell by cell.
        reason: What it is for; empty where that was not said.
    """

    top: int = 20
    start: float | None = None
    end: float | None = None
    cameras: tuple[str, ...] = ()
    exact: bool = False
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Search:
    """A search that was made.

    Attributes:
        id: By which it can be asked for.
        user: Number of the user who made it; nobody else sees it.
        title: What was searched for.
        wish: How.
        origin: Where the query comes from, as in the audit log.
        query: Its features.
        pictures: Its pictures, JPEG.
        keys: Tracklets that the query comes from; none where it comes from elsewhere.
        beside: Tracklets of others in the same picture as the query: they cannot be the person.
        matches: The others, nearest first.
        bar: Probability from which a match counts as the person.
        seconds: What it took.
        made: When, seconds since the epoch.
        missing: What could not be searched, in words: shards of a cluster that are away.
    """

    id: str
    user: int
    title: str
    wish: Wish
    origin: dict[str, object]
    query: Features
    pictures: list[bytes]
    keys: tuple[Key, ...]
    beside: tuple[Key, ...]
    matches: list[Match]
    bar: float
    seconds: float
    made: float
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Reasoned:
    """Why a match matched, cell by cell.

    Attributes:
        grid: Rows and columns of cells.
        cells: Of this one pair.
        query: Which query crop.
    """

    grid: tuple[int, int]
    cells: CellMatches
    query: int


class KeptSearches:
    """The latest searches of everybody, by id; may be called from many threads."""

    def __init__(self) -> None:
        self._searches: OrderedDict[str, Search] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._searches)

    def keep(self, search: Search) -> None:
        """Keeps a search, and lets go of the oldest where there are too many."""
        with self._lock:
            self._searches[search.id] = search
            while len(self._searches) > KEPT_SEARCHES:
                self._searches.popitem(last=False)

    def get(self, user: int, number: str) -> Search | None:
        """A search that a user has made, if it is still kept."""
        with self._lock:
            found = self._searches.get(number)
        return found if found is not None and found.user == user else None

    def forget(self) -> None:
        """Lets go of all."""
        with self._lock:
            self._searches.clear()
