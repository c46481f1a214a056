"""How good tracks are: TrackEval's HOTA, CLEAR and Identity measures against a sequence's truth.

Truth rows are those `read_sequence` keeps; nothing is removed from the predictions (no distractor removal). A box
counts as found from an overlap (intersection over union) of 0.5 for CLEAR and Identity; HOTA is the mean over
overlaps from 0.05 to 0.95.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence as Several
from typing import Any

import numpy as np
import numpy.typing as npt

from trackers.gates import iou
from trackers.mot import (
    Rows,
    Sequence,
    SequenceError,
    read_detections,
    read_mot,
    read_sequence,
    read_visibility,
    rescaled,
    write_mot,
)

__all__ = [
    "Rows",
    "Sequence",
    "SequenceError",
    "read_detections",
    "read_mot",
    "read_sequence",
    "read_visibility",
    "rescaled",
    "score",
    "score_cameras",
    "write_mot",
]


def score(sequence: Sequence, predictions: Rows) -> dict[str, float]:
    """Scores predicted tracks against a sequence's truth.

    Args:
        sequence: The sequence.
        predictions: Frames from 1, ids ≥ 0 and boxes; scores are not used.

    Returns:
        `HOTA`, `AssA`, `DetA`, `IDF1`, `MOTA` in per cent (MOTA may be negative) and `IDSW`, a count.

    Raises:
        SequenceError: If a prediction lies outside the sequence, or an id has two boxes in a frame.
    """
    return _measure(_data(sequence, _checked(sequence, predictions)))


def score_cameras(sequences: Several[Sequence], predictions: Several[Rows]) -> dict[str, float]:
    """Scores identities over several cameras as one.

    One frame of one camera is one time step, camera after camera. A person has one id in the truth of all cameras, and
    so must they have in the predictions: the same person under two numbers in two cameras costs as much as in one.

    Args:
        sequences: The cameras.
        predictions: Of each camera: frames from 1, ids ≥ 0 and boxes.

    Returns:
        `HOTA`, `AssA`, `DetA`, `IDF1`, `MOTA` and `IDSW`, as `score` gives them.

    Raises:
        SequenceError: If a prediction lies outside its sequence, or an id has two boxes in a frame.
        ValueError: If there are not as many predictions as sequences.
    """
    shifts = np.cumsum([0, *(sequence.length for sequence in sequences)])
    together = _joined([sequence.truth for sequence in sequences], shifts)
    checked = [_checked(sequence, rows) for sequence, rows in zip(sequences, predictions, strict=True)]
    first = sequences[0]
    whole = Sequence("all", first.path, int(shifts[-1]), first.fps, first.width, first.height, None, together)
    return _measure(_data(whole, _joined(checked, shifts)))


def _joined(parts: Several[Rows], shifts: npt.NDArray[np.int_]) -> Rows:
    """Rows one after another, the frames of each part counted on from the part before."""
    frames = [part.frames + shift for part, shift in zip(parts, shifts[:-1], strict=True)]
    fields = ("ids", "boxes", "scores", "kinds")
    return Rows(np.concatenate(frames), *(np.concatenate([getattr(part, field) for part in parts]) for field in fields))


def _checked(sequence: Sequence, predictions: Rows) -> Rows:
    if len(predictions) and not 1 <= predictions.frames.min() <= predictions.frames.max() <= sequence.length:
        raise SequenceError(
            f"predictions: expected frames 1 to {sequence.length}, "
            f"given {predictions.frames.min()} to {predictions.frames.max()}"
        )
    pairs = np.stack([predictions.frames, predictions.ids], axis=1)
    if len(np.unique(pairs, axis=0)) < len(pairs):
        raise SequenceError("predictions: an id has two boxes in one frame")
    return predictions


def _measure(data: dict[str, Any]) -> dict[str, float]:
    # TrackEval reports its settings and timings on standard output, which belongs to the caller.
    with contextlib.redirect_stdout(io.StringIO()):
        from trackeval.metrics import CLEAR, HOTA, Identity

        quiet = {"PRINT_CONFIG": False, "THRESHOLD": 0.5}
        hota = HOTA().eval_sequence(data)
        clear = CLEAR(quiet).eval_sequence(data)
        identity = Identity(quiet).eval_sequence(data)
    return {
        "HOTA": 100 * float(np.mean(hota["HOTA"])),
        "AssA": 100 * float(np.mean(hota["AssA"])),
        "DetA": 100 * float(np.mean(hota["DetA"])),
        "IDF1": 100 * float(identity["IDF1"]),
        "MOTA": 100 * float(clear["MOTA"]),
        "IDSW": float(clear["IDSW"]),
    }


def _data(sequence: Sequence, predictions: Rows) -> dict[str, Any]:
    """The sequence as TrackEval's measures take it: consecutive ids and overlaps, frame by frame."""
    truth = sequence.truth
    truth_ids = np.unique(truth.ids, return_inverse=True)[1]
    ids = np.unique(predictions.ids, return_inverse=True)[1]
    frames = range(1, sequence.length + 1)
    mine = [np.flatnonzero(truth.frames == frame) for frame in frames]
    theirs = [np.flatnonzero(predictions.frames == frame) for frame in frames]
    overlaps: list[npt.NDArray[np.float64]] = [
        iou(truth.boxes[m], predictions.boxes[t]) for m, t in zip(mine, theirs, strict=True)
    ]
    return {
        "num_timesteps": sequence.length,
        "num_gt_ids": int(truth_ids.max(initial=-1)) + 1,
        "num_tracker_ids": int(ids.max(initial=-1)) + 1,
        "num_gt_dets": len(truth),
        "num_tracker_dets": len(predictions),
        "gt_ids": [truth_ids[m] for m in mine],
        "tracker_ids": [ids[t] for t in theirs],
        "similarity_scores": overlaps,
    }
