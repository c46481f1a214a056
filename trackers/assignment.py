"""The cheapest one-to-one assignment of boxes to tracks."""

from __future__ import annotations

import lap
import numpy as np
import numpy.typing as npt

from trackers.gates import Mask
from trackers.motion import Array

Indices = npt.NDArray[np.intp]


def assign(cost: Array, allowed: Mask, limit: float) -> tuple[Indices, Indices]:
    """Pairs rows with columns so that the total cost is least, where leaving a pair apart costs `limit`.

    Pairs that are each other's only choice are taken as they are; the solver sees the rest.

    Args:
        cost: Cost of each pair, shape `(n, m)`, finite where allowed.
        allowed: Which pairs may be made, shape `(n, m)`.
        limit: Largest cost of a pair.

    Returns:
        Rows and columns of the pairs, each of shape `(k,)`, rows ascending.
    """
    allowed = allowed & (cost <= limit)
    rows, columns = np.nonzero(allowed)
    if not len(rows):
        return rows, columns
    choices = np.bincount(rows, minlength=len(cost))[rows]
    rivals = np.bincount(columns, minlength=cost.shape[1])[columns]
    # A pair stands alone when its row has one choice and its column has one rival.
    alone = (choices == 1) & (rivals == 1)
    busy_rows, busy_columns = np.unique(rows[~alone]), np.unique(columns[~alone])
    if not len(busy_rows):
        return rows, columns
    block = np.ix_(busy_rows, busy_columns)
    solved = np.where(allowed[block], cost[block], limit + 1e3)
    _, match, _ = lap.lapjv(np.ascontiguousarray(solved), extend_cost=True, cost_limit=limit)
    match = np.asarray(match, dtype=np.intp)
    paired = match >= 0
    found = np.stack([busy_rows[paired], busy_columns[match[paired]]])
    keep = allowed[found[0], found[1]]
    rows = np.concatenate([rows[alone], found[0][keep]])
    columns = np.concatenate([columns[alone], found[1][keep]])
    order = np.argsort(rows, kind="stable")
    return rows[order], columns[order]


def leading(cost: Array, margin: float) -> Mask:
    """Pairs cheaper by `margin` than every other pair of their row and of their column, shape `(n, m)`."""
    ahead = np.ones(cost.shape, np.bool_)
    for axis in (0, 1):
        if cost.shape[axis] > 1:
            first, second = np.take(np.partition(cost, 1, axis=axis), (0, 1), axis=axis).swapaxes(0, axis)
            ahead &= np.expand_dims(first, axis) + margin <= np.expand_dims(second, axis)
            ahead &= cost == np.expand_dims(first, axis)
    return ahead
