"""Follows: stored searches, which raise an event when somebody who looks like their query is written to the gallery."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, delete, insert, select

from app.gallery import queries
from app.gallery.packing import Dimensions, pack, unpack, unpack_features
from app.gallery.schema import Camera, FollowRecord, ReappearanceRecord, SightingRecord, TrackletRecord
from app.gallery.writing import enter_audit
from reid_model.calibration import Calibration
from reid_model.features import Features, FloatArray
from reid_model.matching import Method, distances


@dataclass(frozen=True, eq=False)
class Follow:
    """A stored search.

    Attributes:
        id: Its number; 0 for one that is not stored yet.
        name: What it is called.
        who: Who asked for it.
        stored: When it was stored, seconds since the epoch.
        expires: When it ends, likewise: the query's features are kept no longer than sightings are.
        origin: Where the query comes from, as in the audit log.
        cameras: Cameras it looks at; None for all.
        method: How crops are compared.
        calibration: What the distances mean.
        prior: How probable it is, before looking, that somebody seen is the person, (0, 1).
        bar: Probability from which an event is raised, [0, 1].
        query: Features of one or more crops of the person.
    """

    id: int
    name: str
    who: str
    stored: float
    expires: float
    origin: dict[str, object]
    cameras: tuple[str, ...] | None
    method: Method
    calibration: Calibration
    prior: float
    bar: float
    query: Features

    def compare(self, seen: Features) -> tuple[FloatArray, npt.NDArray[np.float64]]:
        """Distance, [0, 2], and probability, [0, 1], of each of n crops by its best query crop, `(n,)` both."""
        apart = np.maximum(distances(self.query, seen, self.method), 0)
        likely = self.calibration.probability(apart, self.query.mass[:, None], seen.mass[None], self.prior)
        best, every = likely.argmax(axis=0), np.arange(len(seen))
        return apart[best, every], likely[best, every]


@dataclass(frozen=True)
class Reappearance:
    """An event: a follow's person was seen again.

    Attributes:
        id: Its number.
        follow: Number of the follow.
        name: Its name.
        raised: When the tracklet was written, seconds since the epoch.
        camera: Name of the camera.
        track: Number of the track in that camera.
        span: First and last time of the tracklet, seconds since the epoch.
        sighting: Number of its best sighting.
        distance: Of that sighting, [0, 2].
        probability: That it is the person, [0, 1].
    """

    id: int
    follow: int
    name: str
    raised: float
    camera: str
    track: int
    span: tuple[float, float]
    sighting: int
    distance: float
    probability: float

    def as_row(self) -> dict[str, object]:
        """Plain values, as a line of JSON has them."""
        return {
            "event": "reappeared",
            "number": self.id,
            "follow": self.follow,
            "name": self.name,
            "raised": self.raised,
            "camera": self.camera,
            "track": self.track,
            "first_time": self.span[0],
            "last_time": self.span[1],
            "distance": round(self.distance, 4),
            "probability": round(self.probability, 4),
        }


def insert_follow(connection: Connection, follow: Follow) -> int:
    """Stores a follow and gives its number."""
    values = {
        "name": follow.name,
        "who": follow.who,
        "stored": follow.stored,
        "expires": follow.expires,
        "origin": follow.origin,
        "cameras": None if follow.cameras is None else list(follow.cameras),
        "method": follow.method,
        "calibration": follow.calibration.as_dict(),
        "prior": follow.prior,
        "bar": follow.bar,
        "pooled": pack(follow.query.global_, "<f2"),
        "local": pack(follow.query.local, "<f2"),
        "saliency": pack(follow.query.saliency, "<f2"),
        "mass": pack(follow.query.mass, "<f4"),
    }
    return int(connection.scalars(insert(FollowRecord).returning(FollowRecord.id), [values]).one())


def delete_follows(connection: Connection, ids: Sequence[int]) -> None:
    """Deletes follows and the events they raised."""
    connection.execute(delete(ReappearanceRecord).where(ReappearanceRecord.follow_id.in_(ids)))
    connection.execute(delete(FollowRecord).where(FollowRecord.id.in_(ids)))


def follows(connection: Connection, now: float) -> list[Follow]:
    """The follows that have not ended, oldest first.

    Raises:
        ValueError: If what is stored is damaged.
    """
    size = queries.dimensions(connection)
    found = connection.execute(select(FollowRecord.__table__).where(FollowRecord.expires > now).order_by("id")).all()
    return [_follow(cast(Any, row), size) for row in found if size is not None]


def _follow(row: Any, size: Dimensions) -> Follow:
    mass = unpack(row.mass, "<f4")
    pooled, local, saliency = (_rows(data, len(mass)) for data in (row.pooled, row.local, row.saliency))
    features = unpack_features(pooled, local, saliency, mass.tolist(), size)
    return Follow(
        id=row.id,
        name=row.name,
        who=row.who,
        stored=row.stored,
        expires=row.expires,
        origin=row.origin,
        cameras=None if row.cameras is None else tuple(row.cameras),
        method=row.method,
        calibration=Calibration.from_dict(row.calibration),
        prior=row.prior,
        bar=row.bar,
        query=features,
    )


def _rows(data: bytes, count: int) -> list[bytes]:
    step = len(data) // max(count, 1)
    return [data[i * step : (i + 1) * step] for i in range(count)]


def raise_events(connection: Connection, cameras: Collection[str], after: int, now: float) -> list[Reappearance]:
    """Compares what a transaction has added with all follows.

    Each tracklet that passes a follow's bar is stored as an event, and each follow's events enter the audit log.

    Args:
        connection: With the transaction open.
        cameras: The cameras whose tracklets were added.
        after: The last sighting's number before.
        now: Current time, seconds since the epoch.

    Returns:
        The events, follow by follow.
    """
    watching = [each for each in follows(connection, now) if each.cameras is None or set(each.cameras) & set(cameras)]
    if not watching:
        return []
    # As they are stored, not as they were given: a search finds the same distance later.
    seen, features = queries.sightings(connection, queries.Filter(now, after=after))
    if features is None:
        return []
    before = connection.scalar(select(ReappearanceRecord.id).order_by(ReappearanceRecord.id.desc()).limit(1)) or 0
    owners = dict(
        connection.execute(select(SightingRecord.id, SightingRecord.tracklet_id).where(SightingRecord.id > after)).all()
    )
    for follow in watching:
        apart, likely = follow.compare(features)
        if follow.cameras is not None:
            likely = np.where([sighting.camera in follow.cameras for sighting in seen], likely, -1)
        best: dict[int, int] = {}
        # A tracklet that grows is told of once.
        raised = select(ReappearanceRecord.tracklet_id).where(ReappearanceRecord.follow_id == follow.id)
        told = set(connection.scalars(raised.where(ReappearanceRecord.tracklet_id.in_(set(owners.values())))))
        for place in np.argsort(-likely, kind="stable").tolist():
            if likely[place] < follow.bar:
                break
            if owners[seen[place].id] not in told:
                best.setdefault(owners[seen[place].id], place)
        rows = [
            {
                "follow_id": follow.id,
                "tracklet_id": tracklet,
                "sighting_id": seen[place].id,
                "raised": now,
                "distance": float(apart[place]),
                "probability": float(likely[place]),
            }
            for tracklet, place in best.items()
        ]
        if rows:
            connection.execute(insert(ReappearanceRecord), rows)
            found = [[seen[place].camera, seen[place].track] for place in best.values()]
            enter_audit(connection, now, "reappeared", {"follow": follow.id, "found": found}, follow.who)
    return reappearances(connection, before)


def reappearances(connection: Connection, after: int = 0) -> list[Reappearance]:
    """The events with a number above `after`, in the order they were raised."""
    event, owner = ReappearanceRecord, TrackletRecord
    columns: list[Any] = [
        *(event.id, event.follow_id, FollowRecord.name, event.raised, Camera.name, owner.track),
        *(owner.first_time, owner.last_time, event.sighting_id, event.distance, event.probability),
    ]
    query = (
        select(*columns)
        .join_from(event, FollowRecord)
        .join(owner, event.tracklet_id == owner.id)
        .join(Camera, owner.camera_id == Camera.id)
        .where(event.id > after)
        .order_by(event.id)
    )
    rows: Sequence[Any] = connection.execute(query).all()
    return [
        Reappearance(key, follow, name, raised, camera, track, (first, last), sighting, distance, probability)
        for key, follow, name, raised, camera, track, first, last, sighting, distance, probability in rows
    ]
