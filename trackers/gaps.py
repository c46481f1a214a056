"""Whether people keep their number through a time out of sight: the same identity after a gap.

A person is visible in a frame when the truth has a row for them there of which at least `LEAST_VISIBLE` shows. A gap
lies between two frames in which a person is visible with none between them: rows of lower visibility and frames
without a row count alike. What comes before the first and after the last visible frame is no gap. A gap counts when
some prediction was the person's before it, however long before, and it is survived when the number of the last such
prediction is again the person's within `WITHIN` seconds of the first visible frame after it. Who is not followed
again, or under another number, has not survived it.

Which prediction is whose is decided frame by frame, one-to-one, among the visible people: an overlap (intersection
over union) of 0.5 at least, and the largest sum of overlaps.
"""

from __future__ import annotations

from collections.abc import Sequence as Several
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trackers.assignment import assign
from trackers.gates import iou
from trackers.mot import Rows

LEAST_VISIBLE = 0.1
"""Share of a person below which nobody could tell that they are there."""

LEAST_OVERLAP = 0.5
"""Overlap from which a box can be a person's."""

WITHIN = 1.0
"""Seconds after a gap within which the number must be back."""

Indices = npt.NDArray[np.intp]

_ROUNDING = 1e-6


class Gaps(NamedTuple):
    """What became of the gaps of one length and longer.

    Attributes:
        gaps: Gaps of people who had a number before.
        same: Those after which they had it again; `same` ≤ `gaps`.
    """

    gaps: int
    same: int


def same_after_gap(
    truth: Rows, visibility: npt.NDArray[np.float64], fps: float, predictions: Rows, seconds: Several[float]
) -> list[Gaps]:
    """Counts gaps and those survived under the same number.

    Args:
        truth: Where people are; one row a person and frame at most.
        visibility: Share of each row's person that shows, in [0, 1], shape `(n,)`.
        fps: Frames per second.
        predictions: Tracks: frames, ids ≥ 0 and boxes are used.
        seconds: Lengths of gaps, each above 0. A gap of k frames lasts k / fps seconds.

    Returns:
        For each length the gaps that last at least as long.

    Raises:
        ValueError: If there are not as many visibilities as rows, or the frame rate or a length is not above 0.
    """
    if len(visibility) != len(truth):
        raise ValueError(f"visibility: expected {len(truth)}, one for each truth row, given {len(visibility)}")
    if not fps > 0 or not all(each > 0 for each in seconds):
        raise ValueError(f"expected a frame rate and lengths above 0, given {fps} and {list(seconds)}")
    rows = truth[visibility >= LEAST_VISIBLE]
    rows = rows[np.lexsort((rows.frames, rows.ids))]
    match = matched_rows(rows, predictions)
    number = np.full(len(rows), -1, np.int64)
    number[match >= 0] = predictions.ids[match[match >= 0]]
    before, after = _around_gaps(rows, number)
    unseen = rows.frames[after] - rows.frames[after - 1] - 1
    same = _back(rows, number, before, after, int(fps * WITHIN + _ROUNDING))
    long = [unseen >= each * fps - _ROUNDING for each in seconds]
    return [Gaps(int(which.sum()), int(same[which].sum())) for which in long]


def matched_rows(truth: Rows, predictions: Rows) -> Indices:
    """The row of the predictions that is each truth row's, −1 where none is, shape `(n,)`.

    Frame by frame and one-to-one: pairs overlap by `LEAST_OVERLAP` at least, and the sum of overlaps is the largest.
    """
    found = np.full(len(truth), -1, np.intp)
    theirs = _by_frame(predictions.frames)
    for frame, mine in _by_frame(truth.frames).items():
        if frame in theirs:
            overlap = iou(truth.boxes[mine], predictions.boxes[theirs[frame]])
            row, column = assign(1 - overlap, overlap >= LEAST_OVERLAP, 1.0)
            found[mine[row]] = theirs[frame][column]
    return found


def _by_frame(frames: npt.NDArray[np.int64]) -> dict[int, Indices]:
    """The rows of each frame."""
    order = np.argsort(frames, kind="stable")
    numbers, starts = np.unique(frames[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=False))


def _around_gaps(rows: Rows, number: npt.NDArray[np.int64]) -> tuple[Indices, Indices]:
    """Of each gap that counts the last row matched before it and the first row after it.

    Args:
        rows: Where people are visible, person by person, each in the order of time.
        number: Id of the prediction that is each row's, −1 where none is.
    """
    last = np.maximum.accumulate(np.where(number >= 0, np.arange(len(rows)), -1), dtype=np.intp)
    first = np.searchsorted(rows.ids, rows.ids)
    gone = np.flatnonzero((rows.ids[1:] == rows.ids[:-1]) & (rows.frames[1:] > rows.frames[:-1] + 1))
    gone = gone[last[gone] >= first[gone]]
    return last[gone], gone + 1


def _back(
    rows: Rows, number: npt.NDArray[np.int64], before: Indices, after: Indices, frames: int
) -> npt.NDArray[np.bool_]:
    """Whether the number before each gap is the person's again at most so many frames after it ended, `(g,)`."""
    span = int(rows.frames.max(initial=0)) + frames + 1
    moment = np.unique(rows.ids, return_inverse=True)[1] * span + rows.frames
    count = np.searchsorted(moment, moment[after] + frames, side="right") - after
    gap = np.repeat(np.arange(len(after)), count)
    row = np.repeat(after - np.cumsum(count) + count, count) + np.arange(len(gap))
    same = np.zeros(len(after), np.bool_)
    same[gap[number[row] == number[before[gap]]]] = True
    return same
