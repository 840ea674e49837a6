"""license renders.

Revision: f58e0a2b4c67
After: b15d7f9e1a34
Made: 2026-11-21 19:55:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "f58e0a2b4c67"
down_revision = "b15d7f9e1a34"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audio_renders", sa.Column("license", sa.String(length=200), nullable=True))


def downgrade() -> None:
    op.drop_column("audio_renders", "license")
