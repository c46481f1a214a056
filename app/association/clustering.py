"""Agglomerative clustering in which some pairs can never be joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.association.crowd import ANY_CROWD, Crowd, Floats
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


def agglomerate(
    distances: FloatArray,
    threshold: float,
    linkage: Linkage = "average",
    sizes: Floats | None = None,
    crowd: Crowd = ANY_CROWD,
    seen: Floats | None = None,
    made: Sequence[Merge] = (),
) -> list[Merge]:
    """Joins the two closest clusters again and again until none are within the threshold.

    The more people the clusters are (`people_among`), the lower is the threshold. Where joining more leaves so few that
    all joins are within the threshold of those who are left, more are joined: many tracklets of few people are no
    crowd.

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
        seen: Seconds that each item counts for, `(n,)`, 0 for those who are not counted; 1 each where left out.
        made: Joins that were made before, whatever their distance.

    Returns:
        The joins in the order they were made, without those.
    """
    count = len(distances)
    if count < 2:
        return []
    work = distances.astype(np.float64)
    np.fill_diagonal(work, np.inf)
    size = np.ones(count) if sizes is None else sizes.copy()
    for merge in made:
        _join(work, size, merge.first, merge.second, linkage)
    nearest = work.argmin(axis=1)
    best = work[np.arange(count), nearest]
    merges: list[Merge] = []
    view = joined(made, np.ones(count) if seen is None else seen)
    total, squares = float(view.sum()), float(view @ view)
    kept = 0
    while True:
        first = int(best.argmin())
        if not best[first] <= threshold:
            return merges[:kept]
        first, second = sorted((first, int(nearest[first])))
        merges.append(Merge(first, second, float(work[first, second])))
        squares += 2 * float(view[first] * view[second])
        view[first] += view[second]
        # Distances of joins never fall, so the latest join within its threshold takes along all before it.
        if merges[-1].distance <= crowd.limit(threshold, total * total / squares if squares else 0.0):
            kept = len(merges)
        _join(work, size, first, second, linkage)
        best[second] = np.inf
        # Neither linkage can bring the joined cluster nearer than the nearer of its parts was, so only rows whose
        # nearest was one of the two have to look again.
        stale = np.flatnonzero(((nearest == first) | (nearest == second)) & np.isfinite(best))
        stale = np.union1d(stale, [first])
        nearest[stale] = work[stale].argmin(axis=1)
        best[stale] = work[stale, nearest[stale]]


def _join(work: Floats, size: Floats, first: int, second: int, linkage: Linkage) -> None:
    """Makes one cluster's distances and size those of two."""
    if linkage == "average":
        joint = (size[first] * work[first] + size[second] * work[second]) / (size[first] + size[second])
    else:
        joint = np.maximum(work[first], work[second])
    joint[[first, second]] = np.inf
    work[first] = work[:, first] = joint
    work[second] = work[:, second] = np.inf
    size[first] += size[second]


def comparable(distances: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Which items can be compared with another at all, `(n,)`; the diagonal `(n, n)` is infinite."""
    return np.asarray(np.isfinite(distances).any(axis=1))


def joined(merges: Sequence[Merge], values: Floats) -> Floats:
    """Values of n items summed over the clusters that joins make, `(n,)`: 0 for items that another cluster took in."""
    sums = values.astype(np.float64)
    for merge in merges:
        sums[merge.first] += sums[merge.second]
        sums[merge.second] = 0
    return sums


def agglomerate_in_turn(
    distances: FloatArray,
    limit: float,
    linkage: Linkage,
    first: npt.NDArray[np.bool_],
    sizes: Floats | None = None,
) -> list[Merge]:
    """As `agglomerate`, but some are joined among themselves before the others are.

    Args:
        distances: As there, `(n, n)`; the diagonal is infinite.
        limit: Largest linkage distance at which two clusters are joined.
        linkage: As there.
        first: Which ones come first, `(n,)`.
        sizes: As there.

    Returns:
        The joins in the order they were made; those of the second turn may be nearer than those of the first.
    """
    rows = np.flatnonzero(first)
    if len(rows) < 2 or len(rows) == len(first):
        return agglomerate(distances, limit, linkage, sizes)
    among = agglomerate(distances[np.ix_(rows, rows)], limit, linkage, None if sizes is None else sizes[rows])
    made = [Merge(int(rows[each.first]), int(rows[each.second]), each.distance) for each in among]
    return made + agglomerate(distances, limit, linkage, sizes, made=made)


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
