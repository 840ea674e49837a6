"""Sound from partials: decaying ones as one matrix product, sustained ones along an integrated phase."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.instruments.instrument import Partials, Samples, Tone
from app.engine.audio.products import product
from app.engine.quantity import Quantity

FADE_FROM, STOP_AT = 0.40, 0.45
"""Partials fade out between these fractions of the sample rate, so that none is aliased."""

_BLOCK = 256
_FEW = 64
_SHARED = 1 << 14
"""Tables with more rows of partials than this are not kept."""

_DECAY = 3 * math.log(10)

BRIGHTNESS = Quantity(
    "brightness", "b", "1", 0, 1, 0.5, "Strength of the high partials: the n-th is weighted by n^(2b-1).", "chosen for this service"
)
START_PHASE = Quantity(
    "start_phase",
    "phi",
    "rad",
    -2 * math.pi,
    2 * math.pi,
    None,
    "Phase of every partial at the start; null draws each from the seed.",
    "chosen for this service",
)
WAVE_PHASE = replace(
    START_PHASE,
    description="Phase of the wave at the start, that of a partial at r times the pitch r times as large; null draws it from the seed.",
)


def render_with(partials: Callable[[Tone], Partials]) -> Callable[[Tone], Samples]:
    """The renderer of an instrument that is nothing but its partials."""
    return lambda tone: decaying(tone, partials(tone))


def render_along(along: Callable[..., Samples]) -> Callable[[Tone], Samples]:
    """The renderer of an instrument that has `Noise.along` in place of partials: the whole tone at its one pitch."""
    return lambda tone: along(tone, 0, tone.frames, lambda times: np.full(len(times), tone.hz))


def no_partials(_tone: Tone) -> Partials:
    """Those of noise."""
    return Partials(ratio=np.empty(0), amplitude=np.empty(0), t60=np.empty(0))


def tilt(count: int, brightness: float) -> NDArray[np.float64]:
    """Weights n^(2b-1) of partials 1 to `count`; 1 everywhere for a brightness of 0.5."""
    return np.arange(1, count + 1, dtype=np.float64) ** (2 * brightness - 1)


def normalised(amplitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amplitudes whose magnitudes add up to 1, so that no phase can bring the sum out of [-1, 1]."""
    scaled: NDArray[np.float64] = amplitude / np.abs(amplitude).sum()
    return scaled


def band_limit(hz: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Weight of partials at `hz`: 1 up to 0.40 of the sample rate, 0 from 0.45 on, a raised cosine between."""
    if hz.max(initial=0.0) <= FADE_FROM * sample_rate:
        return np.ones(hz.shape)
    across = np.clip((hz / sample_rate - FADE_FROM) / (STOP_AT - FADE_FROM), 0.0, 1.0)
    weight: NDArray[np.float64] = 0.5 + 0.5 * np.cos(np.pi * across)
    return weight


def start_phases(tone: Tone, partials: Partials) -> NDArray[np.float64]:
    """Start phases in rad, (P,): those of the partials, else the parameter `start_phase`, else random ones without a common edge."""
    if partials.phase is not None:
        return partials.phase
    count = len(partials.ratio)
    fixed = tone.parameters.get("start_phase")
    if fixed is not None:
        return np.full(count, float(fixed))
    return tone.rng().uniform(0.0, 2 * np.pi, count)


def wave_phases(tone: Tone, ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Start phases in rad of partials that keep the shape of one wave, wherever in it the note starts."""
    given = tone.parameters["start_phase"]
    phases: NDArray[np.float64] = ratio * (tone.rng().uniform(0.0, 2 * np.pi) if given is None else given)
    return phases


def decaying(tone: Tone, partials: Partials) -> Samples:
    """The sum of a_p exp(-d_p n) sin(w_p n + phi_p), float32 (tone.frames,).

    With z = exp(-d + iw) and n = rK + k, z^n = (z^K)^r z^k: rows r and columns k are two small tables, and all partials
    of the note together are one real matrix product. Each row starts from an exact value, so float32 errors do not grow.
    """
    heard, weight, z = _turning(partials, tone.hz, tone.sample_rate)
    return sum_of_powers(weight * np.exp(1j * start_phases(tone, partials)[heard]), z, tone.frames)


@functools.lru_cache(maxsize=64)
def _turning(
    partials: Partials, pitch_hz: float, sample_rate: int
) -> tuple[NDArray[np.bool_], NDArray[np.complex128], NDArray[np.complex128]]:
    """Which partials are heard at a pitch, their complex amplitudes at phase 0, and what each is multiplied by from sample to sample."""
    hz = pitch_hz * partials.ratio
    weight = partials.amplitude * band_limit(hz, sample_rate)
    heard = weight != 0
    return heard, -1j * weight[heard], np.exp((-_DECAY / partials.t60[heard] + 2j * np.pi * hz[heard]) / sample_rate)


def sum_of_powers(start: NDArray[np.complex128], z: NDArray[np.complex128], frames: int) -> Samples:
    """Re(sum_p start_p z_p^n) for n < frames, as many partials at a time as fit into small tables."""
    out = _sum_of_few(start[:_FEW], z[:_FEW], frames)
    for first in range(_FEW, len(z), _FEW):
        out += _sum_of_few(start[first : first + _FEW], z[first : first + _FEW], frames)
    return out


def _sum_of_few(start: NDArray[np.complex128], z: NDArray[np.complex128], frames: int) -> Samples:
    rows = -(-frames // _BLOCK)
    columns, steps = (_shared if len(z) * rows <= _SHARED else _tables)(z.tobytes(), rows)
    starts = start * steps
    left = np.empty((rows, 2 * len(z)), np.float32)
    left[:, : len(z)] = starts.real
    np.negative(starts.imag, out=left[:, len(z) :], casting="same_kind")
    return product(left, columns).reshape(-1)[:frames]


def _tables(z: bytes, rows: int) -> tuple[Samples, NDArray[np.complex128]]:
    """z^k as real columns (2 P, K), and z^(rK), (rows, P)."""
    base = np.frombuffer(z, np.complex128)
    columns = powers(base, _BLOCK)
    steps = np.ascontiguousarray(powers(columns[:, -1] * base, rows).T)
    # Values this small are inaudible, and as subnormal float32 they would slow the product down.
    steps[np.abs(steps) < 1e-30] = 0
    return np.concatenate((columns.real, columns.imag)).astype(np.float32), steps


_shared = functools.lru_cache(maxsize=64)(_tables)
"""The tables, which notes of one pitch share."""


def powers(z: NDArray[np.complex128], count: int) -> NDArray[np.complex128]:
    """z^0 to z^(count-1), (len(z), count), by doubling: the error grows with the logarithm of the exponent only."""
    table = np.ones((len(z), count), np.complex128)
    step, done = z[:, None], 1
    while done < count:
        more = min(done, count - done)
        np.multiply(table[:, :more], step, out=table[:, done : done + more])
        step, done = step * step, done + more
    return table


def sustained(
    partials: Partials,
    phases: NDArray[np.float64],
    times: NDArray[np.float64],
    cycles: NDArray[np.float64],
    hz: NDArray[np.float64],
    sample_rate: int,
) -> Samples:
    """The sum of undamped partials along a phase, float32 (n,).

    At `times` (n,), s after the start, `cycles` (n,) is the integral of the pitch in cycles and `hz` (n,) the pitch; `phases` (P,) in rad.
    """
    amplitudes = partials.amplitude if partials.moving is None else partials.moving(times)
    out = np.zeros(len(cycles), np.float32)
    for ratio, amplitude, phase in zip(partials.ratio, amplitudes, phases, strict=True):
        weight = _weight(hz * ratio, sample_rate)
        if weight is not None:
            turn = cycles * ratio + phase / (2 * np.pi)
            turn -= np.floor(turn)
            out += np.sin((2 * np.pi * turn).astype(np.float32)) * (weight * amplitude).astype(np.float32)
    return out


def _weight(hz: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64] | None:
    """The band limit of a moving partial; one number where it is 1 throughout, None where it is 0 throughout."""
    if hz.max() <= FADE_FROM * sample_rate:
        return np.ones(1)
    return None if hz.min() >= STOP_AT * sample_rate else band_limit(hz, sample_rate)
