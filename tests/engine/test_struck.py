"""Struck bodies performed to a file, and the file listened to: what is heard is what the physics says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app.engine.audio.mix import Settings
from app.engine.errors import EngineError
from app.engine.music.mapping import build_score
from app.engine.perform import perform
from app.engine.physics import resonators, solvers
from app.engine.physics.presets import MATERIALS
from app.engine.physics.scene import Physics
from tests.engine.physics.test_resonator import BAR, DRUM, STEEL, body, frequencies, rings
from tests.engine.test_perform import PHYSICS


def snapshot(one: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": "1", "name": "Struck", "solver": "resonator", "duration_s": 4.0, "loop": False, "seed": 5, "physics": PHYSICS,
        "bodies": [{"id": "it", "name": "it", "mass": 0.1, "velocity": {"x": 1.0}, **one}], **fields,
    }  # fmt: skip


def lines(path: Path, lowest: float, count: int) -> list[float]:
    """The strongest lines of a file's spectrum from a little below a frequency on, in order of frequency, in units of the lowest one.

    A line is the largest value within a twentieth of its frequency to both sides.
    """
    sound, rate = soundfile.read(path)
    window = np.blackman(len(sound))
    spectrum, found = np.abs(np.fft.rfft(sound[:, 0] * window, 4 * len(sound))), []
    hz = np.fft.rfftfreq(4 * len(sound), 1.0 / rate)
    spectrum[hz < 0.5 * lowest] = 0.0
    for _ in range(count):
        peak = int(spectrum.argmax())
        found.append(float(hz[peak]))
        spectrum[np.abs(hz / hz[peak] - 1.0) < 0.05] = 0.0
    return [line / min(found) for line in sorted(found)]


@pytest.mark.parametrize(
    ("boundary", "ratios"), [("free", [1.0, 2.75654, 5.40392, 8.93295]), ("cantilever", [1.0, 6.26689, 17.54748, 34.38606])]
)
def test_a_struck_bar_is_heard_at_the_ratios_of_the_textbook(boundary: str, ratios: list[float], tmp_path: Path) -> None:
    """Squares of the roots in Blevins (1979), table 8-1; a line of a Blackman window over 4 s is found to a fraction of 1 Hz."""
    found = perform(snapshot({"resonator": {**BAR, "boundary": boundary}, "material": STEEL}), Settings(tail_s=0.0), tmp_path / "bar.wav")
    assert found.report["ok"], found.report["reasons"]
    (note,) = found.score.notes
    assert note.hz == pytest.approx(frequencies(body({**BAR, "boundary": boundary}))[0], rel=1e-7)
    assert note.provenance["quantity"] == "frequency"
    assert lines(tmp_path / "bar.wav", note.hz, 4) == pytest.approx(ratios, rel=3e-3)


def test_a_struck_membrane_is_heard_at_the_ratios_of_the_textbook(tmp_path: Path) -> None:
    """Zeros of the functions of Bessel over the first of them (Abramowitz & Stegun, table 9.5), for the modes (m, n) in order."""
    skin = {**MATERIALS["skin"], "damping_ratio": 1e-4}
    found = perform(snapshot({"resonator": DRUM, "material": skin}), Settings(tail_s=0.0), tmp_path / "drum.wav")
    assert found.report["ok"], found.report["reasons"]
    assert found.report["notes"]["rows"][0]["status"] == "measured"
    (note,) = found.score.notes
    zeros = [2.40483, 3.83171, 5.13562, 5.52008, 6.38016, 7.01559]
    sound, rate = soundfile.read(tmp_path / "drum.wav")
    window = np.blackman(rate)
    spectrum = np.abs(np.fft.rfft(sound[2400 : 2400 + rate, 0] * window, 4 * rate))
    for zero in zeros:
        expected = note.hz * zero / zeros[0]
        near = np.arange(round(4 * 0.97 * expected), round(4 * 1.03 * expected))
        peak = int(near[spectrum[near].argmax()])
        assert spectrum[peak] > 1e-3 * spectrum.max()
        assert peak / 4 == pytest.approx(expected, rel=3e-3)


def test_a_struck_bar_dies_away_at_the_rate_of_its_damping(tmp_path: Path) -> None:
    material = {**MATERIALS["steel"], "damping_ratio": 1e-3}
    perform(snapshot({"resonator": BAR, "material": material}), Settings(tail_s=0.0), tmp_path / "bar.wav")
    sound, rate = soundfile.read(tmp_path / "bar.wav")
    # From 0.2 s on the first mode is alone; its level falls by 2 pi f zeta nepers a second.
    levels = [math.sqrt(float((sound[round(t * rate) : round((t + 0.1) * rate), 0] ** 2).mean())) for t in (0.3, 0.9)]
    rate_of_decay = math.log(levels[0] / levels[1]) / 0.6
    assert rate_of_decay == pytest.approx(math.tau * frequencies(body(BAR))[0] * 1e-3, rel=0.01)


def test_a_note_is_as_long_as_the_body_rings() -> None:
    given_scene = rings(
        body(BAR, "long", velocity=(1.0, 0.0, 0.0)),
        body(DRUM, "short", material={"preset": "skin"}, velocity=(1.0, 0.0, 0.0)),
        body(BAR, "for ever", material={**MATERIALS["steel"], "damping_ratio": 0.0}, velocity=(1.0, 0.0, 0.0)),
    )
    run = solvers.run(given_scene)
    notes = {note.provenance["body_id"]: note for note in build_score(given_scene, run).notes}
    assert notes["long"].duration_s == run.quantities["decay_time"][0] == pytest.approx(13.73, abs=0.01)
    assert notes["short"].duration_s == run.quantities["decay_time"][1] < 1.0
    assert math.isnan(run.quantities["decay_time"][2]) and notes["for ever"].duration_s == 5.0


def test_what_is_too_low_or_too_high_to_be_heard_is_moved_by_octaves() -> None:
    for length, octaves in ((5.0, 6), (0.2, 0), (0.02, -1)):
        given_scene = rings(body({**BAR, "length": length, "thickness": 0.002}, velocity=(1.0, 0.0, 0.0)))
        (note,) = build_score(given_scene, solvers.run(given_scene)).notes
        true = frequencies(body({**BAR, "length": length, "thickness": 0.002}))[0]
        assert note.hz == pytest.approx(true * 2.0**octaves, rel=1e-7)


def test_a_voice_of_its_own_modes_needs_a_body_that_has_some(tmp_path: Path) -> None:
    fallen = {**snapshot({"position": {"y": 1.0}}), "solver": "ballistic", "voices": [{"id": "v", "parameters": {"resonator": "own"}}]}
    with pytest.raises(EngineError, match="solver resonator") as caught:
        perform(fallen, Settings(), tmp_path / "ball.wav")
    assert caught.value.field == "voices.0.parameters.resonator"


def test_an_undamped_body_sounds_to_the_end(tmp_path: Path) -> None:
    material = {**MATERIALS["steel"], "damping_ratio": 0.0}
    found = perform(snapshot({"resonator": BAR, "material": material}, duration_s=12.0), Settings(), tmp_path / "bar.wav")
    assert found.report["ok"], found.report["reasons"]
    assert resonators.modes_of(body(BAR, material=material), Physics(), "").decay_time == math.inf
