"""Struck resonators: the modes of an ideal body or of the scene's own, each dying away at its own rate.

References
----------
Fletcher, Rossing (1998), The Physics of Musical Instruments, 2nd ed., sections 2.15 (bars), 2.18 (stiff strings), 3.4 (membranes), 3.12
(plates) and 21 (bells).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.instruments.instrument import Choice, Instrument, Partials, Tone
from app.engine.audio.instruments.partials import BRIGHTNESS, START_PHASE, normalised, render_with, tilt
from app.engine.errors import Unsupported
from app.engine.physics.modes import bar_roots, membrane_roots
from app.engine.quantity import Quantity

_FLETCHER = "Fletcher & Rossing, The Physics of Musical Instruments"


@functools.lru_cache(maxsize=64)
def bar_ratios(count: int) -> NDArray[np.float64]:
    """Frequency ratios (count,) of a free-free bar: (b_k / b_1)^2 with b_k the roots of cosh(b) cos(b) = 1."""
    roots = np.array(bar_roots("free", count))
    ratios: NDArray[np.float64] = (roots / roots[0]) ** 2
    ratios.flags.writeable = False
    return ratios


def string_ratios(count: int, stiffness: float) -> NDArray[np.float64]:
    """Frequency ratios (count,) of a string of stiffness B: f_n / f_1 with f_n = n f_0 sqrt(1 + B n^2)."""
    n = np.arange(1, count + 1, dtype=np.float64)
    ratios: NDArray[np.float64] = n * np.sqrt((1 + stiffness * n**2) / (1 + stiffness))
    return ratios


def _partials(tone: Tone) -> Partials:
    given = tone.parameters
    if given["resonator"] == "own":
        if tone.modes is None:
            raise Unsupported(
                "Only bodies of the solver resonator have modes of their own; take a bar or a string for others.", "parameters.resonator"
            )
        return _own(tone.modes, given["partials"], given["brightness"])
    return _ideal(*(given[name] for name in ("resonator", "partials", "stiffness", "brightness", "decay_s", "damping")))


def membrane_ratios(count: int) -> NDArray[np.float64]:
    """Frequency ratios (count,) of a round membrane over its mode (0, 1): zeros of Bessel functions."""
    roots = np.array([root.value for root in membrane_roots(count)])
    ratios: NDArray[np.float64] = roots / roots[0]
    return ratios


def plate_ratios(count: int) -> NDArray[np.float64]:
    """Frequency ratios (count,) of a thin square plate with supported edges, (m^2 + n^2) / 2, each once."""
    order = np.arange(1, count + 2) ** 2
    ratios: NDArray[np.float64] = np.unique(np.add.outer(order, order))[:count] / 2.0
    return ratios


def bell_ratios(count: int) -> NDArray[np.float64]:
    """Frequency ratios of the lowest `count` partials, 7 at most, of a church bell in Simpson's tuning over its strike note."""
    return np.array(_BELL[:count])


_BELL = (1.0, 0.5, 1.2, 1.5, 2.0, 3.0, 4.0)
"""Prime, hum, tierce, quint, nominal, superquint and octave nominal."""

_RATIOS: dict[str, Callable[[int], NDArray[np.float64]]] = {
    "bar": bar_ratios,
    "membrane": membrane_ratios,
    "plate": plate_ratios,
    "bell": bell_ratios,
}


@functools.lru_cache(maxsize=256)
def _ideal(resonator: str, count: int, stiffness: float, brightness: float, decay_s: float, damping: float) -> Partials:
    """The modes of an ideal body."""
    ratio = string_ratios(count, stiffness) if resonator == "string" else _RATIOS[resonator](count)
    amplitude = tilt(len(ratio), brightness) / np.arange(1, len(ratio) + 1)
    return Partials(ratio=ratio, amplitude=normalised(amplitude), t60=decay_s * ratio**-damping)


@functools.lru_cache(maxsize=256)
def _own(modes: Partials, count: int, brightness: float) -> Partials:
    """The lowest modes of the body itself, with their own amplitudes and decays."""
    count = min(count, len(modes.ratio))
    amplitude = modes.amplitude[:count] * tilt(count, brightness)
    return Partials(ratio=modes.ratio[:count], amplitude=normalised(amplitude), t60=modes.t60[:count])


INSTRUMENT = Instrument(
    name="modal",
    description="A struck bar, string, drum, plate, bell or the scene's own body: the modes of the resonator, the high ones dying first.",
    quantities=(
        Quantity("partials", "N", "1", 1, 64, 8.0, "Number of modes.", "chosen for this service", integer=True),
        Quantity("decay_s", "T60", "s", 0.05, 30, 1.5, "Time in which the first mode falls by 60 dB.", _FLETCHER),
        Quantity(
            "damping", "q", "1", 0, 2, 0.5, "How much sooner high modes die: the decay time goes with frequency to the power -q.", _FLETCHER
        ),
        Quantity("stiffness", "B", "1", 0, 0.01, 1e-4, "Inharmonicity of the string: f_n = n f_0 sqrt(1 + B n^2).", _FLETCHER),
        BRIGHTNESS,
        START_PHASE,
    ),
    choices=(
        Choice(
            "resonator",
            ("bar", "string", "membrane", "plate", "bell", "own"),
            "bar",
            "What rings: a free bar, a stiff string, a round membrane, a square plate on its edges, a church bell of up to 7 partials, "
            "or with `own` the body itself, as the solver resonator finds its modes and decays.",
        ),
    ),
    pitch_range=(16.0, 16000.0),
    sustains=True,
    partials=_partials,
    render=render_with(_partials),
)
