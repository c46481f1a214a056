"""The hub of a run: events are kept as they are published, and each receiver is given them at its own pace."""

from __future__ import annotations

import logging
import math
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.config_events import EventsConfig
from app.events.event import Event
from app.events.lines import JsonLines
from app.events.mqtt import Mqtt
from app.events.outbox import Outbox
from app.events.sinks import NotDeliveredError, Sink
from app.events.webhook import Webhook

log = logging.getLogger(__name__)

AT_ONCE = 100
"""Events that a receiver is given together."""

PRUNE_SECONDS = 10.0
"""Seconds between two removals of what everybody has."""

MOST_UNKEPT = 10_000
"""Events that wait in memory while they cannot be kept on disk."""

EXPIRE_SECONDS = 600.0
"""Seconds between two removals of what is too old."""

SECONDS_A_DAY = 86400.0


@dataclass(frozen=True)
class SinkState:
    """How a receiver is doing.

    Attributes:
        name: `file`, `mqtt`, `webhook1`, …
        pending: Events that it has not got.
        delivered: Events that it got in this run.
        dead: Events that were given up in this run, as it will never take them.
        lost: Events that it never got because they were kept for too long, or too many.
        failing: Why it cannot be reached, one line without secrets; empty where it can.
    """

    name: str
    pending: int
    delivered: int
    dead: int
    lost: int
    failing: str


class EventHub:
    """Publishes events to all receivers of a configuration, each at least once and in order.

    An event is kept on disk when `publish` returns: a receiver that cannot be reached, a restart or a kill lose none.
    While the disk takes none, events wait in memory and are late; then only a kill loses them.
    Receivers have a thread each; none delays another, nor whoever publishes.

    Args:
        config: Receivers and limits.
        folder: The run's folder: relative files are in it, and `outbox.db`.
        retention_days: How long what is delivered to files is kept.
        clock: Seconds since the epoch.
        chance: A number in [0, 1), for waits that differ.

    Raises:
        InputError: If a file cannot be written, or a secret cannot be had.
    """

    def __init__(
        self,
        config: EventsConfig,
        folder: Path,
        *,
        retention_days: float = math.inf,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._config, self._chance = config, chance
        sinks = _sinks(config, folder, retention_days * SECONDS_A_DAY)
        self._outbox = Outbox(
            folder / "outbox.db",
            [sink.name for sink in sinks],
            config.kept_events,
            config.kept_days * SECONDS_A_DAY,
            clock,
        )
        self._lock = threading.Lock()
        self._listeners: list[Callable[[Event], None]] = []
        self._closing = threading.Event()
        self._couriers = [
            _Courier(sink, self._outbox, config, chance, clock, self._keep, self._closing) for sink in sinks
        ]
        self._pruned = time.monotonic()
        self._keeping = threading.Lock()
        self._unkept: deque[tuple[str, str | None, str]] = deque()
        self._lost = self._uncleaned = False
        self.published = 0
        for courier in self._couriers:
            courier.thread.start()

    def publish(self, event: Event) -> None:
        """Keeps an event for all receivers and tells the listeners; waits for none of them."""
        self._keep(event)
        self.published += 1
        for courier in self._couriers:
            courier.wake.set()
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(event)
        if time.monotonic() - self._pruned >= PRUNE_SECONDS:
            self._prune()

    def availability(self, camera: str, online: bool) -> None:
        """Tells receivers that keep such a state whether a camera gives pictures."""
        for courier in self._couriers:
            courier.sink.availability(camera, online)

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Calls a listener, which must not wait, with each event; what is returned ends that."""
        with self._lock:
            self._listeners.append(listener)

        def leave() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return leave

    def states(self) -> list[SinkState]:
        """How each receiver is doing."""
        return [courier.state() for courier in self._couriers]

    def close(self, timeout: float = 5.0) -> None:
        """Gives receivers that can be reached what they have not got, for so long; the rest waits for the next run."""
        end = time.monotonic() + timeout
        self._keep()
        for courier in self._couriers:
            while time.monotonic() < end and not courier.failing and self._outbox.pending(courier.sink.name):
                time.sleep(0.02)
        self._closing.set()
        for courier in self._couriers:
            courier.wake.set()
        for courier in self._couriers:
            courier.thread.join(max(end - time.monotonic(), 0) + 10.0)
            courier.sink.close()
        self._keep()
        if self._unkept:
            log.error("%s: %d events could not be kept and are lost", self._outbox.path, len(self._unkept))
        self._prune()
        self._outbox.close()

    def _keep(self, event: Event | None = None) -> None:
        """Keeps an event, after those that could not be kept on disk before; of too many, the oldest are lost."""
        new = [] if event is None else [(event.kind, event.camera, event.to_json())]
        with self._keeping:
            failed = bool(self._unkept)
            self._unkept.extend(new)
            try:
                while self._unkept:
                    self._outbox.add(*self._unkept[0])
                    self._unkept.popleft()
            except sqlite3.Error as error:
                if not failed:
                    log.error("%s: events cannot be kept (%s); they wait in memory", self._outbox.path, error)
            else:
                if failed:
                    log.info("%s: events can be kept again", self._outbox.path)
                self._lost = False
            while len(self._unkept) > MOST_UNKEPT:
                self._unkept.popleft()
                if not self._lost:
                    log.error("%s: too many events wait in memory; the oldest are lost", self._outbox.path)
                self._lost = True

    def _prune(self) -> None:
        self._pruned = time.monotonic()
        try:
            lost = self._outbox.prune()
        except sqlite3.Error as error:
            if not self._uncleaned:
                log.error("%s: cannot be cleaned up (%s); tried again", self._outbox.path, error)
            self._uncleaned = True
            return
        self._uncleaned = False
        if lost:
            log.error("events were kept for too long or are too many: %d were given up undelivered", lost)


def _sinks(config: EventsConfig, folder: Path, kept: float) -> list[Sink]:
    sinks: list[Sink] = []
    if config.file is not None:
        sinks.append(JsonLines(folder / config.file, int(config.file_megabytes * 1e6), config.file_count, kept))
    if config.mqtt is not None:
        sinks.append(Mqtt(config.mqtt))
    for number, webhook in enumerate(config.webhooks, 1):
        sinks.append(Webhook(webhook, folder / "dead-letters.jsonl", f"webhook{number}", kept))
    return sinks


class _Courier:
    """Takes events out of the outbox to one receiver."""

    def __init__(
        self,
        sink: Sink,
        outbox: Outbox,
        config: EventsConfig,
        chance: Callable[[], float],
        clock: Callable[[], float],
        keep: Callable[[], None],
        closing: threading.Event,
    ) -> None:
        self.sink, self.failing, self.delivered = sink, "", 0
        self.wake = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"events-{sink.name}", daemon=True)
        self._outbox, self._config, self._chance, self._closing = outbox, config, chance, closing
        self._clock, self._keep, self._expired = clock, keep, -EXPIRE_SECONDS
        self._failures = self._place = self._noted = 0
        self._stuck, self._names = False, (sink.name, outbox.path)

    def state(self) -> SinkState:
        """How the receiver is doing."""
        name = self.sink.name
        pending, lost = self._outbox.pending(name), self._outbox.lost(name)
        return SinkState(name, pending, self.delivered, self.sink.dead, lost, self.failing)

    def _run(self) -> None:
        while not self._closing.is_set():
            self.wake.clear()
            self._expire()
            idle = True
            try:
                idle = not self._round()
            except sqlite3.Error as error:
                if not self._stuck:
                    log.warning("events for %s: %s cannot be used (%s); tried again", *self._names, error)
                self._stuck = True
            except Exception:
                # A fault of ours in one receiver's thread must not end it for good, nor pass in silence.
                log.exception("events for %s: tried again", self.sink.name)
                self._failures += 1
            if self._failures:
                self._closing.wait(self._pause())
            elif idle:
                self.wake.wait(1.0)
        with suppress(sqlite3.Error):  # which was told; the next run delivers it again
            self._note()

    def _round(self) -> bool:
        """Delivers some of what waits and notes it; whether there was any.

        Raises:
            sqlite3.Error: If the outbox cannot be read, or cannot be written: its disk may be full.
        """
        self._keep()
        events = self._outbox.waiting(self.sink.name, AT_ONCE)
        done = self._deliver(events) if events else 0
        if done:
            self._place = events[done - 1].number
            self.delivered += done
        self._note()
        if self._stuck:
            log.info("events for %s: %s can be used again", *self._names)
        self._stuck = False
        return bool(events)

    def _note(self) -> None:
        if self._place > self._noted:
            self._outbox.delivered(self.sink.name, self._place)
            self._noted = self._place

    def _deliver(self, events: Sequence[object]) -> int:
        """Delivers what it can; returns how many."""
        try:
            self.sink.deliver(events, self._closing.is_set)  # type: ignore[arg-type]
        except NotDeliveredError as error:
            if not self.failing:
                log.warning("events for %s wait: %s", self.sink.name, error)
            self.failing, self._failures = str(error), 1 if error.done else self._failures + 1
            return error.done
        if self.failing:
            log.info("events for %s are delivered again", self.sink.name)
        self.failing, self._failures = "", 0
        return len(events)

    def _expire(self) -> None:
        """Has the receiver remove what is too old, if it is time: here, as nothing is delivered to it meanwhile."""
        if time.monotonic() - self._expired < EXPIRE_SECONDS:
            return
        self._expired = time.monotonic()
        try:
            self.sink.expire(self._clock())
        except OSError as error:
            log.error("events for %s that are too old cannot be removed: %s", self.sink.name, error)

    def _pause(self) -> float:
        """Seconds before the next attempt: doubled at each, up to a limit, and different for everybody."""
        longest = min(self._config.retry_seconds * 2.0 ** min(self._failures - 1, 30), self._config.most_retry_seconds)
        return longest * (0.5 + self._chance() / 2)
