"""keep snapshots and versions.

Revision: 8a1d3c5e7f90
After: 5c1f0e7a9b24
Made: 2026-11-21 05:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

from app.database import UtcDateTime

revision = "8a1d3c5e7f90"
down_revision = "5c1f0e7a9b24"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tombstones", sa.Column("born_at", UtcDateTime(), nullable=True))
    op.create_table(
        "universe_snapshots",
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["universe_id"], ["universes.id"], name=op.f("fk_universe_snapshots_universe_id_universes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("universe_id", "revision", name=op.f("pk_universe_snapshots")),
    )
    op.create_table(
        "universe_versions",
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["universe_id"], ["universes.id"], name=op.f("fk_universe_versions_universe_id_universes"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_universe_versions_user_id_users"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_universe_versions")),
        sa.UniqueConstraint("universe_id", "name", name=op.f("uq_universe_versions_universe_id_name")),
    )
    op.create_index(op.f("ix_universe_versions_user_id"), "universe_versions", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_universe_versions_user_id"), table_name="universe_versions")
    op.drop_table("universe_versions")
    op.drop_table("universe_snapshots")
    op.drop_column("tombstones", "born_at")
