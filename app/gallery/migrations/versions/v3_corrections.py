"""Schema 3: the operator's corrections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes their tables."""
    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("time", sa.Float(53), nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("undone", sa.Float(53)),
        sa.Column("undone_by", sa.String),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "corrected",
        sa.Column("correction_id", sa.Integer, sa.ForeignKey("corrections.id"), primary_key=True, autoincrement=False),
        sa.Column("tracklet_id", sa.Integer, sa.ForeignKey("tracklets.id"), primary_key=True, autoincrement=False),
        sa.Column("side", sa.Integer, nullable=False),
        sa.Column("before", sa.Integer),
        sa.Column("after", sa.Integer),
    )
    op.create_index("ix_corrected_tracklet_id", "corrected", ["tracklet_id"])
