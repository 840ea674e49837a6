"""The picture of a run: to scale, with every body, and well-formed whatever the bodies are called."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import numpy as np
import pytest

from app.engine.physics import solvers
from app.engine.physics.picture import POINTS, svg
from app.engine.physics.scene import Bounds, Scene
from tests.engine.physics.scenes import ball, drop, orbits, planet, scene, star

SVG = "{http://www.w3.org/2000/svg}"


def drawn(given: Scene) -> ElementTree.Element:
    return ElementTree.fromstring(svg(given, solvers.run(given, sample_hz=100.0).positions, {"ball": "#123456"}))


def path(picture: ElementTree.Element) -> np.ndarray:
    (line,) = picture.iter(f"{SVG}polyline")
    return np.array([point.split(",") for point in line.attrib["points"].split()], dtype=float)


def test_a_circular_orbit_is_a_circle_about_its_star() -> None:
    picture = drawn(orbits(star(), planet("p", 10.0), duration_s=10.0))
    centre = next(picture.iter(f"{SVG}circle"))
    where = np.array([float(centre.attrib["cx"]), float(centre.attrib["cy"])])
    distances = np.hypot(*(path(picture) - where).T)
    assert distances == pytest.approx(distances[0], abs=0.02) and distances[0] > 300


def test_a_tilted_orbit_is_drawn_in_the_plane_that_shows_it() -> None:
    picture = drawn(orbits(star(), planet("p", 10.0, inclination=np.pi / 2), duration_s=10.0))
    assert np.ptp(path(picture), axis=0) == pytest.approx([704.0, 704.0], abs=1.0)
    assert "x to the right, z up" in "".join(picture.itertext())


def test_lengths_and_walls_are_to_scale() -> None:
    walled = scene(ball("ball", 0.0, 1.0, v=(1.0, 0.0, 0.0)), gravity=(0.0, 0.0, 0.0), bounds=Bounds((-1.0, 0.0, None), (3.0, None, None)))
    picture = drawn(dataclasses.replace(walled, duration_s=8.0))
    lines = [{key: float(line.attrib[key]) for key in ("x1", "x2", "y1", "y2")} for line in picture.iter(f"{SVG}line")]
    bar = lines[-1]
    metre = (bar["x2"] - bar["x1"]) / float("".join(picture.itertext()).strip().split(" m,")[0].split()[-1])
    left, right = sorted(line["x1"] for line in lines[:-1] if line["x1"] == line["x2"])
    assert (right - left) / metre == pytest.approx(4.0, abs=0.01)
    assert path(picture)[:, 0].max() == pytest.approx(right - 0.1 * metre, abs=0.5)


def test_names_and_colours_stand_as_they_are() -> None:
    hostile = '</g><script>alert("1")</script>\x00 & co'
    given = scene(dataclasses.replace(ball("ball", 0.0, 1.0), name=hostile), duration_s=1.0)
    picture = drawn(given)
    assert not list(picture.iter(f"{SVG}script"))
    group = next(picture.iter(f"{SVG}g"))
    assert group.attrib["stroke"] == "#123456"
    assert group.find(f"{SVG}title").text == hostile.replace("\x00", "")  # type: ignore[union-attr]


def test_long_runs_are_drawn_from_fewer_samples() -> None:
    positions = np.zeros((POINTS // 2, 3, 3))
    positions[:, :, 0] = np.linspace(0.0, 1.0, len(positions))[:, None]
    many = scene(*(ball(str(number), 0.0, 1.0) for number in range(3)))
    lines = list(ElementTree.fromstring(svg(many, positions)).iter(f"{SVG}polyline"))
    assert sum(len(line.attrib["points"].split()) for line in lines) <= POINTS + 3


@pytest.mark.parametrize("given", [scene(duration_s=1.0), scene(ball("still", 0.0, 0.1), duration_s=1.0), drop(0.5)])
def test_scenes_with_nothing_to_draw_have_a_picture(given: Scene) -> None:
    assert drawn(given).tag == f"{SVG}svg"
