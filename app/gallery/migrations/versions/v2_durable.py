"""Schema 2: vectors and pictures in tables of their own, numbers never given twice, expiry of tracklets, follows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.gallery.column_types import NUMBER

revision = "2"
down_revision = "1"
branch_labels = None
depends_on = None

RETENTION = 30 * 86400.0
"""Seconds that galleries of schema 1 kept sightings for unless told otherwise."""

NUMBERED = {"sqlite_autoincrement": True}


def upgrade() -> None:
    """Moves vectors and pictures; tracklets expire with their sightings."""
    op.create_table(
        "seen",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("tracklet_id", NUMBER, sa.ForeignKey("tracklets.id"), nullable=False),
        sa.Column("frame", NUMBER, nullable=False),
        sa.Column("time", sa.Float(53), nullable=False),
        sa.Column("left", sa.Float(53), nullable=False),
        sa.Column("top", sa.Float(53), nullable=False),
        sa.Column("right", sa.Float(53), nullable=False),
        sa.Column("bottom", sa.Float(53), nullable=False),
        sa.Column("mass", sa.Float(53), nullable=False),
        sa.Column("expires", sa.Float(53), nullable=False),
        **NUMBERED,
    )
    columns = 'id, tracklet_id, frame, time, "left", top, "right", bottom, mass, expires'
    op.execute(f"INSERT INTO seen ({columns}) SELECT {columns} FROM sightings ORDER BY id")
    if op.get_bind().dialect.name == "postgresql":
        # SQLite goes on from the highest number by itself.
        op.execute("SELECT setval(pg_get_serial_sequence('seen', 'id'), max(id)) FROM seen HAVING count(*) > 0")
    _create_vectors("seen")
    op.execute(
        "INSERT INTO vectors (sighting_id, pooled, local, saliency) "
        "SELECT id, pooled, local, saliency FROM sightings ORDER BY id"
    )
    op.execute(
        "INSERT INTO crops (sighting_id, jpeg) SELECT id, crop FROM sightings WHERE crop IS NOT NULL ORDER BY id"
    )
    op.drop_table("sightings")
    # References to a table follow it when it is renamed.
    op.rename_table("seen", "sightings")
    op.create_index("ix_sightings_tracklet_id", "sightings", ["tracklet_id"])
    op.create_index("sightings_expires", "sightings", ["expires"])
    op.create_index("sightings_time", "sightings", ["time"])
    _let_tracklets_expire()
    _create_follows()
    op.execute("INSERT INTO meta (key, value) VALUES ('revision', '1')")


def _create_vectors(owner: str) -> None:
    op.create_table(
        "vectors",
        sa.Column("sighting_id", NUMBER, sa.ForeignKey(f"{owner}.id"), primary_key=True, autoincrement=False),
        sa.Column("pooled", sa.LargeBinary, nullable=False),
        sa.Column("local", sa.LargeBinary, nullable=False),
        sa.Column("saliency", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "crops",
        sa.Column("sighting_id", NUMBER, sa.ForeignKey(f"{owner}.id"), primary_key=True, autoincrement=False),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
    )


def _let_tracklets_expire() -> None:
    op.add_column("tracklets", sa.Column("stored", sa.Float(53), nullable=False, server_default="0"))
    op.add_column("tracklets", sa.Column("expires", sa.Float(53), nullable=False, server_default="0"))
    op.create_index("tracklets_expires", "tracklets", ["expires"])
    # A tracklet without a sighting goes with the last sighting of its gallery.
    last = "(SELECT coalesce(max(expires), 0) FROM sightings)"
    own = "(SELECT max(expires) FROM sightings WHERE tracklet_id = tracklets.id)"
    op.execute(f"UPDATE tracklets SET expires = coalesce({own}, {last})")
    op.execute(f"UPDATE tracklets SET stored = expires - {RETENTION}")


def _create_follows() -> None:
    op.create_table(
        "follows",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("stored", sa.Float(53), nullable=False),
        sa.Column("expires", sa.Float(53), nullable=False),
        sa.Column("origin", sa.JSON, nullable=False),
        sa.Column("cameras", sa.JSON),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("calibration", sa.JSON, nullable=False),
        sa.Column("prior", sa.Float(53), nullable=False),
        sa.Column("bar", sa.Float(53), nullable=False),
        sa.Column("pooled", sa.LargeBinary, nullable=False),
        sa.Column("local", sa.LargeBinary, nullable=False),
        sa.Column("saliency", sa.LargeBinary, nullable=False),
        sa.Column("mass", sa.LargeBinary, nullable=False),
        **NUMBERED,
    )
    op.create_table(
        "reappearances",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("follow_id", NUMBER, sa.ForeignKey("follows.id"), nullable=False),
        sa.Column("tracklet_id", NUMBER, sa.ForeignKey("tracklets.id"), nullable=False),
        sa.Column("sighting_id", NUMBER, nullable=False),
        sa.Column("raised", sa.Float(53), nullable=False),
        sa.Column("distance", sa.Float(53), nullable=False),
        sa.Column("probability", sa.Float(53), nullable=False),
        **NUMBERED,
    )
    op.create_index("ix_reappearances_follow_id", "reappearances", ["follow_id"])
    op.create_index("ix_reappearances_tracklet_id", "reappearances", ["tracklet_id"])
