"""Identities inside one camera: from boxes, frame by frame, to tracks and tracklets."""

from trackers.camera_motion import CameraMotion
from trackers.config import TrackerConfig
from trackers.tracker import Tracker
from trackers.tracklet import Tracklet

__all__ = ["CameraMotion", "Tracker", "TrackerConfig", "Tracklet"]
