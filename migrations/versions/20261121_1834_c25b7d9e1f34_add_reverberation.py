"""add reverberation.

Revision: c25b7d9e1f34
After: b14a6c8d0e23
Made: 2026-11-21 18:34:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "c25b7d9e1f34"
down_revision = "b14a6c8d0e23"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audio_renders", sa.Column("reverb", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("audio_renders", "reverb")
