"""Which boxes of a frame are worth embedding: those that can change a decision or show a person better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trackers.config import TrackerConfig
from trackers.gates import Mask
from trackers.motion import Array

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Need:
    """What the tracker knows of each of a frame's m boxes before it sees their features.

    Attributes:
        contested: The box and its track have another choice almost as good, shape `(m,)`.
        returning: The box has no sure track and a lost person could be there, shape `(m,)`.
        new: The box belongs to a track of which no view is known, shape `(m,)`.
        age: Seconds since its track was last looked at, shape `(m,)`; 0 without a track.
        covered: Share hidden by a box in front, shape `(m,)`, in [0, 1].
        height: In pixels, shape `(m,)`.
        score: In [0, 1], shape `(m,)`.
    """

    contested: Mask
    returning: Mask
    new: Mask
    age: Array
    covered: Array
    height: Array
    score: Array


def choose(need: Need, config: TrackerConfig) -> Indices:
    """The boxes to embed, most useful first, at most `config.crops_per_frame`.

    A contested or returning person is looked at in any case; a view is learned only from an uncovered box. Among
    equals the clearer box, by score and cover, comes first.
    """
    learnable = need.covered <= config.learn_covered
    stale = need.age > config.exemplar_seconds
    worth = np.zeros(len(need.height))
    worth[learnable & stale] = 1
    worth[learnable & need.new] = 2
    worth[need.contested] = 3
    worth[need.returning] = 4
    worth[(need.height < config.crop_height) | (need.score < config.high_score)] = 0
    wanted = np.flatnonzero(worth)
    clear = need.score[wanted] * (1 - need.covered[wanted]) + 0.1 * np.minimum(need.age[wanted], 10.0)
    return wanted[np.lexsort((wanted, -clear, -worth[wanted]))][: config.crops_per_frame]


def contested(cost: Array, allowed: Mask, limit: float, margin: float) -> Mask:
    """Boxes that appearance could move to or from another track, shape `(m,)`."""
    if min(cost.shape) == 0:
        return np.zeros(cost.shape[1], np.bool_)
    possible = allowed & (cost <= limit)
    price = np.where(possible, cost, np.inf)
    close_row = price <= price.min(axis=1)[:, None] + margin
    close_column = price <= price.min(axis=0)[None, :] + margin
    close = possible & close_row & close_column
    rivals = (close.sum(axis=1) > 1)[:, None] | (close.sum(axis=0) > 1)[None, :]
    return np.asarray((close & rivals).any(axis=0))
