"""A monotonic clock's moments as times of day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SLEW = 0.1
"""Seconds that are made up for in each second where the time of day was set back."""

_LOOK_SECONDS = 1.0
_QUICK = 0.001


class WallClock:
    """Times of day that never go back and never repeat, for moments that do not.

    Whoever compares times with those of frames asks the same one: the machine's own may say something else by then. A
    clock that is set forward is followed at once; one that is set back is approached slowly, so that time goes on.

    Args:
        clock: Seconds that never go back.
        wall: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock, self._wall = clock, wall
        now = clock()
        offset = wall() - now
        self._now = self._before = _Stretch(now, offset, offset)

    def now(self) -> float:
        """Seconds since the epoch now."""
        return self(self._clock())

    def __call__(self, moment: float) -> float:
        """Seconds since the epoch at a moment of the monotonic clock."""
        now = self._clock()
        if now - self._now.begun >= _LOOK_SECONDS:
            target = self._wall() - now
            # Were we held up between the two looks, the difference says nothing.
            if self._clock() - now <= _QUICK:
                self._before, self._now = self._now, _Stretch(now, max(self._now.offset(now), target), target)
        # A frame that was taken before the latest look has the time that it would have been given then.
        stretch = self._now if moment >= self._now.begun else self._before
        return moment + stretch.offset(moment)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """From one look at the time of day on: how far it is ahead, and what that is to become."""

    begun: float
    base: float
    target: float

    def offset(self, moment: float) -> float:
        """How far the time of day is ahead; it falls by `SLEW` a second at most, so that times increase."""
        return max(self.target, self.base - SLEW * max(moment - self.begun, 0.0))
