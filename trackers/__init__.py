"""Identities inside one camera: from boxes, frame by frame, to tracks and tracklets."""

from trackers.config import TrackerConfig
from trackers.tracker import Tracker
from trackers.tracklet import Tracklet

__all__ = ["Tracker", "TrackerConfig", "Tracklet"]
