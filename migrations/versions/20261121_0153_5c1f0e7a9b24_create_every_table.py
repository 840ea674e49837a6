"""create every table.

Revision: 5c1f0e7a9b24
After:
Made: 2026-11-21 01:53:46.438620+00:00
"""

import sqlalchemy as sa
from alembic import op

from app.database import UtcDateTime

revision = "5c1f0e7a9b24"
down_revision = None
branch_labels = None
depends_on = None

SQLITE_TRIGGERS = (
    """CREATE TRIGGER universe_changes_no_update BEFORE UPDATE ON universe_changes
BEGIN SELECT RAISE(ABORT, 'universe_changes is append-only'); END""",
    """CREATE TRIGGER universe_changes_no_delete BEFORE DELETE ON universe_changes
BEGIN SELECT RAISE(ABORT, 'universe_changes is append-only'); END""",
    """CREATE TRIGGER universe_changes_no_replace BEFORE INSERT ON universe_changes
WHEN EXISTS (SELECT 1 FROM universe_changes WHERE universe_id = NEW.universe_id AND revision = NEW.revision)
BEGIN SELECT RAISE(ABORT, 'universe_changes is append-only'); END""",
)
POSTGRESQL_TRIGGERS = (
    """CREATE FUNCTION universe_changes_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('hu.compacting', true) = 'on' THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'universe_changes is append-only';
END $$""",
    """CREATE TRIGGER universe_changes_append_only BEFORE UPDATE OR DELETE ON universe_changes
FOR EACH ROW EXECUTE FUNCTION universe_changes_append_only()""",
    """CREATE TRIGGER universe_changes_no_truncate BEFORE TRUNCATE ON universe_changes
FOR EACH STATEMENT EXECUTE FUNCTION universe_changes_append_only()""",
)


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("target", sa.String(length=120), nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index(op.f("ix_audit_events_actor_id"), "audit_events", ["actor_id"], unique=False)
    op.create_index("ix_audit_events_at", "audit_events", ["at", "id"], unique=False)
    op.create_index(op.f("ix_audit_events_target"), "audit_events", ["target"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.String(length=60), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("op_id", sa.Uuid(), nullable=False),
        sa.Column("op_hash", sa.String(length=64), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "owner", "op_id", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_expires_at"), "idempotency_keys", ["expires_at"], unique=False)
    op.create_table(
        "universes",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("visibility", sa.String(length=10), nullable=False),
        sa.Column("forkable", sa.Boolean(), nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("theme", sa.String(length=100), nullable=False),
        sa.Column("genre", sa.String(length=100), nullable=False),
        sa.Column("unit_system", sa.String(length=5), nullable=False),
        sa.Column("seed", sa.String(length=20), nullable=False),
        sa.Column("harmony", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("entity_revision", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Uuid(), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=False),
        sa.Column("content_bytes", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("unit_system IN ('si', 'astro')", name=op.f("ck_universes_unit_system_known")),
        sa.CheckConstraint("visibility IN ('private', 'unlisted', 'public')", name=op.f("ck_universes_visibility_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_universes")),
    )
    op.create_index("ix_universes_created", "universes", ["created_at", "id"], unique=False)
    op.create_index("ix_universes_updated", "universes", ["updated_at", "id"], unique=False)
    op.create_table(
        "users",
        sa.Column("username", sa.String(length=40), nullable=False),
        sa.Column("username_folded", sa.String(length=40), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_folded", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("display_name", sa.String(length=80), nullable=False),
        sa.Column("bio", sa.String(length=500), nullable=False),
        sa.Column("color", sa.String(length=7), nullable=False),
        sa.Column("settings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("role IN ('user', 'admin')", name=op.f("ck_users_role_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_folded", name=op.f("uq_users_email_folded")),
        sa.UniqueConstraint("username_folded", name=op.f("uq_users_username_folded")),
    )
    op.create_table(
        "jobs",
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("progress", sa.Float(precision=53), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("cost_s", sa.Float(precision=53), nullable=False),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("universe_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("lease", sa.String(length=120), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name=op.f("ck_jobs_error_of_failed")),
        sa.CheckConstraint(
            "(state = 'running') = (lease IS NOT NULL) AND (lease IS NULL) = (lease_until IS NULL)",
            name=op.f("ck_jobs_lease_while_running"),
        ),
        sa.CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_jobs_state_known")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_jobs_attempts_range")),
        sa.CheckConstraint("cost_s >= 0", name=op.f("ck_jobs_cost_s_range")),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f("ck_jobs_progress_range")),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_jobs_universe_id_universes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_jobs_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "created_at"], unique=False)
    op.create_index(op.f("ix_jobs_subject_id"), "jobs", ["subject_id"], unique=False)
    op.create_index(op.f("ix_jobs_universe_id"), "jobs", ["universe_id"], unique=False)
    op.create_index("ix_jobs_user_id", "jobs", ["user_id", "created_at", "id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("role IN ('owner', 'editor', 'viewer')", name=op.f("ck_memberships_role_known")),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_memberships_universe_id_universes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id_users"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("universe_id", "user_id", name=op.f("pk_memberships")),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id", "universe_id"], unique=False)
    op.create_index(
        "uq_memberships_one_owner",
        "memberships",
        ["universe_id"],
        unique=True,
        sqlite_where=sa.text("role = 'owner'"),
        postgresql_where=sa.text("role = 'owner'"),
    )
    op.create_table(
        "scenes",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("solver", sa.String(length=40), nullable=False),
        sa.Column("duration_s", sa.Float(precision=53), nullable=False),
        sa.Column("loop", sa.Boolean(), nullable=False),
        sa.Column("transition", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("physics_parameters_id", sa.Uuid(), nullable=True),
        sa.Column("harmony", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("timeline", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("story", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("order_key", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.CheckConstraint("duration_s >= 0.1 AND duration_s <= 600", name=op.f("ck_scenes_duration_s_range")),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_scenes_universe_id_universes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scenes")),
    )
    op.create_index("ix_scenes_order", "scenes", ["universe_id", "order_key", "id"], unique=False)
    op.create_index(op.f("ix_scenes_universe_id"), "scenes", ["universe_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device", sa.String(length=200), nullable=False),
        sa.Column("refresh_jti", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "tombstones",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_tombstones_universe_id_universes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tombstones")),
    )
    op.create_index(op.f("ix_tombstones_universe_id"), "tombstones", ["universe_id"], unique=False)
    op.create_table(
        "universe_changes",
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("client_id", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(length=6), nullable=False),
        sa.Column("op_id", sa.Uuid(), nullable=False),
        sa.Column("op_hash", sa.String(length=64), nullable=False),
        sa.Column("op", sa.String(length=7), nullable=False),
        sa.Column("path", sa.String(length=80), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("undo_of", sa.BigInteger(), nullable=True),
        sa.Column("group", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "op IN ('create', 'update', 'delete', 'move', 'batch', 'restore', 'member')", name=op.f("ck_universe_changes_op_known")
        ),
        sa.CheckConstraint("source IN ('rest', 'socket', 'cli', 'job')", name=op.f("ck_universe_changes_source_known")),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_universe_changes_universe_id_universes")),
        sa.PrimaryKeyConstraint("universe_id", "revision", name=op.f("pk_universe_changes")),
    )
    op.create_index("ix_universe_changes_path", "universe_changes", ["universe_id", "path", "revision"], unique=False)
    op.create_index("uq_universe_changes_op", "universe_changes", ["universe_id", "actor_id", "op_id"], unique=True)
    op.create_table(
        "bodies",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("shape", sa.String(length=10), nullable=False),
        sa.Column("size", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("mass", sa.Float(precision=53), nullable=False),
        sa.Column("position_x", sa.Float(precision=53), nullable=False),
        sa.Column("position_y", sa.Float(precision=53), nullable=False),
        sa.Column("position_z", sa.Float(precision=53), nullable=False),
        sa.Column("velocity_x", sa.Float(precision=53), nullable=False),
        sa.Column("velocity_y", sa.Float(precision=53), nullable=False),
        sa.Column("velocity_z", sa.Float(precision=53), nullable=False),
        sa.Column("angle", sa.Float(precision=53), nullable=False),
        sa.Column("angular_velocity", sa.Float(precision=53), nullable=False),
        sa.Column("restitution", sa.Float(precision=53), nullable=True),
        sa.Column("friction", sa.Float(precision=53), nullable=True),
        sa.Column("static", sa.Boolean(), nullable=False),
        sa.Column("sensor", sa.Boolean(), nullable=False),
        sa.Column("material", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("orbit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("resonator", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("color", sa.String(length=7), nullable=False),
        sa.Column("citation", sa.String(length=500), nullable=False),
        sa.Column("scene_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("order_key", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.CheckConstraint("shape IN ('point', 'circle', 'box', 'polygon')", name=op.f("ck_bodies_shape_known")),
        sa.CheckConstraint("angle >= -1000000 AND angle <= 1000000", name=op.f("ck_bodies_angle_range")),
        sa.CheckConstraint("angular_velocity >= -1000000 AND angular_velocity <= 1000000", name=op.f("ck_bodies_angular_velocity_range")),
        sa.CheckConstraint("friction >= 0 AND friction <= 2", name=op.f("ck_bodies_friction_range")),
        sa.CheckConstraint("mass > 0 AND mass <= 1e+32", name=op.f("ck_bodies_mass_range")),
        sa.CheckConstraint(
            "position_x >= -1000000000000000.0 AND position_x <= 1000000000000000.0", name=op.f("ck_bodies_position_x_range")
        ),
        sa.CheckConstraint(
            "position_y >= -1000000000000000.0 AND position_y <= 1000000000000000.0", name=op.f("ck_bodies_position_y_range")
        ),
        sa.CheckConstraint(
            "position_z >= -1000000000000000.0 AND position_z <= 1000000000000000.0", name=op.f("ck_bodies_position_z_range")
        ),
        sa.CheckConstraint("restitution >= 0 AND restitution <= 1", name=op.f("ck_bodies_restitution_range")),
        sa.CheckConstraint("velocity_x >= -299792458 AND velocity_x <= 299792458", name=op.f("ck_bodies_velocity_x_range")),
        sa.CheckConstraint("velocity_y >= -299792458 AND velocity_y <= 299792458", name=op.f("ck_bodies_velocity_y_range")),
        sa.CheckConstraint("velocity_z >= -299792458 AND velocity_z <= 299792458", name=op.f("ck_bodies_velocity_z_range")),
        sa.ForeignKeyConstraint(["scene_id"], ["scenes.id"], name=op.f("fk_bodies_scene_id_scenes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_bodies_universe_id_universes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bodies")),
    )
    op.create_index(op.f("ix_bodies_scene_id"), "bodies", ["scene_id"], unique=False)
    op.create_index(op.f("ix_bodies_universe_id"), "bodies", ["universe_id"], unique=False)
    op.create_table(
        "physics_parameters",
        sa.Column("scene_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("gravity_x", sa.Float(precision=53), nullable=True),
        sa.Column("gravity_y", sa.Float(precision=53), nullable=True),
        sa.Column("gravity_z", sa.Float(precision=53), nullable=True),
        sa.Column("time_scale", sa.Float(precision=53), nullable=True),
        sa.Column("linear_damping", sa.Float(precision=53), nullable=True),
        sa.Column("air_density", sa.Float(precision=53), nullable=True),
        sa.Column("restitution", sa.Float(precision=53), nullable=True),
        sa.Column("friction", sa.Float(precision=53), nullable=True),
        sa.Column("temperature", sa.Float(precision=53), nullable=True),
        sa.Column("pressure", sa.Float(precision=53), nullable=True),
        sa.Column("gravitational_constant", sa.Float(precision=53), nullable=True),
        sa.Column("timestep", sa.Float(precision=53), nullable=True),
        sa.Column("bounds", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("custom", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("air_density >= 0 AND air_density <= 100", name=op.f("ck_physics_parameters_air_density_range")),
        sa.CheckConstraint("friction >= 0 AND friction <= 2", name=op.f("ck_physics_parameters_friction_range")),
        sa.CheckConstraint(
            "gravitational_constant >= 0 AND gravitational_constant <= 1", name=op.f("ck_physics_parameters_gravitational_constant_range")
        ),
        sa.CheckConstraint("gravity_x >= -300 AND gravity_x <= 300", name=op.f("ck_physics_parameters_gravity_x_range")),
        sa.CheckConstraint("gravity_y >= -300 AND gravity_y <= 300", name=op.f("ck_physics_parameters_gravity_y_range")),
        sa.CheckConstraint("gravity_z >= -300 AND gravity_z <= 300", name=op.f("ck_physics_parameters_gravity_z_range")),
        sa.CheckConstraint("linear_damping >= 0 AND linear_damping <= 100", name=op.f("ck_physics_parameters_linear_damping_range")),
        sa.CheckConstraint("pressure >= 0 AND pressure <= 10000000", name=op.f("ck_physics_parameters_pressure_range")),
        sa.CheckConstraint("restitution >= 0 AND restitution <= 1", name=op.f("ck_physics_parameters_restitution_range")),
        sa.CheckConstraint("temperature >= 0 AND temperature <= 10000", name=op.f("ck_physics_parameters_temperature_range")),
        sa.CheckConstraint("time_scale >= 1e-06 AND time_scale <= 10000000000", name=op.f("ck_physics_parameters_time_scale_range")),
        sa.CheckConstraint("timestep >= 1e-09 AND timestep <= 10000000", name=op.f("ck_physics_parameters_timestep_range")),
        sa.ForeignKeyConstraint(["scene_id"], ["scenes.id"], name=op.f("fk_physics_parameters_scene_id_scenes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["universe_id"], ["universes.id"], name=op.f("fk_physics_parameters_universe_id_universes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_physics_parameters")),
    )
    op.create_index(op.f("ix_physics_parameters_scene_id"), "physics_parameters", ["scene_id"], unique=False)
    op.create_index(op.f("ix_physics_parameters_universe_id"), "physics_parameters", ["universe_id"], unique=False)
    op.create_index(
        "uq_physics_parameters_active_in_scene",
        "physics_parameters",
        ["scene_id"],
        unique=True,
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )
    op.create_index(
        "uq_physics_parameters_active_in_universe",
        "physics_parameters",
        ["universe_id"],
        unique=True,
        sqlite_where=sa.text("active = 1 AND scene_id IS NULL"),
        postgresql_where=sa.text("active AND scene_id IS NULL"),
    )
    op.create_table(
        "simulations",
        sa.Column("solver", sa.String(length=40), nullable=False),
        sa.Column("duration_s", sa.Float(precision=53), nullable=False),
        sa.Column("trajectory_hash", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("settled_at", sa.Float(precision=53), nullable=True),
        sa.Column("steps", sa.BigInteger(), nullable=True),
        sa.Column("event_count", sa.Integer(), nullable=True),
        sa.Column("sample_count", sa.Integer(), nullable=True),
        sa.Column("conservation", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("closed_form", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("warnings", sa.JSON(none_as_null=True), nullable=False),
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
        sa.CheckConstraint("(finished_at IS NULL) = (trajectory_hash IS NULL)", name=op.f("ck_simulations_finished_has_hash")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_simulations_job_id_jobs"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_simulations_universe_id_universes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_simulations_user_id_users"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_simulations")),
    )
    op.create_index("ix_simulations_inputs", "simulations", ["universe_id", "inputs_hash"], unique=False)
    op.create_index(op.f("ix_simulations_job_id"), "simulations", ["job_id"], unique=False)
    op.create_index(op.f("ix_simulations_scene_id"), "simulations", ["scene_id"], unique=False)
    op.create_index(op.f("ix_simulations_user_id"), "simulations", ["user_id"], unique=False)
    op.create_table(
        "voices",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("instrument", sa.String(length=40), nullable=False),
        sa.Column("parameters", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("adsr", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("gain_db", sa.Float(precision=53), nullable=False),
        sa.Column("pan", sa.Float(precision=53), nullable=False),
        sa.Column("midi_channel", sa.Integer(), nullable=True),
        sa.Column("midi_program", sa.Integer(), nullable=True),
        sa.Column("mute", sa.Boolean(), nullable=False),
        sa.Column("solo", sa.Boolean(), nullable=False),
        sa.Column("automation", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("scene_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("order_key", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.CheckConstraint("gain_db >= -60 AND gain_db <= 6", name=op.f("ck_voices_gain_db_range")),
        sa.CheckConstraint("midi_channel >= 1 AND midi_channel <= 16", name=op.f("ck_voices_midi_channel_range")),
        sa.CheckConstraint("midi_program >= 0 AND midi_program <= 127", name=op.f("ck_voices_midi_program_range")),
        sa.CheckConstraint("pan >= -1 AND pan <= 1", name=op.f("ck_voices_pan_range")),
        sa.ForeignKeyConstraint(["scene_id"], ["scenes.id"], name=op.f("fk_voices_scene_id_scenes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_voices_universe_id_universes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voices")),
    )
    op.create_index(op.f("ix_voices_scene_id"), "voices", ["scene_id"], unique=False)
    op.create_index(op.f("ix_voices_universe_id"), "voices", ["universe_id"], unique=False)
    op.create_table(
        "constraints",
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("body_id", sa.Uuid(), nullable=False),
        sa.Column("other_body_id", sa.Uuid(), nullable=True),
        sa.Column("anchor", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("stiffness", sa.Float(precision=53), nullable=True),
        sa.Column("damping", sa.Float(precision=53), nullable=True),
        sa.Column("rest_length", sa.Float(precision=53), nullable=True),
        sa.Column("break_force", sa.Float(precision=53), nullable=True),
        sa.Column("scene_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("order_key", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.CheckConstraint("kind IN ('spring', 'distance', 'hinge', 'pin')", name=op.f("ck_constraints_kind_known")),
        sa.CheckConstraint("break_force > 0 AND break_force <= 1000000000000", name=op.f("ck_constraints_break_force_range")),
        sa.CheckConstraint("damping >= 0 AND damping <= 1000000", name=op.f("ck_constraints_damping_range")),
        sa.CheckConstraint("rest_length >= 0 AND rest_length <= 1000000000000000.0", name=op.f("ck_constraints_rest_length_range")),
        sa.CheckConstraint("stiffness > 0 AND stiffness <= 1000000000", name=op.f("ck_constraints_stiffness_range")),
        sa.ForeignKeyConstraint(["body_id"], ["bodies.id"], name=op.f("fk_constraints_body_id_bodies"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["other_body_id"], ["bodies.id"], name=op.f("fk_constraints_other_body_id_bodies"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["scene_id"], ["scenes.id"], name=op.f("fk_constraints_scene_id_scenes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_constraints_universe_id_universes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_constraints")),
    )
    op.create_index(op.f("ix_constraints_body_id"), "constraints", ["body_id"], unique=False)
    op.create_index(op.f("ix_constraints_other_body_id"), "constraints", ["other_body_id"], unique=False)
    op.create_index(op.f("ix_constraints_scene_id"), "constraints", ["scene_id"], unique=False)
    op.create_index(op.f("ix_constraints_universe_id"), "constraints", ["universe_id"], unique=False)
    op.create_table(
        "mappings",
        sa.Column("voice_id", sa.Uuid(), nullable=False),
        sa.Column("trigger", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("source", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("target", sa.String(length=12), nullable=False),
        sa.Column("domain", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("range", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("curve", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("polarity", sa.Integer(), nullable=False),
        sa.Column("clamp", sa.String(length=6), nullable=False),
        sa.Column("scene_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("universe_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("order_key", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False),
        sa.CheckConstraint("clamp IN ('error', 'clamp', 'drop')", name=op.f("ck_mappings_clamp_known")),
        sa.CheckConstraint(
            "target IN ('pitch', 'loudness', 'pan', 'duration', 'brightness', 'rate')", name=op.f("ck_mappings_target_known")
        ),
        sa.ForeignKeyConstraint(["scene_id"], ["scenes.id"], name=op.f("fk_mappings_scene_id_scenes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_mappings_universe_id_universes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["voice_id"], ["voices.id"], name=op.f("fk_mappings_voice_id_voices"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mappings")),
    )
    op.create_index(op.f("ix_mappings_scene_id"), "mappings", ["scene_id"], unique=False)
    op.create_index(op.f("ix_mappings_universe_id"), "mappings", ["universe_id"], unique=False)
    op.create_index(op.f("ix_mappings_voice_id"), "mappings", ["voice_id"], unique=False)
    op.create_table(
        "scores",
        sa.Column("simulation_id", sa.Uuid(), nullable=True),
        sa.Column("duration_s", sa.Float(precision=53), nullable=False),
        sa.Column("score_hash", sa.String(length=64), nullable=True),
        sa.Column("note_count", sa.Integer(), nullable=True),
        sa.Column("report", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("midi_report", sa.JSON(none_as_null=True), nullable=True),
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
        sa.CheckConstraint("(finished_at IS NULL) = (score_hash IS NULL)", name=op.f("ck_scores_finished_has_hash")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_scores_job_id_jobs"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["simulation_id"], ["simulations.id"], name=op.f("fk_scores_simulation_id_simulations"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_scores_universe_id_universes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_scores_user_id_users"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scores")),
    )
    op.create_index("ix_scores_inputs", "scores", ["universe_id", "inputs_hash"], unique=False)
    op.create_index(op.f("ix_scores_job_id"), "scores", ["job_id"], unique=False)
    op.create_index(op.f("ix_scores_scene_id"), "scores", ["scene_id"], unique=False)
    op.create_index(op.f("ix_scores_simulation_id"), "scores", ["simulation_id"], unique=False)
    op.create_index(op.f("ix_scores_user_id"), "scores", ["user_id"], unique=False)
    op.create_table(
        "audio_renders",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.Column("simulation_id", sa.Uuid(), nullable=True),
        sa.Column("score_id", sa.Uuid(), nullable=True),
        sa.Column("format", sa.String(length=10), nullable=False),
        sa.Column("sample_rate", sa.Integer(), nullable=False),
        sa.Column("bit_depth", sa.String(length=5), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("duration_s", sa.Float(precision=53), nullable=False),
        sa.Column("tail_s", sa.Float(precision=53), nullable=True),
        sa.Column("frames", sa.BigInteger(), nullable=True),
        sa.Column("file_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("samples_hash", sa.String(length=64), nullable=True),
        sa.Column("trajectory_hash", sa.String(length=64), nullable=True),
        sa.Column("score_hash", sa.String(length=64), nullable=True),
        sa.Column("peak_dbtp", sa.Float(precision=53), nullable=True),
        sa.Column("rms_db", sa.Float(precision=53), nullable=True),
        sa.Column("lufs", sa.Float(precision=53), nullable=True),
        sa.Column("report", sa.JSON(none_as_null=True), nullable=True),
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
        sa.CheckConstraint(
            "(finished_at IS NULL) = (sha256 IS NULL) AND (sha256 IS NULL) = (samples_hash IS NULL)",
            name=op.f("ck_audio_renders_finished_has_hash"),
        ),
        sa.CheckConstraint("sample_rate >= 8000 AND sample_rate <= 192000", name=op.f("ck_audio_renders_sample_rate_range")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_audio_renders_job_id_jobs"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["score_id"], ["scores.id"], name=op.f("fk_audio_renders_score_id_scores"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["simulation_id"], ["simulations.id"], name=op.f("fk_audio_renders_simulation_id_simulations"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["universe_id"], ["universes.id"], name=op.f("fk_audio_renders_universe_id_universes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audio_renders_user_id_users"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audio_renders")),
    )
    op.create_index("ix_audio_renders_created_at", "audio_renders", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_audio_renders_job_id"), "audio_renders", ["job_id"], unique=False)
    op.create_index(op.f("ix_audio_renders_scene_id"), "audio_renders", ["scene_id"], unique=False)
    op.create_index(op.f("ix_audio_renders_score_id"), "audio_renders", ["score_id"], unique=False)
    op.create_index(op.f("ix_audio_renders_simulation_id"), "audio_renders", ["simulation_id"], unique=False)
    op.create_index("ix_audio_renders_universe_id", "audio_renders", ["universe_id", "created_at", "id"], unique=False)
    op.create_index(op.f("ix_audio_renders_user_id"), "audio_renders", ["user_id"], unique=False)
    for statement in SQLITE_TRIGGERS if op.get_bind().dialect.name == "sqlite" else POSTGRESQL_TRIGGERS:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    op.drop_index(op.f("ix_audio_renders_user_id"), table_name="audio_renders")
    op.drop_index("ix_audio_renders_universe_id", table_name="audio_renders")
    op.drop_index(op.f("ix_audio_renders_simulation_id"), table_name="audio_renders")
    op.drop_index(op.f("ix_audio_renders_score_id"), table_name="audio_renders")
    op.drop_index(op.f("ix_audio_renders_scene_id"), table_name="audio_renders")
    op.drop_index(op.f("ix_audio_renders_job_id"), table_name="audio_renders")
    op.drop_index("ix_audio_renders_created_at", table_name="audio_renders")
    op.drop_table("audio_renders")
    op.drop_index(op.f("ix_scores_user_id"), table_name="scores")
    op.drop_index(op.f("ix_scores_simulation_id"), table_name="scores")
    op.drop_index(op.f("ix_scores_scene_id"), table_name="scores")
    op.drop_index(op.f("ix_scores_job_id"), table_name="scores")
    op.drop_index("ix_scores_inputs", table_name="scores")
    op.drop_table("scores")
    op.drop_index(op.f("ix_mappings_voice_id"), table_name="mappings")
    op.drop_index(op.f("ix_mappings_universe_id"), table_name="mappings")
    op.drop_index(op.f("ix_mappings_scene_id"), table_name="mappings")
    op.drop_table("mappings")
    op.drop_index(op.f("ix_constraints_universe_id"), table_name="constraints")
    op.drop_index(op.f("ix_constraints_scene_id"), table_name="constraints")
    op.drop_index(op.f("ix_constraints_other_body_id"), table_name="constraints")
    op.drop_index(op.f("ix_constraints_body_id"), table_name="constraints")
    op.drop_table("constraints")
    op.drop_index(op.f("ix_voices_universe_id"), table_name="voices")
    op.drop_index(op.f("ix_voices_scene_id"), table_name="voices")
    op.drop_table("voices")
    op.drop_index(op.f("ix_simulations_user_id"), table_name="simulations")
    op.drop_index(op.f("ix_simulations_scene_id"), table_name="simulations")
    op.drop_index(op.f("ix_simulations_job_id"), table_name="simulations")
    op.drop_index("ix_simulations_inputs", table_name="simulations")
    op.drop_table("simulations")
    op.drop_index(
        "uq_physics_parameters_active_in_universe",
        table_name="physics_parameters",
        sqlite_where=sa.text("active = 1 AND scene_id IS NULL"),
        postgresql_where=sa.text("active AND scene_id IS NULL"),
    )
    op.drop_index(
        "uq_physics_parameters_active_in_scene",
        table_name="physics_parameters",
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )
    op.drop_index(op.f("ix_physics_parameters_universe_id"), table_name="physics_parameters")
    op.drop_index(op.f("ix_physics_parameters_scene_id"), table_name="physics_parameters")
    op.drop_table("physics_parameters")
    op.drop_index(op.f("ix_bodies_universe_id"), table_name="bodies")
    op.drop_index(op.f("ix_bodies_scene_id"), table_name="bodies")
    op.drop_table("bodies")
    op.drop_index("uq_universe_changes_op", table_name="universe_changes")
    op.drop_index("ix_universe_changes_path", table_name="universe_changes")
    op.drop_table("universe_changes")
    op.drop_index(op.f("ix_tombstones_universe_id"), table_name="tombstones")
    op.drop_table("tombstones")
    op.drop_index(op.f("ix_sessions_user_id"), table_name="sessions")
    op.drop_table("sessions")
    op.drop_index(op.f("ix_scenes_universe_id"), table_name="scenes")
    op.drop_index("ix_scenes_order", table_name="scenes")
    op.drop_table("scenes")
    op.drop_index(
        "uq_memberships_one_owner",
        table_name="memberships",
        sqlite_where=sa.text("role = 'owner'"),
        postgresql_where=sa.text("role = 'owner'"),
    )
    op.drop_index("ix_memberships_user_id", table_name="memberships")
    op.drop_table("memberships")
    op.drop_index("ix_jobs_user_id", table_name="jobs")
    op.drop_index(op.f("ix_jobs_universe_id"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_subject_id"), table_name="jobs")
    op.drop_index("ix_jobs_state", table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("users")
    op.drop_index("ix_universes_updated", table_name="universes")
    op.drop_index("ix_universes_created", table_name="universes")
    op.drop_table("universes")
    op.drop_index(op.f("ix_idempotency_keys_expires_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index(op.f("ix_audit_events_target"), table_name="audit_events")
    op.drop_index("ix_audit_events_at", table_name="audit_events")
    op.drop_index(op.f("ix_audit_events_actor_id"), table_name="audit_events")
    op.drop_table("audit_events")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION universe_changes_append_only()")
