"""One camera: a frame in, tracked people out. No files, no threads, no waiting."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import supervision as sv

from app.detector import Detector
from app.regions import Regions
from app.sources import Frame
from reid_model.embedder import Embedder, cut
from trackers import Tracker, TrackerConfig, Tracklet


class Stopwatch:
    """Seconds spent in each stage of the work, by the name of the stage."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Counts the time inside the `with` block towards a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


class Pipeline:
    """Detects, embeds and tracks the people of one camera, frame by frame.

    The detector and the embedder may be shared with other cameras; the tracker is this camera's own.

    Args:
        detector: Finds people, or None where `track` is given detections from elsewhere.
        embedder: Makes features of the crops that the tracker asks for, or None to track by boxes alone.
        tracker: Settings of the tracker.
        regions: Which parts of the picture count.
        watch: Where the time is counted.
    """

    def __init__(
        self,
        detector: Detector | None,
        embedder: Embedder | None,
        tracker: TrackerConfig,
        regions: Regions,
        watch: Stopwatch | None = None,
    ) -> None:
        self.detector = detector
        self.embedder = embedder
        self.tracker = Tracker(tracker)
        self.regions = regions
        self.watch = watch or Stopwatch()

    def process(self, frame: Frame) -> sv.Detections:
        """The people of a frame who belong to confirmed tracks, with `tracker_id`."""
        if self.detector is None:
            raise RuntimeError("this pipeline has no detector: give detections to track()")
        with self.watch("detect"):
            detections = self.detector.detect([frame.image])[0]
        return self.track(frame, detections)

    def track(self, frame: Frame, detections: sv.Detections) -> sv.Detections:
        """The same, from detections made elsewhere."""
        counted = detections[self.regions.keep(detections.xyxy)]
        assert isinstance(counted, sv.Detections)
        with self.watch("track"):
            wanted = self.tracker.observe(counted, frame.time, frame.index)
        if self.embedder is None or not len(wanted):
            with self.watch("track"):
                return self.tracker.update()
        with self.watch("embed"):
            # Copies, because the tracker keeps the crops of its exemplars long after the frame is gone.
            crops = [cut(frame.image, box).copy() for box in counted.xyxy[wanted]]
            features = self.embedder.embed(crops)
        with self.watch("track"):
            return self.tracker.update(features, crops)

    def finished(self) -> list[Tracklet]:
        """Tracklets of the people who left since the last call."""
        return self.tracker.finished()

    def flush(self) -> list[Tracklet]:
        """Ends the camera: the tracklets of everyone still there."""
        return self.tracker.flush()
