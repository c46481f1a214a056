"""One live camera: its connection, its decoding process, its newest frame, and what is counted."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from app.addresses import Address
from app.capture.link import Link
from app.capture.process import Process, place_in
from app.capture.ring import Place, RingReader
from app.capture.states import CameraNotice, CameraState, Change
from app.config import CameraConfig

log = logging.getLogger(__name__)

RATE_SECONDS = 3.0
"""Seconds over which the rate of frames that come is measured."""

_STEP = 0.001


@dataclass(frozen=True, slots=True)
class Pending:
    """A frame that waits to be taken.

    Attributes:
        index: Number of the frame.
        taken: When it was taken, by the monotonic clock.
        time: The same in seconds since the epoch.
        place: Where it lies.
        ring: In which memory.
    """

    index: int
    taken: float
    time: float
    place: Place
    ring: RingReader


class Camera:
    """A camera as the capture keeps it. It is used under the capture's lock.

    Args:
        config: The camera's settings.
        address: Where it is.
        link: Its connection.
        wall: Moments of the monotonic clock into seconds since the epoch.
    """

    def __init__(self, config: CameraConfig, address: Address, link: Link, wall: Callable[[float], float]) -> None:
        self.config, self.address, self.link = config, address, link
        self.rate = config.analyse_fps
        self.process: Process | None = None
        self.pending: Pending | None = None
        self.dropped: Counter[str] = Counter()
        self.analysed = 0
        self.restarts = 0
        self.unrecorded = ""
        self._wall = wall
        self._opened = False
        self._frames_before = 0
        self._count = 0
        self._late = 0
        self._seen: float | None = None
        self._latest_time = -float("inf")
        self._looks: tuple[int, int, str] = (0, 0, "")
        self._arrivals: deque[tuple[float, int]] = deque()
        self._told: Literal["", "online", "offline"] = ""
        self._news: list[tuple[Change, str]] = []

    # The process

    def started(self, process: Process) -> None:
        """A process begins to decode this camera."""
        self.process = process
        self._opened = False
        self._frames_before += self._count
        self._count = self._late = 0
        self._arrivals.clear()

    def let_go(self) -> Process | None:
        """The process that decoded this camera, which is to be ended."""
        process, self.process = self.process, None
        return process

    def hear(self, message: dict[str, Any] | None, now: float) -> bool:
        """Takes an answer of the process; returns whether it is of use still.

        One that could not even connect waits for the next attempt.

        Whatever a process says that cannot be meant is taken for a crash.
        """
        assert self.process is not None
        if message is None and not self.link.running:
            return False
        if message is None:
            self._crashed(self.process.exit_reason(), now)
            return False
        try:
            return self._understand(message, now)
        except (KeyError, TypeError, ValueError):
            self._crashed("its decoding process failed", now)
            return False

    def _crashed(self, reason: str, now: float) -> None:
        self.restarts += 1
        self.link.failed(reason, now)

    def _understand(self, message: dict[str, Any], now: float) -> bool:
        kind = message["k"]
        if kind in ("frame", "seen"):
            self._frame(message, now)
        elif kind == "ready":
            self.link.ready(now)
        elif kind == "opened":
            self._opened = True
            self.link.opened(now)
        elif kind == "ended":
            self.link.ended(now)
            return False
        elif kind == "failed":
            cause, reason = str(message["cause"]), self.address.hidden(str(message["reason"]))
            if cause in ("crashed", "memory"):
                self._crashed(reason, now)
                return False
            self.link.failed(reason, now, refused=cause == "password")
            return not self._opened
        else:
            raise ValueError(kind)
        return True

    def _frame(self, message: dict[str, Any], now: float) -> None:
        count, late, seen = int(message["n"]), int(message["late"]), message["seen"]
        if late > self._late:
            self.dropped["late"] += late - self._late
        self._count, self._late = count, late
        self._note_recording(str(message.get("unrecorded", ""))[:300])
        if seen is None:
            return
        self._seen = min(float(seen), now)
        self._arrivals.append((self._seen, count))
        while self._seen - self._arrivals[0][0] > RATE_SECONDS:
            self._arrivals.popleft()
        self.link.frame(self._seen, now)
        if message["k"] == "frame":
            self._show(message, count)
        self._note_state()

    def _note_recording(self, problem: str) -> None:
        if problem and not self.unrecorded:
            log.error("camera %s: %s", self.config.name, problem)
        elif self.unrecorded and not problem:
            log.info("camera %s: is recorded again", self.config.name)
        self.unrecorded = problem

    def _show(self, message: dict[str, Any], count: int) -> None:
        assert self.process is not None
        place, taken = place_in(message), float(message["t"])
        looks, before = (place.width, place.height, str(message["codec"])[:32]), self._looks
        self._looks = looks
        self._note_state()
        if before[2] and looks != before:
            self._news.append(("changed", f"{_words(looks)}, was {_words(before)}"))
        if self.pending is not None:
            self.dropped["replaced"] += 1
        self._latest_time = max(self._wall(taken), self._latest_time + _STEP)
        index = self._frames_before + count - 1
        self.pending = Pending(index, taken, self._latest_time, place, self.process.ring)

    # What is told

    def drop_stale(self, now: float, stale_seconds: float) -> None:
        """Drops the frame that waits where it is too old by now."""
        if self.pending is not None and now - self.pending.taken > stale_seconds:
            self.pending = None
            self.dropped["stale"] += 1

    def news(self, now: float) -> list[CameraNotice]:
        """What has happened since the last call."""
        self._note_state()
        told, self._news = self._news, []
        time = self._wall(now)
        return [CameraNotice(self.config.name, kind, time, reason) for kind, reason in told]

    def _note_state(self) -> None:
        state = self.link.state
        if state == "live" and self._told != "online":
            self._told = "online"
            self._news.append(("online", _words(self._looks) if self._looks[2] else ""))
            log.info("camera %s: frames come", self.config.name)
        elif state in ("waiting", "stalled", "ended") and self._told != "offline":
            self._told = "offline"
            self._news.append(("offline", self.link.reason))
            log.warning("camera %s: %s", self.config.name, self.link.reason)

    def state(self, now: float) -> CameraState:
        """How it is doing."""
        live = self.link.state == "live"
        width, height, codec = self._looks
        return CameraState(
            name=self.config.name,
            state=self.link.state,
            since=self._wall(self.link.since),
            frame_age=None if self._seen is None else max(now - self._seen, 0.0),
            frames_in=self._frames_before + self._count,
            analysed=self.analysed,
            dropped=dict(self.dropped),
            reconnects=self.link.reconnects,
            restarts=self.restarts,
            width=width,
            height=height,
            codec=codec,
            fps_in=self._rate_in(now) if live else 0.0,
            reason="" if live else self.link.reason,
            unrecorded=self.unrecorded,
        )

    def _rate_in(self, now: float) -> float:
        if len(self._arrivals) < 2:
            return 0.0
        (began, first), (ended, last) = self._arrivals[0], self._arrivals[-1]
        # Up to now where nothing comes any more, so that the rate of a camera that stops goes down.
        span = max(ended - began, now - began - 1.0)
        return (last - first) / span if span > 0 else 0.0


def _words(looks: tuple[int, int, str]) -> str:
    return f"{looks[0]} x {looks[1]} {looks[2]}"
