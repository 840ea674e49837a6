"""add materials.

Revision: b15d7f9e1a34
After: e47d9f1a3b56
Made: 2026-11-21 18:50:00+00:00
"""

import sqlalchemy as sa
from alembic import op

from app.database import UtcDateTime

revision = "b15d7f9e1a34"
down_revision = "e47d9f1a3b56"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audio_materials",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("license", sa.String(length=200), nullable=False),
        sa.Column("format", sa.String(length=10), nullable=False),
        sa.Column("bit_depth", sa.String(length=5), nullable=False),
        sa.Column("sample_rate", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("duration_s", sa.Float(precision=53), nullable=False),
        sa.Column("file_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("peak_dbtp", sa.Float(precision=53), nullable=True),
        sa.Column("lufs", sa.Float(precision=53), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("channels >= 1 AND channels <= 2", name=op.f("ck_audio_materials_channels_range")),
        sa.CheckConstraint("sample_rate >= 8000 AND sample_rate <= 192000", name=op.f("ck_audio_materials_sample_rate_range")),
        sa.CheckConstraint("frames > 0 AND file_bytes > 0", name=op.f("ck_audio_materials_something")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audio_materials_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audio_materials")),
    )
    op.create_index("ix_audio_materials_user_id", "audio_materials", ["user_id", "created_at", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_audio_materials_user_id", table_name="audio_materials")
    op.drop_table("audio_materials")
