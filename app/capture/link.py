"""The connection to one camera as a machine of states: when to connect, when to give up, when to try again.

It has no clock, no process and no thread of its own: it is told what happens and at what time, and says what to do.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from app.capture.states import State

STARTING_SECONDS = 15.0
"""Longest time that a decoding process may take to be there: a busy machine starts slowly."""

FIRST_FRAME_SECONDS = 15.0
"""Longest time from an answer to the first frame: some cameras send a key frame every ten seconds."""

STEADY_SECONDS = 5.0
"""Seconds with frames from which the next outage counts as the first."""

Action = Literal["start", "stop", "none"]


@dataclass(frozen=True)
class Limits:
    """Seconds that a connection may take.

    Attributes:
        answer: Until a camera has answered.
        stalled: Without a frame.
        retry: Before the first new attempt; doubled at each.
        most_retry: Between two attempts, at most.
        refused_retry: Between two attempts with a password that was refused.
    """

    answer: float
    stalled: float
    retry: float
    most_retry: float
    refused_retry: float


class Backoff:
    """Seconds to wait before each attempt: doubled at each up to a cap, and shortened by up to a half by chance.

    By chance, so that cameras that went together do not come back together.

    Args:
        first: Seconds before the first attempt.
        most: Most seconds.
        chance: Gives a number in [0, 1).
    """

    def __init__(self, first: float, most: float, chance: Callable[[], float] = random.random) -> None:
        self._first, self._most, self._chance = first, most, chance
        self._attempts = 0

    def next(self) -> float:
        """Seconds before the next attempt."""
        delay = min(self._first * 2.0 ** min(self._attempts, 32), self._most)
        self._attempts += 1
        return delay * (1 - 0.5 * self._chance())

    def reset(self) -> None:
        """The next attempt is the first again."""
        self._attempts = 0


class Link:
    """The connection to one camera.

    Args:
        limits: Seconds that things may take.
        now: Current time, seconds.
        chance: Gives a number in [0, 1).
    """

    def __init__(self, limits: Limits, now: float, chance: Callable[[], float] = random.random) -> None:
        self.state: State = "connecting"
        self.since = now
        self.reason = ""
        self.reconnects = 0
        self.running = False
        self._limits = limits
        self._backoff = Backoff(limits.retry, limits.most_retry, chance)
        self._was_live = False
        self._due = now
        self._started = now
        self._phase: Literal["starting", "asking", "opened"] = "starting"
        self._heard = now

    # What happens

    def ready(self, now: float) -> None:
        """The process is there and begins to connect."""
        self._phase, self._heard = "asking", now

    def opened(self, now: float) -> None:
        """The camera has answered."""
        self._phase, self._heard = "opened", now

    def frame(self, seen: float, now: float) -> bool:
        """A frame was received; returns whether the camera is live with it and was not before."""
        if not self.running:
            return False
        self._heard = max(self._heard, min(seen, now))
        if self.state != "live":
            self.reconnects += self._was_live
            self._was_live = True
            self._enter("live", now, "")
            return True
        if now - self.since >= STEADY_SECONDS:
            self._backoff.reset()
        return False

    def failed(self, reason: str, now: float, *, refused: bool = False) -> None:
        """The process is gone, or is to be; it is tried again later."""
        self._lost("waiting", reason, now, refused)

    def ended(self, now: float) -> None:
        """A file was played to its end."""
        self.running = False
        self._enter("ended", now, "the file has been played to its end")

    def restart(self, now: float) -> Action:
        """Connects anew, at once."""
        was_running, self.running = self.running, False
        self._backoff.reset()
        self._enter("waiting", now, "restarted")
        self._due = now
        return "stop" if was_running else "none"

    # What to do

    def step(self, now: float) -> Action:
        """What has to be done now. After `start` a process is taken to be running, after `stop` to be gone."""
        if self.running:
            return self._watch(now)
        if self.state == "ended" or now < self._due:
            return "none"
        self.running = True
        self._started = self._heard = now
        self._phase = "starting"
        self._enter("connecting", now, self.reason)
        return "start"

    def next_step(self) -> float:
        """When `step` should be called again, if nothing happens before."""
        if self.running:
            return self._heard + self._patience()
        return float("inf") if self.state == "ended" else self._due

    def _lost(self, state: State, reason: str, now: float, refused: bool = False) -> None:
        was_live = self.state == "live"
        self.running = False
        self._enter(state, now, reason)
        delay = self._backoff.next()
        if refused:
            # Many cameras lock out whoever tries a wrong password again and again.
            delay = max(delay, self._limits.refused_retry)
        # An attempt that took long need not be followed by a long wait.
        self._due = now + delay if was_live else max(now, self._started + delay)

    def _patience(self) -> float:
        if self.state == "live":
            return self._limits.stalled
        return {"starting": STARTING_SECONDS, "asking": self._limits.answer, "opened": FIRST_FRAME_SECONDS}[self._phase]

    def _watch(self, now: float) -> Action:
        patience = self._patience()
        if now - self._heard < patience:
            return "none"
        if self.state == "live":
            self._lost("stalled", f"no frame for {patience:.1f} s", now)
        elif self._phase == "opened":
            self.failed(f"no frame for {patience:.1f} s", now)
        elif self._phase == "asking":
            self.failed(f"no answer within {patience:.1f} s", now)
        else:
            self.failed(f"its decoding process did not start within {patience:.1f} s", now)
        return "stop"

    def _enter(self, state: State, now: float, reason: str) -> None:
        self.reason = reason
        if state != self.state:
            self.state, self.since = state, now
