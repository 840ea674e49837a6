"""add suggestions.

Revision: b14c6d7e8f30
After: a03f5e7a9b12
Made: 2026-11-21 18:25:00+00:00
"""

import sqlalchemy as sa
from alembic import op

from app.database import UtcDateTime

revision = "b14c6d7e8f30"
down_revision = "a03f5e7a9b12"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "suggestions",
        sa.Column("target", sa.String(length=20), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("before", sa.Float(precision=53), nullable=True),
        sa.Column("tried", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("items", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("inputs_hash", sa.String(length=64), nullable=False),
        sa.Column("engine_version", sa.String(length=20), nullable=False),
        sa.Column("seed", sa.String(length=20), nullable=False),
        sa.Column("snapshot", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("scene_id", sa.Uuid(), nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(finished_at IS NULL) = (items IS NULL)", name=op.f("ck_suggestions_finished_has_items")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_suggestions_job_id_jobs"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_suggestions_universe_id_universes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_suggestions_user_id_users"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suggestions")),
    )
    op.create_index("ix_suggestions_inputs", "suggestions", ["universe_id", "inputs_hash"], unique=False)
    op.create_index(op.f("ix_suggestions_job_id"), "suggestions", ["job_id"], unique=False)
    op.create_index(op.f("ix_suggestions_scene_id"), "suggestions", ["scene_id"], unique=False)
    op.create_index(op.f("ix_suggestions_user_id"), "suggestions", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_suggestions_user_id"), table_name="suggestions")
    op.drop_index(op.f("ix_suggestions_scene_id"), table_name="suggestions")
    op.drop_index(op.f("ix_suggestions_job_id"), table_name="suggestions")
    op.drop_index("ix_suggestions_inputs", table_name="suggestions")
    op.drop_table("suggestions")
