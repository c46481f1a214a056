"""Tracks that changed the person, or may have, taken apart.

In a crowd a track may go over to somebody else: one person comes out from behind another where the tracker expects the
other. While it happens nobody can tell. When the track has ended its views can: those before the change and those after
it are as far apart as strangers are. And who was gone for long was found again by looks alone, among the few that the
tracker knew then; association, which knows everybody, can say it better.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from reid_model.features import Features
from reid_model.matching import pair_distances
from trackers.tracklet import Tracklet

LONG_GAP = 2
"""Usual steps from box to box from which a longer one is a gap: a change is sooner there than where the detector was
least sure."""


def taken_apart(tracklet: Tracklet, far: float) -> list[Tracklet]:
    """The parts of a tracklet whose views are far from those of the part before.

    Views are split where the mean GASM distance of those before to those after is greatest, in both directions, pairs
    counting less the more views are between them: the person before may come back. If it is `far` or more, the tracklet
    is cut between the two views in the middle, at its longest gap or, without one, where its score was lowest, and both
    parts are looked at again.

    Args:
        tracklet: Its views are in the order seen.
        far: Mean distance, [0, 2], from which views show two people.

    Returns:
        The parts in order of time, all with the tracklet's number. One part: the tracklet as it was.
    """
    views = tracklet.exemplars
    if views is None or len(views) < 2:
        return [tracklet]
    distance = _distances(views)
    parts, whole = [], [(np.arange(len(tracklet)), np.arange(len(views)))]
    while whole:
        rows, shown = whole.pop()
        found = _change(distance[np.ix_(shown, shown)], far)
        cut = None if found is None else _cut(tracklet, rows, tracklet.exemplar_frames[shown[found - 1 : found + 1]])
        if found is None or not cut:
            parts.append((rows, shown))
        else:
            whole += [(rows[cut:], shown[found:]), (rows[:cut], shown[:found])]
    return [tracklet] if len(parts) == 1 else [_part(tracklet, rows, shown) for rows, shown in parts]


def parted(tracklet: Tracklet, seconds: float) -> list[Tracklet]:
    """The parts of a tracklet between the times when nobody saw the person.

    Args:
        tracklet: Its boxes and views are in the order seen.
        seconds: Two boxes further apart in time are in two parts.

    Returns:
        The parts in order of time, all with the tracklet's number; some may have no views. One part: the tracklet as it
        was.
    """
    cuts = tracklet.spans(seconds)[1:, 0]
    if not len(cuts):
        return [tracklet]
    part_of_view = np.searchsorted(tracklet.frames[cuts], tracklet.exemplar_frames, side="right")
    parts = enumerate(np.split(np.arange(len(tracklet)), cuts))
    return [_part(tracklet, rows, np.flatnonzero(part_of_view == number)) for number, rows in parts]


def _distances(views: Features) -> npt.NDArray[np.float32]:
    """GASM distances of all pairs of views, both directions averaged, `(K, K)`."""
    first, second = (index.ravel() for index in np.indices((len(views), len(views))))
    return np.asarray(pair_distances(views, views, first, second, "symmetric").reshape(len(views), -1))


def _change(distance: npt.NDArray[np.float32], far: float) -> int | None:
    """How many views come before the change of the person, or None where there is none."""
    order = np.arange(len(distance))
    weight = 1 / np.maximum(np.abs(order[:, None] - order), 1)
    means = [
        np.average(distance[:before, before:], weights=weight[:before, before:]) for before in range(1, len(distance))
    ]
    if not means or max(means) < far:
        return None
    return 1 + int(np.argmax(means))


def _cut(tracklet: Tracklet, rows: npt.NDArray[np.intp], views: npt.NDArray[np.int64]) -> int:
    """How many of the rows come before a change that happened between two views, given by their frames.

    0 where all of them are on one side.
    """
    frames = tracklet.frames[rows]
    between = np.flatnonzero((frames >= views[0]) & (frames < views[1]))
    if not len(between) or between[-1] + 1 == len(rows):
        return 0
    missed = frames[between + 1] - frames[between]
    # Frames need not be numbered one by one: those of a live camera are by their time.
    if missed.max() > LONG_GAP * np.median(np.diff(tracklet.frames)):
        return int(between[missed.argmax()]) + 1
    return int(between[tracklet.scores[rows[between]].argmin()]) + 1


def _part(tracklet: Tracklet, rows: npt.NDArray[np.intp], shown: npt.NDArray[np.intp]) -> Tracklet:
    frames, sure = tracklet.frames[rows], tracklet.sure
    if sure is not None:
        # The first of a part is linked to nothing.
        sure = np.r_[np.float32(1), sure[rows[1:]]]
    return dataclasses.replace(
        tracklet,
        frames=frames,
        times=tracklet.times[rows],
        boxes=tracklet.boxes[rows],
        scores=tracklet.scores[rows],
        exemplars=tracklet.exemplars[shown] if tracklet.exemplars is not None and len(shown) else None,
        exemplar_frames=tracklet.exemplar_frames[shown],
        exemplar_times=tracklet.exemplar_times[shown],
        exemplar_boxes=tracklet.exemplar_boxes[shown],
        exemplar_crops=tuple(tracklet.exemplar_crops[view] for view in shown.tolist()),
        sure=sure,
        refinds=tuple(each for each in tracklet.refinds if frames[0] < each.frame <= frames[-1]),
    )
