"""Struck bodies from the API to the file: made, checked, simulated, rendered by a real worker, and heard."""

from __future__ import annotations

import io
import math
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import soundfile

from tests.audio.conftest import Studio

BAR = {
    "name": "bar",
    "mass": {"value": 280, "unit": "g"},
    "velocity": {"x": 1},
    "material": {"preset": "steel"},
    "resonator": {"kind": "bar", "length": {"value": 20, "unit": "cm"}, "width": 0.03, "thickness": {"value": 6, "unit": "mm"}},
}
FIRST_HZ = 4.73004074**2 / (2 * math.pi * 0.2**2) * 0.006 / math.sqrt(12) * math.sqrt(2.119e11 / 7860)
"""A free bar's first mode: Fletcher & Rossing (1998), section 2.15, with the root of Blevins (1979), table 8-1."""


def struck(ada: Studio, *bodies: dict[str, Any], **fields: Any) -> UUID:
    """A scene of Ada's with these bodies, which becomes the one that she renders."""
    given = {"name": "Struck", "solver": "resonator", "duration_s": 4, **fields}
    answer = ada.owner.post(f"/universes/{ada.universe_id}/scenes", json=given)
    assert answer.status_code == 201, answer.text
    ada.scene_id = UUID(answer.json["id"])
    for body in bodies:
        made = ada.owner.post(f"/scenes/{ada.scene_id}/bodies", json=body)
        assert made.status_code == 201, made.text
    return ada.scene_id


def test_a_bar_made_through_the_api_is_heard_with_its_own_partials(ada: Studio) -> None:
    scene_id = struck(ada, BAR, timeline={"markers": [{"time_s": 2, "name": "bar"}]})
    effective = ada.owner.get(f"/scenes/{scene_id}/effective").json
    assert effective["physics"]["temperature"]["used"] is True
    assert [voice["parameters"] for voice in effective["voices"]] == [{"resonator": "own", "partials": 32}]

    simulated = ada.owner.post(f"/scenes/{scene_id}/simulate", json={})
    assert simulated.status_code == 201, simulated.text
    path = f"/simulations/{simulated.json['simulation']['id']}"
    strikes = [event for event in ada.owner.get(f"{path}/events").json["items"] if event["kind"] == "collision"]
    assert [(event["t_s"], event["impulse"]) for event in strikes] == [(0.0, 0.28), (2.0, 0.28)]
    kept = ada.owner.get(f"{path}/conservation").json
    assert len(kept["closed_form"]) == 5
    assert max(row["error"] for row in kept["closed_form"]) < 1e-8

    audio = ada.render()
    assert ada.owner.get(f"/audio/{audio['id']}/report").json["ok"]
    notes = ada.owner.get(f"/audio/{audio['id']}/score").json["notes"]
    assert [note["hz"] for note in notes] == pytest.approx([FIRST_HZ] * 2, rel=1e-7)
    samples, rate = soundfile.read(io.BytesIO(ada.owner.get(f"/audio/{audio['id']}/file").data))
    first = samples[: 2 * rate, 0]
    spectrum = np.abs(np.fft.rfft(first * np.blackman(len(first))))
    hz = np.fft.rfftfreq(len(first), 1 / rate)
    for ratio in (1.0, 2.75654, 5.40392):
        near = np.abs(hz / (FIRST_HZ * ratio) - 1.0) < 0.03
        assert hz[near][spectrum[near].argmax()] == pytest.approx(FIRST_HZ * ratio, rel=3e-3)


def test_a_scene_that_lacks_something_is_refused_by_name(ada: Studio) -> None:
    hollow = {**BAR, "resonator": {"kind": "bar", "length": 0.2}}
    scene_id = struck(ada, BAR, {**hollow, "name": "hollow"})
    found = ada.owner.post(f"/scenes/{scene_id}/simulate", json={}).json["simulation"]
    assert (found["status"], found["error"]["status_code"]) == ("failed", 422)
    assert "thickness in the range more than 0 to 100 m" in found["error"]["errors"]["bodies.1.resonator.thickness"][0]


def test_every_kind_of_resonator_can_be_made_and_run(ada: Studio) -> None:
    kinds = [
        {"kind": "string", "length": 0.65, "tension": 70, "radius": 0.00015, "boundary": "clamped"},
        {"kind": "bar", "length": 0.2, "thickness": 0.006, "boundary": "cantilever"},
        {"kind": "membrane", "radius": 0.16, "thickness": 0.00019, "tension": {"value": 3, "unit": "kN"}},
        {"kind": "membrane", "length": 0.3, "width": 0.2, "thickness": 0.00019, "tension": 3000},
        {"kind": "plate", "length": 0.3, "width": 0.2, "thickness": 0.002},
        {"kind": "plate", "radius": 0.15, "thickness": 0.002, "boundary": "clamped"},
        {"kind": "pipe", "length": 0.6, "radius": 0.01, "boundary": "stopped"},
    ]
    bodies = [{**BAR, "name": f"body {place}", "resonator": kind} for place, kind in enumerate(kinds)]
    found = ada.owner.post(f"/scenes/{struck(ada, *bodies)}/simulate", json={}).json["simulation"]
    assert (found["status"], found["warnings"], found["event_count"]) == ("succeeded", [], 7)
