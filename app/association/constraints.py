"""Which tracklets can never be one person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.association.types import CameraTracklet
from trackers.gates import paired_iou

BoolArray = npt.NDArray[np.bool_]


def simultaneous(tracklets: Sequence[CameraTracklet], overlap: float = 1.0, share: float = 0.0) -> BoolArray:
    """Pairs of tracklets that one camera shows at once in different places: two boxes at once are two people.

    Trackers slip: in a crowd two tracks may follow one person for a moment, on two boxes that lie over each other, or
    one of them may hold somebody else's box for a few frames. So boxes that overlap are no evidence, and a small share
    of frames is forgiven. Spans may interleave: a track that was lost while another lived, and came back after it,
    shares no frame with it and may be the same person. Different cameras may see one person at once.

    Args:
        tracklets: n tracklets of any cameras.
        overlap: Overlap (intersection over union) of two boxes of a frame above which they may be one person; 1: never.
        share: Frames in which they are apart, as a share of the shorter tracklet's, up to which two tracklets may be
            one person; 0: none.

    Returns:
        Symmetric mask of shape `(n, n)`; the diagonal is False.
    """
    count = len(tracklets)
    together = np.zeros((count, count), np.int64)
    if not count:
        return together > 0
    numbers = {name: i for i, name in enumerate(sorted({item.camera for item in tracklets}))}
    lengths = np.array([len(item.tracklet.frames) for item in tracklets])
    cameras = np.repeat([numbers[item.camera] for item in tracklets], lengths)
    frames = np.concatenate([item.tracklet.frames for item in tracklets])
    boxes = np.concatenate([item.tracklet.boxes for item in tracklets]).astype(np.float64)
    owners = np.repeat(np.arange(count), lengths)
    order = np.lexsort((owners, frames, cameras))
    cameras, frames, owners, boxes = cameras[order], frames[order], owners[order], boxes[order]
    # Rows of one frame lie side by side, so comparing rows ever further apart meets every pair in it: as many rounds
    # as the fullest frame has people.
    step = 1
    starts = np.arange(len(owners))
    while True:
        starts = starts[starts < len(owners) - step]
        ends = starts + step
        starts = starts[(frames[starts] == frames[ends]) & (cameras[starts] == cameras[ends])]
        if not len(starts):
            break
        apart = starts[paired_iou(boxes[starts], boxes[starts + step]) <= overlap]
        np.add.at(together, (owners[apart], owners[apart + step]), 1)
        step += 1
    together += together.T
    result = np.asarray(together > share * np.minimum(lengths[:, None], lengths), np.bool_)
    np.fill_diagonal(result, val=False)
    return result
