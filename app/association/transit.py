"""How long people take from one camera to another, learned from links that are sure by looks alone.

The time between leaving one camera and entering the next is taken as log-normal, with a floor for those who stop for a
coffee. It speaks for a link by how much likelier it is than for somebody who comes at any time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

ENOUGH = 5
"""Transits between two cameras from which they say something."""

OUTLIERS = 0.1
"""Share of people who take any time at all."""

LEAST_SPREAD = 0.3
"""Standard deviation of the logarithm of the time, at least."""

PRIOR_SPREAD = 1.0
"""What the spread is before anything is known; weighs as much as one transit."""

LEAST_SECONDS = 0.5
"""Shorter times count as this one."""

STRONGEST = 3.0
"""Log-odds that a time gives or takes, at most."""


class Transits:
    """Running means and spreads of the logarithm of the time between each two cameras."""

    def __init__(self, window: float, most: int = 200) -> None:
        """Nothing is known yet.

        Args:
            window: Seconds within which somebody who comes at any time comes.
            most: Transits that count at most: older ones fade.
        """
        self._window, self._most = window, most
        self._count: Floats = np.zeros((0, 0))
        self._mean: Floats = np.zeros((0, 0))
        self._squares: Floats = np.zeros((0, 0))

    def room(self, cameras: int) -> None:
        """Makes room for camera numbers below this."""
        more = (0, max(0, cameras - len(self._count)))
        self._count, self._mean = np.pad(self._count, (more, more)), np.pad(self._mean, (more, more))
        self._squares = np.pad(self._squares, (more, more))

    def learn(self, origin: int, to: int, seconds: float) -> None:
        """Counts a transit from one camera to another."""
        value, at = np.log(max(seconds, LEAST_SECONDS)), (origin, to)
        fading = min(1.0, self._most / (self._count[at] + 1))
        self._count[at] = (self._count[at] + 1) * fading
        before = value - self._mean[at]
        self._mean[at] += before / self._count[at]
        self._squares[at] = self._squares[at] * fading + before * (value - self._mean[at])

    def log_odds(self, origin: IntArray, to: IntArray, seconds: Floats) -> Floats:
        """How much likelier times are between these cameras than at any other moment.

        Args:
            origin: Camera left, any shape.
            to: Camera entered, of a shape that broadcasts with it.
            seconds: Time between, likewise; NaN where there is none.

        Returns:
            Log-odds in [−`STRONGEST`, `STRONGEST`], of the broadcast shape; 0 where too little is known.
        """
        count = self._count[origin, to]
        variance = (self._squares[origin, to] + PRIOR_SPREAD**2) / np.maximum(count, 1)
        spread = np.maximum(np.sqrt(variance), LEAST_SPREAD)
        time = np.maximum(np.where(np.isnan(seconds), LEAST_SECONDS, seconds), LEAST_SECONDS)
        score = (np.log(time) - self._mean[origin, to]) / spread
        density = np.exp(-0.5 * score**2) / (time * spread * np.sqrt(2 * np.pi))
        odds = np.log((1 - OUTLIERS) * density * self._window + OUTLIERS)
        known = (count >= ENOUGH) & ~np.isnan(seconds) & (seconds <= self._window)
        return np.asarray(np.where(known, np.clip(odds, -STRONGEST, STRONGEST), 0.0))
