"""Tracklets as rows of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.gallery.choosing import choose_views
from app.gallery.packing import encode_crop
from trackers.tracklet import Tracklet

Row = dict[str, object]


@dataclass(frozen=True)
class SightingRows:
    """The rows of n sightings that have no number yet.

    Attributes:
        owners: Position of each one's tracklet among those given, n of them.
        rows: For `sightings`, without the tracklet's number, n of them.
        vectors: For `vectors`, without the sighting's number, n of them.
        pictures: JPEG of each, or None; n of them.
    """

    owners: list[int]
    rows: list[Row]
    vectors: list[Row]
    pictures: list[bytes | None]


def tracklet_values(camera_id: int, tracklet: Tracklet, stored: float, expires: float) -> Row:
    """The row of a tracklet, without identity."""
    return {
        "camera_id": camera_id,
        "track": int(tracklet.track_id),
        "first_frame": int(tracklet.frames.min()),
        "last_frame": int(tracklet.frames.max()),
        "first_time": float(tracklet.times.min()),
        "last_time": float(tracklet.times.max()),
        "frames": np.ascontiguousarray(tracklet.frames, "<i8").tobytes(),
        "times": np.ascontiguousarray(tracklet.times, "<f8").tobytes(),
        "boxes": np.ascontiguousarray(tracklet.boxes, "<f4").tobytes(),
        "scores": np.ascontiguousarray(tracklet.scores, "<f4").tobytes(),
        "stored": stored,
        "expires": expires,
    }


def sighting_values(
    tracklets: Sequence[Tracklet],
    expires: float,
    *,
    crops: bool,
    views: Sequence[npt.NDArray[np.intp]] | None = None,
) -> SightingRows:
    """The rows of sightings of these tracklets, in order.

    Args:
        tracklets: n of them.
        expires: When the sightings expire, seconds since the epoch.
        crops: Whether their pictures are kept.
        views: Which exemplars of each become sightings, n arrays; None for those that `choose_views` chooses.
    """
    all_rows = SightingRows([], [], [], [])
    for owner, tracklet in enumerate(tracklets):
        features = tracklet.exemplars
        if features is None or not len(features):
            continue
        chosen = choose_views(features) if views is None else views[owner]
        features = features[chosen]
        frames, times = tracklet.exemplar_frames[chosen].tolist(), tracklet.exemplar_times[chosen].tolist()
        boxes = np.asarray(tracklet.exemplar_boxes, np.float64)[chosen].tolist()
        images = [tracklet.exemplar_crops[view] for view in chosen.tolist()]
        masses = features.mass.tolist()
        pooled, local, saliency = map(_halves, (features.global_, features.local, features.saliency))
        for i, (left, top, right, bottom) in enumerate(boxes):
            all_rows.owners.append(owner)
            all_rows.rows.append(
                {
                    "frame": frames[i],
                    "time": times[i],
                    "left": left,
                    "top": top,
                    "right": right,
                    "bottom": bottom,
                    "mass": masses[i],
                    "expires": expires,
                }
            )
            all_rows.vectors.append({"pooled": pooled[i], "local": local[i], "saliency": saliency[i]})
            all_rows.pictures.append(encode_crop(images[i]) if crops else None)
    return all_rows


def _halves(values: npt.NDArray[np.float32]) -> list[bytes]:
    """The rows of an array as packed half-precision numbers."""
    return [row.tobytes() for row in np.ascontiguousarray(values, "<f2")]
