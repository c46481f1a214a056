"""The audit log after somebody was erased: what was done stays, whom it was about becomes a name without a face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select, update

from app.gallery.rows import TrackletRow
from app.gallery.schema import AuditRecord
from trackers.gates import iou

SAME = 0.5
"""Overlap (intersection over union) from which a box that somebody pointed at is the person's."""


@dataclass(frozen=True, eq=False)
class Person:
    """Where an erased person was seen.

    Attributes:
        identity: Their number.
        tracklets: Their tracklets.
    """

    identity: int
    tracklets: Sequence[TrackletRow]

    @property
    def keys(self) -> set[tuple[str, int]]:
        """Camera and track number of each tracklet."""
        return {(row.camera, row.track) for row in self.tracklets}

    def is_origin(self, origin: Mapping[str, object]) -> bool:
        """Whether a query came from this person: from the identity, a track or a box of theirs.

        Of live cameras not every box is kept, so that the track is named as well.
        """
        if "identity" in origin:
            return origin["identity"] == self.identity
        if (origin.get("camera"), origin.get("track")) in self.keys:
            return True
        box, frame, camera = (origin.get(name) for name in ("box", "frame", "camera"))
        if not isinstance(box, list | tuple) or len(box) != 4 or not isinstance(frame, int):
            return False
        left, top, width, height = map(float, box)
        pointed = np.array([[left, top, left + width, top + height]])
        there = [row.boxes[row.frames == frame] for row in self.tracklets if row.camera == camera]
        boxes = np.concatenate([*there, np.zeros((0, 4), np.float32)]).astype(np.float64)
        return bool(iou(pointed, boxes).max(initial=0) >= SAME)


def replace_in_audit(connection: Connection, person: Person, pseudonym: str) -> int:
    """Puts the pseudonym wherever the audit log names the person.

    Returns:
        How many entries it changed.
    """
    keys, changed = person.keys, 0
    table = AuditRecord
    for number, details in connection.execute(select(table.id, table.details)).all():
        replaced = dict(details)
        found, origin = details.get("found"), details.get("origin")
        if isinstance(found, list):
            replaced["found"] = [
                pseudonym if isinstance(item, list) and tuple(item) in keys else item for item in found
            ]
        if isinstance(origin, dict) and person.is_origin(origin):
            replaced["origin"] = {"person": pseudonym}
        if replaced != details:
            connection.execute(update(table).where(table.id == number).values(details=replaced))
            changed += 1
    return changed
