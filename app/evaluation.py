"""Scoring the whole pipeline, or the tracker alone, on sequences with truth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import supervision as sv

from app.association import CameraTracklet, associate
from app.config import CameraConfig, Config
from app.detector import Detector
from app.embedding import load_embedder
from app.offline import Progress
from app.pipeline import Pipeline, Stopwatch, detect_each
from app.regions import Regions
from app.rows import identity_rows
from app.runtime import read_ahead
from app.sources import Frame, open_source
from reid_model.embedder import Embedder
from trackers import Tracklet
from trackers import evaluation as mot
from trackers.evaluation import Rows, SequenceError

Result = dict[str, str | float]


def evaluate_tracking(
    folders: Sequence[Path], config: Config, *, boxes: bool, identities: bool, progress: Progress
) -> list[Result]:
    """Tracks sequences and scores them.

    Args:
        folders: MOT sequences.
        config: Settings.
        boxes: Whether `det/det.txt` is tracked, without pictures, detector or appearance.
        identities: Whether identities linked after the fact are scored, instead of the online track numbers.
        progress: Called after each frame.

    Returns:
        For each sequence `name`, `HOTA`, `AssA`, `DetA`, `IDF1`, `MOTA`, `IDSW`, `fps` (everything) and
        `tracking_fps` (tracker, camera's motion and embedder, without detector and decoding).

    Raises:
        InputError: If pictures or weights cannot be used.
        trackers.evaluation.SequenceError: If a sequence cannot be used.
    """
    sequences = [mot.read_sequence(folder) for folder in folders]
    for sequence in sequences:
        if not boxes and sequence.images is None:
            raise SequenceError(
                f"{sequence.path}: neither video.mp4 nor img1/ is there; use --boxes to score det/det.txt"
            )
    detector = None if boxes else Detector(config.detector)
    embedder = None if boxes else load_embedder(config.embedder)
    return [_evaluate(sequence, config, detector, embedder, identities, progress) for sequence in sequences]


def _evaluate(
    sequence: mot.Sequence,
    config: Config,
    detector: Detector | None,
    embedder: Embedder | None,
    identities: bool,
    progress: Progress,
) -> Result:
    camera = CameraConfig(name="sequence", source=str(sequence.images or sequence.path))
    watch = Stopwatch()
    pipeline = Pipeline(embedder, config.tracker, watch)
    online: list[tuple[int, sv.Detections]] = []
    tracklets: list[Tracklet] = []
    start = time.perf_counter()
    for frame, detections in _steps(sequence, camera, detector, watch):
        people = pipeline.process(frame, detections)
        online.append((frame.index + 1, people))
        tracklets += pipeline.finished()
        progress("track", sequence.name, frame.index + 1, sequence.length)
    tracklets += pipeline.flush()
    seconds = time.perf_counter() - start
    if identities:
        linked = associate([CameraTracklet(camera.name, tracklet) for tracklet in tracklets], config.association)
        rows = identity_rows(linked, camera.name)
    else:
        rows = _online_rows(online)
    tracking = sum(watch.seconds[stage] for stage in ("motion", "track", "embed"))
    speeds = {"fps": len(online) / seconds, "tracking_fps": len(online) / max(tracking, 1e-9)}
    scores = {key: round(value, 2) for key, value in (mot.score(sequence, rows) | speeds).items()}
    return {"name": sequence.name, **scores}


def _steps(
    sequence: mot.Sequence, camera: CameraConfig, detector: Detector | None, watch: Stopwatch
) -> Iterator[tuple[Frame, sv.Detections]]:
    """The frames of a sequence with their people; without a detector, empty pictures with the sequence's own boxes."""
    if detector is not None:
        regions = Regions(camera, sequence.width, sequence.height)
        frames = islice(open_source(camera), sequence.length)
        yield from read_ahead(detect_each(frames, detector, regions, watch))
        return
    rows = mot.read_detections(sequence)
    blank = np.zeros((1, 1, 3), np.uint8)
    for index in range(sequence.length):
        here = rows[rows.frames == index + 1]
        detections = sv.Detections(here.boxes.astype(np.float32), confidence=here.scores.astype(np.float32))
        yield Frame(camera.name, index, index / sequence.fps, blank), detections


def _online_rows(online: list[tuple[int, sv.Detections]]) -> Rows:
    """What the tracker said as it went, without looking ahead."""
    boxes = [people.xyxy for _, people in online]
    ids = [people.tracker_id for _, people in online if people.tracker_id is not None]
    frames = np.repeat([frame for frame, _ in online], [len(people) for _, people in online])
    numbers = np.concatenate(ids) if ids else np.zeros(0)
    count = len(frames)
    stacked = np.concatenate(boxes).astype(np.float64) if boxes else np.zeros((0, 4))
    return Rows(frames.astype(np.int64), numbers.astype(np.int64), stacked, np.ones(count), np.full(count, -1.0))
