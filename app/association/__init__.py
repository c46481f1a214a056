"""Linking the tracklets of all cameras into identities."""

from __future__ import annotations

from app.association.associate import associate
from app.association.online import OnlineAssociator
from app.association.replaying import replay
from app.association.types import CameraTracklet, Identity, Link, Status

__all__ = ["CameraTracklet", "Identity", "Link", "OnlineAssociator", "Status", "associate", "replay"]
