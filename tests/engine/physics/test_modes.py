"""Roots, shapes and air against the tables of textbooks and standards."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy

from app.engine.physics import modes
from app.engine.physics.air import Air, Pipe

STANDARD = Air(288.15, 101325.0)
"""The air of the U.S. Standard Atmosphere at sea level."""


def mean(function: Callable[[float], float]) -> float:
    """The mean of a function over 0 to 1."""
    places, weights = np.polynomial.legendre.leggauss(90)
    return math.fsum(0.5 * w * function(0.5 * (1.0 + x)) for x, w in zip(places.tolist(), weights.tolist(), strict=True))


@pytest.mark.parametrize(
    ("ends", "roots"),
    [
        ("free", (4.73004074, 7.85320462, 10.9956078, 14.1371655, 17.2787597)),
        ("clamped", (4.73004074, 7.85320462, 10.9956078, 14.1371655, 17.2787597)),
        ("cantilever", (1.87510407, 4.69409113, 7.85475744, 10.99554073, 14.13716839)),
        ("supported", (math.pi, 2.0 * math.pi, 3.0 * math.pi, 4.0 * math.pi, 5.0 * math.pi)),
    ],
)
def test_bars_have_the_roots_of_the_table(ends: str, roots: tuple[float, ...]) -> None:
    """Blevins (1979), Formulas for Natural Frequency and Mode Shape, table 8-1, to the nine digits it prints."""
    assert modes.bar_roots(ends, 5) == pytest.approx(roots, rel=1e-8)


@pytest.mark.parametrize(
    ("ends", "ratios"), [("free", (1.0, 2.75654, 5.40392, 8.93295)), ("cantilever", (1.0, 6.26689, 17.54748, 34.38606))]
)
def test_bars_have_the_ratios_of_the_textbook(ends: str, ratios: tuple[float, ...]) -> None:
    """Squares of the roots in Blevins (1979), table 8-1, rounded to five decimals; Fletcher & Rossing (1998), chapter 2, has three."""
    roots = modes.bar_roots(ends, 4)
    assert [(root / roots[0]) ** 2 for root in roots] == pytest.approx(ratios, rel=1e-6)


@pytest.mark.parametrize("ends", ["free", "clamped", "cantilever"])
def test_every_root_of_a_bar_solves_its_equation_to_1e_12(ends: str) -> None:
    sign = -1.0 if ends == "cantilever" else 1.0
    for root in modes.bar_roots(ends, 64):
        below, above = (math.cos(x) - sign / math.cosh(x) for x in (root * (1.0 - 1e-12), root * (1.0 + 1e-12)))
        assert below * above < 0.0


@pytest.mark.parametrize("ends", modes.BAR_ENDS)
def test_the_shapes_of_a_bar_are_orthogonal_and_of_mean_square_1(ends: str) -> None:
    roots = modes.bar_roots(ends, 32)
    for place in (0, 1, 2, 7, 31):
        root, other = roots[place], roots[place - 1]
        assert mean(lambda x, b=root: modes.bar_shape(ends, b, x) ** 2) == pytest.approx(1.0, abs=1e-9)
        assert mean(lambda x, a=root, b=other: modes.bar_shape(ends, a, x) * modes.bar_shape(ends, b, x)) == pytest.approx(0.0, abs=1e-9)


def test_a_bar_is_held_where_it_is_held() -> None:
    for root in modes.bar_roots("clamped", 32):
        assert max(abs(modes.bar_shape("clamped", root, end)) for end in (0.0, 1.0)) < 1e-12
        assert abs(modes.bar_shape("free", root, 0.0)) == pytest.approx(2.0, abs=1e-12)
    # The end of a cantilever moves twice as far as its root mean square, in every mode (Blevins 1979, table 8-1).
    assert [abs(modes.bar_shape("cantilever", root, 1.0)) for root in modes.bar_roots("cantilever", 32)] == pytest.approx([2.0] * 32)


def test_a_supported_string_is_stretched_by_its_stiffness_alone() -> None:
    assert modes.string_roots(False, 1e-3, 8) == pytest.approx([math.pi * n for n in range(1, 9)], rel=1e-15)
    assert modes.string_roots(True, 0.0, 8) == modes.string_roots(False, 0.0, 8)


@pytest.mark.parametrize("stiffness", [1e-12, 1e-8, 1e-6, 1e-5])
def test_a_clamped_string_is_sharper_by_the_published_factor(stiffness: float) -> None:
    """1 + (2/pi) B^(1/2) + (4/pi^2) B: Fletcher (1964), J. Acoust. Soc. Am. 36, 203-209, which leaves out terms of B^(3/2)."""
    factor = 1.0 + 2.0 / math.pi * math.sqrt(stiffness) + 4.0 / math.pi**2 * stiffness
    for n, root in enumerate(modes.string_roots(True, stiffness, 8), start=1):
        bent = root / math.pi * math.sqrt(1.0 + stiffness * (root / math.pi) ** 2)
        expected = n * math.sqrt(1.0 + stiffness * n * n) * factor
        assert bent == pytest.approx(expected, rel=10.0 * n * n * stiffness**1.5 + 1e-14)


@pytest.mark.parametrize("stiffness", [1e-4, 0.01, 0.3, 5.0, 100.0])
def test_every_mode_of_a_clamped_string_meets_the_four_conditions_at_its_ends(stiffness: float) -> None:
    """The shape a cos kx + b sin kx + c cosh yx + d sinh yx with value and slope 0 at both ends exists where a determinant vanishes.

    y^2 = k^2 + T L^2 / (E I) = k^2 + pi^2 / B, from the equation of motion E I d4u/dx4 - T d2u/dx2 = mu w^2 u.
    """

    def determinant(k: float) -> float:
        y = math.sqrt(k * k + math.pi**2 / stiffness)
        # The hyperbolic functions are written by what decays from either end, e^(-yx) and e^(y(x-1)), so that none is large.
        end = math.exp(-y)
        rows = [
            (1.0, 0.0, 1.0, end),
            (0.0, k, -y, y * end),
            (math.cos(k), math.sin(k), end, 1.0),
            (-k * math.sin(k), k * math.cos(k), -y * end, y),
        ]
        return float(np.linalg.det(rows))

    roots = modes.string_roots(True, stiffness, 8)
    for root in roots:
        assert determinant(root * (1.0 - 1e-10)) * determinant(root * (1.0 + 1e-10)) < 0.0
    # Below the eighth the determinant changes sign seven times: no mode is left out.
    signs = np.sign([determinant(k) for k in np.linspace(0.5, roots[-1] - 0.01, 4000)])
    assert int((np.diff(signs) != 0).sum()) == 7


def test_a_clamped_string_without_tension_is_a_clamped_bar() -> None:
    assert modes.string_roots(True, 1e12, 12) == pytest.approx(modes.bar_roots("clamped", 12), rel=1e-9)


ZEROS = (2.4048255577, 3.8317059702, 5.13562, 5.5200781103, 6.38016, 7.0155866698, 7.58834, 8.41724, 8.6537279129, 8.77148)


def test_a_round_membrane_has_the_zeros_of_bessel_functions() -> None:
    """Abramowitz & Stegun (1964), Handbook of Mathematical Functions, table 9.5: ten decimals for J_0 and J_1, five for the others."""
    found = modes.membrane_roots(32)
    assert [root.value for root in found[:10]] == pytest.approx(ZEROS, rel=1e-6)
    assert [(root.m, root.n) for root in found[:6]] == [(0, 1), (1, 1), (2, 1), (0, 2), (3, 1), (1, 2)]
    for root in found:
        below, above = (scipy.special.jv(root.m, root.value * (1.0 + part)) for part in (-1e-12, 1e-12))
        assert below * above < 0.0


def test_a_round_membrane_has_the_ratios_of_the_textbook() -> None:
    """1.59334, 2.13555, 2.29542 ...: quotients of the zeros in Abramowitz & Stegun (1964), table 9.5."""
    found = modes.membrane_roots(32)
    ratios = (1.0, 1.59334, 2.13555, 2.29542, 2.65307, 2.91730)
    assert [root.value / found[0].value for root in found[:6]] == pytest.approx(ratios, rel=2e-6)  # five decimals


def test_no_low_mode_of_a_round_membrane_or_plate_is_left_out() -> None:
    every = sorted(float(zero) for m in range(40) for zero in scipy.special.jn_zeros(m, 40))
    assert [root.value for root in modes.membrane_roots(32)] == pytest.approx(every[:32], rel=1e-12)
    plate = modes.round_plate_roots(32)
    more = modes.round_plate_roots(64)
    assert plate == more[:32]


def test_a_clamped_round_plate_has_the_frequencies_of_the_report() -> None:
    """Leissa (1969), Vibration of Plates, NASA SP-160, section 2.1.1: squares of the roots, to the digits it prints."""
    known = {(0, 1): 10.2158, (1, 1): 21.26, (2, 1): 34.88, (0, 2): 39.771, (1, 2): 60.82, (0, 3): 89.104}
    found = {(root.m, root.n): root.value**2 for root in modes.round_plate_roots(32)}
    for numbers, square in known.items():
        assert found[numbers] == pytest.approx(square, rel=2e-4)


@pytest.mark.parametrize(("roots", "shape"), [("membrane_roots", "membrane_shape"), ("round_plate_roots", "round_plate_shape")])
def test_the_shapes_of_round_bodies_have_mean_square_1(roots: str, shape: str) -> None:
    for root in getattr(modes, roots)(32)[::5]:
        across = 1.0 if root.m == 0 else 0.5  # the mean of cos^2 over the turn
        square = mean(lambda r, one=root: 2.0 * r * getattr(modes, shape)(one, r) ** 2)
        assert across * square == pytest.approx(1.0, rel=1e-9)
        assert abs(getattr(modes, shape)(root, 1.0)) < 1e-9


@pytest.mark.parametrize(("length", "width"), [(1.0, 1.0), (1.0, 0.7), (0.01, 1000.0), (3.0, 2.99)])
def test_no_low_mode_of_a_rectangle_is_left_out(length: float, width: float) -> None:
    every = sorted(math.pi * math.hypot(m / length, n / width) for m in range(1, 70) for n in range(1, 70))
    assert [root.value for root in modes.rectangle_roots(length, width, 32)] == pytest.approx(every[:32], rel=1e-14)


def test_air_is_that_of_the_standard_atmosphere() -> None:
    """U.S. Standard Atmosphere, 1976, at sea level: 340.294 m/s, 1.2250 kg/m^3, 1.7894e-5 Pa s, 2.5326e-2 W/(m K)."""
    assert STANDARD.speed_of_sound == pytest.approx(340.294, rel=2e-5)
    assert STANDARD.density == pytest.approx(1.2250, rel=5e-5)
    assert STANDARD.viscosity == pytest.approx(1.7894e-5, rel=5e-5)
    assert STANDARD.conductivity == pytest.approx(2.5326e-2, rel=5e-5)
    assert Air(273.15, 50000.0).speed_of_sound == pytest.approx(331.3, rel=2e-4)


def test_an_open_pipe_has_all_harmonics_and_a_stopped_one_the_odd_ones() -> None:
    for stopped, harmonics in ((False, (1, 2, 3, 4, 5)), (True, (1, 3, 5, 7, 9))):
        pipe = Pipe(0.6, 0.01, stopped)
        ratios = [pipe.wave_number(n) / pipe.wave_number(1) for n in range(1, 6)]
        assert ratios == pytest.approx(harmonics, rel=1e-14)
    # A stopped pipe of no width sounds an octave below the open one.
    assert Pipe(0.6, 1e-9, True).wave_number(1) == pytest.approx(0.5 * Pipe(0.6, 1e-9, False).wave_number(1), rel=1e-8)


def test_the_walls_of_a_pipe_take_what_the_textbook_says() -> None:
    """alpha = 1.2e-5 sqrt(w) / a in 1/m, near room temperature: Fletcher & Rossing (1998), chapter 8; two digits."""
    pipe, air = Pipe(2.0, 0.003, True), Air(300.0, 101325.0)
    k = pipe.wave_number(1)
    alpha = 1.2e-5 * math.sqrt(k * air.speed_of_sound) / pipe.radius
    assert pipe.damping_ratio(1, air) * k == pytest.approx(alpha, rel=0.04)


def test_thinner_air_damps_a_pipe_more() -> None:
    pipe = Pipe(2.0, 0.003, True)
    assert pipe.damping_ratio(1, Air(288.15, 25331.25)) == pytest.approx(2.0 * pipe.damping_ratio(1, STANDARD), rel=1e-3)
