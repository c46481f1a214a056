"""What is asked of the store: each function one question, on an open connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Select, func, select

from app.gallery.packing import Dimensions, unpack, unpack_features
from app.gallery.rows import AuditEntry, CameraRow, IdentityRow, Sighting, TrackletRow
from app.gallery.schema import (
    AuditRecord,
    Camera,
    CropRecord,
    IdentityRecord,
    Meta,
    SightingRecord,
    TrackletRecord,
    VectorRecord,
)
from reid_model.features import Features, FloatArray

KEYS_AT_ONCE = 500
"""Most values given to one IN (…): databases limit them."""


@dataclass(frozen=True)
class Filter:
    """Which sightings are wanted.

    Attributes:
        now: Current time, seconds since the epoch: what expired before it is not wanted.
        cameras: Camera names, or None for all.
        start: Earliest time, included, or None.
        end: Latest time, included, or None.
        track: Track number, or None.
        identity: Identity number, or None.
        after: Sightings with a larger number only, or None.
    """

    now: float
    cameras: Sequence[str] | None = None
    start: float | None = None
    end: float | None = None
    track: int | None = None
    identity: int | None = None
    after: int | None = None

    def apply(self, query: Select[Any]) -> Select[Any]:
        """The query of sightings, their tracklets and cameras, with these conditions."""
        table, owner = SightingRecord, TrackletRecord
        query = query.where(table.expires > self.now)
        if self.cameras is not None:
            query = query.where(Camera.name.in_(self.cameras))
        if self.start is not None:
            query = query.where(table.time >= self.start)
        if self.end is not None:
            query = query.where(table.time <= self.end)
        if self.track is not None:
            query = query.where(owner.track == self.track)
        if self.identity is not None:
            query = query.where(owner.identity == self.identity)
        if self.after is not None:
            query = query.where(table.id > self.after)
        return query


def meta(connection: Connection) -> dict[str, str]:
    """The facts about the gallery."""
    return {row.key: row.value for row in connection.execute(select(Meta.key, Meta.value))}


def dimensions(connection: Connection) -> Dimensions | None:
    """The sizes of the stored vectors, or None where none is stored yet."""
    facts = meta(connection)
    if "pooled" not in facts:
        return None
    return Dimensions(int(facts["pooled"]), int(facts["cells"]), int(facts["local"]))


def dimension_facts(size: Dimensions) -> list[dict[str, str]]:
    """The rows of `meta` that `dimensions` reads."""
    return [{"key": key, "value": str(getattr(size, key))} for key in ("pooled", "cells", "local")]


def cameras(connection: Connection) -> list[CameraRow]:
    """All cameras, by name."""
    table = Camera
    columns = (table.name, table.source, table.start, table.width, table.height, table.rate, table.frame_count)
    return [CameraRow(*row) for row in connection.execute(select(*columns).order_by(table.name))]


def tracklet_keys(connection: Connection) -> dict[tuple[str, int], int]:
    """The key in the store of each (camera, track)."""
    query = select(Camera.name, TrackletRecord.track, TrackletRecord.id).join_from(TrackletRecord, Camera)
    return {(name, track): key for name, track, key in connection.execute(query)}


def check_new(connection: Connection, camera: str, tracks: Sequence[int]) -> None:
    """Sees that a camera has no tracks of these numbers.

    Raises:
        ValueError: If it has one, or a number is given twice.
    """
    twice = {track for track in tracks if tracks.count(track) > 1} if len(set(tracks)) < len(tracks) else set()
    for some in parts(tracks):
        query = select(TrackletRecord.track).join_from(TrackletRecord, Camera)
        twice.update(connection.scalars(query.where(Camera.name == camera, TrackletRecord.track.in_(some))))
    if twice:
        raise ValueError(f"tracklets: camera {camera} has a track {min(twice)} already")


def tracklets(
    connection: Connection,
    camera: str | None = None,
    track: int | None = None,
    since: float | None = None,
    *,
    nameless: bool = False,
) -> Iterator[TrackletRow]:
    """Tracklets by camera and number.

    Args:
        connection: The gallery's.
        camera: Of this camera; of all where None.
        track: Of this number; of all where None.
        since: Seen since this time; at any time where None.
        nameless: Only those without an identity.

    Raises:
        ValueError: If stored bytes are not what they should be.
    """
    table = TrackletRecord
    query = (
        select(Camera.name, table.track, table.frames, table.times, table.boxes, table.scores, table.identity)
        .join_from(table, Camera)
        .order_by(Camera.name, table.track)
    )
    if camera is not None:
        query = query.where(Camera.name == camera)
    if track is not None:
        query = query.where(table.track == track)
    if since is not None:
        query = query.where(table.last_time >= since)
    if nameless:
        query = query.where(table.identity.is_(None))
    for name, number, frames, times, boxes, scores, identity in connection.execute(query):
        yield TrackletRow(
            camera=name,
            track=number,
            frames=unpack(frames, "<i8"),  # type: ignore[arg-type]
            times=unpack(times, "<f8"),  # type: ignore[arg-type]
            boxes=unpack(boxes, "<f4", 4),  # type: ignore[arg-type]
            scores=unpack(scores, "<f4"),  # type: ignore[arg-type]
            identity=identity,
        )


def revision(connection: Connection) -> int:
    """How many changes of sightings were committed."""
    return int(meta(connection).get("revision", 0))


def sighting_ids(connection: Connection, chosen: Filter) -> npt.NDArray[np.int64]:
    """The numbers of the wanted sightings, `(n,)`, ascending."""
    query = (
        select(SightingRecord.id)
        .join_from(SightingRecord, TrackletRecord)
        .join(Camera, TrackletRecord.camera_id == Camera.id)
        .order_by(SightingRecord.id)
    )
    return np.fromiter(connection.scalars(chosen.apply(query)), np.int64)


def row_count(connection: Connection, table: Any) -> int:
    """How many rows a table has."""
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def sighting_count(connection: Connection, chosen: Filter) -> int:
    """How many sightings are wanted."""
    query = select(func.count()).select_from(SightingRecord).join(TrackletRecord).join(Camera)
    return int(connection.execute(chosen.apply(query)).scalar_one())


def sighting_counts(connection: Connection, chosen: Filter) -> dict[tuple[str, int], int]:
    """How many of the wanted sightings each tracklet has that has any, by camera and track number."""
    owner = TrackletRecord
    columns: list[Any] = [Camera.name, owner.track, func.count()]
    query = (
        select(*columns)
        .join_from(SightingRecord, owner)
        .join(Camera, owner.camera_id == Camera.id)
        .group_by(owner.id, owner.track, Camera.name)
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(chosen.apply(query))}


def people(connection: Connection, chosen: Filter) -> int:
    """How many people the wanted sightings show: a tracklet without an identity counts as one."""
    owner = TrackletRecord
    person = func.coalesce(owner.identity, -owner.id)
    query = (
        select(func.count(person.distinct()))
        .select_from(SightingRecord)
        .join(owner, SightingRecord.tracklet_id == owner.id)
        .join(Camera, owner.camera_id == Camera.id)
    )
    return int(connection.scalars(chosen.apply(query)).one())


def sightings(connection: Connection, chosen: Filter) -> tuple[list[Sighting], Features | None]:
    """The wanted sightings and their features.

    Raises:
        ValueError: If stored bytes are not what they should be.
    """
    return _with_features(connection, [chosen.apply(_rows_and_vectors()).order_by(SightingRecord.id)])


def sightings_of_recent(
    connection: Connection, since: float, now: float, *, nameless: bool = False
) -> tuple[list[Sighting], Features | None]:
    """The sightings, and their features, of the tracklets seen since a time, or only of those without an identity.

    Raises:
        ValueError: If stored bytes are not what they should be.
    """
    query = Filter(now).apply(_rows_and_vectors()).where(TrackletRecord.last_time >= since)
    if nameless:
        query = query.where(TrackletRecord.identity.is_(None))
    return _with_features(connection, [query.order_by(SightingRecord.id)])


def look_up(connection: Connection, ids: Sequence[int], now: float) -> tuple[list[Sighting], Features | None]:
    """Sightings by their numbers, and their features; those that are gone or have expired are left out.

    Raises:
        ValueError: If stored bytes are not what they should be.
    """
    query = Filter(now).apply(_rows_and_vectors())
    return _with_features(connection, [query.where(SightingRecord.id.in_(some)) for some in parts(ids)])


def _with_features(connection: Connection, asked: Sequence[Select[Any]]) -> tuple[list[Sighting], Features | None]:
    rows: list[Sighting] = []
    vectors: tuple[list[bytes], list[bytes], list[bytes]] = ([], [], [])
    for query in asked:
        for row in connection.execute(query):
            rows.append(_sighting(*row[:-3]))
            for kept, value in zip(vectors, row[-3:], strict=True):
                kept.append(cast(bytes, value))
    size = dimensions(connection)
    if not rows or size is None:
        return [], None
    return rows, unpack_features(*vectors, [row.mass for row in rows], size)


def rows_of(connection: Connection, ids: Sequence[int], now: float) -> list[Sighting | None]:
    """Sightings without their vectors, in the order asked; None where there is none or it has expired."""
    found: dict[int, Sighting] = {}
    for some in parts(ids):
        query = Filter(now).apply(_rows().where(SightingRecord.id.in_(some)))
        for row in connection.execute(query):
            found[row[0]] = _sighting(*row)
    return [found.get(key) for key in ids]


def _rows_and_vectors() -> Select[Any]:
    vector = VectorRecord
    query = _rows(vector.pooled, vector.local, vector.saliency)
    return query.join(vector, vector.sighting_id == SightingRecord.id)


def _rows(*more: Any) -> Select[Any]:
    """Everything about sightings that `_sighting` takes, and more columns behind."""
    table, owner = SightingRecord, TrackletRecord
    columns: list[Any] = [
        *(table.id, Camera.name, owner.track, table.frame, table.time),
        *(table.left, table.top, table.right, table.bottom, table.mass),
        *(owner.first_time, owner.last_time, owner.identity, IdentityRecord.status),
    ]
    return (
        select(*columns, *more)
        .join_from(table, owner)
        .join(Camera, owner.camera_id == Camera.id)
        .outerjoin(IdentityRecord, owner.identity == IdentityRecord.number)
    )


def parts(ids: Sequence[int]) -> Iterator[list[int]]:
    """Numbers in lists short enough for one IN (…)."""
    for start in range(0, len(ids), KEYS_AT_ONCE):
        # numpy's integers are not the database's.
        yield [int(key) for key in ids[start : start + KEYS_AT_ONCE]]


def _sighting(
    key: int,
    camera: str,
    track: int,
    frame: int,
    time: float,
    left: float,
    top: float,
    right: float,
    bottom: float,
    mass: float,
    first: float,
    last: float,
    identity: int | None,
    status: str | None,
) -> Sighting:
    box = (left, top, right, bottom)
    return Sighting(key, camera, track, frame, time, box, mass, (first, last), identity, status)


def crops(connection: Connection, ids: Sequence[int], now: float) -> list[bytes | None]:
    """The pictures of sightings, in the order asked; None where none is stored or it has expired."""
    found: dict[int, bytes] = {}
    for some in parts(ids):
        query = (
            select(CropRecord.sighting_id, CropRecord.jpeg)
            .join(SightingRecord, SightingRecord.id == CropRecord.sighting_id)
            .where(CropRecord.sighting_id.in_(some), SightingRecord.expires > now)
        )
        found.update((key, jpeg) for key, jpeg in connection.execute(query))
    return [found.get(key) for key in ids]


def identities(connection: Connection, number: int | None) -> Iterator[IdentityRow]:
    """One identity or all of them, by number, with their tracklets in order of appearance."""
    table, member = IdentityRecord, TrackletRecord
    query = (
        select(table.number, table.status, Camera.name, member.track)
        .outerjoin_from(table, member, member.identity == table.number)
        .outerjoin(Camera, member.camera_id == Camera.id)
        .order_by(table.number, member.first_time, Camera.name, member.track)
    )
    if number is not None:
        query = query.where(table.number == number)
    members: dict[tuple[int, str], list[tuple[str, int]]] = {}
    for key, status, camera, track in connection.execute(query):
        group = members.setdefault((key, status), [])
        if camera is not None:
            group.append((camera, track))
    for (key, status), group in members.items():
        yield IdentityRow(key, status, tuple(group))


def boxes_at(connection: Connection, camera: str, frame: int) -> FloatArray:
    """Where people were followed in a frame: left, top, right, bottom in source pixels, `(n, 4)`.

    Raises:
        ValueError: If stored bytes are not what they should be.
    """
    table = TrackletRecord
    query = (
        select(table.frames, table.boxes)
        .join_from(table, Camera)
        .where(Camera.name == camera, table.first_frame <= frame, table.last_frame >= frame)
    )
    found = [np.zeros((0, 4), np.float32)]
    for frames, boxes in connection.execute(query):
        found.append(cast(FloatArray, unpack(boxes, "<f4", 4))[unpack(frames, "<i8") == frame])
    return np.concatenate(found)


def spans(connection: Connection) -> dict[tuple[str, int], tuple[float, float]]:
    """First and last time of each tracklet, seconds since the epoch, by camera and track number."""
    table = TrackletRecord
    query = select(Camera.name, table.track, table.first_time, table.last_time).join_from(table, Camera)
    return {(name, track): (first, last) for name, track, first, last in connection.execute(query)}


def audit_log(connection: Connection) -> list[AuditEntry]:
    """The audit log, oldest first."""
    table = AuditRecord
    query = select(table.time, table.who, table.action, table.details).order_by(table.id)
    return [AuditEntry(*row) for row in connection.execute(query)]
