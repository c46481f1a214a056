"""Schema 1: cameras, tracklets, sightings with vectors and picture in the row, identities, the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.gallery.column_types import NAME, NUMBER

revision = "1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "meta",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )
    op.create_table(
        "cameras",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("name", NAME, nullable=False, unique=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("start", sa.Float(53), nullable=False),
        sa.Column("width", NUMBER, nullable=False),
        sa.Column("height", NUMBER, nullable=False),
        sa.Column("rate", sa.Float(53), nullable=False),
        sa.Column("frame_count", NUMBER, nullable=False),
    )
    op.create_table(
        "identities",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(16), nullable=False),
    )
    op.create_table(
        "tracklets",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("camera_id", NUMBER, sa.ForeignKey("cameras.id"), nullable=False),
        sa.Column("track", NUMBER, nullable=False),
        sa.Column("first_frame", NUMBER, nullable=False),
        sa.Column("last_frame", NUMBER, nullable=False),
        sa.Column("first_time", sa.Float(53), nullable=False),
        sa.Column("last_time", sa.Float(53), nullable=False),
        sa.Column("frames", sa.LargeBinary, nullable=False),
        sa.Column("times", sa.LargeBinary, nullable=False),
        sa.Column("boxes", sa.LargeBinary, nullable=False),
        sa.Column("scores", sa.LargeBinary, nullable=False),
        sa.Column("identity", NUMBER, sa.ForeignKey("identities.number")),
        sa.UniqueConstraint("camera_id", "track"),
    )
    op.create_index("ix_tracklets_identity", "tracklets", ["identity"])
    op.create_table(
        "sightings",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("tracklet_id", NUMBER, sa.ForeignKey("tracklets.id"), nullable=False),
        sa.Column("frame", NUMBER, nullable=False),
        sa.Column("time", sa.Float(53), nullable=False),
        sa.Column("left", sa.Float(53), nullable=False),
        sa.Column("top", sa.Float(53), nullable=False),
        sa.Column("right", sa.Float(53), nullable=False),
        sa.Column("bottom", sa.Float(53), nullable=False),
        sa.Column("mass", sa.Float(53), nullable=False),
        sa.Column("pooled", sa.LargeBinary, nullable=False),
        sa.Column("local", sa.LargeBinary, nullable=False),
        sa.Column("saliency", sa.LargeBinary, nullable=False),
        sa.Column("crop", sa.LargeBinary),
        sa.Column("expires", sa.Float(53), nullable=False),
    )
    op.create_index("ix_sightings_tracklet_id", "sightings", ["tracklet_id"])
    op.create_index("sightings_expires", "sightings", ["expires"])
    op.create_index("sightings_time", "sightings", ["time"])
    op.create_table(
        "audit",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("time", sa.Float(53), nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
    )
