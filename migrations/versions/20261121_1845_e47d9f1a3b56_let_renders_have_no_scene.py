"""let renders have no scene: one of all scenes of a universe.

Revision: e47d9f1a3b56
After: c25d7f9e1b34
Made: 2026-11-21 18:45:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "e47d9f1a3b56"
down_revision = "c25d7f9e1b34"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("audio_renders") as table:
        table.alter_column("scene_id", existing_type=sa.Uuid(), nullable=True)


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM audio_renders WHERE scene_id IS NULL"))
    with op.batch_alter_table("audio_renders") as table:
        table.alter_column("scene_id", existing_type=sa.Uuid(), nullable=False)
