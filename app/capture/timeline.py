"""Stamps of a stream into times of a clock that never goes back, and which frames are wanted."""

from __future__ import annotations

STEP = 0.001
"""Seconds by which a time comes after the one before, at least."""

BOUND = 1.0
"""Seconds by which stamps and arrivals may drift apart before they are matched anew."""

PATIENCE = 1.0
"""Seconds for which they must have been apart: a backlog that is worked off is no drift."""

WINDOW = 2.0
"""Seconds over which the quickest arrival tells how stamps and the clock lie to each other."""

BACKWARDS = 0.5
"""Seconds that a stamp may lie before the one before it, where frames are out of order."""


class Timeline:
    """When each frame was taken, by a clock of this machine.

    The quickest packets of the last seconds tell how the camera's stamps lie to our clock; all others were held up on
    their way, and their stamps say for how long. Only where packets have to be waited for may all of them be held up
    more than before: those that were there already have been lying in a queue. A camera whose clock runs fast or slow
    is followed. Where stamps go back, or stay more than `BOUND` behind for `PATIENCE`, they are matched anew. Times
    always increase.
    """

    def __init__(self) -> None:
        self.anchored = 0
        """How often stamps were matched to the clock, the first time included."""
        self._offset: float | None = None
        self._latest = -float("inf")
        self._latest_stamp = -float("inf")
        self._window = (0.0, float("inf"))
        self._before = float("inf")
        self._late_since: float | None = None
        self._least_late = float("inf")

    def guess(self, stamp: float | None, arrival: float) -> float:
        """When a frame was taken, by what is known before it is noted."""
        if stamp is None or self._offset is None or stamp < self._latest_stamp - BACKWARDS:
            return arrival
        return min(stamp + self._offset, arrival)

    def __call__(self, stamp: float | None, arrival: float, waited: bool) -> float:
        """When a frame was taken.

        Args:
            stamp: Seconds by the camera's clock; None where it does not say.
            arrival: Seconds by ours.
            waited: Whether its packet had to be waited for.

        Returns:
            Seconds by our clock, after all returned before; not after the arrival where those allow it.
        """
        if stamp is not None:
            self._match(stamp, arrival, waited)
        taken = self.guess(stamp, arrival)
        if stamp is not None:
            self._latest_stamp = stamp
        self._latest = max(taken, self._latest + STEP)
        return self._latest

    def _match(self, stamp: float, arrival: float, waited: bool) -> None:
        offset = arrival - stamp
        if self._offset is None or stamp < self._latest_stamp - BACKWARDS:
            self._anchor(offset, arrival)
        elif offset < self._offset:
            # Quicker than any before, or the stamps have jumped forward.
            if self._offset - offset > BOUND:
                self.anchored += 1
            self._offset = offset
            self._late_since = None
            self._window = self._window[0], min(self._window[1], offset)
        elif offset - self._offset <= BOUND:
            self._follow(offset, arrival, waited)
        elif waited:
            self._late(offset, arrival)

    def _anchor(self, offset: float, arrival: float) -> None:
        self.anchored += 1
        self._offset = offset
        self._late_since = None
        self._window, self._before = (arrival, offset), float("inf")
        self._latest_stamp = -float("inf")

    def _late(self, offset: float, arrival: float) -> None:
        if self._late_since is None:
            self._late_since, self._least_late = arrival, offset
        self._least_late = min(self._least_late, offset)
        if arrival - self._late_since >= PATIENCE:
            self._anchor(self._least_late, arrival)

    def _follow(self, offset: float, arrival: float, waited: bool) -> None:
        began, least = self._window
        least = min(least, offset)
        if waited:
            self._late_since = None
        if waited and arrival - began >= WINDOW:
            self._offset = min(least, self._before)
            self._before, least, began = least, float("inf"), arrival
        self._window = began, least


class Pacer:
    """Which frames are wanted, so that there are `rate` a second on average, however unevenly they come.

    A frame may come a quarter of the wanted interval early: a camera at just the wanted rate loses none to jitter.

    Args:
        rate: Frames a second, above 0.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._due = -float("inf")

    def would(self, time: float) -> bool:
        """Whether a frame of this time would be wanted."""
        return time >= self._due - 0.25 / self.rate

    def wanted(self, time: float) -> bool:
        """Whether a frame of this time is wanted; times increase."""
        if not self.would(time):
            return False
        step = 1 / self.rate
        self._due = self._due + step if time < self._due + step else time + step
        return True
