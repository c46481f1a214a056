"""Schema 3: the operator's corrections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.gallery.column_types import NUMBER

revision = "3"
down_revision = "2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes their tables."""
    op.create_table(
        "corrections",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("time", sa.Float(53), nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("undone", sa.Float(53)),
        sa.Column("undone_by", sa.String),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "corrected",
        sa.Column("correction_id", NUMBER, sa.ForeignKey("corrections.id"), primary_key=True, autoincrement=False),
        sa.Column("tracklet_id", NUMBER, sa.ForeignKey("tracklets.id"), primary_key=True, autoincrement=False),
        sa.Column("side", NUMBER, nullable=False),
        sa.Column("before", NUMBER),
        sa.Column("after", NUMBER),
    )
    op.create_index("ix_corrected_tracklet_id", "corrected", ["tracklet_id"])
