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


def lufs_of(*parts: NDArray[np.float32], rate: int = 48000) -> float | None:
    meter = LoudnessMeter(rate)
    for chunk in np.array_split(np.concatenate(parts, axis=1), 7, axis=1):
        meter.read(chunk)
    return meter.lufs()


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_ebu_tech_3341_cases_1_and_2(rate: int, level: float) -> None:
    """A stereo sine of 1 kHz at -23 (-33) dBFS for 20 s reads -23.0 (-33.0) LUFS, within 0.1."""
    assert lufs_of(stereo_sine(1000.0, level, 20.0, rate), rate=rate) == pytest.approx(level, abs=0.1)


def test_ebu_tech_3341_case_3_gates_the_quiet_parts() -> None:
    quiet, loud = stereo_sine(1000.0, -36.0, 10.0, 48000), stereo_sine(1000.0, -23.0, 60.0, 48000)
    assert lufs_of(quiet, loud, quiet) == pytest.approx(-23.0, abs=0.1)


def test_ebu_tech_3341_case_4_gates_near_silence_too() -> None:
    levels = ((-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0))
    assert lufs_of(*(stereo_sine(1000.0, level, seconds, 48000) for level, seconds in levels)) == pytest.approx(-23.0, abs=0.1)


def test_silence_and_very_short_sounds_have_no_loudness() -> None:
    assert lufs_of(np.zeros((2, 48000), np.float32)) is None
    assert lufs_of(stereo_sine(1000.0, -23.0, 0.2, 48000)) is None


def test_the_k_weighting_at_48_khz_is_the_table_of_bs_1770() -> None:
    shelf, highpass = k_weighting(48000)
    assert shelf == pytest.approx(
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585], abs=1e-9
    )
    assert highpass == pytest.approx([1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621], abs=1e-9)


@pytest.mark.parametrize(("divisor", "phase_deg"), [(4, 45.0), (6, 60.0), (8, 67.5)])
def test_the_true_peak_of_a_tone_between_its_samples_is_found(divisor: int, phase_deg: float) -> None:
    """EBU Tech 3341 cases 15 to 19: tones at a fraction of the rate whose crests fall between samples read -6 dBTP, +0.2 / -0.4 dB."""
    wave = 0.5 * np.sin(2 * np.pi * np.arange(48000) / divisor + np.radians(phase_deg))
    envelope = np.clip(np.minimum(np.arange(48000), np.arange(48000)[::-1]) / 4800, 0, 1)
    meter = PeakMeter()
    for chunk in np.array_split(np.stack((wave * envelope, 0 * wave)).astype(np.float32), 13, axis=1):
        meter.read(chunk)
    meter.finish()
    assert -6.4 <= (decibels(meter.true_peak) or 0.0) <= -5.8


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
