"""Agglomerative clustering in which some pairs can never be joined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from reid_model.features import FloatArray

Linkage = Literal["average", "complete"]


@dataclass(frozen=True)
class Merge:
    """Two clusters became one.

    Attributes:
        first: Cluster that goes on, named by its lowest member.
        second: Cluster that was taken in, named by its lowest member; greater than `first`.
        distance: Their linkage distance.
    """

    first: int
    second: int
    distance: float


@dataclass(frozen=True)
class Crowd:
    """How much less a distance says among many people.

    Before looking, one of N people is the one meant with a probability of 1 / N, so that the odds that looks have to
    make up for grow with N. Around the threshold the logarithm of the odds that a distance gives falls in a straight
    line; so the largest distance that is enough falls with the logarithm of N.

    Attributes:
        people: People for whom the threshold was chosen: among fewer it is not raised.
        step: How much lower it is for e times as many.
    """

    people: float
    step: float

    def limit(self, threshold: float, people: int) -> float:
        """The largest distance at which two of so many are joined."""
        return threshold - self.step * math.log(max(people / self.people, 1.0))


ANY_CROWD = Crowd(math.inf, 0.0)
"""The threshold as it is, however many people there are."""


def agglomerate(
    distances: FloatArray,
    threshold: float,
    linkage: Linkage = "average",
    sizes: npt.NDArray[np.float64] | None = None,
    crowd: Crowd = ANY_CROWD,
    people: int | None = None,
) -> list[Merge]:
    """Joins the two closest clusters again and again until none are within the threshold.

    Clusters that could be joined with another count as people: the more there are, the lower is the threshold. Where
    joining more leaves so few that all joins are within the threshold of those who are left, more are joined: many
    tracklets of few people are no crowd.

    A pair that must not be joined has an infinite distance. Both linkages carry it: the mean and the maximum over
    two clusters are infinite as soon as one pair is, so no cluster ever holds a forbidden pair. Ties are resolved by
    position: the first pair in row-major order is joined.

    Args:
        distances: Symmetric distances of n items, shape `(n, n)`, infinite for pairs that must not be joined. The
            diagonal is not read.
        threshold: Largest linkage distance at which two clusters are joined.
        linkage: `average`: the mean over all pairs of members; `complete`: the largest.
        sizes: How many members each item counts for, `(n,)`; 1 each where left out.
        crowd: What the number of people does to the threshold.
        people: How many items can be compared with another; counted where left out.

    Returns:
        The joins in the order they were made.
    """
    count = len(distances)
    if count < 2:
        return []
    work = distances.astype(np.float64)
    np.fill_diagonal(work, np.inf)
    size = np.ones(count) if sizes is None else sizes.copy()
    nearest = work.argmin(axis=1)
    best = work[np.arange(count), nearest]
    merges: list[Merge] = []
    people = comparable(work) if people is None else people
    kept = 0
    while True:
        first = int(best.argmin())
        if not best[first] <= threshold:
            return merges[:kept]
        first, second = sorted((first, int(nearest[first])))
        merges.append(Merge(first, second, float(work[first, second])))
        # Distances of joins never fall, so the latest join within its threshold takes along all before it.
        if merges[-1].distance <= crowd.limit(threshold, people - len(merges)):
            kept = len(merges)
        if linkage == "average":
            joined = (size[first] * work[first] + size[second] * work[second]) / (size[first] + size[second])
        else:
            joined = np.maximum(work[first], work[second])
        joined[[first, second]] = np.inf
        work[first] = work[:, first] = joined
        work[second] = work[:, second] = np.inf
        size[first] += size[second]
        best[second] = np.inf
        # Neither linkage can bring the joined cluster nearer than the nearer of its parts was, so only rows whose
        # nearest was one of the two have to look again.
        stale = np.flatnonzero(((nearest == first) | (nearest == second)) & np.isfinite(best))
        stale = np.union1d(stale, [first])
        nearest[stale] = work[stale].argmin(axis=1)
        best[stale] = work[stale, nearest[stale]]


def comparable(distances: npt.NDArray[np.floating]) -> int:
    """How many items can be compared with another at all; the diagonal `(n, n)` is infinite."""
    return int(np.isfinite(distances).any(axis=1).sum())


def contracted(distances: FloatArray, never: npt.NDArray[np.bool_], parts: npt.NDArray[np.intp]) -> FloatArray:
    """Distances of items of which some belong together whatever happens.

    Args:
        distances: Of n items, `(n, n)`; infinite where two cannot be compared.
        never: Pairs that must not be joined, `(n, n)`.
        parts: Which of p parts each item belongs to, from 0, `(n,)`.

    Returns:
        Means over the pairs of two parts that can be compared, `(p, p)`; infinite where there is none, or one pair must
        not be joined.
    """
    count = int(parts.max(initial=-1)) + 1
    if np.array_equal(parts, np.arange(len(parts))):
        return np.where(never, np.float32(np.inf), distances)
    member = np.zeros((count, len(parts)))
    member[parts, np.arange(len(parts))] = 1
    finite = np.isfinite(distances)
    pairs = member @ finite @ member.T
    sums = member @ np.where(finite, distances, 0.0) @ member.T
    barred = (member @ never @ member.T > 0) | (pairs == 0)
    return np.asarray(np.where(barred, np.inf, sums / np.maximum(pairs, 1)), np.float32)
