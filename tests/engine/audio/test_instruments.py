"""Every instrument in the roll-call: in tune, bounded, repeatable, and honest about its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy
from numpy.typing import NDArray

from app.engine.audio.instruments import INSTRUMENTS, Instrument, Tone, compiled, describe, instrument, karplus_kernel
from app.engine.audio.instruments.karplus_strong import _loop, _pluck, _rung, by_trips, plain
from app.engine.audio.instruments.modal import bar_ratios
from app.engine.audio.listening import strongest_line
from app.engine.audio.mix import Settings, lay_out
from app.engine.audio.recordings import Recording
from app.engine.audio.verify import verify
from app.engine.errors import EngineError, OutOfRange, Unsupported
from app.engine.music.score import Note, Score
from tests.engine.audio.conftest import MATERIAL, RECORDING, voice_of

RATE = 48000
ALL = pytest.mark.parametrize("player", INSTRUMENTS.values(), ids=INSTRUMENTS)
# Noise going round a loop has wide lines, and a linear filter makes no others.
PITCHED = [player for player in INSTRUMENTS.values() if player.noise is None]
LINES = [player for player in PITCHED if player.name != "karplus_strong"]
IN_TUNE = pytest.mark.parametrize("player", PITCHED, ids=lambda player: player.name)


def tone(player: Instrument, hz: float, seconds: float = 1.0, seed: int = 1, rate: int = RATE, **parameters: object) -> Tone:
    return Tone(hz, round(seconds * rate), rate, player.validate(parameters), (seed, 0), recording=RECORDING)


@IN_TUNE
def test_an_instrument_is_in_tune_over_its_whole_range(player: Instrument) -> None:
    for hz in np.geomspace(*player.pitch_range, 13):
        one = tone(player, float(hz), max(0.75, 30 / hz))
        partials = player.partials(one)
        heard = np.abs(partials.amplitude) * 10 ** (-1.5 / partials.t60) * (partials.ratio * hz < 0.40 * RATE)
        strongest = int(np.argmax(heard))
        sound = player.render(one)[960:].astype(np.float64)
        found, _ = strongest_line(sound, RATE, hz * partials.ratio[strongest], 6 * RATE / len(sound))
        # One cent is below the least difference in pitch that anyone hears (about five cents).
        assert abs(1200 * np.log2(found / partials.ratio[strongest] / hz)) < 1.0, f"{hz} Hz"


@ALL
@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000, 192000])
def test_an_instrument_stays_within_full_scale_at_every_rate(player: Instrument, rate: int) -> None:
    for hz in (player.pitch_range[0], 440.0, 3000.0):
        sound = player.render(tone(player, hz, 0.3, rate=rate))
        assert len(sound) == round(0.3 * rate)
        assert np.isfinite(sound).all()
        # Single precision may round a sum of magnitudes 1 a few last places up.
        assert 0.05 < np.abs(sound).max() <= 1 + 1e-6


@ALL
def test_an_instrument_repeats_itself_for_equal_seeds_only(player: Instrument) -> None:
    first, again, other = (player.render(tone(player, 220.0, 0.2, seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("hz", [433.0, 2900.0, 7013.0])
@pytest.mark.parametrize("player", LINES, ids=lambda player: player.name)
def test_nothing_sounds_but_the_partials(player: Instrument, hz: float) -> None:
    """Partials end at 0.45 of the rate; an alias of one above it would appear between the others."""
    one = tone(player, hz, 0.5)
    sound = player.render(one).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(sound * np.blackman(len(sound)))) * 2 / (0.42 * len(sound))
    partials = player.partials(one).ratio * hz
    partials = np.sort(partials[partials < 0.45 * RATE])
    places = np.fft.rfftfreq(len(sound), 1 / RATE)
    above = np.searchsorted(partials, places)
    far = (
        np.minimum(np.abs(places - partials[np.maximum(above - 1, 0)]), np.abs(partials[np.minimum(above, len(partials) - 1)] - places))
        > 60.0
    )
    assert 20 * np.log10(spectrum[far].max()) < -100.0


@ALL
def test_a_note_starts_and_ends_in_silence(player: Instrument, note: Callable[..., Note], score_of: Callable[..., Score]) -> None:
    pitches = np.geomspace(*player.pitch_range, 5)
    score = score_of([note(0.2 * place, float(hz), voice_id="v") for place, hz in enumerate(pitches)], voices=voice_of(player))
    for sound in lay_out(score, Settings()).sounds:
        samples = sound.render()
        # Before the master fade, which covers the ends of the file alone; at -60 dBFS a step is not heard as a click.
        assert np.abs(samples[:, [0, -1]]).max() <= 1e-3
        assert np.abs(samples).max() > 0.01


@IN_TUNE
def test_a_note_in_a_file_is_found_at_its_pitch(
    player: Instrument, note: Callable[..., Note], score_of: Callable[..., Score], written: Callable[..., tuple[Path, Any]]
) -> None:
    """The self-check measures every note that has ten periods in its half second, up to the highest pitch."""
    pitches = np.geomspace(max(player.pitch_range[0], 30.0), player.pitch_range[1], 7)
    notes = [note(0.1 + 0.8 * place, float(hz)) for place, hz in enumerate(pitches)]
    score = score_of(notes, 6.0, voices=voice_of(player))
    report = verify(written(score)[0], score, Settings())
    assert report["ok"], report["reasons"]
    assert report["notes"]["pitches"]["measured"] == len(notes)


WAVES = {
    "triangle": lambda turn: 1 - 4 * np.abs(turn - np.floor(turn + 0.25) - 0.25),
    "square": lambda turn: np.pi / 4 * np.where(turn % 1 < 0.5, 1.0, -1.0),
    "saw": lambda turn: np.pi * (0.5 - turn % 1) / 1.8519370519824662,
}


@pytest.mark.parametrize("name", WAVES)
def test_a_wave_has_the_shape_of_its_name(name: str) -> None:
    sound = INSTRUMENTS[name].render(tone(INSTRUMENTS[name], 50.0, 0.2, start_phase=0.0))
    turn = 50.0 * np.arange(len(sound)) / RATE
    smooth = np.abs(turn % 0.5 - 0.25) < 0.2
    # A series of 432 terms is within 1/432 of the wave over a twentieth of a period away from the jumps.
    assert np.abs(sound - WAVES[name](turn))[smooth].max() < 3e-3


@pytest.mark.parametrize("name", WAVES)
def test_a_wave_stays_within_full_scale_at_every_pitch(name: str) -> None:
    player = INSTRUMENTS[name]
    for hz in np.geomspace(200.0, 16000.0, 60):
        for start in (0.0, np.pi / 2):
            # Single precision may round a few last places up.
            assert np.abs(player.render(tone(player, float(hz), 0.05, start_phase=start))).max() <= 1 + 1e-6


@pytest.mark.parametrize("name", WAVES)
def test_a_wave_has_every_harmonic_below_the_limit_of_the_band_wherever_it_glides(
    name: str, note: Callable[..., Note], score_of: Callable[..., Score]
) -> None:
    track = {"rate": 200, "hz": np.linspace(4000.0, 100.0, 200).tolist() + [100.0] * 200}
    score = score_of([note(0.0, 4000.0, duration_s=2.0, track=track)], voices=voice_of(INSTRUMENTS[name]))
    (sound,) = lay_out(score, Settings()).sounds
    gliding = sound.span(round(1.2 * RATE), round(1.7 * RATE))[0].astype(np.float64)
    partials = INSTRUMENTS[name].partials(tone(INSTRUMENTS[name], 100.0))
    for n in (1, 9, 99, 191):
        expected = np.abs(partials.amplitude[partials.ratio == n][0] / partials.amplitude[0])
        assert strongest_line(gliding, RATE, 100.0 * n, 20.0)[1] / strongest_line(gliding, RATE, 100.0, 20.0)[1] == pytest.approx(
            expected, rel=0.01
        )


def test_the_modes_of_a_free_bar_are_those_of_the_textbook() -> None:
    """Fletcher & Rossing, table 2.1: 3.0112^2, 5^2, 7^2, 9^2 over 3.0112^2, to the printed digits."""
    assert bar_ratios(5) == pytest.approx([1.0, 2.757, 5.404, 8.933, 13.344], abs=5e-4)


@pytest.mark.parametrize(
    ("parameters", "ratios"),
    [
        ({"resonator": "bar"}, [1.0, 2.7565, 5.4039, 8.9330, 13.3443]),
        ({"resonator": "string", "stiffness": 0.0005}, [n * np.sqrt((1 + 0.0005 * n * n) / 1.0005) for n in range(1, 6)]),
        ({"resonator": "string", "stiffness": 0.0}, [1.0, 2.0, 3.0, 4.0, 5.0]),
        ({"resonator": "membrane"}, [1.0, 1.5933, 2.1355, 2.2954, 2.6531]),
        ({"resonator": "plate"}, [1.0, 2.5, 4.0, 5.0, 6.5]),
        ({"resonator": "bell"}, [1.0, 0.5, 1.2, 1.5, 2.0]),
    ],
)
def test_the_partials_of_a_struck_body_are_where_theory_puts_them(parameters: dict[str, object], ratios: list[float]) -> None:
    player = INSTRUMENTS["modal"]
    sound = player.render(tone(player, 300.0, 1.0, **parameters))[480:].astype(np.float64)
    for ratio in ratios:
        found, _ = strongest_line(sound, RATE, 300.0 * ratio, 40.0)
        assert found / 300.0 == pytest.approx(ratio, rel=3e-3)


def test_a_struck_bar_decays_by_60_db_in_its_decay_time() -> None:
    player = INSTRUMENTS["modal"]
    sound = player.render(tone(player, 500.0, 1.1, decay_s=1.0, partials=1)).astype(np.float64)
    early, late = (np.sqrt(np.mean(sound[at : at + 4800] ** 2)) for at in (0, 48000))
    assert 20 * np.log10(early / late) == pytest.approx(60.0, abs=0.05)


def test_a_plucked_string_decays_by_60_db_in_its_decay_time() -> None:
    player = INSTRUMENTS["karplus_strong"]
    for hz in (110.0, 440.0, 4000.0):
        sound = player.render(tone(player, hz, 1.5, decay_s=1.0)).astype(np.float64)
        levels = [strongest_line(sound[at : at + 9600], RATE, hz, 30.0)[1] for at in (4800, 52800)]
        assert 20 * np.log10(levels[0] / levels[1]) == pytest.approx(60.0, abs=0.5)


@pytest.mark.parametrize("hz", [60.0, 436.0, 2000.0])
def test_the_string_loop_is_one_recursive_filter(hz: float) -> None:
    one = tone(INSTRUMENTS["karplus_strong"], hz, 0.3)
    loop = _loop(one)
    excitation, feedback = np.zeros(one.frames), np.zeros(loop.delay + 3)
    excitation[: loop.delay] = _pluck(one, loop.delay)
    feedback[:2], feedback[loop.delay :] = loop.denominator, -loop.numerator
    # The orders of summation differ, and the loop carries the rounding on for a few hundred turns.
    rung = _rung(loop, _pluck(one, loop.delay), one.frames)
    assert np.abs(scipy.signal.lfilter(loop.denominator, feedback, excitation) - rung).max() < 1e-12


@pytest.mark.parametrize("hz", [31.0, 200.0, 241.0, 2000.0, 8000.0])
@pytest.mark.parametrize("seconds", [0.001, 0.0333, 0.5])
def test_the_string_loop_gives_the_same_bytes_trip_by_trip_and_sample_by_sample(hz: float, seconds: float) -> None:
    one = tone(INSTRUMENTS["karplus_strong"], hz, seconds)
    loop = _loop(one)
    found = []
    for way in (karplus_kernel.ring, by_trips, plain):
        sound = np.zeros(max(one.frames, loop.delay))
        sound[: loop.delay] = _pluck(one, loop.delay)
        way(sound, loop.delay, *loop.numerator.tolist(), loop.allpass)
        found.append(sound.tobytes())
    assert len(set(found)) == 1


def test_the_compiled_string_loop_gives_the_bytes_of_the_plain_one() -> None:
    player = INSTRUMENTS["karplus_strong"]
    tones = [
        tone(player, hz, seconds, seed, decay_s=decay_s, brightness=brightness)
        for seed, (hz, seconds, decay_s, brightness) in enumerate(
            [(30.0, 1.5, 0.5, 0.5), (30.0, 0.01, 2.0, 0.5), (441.3, 0.5, 10.0, 0.0), (8000.0, 0.5, 2.0, 1.0), (7013.0, 1.0, 0.5, 0.2)]
        )
    ]
    plain = [player.render(one).tobytes() for one in tones]
    compiled(True)
    try:
        assert [player.render(one).tobytes() for one in tones] == plain
    finally:
        compiled(False)


def test_a_pluck_has_no_offset() -> None:
    one = tone(INSTRUMENTS["karplus_strong"], 100.0)
    assert abs(_pluck(one, 480).mean()) < 1e-15


@pytest.mark.parametrize(("waveform", "absent"), [("square", 2), ("triangle", 2), ("sawtooth", None)])
def test_an_additive_wave_has_the_harmonics_of_its_fourier_series(waveform: str, absent: int | None) -> None:
    player = INSTRUMENTS["additive"]
    sound = player.render(tone(player, 200.0, 0.5, waveform=waveform)).astype(np.float64)
    levels = [strongest_line(sound, RATE, 200.0 * n, 50.0)[1] for n in (1, 2, 3)]
    expected = {"square": 3.0, "triangle": 9.0, "sawtooth": 3.0}[waveform]
    assert levels[0] / levels[2] == pytest.approx(expected, rel=1e-3)
    assert (levels[1] < 1e-5 * levels[0]) == (absent == 2)


FM = INSTRUMENTS["fm"]


@pytest.mark.parametrize(
    ("carrier_ratio", "modulator_ratio", "index"), [(1.0, 1.0, 0.0), (1.0, 1.0, 5.3), (3.0, 2.0, 4.0), (1.0, 1.4, 8.1), (1.0, 0.05, 50.0)]
)
@pytest.mark.parametrize("decay_s", [None, 0.4])
def test_the_side_bands_of_fm_add_up_to_its_formula(
    carrier_ratio: float, modulator_ratio: float, index: float, decay_s: float | None
) -> None:
    """Chowning 1973, equation 1; below the limit of the band the sum of side bands is the modulated sine itself."""
    given = {"carrier_ratio": carrier_ratio, "modulator_ratio": modulator_ratio, "index": index, "index_decay_s": decay_s}
    one = tone(FM, 220.0, 0.5, start_phase=0.0, **given)
    times = np.arange(one.frames) / RATE
    x = 2 * np.pi * 220.0 * times
    expected = np.sin(carrier_ratio * x + index * 10 ** (-3 * times / (decay_s or np.inf)) * np.sin(modulator_ratio * x))
    sound = FM.render(one).astype(np.float64)
    scale = sound @ expected / (expected @ expected)
    # The functions of Bessel come from a table that is exact to 1e-5; side bands below a millionth of the whole are left out.
    assert np.abs(sound / scale - expected).max() < 2e-5
    assert scale <= 1 + 1e-6


@pytest.mark.parametrize("hz", [16.0, 220.0, 3000.0, 12000.0])
@pytest.mark.parametrize(("index", "modulator_ratio"), [(0.0, 1.0), (2.405, 1.0), (10.0, 2.0), (50.0, 20.0), (3.0, 1.41)])
def test_fm_is_in_tune_and_without_aliases_whatever_its_index(hz: float, index: float, modulator_ratio: float) -> None:
    one = tone(FM, hz, max(1.0, 40 / hz), index=index, modulator_ratio=modulator_ratio)
    try:
        partials = FM.partials(one)
    except Unsupported as refused:
        # Nine tenths of a spectrum this wide lie above the limit of the band.
        assert refused.field == "parameters.carrier_ratio"
        assert hz * modulator_ratio * index > 10 * 0.45 * RATE
        return
    sound = FM.render(one).astype(np.float64)
    heard = np.abs(partials.amplitude) * (partials.ratio * hz < 0.40 * RATE)
    strongest = partials.ratio[int(np.argmax(heard))]
    found, _ = strongest_line(sound, RATE, hz * strongest, 6 * RATE / len(sound))
    assert abs(1200 * np.log2(found / strongest / hz)) < 1.0
    spectrum = np.abs(np.fft.rfft(sound * np.blackman(len(sound)))) * 2 / (0.42 * len(sound))
    lines = np.round(partials.ratio[partials.ratio * hz < 0.45 * RATE] * hz * len(sound) / RATE).astype(int)
    own = np.zeros(len(spectrum) + 60, bool)
    for near in range(-30, 30):
        own[np.maximum(lines + near, 0)] = True
    assert 20 * np.log10(spectrum[~own[: len(spectrum)]].max(initial=1e-12) / spectrum.max()) < -80.0


def test_fm_of_whole_ratios_has_the_same_spectrum_in_every_note() -> None:
    first, other = (np.abs(np.fft.rfft(FM.render(tone(FM, 200.0, 1.0, seed, index=3.0)).astype(np.float64))) for seed in (1, 2))
    assert np.abs(first - other).max() < 1e-5 * first.max()


def test_an_fm_note_whose_index_decays_is_found_at_its_pitch(
    note: Callable[..., Note], score_of: Callable[..., Score], written: Callable[..., tuple[Path, Any]]
) -> None:
    given = ({"index": 3.0, "index_decay_s": 1.0}, {"index": 2.4, "index_decay_s": 0.3, "modulator_ratio": 1.4}, {"index_decay_s": 30.0})
    voices = tuple({"id": f"v{place}", "instrument": "fm", "parameters": parameters} for place, parameters in enumerate(given))
    notes = [note(0.1 + 0.8 * place, hz, voice_id=f"v{place % 3}") for place, hz in enumerate(np.geomspace(60.0, 4000.0, 9).tolist())]
    held = note(7.5, 200.0, voice_id="v0", duration_s=2.0, track={"rate": 200, "hz": [200.0]})
    score = score_of([*notes, held], 10.0, voices=voices)
    report = verify(written(score)[0], score, Settings())
    assert report["ok"], report["reasons"]
    assert report["notes"]["pitches"]["measured"] == 10


def test_a_held_fm_note_goes_on_where_a_span_ends(note: Callable[..., Note], score_of: Callable[..., Score]) -> None:
    voice = {"id": "v", "instrument": "fm", "parameters": {"index": 6.0, "index_decay_s": 1.0}}
    held = note(0.0, 200.0, duration_s=1.0, track={"rate": 200, "hz": [200.0]})
    (sound,) = lay_out(score_of([held], voices=(voice,)), Settings()).sounds
    whole = sound.span(0, sound.frames)
    cut = [sound.span(first, min(first + 7001, sound.frames)) for first in range(0, sound.frames, 7001)]
    assert np.array_equal(np.concatenate(cut, axis=1), whole)
    assert np.abs(whole - sound.render()).max() < 1e-5


def test_fm_that_would_not_be_heard_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="smaller ratios") as refused:
        FM.partials(tone(FM, 5000.0, carrier_ratio=20.0))
    assert refused.value.field == "parameters.carrier_ratio"


NOISE = INSTRUMENTS["noise"]


def density(sound: NDArray[np.float32], length: int = 8192) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies in Hz and power density, by Welch's method."""
    hz, power = scipy.signal.welch(sound.astype(np.float64), RATE, "blackmanharris", length)
    return hz, power


@pytest.mark.parametrize(("color", "slope"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
@pytest.mark.parametrize("low", [100.0, 1500.0])
def test_the_power_of_noise_falls_as_its_color_says(color: str, slope: float, low: float) -> None:
    hz, power = density(NOISE.render(tone(NOISE, 440.0, 30.0, color=color, spectrum="whole")))
    three_octaves = (hz >= low) & (hz <= 8 * low)
    found = np.polyfit(np.log2(hz[three_octaves]), 10 * np.log10(power[three_octaves]), 1)[0]
    assert found == pytest.approx(slope, abs=0.3)


@pytest.mark.parametrize(("hz", "octaves"), [(60.0, 1.0), (440.0, 1 / 6), (440.0, 1.0), (1000.0, 4.0), (5000.0, 0.5)])
def test_a_band_of_noise_lies_around_the_pitch(hz: float, octaves: float) -> None:
    """Its half-power points are the edges of the band, and in the middle between them in octaves is the pitch."""
    frequency, power = density(NOISE.render(tone(NOISE, hz, 60.0, bandwidth=octaves)), 65536)
    half = 2 ** (octaves / 2)
    levels = []
    for ratio in (0.5 / half, 1 / half, 1.0, half, 2 * half):
        # So narrow that the band's edge is nearly straight there, and so wide that chance is down to half a decibel.
        near = np.abs(np.log2(frequency[1:] / (ratio * hz))) < octaves / 20
        levels.append(10 * np.log10(power[1:][near].mean()))
    assert levels[1] - levels[2] == pytest.approx(-3.01, abs=1.0)
    assert levels[3] - levels[2] == pytest.approx(-3.01, abs=1.0)
    assert max(levels[0], levels[4]) - levels[2] < -9.0


@pytest.mark.parametrize("hz", [16.0, 440.0, 16000.0])
@pytest.mark.parametrize("parameters", [{"spectrum": "whole", "color": "brown"}, {"bandwidth": 1 / 6}, {"bandwidth": 8, "color": "pink"}])
def test_noise_is_as_loud_at_every_pitch_and_width(hz: float, parameters: dict[str, object]) -> None:
    sound = NOISE.render(tone(NOISE, hz, 20.0, **parameters)).astype(np.float64)
    # A band of 2 Hz swells and fades some forty times in 20 s.
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(0.2, rel=0.15)
    assert np.abs(sound).max() <= 1.0


def test_a_note_of_noise_is_the_beginning_of_a_longer_one() -> None:
    long, short = (NOISE.render(tone(NOISE, 200.0, seconds)) for seconds in (1.0, 0.3))
    assert np.array_equal(long[: len(short)], short)


def test_held_noise_follows_its_pitch_and_goes_on_where_a_span_ends(note: Callable[..., Note], score_of: Callable[..., Score]) -> None:
    track = {"rate": 200, "hz": [500.0] * 400 + np.geomspace(500.0, 4000.0, 400).tolist() + [4000.0] * 400}
    score = score_of([note(0.0, 500.0, duration_s=6.0, track=track)], 6.0, voices=voice_of(NOISE))
    (sound,) = lay_out(score, Settings()).sounds
    whole = sound.span(0, sound.frames)
    cut = [sound.span(first, min(first + 7001, sound.frames)) for first in range(0, sound.frames, 7001)]
    assert np.array_equal(np.concatenate(cut, axis=1), whole)
    for first, hz in ((0.2, 500.0), (4.2, 4000.0)):
        frequency, power = density(whole[0, round(first * RATE) : round((first + 1.6) * RATE)], 2048)
        # Of a band of one octave the mean of log f is that of its edges, where its skirts weigh little.
        inside = (frequency > hz / 2) & (frequency < 2 * hz)
        middle = np.exp2(np.average(np.log2(frequency[inside]), weights=power[inside] / frequency[inside]))
        assert middle == pytest.approx(hz, rel=0.08)


def test_the_self_check_hears_when_noise_begins_and_asks_for_no_pitch(
    note: Callable[..., Note], score_of: Callable[..., Score], written: Callable[..., tuple[Path, Any]]
) -> None:
    given = ({"spectrum": "whole"}, {"spectrum": "whole", "color": "brown"}, {"bandwidth": 2}, {"bandwidth": 1 / 6})
    voices = tuple({"id": f"v{place}", "instrument": "noise", "parameters": parameters} for place, parameters in enumerate(given))
    notes = [note(0.1 + 0.5 * place, 1500.0, voice_id=f"v{place % 4}", duration_s=0.2) for place in range(16)]
    score = score_of(notes, 8.5, voices=voices)
    report = verify(written(score)[0], score, Settings())
    assert report["ok"], report["reasons"]
    assert report["notes"]["onsets"]["measured"] == 12
    assert report["notes"]["pitches"]["measured"] == 0
    masked = [row["why"] for row in report["notes"]["rows"] if row["status"] == "masked"]
    assert len(masked) == 4
    assert all("too slowly" in why and "no pitch" in why for why in masked)


def test_a_late_burst_of_noise_is_found_out(
    note: Callable[..., Note], score_of: Callable[..., Score], written: Callable[..., tuple[Path, Any]]
) -> None:
    early, late = (
        score_of([note(t_s, 440.0, duration_s=0.2)], 1.0, voices=({"id": "v", "instrument": "noise", "parameters": {"spectrum": "whole"}},))
        for t_s in (0.2, 0.21)
    )
    report = verify(written(late)[0], early, Settings())
    assert not report["ok"]
    assert report["notes"]["rows"][0]["onset_error_s"] == pytest.approx(0.010, abs=0.001)


def test_a_tone_is_not_measured_inside_noise_but_beside_it(
    note: Callable[..., Note], score_of: Callable[..., Score], written: Callable[..., tuple[Path, Any]]
) -> None:
    voices = ({"id": "noise", "instrument": "noise", "parameters": {"bandwidth": 1 / 6}}, {"id": "v", "instrument": "sine"})
    notes = [note(0.0, 8000.0, voice_id="noise", duration_s=4.0), note(0.5, 8000.0), note(1.5, 125.0), note(2.5, 2000.0)]
    score = score_of(notes, 5.0, voices=voices)
    report = verify(written(score)[0], score, Settings())
    assert report["ok"], report["reasons"]
    assert {row["hz"]: row["pitch"] for row in report["notes"]["rows"]} == {8000.0: "measured_solo", 125.0: "measured", 2000.0: "measured"}


GRANULAR = INSTRUMENTS["granular"]


@pytest.mark.parametrize("hz", [220.0, 440.0, 1300.0])
def test_grains_bring_the_sound_to_the_pitch_of_the_note(hz: float) -> None:
    """The recording is a hum of 440 Hz."""
    grains = {"root_hz": 440.0, "grain_s": 0.2, "detune": 0.0, "density": 15.0}
    for pitch_follow, expected in ((1.0, hz), (0.5, np.sqrt(440.0 * hz)), (0.0, 440.0)):
        one = tone(GRANULAR, hz, 1.0, pitch_follow=pitch_follow, **grains)
        found, _ = strongest_line(GRANULAR.render(one).astype(np.float64), RATE, expected, 0.3 * expected)
        # Grains of 200 ms widen a line to some 10 Hz.
        assert found == pytest.approx(expected, abs=5.0)


def test_grains_come_from_around_their_position() -> None:
    """A recording of 4 s whose pitch doubles every second tells where a grain is from."""
    times = np.arange(4 * RATE) / RATE
    sweep = Recording.of(np.sin(2 * np.pi * 200.0 * np.exp2(times) / np.log(2)), RATE)
    for position, spread in ((0.25, 0.0), (0.5, 0.25), (0.75, 0.5)):
        one = tone(GRANULAR, 440.0, 4.0, position=position, spread=spread, detune=0.0, grain_s=0.03)
        hz, power = density(GRANULAR.render(replace(one, recording=sweep)), 4096)
        below = np.interp([0.02, 0.98], np.cumsum(power) / power.sum(), hz)
        # Grains of 30 ms have lines of some 60 Hz.
        assert np.log2(below / 200.0) == pytest.approx([4 * (position - spread / 2), 4 * (position + spread / 2)], abs=0.35)


def test_held_grains_go_on_where_a_span_ends(note: Callable[..., Note], score_of: Callable[..., Score]) -> None:
    track = {"rate": 200, "hz": np.geomspace(300.0, 900.0, 200).tolist()}
    (sound,) = lay_out(score_of([note(0.0, 300.0, duration_s=1.0, track=track)], voices=voice_of(GRANULAR)), Settings()).sounds
    whole = sound.span(0, sound.frames)
    cut = [sound.span(first, min(first + 7001, sound.frames)) for first in range(0, sound.frames, 7001)]
    assert np.array_equal(np.concatenate(cut, axis=1), whole)


def test_the_self_check_asks_nothing_of_grains_that_a_recording_may_not_have(
    note: Callable[..., Note], score_of: Callable[..., Score], written: Callable[..., tuple[Path, Any]]
) -> None:
    late = np.zeros(2 * RATE)
    late[-100:] = np.sin(np.arange(100))
    score = replace(
        score_of([note(0.1, 440.0)], 1.0, voices=voice_of(GRANULAR, spread=0.0)), recordings={MATERIAL: Recording.of(late, RATE)}
    )
    report = verify(written(score)[0], score, Settings())
    assert report["ok"], report["reasons"]
    assert report["notes"]["masked"] == 1


@pytest.mark.parametrize(
    ("parameters", "hz", "field"),
    [
        ({"material": None}, 440.0, "voices.0.parameters.material"),
        ({"material": "0b1c0ffe-0000-4000-8000-000000000002"}, 440.0, "voices.0.parameters.material"),
        ({"material": "a bell"}, 440.0, "voices.0.parameters.material"),
        ({"material": 7}, 440.0, "voices.0.parameters.material"),
        ({"root_hz": 16.0}, 1500.0, "voices.0.parameters.root_hz"),
    ],
)
def test_grains_of_nothing_are_refused_by_name(
    parameters: dict[str, object], hz: float, field: str, note: Callable[..., Note], score_of: Callable[..., Score]
) -> None:
    with pytest.raises(EngineError) as refused:
        lay_out(score_of([note(0.0, hz)], voices=voice_of(GRANULAR, **parameters)), Settings())
    assert refused.value.field == field


def test_brightness_is_the_index_of_fm() -> None:
    dull, bright = (FM.partials(tone(FM, 200.0, index=4.0, brightness=b)) for b in (0.0, 1.0))
    assert list(dull.ratio) == [1.0]
    assert len(bright.ratio) > 10


def test_brightness_raises_the_high_partials() -> None:
    player = INSTRUMENTS["modal"]
    dull, bright = (player.partials(tone(player, 200.0, brightness=b)).amplitude for b in (0.0, 1.0))
    assert bright[-1] / bright[0] > 10 * dull[-1] / dull[0]


def test_a_fixed_start_phase_is_kept() -> None:
    player = INSTRUMENTS["sine"]
    sound = player.render(tone(player, 1000.0, 0.01, start_phase=np.pi / 2))
    assert sound == pytest.approx(np.cos(2 * np.pi * 1000.0 * np.arange(480) / RATE), abs=2e-6)


def test_a_ring_ends_100_db_down() -> None:
    player = INSTRUMENTS["modal"]
    assert player.ring_s(tone(player, 200.0, decay_s=3.0)) == pytest.approx(5.0)
    assert INSTRUMENTS["sine"].ring_s(tone(INSTRUMENTS["sine"], 200.0)) == np.inf


@pytest.mark.parametrize("hz", [30.0, 441.0, 2000.0, 8000.0])
@pytest.mark.parametrize("brightness", [0.0, 0.5, 1.0])
def test_a_plucked_string_rings_as_long_as_its_longest_partial(hz: float, brightness: float) -> None:
    player = INSTRUMENTS["karplus_strong"]
    one = tone(player, hz, decay_s=3.0, brightness=brightness)
    # Where nothing is smoothed, the allpass makes some round trips shorter by a part of a sample, of which a trip at 8 kHz has six.
    assert player.ring_s(one) == pytest.approx(player.partials(one).ring_s, rel=0.05 if brightness == 1.0 else 1e-6)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"decay_s": 1000}, "parameters.decay_s"),
        ({"decay_s": "long"}, "parameters.decay_s"),
        ({"decay_s": True}, "parameters.decay_s"),
        ({"decay_s": None}, "parameters.decay_s"),
        ({"decay_s": float("nan")}, "parameters.decay_s"),
        ({"decay_s": {"value": 2, "unit": "kg"}}, "parameters.decay_s"),
        ({"decay_s": {"unit": "s"}}, "parameters.decay_s"),
        ({"partials": 2.5}, "parameters.partials"),
        ({"resonator": "gong"}, "parameters.resonator"),
        ({"colour": 1}, "parameters.colour"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(parameters: dict[str, object], field: str) -> None:
    with pytest.raises(EngineError) as refused:
        INSTRUMENTS["modal"].validate(parameters)
    assert refused.value.field == field


def test_parameters_come_back_with_units_read_and_defaults_filled_in() -> None:
    read = INSTRUMENTS["modal"].validate({"decay_s": {"value": 500, "unit": "ms"}, "partials": 4.0})
    assert read["decay_s"] == pytest.approx(0.5)
    assert read["partials"] == 4
    assert read["resonator"] == "bar"
    assert read["start_phase"] is None


def test_an_unknown_instrument_and_an_unplayable_pitch_are_refused() -> None:
    with pytest.raises(EngineError, match="modal"):
        instrument("theremin", "voices[0].instrument")
    with pytest.raises(OutOfRange, match="30 to 8000 Hz"):
        INSTRUMENTS["karplus_strong"].check_pitch(12.0)


def test_the_description_is_enough_to_draw_controls() -> None:
    told = {entry["name"]: entry for entry in describe()}
    assert set(told) == set(INSTRUMENTS)
    for entry in told.values():
        assert entry["description"]
        assert 0 < entry["pitch_range"]["low_hz"] < entry["pitch_range"]["high_hz"]
        for parameter in entry["parameters"]:
            needed = {"number": ("minimum", "maximum", "unit", "default"), "choice": ("options", "default"), "material": ("default",)}[
                parameter["kind"]
            ]
            assert all(name in parameter for name in (*needed, "name", "description"))
