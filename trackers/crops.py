"""Which boxes of a frame are worth embedding: those that can change a decision or show a person better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trackers.config import TrackerConfig
from trackers.gates import Mask
from trackers.motion import Array
from trackers.pairs import Pairs

Indices = npt.NDArray[np.intp]

OFTEN = 1.0
"""Seconds after which views of somebody new are refreshed, where `exemplar_seconds` are more."""


@dataclass(frozen=True, slots=True)
class Need:
    """What the tracker knows of each of a frame's m boxes before it sees their features.

    Attributes:
        contested: The box and its track have another choice almost as good, shape `(m,)`.
        returning: The box has no sure track and a lost person could be there, shape `(m,)`.
        new: The box belongs to a track of which no view is known, shape `(m,)`.
        age: Seconds since its track was last looked at, shape `(m,)`; 0 without a track.
        life: Seconds since its track's first box, shape `(m,)`; 0 without a track.
        covered: Share hidden by a box in front, shape `(m,)`, in [0, 1].
        height: In pixels, shape `(m,)`.
        score: In [0, 1], shape `(m,)`.
    """

    contested: Mask
    returning: Mask
    new: Mask
    age: Array
    life: Array
    covered: Array
    height: Array
    score: Array


class Allowance:
    """How many crops may be embedded, over time: what is not used is kept for a moment that needs more."""

    def __init__(self, config: TrackerConfig) -> None:
        self._config = config
        self._saved = float(config.crops_per_frame)

    def after(self, seconds: float) -> int:
        """How many there are for a frame that comes so long after the one before."""
        most, rate = self._config.crops_per_frame, self._config.crops_per_second
        if rate is None:
            return most
        # Never less than one can be saved up for, however low the rate.
        self._saved = min(self._saved + rate * seconds, float(most))
        return int(self._saved)

    def spend(self, crops: int) -> None:
        """Takes off what was embedded."""
        self._saved -= crops


def choose(need: Need, config: TrackerConfig, most: int) -> Indices:
    """The boxes to embed, most useful first, at most `most`.

    A contested or returning person is looked at in any case; a view is learned only from an uncovered box. Among
    equals the clearer box, by score and cover, comes first.
    """
    learnable = need.covered <= config.learn_covered
    # Of somebody new every view says something; of somebody long known hardly any does.
    patience = np.minimum(config.exemplar_seconds, np.maximum(OFTEN, need.life / 3))
    stale = need.age > patience
    worth = np.zeros(len(need.height))
    worth[learnable & stale] = 1
    worth[learnable & need.new] = 2
    worth[need.contested] = 3
    worth[need.returning] = 4
    faint = (need.score < config.high_score) & ~need.returning
    worth[(need.height < config.crop_height) | faint] = 0
    wanted = np.flatnonzero(worth)
    clear = need.score[wanted] * (1 - need.covered[wanted]) + 0.1 * np.minimum(need.age[wanted], 10.0)
    return wanted[np.lexsort((wanted, -clear, -worth[wanted]))][:most]


def contested(cost: Pairs, boxes: int, limit: float, margin: float) -> Mask:
    """Boxes that appearance could move to or from another track.

    Args:
        cost: What a box costs a track, tracks in rows, of the pairs that are possible.
        boxes: m.
        limit: Largest cost of a pair.
        margin: What appearance can take from a cost.

    Returns:
        Shape `(m,)`.
    """
    cost = cost[cost.values <= limit]
    cheapest_of_row, cheapest_of_column = np.full(cost.rows.max(initial=-1) + 1, np.inf), np.full(boxes, np.inf)
    np.minimum.at(cheapest_of_row, cost.rows, cost.values)
    np.minimum.at(cheapest_of_column, cost.columns, cost.values)
    close = cost.values <= cheapest_of_row[cost.rows] + margin
    close &= cost.values <= cheapest_of_column[cost.columns] + margin
    cost = cost[close]
    rivals = (np.bincount(cost.rows)[cost.rows] > 1) | (np.bincount(cost.columns)[cost.columns] > 1)
    found = np.zeros(boxes, np.bool_)
    found[cost.columns[rivals]] = True
    return found
