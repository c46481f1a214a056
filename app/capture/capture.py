"""Many live cameras: one thread watches over their decoding processes and keeps the newest frame of each."""

from __future__ import annotations

import logging
import os
import random
import selectors
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.addresses import resolve
from app.capture.camera import Camera
from app.capture.link import Limits, Link
from app.capture.process import Process
from app.capture.recording import recordings
from app.capture.states import CameraNotice, CameraState
from app.capture.wall import WallClock
from app.config import CameraConfig
from app.config_live import LiveConfig
from app.sources import Frame

log = logging.getLogger(__name__)

GOODBYE_SECONDS = 1.0
"""Seconds that a process has to say goodbye to its camera before it is killed."""

_MOST_SLEEP = 0.5
_LEAST_SLEEP = 0.01


def _ignore(notice: CameraNotice) -> None:
    """Tells nobody."""


class Capture:
    """Frames of live cameras, the newest of each, never older than allowed.

    All methods may be called from any thread, and none waits for a camera. `notice` is called from a thread of its
    own, one call after another.

    Args:
        config: Ages, waits and limits.
        notice: Told when a camera comes, goes, or changes.
        clock: Seconds that never go back: the system's monotonic clock, which the decoding processes use as well.
        wall: The time of day of frames; by default the system's.
        launch: Starts a decoding process.
        chance: A number in [0, 1), for waits that differ.
        environment: Where variables in sources are looked up.
    """

    def __init__(
        self,
        config: LiveConfig,
        *,
        notice: Callable[[CameraNotice], None] = _ignore,
        clock: Callable[[], float] = time.monotonic,
        wall: WallClock | None = None,
        launch: Callable[[dict[str, Any]], Process] = Process,
        chance: Callable[[], float] = random.random,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._config, self._notice, self._clock = config, notice, clock
        self._launch, self._chance, self._environment = launch, chance, environment
        self._wall = wall or WallClock(clock, time.time)
        self._limits = Limits(
            config.answer_seconds,
            config.stalled_seconds,
            config.retry_seconds,
            config.most_retry_seconds,
            config.refused_retry_seconds,
        )
        self._changed = threading.Condition()
        self._cameras: dict[str, Camera] = {}
        self._retired: list[tuple[Process, float]] = []
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    # Cameras come and go

    def add(self, camera: CameraConfig) -> None:
        """Begins to watch a camera; one of the same name is given up for it.

        Raises:
            InputError: If its source cannot be meant: an unknown kind of address, or a variable that is not set.
            RuntimeError: If the capture is closed.
        """
        address = resolve(camera.source, self._environment)
        with self._changed:
            if self._closing:
                raise RuntimeError("the capture is closed")
            self._remove(camera.name)
            link = Link(self._limits, self._clock(), self._chance)
            self._cameras[camera.name] = Camera(camera, address, link, self._wall)
        self._rouse()

    def remove(self, name: str) -> None:
        """Watches a camera no longer; nothing happens where there is none of this name."""
        with self._changed:
            self._remove(name)
        self._rouse()

    def restart(self, name: str) -> None:
        """Connects to a camera anew, at once; a file is played from its beginning."""
        with self._changed:
            camera = self._cameras.get(name)
            if camera is not None:
                camera.link.restart(self._clock())
                camera.pending = None
                self._retire(camera)
        self._rouse()

    def set_rate(self, name: str, fps: float) -> None:
        """How many frames a second of a camera are wanted, above 0; at most `analyse_fps` are delivered."""
        with self._changed:
            camera = self._cameras.get(name)
            if camera is None:
                return
            rate = min(max(fps, 0.01), camera.config.analyse_fps)
            if rate != camera.rate:
                camera.rate = rate
                if camera.process is not None:
                    camera.process.tell({"rate": rate})

    def close(self) -> None:
        """Lets go of all cameras, in a bounded time; no process, memory or socket is left."""
        with self._changed:
            already, self._closing = self._closing, True
            self._changed.notify_all()
        if already:
            return
        self._rouse()
        self._thread.join()
        self._selector.close()
        os.close(self._woken)
        os.close(self._wake)

    # Frames

    def wait(self, timeout: float) -> bool:
        """Waits until any camera has a fresh frame, or the time is up; returns whether one has."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closing or self._any_fresh(), timeout) and not self._closing

    def take(self) -> list[Frame]:
        """The newest frame of each camera that has a fresh one which was not taken before."""
        frames = []
        with self._changed:
            self._any_fresh()
            waiting = [(camera, camera.pending) for camera in self._cameras.values() if camera.pending is not None]
            for camera, _ in waiting:
                camera.pending = None
        for camera, pending in waiting:
            assert pending is not None
            image = pending.ring.read(pending.place)
            if image is None:
                camera.dropped["torn"] += 1
            else:
                camera.analysed += 1
                frames.append(Frame(camera.config.name, pending.index, pending.time, image))
        return frames

    def states(self) -> list[CameraState]:
        """How each camera is doing, in the order in which they were added."""
        with self._changed:
            now = self._clock()
            return [camera.state(now) for camera in self._cameras.values()]

    def _any_fresh(self) -> bool:
        now = self._clock()
        for camera in self._cameras.values():
            camera.drop_stale(now, self._config.stale_seconds)
        return any(camera.pending is not None for camera in self._cameras.values())

    # The thread that watches

    def _run(self) -> None:
        while True:
            told: list[CameraNotice] = []
            with self._changed:
                if self._closing:
                    break
                now = self._clock()
                for camera in self._cameras.values():
                    self._step(camera, now)
                    told += camera.news(now)
                self._bury(now)
                sleep = self._sleep(now)
            self._tell(told)
            heard = self._selector.select(sleep)
            told = []
            with self._changed:
                now = self._clock()
                for key, _ in heard:
                    if isinstance(key.data, Camera):
                        self._hear(key.data, now)
                        told += key.data.news(now)
                    else:
                        self._empty_pipe()
                self._changed.notify_all()
            self._tell(told)
        self._end()

    def _step(self, camera: Camera, now: float) -> None:
        action = camera.link.step(now)
        if action == "stop":
            self._retire(camera, kill=True)
        elif action == "start" and camera.process is not None:
            camera.process.tell({"rate": camera.rate, "again": True})
            camera.started(camera.process)
            camera.link.ready(now)
        elif action == "start":
            try:
                process = self._launch(self._order(camera))
            except OSError as error:
                camera.link.failed(f"its decoding process cannot be started ({error.strerror})", now)
                return
            camera.started(process)
            self._selector.register(process, selectors.EVENT_READ, camera)

    def _order(self, camera: Camera) -> dict[str, Any]:
        config = self._config
        return {
            "address": camera.address.text,
            "kind": camera.address.kind,
            "transport": camera.config.transport,
            "rate": camera.rate,
            "open_seconds": config.answer_seconds,
            "read_seconds": config.stalled_seconds,
            "stale_seconds": config.stale_seconds,
            "megabytes": config.decoder_megabytes,
            "record": self._recorded(camera.config.name) if config.record else None,
        }

    def _recorded(self, name: str) -> dict[str, Any]:
        folder = recordings(Path(self._config.folder)) / name
        return {"folder": str(folder.absolute()), "seconds": self._config.record_minutes * 60}

    def _hear(self, camera: Camera, now: float) -> None:
        if camera.process is None:  # retired since
            return
        for message in camera.process.answers():
            if not camera.hear(message, now):
                self._retire(camera, kill=True)
                return

    def _remove(self, name: str) -> None:
        camera = self._cameras.pop(name, None)
        if camera is not None:
            self._retire(camera)

    def _retire(self, camera: Camera, *, kill: bool = False) -> None:
        """Ends a camera's process: at once, or with a word to the camera."""
        process = camera.let_go()
        if process is not None:
            process.hang_up()
            if kill:
                process.kill()
            self._retired.append((process, self._clock() + GOODBYE_SECONDS))

    def _bury(self, now: float) -> None:
        """Gives back what processes held that have ended; kills those that do not end."""
        left = []
        for process, deadline in self._retired:
            self._forget(process)
            if process.gone():
                continue
            if now >= deadline:
                process.kill()
            left.append((process, deadline))
        self._retired = left

    def _forget(self, process: Process) -> None:
        if process in self._selector.get_map():
            self._selector.unregister(process)

    def _sleep(self, now: float) -> float:
        if self._retired:
            return _LEAST_SLEEP
        due = min((camera.link.next_step() for camera in self._cameras.values()), default=float("inf"))
        return min(max(due - now, _LEAST_SLEEP), _MOST_SLEEP)

    def _tell(self, notices: list[CameraNotice]) -> None:
        for notice in notices:
            try:
                self._notice(notice)
            except Exception:
                log.exception("camera %s: what happened to it could not be told", notice.camera)

    def _rouse(self) -> None:
        try:
            os.write(self._wake, b".")
        except OSError:  # full: it will wake; closed: it has ended
            return

    def _empty_pipe(self) -> None:
        try:
            while os.read(self._woken, 4096):
                pass
        except BlockingIOError:
            return

    def _end(self) -> None:
        with self._changed:
            for name in list(self._cameras):
                self._remove(name)
        while self._retired:
            with self._changed:
                self._bury(self._clock())
            time.sleep(_LEAST_SLEEP)
