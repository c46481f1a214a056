"""The loop of a live run: whatever frames are ready through one detector call and one embedding call, then tracked.

Nothing here waits for a camera, a broker or a disk: cameras decode in processes of their own, events go to a hub that
keeps them, and the gallery is written by another thread.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import supervision as sv

from app.capture.capture import Capture
from app.config import CameraConfig, Config
from app.detector import Detector
from app.errors import InputError
from app.live.lane import Changes, Lane, Shown
from app.live.rates import Governor
from app.pipeline import Stopwatch
from app.sources import Frame, Image
from reid_model.embedder import Embedder
from reid_model.features import Features
from trackers import Tracklet

log = logging.getLogger(__name__)

TEND_SECONDS = 1.0
"""Seconds between two looks at rates and at the people who are there."""

IDLE_SECONDS = 0.2
"""Longest wait for a frame before the loop looks round."""


class Listener(Protocol):
    """Who is told what the loop does; nothing here may wait."""

    def tracked(self, camera: str, shown: Shown, changes: Changes) -> None:
        """A frame is done; who is new in it and whose track is over."""

    def analysed(self, camera: str, shown: Shown) -> None:
        """Nothing more comes of a frame."""

    def tracklets(self, camera: str, tracklets: Sequence[Tracklet], *, finished: bool) -> None:
        """Tracklets that ended, or as they are by now."""

    def rates(self, rates: Mapping[str, float], slowed: bool) -> None:
        """How many frames a second of each live camera are analysed, and whether that is less than wanted."""

    def slowed(self, slowed: bool, rates: Mapping[str, float]) -> None:
        """The machine does not keep up any more, or does again, and what each camera is analysed at."""

    def failed(self, camera: str, error: Exception) -> None:
        """A camera's people could not be tracked; they are tracked anew."""


class Runtime:
    """Many cameras, one loop. `step` may be called by one thread; `add`, `remove` and `restart` by any.

    Args:
        cameras: Where frames come from.
        detector: Finds people.
        embedder: Makes features of them, or None to track by boxes alone.
        config: Settings of the tracker.
        listener: Who is told.
        clock: Seconds that never go back.
        first_numbers: The first track number of cameras by name; 1 for others.
        watch: Where the time of each stage is counted.
    """

    def __init__(
        self,
        cameras: Capture,
        detector: Detector,
        embedder: Embedder | None,
        config: Config,
        listener: Listener,
        clock: Callable[[], float],
        first_numbers: Mapping[str, int] | None = None,
        watch: Stopwatch | None = None,
    ) -> None:
        self.watch = watch or Stopwatch()
        self.governor = Governor()
        self.analysed: dict[str, int] = {}
        self.turned = clock()
        self._cameras, self._detector, self._embedder = cameras, detector, embedder
        self._config, self._listener, self._clock = config, listener, clock
        self._numbers = dict(first_numbers or {})
        self._lanes: dict[str, Lane] = {}
        self._orders: deque[Callable[[], None]] = deque()
        self._tended = -np.inf
        self._was_slowed = False

    # Orders, from any thread

    def add(self, camera: CameraConfig) -> None:
        """Watches one more camera, or the same one with other settings."""
        self._orders.append(lambda: self._add(camera))

    def remove(self, name: str) -> None:
        """Watches a camera no longer; its people leave."""
        self._orders.append(lambda: self._remove(name))

    def restart(self, name: str) -> None:
        """Connects to a camera anew."""
        self._orders.append(lambda: self._cameras.restart(name))

    def shown(self, camera: str) -> Shown | None:
        """The latest frame of a camera and the people in it; None before the first."""
        lane = self._lanes.get(camera)
        return None if lane is None else lane.shown

    # The loop

    def run(self, stopped: threading.Event) -> None:
        """Goes round until told to stop, then ends everybody's track."""
        while not stopped.is_set():
            self.step(IDLE_SECONDS)
        self.close()

    def step(self, timeout: float) -> int:
        """Analyses whatever frames are ready, after waiting for one; returns how many there were."""
        while self._orders:
            self._orders.popleft()()
        self._cameras.wait(timeout)
        begun = self._clock()
        frames = [frame for frame in self._cameras.take() if frame.camera in self._lanes]
        if frames:
            self._analyse(frames)
            now = self._clock()
            self.governor.spent(now - begun, len(frames))
        self.turned = self._clock()
        if self.turned - self._tended >= TEND_SECONDS:
            self._tended = self.turned
            self._tend()
        return len(frames)

    def close(self) -> None:
        """Lets go of the cameras and ends everybody's track."""
        self._cameras.close()
        for name in list(self._lanes):
            self._end(name)

    def _analyse(self, frames: Sequence[Frame]) -> None:
        found = self._detect(frames)
        crops: list[list[Image]] = []
        lanes: list[Lane] = []
        for frame, people in zip(frames, found, strict=True):
            if people is None:
                continue
            lane = self._lanes[frame.camera]
            with self._guarded(frame.camera):
                crops.append(lane.observe(frame, people))
                lanes.append(lane)
        features = self._embed([crop for each in crops for crop in each])
        ends = np.cumsum([len(each) for each in crops])
        for lane, mine, end in zip(lanes, crops, ends.tolist(), strict=True):
            name = lane.camera.name
            with self._guarded(name):
                part = None if features is None else features[np.arange(end - len(mine), end)]
                changes = lane.update(part)
                self.analysed[name] = self.analysed.get(name, 0) + 1
                assert lane.shown is not None
                self._listener.tracked(name, lane.shown, changes)
                self._listener.analysed(name, lane.shown)
                self._hand_over(lane)

    def _detect(self, frames: Sequence[Frame]) -> list[sv.Detections | None]:
        """The people in each frame; None where they cannot be found."""
        try:
            with self.watch("detect"):
                return list(self._detector.detect([frame.image for frame in frames]))
        except Exception:
            if len(frames) == 1:
                log.exception("camera %s: people cannot be found in a frame", frames[0].camera)
                return [None]
        # One of them is at fault, and the others are not to suffer for it.
        return [people for frame in frames for people in self._detect([frame])]

    def _embed(self, crops: Sequence[Image]) -> Features | None:
        if not crops or self._embedder is None:
            return None
        try:
            with self.watch("embed"):
                return self._embedder.embed(crops)
        except Exception:
            log.exception("people's looks cannot be computed; they are tracked by their boxes")
            return None

    @contextmanager
    def _guarded(self, camera: str) -> Iterator[None]:
        """What fails in one camera begins anew there, and reaches no other."""
        try:
            yield
        except Exception as error:
            log.exception("camera %s: its people are tracked anew", camera)
            lane = self._lanes[camera]
            self._lanes[camera] = self._lane(lane.camera, lane.next_number)
            self._finish(lane)
            self._listener.failed(camera, error)

    # Now and then

    def _tend(self) -> None:
        """Shares out the machine, and tells who is there."""
        states = {state.name: state for state in self._cameras.states() if state.name in self._lanes}
        wanted = {}
        for name, state in states.items():
            if state.state == "live":
                most = self._lanes[name].camera.analyse_fps
                wanted[name] = min(most, state.fps_in) if state.fps_in > 0 else most
        rates = self.governor.rates(wanted, self._clock())
        for name, rate in rates.items():
            # One that gets all it wants is not held to what it was measured to give.
            free = rate >= wanted[name]
            self._cameras.set_rate(name, self._lanes[name].camera.analyse_fps if free else rate)
        self._listener.rates(rates, self.governor.slowed)
        if self.governor.slowed != self._was_slowed:
            self._was_slowed = self.governor.slowed
            self._listener.slowed(self._was_slowed, rates)
        for name, lane in self._lanes.items():
            growing = lane.growing()
            if growing:
                self._listener.tracklets(name, growing, finished=False)

    def _hand_over(self, lane: Lane) -> None:
        ended = lane.finished()
        if ended:
            self._listener.tracklets(lane.camera.name, ended, finished=True)

    # Cameras come and go

    def _lane(self, camera: CameraConfig, first_number: int) -> Lane:
        return Lane(camera, self._embedder, self._config.tracker, self.watch, first_number)

    def _add(self, camera: CameraConfig) -> None:
        if camera.name in self._lanes:
            self._remove(camera.name)
        try:
            self._cameras.add(camera)
        except InputError as error:
            log.error("camera %s: %s", camera.name, error)
            return
        self._lanes[camera.name] = self._lane(camera, self._numbers.get(camera.name, 1))

    def _remove(self, name: str) -> None:
        if name in self._lanes:
            self._cameras.remove(name)
            self._end(name)

    def _end(self, name: str) -> None:
        lane = self._lanes.pop(name)
        self._finish(lane)
        self._numbers[name] = lane.next_number

    def _finish(self, lane: Lane) -> None:
        """Ends everybody's track in a camera; what cannot be ended is lost, and nothing else."""
        try:
            changes = lane.flush()
            if lane.shown is not None:
                self._listener.tracked(lane.camera.name, lane.shown, changes)
            self._hand_over(lane)
        except Exception:
            log.exception("camera %s: its last tracks are lost", lane.camera.name)
