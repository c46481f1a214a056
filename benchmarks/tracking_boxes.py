"""The boxes that all trackers of a comparison are given, and what perfect association would make of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import supervision as sv

from app.config import CameraConfig, DetectorConfig
from app.detector import Detector
from app.sources import open_source
from trackers.evaluation import Rows, Sequence, SequenceError, read_detections, read_sequence, read_visibility
from trackers.gaps import matched_rows
from trackers.mot import PEDESTRIAN

KEPT_SCORE = 0.5
"""Score from which perfect association keeps a box of nobody, as a typical tracker would."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Boxes:
    """A sequence and its boxes.

    Attributes:
        name: For the table; unlike the others'.
        sequence: The sequence with its truth.
        frames: Of each box, from 1, ascending, shape `(n,)`, int64.
        xyxy: Boxes in pixels, shape `(n, 4)`, float32.
        scores: In [0, 1], shape `(n,)`, float32.
        video: Its pictures where trackers may look at them.
    """

    name: str
    sequence: Sequence
    frames: npt.NDArray[np.int64]
    xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    video: Path | None = None

    def of(self, frame: int) -> sv.Detections:
        """The boxes of a frame, from 1."""
        start, end = np.searchsorted(self.frames, [frame, frame + 1])
        return sv.Detections(
            self.xyxy[start:end], confidence=self.scores[start:end], class_id=np.zeros(end - start, int)
        )

    def save(self, path: Path, vectors: npt.NDArray[np.float32] | None = None) -> None:
        """Writes what benchmarks/tracking_peers.py reads, with one vector of each box where there are some."""
        arrays: dict[str, Any] = {"frames": self.frames, "xyxy": self.xyxy, "scores": self.scores}
        if vectors is not None:
            arrays["vectors"] = vectors
        np.savez(path, length=self.sequence.length, **arrays)


def sequence_folders(places: list[Path]) -> list[Path]:
    """The sequences among folders; a folder of sequences stands for all of them."""
    folders: list[Path] = []
    for place in places:
        inside = sorted(path.parent for path in place.glob("*/seqinfo.ini"))
        folders += [place] if (place / "seqinfo.ini").is_file() or not inside else inside
    return folders


def names_of(folders: list[Path]) -> list[str]:
    """Short names of folders: the last part of each path, with the one before where others have the same."""
    last = [folder.resolve().name for folder in folders]
    return [
        name if last.count(name) == 1 else f"{folder.resolve().parent.name}-{name}"
        for name, folder in zip(last, folders, strict=True)
    ]


def own_boxes(folder: Path, name: str) -> Boxes:
    """A sequence's own detections, usable ones only.

    Raises:
        trackers.evaluation.SequenceError: If the sequence or its det/det.txt cannot be used.
    """
    sequence = read_sequence(folder)
    rows = read_detections(sequence)
    # A box without area is no box; not every peer refuses it by itself.
    rows = rows[(rows.boxes[:, 2:] > rows.boxes[:, :2]).all(axis=1) & (rows.frames <= sequence.length)]
    rows = rows[np.argsort(rows.frames, kind="stable")]
    return Boxes(name, sequence, rows.frames, rows.boxes.astype(np.float32), rows.scores.astype(np.float32))


def detected_boxes(folder: Path, name: str, config: DetectorConfig, cache: Path) -> Boxes:
    """What a detector finds in a sequence's video, found once and then read from the cache folder.

    Raises:
        trackers.evaluation.SequenceError: If the sequence cannot be used or has no pictures.
        app.errors.InputError: If the weights or the video cannot be used.
    """
    sequence = read_sequence(folder)
    if sequence.images is None:
        raise SequenceError(f"{folder}: neither video.mp4 nor img1/ is there; give the folder of a filmed sequence")
    place = folder.resolve()
    file = cache / f"{place.parent.name}-{place.name}-{Path(config.weights).stem}-{config.confidence:g}.boxes.npz"
    if not file.is_file():
        _detect(sequence, config, file)
    found = np.load(file, allow_pickle=False)
    return Boxes(name, sequence, found["frames"], found["xyxy"], found["scores"], sequence.images)


def _detect(sequence: Sequence, config: DetectorConfig, file: Path) -> None:
    detector = Detector(config)
    source = islice(open_source(CameraConfig(name="sequence", source=str(sequence.images))), sequence.length)
    found = [detector.detect([frame.image])[0] for frame in source]
    frames = np.repeat(np.arange(1, len(found) + 1), [len(each) for each in found])
    xyxy = np.concatenate([np.zeros((0, 4), np.float32), *(each.xyxy for each in found)])
    scores = np.concatenate([np.zeros(0, np.float32), *(each.confidence for each in found)])
    np.savez(file, frames=frames, xyxy=xyxy.astype(np.float32), scores=scores.astype(np.float32))


def visibility_of(sequence: Sequence) -> Floats:
    """How much of each truth row's person shows: column 9 where column 8 is the class of a person, else all of them."""
    if len(sequence.truth) and (sequence.truth.kinds == PEDESTRIAN).all():
        return read_visibility(sequence)
    return np.ones(len(sequence.truth))


def perfect(boxes: Boxes) -> Rows:
    """Perfect association of boxes.

    A box that is somebody's, one-to-one and by an overlap of 0.5, has their number; of the others those from
    `KEPT_SCORE` stay, each under a number of its own.
    """
    truth, count = boxes.sequence.truth, len(boxes.frames)
    given = Rows(boxes.frames, np.arange(count), boxes.xyxy.astype(np.float64), np.ones(count), np.ones(count))
    match = matched_rows(truth, given)
    ids = np.arange(count) + truth.ids.max(initial=0) + 1
    ids[match[match >= 0]] = truth.ids[match >= 0]
    kept = boxes.scores >= KEPT_SCORE
    kept[match[match >= 0]] = True
    return Rows(given.frames, ids, given.boxes, given.scores, given.kinds)[kept]
