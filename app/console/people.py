"""People as their pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from app.gallery import Gallery, Sighting
from app.gallery.corrections import CorrectionRow, history
from app.gallery.queries import Filter, rows_of, sighting_ids
from app.gallery.schema import Camera, IdentityRecord, TrackletRecord

Key = tuple[str, int]
"""Camera and track number."""


@dataclass(frozen=True)
class PersonSummary:
    """Somebody in a list.

    Attributes:
        identity: Their number.
        status: `linked` or `unknown`.
        tracklets: How many they have.
        cameras: Names of the cameras, by name.
        first: When they were first seen, seconds since the epoch.
        last: And last.
    """

    identity: int
    status: str
    tracklets: int
    cameras: list[str]
    first: float
    last: float


@dataclass(frozen=True)
class TrackletSummary:
    """A tracklet on somebody's page; its sightings in order of time."""

    camera: str
    track: int
    first: float
    last: float
    frame: int
    sightings: list[Sighting]


def page_of_people(gallery: Gallery, offset: int, limit: int) -> tuple[int, list[PersonSummary]]:
    """How many people there are, and some of them by number."""
    table, member = IdentityRecord, TrackletRecord
    numbers = select(table.number).order_by(table.number).offset(offset).limit(limit)
    query = (
        select(table.number, table.status, Camera.name, func.count(), func.min(member.first_time))
        .add_columns(func.max(member.last_time))
        .join_from(table, member, member.identity == table.number)
        .join(Camera, member.camera_id == Camera.id)
        .where(table.number.in_(numbers))
        .group_by(table.number, Camera.name)
        .order_by(table.number, Camera.name)
    )
    found: dict[int, PersonSummary] = {}
    with gallery.reading() as connection:
        total = connection.scalar(select(func.count()).select_from(table)) or 0
        for number, status, camera, count, first, last in connection.execute(query):
            known = found.get(number, PersonSummary(number, status, 0, [], first, last))
            found[number] = PersonSummary(
                number,
                status,
                known.tracklets + count,
                [*known.cameras, camera],
                min(known.first, first),
                max(known.last, last),
            )
    return total, list(found.values())


def tracklets_of(gallery: Gallery, number: int) -> list[TrackletSummary]:
    """Somebody's tracklets in order of appearance."""
    table = TrackletRecord
    query = (
        select(Camera.name, table.track, table.first_time, table.last_time, table.first_frame)
        .join_from(table, Camera)
        .where(table.identity == number)
        .order_by(table.first_time, Camera.name, table.track)
    )
    now = gallery.now()
    with gallery.reading() as connection:
        ids = sighting_ids(connection, Filter(now, identity=number)).tolist()
        rows = [row for row in rows_of(connection, ids, now) if row is not None]
        kept: dict[Key, list[Sighting]] = {}
        for row in sorted(rows, key=lambda row: row.time):
            kept.setdefault((row.camera, row.track), []).append(row)
        return [
            TrackletSummary(camera, track, first, last, frame, kept.get((camera, track), []))
            for camera, track, first, last, frame in connection.execute(query)
        ]


def correction_rows(gallery: Gallery, about: set[Key] | None) -> Sequence[CorrectionRow]:
    """Corrections that are about any of these tracklets, or all; the latest first."""
    with gallery.reading() as connection:
        rows = history(connection)
    return [row for row in reversed(rows) if about is None or about & {*row.first, *row.second}]
