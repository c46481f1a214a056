"""The gallery's tables.

What a search filters by is in small rows of its own; vectors and pictures, a hundred times as large, are in tables that
are only read for the rows that are wanted.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import (
    JSON,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.gallery.column_types import NAME, NUMBER

SCHEMA = 4
"""Version of the tables below, and the name of the last migration: see `app.gallery.migrations`."""


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {float: Float(53), int: NUMBER}


class Meta(Base):
    """Facts about the gallery itself: schema, model, dimensions of its vectors, revision, unfinished erasures."""

    __tablename__ = "meta"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String)


class Camera(Base):
    """A camera, or a file standing for one."""

    __tablename__ = "cameras"

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, unique=True)
    source: Mapped[str] = mapped_column(String)
    start: Mapped[float]
    width: Mapped[int]
    height: Mapped[int]
    rate: Mapped[float]
    frame_count: Mapped[int]


class IdentityRecord(Base):
    """A person over all cameras."""

    __tablename__ = "identities"

    number: Mapped[int] = mapped_column(NUMBER, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(16))


class TrackletRecord(Base):
    """One person in one camera; the arrays are packed as `app.gallery.packing` says.

    `stored` and `expires` are in seconds since the epoch.
    """

    __tablename__ = "tracklets"
    __table_args__ = (UniqueConstraint("camera_id", "track"), Index("tracklets_expires", "expires"))

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"))
    track: Mapped[int]
    first_frame: Mapped[int]
    last_frame: Mapped[int]
    first_time: Mapped[float]
    last_time: Mapped[float]
    frames: Mapped[bytes] = mapped_column(LargeBinary)
    times: Mapped[bytes] = mapped_column(LargeBinary)
    boxes: Mapped[bytes] = mapped_column(LargeBinary)
    scores: Mapped[bytes] = mapped_column(LargeBinary)
    identity: Mapped[int | None] = mapped_column(ForeignKey("identities.number"), index=True)
    stored: Mapped[float] = mapped_column(server_default="0")
    expires: Mapped[float] = mapped_column(server_default="0")


class SightingRecord(Base):
    """One exemplar of a tracklet. The box is in source pixels, `expires` in seconds since the epoch.

    A number is never given twice, not even after its sighting was erased: what was derived from a sighting may
    outlive it, and must not come to name another.
    """

    __tablename__ = "sightings"
    __table_args__ = (
        Index("sightings_time", "time"),
        Index("sightings_expires", "expires"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    tracklet_id: Mapped[int] = mapped_column(ForeignKey("tracklets.id"), index=True)
    frame: Mapped[int]
    time: Mapped[float]
    left: Mapped[float]
    top: Mapped[float]
    right: Mapped[float]
    bottom: Mapped[float]
    mass: Mapped[float]
    expires: Mapped[float]


class VectorRecord(Base):
    """What a sighting looks like: its features, packed."""

    __tablename__ = "vectors"

    sighting_id: Mapped[int] = mapped_column(ForeignKey("sightings.id"), primary_key=True, autoincrement=False)
    pooled: Mapped[bytes] = mapped_column(LargeBinary)
    local: Mapped[bytes] = mapped_column(LargeBinary)
    saliency: Mapped[bytes] = mapped_column(LargeBinary)


class CropRecord(Base):
    """The picture of a sighting, JPEG; it expires with it."""

    __tablename__ = "crops"

    sighting_id: Mapped[int] = mapped_column(ForeignKey("sightings.id"), primary_key=True, autoincrement=False)
    jpeg: Mapped[bytes] = mapped_column(LargeBinary)


class FollowRecord(Base):
    """A stored search: whoever looks like its query raises an event when they are seen again.

    `origin`, `cameras` and `calibration` are what `app.gallery.follows` makes of them; the vectors are those of n
    query crops, packed one behind the other. `stored` and `expires` are in seconds since the epoch.
    """

    __tablename__ = "follows"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    name: Mapped[str] = mapped_column(String)
    who: Mapped[str] = mapped_column(String)
    stored: Mapped[float]
    expires: Mapped[float]
    origin: Mapped[dict[str, object]] = mapped_column(JSON)
    cameras: Mapped[list[str] | None] = mapped_column(JSON)
    method: Mapped[str] = mapped_column(String(16))
    calibration: Mapped[dict[str, object]] = mapped_column(JSON)
    prior: Mapped[float]
    bar: Mapped[float]
    pooled: Mapped[bytes] = mapped_column(LargeBinary)
    local: Mapped[bytes] = mapped_column(LargeBinary)
    saliency: Mapped[bytes] = mapped_column(LargeBinary)
    mass: Mapped[bytes] = mapped_column(LargeBinary)


class ReappearanceRecord(Base):
    """A tracklet that a follow took for its person, by its best sighting. `raised` is in seconds since the epoch."""

    __tablename__ = "reappearances"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    follow_id: Mapped[int] = mapped_column(ForeignKey("follows.id"), index=True)
    tracklet_id: Mapped[int] = mapped_column(ForeignKey("tracklets.id"), index=True)
    sighting_id: Mapped[int]
    raised: Mapped[float]
    distance: Mapped[float]
    probability: Mapped[float]


class CorrectionRecord(Base):
    """What the operator said about who is who; `kind` is what `app.association.corrections` makes of it.

    `time` and `undone` are in seconds since the epoch; what was undone stays, as history.
    """

    __tablename__ = "corrections"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    time: Mapped[float]
    who: Mapped[str] = mapped_column(String)
    kind: Mapped[str] = mapped_column(String(16))
    undone: Mapped[float | None]
    undone_by: Mapped[str | None] = mapped_column(String)


class CorrectedRecord(Base):
    """A tracklet that a correction is about: on which side, 1 or 2, and its identity before and after."""

    __tablename__ = "corrected"

    correction_id: Mapped[int] = mapped_column(ForeignKey("corrections.id"), primary_key=True, autoincrement=False)
    tracklet_id: Mapped[int] = mapped_column(
        ForeignKey("tracklets.id"), primary_key=True, autoincrement=False, index=True
    )
    side: Mapped[int]
    before: Mapped[int | None]
    after: Mapped[int | None]


class AuditRecord(Base):
    """Who did what, and when: every search is here. `details` is whatever the action needs to be understood."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    time: Mapped[float]
    who: Mapped[str] = mapped_column(String)
    action: Mapped[str] = mapped_column(String(64))
    details: Mapped[dict[str, object]] = mapped_column(JSON)


class UserRecord(Base):
    """Somebody who may use the console; `password` is an argon2 hash.

    `created`, `disabled` and `locked_until` are in seconds since the epoch, 0 for never locked.
    """

    __tablename__ = "users"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    password: Mapped[str] = mapped_column(String)
    must_change: Mapped[bool]
    created: Mapped[float]
    disabled: Mapped[float | None]
    failures: Mapped[int]
    locked_until: Mapped[float]


class SessionRecord(Base):
    """Somebody logged in, by the SHA-256 of what their browser holds. Times are in seconds since the epoch."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    started: Mapped[float]
    seen: Mapped[float]


class TokenRecord(Base):
    """A key for a program that uses the console, by its SHA-256. Times are in seconds since the epoch."""

    __tablename__ = "tokens"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created: Mapped[float]
    expires: Mapped[float]


def table_of(record: type[Base]) -> Table:
    """The table that a class stands for."""
    return cast(Table, record.__table__)
