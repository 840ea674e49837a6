"""Meters against the signals of the standards."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

from app.engine.audio.meters import LevelMeter, LoudnessMeter, PeakMeter, decibels, interpolated_peak, k_weighting


def stereo_sine(hz: float, dbfs: float, seconds: float, rate: int) -> NDArray[np.float32]:
    wave = 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.stack((wave, wave)).astype(np.float32)


def read(*parts: NDArray[np.float32], rate: int = 48000) -> LoudnessMeter:
    meter = LoudnessMeter(rate)
    for chunk in np.array_split(np.concatenate(parts, axis=1), 7, axis=1):
        meter.read(chunk)
    return meter


def tones(*parts: tuple[float, float], rate: int = 48000) -> LoudnessMeter:
    """A meter that has read 1 kHz at each level (dBFS) for so many seconds."""
    return read(*(stereo_sine(1000.0, level, seconds, rate) for level, seconds in parts), rate=rate)


def lufs_of(*parts: NDArray[np.float32], rate: int = 48000) -> float | None:
    return read(*parts, rate=rate).lufs()


SILENT = -200.0


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_ebu_tech_3341_cases_1_and_2(rate: int, level: float) -> None:
    """A stereo sine of 1 kHz at -23 (-33) dBFS for 20 s reads -23.0 (-33.0) LUFS in all three windows, within 0.1."""
    meter = tones((level, 20.0), rate=rate)
    for found in (meter.lufs(), meter.highest_momentary(), meter.highest_short_term()):
        assert found == pytest.approx(level, abs=0.1)


def test_ebu_tech_3341_case_3_gates_the_quiet_parts() -> None:
    quiet, loud = stereo_sine(1000.0, -36.0, 10.0, 48000), stereo_sine(1000.0, -23.0, 60.0, 48000)
    assert lufs_of(quiet, loud, quiet) == pytest.approx(-23.0, abs=0.1)


def test_ebu_tech_3341_case_4_gates_near_silence_too() -> None:
    levels = ((-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0))
    assert lufs_of(*(stereo_sine(1000.0, level, seconds, 48000) for level, seconds in levels)) == pytest.approx(-23.0, abs=0.1)


def test_ebu_tech_3341_case_5_weighs_loud_and_quiet_parts() -> None:
    assert tones((-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)).lufs() == pytest.approx(-23.0, abs=0.1)


def test_ebu_tech_3341_case_9_has_a_constant_short_term_loudness() -> None:
    meter = tones(*[(-20.0, 1.34), (-30.0, 1.66)] * 5)
    assert meter.highest_short_term() == pytest.approx(-23.0, abs=0.1)
    assert meter.loudness_range() == pytest.approx(0.0, abs=0.1)


def test_ebu_tech_3341_case_12_has_a_constant_momentary_loudness() -> None:
    assert tones(*[(-20.0, 0.18), (-30.0, 0.22)] * 25).highest_momentary() == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("place", range(20))
def test_ebu_tech_3341_cases_10_and_13_find_a_tone_as_long_as_the_window_wherever_it_begins(place: int) -> None:
    assert tones((SILENT, 0.15 * place), (-23.0, 3.0), (SILENT, 1.0)).highest_short_term() == pytest.approx(-23.0, abs=0.1)
    assert tones((SILENT, 0.02 * place), (-23.0, 0.4), (SILENT, 1.0)).highest_momentary() == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("windows", [("highest_short_term", 3.0), ("highest_momentary", 0.4)])
def test_ebu_tech_3341_cases_11_and_14_follow_tones_that_grow_louder(windows: tuple[str, float]) -> None:
    """Twenty tones as long as the window, each 1 dB louder and begun a twentieth of it later: the highest value is the last tone's."""
    name, seconds = windows
    meter = LoudnessMeter(48000)
    for place in range(20):
        pause = seconds * place / 20
        parts = ((SILENT, pause), (-38.0 + place, seconds), (SILENT, seconds - pause))
        meter.read(np.concatenate([stereo_sine(1000.0, *part, 48000) for part in parts], axis=1))
        assert getattr(meter, name)() == pytest.approx(-38.0 + place, abs=0.1)


@pytest.mark.parametrize(
    ("levels", "expected"), [((-20, -30), 10.0), ((-20, -15), 5.0), ((-40, -20), 20.0), ((-50, -35, -20, -35, -50), 15.0)]
)
def test_ebu_tech_3342_cases_1_to_4_have_their_loudness_range(levels: tuple[float, ...], expected: float) -> None:
    assert tones(*((level, 20.0) for level in levels), rate=16000).loudness_range() == pytest.approx(expected, abs=1.0)


def test_a_gain_is_found_that_makes_the_loudness_the_asked_one() -> None:
    meter = tones((-80.0, 5.0), (-60.0, 5.0), (-72.0, 5.0), (-90.0, 5.0), rate=16000)
    for target in (-40.0, -23.0, -5.0):
        gain_db = meter.gain_db_to(target)
        assert gain_db is not None
        louder = tones(*((level + gain_db, 5.0) for level in (-80.0, -60.0, -72.0, -90.0)), rate=16000)
        assert louder.lufs() == pytest.approx(target, abs=0.01)


def test_silence_and_very_short_sounds_have_no_loudness() -> None:
    for meter in (read(np.zeros((2, 4 * 48000), np.float32)), tones((-23.0, 0.2)), LoudnessMeter(48000)):
        assert meter.lufs() is None
        assert meter.gain_db_to(-23.0) is None
        assert meter.highest_momentary() is meter.highest_short_term() is meter.loudness_range() is None


def test_the_k_weighting_at_48_khz_is_the_table_of_bs_1770() -> None:
    shelf, highpass = k_weighting(48000)
    assert shelf == pytest.approx(
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585], abs=1e-9
    )
    assert highpass == pytest.approx([1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621], abs=1e-9)


@pytest.mark.parametrize(
    ("divisor", "phase_deg", "amplitude", "expected"),
    [(4, 0.0, 0.5, -6.0), (4, 45.0, 0.5, -6.0), (6, 60.0, 0.5, -6.0), (8, 67.5, 0.5, -6.0), (4, 45.0, 1.41, 3.0)],
)
def test_the_true_peak_of_a_tone_between_its_samples_is_found(divisor: int, phase_deg: float, amplitude: float, expected: float) -> None:
    """EBU Tech 3341 cases 15 to 19: tones at a fraction of the rate whose crests fall between samples, +0.2 / -0.4 dB."""
    wave = amplitude * np.sin(2 * np.pi * np.arange(48000) / divisor + np.radians(phase_deg))
    envelope = np.clip(np.minimum(np.arange(48000), np.arange(48000)[::-1]) / 4800, 0, 1)
    meter = PeakMeter()
    for chunk in np.array_split(np.stack((wave * envelope, 0 * wave)).astype(np.float32), 13, axis=1):
        meter.read(chunk)
    meter.finish()
    assert expected - 0.4 <= (decibels(meter.true_peak) or 0.0) <= expected + 0.2


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_the_true_peak_of_one_louder_wave_is_found_wherever_the_samples_fall(offset: int) -> None:
    """As EBU Tech 3341 cases 20 to 23: made at four times the rate, low-passed, and every fourth sample taken from another one on."""
    rate = 4 * 48000
    fine = 0.5 * np.sin(2 * np.pi * np.arange(rate // 2) / 24)
    fine[48000:48024] *= 2.0
    fine *= np.clip(np.minimum(np.arange(rate // 2), np.arange(rate // 2)[::-1]) / 9600, 0, 1)
    spectrum = np.fft.rfft(fine)
    spectrum[np.fft.rfftfreq(len(fine), 1 / rate) > 20000] = 0
    low = np.fft.irfft(spectrum)
    meter = PeakMeter()
    meter.read(np.stack((low[offset::4],) * 2).astype(np.float32))
    meter.finish()
    assert 20 * np.log10(np.abs(low).max()) == pytest.approx(0.0, abs=0.2)
    assert -0.4 <= (decibels(meter.true_peak) or -9.0) <= 0.2


def test_the_block_product_is_the_plain_interpolation() -> None:
    from app.engine.audio.meters import PHASES

    noise = np.random.default_rng(1).uniform(-1, 1, 1000).astype(np.float32)
    plain = np.max([np.abs(np.convolve(noise, taps, "valid")) for taps in PHASES], axis=0)
    # Twelve products in single precision.
    assert interpolated_peak(noise) == pytest.approx(plain, abs=2e-6)


def test_four_fold_interpolation_comes_near_a_finer_one() -> None:
    rng = np.random.default_rng(2)
    spectrum = np.fft.rfft(rng.standard_normal(48000))
    spectrum[20000:] = 0
    wave = np.fft.irfft(spectrum).astype(np.float32)
    wave /= np.abs(wave).max() * 2
    meter = PeakMeter()
    meter.read(np.stack((wave, wave)))
    meter.finish()
    fine = np.abs(resample_poly(wave, 16, 1)).max()
    assert 20 * np.log10(meter.true_peak / fine) == pytest.approx(0.0, abs=0.5)


def test_an_offset_is_found_and_a_low_tone_is_not_taken_for_one() -> None:
    for offset in (0.0, 0.01):
        wave = 0.5 * np.sin(2 * np.pi * 16.3 * np.arange(96000) / 48000) + offset
        meter = LevelMeter(96000)
        for chunk in np.array_split(np.stack((wave, 0 * wave)).astype(np.float32), 5, axis=1):
            meter.read(chunk)
        assert meter.offset == pytest.approx(offset, abs=1e-4)
        assert meter.rms == pytest.approx(np.sqrt(np.mean(wave**2) / 2), rel=1e-6)


def test_silence_has_no_decibels() -> None:
    assert decibels(0.0) is None
    assert decibels(0.5) == pytest.approx(-6.0206, abs=1e-4)
