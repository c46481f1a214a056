"""What was seen: a durable store of tracklets, sightings and identities, and a search index built from it."""

from __future__ import annotations

from app.gallery.found import Found
from app.gallery.index_live import LiveIndex
from app.gallery.store import AuditEntry, CameraRow, Gallery, IdentityRow, Sighting, TrackletRow

__all__ = ["AuditEntry", "CameraRow", "Found", "Gallery", "IdentityRow", "LiveIndex", "Sighting", "TrackletRow"]
