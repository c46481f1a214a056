"""What the gallery has of a tracklet that grows, and which of its views are news."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.gallery.choosing import ALIKE, choose_views
from app.gallery.growing import Grown
from reid_model.features import FloatArray
from trackers import Tracklet


@dataclass(slots=True)
class Written:
    """What the gallery has of a growing tracklet.

    Attributes:
        time: When it was written, seconds since the epoch.
        frames: Of its views that are stored.
        pooled: Their pooled vectors, `(k, D)` each time.
    """

    time: float
    frames: set[int] = field(default_factory=set)
    pooled: list[FloatArray] = field(default_factory=list)

    def add(self, grown: Grown, now: float) -> None:
        """Takes note of what was written now."""
        self.time = now
        if len(grown.views):
            assert grown.tracklet.exemplars is not None
            self.frames.update(grown.tracklet.exemplar_frames[grown.views].tolist())
            self.pooled.append(grown.tracklet.exemplars.global_[grown.views])


def new_views(tracklet: Tracklet, written: Written | None) -> npt.NDArray[np.intp]:
    """Which of a tracklet's views are worth storing beside those that are stored, `(k,)`.

    Args:
        tracklet: As it is now.
        written: What is stored of it; None for nothing.
    """
    if tracklet.exemplars is None or not len(tracklet.exemplars):
        return np.zeros(0, np.intp)
    views = choose_views(tracklet.exemplars)
    if written is None or not written.pooled:
        return views
    views = views[~np.isin(tracklet.exemplar_frames[views], list(written.frames))]
    apart = 1 - tracklet.exemplars.global_[views] @ np.concatenate(written.pooled).T
    return views[apart.min(axis=1) >= ALIKE] if len(views) else views
