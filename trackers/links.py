"""Why each box is in its track: how sure that is, and how somebody out of sight was found again."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trackers.motion import Array
from trackers.pairs import Pairs

Indices = npt.NDArray[np.intp]

KEPT = 64
"""Times found again that are kept of a track, the latest: one that is followed for days has any number."""


@dataclass(frozen=True, slots=True)
class Refind:
    """Somebody out of sight who was found again.

    Attributes:
        frame: Index of the first frame that shows them again.
        time: Its time in seconds.
        away: Seconds since they were seen before.
        distance: Appearance distance, [0, 2], to what was known of them; None where they stood where expected.
        limit: Largest distance at which they would have been found; None likewise.
        taken_back: Number of the track that they had meanwhile, as somebody new; 0 where there was none yet.
    """

    frame: int
    time: float
    away: float
    distance: float | None = None
    limit: float | None = None
    taken_back: int = 0

    @property
    def reason(self) -> str:
        """One line for people."""
        begin = f"out of sight for {self.away:.1f} s"
        if self.distance is None:
            return f"{begin}, then where they were expected"
        mistaken = f"; was track {self.taken_back} meanwhile" if self.taken_back else ""
        return f"{begin}, then looks {self.distance:.3f} apart, of {self.limit:.3f} allowed{mistaken}"


class Refinds:
    """How the people of the living tracks were found again, by the track's key."""

    def __init__(self) -> None:
        """Nobody was lost yet."""
        self._found: defaultdict[int, deque[Refind]] = defaultdict(lambda: deque(maxlen=KEPT))

    def note(self, key: int, refind: Refind) -> None:
        """Adds one to a track, the latest."""
        self._found[key].append(refind)

    def rename(self, old: int, new: int) -> None:
        """Gives what is known of one track to another."""
        if old in self._found:
            self._found[new].extend(self._found.pop(old))

    def of(self, key: int) -> tuple[Refind, ...]:
        """All of a track, in order of time."""
        return tuple(self._found.get(key, ()))

    def forget(self, key: int) -> tuple[Refind, ...]:
        """The same; they are kept no longer."""
        return tuple(self._found.pop(key, ()))


def sureness(cost: Pairs, match: Indices, limit: Array) -> Array:
    """How sure it is that each track's box is its own.

    It is how much dearer the next best choice would be, of another box for the track or another track for the box, or
    that the track has none, as a share of the largest cost that is allowed.

    Args:
        cost: Of the pairs that are possible.
        match: The box of each track, −1 where there is none, shape `(n,)`.
        limit: Largest cost of a pair, by track, > 0, shape `(n,)`.

    Returns:
        In [0, 1], shape `(n,)`; 0 where a track has no box, or one that is not among the pairs.
    """
    own, boxes = np.full(len(match), np.inf), int(max(match.max(initial=-1), cost.columns.max(initial=-1))) + 1
    chosen = match[cost.rows] == cost.columns
    own[cost.rows[chosen]] = cost.values[chosen]
    other, rival = limit.astype(np.float64), np.full(boxes + 1, np.inf)
    np.minimum.at(other, cost.rows[~chosen], cost.values[~chosen])
    np.minimum.at(rival, cost.columns[~chosen], cost.values[~chosen])
    return np.asarray(np.clip((np.minimum(other, rival[match]) - own) / limit, 0.0, 1.0))
