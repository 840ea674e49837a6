"""The modes of the bodies that a score's notes come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.engine.music.score import Note
from app.engine.physics import resonators
from app.engine.physics.scene import Scene
from app.engine.physics.solvers import resonator


def modes_of(scene: Scene, notes: Iterable[Note]) -> dict[str, dict[str, Any]]:
    """The modes, as `Score.modes` has them, of the bodies that sound; none unless the scene's solver is `resonator`."""
    if scene.solver != resonator.NAME:
        return {}
    sounding = {note.provenance["body_id"] for note in notes}
    found = {}
    for index, body in enumerate(scene.bodies):
        if body.id in sounding:
            modes = resonators.modes_of(body, scene.physics, f"bodies.{index}")
            ratio = [hz / modes.frequency[0] for hz in modes.frequency]
            found[body.id] = {"ratio": ratio, "amplitude": list(modes.amplitude), "decay": list(modes.decay)}
    return found
