"""What several looks at somebody new have said of whom they may be, of those who were lost."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trackers.motion import Array

Keys = npt.NDArray[np.int64]

_HALF = 32


class Returning:
    """The mean distance of each young track to each lost one, over the looks so far.

    One look at somebody half hidden says little, and among many lost people one of them is like it by chance. Several
    looks agree only on the one who came back.
    """

    def __init__(self) -> None:
        """Nobody was looked at yet."""
        self._pairs: Keys = np.zeros(0, np.int64)
        self._total, self._count = np.zeros(0), np.zeros(0)

    def told(self, young: Keys, lost: Keys, distances: Array) -> tuple[Array, Array]:
        """Takes in one more look.

        Args:
            young: Key of the young track of each pair, shape `(k,)`; the same pair once at most.
            lost: Key of the lost track, < 2³¹.
            distances: How far they are apart in this look.

        Returns:
            Mean distance over all looks, and how many there were, `(k,)` each.
        """
        pairs = (young << _HALF) | lost
        known = np.isin(pairs, self._pairs)
        new = np.flatnonzero(~known)
        where = np.searchsorted(self._pairs, pairs[new])
        order = np.argsort(pairs[new])
        where, fresh = where[order], pairs[new][order]
        self._pairs = np.insert(self._pairs, where, fresh)
        self._total, self._count = np.insert(self._total, where, 0.0), np.insert(self._count, where, 0.0)
        at = np.searchsorted(self._pairs, pairs)
        self._total[at] += distances
        self._count[at] += 1
        return self._total[at] / self._count[at], self._count[at]

    def keep(self, young: Keys) -> None:
        """Forgets all other young tracks: they are gone, or known for so long that they are nobody who was lost."""
        there = np.isin(self._pairs >> _HALF, young)
        self._pairs, self._total, self._count = self._pairs[there], self._total[there], self._count[there]
