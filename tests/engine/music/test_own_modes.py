"""Music from struck bodies: the pitch and the partials are the physics' own."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from app.engine.audio.mix import Settings, lay_out
from app.engine.errors import EngineError, Unsupported
from app.engine.music.inversion import invert
from app.engine.music.mapping import build_score, content, validate_mapping
from app.engine.music.score import Score
from app.engine.physics import solvers
from app.engine.physics.resonators import modes_of
from app.engine.physics.scene import Body, Marker, Physics, Scene
from tests.engine.music.scenes import CONTINUOUS, balls, event, mapping, voice

BAR = {"kind": "bar", "length": 0.2, "thickness": 0.006}
STRING = {"kind": "string", "length": 0.65, "tension": 70.0, "radius": 0.00015}


def struck(**fields: Any) -> Scene:
    """A bar and a string, both struck at the start and by a marker at 1 s."""
    bodies = tuple(
        Body(name, name, resonator=kind, material={"preset": "steel"}, mass=mass, position=(x, 0.0, 0.0), velocity=(1.0, 0.0, 0.0))
        for name, kind, mass, x in (("bar", BAR, 0.1, -1.0), ("string", STRING, 1.0, 1.0))
    )
    return Scene("s", "Struck", "resonator", 4.0, False, 1, Physics(), bodies, markers=(Marker(1.0, "go"),), **fields)


def perform(scene: Scene) -> Score:
    return build_score(scene, solvers.run(scene))


def first_modes(scene: Scene) -> dict[str, float]:
    return {body.id: modes_of(body, scene.physics, "").frequency[0] for body in scene.bodies}


def test_struck_bodies_sound_their_own_partials_as_loud_as_their_impulse_and_where_they_are() -> None:
    scene = struck()
    score, hz = perform(scene), first_modes(scene)
    assert sorted((note.t_s, note.provenance["body_id"]) for note in score.notes) == [
        (0.0, "bar"), (0.0, "string"), (1.0, "bar"), (1.0, "string"),
    ]  # fmt: skip
    for note in score.notes:
        body = note.provenance["body_id"]
        assert note.hz == hz[body] == note.provenance["value"]
        assert (note.provenance["quantity"], note.provenance["unit"], note.cents_error) == ("frequency", "Hz", 0.0)
        # A tenth of the impulse is 20 dB less.
        assert note.amplitude == pytest.approx(0.1 if body == "bar" else 1.0)
        assert note.pan == (-1.0 if body == "bar" else 1.0)
    for sound in lay_out(score, Settings()).sounds:
        modes = modes_of(next(body for body in scene.bodies if body.id == sound.note.provenance["body_id"]), scene.physics, "")
        partials = sound.partials()
        assert sound.note.hz * partials.ratio == pytest.approx(np.array(modes.frequency), rel=1e-14)
        assert partials.amplitude == pytest.approx(np.array(modes.amplitude), abs=1e-15)
        assert partials.t60 == pytest.approx(3.0 * math.log(10.0) / np.array(modes.decay), rel=1e-14)


def test_a_score_with_modes_is_read_back_as_it_was() -> None:
    score = perform(struck())
    assert set(score.modes) == {"bar", "string"}
    again = Score.from_document(score.document())
    assert again == dataclasses.replace(score, notes=again.notes)
    assert again.hash() == score.hash()
    assert "modes" not in perform(balls(1.0)).document()


@pytest.mark.parametrize("trigger", [event("collision"), event("marker"), CONTINUOUS], ids=["collision", "marker", "continuous"])
def test_a_mapping_that_sets_no_pitch_leaves_it_to_the_body(trigger: dict[str, Any]) -> None:
    panned = mapping(
        trigger=trigger, source={"bodies": ["string"], "quantity": "position.x"}, target="pan", range={"min": -1.0, "max": 1.0}
    )
    scene = struck(voices=(voice(),), mappings=(panned,))
    notes = perform(scene).notes
    assert notes and {note.hz for note in notes} == {first_modes(scene)["string"]}


def test_a_pitch_of_frequency_scale_leads_back_to_the_frequency() -> None:
    (pitch, *_) = content(struck())["mappings"]
    answer = invert(pitch, {}, 440.0)
    assert (answer["value"], answer["unit"]) == (440.0, "Hz")


def test_brightness_tilts_the_bodys_own_partials() -> None:
    dark = {**voice(), "parameters": {"resonator": "own", "partials": 3, "brightness": 0.0}}
    (pitch, *_) = content(struck())["mappings"]
    scene = struck(voices=(dark,), mappings=({**pitch, "voice_id": "voice"},))
    for sound in lay_out(perform(scene), Settings()).sounds:
        modes = modes_of(next(body for body in scene.bodies if body.id == sound.note.provenance["body_id"]), scene.physics, "")
        tilted = np.array(modes.amplitude[:3]) / [1.0, 2.0, 3.0]
        assert sound.partials().amplitude == pytest.approx(tilted / tilted.sum())


def test_a_struck_body_has_no_angle_and_no_orbit() -> None:
    for given, field in (
        ({"source": {"bodies": "all", "quantity": "angle"}}, "source.quantity"),
        ({"trigger": event("transit")}, "trigger.event"),
    ):
        with pytest.raises(Unsupported) as caught:
            validate_mapping(mapping(**given), struck(voices=(voice(),)))
        assert caught.value.field == field


def test_an_unfinished_scene_shows_its_default_music() -> None:
    scene = dataclasses.replace(struck(), bodies=(Body("bare", "bare"),))
    assert [one["target"] for one in content(scene)["mappings"]] == ["pitch", "loudness", "pan"]
    with pytest.raises(EngineError):
        solvers.check(scene)
