"""add a loudness target.

Revision: b14a6c8d0e23
After: b14c6e8d0a23
Made: 2026-11-21 18:32:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "b14a6c8d0e23"
down_revision = "b14c6e8d0a23"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("audio_renders") as table:
        table.add_column(sa.Column("loudness_lufs", sa.Float(precision=53), nullable=True))
        table.create_check_constraint(op.f("ck_audio_renders_loudness_lufs_range"), "loudness_lufs >= -40 AND loudness_lufs <= -5")


def downgrade() -> None:
    with op.batch_alter_table("audio_renders") as table:
        table.drop_constraint(op.f("ck_audio_renders_loudness_lufs_range"), type_="check")
        table.drop_column("loudness_lufs")
