"""Which tracklets can never be one person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.association.types import CameraTracklet

BoolArray = npt.NDArray[np.bool_]


def simultaneous(tracklets: Sequence[CameraTracklet]) -> BoolArray:
    """Pairs of tracklets that one camera shows in the same frame: two boxes at once are two people.

    There is no tolerance: one shared frame is enough. Spans may interleave, though: a track that was lost while
    another lived, and came back after it, shares no frame with it and may be the same person. Different cameras may
    see one person at once.

    Args:
        tracklets: n tracklets of any cameras.

    Returns:
        Symmetric mask of shape `(n, n)`; the diagonal is False.
    """
    count = len(tracklets)
    result = np.zeros((count, count), np.bool_)
    if not count:
        return result
    numbers = {name: i for i, name in enumerate(sorted({item.camera for item in tracklets}))}
    lengths = [len(item.tracklet.frames) for item in tracklets]
    cameras = np.repeat([numbers[item.camera] for item in tracklets], lengths)
    frames = np.concatenate([item.tracklet.frames for item in tracklets])
    owners = np.repeat(np.arange(count), lengths)
    order = np.lexsort((owners, frames, cameras))
    cameras, frames, owners = cameras[order], frames[order], owners[order]
    # Rows of one frame lie side by side, so comparing rows ever further apart meets every pair in it: as many rounds
    # as the fullest frame has people.
    apart = 1
    starts = np.arange(len(owners))
    while True:
        starts = starts[starts < len(owners) - apart]
        ends = starts + apart
        starts = starts[(frames[starts] == frames[ends]) & (cameras[starts] == cameras[ends])]
        if not len(starts):
            break
        result[owners[starts], owners[starts + apart]] = True
        apart += 1
    result |= result.T
    np.fill_diagonal(result, val=False)
    return result
