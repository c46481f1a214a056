"""Groups of new tracklets to known identities, all of a moment at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reid_model.features import FloatArray
from trackers.assignment import assign

Floats = npt.NDArray[np.float64]

SAME = 1e-9


class Choice(NamedTuple):
    """A group joins an identity: positions of both, and their linkage distance."""

    group: int
    identity: int
    distance: float


def sums(
    groups: list[list[int]],
    distances: FloatArray,
    never: npt.NDArray[np.bool_],
    identity: npt.NDArray[np.intp],
    count: int,
) -> tuple[Floats, Floats]:
    """Sums of the distances between groups of new tracklets and the members of identities.

    Args:
        groups: Positions of each group's tracklets, g groups of n tracklets.
        distances: To m members, `(n, m)`; infinite where one of two has no looks.
        never: Pairs that can never be one person, `(n, m)`.
        identity: Whose member each is, from 0, `(m,)`.
        count: Number of identities, k.

    Returns:
        Sums `(g, k)`, infinite where a group has no looks or a pair can never be one person; and how many distances
        each is over, 1 or more.
    """
    member = np.zeros((len(groups), len(distances)))
    for i, group in enumerate(groups):
        member[i, group] = 1
    belongs = np.zeros((len(identity), count))
    belongs[np.arange(len(identity)), identity] = 1
    finite = np.isfinite(distances)
    pairs = member @ finite @ belongs
    totals = member @ np.where(finite, distances, 0.0) @ belongs
    barred = (member @ never @ belongs > 0) | (pairs == 0)
    return np.where(barred, np.inf, totals), np.maximum(pairs, 1)


def choose(
    totals: Floats, counts: Floats, between: FloatArray, groups: list[list[int]], extra: Floats, threshold: float
) -> list[Choice]:
    """Gives groups to identities so that the total distance is least.

    A round is one assignment, in which an identity takes one group at most; what it has taken counts in the next.
    Nobody is given a second choice only because their first was given to somebody else in the same round: they may
    both belong there, and the next round knows.

    Args:
        totals: Sum of the distances between the members of each group and of each identity, `(g, k)`; infinite where
            the two can never be one.
        counts: How many distances were summed, `(g, k)`, 1 or more.
        between: Distances of all new tracklets to each other, `(n, n)`, infinite where they can never be one.
        groups: Positions of each group's tracklets in `between`.
        extra: Other evidence, added to the mean distance, `(g, k)`.
        threshold: Largest distance at which a group joins an identity.

    Returns:
        The choices in the order they were made.
    """
    totals, counts = totals.copy(), counts.copy()
    size = np.array([len(group) for group in groups], np.float64)
    member = np.zeros((len(groups), len(between)))
    for i, group in enumerate(groups):
        member[i, group] = 1
    # 0 · ∞ is no number: what can never be one is carried beside the sums.
    never = member @ np.isinf(between) @ member.T > 0
    sums = member @ np.where(np.isinf(between), 0.0, between) @ member.T
    sums[never] = np.inf
    free = np.ones(len(groups), np.bool_)
    made: list[Choice] = []
    while True:
        cost = totals / counts + extra
        cost[~free] = np.inf
        rows, columns = assign(cost, np.isfinite(cost), threshold)
        if not len(rows):
            return made
        after, more = totals.copy(), counts.copy()
        for row, column in zip(rows, columns, strict=True):
            after[:, column] += sums[:, row]
            more[:, column] += size * size[row]
        better = after / more + extra
        better[rows, columns] = np.inf
        value = cost[rows, columns]
        settled = better[rows].min(axis=1) >= value - SAME
        settled[value.argmin()] = True
        for row, column, distance in zip(rows[settled], columns[settled], value[settled], strict=True):
            made.append(Choice(int(row), int(column), float(distance)))
            totals[:, column] += sums[:, row]
            counts[:, column] += size * size[row]
            free[row] = False
