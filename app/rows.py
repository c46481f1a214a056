"""The boxes of identities, frame by frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.association import Identity
from trackers import Tracklet
from trackers.evaluation import Rows

Floats = npt.NDArray[np.float64]

STEADY_SECONDS = 0.5
"""Standard deviation in seconds of the moment whose boxes steady one another."""

STEADY_REACH = 8 * STEADY_SECONDS
"""Seconds beyond which a box counts nothing, however sure: 1e-14 of its weight would be left."""

STEADY_PART = 512
"""Rows of a tracklet that are fitted at once."""

LEAST_SCORE = 0.05
"""Score that a box counts with at least."""


def identity_rows(identities: Sequence[Identity], camera: str) -> Rows:
    """The boxes that were seen in a camera, as MOT rows: frames from 1, in order of frame, then identity.

    Where two tracklets of a person share a frame, the longer one's box counts.
    """
    return _single(_sorted([_seen(number, tracklet) for number, tracklet in _members(identities, camera)]))


def bridged_rows(identities: Sequence[Identity], camera: str, longest: float) -> Rows:
    """The same, steadied, and where a tracklet misses frames for a moment, boxes on a straight line, with score 0.

    Args:
        identities: The people.
        camera: Name of the camera.
        longest: Longest gap that is bridged, in seconds. Longer ones stay open: nobody knows where the person was.
    """
    members = [(number, steadied(tracklet)) for number, tracklet in _members(identities, camera)]
    seen = [_seen(number, tracklet) for number, tracklet in members]
    rows = _sorted(seen + [_between(number, tracklet, longest) for number, tracklet in members])
    # Seen boxes come first: a person seen by another tracklet in the meantime is where that one says.
    return _single(rows)


def steadied(tracklet: Tracklet) -> Tracklet:
    """A tracklet whose unsure boxes lean on the sure ones around them.

    Of somebody half hidden a detector boxes what it sees, and not twice alike. So each box moves, by as much as its
    score falls short of 1, towards a straight line through the boxes of the moment, fitted with weights that fall off
    over `STEADY_SECONDS` and rise with the fourth power of the score. It looks ahead: for recordings only.
    """
    scores, boxes = tracklet.scores.astype(np.float64), tracklet.boxes.astype(np.float64)
    # In parts, each with what is near enough in time to count, so that hours need no more memory than minutes.
    line = np.concatenate(
        [
            _line(tracklet.times, scores, boxes, slice(start, min(start + STEADY_PART, len(tracklet))))
            for start in range(0, len(tracklet), STEADY_PART)
        ]
    )
    # Boxes end with the picture, and so must what is fitted to them.
    line = np.clip(line, boxes.min(axis=0), boxes.max(axis=0))
    mixed = scores[:, None] * boxes + (1 - scores[:, None]) * line
    return dataclasses.replace(tracklet, boxes=mixed.astype(np.float32))


def _line(times: Floats, scores: Floats, boxes: Floats, part: slice) -> Floats:
    """Where the straight lines of `steadied` put the boxes of a part of a tracklet's n rows, `(k, 4)`."""
    at = times[part]
    near = slice(*np.searchsorted(times, [at[0] - STEADY_REACH, at[-1] + STEADY_REACH]))
    offset = times[None, near] - at[:, None]
    weight = np.exp(-0.5 * (offset / STEADY_SECONDS) ** 2) * np.maximum(scores[near], LEAST_SCORE) ** 4
    total, first, second = weight.sum(axis=1), (weight * offset).sum(axis=1), (weight * offset**2).sum(axis=1)
    spread = total * second - first**2
    sloped = spread > 1e-6 * (total * STEADY_SECONDS) ** 2
    level, tilted = weight @ boxes[near], (weight * offset) @ boxes[near]
    line = (second[:, None] * level - first[:, None] * tilted) / np.where(sloped, spread, 1.0)[:, None]
    return np.asarray(np.where(sloped[:, None], line, level / total[:, None]), np.float64)


def _members(identities: Sequence[Identity], camera: str) -> list[tuple[int, Tracklet]]:
    """Identity and tracklet, the longest first."""
    found = [(each.number, item.tracklet) for each in identities for item in each.members if item.camera == camera]
    return sorted(found, key=lambda member: -len(member[1]))


def _single(rows: Rows) -> Rows:
    """Sorted rows, of several of a person in a frame the first."""
    return rows[np.unique(np.stack([rows.frames, rows.ids], axis=1), axis=0, return_index=True)[1]]


def _seen(number: int, tracklet: Tracklet) -> Rows:
    count = len(tracklet)
    boxes, scores = tracklet.boxes.astype(np.float64), tracklet.scores.astype(np.float64)
    return Rows(tracklet.frames + 1, np.full(count, number, np.int64), boxes, scores, np.full(count, -1.0))


def _between(number: int, tracklet: Tracklet, longest: float) -> Rows:
    """Boxes for the frames a tracklet misses in gaps of at most `longest` seconds."""
    step = np.diff(tracklet.frames)
    missing = np.where(np.diff(tracklet.times) <= longest, step - 1, 0)
    before = np.repeat(np.arange(len(step)), missing)
    offset = 1 + np.arange(len(before)) - np.repeat(np.cumsum(missing) - missing, missing)
    share = (offset / step[before])[:, None]
    boxes = tracklet.boxes.astype(np.float64)
    filled = boxes[before] + share * (boxes[before + 1] - boxes[before])
    count = len(before)
    frames = tracklet.frames[before] + offset + 1
    return Rows(frames, np.full(count, number, np.int64), filled, np.zeros(count), np.full(count, -1.0))


def _sorted(parts: list[Rows]) -> Rows:
    """All rows by frame, then identity; those of one person in one frame stay in the order given."""
    if not parts:
        return Rows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros(0))
    frames, ids = np.concatenate([part.frames for part in parts]), np.concatenate([part.ids for part in parts])
    order = np.lexsort((ids, frames))
    boxes, scores = np.concatenate([part.boxes for part in parts]), np.concatenate([part.scores for part in parts])
    kinds = np.concatenate([part.kinds for part in parts])
    return Rows(frames[order], ids[order], boxes[order], scores[order], kinds[order])
