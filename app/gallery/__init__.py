"""What was seen: a durable store of tracklets, sightings and identities, and a search index built from it."""

from __future__ import annotations

from app.gallery.index import Hits, Index
from app.gallery.store import AuditEntry, CameraRow, Gallery, IdentityRow, Sighting, TrackletRow

__all__ = ["AuditEntry", "CameraRow", "Gallery", "Hits", "IdentityRow", "Index", "Sighting", "TrackletRow"]
