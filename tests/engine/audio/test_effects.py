"""Envelopes, DC blocker, limiter and fades, each heard alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.audio.effects import DcBlocker, EndFade, Limiter
from app.engine.audio.envelopes import Adsr, Envelope
from app.engine.audio.meters import PeakMeter, decibels
from app.engine.audio.mix import Mix, Settings

RATE = 48000


def limited(wave: NDArray[np.float32], pieces: int = 5) -> NDArray[np.float32]:
    limiter = Limiter(RATE, -1.0)
    out = [limiter.process(chunk) for chunk in np.array_split(wave, pieces, axis=1)]
    return np.concatenate((*out, limiter.finish()), axis=1)


def true_peak(wave: NDArray[np.float32]) -> float:
    meter = PeakMeter()
    meter.read(wave.astype(np.float32))
    meter.finish()
    return decibels(meter.true_peak) or 0.0


def hostile(kind: str, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    n = np.arange(12000)
    gain = rng.uniform(1, 20)
    if kind == "noise":
        wave = rng.standard_normal((2, 12000))
    elif kind == "square":
        wave = np.sign(np.sin(2 * np.pi * rng.uniform(30, 8000) * n / RATE))[None, :] * rng.uniform(0.2, 1, (2, 1))
    elif kind == "quarter":
        wave = np.sin(np.pi / 2 * n * rng.uniform(0.98, 1.02) + rng.uniform(0, 6))[None, :] * (n > 3000)
    else:
        wave = (rng.random((2, 12000)) < 0.002) * rng.uniform(-1, 1, (2, 12000))
    return (gain * np.broadcast_to(wave, (2, 12000))).astype(np.float32)


class Hostile(Mix):
    """A mix whose bus is no music: noise, squares, tones near a quarter of the rate, impulses, and sums of them."""

    def bus(self, first: int, last: int, chunk: int, progress: object = None) -> Iterator[NDArray[np.float32]]:
        rng = np.random.default_rng(self.settings.seed)
        kinds = rng.permutation(["noise", "square", "quarter", "impulses"])[: rng.integers(1, 5)]
        wave = sum(hostile(str(kind), self.settings.seed + place) for place, kind in enumerate(kinds))
        for begin in range(first, last, chunk):
            yield wave[:, begin : min(begin + chunk, last)]


def heard(seed: int) -> float:
    """The true peak, in dBTP, of the 16-bit samples that a hostile mix becomes on its way through the whole chain."""
    settings = Settings(bit_depth=16, seed=seed, loudness_lufs=-5.0 if seed % 5 == 0 else None)
    samples = np.concatenate(list(Hostile(settings, (), 0.25, 0.0, 12000, 0).samples(chunk=4800)))
    assert (samples.dtype, samples.shape) == (np.int16, (12000, 2))
    return true_peak(samples.T / np.float32(32768))


def test_no_hostile_mix_becomes_integers_above_the_ceiling() -> None:
    worst = max(heard(seed) for seed in range(50))
    assert -2.0 < worst <= -1.0


@pytest.mark.slow
def test_none_of_a_thousand_hostile_mixes_becomes_integers_above_the_ceiling() -> None:
    assert max(heard(seed) for seed in range(1000)) <= -1.0


@pytest.mark.parametrize("kind", ["noise", "square", "quarter", "impulses"])
def test_no_hostile_mix_gets_past_the_limiter(kind: str) -> None:
    for seed in range(12):
        assert true_peak(limited(hostile(kind, seed))) <= -1.0


def test_the_limiter_leaves_what_is_quiet_enough_alone() -> None:
    wave = (0.8 * np.sin(2 * np.pi * 440 * np.arange(24000) / RATE) * np.ones((2, 1))).astype(np.float32)
    assert np.array_equal(limited(wave), wave)


def test_the_limiter_keeps_time_and_length_whatever_the_chunks() -> None:
    wave = np.zeros((2, 24000), np.float32)
    wave[:, 12345] = 5.0
    for pieces in (1, 3, 240):
        out = limited(wave, pieces)
        assert out.shape == wave.shape
        assert int(np.argmax(np.abs(out[0]))) == 12345


def test_the_limiter_treats_both_channels_alike() -> None:
    wave = np.stack((3 * np.sin(np.arange(9600) / 10), 0.3 * np.sin(np.arange(9600) / 10))).astype(np.float32)
    out = limited(wave)
    assert out[1] == pytest.approx(out[0] / 10, abs=1e-6)


def test_the_blocker_takes_an_offset_and_leaves_a_tone() -> None:
    blocker = DcBlocker(RATE)
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(96000) / RATE)
    wave = (tone + 0.2) * np.ones((2, 1))
    out = np.concatenate([blocker.process(chunk.astype(np.float32)) for chunk in np.array_split(wave, 9, axis=1)], axis=1)
    assert abs(out[0, 48000:].mean()) < 1e-6
    # A first-order high pass at 10 Hz takes 0.011 dB off 200 Hz.
    assert np.abs(out[0, 48000:]).max() == pytest.approx(0.5, rel=2e-3)


def test_the_end_fades_to_nothing() -> None:
    fade = EndFade(1000, 480)
    out = np.concatenate([fade.process(np.ones((2, size), np.float32)) for size in (300, 400, 299, 1)], axis=1)
    assert np.array_equal(out[:, :520], np.ones((2, 520)))
    assert (np.diff(out[0, 520:]) <= 0).all()
    assert 0 <= out[0, -1] < 2e-5


def test_an_envelope_goes_through_its_four_stages() -> None:
    envelope = Envelope.of(Adsr(0.01, 0.02, 0.5, 0.03), 4800, RATE)
    shape = np.ones(envelope.frames, np.float32)
    envelope.apply(shape)
    assert shape[0] == 0
    assert shape[240] == pytest.approx(0.5, abs=1e-3)
    assert shape[480] == pytest.approx(1.0, abs=1e-3)
    assert (shape[1440:4800] == 0.5).all()
    assert shape[4800 + 720] == pytest.approx(0.25, abs=1e-3)
    assert shape[-1] < 1e-5
    assert np.abs(np.diff(shape)).max() < 0.004


@pytest.mark.parametrize("gate", [1, 100, 700, 2000])
def test_an_envelope_let_go_early_falls_from_where_it_is_without_a_step(gate: int) -> None:
    envelope = Envelope.of(Adsr(0.01, 0.02, 0.5, 0.03), gate, RATE)
    shape = np.ones(envelope.frames, np.float32)
    envelope.apply(shape)
    assert np.abs(np.diff(shape)).max() < 0.004
    assert (np.diff(shape[gate:]) <= 0).all()


def test_an_envelope_applied_in_pieces_is_the_same_envelope() -> None:
    envelope = Envelope.of(Adsr(0.01, 0.02, 0.5, 0.03), 3000, RATE)
    whole = np.ones(envelope.frames, np.float32)
    envelope.apply(whole)
    pieces = [np.ones(min(777, envelope.frames - at), np.float32) for at in range(0, envelope.frames, 777)]
    for number, piece in enumerate(pieces):
        envelope.apply(piece, number * 777)
    assert np.array_equal(np.concatenate(pieces), whole)
