"""One camera: a frame in, tracked people out. No files, no threads, no waiting."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import supervision as sv

from app.detector import Detector
from app.regions import Regions
from app.sources import Frame, Image
from app.ultralytics_guard import torch_threads
from reid_model.embedder import Embedder, cut
from reid_model.features import Features
from trackers import CameraMotion, Tracker, TrackerConfig, Tracklet

Item = TypeVar("Item")


class Stopwatch:
    """Seconds spent in each stage of the work, by the name of the stage.

    Args:
        told: Called with the stage and the seconds of each single piece of work.
    """

    def __init__(self, told: Callable[[str, float], None] | None = None) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._told = told

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Counts the time inside the `with` block towards a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - start
            self.seconds[stage] += elapsed
            if self._told is not None:
                self._told(stage, elapsed)


def timed(items: Iterable[Item], stage: str, watch: Stopwatch) -> Iterator[Item]:
    """The same items; the time it takes to produce them counts towards a stage."""
    stream = iter(items)
    while True:
        try:
            with watch(stage):
                item = next(stream)
        except StopIteration:
            return
        yield item


def detect_each(
    frames: Iterable[Frame],
    detector: Detector,
    regions: Regions,
    watch: Stopwatch,
    told: Callable[[Frame, sv.Detections], None] | None = None,
) -> Iterator[tuple[Frame, sv.Detections]]:
    """Each frame with its people, those whose feet are where the camera's regions count.

    Needs nothing of what comes after it, so it may run ahead in a thread of its own. `told` is called with all people
    of each frame, those who do not count among them.
    """
    for frame in timed(frames, "decode", watch):
        with watch("detect"):
            detections = detector.detect([frame.image])[0]
        if told is not None:
            told(frame, detections)
        counted = detections[regions.keep(detections.xyxy)]
        assert isinstance(counted, sv.Detections)
        yield frame, counted


class Pipeline:
    """Embeds and tracks the people of one camera, frame by frame.

    The embedder may be shared with other cameras; the tracker is this camera's own.

    Args:
        embedder: Makes features of the crops that the tracker asks for, or None to track by boxes alone.
        tracker: Settings of the tracker.
        watch: Where the time is counted.
        first_number: The first track's number.
    """

    def __init__(
        self,
        embedder: Embedder | None,
        tracker: TrackerConfig,
        watch: Stopwatch | None = None,
        first_number: int = 1,
    ) -> None:
        self.embedder = embedder
        self.tracker = Tracker(tracker, first_number)
        self._crops: list[Image] = []
        self._camera_motion = CameraMotion() if tracker.camera_motion else None
        self.watch = watch or Stopwatch()

    def process(self, frame: Frame, detections: sv.Detections) -> sv.Detections:
        """The people of a frame who belong to confirmed tracks, with `tracker_id`."""
        crops = self.observe(frame, detections)
        if not crops or self.embedder is None:
            return self.update(None)
        with self.watch("embed"):
            features = self.embedder.embed(crops)
        return self.update(features)

    def observe(self, frame: Frame, detections: sv.Detections) -> list[Image]:
        """Takes a frame and its people; gives the crops whose features `update` needs to finish it.

        Returns:
            BGR crops `(h, w, 3)`, uint8; none where the camera is tracked by boxes alone.
        """
        moved = None
        if self._camera_motion is not None:
            with self.watch("motion"):
                moved = self._camera_motion(frame.image, detections.xyxy)
        with self.watch("track"):
            wanted = self.tracker.observe(detections, frame.time, frame.index, moved)
        # Copies, because the tracker keeps the crops of its exemplars long after the frame is gone.
        wants = self.embedder is not None and len(wanted)
        self._crops = [cut(frame.image, box).copy() for box in detections.xyxy[wanted]] if wants else []
        return self._crops

    def update(self, features: Features | None) -> sv.Detections:
        """Finishes the frame that was observed.

        Args:
            features: Of the crops that `observe` gave, in their order; None to go by the boxes alone.

        Returns:
            The people who belong to confirmed tracks, with `tracker_id`.
        """
        crops, self._crops = self._crops, []
        # Views are compared a few at a time: for so little a second thread costs more than it takes over.
        with self.watch("track"), torch_threads(1):
            if features is None or not len(features):
                return self.tracker.update()
            return self.tracker.update(features, crops)

    def finished(self) -> list[Tracklet]:
        """Tracklets of the people who left since the last call."""
        return self.tracker.finished()

    def flush(self) -> list[Tracklet]:
        """Ends the camera: the tracklets of everyone still there."""
        return self.tracker.flush()
