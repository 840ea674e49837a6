"""Scenes one after another: where they lie, how they cross, and that the file agrees with all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.audio import mix
from app.engine.audio.automation import lanes
from app.engine.audio.files import write
from app.engine.audio.rooms import Reverb
from app.engine.audio.sequence import SequenceMix, apart, joined, lay_out_sequence, passage_times
from app.engine.audio.sounds import HEADROOM
from app.engine.audio.verify import verify_mix
from app.engine.errors import EngineError
from app.engine.music.score import Score

Make = Callable[..., Any]
CUT = {"type": "cut", "seconds": 0.0}


def crossfade(seconds: float) -> dict[str, Any]:
    return {"type": "crossfade", "seconds": seconds}


def track(seconds: float, hz: float) -> dict[str, Any]:
    return {"rate": 200, "hz": [hz] * round(200 * seconds + 1)}


@pytest.fixture
def drone(note: Make, score_of: Make) -> Callable[..., Score]:
    """A scene of one tone that is held all along, on one side."""

    def make(hz: float, duration_s: float, pan: float = -1.0, voice_id: str = "v") -> Score:
        voice = {"id": voice_id, "name": f"{hz:g} Hz", "instrument": "sine", "pan": pan}
        held = note(0.0, hz, duration_s=duration_s, voice_id=voice_id, track=track(duration_s, hz))
        return score_of([held], duration_s=duration_s, voices=(voice,))

    return make


@pytest.fixture
def scenes(note: Make, score_of: Make) -> list[Score]:
    """Three scenes of strokes, of 2, 3.1 and 2 s, the last notes of each ringing on."""
    return [
        score_of(
            [note(0.3 + 0.55 * place, 300.0 * (scene + 1) + 40 * place, duration_s=0.3, voice_id=f"v{scene}") for place in range(4)],
            duration_s=length,
            loop=scene == 0,
            voices=({"id": f"v{scene}", "name": f"Voice {scene}", "instrument": "modal"},),
        )
        for scene, length in enumerate((2.0, 3.1, 2.0))
    ]


def whole(found: mix.Mix, chunk: int | None = None) -> NDArray[np.float64]:
    return np.concatenate(list(found.bus(0, found.frames, chunk or found.frames)), axis=1).astype(np.float64)


def test_crossfades_overlap_scenes_and_cuts_do_not() -> None:
    starts, ends = passage_times([4.0, 5.0, 6.0], [crossfade(9.0), crossfade(1.5), CUT])
    assert (starts, ends) == ([0.0, 2.5, 7.5], [4.0, 7.5, 13.5])


def test_a_crossfade_is_of_equal_power(drone: Make) -> None:
    """Each scene on its own side: the squares of their amplitudes add up to one all along."""
    found = lay_out_sequence([drone(440.0, 3.0, -1.0, "a"), drone(440.0, 3.0, 1.0, "b")], [CUT, crossfade(2.0)], mix.Settings())
    assert found.duration_s == 4.0
    left, right = whole(found)
    moments = np.arange(1.1, 2.9, 0.1)
    windows = [slice(round(moment * 48000) - 1200, round(moment * 48000) + 1200) for moment in moments]
    powers = np.array([[2 * np.mean(side[window] ** 2) for window in windows] for side in (left, right)]) / HEADROOM**2
    assert powers.sum(axis=0) == pytest.approx(np.ones(len(windows)), rel=2e-3)
    assert powers[0] == pytest.approx(np.cos(np.pi / 4 * (moments - 1.0)) ** 2, abs=2e-3)


def test_passages_lie_where_their_scenes_do_alone(scenes: list[Score]) -> None:
    """With cuts the piece is the sum of the scenes by themselves, each ringing over into the next."""
    found = lay_out_sequence(scenes, [CUT] * 3, mix.Settings())
    together = np.zeros((2, found.frames))
    for passage, start in zip(found.passages, (0.0, 2.0, 5.1), strict=True):
        assert passage.start == round(start * 48000)
        alone = whole(passage.mix)
        together[:, passage.start : passage.start + alone.shape[1]] += alone
    assert np.abs(whole(found) - together).max() < 1e-6


@pytest.mark.parametrize("chunk", [1009, 14401, 48000])
def test_chunks_do_not_show_in_a_sequence(scenes: list[Score], chunk: int) -> None:
    settings = mix.Settings(reverb=Reverb("studio"), loudness_lufs=-20.0, sample_rate=24000)
    found = lay_out_sequence(scenes, [CUT, crossfade(0.7), CUT], settings)
    one = np.concatenate(list(found.mastered(chunk=10**6)), axis=1)
    assert np.abs(np.concatenate(list(found.mastered(chunk=chunk)), axis=1) - one).max() <= 1e-6


def test_stems_of_a_sequence_add_up_to_it(scenes: list[Score]) -> None:
    found = lay_out_sequence(scenes, [CUT, crossfade(0.7), CUT], mix.Settings())
    stems = found.stems()
    assert list(stems) == ["v0", "v1", "v2"]
    assert np.abs(sum(whole(stem) for stem in stems.values()) - whole(found)).max() < 1e-6


def test_voices_that_share_an_id_are_told_apart_and_keep_their_notes(drone: Make) -> None:
    found = apart([drone(300.0, 1.0), drone(400.0, 1.0), drone(500.0, 1.0, voice_id="w")])
    assert [score.voices[0]["id"] for score in found] == ["v", "v-2", "w"]
    assert [score.notes[0].voice_id for score in found] == ["v", "v-2", "w"]


def test_the_joined_score_has_all_notes_and_lanes_at_their_times(scenes: list[Score]) -> None:
    fade = {"target": "pan", "points": [{"t_s": 1.0, "value": 0.5}]}
    soloist = {**scenes[1].voices[0], "solo": True, "automation": [fade]}
    scores = [scenes[0], Score(**{**{name: getattr(scenes[1], name) for name in Score.__dataclass_fields__}, "voices": (soloist,)})]
    score = joined(scores, [0.0, 2.0], 5.1, "Piece")
    assert [round(note.t_s, 6) for note in score.notes] == [0.3, 0.85, 1.4, 1.95, 2.3, 2.85, 3.4, 3.95]
    assert not any(voice.get("solo") for voice in score.voices), "or the voices of other scenes would be silent"
    assert lanes(score.voices[1]["automation"], "")["pan"].moments.tolist() == [3.0]
    assert score.duration_s == 5.1


@pytest.mark.parametrize("settings", [mix.Settings(), mix.Settings(reverb=Reverb("studio"), loudness_lufs=-18.0, bit_depth=16)])
def test_a_file_of_scenes_agrees_with_all_of_them(scenes: list[Score], tmp_path: Path, settings: mix.Settings) -> None:
    found = lay_out_sequence(scenes, [CUT, crossfade(0.7), CUT], settings)
    path, levelling = tmp_path / "piece.wav", mix.Levelling(tmp_path)
    write(path, found.samples(levelling=levelling), format="wav", bit_depth=settings.bit_depth, sample_rate=48000)
    report = verify_mix(path, found, gain=levelling.gain)
    assert report["ok"], report["reasons"]
    judged = {row["t_s"] for row in report["notes"]["rows"]}
    assert len(judged) < 12, "notes in the crossfade are not listened to"
    assert max(judged) > 5.0, "those of the last scene are, at their time in the piece"
    assert report["notes"]["onsets"]["measured"] >= 5
    assert report["notes"]["pitches"]["measured"] >= 5


def test_a_scene_that_comes_at_the_wrong_time_is_found_out(scenes: list[Score], tmp_path: Path) -> None:
    early, late = (lay_out_sequence(scenes, [CUT, transition, CUT], mix.Settings()) for transition in (crossfade(0.2), crossfade(0.194)))
    path = tmp_path / "piece.wav"
    write(path, early.samples(), format="wav", bit_depth=24, sample_rate=48000)
    assert verify_mix(path, early)["ok"]
    report = verify_mix(path, late)
    assert not report["ok"]
    assert any("begins -6" in reason for reason in report["reasons"])


@pytest.mark.parametrize(
    ("durations", "transitions", "field"),
    [
        ([], [], "scenes"),
        ([2.0, 3.0], [CUT, crossfade(2.5)], "scenes.1.transition.seconds"),
        ([3.0, 2.0], [CUT, crossfade(2.5)], "scenes.1.transition.seconds"),
        ([4.0, 3.0, 4.0], [CUT, crossfade(2.0), crossfade(1.5)], "scenes.2.transition.seconds"),
        ([600.0] * 7, [CUT] * 7, "scenes"),
    ],
)
def test_what_cannot_follow_each_other_is_refused_by_name(durations: list[float], transitions: list[dict[str, Any]], field: str) -> None:
    with pytest.raises(EngineError) as refused:
        passage_times(durations, transitions)
    assert refused.value.field == field


def test_memory_holds_only_what_sounds(drone: Make) -> None:
    """Of forty scenes no more than the two that cross have players at once."""
    found = lay_out_sequence([drone(300.0 + place, 0.5) for place in range(40)], [crossfade(0.1)] * 40, mix.Settings(sample_rate=8000))
    assert isinstance(found, SequenceMix)
    assert found.duration_s == pytest.approx(40 * 0.5 - 39 * 0.1)
    moments = [(passage.start, passage.last) for passage in found.passages]
    sounding = [sum(first <= frame < last for first, last in moments) for frame in range(0, found.frames, 80)]
    assert max(sounding) == 2
