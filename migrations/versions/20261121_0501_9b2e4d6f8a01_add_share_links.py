"""add share links.

Revision: 9b2e4d6f8a01
After: 8a1d3c5e7f90
Made: 2026-11-21 05:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

from app.database import UtcDateTime

revision = "9b2e4d6f8a01"
down_revision = "8a1d3c5e7f90"
branch_labels = None
depends_on = None

# As the first migration made it: SQLite copies the table, and cannot tell its conditions.
_MEMBERSHIPS = sa.Table(
    "memberships",
    sa.MetaData(),
    sa.Column("universe_id", sa.Uuid(), nullable=False),
    sa.Column("user_id", sa.Uuid(), nullable=False),
    sa.Column("role", sa.String(length=10), nullable=False),
    sa.Column("revision", sa.BigInteger(), nullable=False),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.CheckConstraint("role IN ('owner', 'editor', 'viewer')", name="ck_memberships_role_known"),
    sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name="fk_memberships_universe_id_universes", ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_memberships_user_id_users", ondelete="RESTRICT"),
    sa.PrimaryKeyConstraint("universe_id", "user_id", name="pk_memberships"),
    sa.Index("ix_memberships_user_id", "user_id", "universe_id"),
    sa.Index("uq_memberships_one_owner", "universe_id", unique=True, sqlite_where=sa.text("role = 'owner'")),
)
_LINK = "fk_memberships_link_id_share_links"


def upgrade() -> None:
    op.create_table(
        "share_links",
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("max_uses >= 1", name=op.f("ck_share_links_max_uses_range")),
        sa.CheckConstraint("role IN ('viewer', 'editor')", name=op.f("ck_share_links_role_known")),
        sa.CheckConstraint("uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)", name=op.f("ck_share_links_uses_range")),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_share_links_universe_id_universes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_share_links_token_hash")),
    )
    op.create_index("ix_share_links_universe_id", "share_links", ["universe_id", "created_at", "id"], unique=False)
    with op.batch_alter_table("memberships", copy_from=_MEMBERSHIPS) as batch:
        batch.add_column(sa.Column("link_id", sa.Uuid(), nullable=True))
        batch.create_foreign_key(op.f(_LINK), "share_links", ["link_id"], ["id"])
        batch.create_index("ix_memberships_link_id", ["link_id"], unique=False)


def downgrade() -> None:
    linked = _MEMBERSHIPS.to_metadata(sa.MetaData())
    linked.append_column(sa.Column("link_id", sa.Uuid(), sa.ForeignKey("share_links.id", name=op.f(_LINK)), nullable=True))
    sa.Index("ix_memberships_link_id", linked.c.link_id)
    with op.batch_alter_table("memberships", copy_from=linked) as batch:
        batch.drop_index("ix_memberships_link_id")
        batch.drop_constraint(op.f(_LINK), type_="foreignkey")
        batch.drop_column("link_id")
    op.drop_index("ix_share_links_universe_id", table_name="share_links")
    op.drop_table("share_links")
