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
    first = np.array([item.tracklet.times[0] for item in tracklets])
    last = np.array([item.tracklet.times[-1] for item in tracklets])
    cameras = np.unique([item.camera for item in tracklets], return_inverse=True)[1]
    common = np.minimum(last[:, None], last) - np.maximum(first[:, None], first)
    span = np.maximum(np.minimum((last - first)[:, None], last - first), MOMENT)
    return np.asarray((common > share * span) & (cameras[:, None] != cameras), np.bool_)


def seen_apart(tracklets: Sequence[CameraTracklet], distances: FloatArray, config: AssociationConfig) -> BoolArray:
    """Pairs of tracklets at once in two cameras that seem to see no common place.

    Two cameras see one where, of the people at once in both, `COMMON` or more are each other's nearest and closer than
    the threshold by `SURE`. Without such evidence they do not: a person alone is evidence of a common place as soon as
    they surely look the same.

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
    together = at_once(tracklets, config.shared_frames)
    names = np.array([item.camera for item in tracklets])
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    for mine, theirs in combinations(members, 2):
        block = np.ix_(mine, theirs)
        if not _common_place(distances[block], together[block], config.threshold - SURE):
            apart[block] = together[block]
    return apart | apart.T


def _common_place(distances: FloatArray, together: BoolArray, sure: float) -> bool:
    """Whether enough of the people at once in two cameras are surely the same, from distances `(a, b)`."""
    row = np.arange(len(distances))
    nearest = distances.argmin(axis=1)
    mutual = distances[:, nearest].argmin(axis=0) == row
    same = mutual & together[row, nearest] & (distances[row, nearest] <= sure)
    people = min(int(together.any(axis=1).sum()), int(together.any(axis=0).sum()))
    return bool(same.sum() >= max(1.0, COMMON * people))
