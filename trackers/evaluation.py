"""How good tracks are: TrackEval's HOTA, CLEAR and Identity measures against a sequence's truth.

Truth rows are those `read_sequence` keeps; nothing is removed from the predictions (no distractor removal). A box
counts as found from an overlap (intersection over union) of 0.5 for CLEAR and Identity; HOTA is the mean over
overlaps from 0.05 to 0.95.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import numpy.typing as npt

from trackers.gates import iou
from trackers.mot import Rows, Sequence, SequenceError, read_detections, read_mot, read_sequence, rescaled, write_mot

__all__ = [
    "Rows",
    "Sequence",
    "SequenceError",
    "read_detections",
    "read_mot",
    "read_sequence",
    "rescaled",
    "score",
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
    if len(predictions) and not 1 <= predictions.frames.min() <= predictions.frames.max() <= sequence.length:
        raise SequenceError(
            f"predictions: expected frames 1 to {sequence.length}, "
            f"given {predictions.frames.min()} to {predictions.frames.max()}"
        )
    pairs = np.stack([predictions.frames, predictions.ids], axis=1)
    if len(np.unique(pairs, axis=0)) < len(pairs):
        raise SequenceError("predictions: an id has two boxes in one frame")
    data = _data(sequence, predictions)
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
