"""The grid of time: straight and swung lines, and the notes that move to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.engine.music.grid import Grid
from app.engine.music.mapping import build_score
from app.engine.physics import solvers
from tests.engine.music.scenes import balls, mapped, mapping

SWINGS = (0.5, 0.55, 2 / 3, 0.75)


@pytest.mark.parametrize("swing", SWINGS)
def test_the_first_of_two_steps_takes_its_share_of_the_pair(swing):
    lines = np.array([Grid(0.25, swing).at(line) for line in range(-6, 7)])
    steps = np.diff(lines)
    assert steps[::2] == pytest.approx(np.full(6, 0.5 * swing), rel=1e-12)
    assert steps[1::2] == pytest.approx(np.full(6, 0.5 * (1 - swing)), rel=1e-12)
    assert lines[::2].tolist() == [0.25 * line for line in range(-6, 7, 2)]


@pytest.mark.parametrize("swing", SWINGS)
def test_the_nearest_line_is_the_nearest_of_all_and_of_two_the_earlier(swing):
    grid = Grid(0.125, swing)
    lines = np.array([grid.at(line) for line in range(-9, 90)])
    times = np.random.default_rng(7).uniform(-0.9, 11.0, 2000)
    for time in times.tolist():
        assert grid.at(grid.nearest(time)) == lines[np.abs(lines - time).argmin()]
        assert grid.at(grid.first_from(time)) == lines[lines >= time][0]
    assert [grid.nearest(grid.at(line)) for line in range(40)] == [grid.first_from(grid.at(line)) for line in range(40)] == [*range(40)]


def test_midway_between_two_lines_the_earlier_is_taken():
    assert [Grid(1.0, 0.75).nearest(time) for time in (0.75, 1.75, 2.75, 3.75)] == [0, 1, 2, 3]
    assert [Grid(1.0).nearest(time) for time in (0.5, 1.5, 2.5)] == [0, 1, 2]


def struck(origin_s=0.0, **harmony):
    scene = mapped(balls(1.0, 2.0, 3.0, duration_s=3.9, harmony={"max_notes_per_second": 200, **harmony}), mapping())
    return build_score(scene, solvers.run(scene), origin_s=origin_s)


def test_swing_moves_every_second_line_and_straight_is_as_without_it():
    eighths = {"quantize_time": "1/8", "tempo_bpm": 120}
    straight, swung = struck(**eighths), struck(**eighths, swing=2 / 3)
    assert straight.document() == struck(**eighths, swing=0.5).document()
    places = {round(note.t_s / 0.5 % 1.0, 9) for note in swung.notes}
    assert places == {0.0, round(2 / 3, 9)}
    assert {note.t_s / 0.25 % 1.0 for note in straight.notes} == {0.0}
    assert max(note.t_s for note in swung.notes) < 3.9
    # Without a grid there is nothing to swing.
    assert struck(swing=0.7).document() == struck().document()


def test_a_run_that_begins_between_two_lines_keeps_the_pairs_of_the_scene():
    """A live stream that an edit made begin 0.3 s into the scene counts its lines from the scene's own beginning."""
    begun = struck(origin_s=0.3, quantize_time="1/8", tempo_bpm=120, swing=0.75)
    assert {round((note.t_s + 0.3) / 0.5 % 1.0, 9) for note in begun.notes} == {0.0, 0.75}
    assert min(note.t_s for note in begun.notes) >= 0.0


def test_merging_on_a_grid_is_counted_voice_by_voice():
    scene = mapped(balls(1.0, 2.0, 3.0, duration_s=3.9), mapping())
    free = replace(scene, harmony={"max_notes_per_second": 200})
    coarse = replace(scene, harmony={"max_notes_per_second": 200, "quantize_time": "1/4", "tempo_bpm": 60, "swing": 0.6})
    one, other = (build_score(each, solvers.run(each)) for each in (free, coarse))
    assert set(other.report["merged"]) == {"voice"}
    assert len(other.notes) + other.report["merged"]["voice"] == len(one.notes) + one.report["merged"]["voice"]
    assert other.report["merged"]["voice"] > one.report["merged"]["voice"]


def test_the_score_says_the_key_as_it_is_spelled():
    assert [struck(key=key).report["key"] for key in ("Cb", "E#", "Fx")] == ["Cb", "E#", "Fx"]
    assert struck().report["key"] == "C"
    assert struck(key="Cb", quantize_pitch="scale").notes == struck(key="B", quantize_pitch="scale").notes
