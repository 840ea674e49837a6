"""add rooms and chat.

Revision: a03f5e7a9b12
After: 9b2e4d6f8a01
Made: 2026-11-21 05:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

from app.database import UtcDateTime

revision = "a03f5e7a9b12"
down_revision = "9b2e4d6f8a01"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("chat_seq", sa.BigInteger(), nullable=False),
        sa.Column("transport_seq", sa.BigInteger(), nullable=False),
        sa.Column("playing", sa.Boolean(), nullable=False),
        sa.Column("position_s", sa.Float(precision=53), nullable=False),
        sa.Column("rate", sa.Float(precision=53), nullable=False),
        sa.Column("loop", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("scene_id", sa.Uuid(), nullable=True),
        sa.Column("anchor_ms", sa.BigInteger(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("chat_seq >= 0", name=op.f("ck_rooms_chat_seq_range")),
        sa.CheckConstraint("transport_seq >= 0", name=op.f("ck_rooms_transport_seq_range")),
        sa.CheckConstraint("position_s >= 0", name=op.f("ck_rooms_position_s_range")),
        sa.CheckConstraint("rate > 0", name=op.f("ck_rooms_rate_range")),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_rooms_universe_id_universes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_rooms_by_id_users"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("universe_id", name=op.f("pk_rooms")),
    )
    op.create_index(op.f("ix_rooms_by_id"), "rooms", ["by_id"], unique=False)
    op.create_table(
        "chat_messages",
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("op_id", sa.Uuid(), nullable=False),
        sa.Column("guest", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_chat_messages_universe_id_universes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_chat_messages_user_id_users"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("universe_id", "seq", name=op.f("pk_chat_messages")),
        sa.UniqueConstraint("id", name=op.f("uq_chat_messages_id")),
        sa.UniqueConstraint("universe_id", "user_id", "op_id", name=op.f("uq_chat_messages_universe_id_user_id_op_id")),
    )
    op.create_index(op.f("ix_chat_messages_user_id"), "chat_messages", ["user_id"], unique=False)
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"], unique=False)
    op.create_table(
        "live_streams",
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("scene_id", sa.Uuid(), nullable=False),
        sa.Column("stream_id", sa.Uuid(), nullable=False),
        sa.Column("rate_hz", sa.Integer(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_by_id", sa.Uuid(), nullable=True),
        sa.Column("lease_owner", sa.String(length=40), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("snapshot", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("beginning", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("shown", sa.JSON(none_as_null=True), nullable=False),
        sa.CheckConstraint("rate_hz >= 1 AND rate_hz <= 60", name=op.f("ck_live_streams_rate_hz_range")),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_live_streams_universe_id_universes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["scene_id"], ["scenes.id"], name=op.f("fk_live_streams_scene_id_scenes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["started_by_id"], ["users.id"], name=op.f("fk_live_streams_started_by_id_users"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("universe_id", name=op.f("pk_live_streams")),
        sa.UniqueConstraint("stream_id", name=op.f("uq_live_streams_stream_id")),
    )
    op.create_index(op.f("ix_live_streams_scene_id"), "live_streams", ["scene_id"], unique=False)
    op.create_index(op.f("ix_live_streams_started_by_id"), "live_streams", ["started_by_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_live_streams_started_by_id"), table_name="live_streams")
    op.drop_index(op.f("ix_live_streams_scene_id"), table_name="live_streams")
    op.drop_table("live_streams")
    op.drop_index("ix_jobs_finished_at", table_name="jobs")
    op.drop_index(op.f("ix_chat_messages_user_id"), table_name="chat_messages")
    op.drop_table("chat_messages")
    op.drop_index(op.f("ix_rooms_by_id"), table_name="rooms")
    op.drop_table("rooms")
