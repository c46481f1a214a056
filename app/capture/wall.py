"""A monotonic clock's moments as times of day."""

from __future__ import annotations

from collections.abc import Callable

SLEW = 0.1
"""Seconds that are made up for in each second where the time of day was set back."""

_LOOK_SECONDS = 1.0
_QUICK = 0.001


class WallClock:
    """Times of day that never go back and never repeat, for moments that do not.

    A clock that is set forward is followed at once; one that is set back is approached slowly, so that time goes on.

    Args:
        clock: Seconds that never go back.
        wall: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock, self._wall = clock, wall
        self._looked = clock()
        self._target = self._base = wall() - self._looked

    def __call__(self, moment: float) -> float:
        """Seconds since the epoch at a moment of the monotonic clock."""
        now = self._clock()
        if now - self._looked >= _LOOK_SECONDS:
            target = self._wall() - now
            # Were we held up between the two looks, the difference says nothing.
            if self._clock() - now <= _QUICK:
                self._base, self._looked, self._target = self._offset(now), now, target
        return moment + self._offset(moment)

    def _offset(self, moment: float) -> float:
        """How far the time of day is ahead; it falls by `SLEW` a second at most, so that times increase."""
        return max(self._target, self._base - SLEW * (moment - self._looked))
