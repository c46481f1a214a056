"""The gallery's tables."""

from __future__ import annotations

from sqlalchemy import JSON, Float, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = 1
"""Version of the tables below; a gallery of another version is refused."""


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {float: Float(53)}


class Meta(Base):
    """Facts about the gallery itself: schema version, model, dimensions of its vectors."""

    __tablename__ = "meta"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String)


class Camera(Base):
    """A camera, or a file standing for one."""

    __tablename__ = "cameras"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    source: Mapped[str] = mapped_column(String)
    start: Mapped[float]
    width: Mapped[int]
    height: Mapped[int]
    rate: Mapped[float]
    frame_count: Mapped[int]


class IdentityRecord(Base):
    """A person over all cameras."""

    __tablename__ = "identities"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(16))


class TrackletRecord(Base):
    """One person in one camera; the arrays are packed as `app.gallery.packing` says."""

    __tablename__ = "tracklets"
    __table_args__ = (UniqueConstraint("camera_id", "track"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
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


class SightingRecord(Base):
    """One exemplar of a tracklet. The box is in source pixels, `expires` in seconds since the epoch."""

    __tablename__ = "sightings"
    __table_args__ = (Index("sightings_time", "time"), Index("sightings_expires", "expires"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    tracklet_id: Mapped[int] = mapped_column(ForeignKey("tracklets.id"), index=True)
    frame: Mapped[int]
    time: Mapped[float]
    left: Mapped[float]
    top: Mapped[float]
    right: Mapped[float]
    bottom: Mapped[float]
    mass: Mapped[float]
    pooled: Mapped[bytes] = mapped_column(LargeBinary)
    local: Mapped[bytes] = mapped_column(LargeBinary)
    saliency: Mapped[bytes] = mapped_column(LargeBinary)
    crop: Mapped[bytes | None] = mapped_column(LargeBinary)
    expires: Mapped[float]


class AuditRecord(Base):
    """Who did what, and when: every search is here. `details` is whatever the action needs to be understood."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    time: Mapped[float]
    who: Mapped[str] = mapped_column(String)
    action: Mapped[str] = mapped_column(String(64))
    details: Mapped[dict[str, object]] = mapped_column(JSON)
