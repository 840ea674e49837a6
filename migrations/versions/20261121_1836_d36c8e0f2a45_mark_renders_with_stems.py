"""mark renders with stems.

Revision: d36c8e0f2a45
After: c25b7d9e1f34
Made: 2026-11-21 18:36:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "d36c8e0f2a45"
down_revision = "c25b7d9e1f34"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audio_renders", sa.Column("stems", sa.Boolean(), nullable=True))
    op.execute(sa.text("UPDATE audio_renders SET stems = false"))
    with op.batch_alter_table("audio_renders") as table:
        table.alter_column("stems", existing_type=sa.Boolean(), nullable=False)


def downgrade() -> None:
    op.drop_column("audio_renders", "stems")
