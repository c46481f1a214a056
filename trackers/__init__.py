"""Identities inside one camera: from boxes, frame by frame, to tracks and tracklets."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trackers.config import TrackerConfig

if TYPE_CHECKING:
    from trackers.camera_motion import CameraMotion
    from trackers.tracker import Tracker
    from trackers.tracklet import Tracklet

__all__ = ["CameraMotion", "Tracker", "TrackerConfig", "Tracklet"]

_PLACES = {"CameraMotion": "camera_motion", "Tracker": "tracker", "Tracklet": "tracklet"}


def __getattr__(name: str) -> Any:
    """Imports what needs torch when it is asked for: whoever reads settings or truth only does without."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
