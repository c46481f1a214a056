"""The cheapest one-to-one assignment of boxes to tracks."""

from __future__ import annotations

import lap
import numpy as np
import numpy.typing as npt

from trackers.gates import Mask
from trackers.motion import Array
from trackers.pairs import Pairs

Indices = npt.NDArray[np.intp]


def assign(cost: Array, allowed: Mask, limit: float) -> tuple[Indices, Indices]:
    """Pairs rows with columns so that the total cost is least, where leaving a pair apart costs `limit`.

    Args:
        cost: Cost of each pair, shape `(n, m)`, finite where allowed.
        allowed: Which pairs may be made, shape `(n, m)`.
        limit: Largest cost of a pair.

    Returns:
        Rows and columns of the pairs, each of shape `(k,)`, rows ascending.
    """
    return assign_pairs(Pairs.of(cost, allowed), limit)


def assign_pairs(cost: Pairs, limit: float) -> tuple[Indices, Indices]:
    """The same where only some pairs may be made, with their costs.

    Pairs that are each other's only choice are taken as they are; the solver sees the rest.
    """
    cost = cost[cost.values <= limit]
    if not len(cost):
        return cost.rows, cost.columns
    # A pair stands alone when its row has one choice and its column has one rival.
    alone = (np.bincount(cost.rows)[cost.rows] == 1) & (np.bincount(cost.columns)[cost.columns] == 1)
    if alone.all():
        return cost.rows, cost.columns
    busy, alone = cost[~alone], cost[alone]
    rows, row = np.unique(busy.rows, return_inverse=True)
    columns, column = np.unique(busy.columns, return_inverse=True)
    solved = np.full((len(rows), len(columns)), limit + 1e3)
    solved[row, column] = busy.values
    _, match, _ = lap.lapjv(solved, extend_cost=True, cost_limit=limit)
    match = np.asarray(match, dtype=np.intp)
    paired = np.flatnonzero(match >= 0)
    paired = paired[solved[paired, match[paired]] <= limit]
    found = np.concatenate([alone.rows, rows[paired]]), np.concatenate([alone.columns, columns[match[paired]]])
    order = np.argsort(found[0], kind="stable")
    return found[0][order], found[1][order]


def leading(cost: Array, margin: float) -> Mask:
    """Pairs cheaper by `margin` than every other pair of their row and of their column, shape `(n, m)`."""
    ahead = np.ones(cost.shape, np.bool_)
    for axis in (0, 1):
        if cost.shape[axis] > 1:
            first, second = np.take(np.partition(cost, 1, axis=axis), (0, 1), axis=axis).swapaxes(0, axis)
            ahead &= np.expand_dims(first, axis) + margin <= np.expand_dims(second, axis)
            ahead &= cost == np.expand_dims(first, axis)
    return ahead
