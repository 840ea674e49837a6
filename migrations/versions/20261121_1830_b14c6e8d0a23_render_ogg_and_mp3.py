"""render ogg and mp3.

Revision: b14c6e8d0a23
After: b14c6d7e8f30
Made: 2026-11-21 18:30:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "b14c6e8d0a23"
down_revision = "b14c6d7e8f30"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audio_renders", sa.Column("quality", sa.Float(precision=53), nullable=True))


def downgrade() -> None:
    op.drop_column("audio_renders", "quality")
