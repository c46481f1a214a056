"""Tracklets of a scene, three ways in one pass over its pictures: found, tracked from true boxes, and true."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import supervision as sv

from app.association import CameraTracklet
from app.association_scene import SceneCamera
from app.detector import Detector
from app.linking_scores import NOBODY
from app.pipeline import Pipeline, Stopwatch, timed
from app.runtime import read_ahead
from app.sources import Frame
from reid_model.embedder import Embedder, cut
from trackers import TrackerConfig, Tracklet, gates
from trackers.appearance import Crops, Exemplars
from trackers.crops import Need, choose
from trackers.evaluation import Rows
from trackers.tracklet import Views

Progress = Callable[[str, str, int, int | None], None]
Labels = npt.NDArray[np.int64]

GAP = 1.0
"""Seconds without a box that end a true tracklet, or one and a half frames where frames are further apart."""

OVERLAP = 0.5
"""Overlap (intersection over union) from which a box is a person's, and share of boxes that make a tracklet theirs."""


@dataclass(frozen=True, eq=False)
class Linkable:
    """The tracklets of all cameras of a scene, or of several in turn, and whose they are.

    Attributes:
        tracklets: n of them.
        people: True person of each, `(n,)`; `NOBODY` where it is no one person's.
    """

    tracklets: list[CameraTracklet]
    people: Labels


class TrueTracks:
    """True tracklets of a camera: each unbroken presence of a person, shown as the tracker would show it.

    Which crops are embedded and which views are kept is decided by the tracker's own rules, as if it knew at once who
    is who: its budget of crops a frame, the hiding of one box by another, the age of the last view, and the worth of
    views. Only boxes of visible people are looked at; those of hidden people belong to the tracklet without being seen.

    Args:
        camera: The camera.
        embedder: Makes the features.
        config: The tracker's settings.
    """

    def __init__(self, camera: SceneCamera, embedder: Embedder, config: TrackerConfig) -> None:
        truth, times = camera.sequence.truth, camera.times
        order = np.lexsort((truth.frames, truth.ids))
        self._truth, self._visible = truth[order], camera.visible[order]
        self._times = times[self._truth.frames - 1]
        gap = max(GAP, 1.5 / camera.sequence.fps)
        first = np.r_[True, (np.diff(self._truth.ids) != 0) | (np.diff(self._times) > gap)][: len(order)]
        self._numbers = np.cumsum(first).astype(np.int64)
        self._camera, self._embedder, self._config = camera, embedder, config
        self._exemplars = Exemplars(config.exemplars)
        self._looked = np.full(int(first.sum()) + 1, -np.inf)
        self._begun = np.r_[0.0, self._times[np.flatnonzero(first)]]
        by_frame = np.argsort(self._truth.frames, kind="stable")
        edges = np.searchsorted(self._truth.frames[by_frame], np.arange(1, camera.sequence.length + 2))
        self._rows = np.split(by_frame, edges)[1:-1]

    def look(self, frame: Frame) -> None:
        """Embeds the crops of a frame that are worth it, and keeps the views that are."""
        rows = self._rows[frame.index]
        rows = rows[self._visible[rows]]
        if not len(rows):
            return
        boxes, numbers = self._truth.boxes[rows], self._numbers[rows]
        sure, none = np.ones(len(rows)), np.zeros(len(rows), np.bool_)
        covered = gates.crowd(boxes, sure > 0)[1]
        known = self._exemplars.known(numbers)
        age = np.where(known, frame.time - self._looked[numbers], 0.0)
        life = frame.time - self._begun[numbers]
        need = Need(none, none, ~known, age, life, covered, boxes[:, 3] - boxes[:, 1], sure)
        chosen = choose(need, self._config, self._config.crops_per_frame)
        if not len(chosen):
            return
        self._looked[numbers[chosen]] = frame.time
        images = [cut(frame.image, box).copy() for box in boxes[chosen]]
        features = self._embedder.embed(images)
        self._exemplars.learn(numbers[chosen], Crops(features, frame.index, frame.time, boxes[chosen], images))

    def finish(self) -> tuple[list[Tracklet], Labels]:
        """The tracklets and the person of each, `(n,)`."""
        starts = np.flatnonzero(np.r_[True, np.diff(self._numbers) > 0][: len(self._numbers)])
        parts = np.split(np.arange(len(self._numbers)), starts[1:]) if len(starts) else []
        return [self._tracklet(part) for part in parts], self._truth.ids[starts]

    def _tracklet(self, part: npt.NDArray[np.intp]) -> Tracklet:
        number, rows = int(self._numbers[part[0]]), self._truth[part]
        views = self._exemplars.forget(number)
        boxes = rows.boxes.astype(np.float32)
        return made_tracklet(number, rows.frames - 1, self._times[part], boxes, views)


def made_tracklet(
    number: int, frames: Labels, times: npt.NDArray[np.float64], boxes: npt.NDArray[np.float32], views: Views | None
) -> Tracklet:
    """A tracklet that no tracker made: every box is sure."""
    return Tracklet(
        number,
        frames,
        times,
        boxes,
        np.ones(len(frames), np.float32),
        None if views is None else views.features,
        np.zeros(0, np.int64) if views is None else views.frames,
        np.zeros(0) if views is None else views.times,
        np.zeros((0, 4), np.float32) if views is None else views.boxes,
        () if views is None else views.images,
    )


def track_scene_camera(
    camera: SceneCamera,
    detector: Detector | None,
    embedder: Embedder,
    config: TrackerConfig,
    watch: Stopwatch,
    progress: Progress,
) -> dict[str, Linkable]:
    """The tracklets of a camera by rung: `real-boxes` where there is a detector, `true-boxes` and `true-tracks`."""
    real = Pipeline(embedder, config, watch)
    given = Pipeline(embedder, config, watch)
    true = TrueTracks(camera, embedder, config)
    found: dict[str, list[Tracklet]] = {"real-boxes": [], "true-boxes": []}
    length = camera.sequence.length
    for frame, detections in read_ahead(_detected(camera, detector, watch)):
        if detector is not None:
            real.process(frame, detections)
            found["real-boxes"] += real.finished()
        given.process(frame, _true_boxes(camera, frame.index + 1))
        found["true-boxes"] += given.finished()
        with watch("true tracks"):
            true.look(frame)
        progress("track", camera.name, frame.index + 1, length)
    found["real-boxes"] += real.flush()
    found["true-boxes"] += given.flush()
    if detector is None:
        del found["real-boxes"]
    result = {name: _owned(camera, tracklets) for name, tracklets in found.items()}
    tracklets, people = true.finish()
    result["true-tracks"] = Linkable([CameraTracklet(camera.name, each) for each in tracklets], people)
    return result


def _detected(
    camera: SceneCamera, detector: Detector | None, watch: Stopwatch
) -> Iterator[tuple[Frame, sv.Detections]]:
    """Every frame with what the detector finds; where nothing counts people are tracked all the same."""
    for frame in timed(camera.source, "decode", watch):
        if frame.index >= camera.sequence.length:
            return
        with watch("detect"):
            detections = sv.Detections.empty() if detector is None else detector.detect([frame.image])[0]
        yield frame, detections


def _true_boxes(camera: SceneCamera, number: int) -> sv.Detections:
    """The boxes of the visible people of a frame, as a detector that knows all would give them."""
    truth = camera.sequence.truth
    here = truth.boxes[(truth.frames == number) & camera.visible].astype(np.float32)
    sure = np.ones(len(here), np.float32)
    return sv.Detections(here.reshape(-1, 4), confidence=sure, class_id=np.zeros(len(here), np.int64))


def _owned(camera: SceneCamera, tracklets: list[Tracklet]) -> Linkable:
    return Linkable([CameraTracklet(camera.name, each) for each in tracklets], owners(camera.sequence.truth, tracklets))


def owners(truth: Rows, tracklets: Sequence[Tracklet]) -> Labels:
    """Whose tracklets of a camera are: the person whose true boxes most of a tracklet's boxes lie over.

    A box is the person's whom it overlaps most, by `OVERLAP` or more. A tracklet of which under half is any one
    person's is nobody's.

    Returns:
        People, `(n,)`; `NOBODY` where a tracklet is nobody's.
    """
    result = np.full(len(tracklets), NOBODY, np.int64)
    if not len(tracklets) or not len(truth):
        return result
    truth = truth[np.argsort(truth.frames, kind="stable")]
    lengths = np.array([len(each) for each in tracklets])
    frames = np.concatenate([each.frames for each in tracklets]) + 1
    boxes = np.concatenate([each.boxes for each in tracklets]).astype(np.float64)
    starts, ends = np.searchsorted(truth.frames, frames), np.searchsorted(truth.frames, frames, "right")
    # Every box beside every true box of its frame.
    row = np.repeat(np.arange(len(frames)), ends - starts)
    column = np.arange(len(row)) + np.repeat(starts - (np.cumsum(ends - starts) - (ends - starts)), ends - starts)
    overlap = gates.paired_iou(boxes[row], truth.boxes[column])
    order = np.lexsort((-overlap, row))
    order = order[np.r_[True, np.diff(row[order]) > 0][: len(order)]]
    order = order[overlap[order] >= OVERLAP]
    people, person = np.unique(truth.ids[column[order]], return_inverse=True)
    if not len(people):
        return result
    counts = np.zeros((len(tracklets), len(people)), np.int64)
    np.add.at(counts, (np.repeat(np.arange(len(tracklets)), lengths)[row[order]], person), 1)
    theirs = counts.max(axis=1) >= OVERLAP * lengths
    result[theirs] = people[counts.argmax(axis=1)][theirs]
    return result
