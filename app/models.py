"""The roll-call of every room's models, for Alembic, the shell and the seeds."""

from __future__ import annotations

from app.audio.models import AudioRender, Score, Simulation, Suggestions
from app.audit.models import AuditEvent
from app.auth.models import LoginSession
from app.changes.models import Change, IdempotencyKey, Snapshot, Tombstone, Version
from app.collaboration.models import ChatMessage, LiveStream, RoomState
from app.jobs.models import Job
from app.materials.models import AudioMaterial
from app.physics_parameters.models import PhysicsParameters
from app.scenes.models import Body, Constraint, Mapping, Scene, Voice
from app.tunings.models import StoredTuning
from app.universes.models import Membership, ShareLink, Universe
from app.users.models import User

__all__ = [
    "AudioMaterial",
    "AudioRender",
    "AuditEvent",
    "Body",
    "Change",
    "ChatMessage",
    "Constraint",
    "IdempotencyKey",
    "Job",
    "LiveStream",
    "LoginSession",
    "Mapping",
    "Membership",
    "PhysicsParameters",
    "RoomState",
    "Scene",
    "Score",
    "ShareLink",
    "Simulation",
    "Snapshot",
    "StoredTuning",
    "Suggestions",
    "Tombstone",
    "Universe",
    "User",
    "Version",
    "Voice",
]
