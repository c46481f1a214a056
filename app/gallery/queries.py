"""What is asked of the store: each function one question, on an open connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, select

from app.gallery.packing import Dimensions, unpack, unpack_features
from app.gallery.rows import AuditEntry, CameraRow, IdentityRow, Sighting, TrackletRow
from app.gallery.schema import AuditRecord, Camera, IdentityRecord, Meta, SightingRecord, TrackletRecord
from reid_model.features import Features

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
    """

    now: float
    cameras: Sequence[str] | None = None
    start: float | None = None
    end: float | None = None
    track: int | None = None
    identity: int | None = None


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


def tracklets(connection: Connection, camera: str | None, track: int | None) -> Iterator[TrackletRow]:
    """Tracklets of one camera or of all, by camera and track number.

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


def sightings(connection: Connection, chosen: Filter) -> tuple[list[Sighting], Features | None]:
    """The wanted sightings and their features.

    Raises:
        ValueError: If stored bytes are not what they should be.
    """
    table, owner = SightingRecord, TrackletRecord
    query = (
        select(
            *(table.id, Camera.name, owner.track, table.frame, table.time),
            *(table.left, table.top, table.right, table.bottom, table.mass),
            *(owner.first_time, owner.last_time, owner.identity, IdentityRecord.status),
            *(table.pooled, table.local, table.saliency),
        )
        .join_from(table, owner)
        .join(Camera, owner.camera_id == Camera.id)
        .outerjoin(IdentityRecord, owner.identity == IdentityRecord.number)
        .where(table.expires > chosen.now)
        .order_by(table.id)
    )
    if chosen.cameras is not None:
        query = query.where(Camera.name.in_(chosen.cameras))
    if chosen.start is not None:
        query = query.where(table.time >= chosen.start)
    if chosen.end is not None:
        query = query.where(table.time <= chosen.end)
    if chosen.track is not None:
        query = query.where(owner.track == chosen.track)
    if chosen.identity is not None:
        query = query.where(owner.identity == chosen.identity)
    rows: list[Sighting] = []
    vectors: tuple[list[bytes], list[bytes], list[bytes]] = ([], [], [])
    for row in connection.execute(query):
        rows.append(_sighting(*cast(tuple[Any, ...], row[:-3])))
        for kept, value in zip(vectors, row[-3:], strict=True):
            kept.append(cast(bytes, value))
    size = dimensions(connection)
    if not rows or size is None:
        return [], None
    return rows, unpack_features(*vectors, [row.mass for row in rows], size)


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
    found: dict[int, bytes | None] = {}
    for start in range(0, len(ids), KEYS_AT_ONCE):
        query = select(SightingRecord.id, SightingRecord.crop).where(
            SightingRecord.id.in_(ids[start : start + KEYS_AT_ONCE]), SightingRecord.expires > now
        )
        found.update((key, crop) for key, crop in connection.execute(query))
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


def audit_log(connection: Connection) -> list[AuditEntry]:
    """The audit log, oldest first."""
    table = AuditRecord
    query = select(table.time, table.who, table.action, table.details).order_by(table.id)
    return [AuditEntry(*row) for row in connection.execute(query)]
