"""Which cameras see a common place, learned from who is in both at once.

Nobody has to say which cameras overlap. Where two do, many of the people that both see at a moment look the same; where
they do not, nobody should. So people seen at once by two cameras in which hardly anybody was the same at once have to
look more alike than others before they are taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from app.association.types import CameraTracklet
from app.config_association import AssociationConfig
from reid_model.features import FloatArray

BoolArray = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MOMENT = 0.5
"""Seconds below which a tracklet says little about who was there at once: taken as its span where it is shorter."""

SURE = 0.1
"""How far below the threshold a distance is sure."""

COMMON = 0.2
"""Share of people at once in both cameras who surely look the same, from which the cameras see a common place."""


def at_once(tracklets: Sequence[CameraTracklet], share: float) -> BoolArray:
    """Pairs of tracklets in different cameras that live at the same time, for more than a share of the shorter's span.

    Returns:
        Symmetric mask of shape `(n, n)`.
    """
    return _together(tracklets, share) > 0


def _together(tracklets: Sequence[CameraTracklet], share: float) -> Floats:
    """Seconds that tracklets in different cameras are there at the same time, 0 where they do not count as at once."""
    first = np.array([item.tracklet.times[0] for item in tracklets])
    last = np.array([item.tracklet.times[-1] for item in tracklets])
    cameras = np.unique([item.camera for item in tracklets], return_inverse=True)[1]
    common = np.minimum(last[:, None], last) - np.maximum(first[:, None], first)
    span = np.maximum(np.minimum((last - first)[:, None], last - first), MOMENT)
    return np.where((common > share * span) & (cameras[:, None] != cameras), common, 0.0)


def seen_apart(tracklets: Sequence[CameraTracklet], distances: FloatArray, config: AssociationConfig) -> BoolArray:
    """Pairs of tracklets at once in two cameras that seem to see no common place.

    Two cameras see one where, of the time that people are at once in both, a share of `COMMON` or more is that of
    people who are each other's nearest there and then, and closer than the threshold by `SURE`. So the many pieces of a
    track that was lost again and again, most of them too short to look like anybody, count little. Without such
    evidence they do not: a person alone is evidence of a common place as soon as they surely look the same.

    Args:
        tracklets: n tracklets.
        distances: Of every two, `(n, n)`; infinite where they can never be one person.
        config: The association's settings.

    Returns:
        Symmetric mask of shape `(n, n)`.
    """
    apart = np.zeros(distances.shape, np.bool_)
    if not len(tracklets):
        return apart
    seconds = _together(tracklets, config.shared_frames)
    names = np.array([item.camera for item in tracklets])
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    for mine, theirs in combinations(members, 2):
        block = np.ix_(mine, theirs)
        if not _common_place(distances[block], seconds[block], config.threshold - SURE):
            apart[block] = seconds[block] > 0
    return apart | apart.T


def _common_place(distances: FloatArray, seconds: Floats, sure: float) -> bool:
    """Whether enough of the people at once in two cameras are surely the same.

    Args:
        distances: Of a people in one camera and b in the other, `(a, b)`.
        seconds: That they are at once, `(a, b)`; 0 where they are not.
        sure: Largest distance of those who surely look the same.
    """
    there = np.where(seconds > 0, distances, np.inf)
    row = np.arange(len(there))
    nearest = there.argmin(axis=1)
    same = (there[:, nearest].argmin(axis=0) == row) & (there[row, nearest] <= sure)
    company = min(float(seconds.max(axis=side).sum()) for side in (0, 1))
    return bool(same.any() and seconds[row, nearest][same].sum() >= COMMON * company)
