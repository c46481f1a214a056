"""Tracklets as rows of the tables."""

from __future__ import annotations

import numpy as np

from app.gallery.packing import encode_crop, pack
from trackers.tracklet import Tracklet


def tracklet_values(camera_id: int, tracklet: Tracklet) -> dict[str, object]:
    """The row of a tracklet, without identity."""
    return {
        "camera_id": camera_id,
        "track": int(tracklet.track_id),
        "first_frame": int(tracklet.frames.min()),
        "last_frame": int(tracklet.frames.max()),
        "first_time": float(tracklet.times.min()),
        "last_time": float(tracklet.times.max()),
        "frames": pack(tracklet.frames, "<i8"),
        "times": pack(tracklet.times, "<f8"),
        "boxes": pack(tracklet.boxes, "<f4"),
        "scores": pack(tracklet.scores, "<f4"),
    }


def sighting_values(key: int, tracklet: Tracklet, expires: float, *, crops: bool) -> list[dict[str, object]]:
    """The rows of a tracklet's sightings, one for each exemplar."""
    features = tracklet.exemplars
    if features is None:
        return []
    boxes = np.asarray(tracklet.exemplar_boxes, np.float64)
    return [
        {
            "tracklet_id": key,
            "frame": int(tracklet.exemplar_frames[i]),
            "time": float(tracklet.exemplar_times[i]),
            **dict(zip(("left", "top", "right", "bottom"), boxes[i].tolist(), strict=True)),
            "mass": float(features.mass[i]),
            "pooled": pack(features.global_[i], "<f2"),
            "local": pack(features.local[i], "<f2"),
            "saliency": pack(features.saliency[i], "<f2"),
            "crop": encode_crop(tracklet.exemplar_crops[i]) if crops else None,
            "expires": expires,
        }
        for i in range(len(features))
    ]
