"""How the time between two tracklets speaks for and against one person, learned from those whose looks are sure.

Whoever leaves one camera soon comes to the next; a stranger who looks alike comes at any time. So for every two cameras
the time between tracklets of sure looks is set against the time between any tracklets. Nobody has to say where cameras
are, or how far apart. A camera and itself are such a pair, too: there a track that was lost goes on soon.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.association.views import SURE
from reid_model.features import FloatArray

IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

EDGES = 2.0 ** np.arange(17)
"""Seconds between which times count alike; all above 18 hours do."""

ENOUGH = 100.0
"""Sure pairs of two cameras that weigh as much as those of all cameras, and of all as much as no knowledge."""

ANY = 5.0
"""Pairs of two cameras, whoever they are, that weigh as much as those of all cameras."""

OUTLIERS = 0.1
"""Share of people who take any time at all, and of sure looks that are wrong."""

STRONGEST = 4.0
"""Log-odds that a time gives, at most; it takes no more than that of `OUTLIERS`."""


def gaps(first: Floats, last: Floats) -> Floats:
    """Seconds between tracklets by their first and last times, `(n, n)`; negative where they have time in common."""
    apart = first[:, None] - last
    return np.asarray(np.maximum(apart, apart.T))


def sure_pairs(distances: FloatArray, cameras: IntArray, limit: float) -> BoolArray:
    """Pairs who surely look the same: each nearest to the other in the other's camera, well below the limit.

    Args:
        distances: By looks, `(n, n)`; infinite where two can never be one person, and on the diagonal.
        cameras: Number of each one's camera, from 0, `(n,)`.
        limit: Largest distance at which two are linked.
    """
    nearest = np.zeros(distances.shape, np.bool_)
    every = np.arange(len(distances))
    for camera in np.unique(cameras):
        there = np.flatnonzero(cameras == camera)
        nearest[every, there[distances[:, there].argmin(axis=1)]] = True
    return np.asarray(nearest & nearest.T & (distances <= limit - SURE))


def time_odds(
    distances: FloatArray, never: BoolArray, cameras: IntArray, first: Floats, last: Floats, limit: float
) -> FloatArray:
    """How much likelier the time between two tracklets is for one person than for any two.

    Times are counted between `EDGES`, for every two cameras. Where those have few sure pairs, the times of all pairs of
    different cameras, or of all cameras with themselves, stand in. Time in common says nothing here: which cameras see
    a common place is another question (`app.association.views`).

    Args:
        distances: By looks, `(n, n)`; infinite where two cannot be compared, and on the diagonal.
        never: Pairs that can never be one person, `(n, n)`: they say nothing of strangers' times either.
        cameras: Number of each one's camera, from 0, `(n,)`.
        first: First time of each, seconds, `(n,)`.
        last: Last time.
        limit: Largest distance at which two are linked by looks.

    Returns:
        Log-odds in [log `OUTLIERS`, `STRONGEST`], symmetric, `(n, n)`, float32; 0 where two have time in common.
    """
    count, many = int(cameras.max(initial=-1)) + 1, len(EDGES) + 1
    if not count:
        return np.zeros(distances.shape, np.float32)
    low, high = np.minimum(cameras[:, None], cameras), np.maximum(cameras[:, None], cameras)
    apart = gaps(first, last)
    place = ((low * count + high) * many + np.searchsorted(EDGES, apart, side="right")).astype(np.int32)
    pairs = np.triu(~never & (apart >= 0), 1)
    sure = sure_pairs(np.where(never, np.float32(np.inf), distances), cameras, limit) & pairs
    shape = (count, count, many)
    anyone, same = (np.bincount(place[mask], minlength=count * count * many).reshape(shape) for mask in (pairs, sure))
    odds = np.zeros(shape)
    own = np.eye(count, dtype=np.bool_)
    for group in (own, ~own):
        # All pairs of the group stand behind each of its pairs.
        usual = anyone[group].sum(axis=0) / max(anyone[group].sum(), 1)
        theirs = (same[group].sum(axis=0) + ENOUGH * usual) / (same[group].sum() + ENOUGH)
        strangers = (anyone[group] + ANY * usual) / (anyone[group].sum(axis=1, keepdims=True) + ANY)
        people = (same[group] + ENOUGH * theirs) / (same[group].sum(axis=1, keepdims=True) + ENOUGH)
        share = np.where(strangers > 0, people / np.maximum(strangers, np.finfo(np.float64).tiny), 1.0)
        odds[group] = np.log((1 - OUTLIERS) * share + OUTLIERS)
    return np.asarray(np.where(apart >= 0, np.minimum(odds, STRONGEST).ravel()[place], 0.0), np.float32)
