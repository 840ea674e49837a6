"""The roll-call of what the change log covers: one line for each kind of content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.changes.content import Content, Ordered
from app.changes.rule import Check, Removal
from app.physics_parameters import rules as physics_rules
from app.physics_parameters.models import PhysicsParameters
from app.physics_parameters.schemas import PhysicsParametersSchema
from app.scenes import rules as scene_rules
from app.scenes.models import Body, Constraint, Mapping, Scene, Voice
from app.scenes.schemas import BodySchema, ConstraintSchema, MappingSchema, SceneSchema, VoiceSchema
from app.schemas import BaseSchema


@dataclass(frozen=True, slots=True)
class Editable:
    """A kind of content.

    `collection` is its name in URLs and log paths; `check` raises Invalid or Conflict for a document that breaks the
    room's rules; `may_remove` raises Conflict when something else still needs the entity. `children` are the
    collections that go with it, each with the column that points here. `limit` is the setting that bounds how many
    its parent may hold.
    """

    collection: str
    model: type[Content]
    schema: type[BaseSchema]
    check: Callable[[Check], None]
    may_remove: Callable[[Removal], None]
    parent: str
    limit: str
    children: tuple[tuple[str, str], ...] = ()

    @property
    def ordered(self) -> bool:
        """Whether its rows have a place in a list."""
        return issubclass(self.model, Ordered)

    @property
    def table(self) -> Any:
        return self.model.__table__  # type: ignore[attr-defined]


_IN_SCENE = tuple((name, "scene_id") for name in ("bodies", "constraints", "voices", "mappings", "physics-parameters"))

EDITABLE: dict[str, Editable] = {
    kind.collection: kind
    for kind in (
        Editable(
            "scenes", Scene, SceneSchema, scene_rules.check_scene, scene_rules.may_remove_scene, "universe_id", "max_scenes", _IN_SCENE
        ),
        Editable(
            "bodies",
            Body,
            BodySchema,
            scene_rules.check_body,
            scene_rules.may_remove_body,
            "scene_id",
            "max_bodies",
            (("constraints", "body_id"), ("constraints", "other_body_id")),
        ),
        Editable(
            "constraints", Constraint, ConstraintSchema, scene_rules.check_constraint, scene_rules.may_remove, "scene_id", "max_constraints"
        ),
        Editable(
            "voices",
            Voice,
            VoiceSchema,
            scene_rules.check_voice,
            scene_rules.may_remove,
            "scene_id",
            "max_voices",
            (("mappings", "voice_id"),),
        ),
        Editable("mappings", Mapping, MappingSchema, scene_rules.check_mapping, scene_rules.may_remove_mapping, "scene_id", "max_mappings"),
        Editable(
            "physics-parameters",
            PhysicsParameters,
            PhysicsParametersSchema,
            physics_rules.check,
            physics_rules.may_remove,
            "universe_id",
            "max_parameter_sets",
        ),
    )
}
