"""Camera workers of a cluster without cameras: they hand over made tracklets, and write down what is acknowledged."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray

from app.cluster.actors import WorkerActor
from app.cluster.worker import ANSWER_SECONDS, Outbox, next_tracks, share
from app.config import Config
from app.gallery.growing import Key
from app.live.linking import Parcel
from app.live.opening import open_spool
from trackers import Tracklet

TURN = 0.25
"""Seconds between two parcels."""

RATE = "rate"
"""The file in the run's folder that says how many people leave a worker's cameras a second; nobody without it."""


class MadeWorker(WorkerActor):
    """Stands where a camera worker does: the same numbers, the same file for what waits, the same parcels.

    What it was told is safe stands in `safe-N.txt` in the run's folder, a camera and a number a line.
    """

    def __init__(self, config: Config, number: int, associator: Any) -> None:
        known = ray.get(associator.last_tracks.remote(), timeout=ANSWER_SECONDS)
        self._folder, self._associator = Path(config.live.folder), associator
        self._cameras = [each.name for each in share(config.cameras, config.cluster.workers, number)]
        spool = open_spool(self._folder, config, f"worker-{number}.db")
        self._numbers = next_tracks(known, spool)
        self.outbox, self._over = Outbox(spool), threading.Event()
        self._safe = (self._folder / f"safe-{number}.txt").open("a")

    def watch(self) -> None:
        """Has somebody leave the view of one camera after the other until it is told to stop."""
        due, done = 0.0, 0
        then = time.monotonic()
        while not self._over.wait(TURN):
            now = time.monotonic()
            due += (now - then) * rate_of(self._folder)
            for turn in range(done, int(due)):
                self._offer(self._cameras[turn % len(self._cameras)])
            then, done = now, int(due)
            self.outbox.send(self._deliver)

    def connect(self, associator: Any) -> None:
        """Has tracklets go to another associator."""
        self._associator = associator

    def stop(self) -> None:
        """Asks it to end."""
        self._over.set()

    @staticmethod
    @abstractmethod
    def make(camera: str, number: int) -> Tracklet:
        """Somebody, as the tracklet of that number in a camera."""

    def left(self) -> int:
        """Tracklets that nobody has acknowledged yet."""
        return len(self.outbox)

    def _offer(self, camera: str) -> None:
        number = self._numbers.get(camera, 1)
        self._numbers[camera] = number + 1
        item, now = self.make(camera, number), time.time()
        seen = replace(item, times=item.times - item.times[-1] + now)
        self.outbox.offer(
            camera, [replace(seen, exemplar_times=seen.times[seen.exemplar_frames - seen.frames[0]])], finished=True
        )

    def _deliver(self, parcel: Parcel) -> list[Key]:
        safe: list[Key] = ray.get(self._associator.take.remote(parcel), timeout=ANSWER_SECONDS)
        self._safe.writelines(f"{camera} {track}\n" for camera, track in safe)
        self._safe.flush()
        return safe


def set_rate(folder: Path, rate: float) -> None:
    """Sets how many people leave the cameras of each worker a second."""
    new = folder / f"{RATE}.new"
    new.write_text(f"{rate}")
    new.replace(folder / RATE)


def rate_of(folder: Path) -> float:
    """How many that are now."""
    path = folder / RATE
    return float(path.read_text()) if path.exists() else 0.0


def told_safe(folder: Path) -> set[Key]:
    """What was ever acknowledged to any worker."""
    lines = [line.split() for path in sorted(folder.glob("safe-*.txt")) for line in path.read_text().splitlines()]
    return {(line[0], int(line[1])) for line in lines if len(line) == 2}
