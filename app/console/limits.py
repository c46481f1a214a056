"""How often somebody may do something."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MOST_KEYS = 10_000
"""Callers that are remembered; the one not heard of for longest is forgotten first."""


class Limit:
    """So many times a minute for each caller, with that many at once: a bucket that fills up again steadily."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(a_minute)
        self._clock = clock
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, caller: Hashable) -> float:
        """Takes one of the caller's turns; 0 where they had one, else the seconds until they have."""
        with self._lock:
            now = self._clock()
            left, then = self._left.pop(caller, (self._most, now))
            left = min(self._most, left + (now - then) * self._most / 60)
            allowed = left >= 1
            self._left[caller] = (left - 1 if allowed else left, now)
            if len(self._left) > MOST_KEYS:
                self._left.popitem(last=False)
            return 0.0 if allowed else (1 - left) * 60 / self._most
