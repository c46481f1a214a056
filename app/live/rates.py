"""How many frames a second of each camera the machine can analyse, shared out evenly."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

BUSY = 0.9
"""Share of the time that may go into analysing: the rest is for frames that come at an unlucky moment."""

MEMORY = 5.0
"""Seconds after which what a frame cost is mostly forgotten."""

SETTLED = 5.0
"""Seconds that every camera must have had all its frames before the machine is said to keep up again."""

STEP = 0.05
"""Share by which the sum of the rates must change to be changed at all."""

LEAST = 0.2
"""Fewest frames a second of a camera, however slow the machine."""


def fair_rates(wanted: Mapping[str, float], capacity: float) -> dict[str, float]:
    """Frames a second for each camera: what it wants, or less, so that all together are within the capacity.

    Who wants least gets it first; what is left is shared evenly (max-min fairness).

    Args:
        wanted: Frames a second that each camera would have.
        capacity: Frames a second that all may have together.
    """
    names = sorted(wanted, key=lambda name: wanted[name])
    asked = np.array([wanted[name] for name in names], np.float64)
    if asked.sum() <= capacity:
        return dict(wanted)
    # The level at which the smaller wishes are met: each camera's share of what those before it leave.
    before = np.concatenate([[0.0], np.cumsum(asked)[:-1]])
    level = float(np.maximum((capacity - before) / np.arange(len(asked), 0, -1), 0).max(initial=0))
    return {name: max(min(each, level), LEAST) for name, each in zip(names, asked.tolist(), strict=True)}


class Governor:
    """Watches what frames cost, and says how many of each camera are to be analysed.

    Attributes:
        slowed: Whether the machine does not keep up with what is wanted.
        cost: Seconds that a frame takes, lately; 0 before the first one.
    """

    def __init__(self) -> None:
        self.slowed = False
        self.cost = 0.0
        self._given: dict[str, float] = {}
        self._weight = 0.0
        self._keeps_up_since: float | None = None

    def spent(self, seconds: float, frames: int) -> None:
        """Takes into account that some frames together took that long."""
        if frames < 1:
            return
        # What went before counts the less, the more time has been spent since.
        kept = self._weight * float(np.exp(-seconds / MEMORY))
        self._weight = kept + frames
        self.cost += (seconds / frames - self.cost) * frames / self._weight

    def rates(self, wanted: Mapping[str, float], now: float) -> dict[str, float]:
        """Frames a second for each camera.

        Args:
            wanted: What each would have; cameras that give no pictures are not among them.
            now: Seconds by a clock that never goes back.
        """
        capacity = BUSY / self.cost if self.cost else np.inf
        fair = fair_rates(wanted, capacity)
        enough = sum(fair.values()) >= (1 - STEP) * sum(wanted.values())
        if not enough:
            self.slowed, self._keeps_up_since = True, None
        elif self.slowed:
            self._keeps_up_since = now if self._keeps_up_since is None else self._keeps_up_since
            self.slowed = now - self._keeps_up_since < SETTLED
        before, after = sum(self._given.values()), sum(fair.values())
        if self._given.keys() != fair.keys() or abs(after - before) > STEP * before or (fair == wanted):
            self._given = fair
        return dict(self._given)
