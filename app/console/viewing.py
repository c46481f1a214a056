"""Live pictures to many browsers at once, each sent what is newer than what it has.

All together are sent so little that cameras are analysed as if nobody watched.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from pydantic import BaseModel, Field

from app.console.live_wall import LiveWall
from app.console.models import Time
from app.console.wall import WIDTHS, Shown, pack_facts
from app.errors import InputError

SHARE = 0.02
"""Part of the machine's processors that pictures for viewers may take."""

LOOK_SECONDS = 1.0
"""Seconds between two looks at what they take."""

SLOWEST = 2.0
"""Most seconds between two pictures of a camera, however many watch."""

TOGETHER = 0.02
"""Seconds after a new picture in which those of other cameras that were analysed with it come."""

WAIT_SECONDS = 1.0
"""Seconds after which a viewer is answered although nothing is new."""


class Asked(BaseModel):
    """A page's wish for a picture: the next one, or the one of a time."""

    camera: str = Field(max_length=64)
    at: Time | None = None
    width: int = Field(default=640, ge=1, le=WIDTHS[-1])
    after: int = -1


class Pace:
    """How often pictures are sent: seldom enough that they take no more than their share of the machine.

    Args:
        least: Least seconds between two pictures of a camera.
        share: Processors that pictures may take, of one.

    Attributes:
        interval: Seconds between two pictures of a camera.
    """

    def __init__(self, least: float, share: float) -> None:
        self.interval = least
        self._least, self._share = least, share

    def took(self, seconds: float, elapsed: float) -> None:
        """Takes into account that pictures took so many processor seconds of the last ones.

        What they take falls as they are sent less often, so that one step comes near what is wanted.
        """
        factor = seconds / (self._share * elapsed)
        # No further at once: one busy second is not the next.
        wanted = self.interval * min(max(factor, 0.5), 2.0)
        self.interval = min(max(wanted, self._least), max(SLOWEST, self._least))


class Viewing:
    """All who watch a live wall, in one event loop.

    Args:
        wall: The cameras.
        pictures_a_second: Most pictures of a camera that one viewer is sent in a second.
    """

    def __init__(self, wall: LiveWall, pictures_a_second: float) -> None:
        cores = len(os.sched_getaffinity(0))
        self.pace = Pace(1 / pictures_a_second, SHARE * cores)
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._bell: asyncio.Future[None] = self._loop.create_future()
        self._waiting = 0
        wall.interval = self.pace.interval

    async def run(self) -> None:
        """Listens for new pictures and keeps the pace, until cancelled."""
        leave = self._wall.subscribe(self._heard)
        try:
            while True:
                before = time.monotonic(), time.thread_time() + self._wall.encoding_seconds
                await asyncio.sleep(LOOK_SECONDS)
                now = time.monotonic(), time.thread_time() + self._wall.encoding_seconds
                self.pace.took(now[1] - before[1], now[0] - before[0])
                self._wall.interval = self.pace.interval
        finally:
            leave()

    async def answer(self, asked: Sequence[Asked]) -> bytes:
        """What is new of some cameras, one picture after another as `pack` gives them; empty where nothing came.

        Args:
            asked: The cameras, and the frame of each that the viewer has.
        """
        end = self._loop.time() + WAIT_SECONDS
        with self._listening():
            while not any(self._is_new(each) for each in asked):
                left = end - self._loop.time()
                if left <= 0:
                    return b""
                await asyncio.wait((self._bell,), timeout=left)
        await asyncio.sleep(TOGETHER)
        parts: list[bytes | Future[tuple[Shown, bytes]]] = []
        for each in asked:
            try:
                if self._is_new(each) and (made := self._wall.message(each.camera, each.width)) is not None:
                    parts.append(made)
            except InputError as error:
                parts.append(pack_facts({"camera": each.camera, "none": str(error), "bytes": 0}))
        return b"".join([part if isinstance(part, bytes) else (await _result(part))[1] for part in parts])

    def _is_new(self, asked: Asked) -> bool:
        try:
            newest = self._wall.newest(asked.camera)
        except InputError:
            return True  # which is news, too
        return newest is not None and newest != asked.after

    @contextmanager
    def _listening(self) -> Iterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def _heard(self) -> None:
        """There is a new picture; called by the run's loop."""
        if self._waiting:
            self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        bell, self._bell = self._bell, self._loop.create_future()
        bell.set_result(None)


async def _result(future: Future[tuple[Shown, bytes]]) -> tuple[Shown, bytes]:
    return future.result() if future.done() else await asyncio.wrap_future(future)
