"""One camera of a live run: its frames into tracked people, and what is new about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import supervision as sv

from app.config import CameraConfig
from app.pipeline import Pipeline, Stopwatch
from app.regions import Regions
from app.sources import Frame, Image
from reid_model.embedder import Embedder
from reid_model.features import Features
from trackers import TrackerConfig, Tracklet


@dataclass(frozen=True, eq=False)
class Shown:
    """A frame and the people in it.

    Attributes:
        frame: The picture; its index is its time in milliseconds since the epoch.
        boxes: Left, top, right, bottom in pixels, `(n, 4)`, float32.
        tracks: Their track numbers, `(n,)`, int64.
        scores: Detection scores, `(n,)`, float32 in [0, 1].
    """

    frame: Frame
    boxes: npt.NDArray[np.float32]
    tracks: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Changes:
    """Whose tracks a camera has begun and ended.

    Attributes:
        started: Rows of the frame's people who were not seen before, `(k,)`.
        ended: Numbers of the tracks that are no more, with the tracklet of each; None for a track that turned out to
            be another's.
    """

    started: npt.NDArray[np.intp]
    ended: dict[int, Tracklet | None]


class Lane:
    """Tracks the people of one live camera.

    Frames are numbered by their time in milliseconds since the epoch: numbers of an earlier run are not given again,
    and tell where in a recording they are. Where the size of the picture changes everybody is tracked anew.

    Args:
        camera: The camera.
        embedder: Makes features of the crops that the tracker asks for, or None to track by boxes alone.
        config: Settings of the tracker.
        watch: Where the time is counted.
        first_number: The first track's number.
    """

    def __init__(
        self,
        camera: CameraConfig,
        embedder: Embedder | None,
        config: TrackerConfig,
        watch: Stopwatch,
        first_number: int = 1,
    ) -> None:
        self.camera = camera
        self.shown: Shown | None = None
        self._embedder, self._config, self._watch = embedder, config, watch
        self._regions: Regions | None = None
        self._size = (0, 0)
        self._frame: Frame | None = None
        self._known: set[int] = set()
        self._ended: list[Tracklet] = []
        self._pipeline = self._new(first_number)

    def _new(self, first_number: int) -> Pipeline:
        return Pipeline(self._embedder, self._config, self._watch, first_number)

    @property
    def next_number(self) -> int:
        """A track number that was not given yet."""
        return self._pipeline.tracker.next_number

    def observe(self, frame: Frame, detections: sv.Detections) -> list[Image]:
        """Takes a frame and its people; gives the crops whose features `update` needs."""
        height, width = frame.image.shape[:2]
        if (width, height) != self._size:
            if self._regions is not None:
                self._ended += self._pipeline.flush()
                self._pipeline = self._new(self.next_number)
            self._regions, self._size = Regions(self.camera, width, height), (width, height)
        assert self._regions is not None
        number = round(frame.time * 1000)
        if self._frame is not None:
            number = max(number, self._frame.index + 1)
        self._frame = replace(frame, index=number)
        counted = detections[self._regions.keep(detections.xyxy)]
        assert isinstance(counted, sv.Detections)
        return self._pipeline.observe(self._frame, counted)

    def update(self, features: Features | None) -> Changes:
        """Finishes the frame that was observed."""
        people = self._pipeline.update(features)
        assert self._frame is not None
        tracks = np.asarray(people.tracker_id, np.int64)
        scores = np.ones(len(people), np.float32) if people.confidence is None else people.confidence
        self.shown = Shown(self._frame, people.xyxy.astype(np.float32), tracks, scores.astype(np.float32))
        new = np.array([number not in self._known for number in tracks.tolist()], np.bool_)
        self._known.update(tracks.tolist())
        self._ended += self._pipeline.finished()
        return Changes(np.flatnonzero(new), self._gone())

    def _gone(self) -> dict[int, Tracklet | None]:
        """Tracks that are known and no more, which are then forgotten."""
        finished = {tracklet.track_id: tracklet for tracklet in self._ended}
        gone = self._known - set(self._pipeline.tracker.numbers.tolist())
        self._known -= gone
        return {number: finished.get(number) for number in sorted(gone)}

    def finished(self) -> list[Tracklet]:
        """Tracklets of the people who left since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def growing(self) -> Sequence[Tracklet]:
        """The people who are there, as they are known by now."""
        return self._pipeline.tracker.growing()

    def flush(self) -> Changes:
        """Ends the camera: everybody still there leaves."""
        self._ended += self._pipeline.flush()
        return Changes(np.zeros(0, np.intp), self._gone())
