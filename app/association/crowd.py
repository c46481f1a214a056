"""How many people there are to choose from, and how alike two must then look to be taken for one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LONGEST_STEP = 1.0
"""Seconds between two boxes that still count as time in view."""

GLIMPSE = 1.0
"""Seconds that somebody counts for beyond those in view, so that whoever was seen once counts at all."""


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

    def limit(self, threshold: float, people: float) -> float:
        """The largest distance at which two of so many are joined."""
        return threshold - self.step * math.log(max(people / self.people, 1.0))


ANY_CROWD = Crowd(math.inf, 0.0)
"""The threshold as it is, however many people there are."""


def people_among(seen: Floats) -> float:
    """How many people groups of tracklets are, short pieces of tracks hardly counting.

    Of a person who was seen for minutes there are many pieces that were linked to nobody; counted as they are, those
    would make a crowd of a few people. So it is asked how likely two moments of the time in view are of one group:
    among N people seen for the same time that is 1 / N (the inverse Simpson index).

    Args:
        seen: Seconds that each group counts for, `(n,)`, 0 or above; those of 0 do not count.

    Returns:
        From 1 to n; 0 where there is nobody.
    """
    total = float(seen.sum())
    if not total:
        return 0.0
    shares = seen / total
    return 1 / float(shares @ shares)


def seconds_in_view(times: Floats) -> float:
    """How long somebody was in view, by the times of their boxes, `(n,)` in seconds and in order; absences left out."""
    return float(np.minimum(np.diff(times), LONGEST_STEP).sum())


def longest(seen: Floats, share: float) -> npt.NDArray[np.bool_]:
    """The longest tracklets that have a share of all time in view, and those of the same length as the last of them.

    Args:
        seen: Seconds that each counts for, `(n,)`, 0 or above.
        share: Of their sum, [0, 1].

    Returns:
        Which ones, `(n,)`.
    """
    if not len(seen):
        return np.zeros(0, np.bool_)
    lengths = np.sort(seen)[::-1]
    time = np.cumsum(lengths)
    enough = int(np.searchsorted(time, share * time[-1]))
    return np.asarray(seen >= lengths[min(enough, len(lengths) - 1)])
