"""The picture of a score: well-formed, with every note at its pitch and time."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from app.engine.music.mapping import build_score
from app.engine.music.picture import HEIGHT, WIDTH, svg
from app.engine.music.pitch import midi_to_hz
from app.engine.music.score import Note, Score
from app.engine.physics.solvers import run
from tests.engine.music.scenes import balls, trappist, voice

SVG = "{http://www.w3.org/2000/svg}"


def note(t_s: float, hz: float, **given) -> Note:
    fields = {"duration_s": 0.5, "midi": 0.0, "cents_error": 0.0, "velocity": 0.5, "amplitude": 1.0, "pan": 0.0, "voice_id": "voice"}
    return Note(t_s=t_s, hz=hz, provenance={}, **(fields | given))


def drawn(notes: list[Note], *voices, a4_hz: float = 440.0, duration_s: float = 4.0) -> ElementTree.Element:
    return ElementTree.fromstring(svg(Score(tuple(notes), voices or (voice(),), (), 120.0, "4/4", a4_hz, duration_s)))


def box(rectangle: ElementTree.Element) -> tuple[float, float, float, float]:
    """x, the middle's y, width and height."""
    x, y, width, height = (float(rectangle.attrib[name]) for name in ("x", "y", "width", "height"))
    return x, y + height / 2, width, height


def test_a_note_is_a_rectangle_at_its_time_and_exact_pitch() -> None:
    pitches = [60.0, 60.25, 67.0197, 84.0]
    picture = drawn([note(0.5 * place, midi_to_hz(pitch), duration_s=0.25 * (place + 1)) for place, pitch in enumerate(pitches)])
    boxes = np.array([box(one) for one in picture.iter(f"{SVG}rect")])
    per_s, per_semitone = np.diff(boxes[:2, 0])[0] / 0.5, (boxes[0, 1] - boxes[3, 1]) / 24
    assert (boxes[0, 0] - boxes[:, 0]) / -per_s == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=1e-4)
    assert boxes[:, 2] / per_s == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=1e-4)
    assert 60 + (boxes[0, 1] - boxes[:, 1]) / per_semitone == pytest.approx(pitches, abs=1e-3)
    assert (boxes[:, 0] >= 0).all() and (boxes[:, 0] + boxes[:, 2] <= WIDTH).all()
    assert (boxes[:, 1] - boxes[:, 3] / 2 >= 0).all() and (boxes[:, 1] + boxes[:, 3] / 2 <= HEIGHT).all()


def test_lines_are_named_after_notes_and_seconds() -> None:
    picture = drawn([note(0.0, 432.0), note(1.0, 432.0 * 8)], a4_hz=432.0, duration_s=10.0)
    labels = {text.text: text for text in picture.iter(f"{SVG}text")}
    assert {"C5", "C6", "C7", "0 s", "5 s", "10 s"} <= set(labels)
    low, _ = [box(one) for one in picture.iter(f"{SVG}rect")]
    lines = {float(line.attrib["y1"]) for line in picture.iter(f"{SVG}line") if line.attrib["y1"] == line.attrib["y2"]}
    (step,) = {round(b - a, 1) for a, b in zip(sorted(lines), sorted(lines)[1:], strict=False)}
    # A4 at 432 Hz is nine semitones over C4, whose line is an octave below that of C5.
    assert max(lines) + step * (1 if len(lines) == 3 else 0) - low[1] == pytest.approx(step * 9 / 12, abs=0.5)


def test_a_moving_note_has_the_line_of_its_pitch() -> None:
    glide = [midi_to_hz(60 + 12 * place / 400) for place in range(401)]
    picture = drawn([note(0.0, glide[0], duration_s=2.0, track={"rate": 200.0, "hz": glide})])
    (line,) = picture.iter(f"{SVG}polyline")
    points = np.array([point.split(",") for point in line.attrib["points"].split()], dtype=float)
    assert np.ptp(np.diff(points[:-1], axis=0)[:, 1]) < 0.05  # a straight line
    assert points[0, 1] == pytest.approx(box(next(picture.iter(f"{SVG}rect")))[1], abs=0.01)


@pytest.mark.parametrize("count", [0, 1, 10])
def test_voices_have_colours_names_and_any_letters(count: int) -> None:
    voices = [voice(f"v{place}", name=f"<&\"{place}'>\x00") for place in range(count)]
    picture = drawn([note(0.1 * place, 440.0, voice_id=f"v{place}") for place in range(count)], *voices)
    groups = [group for group in picture.iter(f"{SVG}g") if group.find(f"{SVG}rect") is not None]
    assert len(groups) == count
    assert len({group.attrib["fill"] for group in groups}) == min(count, 8)
    assert [group.find(f"{SVG}title").text for group in groups] == [f"<&\"{place}'>" for place in range(count)]


def test_real_scores_have_a_rectangle_for_every_note() -> None:
    for scene in (trappist(duration_s=12.0), balls(1.0, 2.0, 3.0, duration_s=8.0)):
        built = build_score(scene, run(scene))
        picture = ElementTree.fromstring(svg(built))
        assert len(list(picture.iter(f"{SVG}rect"))) == len(built.notes) > 10
        assert picture.find(f"{SVG}title").text == scene.name
