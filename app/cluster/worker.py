"""A camera worker: capture and loop for a share of the cameras; what it sees goes to the associator."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from app.capture import Capture
from app.capture.wall import WallClock
from app.config import CameraConfig, Config
from app.detector import Detector
from app.embedding import EMBEDDED, load_embedder
from app.errors import InputError
from app.events import Event
from app.files import prepare_folder
from app.gallery.choosing import choose_views
from app.gallery.growing import Grown, Key
from app.live.expiring import Expiry
from app.live.lane import Shown
from app.live.linking import Parcel
from app.live.opening import open_spool
from app.live.runtime import Runtime
from app.live.spool import Spool, Waiting
from app.live.telling import Teller
from app.metrics import Metrics
from trackers import Tracklet

log = logging.getLogger(__name__)

SEND_SECONDS = 0.5
"""Seconds between two parcels."""

ANSWER_SECONDS = 20.0
"""How long the associator may take for a parcel before it is taken for away."""


def share(cameras: Sequence[CameraConfig], workers: int, number: int) -> list[CameraConfig]:
    """The cameras of a worker: every so many, from its own number on."""
    return list(cameras[number::workers])


def next_tracks(known: Mapping[str, int], spool: Spool) -> dict[str, int]:
    """The track number with which each camera goes on: no tracklet is ever taken for another.

    Args:
        known: The highest track number of each camera that the associator knows.
        spool: What waits for it.
    """
    numbers = {camera: last + 1 for camera, last in known.items()}
    for camera, track in spool.keys:
        numbers[camera] = max(numbers.get(camera, 1), track + 1)
    return numbers


class Outbox:
    """What has to reach the associator. What ended stays until it has answered; while it is away, on disk.

    It stands where a live run has its linker.
    """

    def __init__(self, spool: Spool) -> None:
        self._lock, self._spool = threading.Lock(), spool
        self._growing: dict[Key, Tracklet] = {}
        self._ended: dict[Key, Tracklet] = {}
        self._withdrawn: list[Key] = []
        self.events: list[Event] = []

    def offer(self, camera: str, tracklets: Sequence[Tracklet], *, finished: bool) -> None:
        """Takes tracklets of a camera, ended or as they are by now."""
        with self._lock:
            for tracklet in tracklets:
                key = camera, int(tracklet.track_id)
                if finished:
                    self._ended[key] = tracklet
                    self._growing.pop(key, None)
                elif key not in self._ended:
                    self._growing[key] = tracklet

    def withdraw(self, camera: str, track: int) -> None:
        """Takes back a growing tracklet that turned out to be another's."""
        with self._lock:
            self._growing.pop((camera, track), None)
            self._withdrawn.append((camera, track))

    def send(self, deliver: Callable[[Parcel], list[Key]]) -> bool:
        """Hands over what there is; gives whether that was possible.

        Args:
            deliver: Takes a parcel and gives the ended tracklets that are safe; fails in any way where it cannot.
        """
        with self._lock:
            growing, self._growing = self._growing, {}
            withdrawn, self._withdrawn = self._withdrawn, []
            events, self.events = self.events, []
            ended = dict(self._ended)
        waited = self._spool.next(200)
        every = [(camera, item) for (camera, _), item in ended.items()]
        every += [(item.camera, item.grown.tracklet) for item in waited]
        parcel = Parcel([(camera, item) for (camera, _), item in growing.items()], every, withdrawn, events)
        try:
            safe = deliver(parcel)
        except Exception as error:
            log.warning("the associator is away: %s", type(error).__name__)
            with self._lock:
                self._withdrawn = [*withdrawn, *self._withdrawn]
                self.events = [*events, *self.events][-10_000:]
            self._put_by(ended)
            return False
        self._spool.drop(safe)
        with self._lock:
            for key in safe:
                self._ended.pop(key, None)
        # The associator is there, and has no room.
        self._put_by({key: item for key, item in ended.items() if key not in safe})
        return True

    def __len__(self) -> int:
        return len(self._ended) + len(self._spool)

    def _put_by(self, ended: Mapping[Key, Tracklet]) -> None:
        with suppress(InputError):
            items = [Waiting(camera, Grown(item, _views(item)), False, 0) for (camera, _), item in ended.items()]
            self._spool.keep(items)
            with self._lock:
                for key in ended:
                    self._ended.pop(key, None)


def _views(item: Tracklet) -> Any:
    return np.zeros(0, np.intp) if item.exemplars is None else choose_views(item.exemplars)


class _Hub:
    """Where a live run has its hub: events travel with the tracklets."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def publish(self, event: Event) -> None:
        self._outbox.events.append(event)

    def availability(self, camera: str, online: bool) -> None:
        """The associator's hub tells that by the camera's events."""


class Worker:
    """A share of the cameras.

    Args:
        config: Everything that is configured.
        number: Which worker it is, from 0.
        known: The highest track number of each camera that the associator knows.

    Raises:
        InputError: If weights, addresses or the folder cannot be used.
    """

    def __init__(self, config: Config, number: int, known: Mapping[str, int]) -> None:
        self._stopped, self._associator = threading.Event(), None
        cameras = share(config.cameras, config.cluster.workers, number)
        folder = Path(config.live.folder)
        prepare_folder(folder)
        self._spool = open_spool(folder, config, f"worker-{number}.db")
        self._expiry = Expiry(config, folder, None, self._spool)
        self.outbox = Outbox(self._spool)
        live = config.for_live()
        embedder = load_embedder(live.embedder)
        embedder.prepare(EMBEDDED)
        wall = WallClock(time.monotonic, time.time)
        teller = Teller(_Hub(self.outbox), Metrics(), wall.now)  # type: ignore[arg-type]
        teller.linker = self.outbox  # type: ignore[assignment]
        numbers = next_tracks(known, self._spool)
        self._capture = Capture(config.live, notice=teller.noticed, wall=wall)
        self.runtime = Runtime(
            self._capture, Detector(config.detector), embedder, live, teller, time.monotonic, numbers
        )
        for each in cameras:
            self.runtime.add(each)

    def connect(self, associator: Any) -> None:
        """Has tracklets go to this associator."""
        self._associator = associator

    def run(self) -> None:
        """Watches the cameras until told to stop; then hands over the last of what was seen."""
        over = threading.Event()
        sender = threading.Thread(target=self._send, args=(over,), name="sender", daemon=True)
        sender.start()
        try:
            self.runtime.run(self._stopped)
        finally:
            over.set()
            sender.join()
            self.outbox.send(self._deliver)
            self._capture.close()
            self._spool.close()

    def stop(self) -> None:
        """Asks it to end."""
        self._stopped.set()

    def shown(self, camera: str) -> Shown | None:
        """The latest frame of a camera."""
        return self.runtime.shown(camera)

    def _send(self, over: threading.Event) -> None:
        while not over.wait(SEND_SECONDS):
            self.outbox.send(self._deliver)
            with suppress(InputError):
                self._expiry.look()

    def _deliver(self, parcel: Parcel) -> list[Key]:
        import ray

        if self._associator is None:
            raise InputError("no associator yet")
        safe: list[Key] = ray.get(self._associator.take.remote(parcel), timeout=ANSWER_SECONDS)
        return safe
