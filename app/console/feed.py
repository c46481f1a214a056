"""What happens, told to every page that listens; a page that does not keep up loses the oldest and is told so."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

KEPT = 200
"""Events that wait for one page; when there are more, the oldest goes."""


@dataclass(frozen=True)
class Happening:
    """Something that happened.

    Attributes:
        number: From 1, in order.
        kind: Such as `identity.merged` or `follow.reappeared`.
        time: Seconds since the epoch.
        details: Plain values.
    """

    number: int
    kind: str
    time: float
    details: Mapping[str, object]

    @cached_property
    def line(self) -> str:
        """As JSON, made once for all who listen."""
        return json.dumps({"kind": self.kind, "time": self.time, **self.details})


@dataclass(eq=False)
class Listener:
    """One page. Use it from the loop that it was made in.

    Attributes:
        lost: Events that went because it did not keep up.
    """

    loop: asyncio.AbstractEventLoop
    waiting: deque[Happening] = field(default_factory=deque)
    lost: int = 0
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    def _put(self, happening: Happening) -> None:
        self.waiting.append(happening)
        while len(self.waiting) > KEPT:
            self.waiting.popleft()
            self.lost += 1
        self._ready.set()

    async def take(self, seconds: float) -> tuple[list[Happening], int]:
        """What has happened since, waiting so long for the first; and how many were lost before."""
        try:
            await asyncio.wait_for(self._ready.wait(), seconds)
        except TimeoutError:
            return [], 0
        self._ready.clear()
        found, lost = list(self.waiting), self.lost
        self.waiting.clear()
        self.lost = 0
        return found, lost


class Feed:
    """Hands what happens to all listeners; publishing never waits for any of them.

    Attributes:
        closed: Whether nothing will happen any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._number = 0
        self.closed = False

    def __len__(self) -> int:
        return len(self._listeners)

    def publish(self, kind: str, time: float, details: Mapping[str, object]) -> None:
        """Tells all listeners; may be called from any thread."""
        with self._lock:
            self._number += 1
            happening = Happening(self._number, kind, time, dict(details))
            # Whoever publishes wakes each loop once, however many listen there.
            for loop in {listener.loop for listener in self._listeners}:
                # A loop that has just ended has nobody left to be told.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._hand_out, loop, happening)

    def _hand_out(self, loop: asyncio.AbstractEventLoop, happening: Happening) -> None:
        for listener in [each for each in self._listeners if each.loop is loop]:
            listener._put(happening)

    def listen(self) -> Listener:
        """A new listener of the running loop."""
        listener = Listener(asyncio.get_running_loop())
        with self._lock:
            self._listeners.append(listener)
        return listener

    def close(self) -> None:
        """Nothing happens any more: listeners are woken to see that."""
        with self._lock:
            self.closed = True
            for listener in self._listeners:
                with suppress(RuntimeError):
                    listener.loop.call_soon_threadsafe(listener._ready.set)

    def leave(self, listener: Listener) -> None:
        """Forgets a listener."""
        with self._lock:
            self._listeners.remove(listener)
