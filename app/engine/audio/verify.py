"""A finished file measured against its score: is it what it should be?"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.engine.audio import files
from app.engine.audio.alone import Alone
from app.engine.audio.balance import Balance
from app.engine.audio.bands import bands
from app.engine.audio.beats import beats
from app.engine.audio.effects import blocker_gain
from app.engine.audio.listening import Expected, Finding, Hearing, Listener
from app.engine.audio.meters import LevelMeter, LoudnessMeter, PeakMeter, decibels
from app.engine.audio.mix import CEILING_DBTP, FADE_S, Mix, Settings, lay_out
from app.engine.audio.sounds import Sound
from app.engine.music.score import Score

Progress = Callable[[float], None]

STATUSES = ("failed", "measured", "measured_solo", "masked")
OFFSET_LIMIT = 1e-3
MOST_NOTES = 1000
MOST_SOLOS = 100

_AUDIBLE = 10 ** (-60 / 20)
_AUDIBLE_S = 0.05
_SILENT = 10 ** (-90 / 20)
_OFFSET_FROM_S = 1.0
_HEARD = 0.7
_LIMITED_DB = 12.0
_CHOICE, _SOLO_CHOICE = 0x6E6F7465, 0x736F6C6F


@dataclass
class _Levels:
    """What the meters read over a whole file."""

    frames: int
    first: float
    last: float
    peaks: PeakMeter
    loudness: LoudnessMeter
    level: LevelMeter


def verify(path: Path, score: Score, settings: Settings, progress: Progress | None = None, *, gain: float = 1.0) -> dict[str, Any]:
    """Measure the file at `path` against the score it was rendered from; `gain` is what brought it to its loudness. As `verify_mix`."""
    return verify_mix(path, lay_out(score, settings), progress, gain=gain)


def verify_mix(path: Path, mix: Mix, progress: Progress | None = None, *, gain: float = 1.0) -> dict[str, Any]:
    """Measure the file at `path` against the mix it was written from; `gain` is what brought it to its loudness.

    Returns
    -------
    report : JSON
        `ok`; `reasons`, sentences for every broken tolerance; `checks` on the file as a whole [{what, ok, measured, limit, unit}];
        `peak_dbfs`, `peak_dbtp`, `rms_db`, `lufs` (null: silence), `frames`; `loudness`, what was asked and reached in LUFS, the gain
        that took in dB, whether the limiter kept the file below it, the loudness range in LU and the loudest 400 ms and 3 s;
        `notes` with counts of measured, measured_solo, masked and failed ones, the worst onset (s), pitch (cents) and level of a partial
        (dB), and `rows` for up to 1,000 notes, with up to four of their partials. A note is `measured_solo` where others cover it and it
        was rendered alone by the same code to be measured: at most 100 are. `voices`: how loud each is, as `Balance` finds it.
        `beats` of long notes, and the `spectrum` in octaves, as `beats` and `bands` find them.
    """
    levels = _read_levels(path, mix.settings.sample_rate)
    loudness = _loudness(levels, mix.settings, gain)
    checks = _checks(levels, mix, loudness, gain)
    covered = mix.settings.reverb is not None or (gain > 1.0 and _at_ceiling(levels, mix.settings))
    limited = not covered and _at_ceiling(levels, mix.settings)
    heard = _listen_to_dry_mix(path, mix, progress) if covered else _listen(path, mix, progress, gain, limited)
    reasons = [f"{check['what']}: {check['measured']} {check['unit']}, must be {check['limit']}" for check in checks if not check["ok"]]
    reasons += [f"note {row['index']} at {row['t_s']:.3f} s {row['why']}" for row in heard["notes"]["rows"] if row["status"] == "failed"]
    reasons += [
        f"notes {row['notes'][0]} and {row['notes'][1]} {row['why']}" for row in heard["beats"]["rows"] if row["status"] == "failed"
    ]
    reasons += [f"voice {row['voice_id']} {row['why']}" for row in heard["voices"] if row["status"] == "failed"]
    return {
        "ok": not reasons,
        "reasons": reasons[:100],
        "checks": checks,
        "frames": levels.frames,
        "peak_dbfs": decibels(levels.peaks.sample_peak),
        "peak_dbtp": decibels(levels.peaks.true_peak),
        "rms_db": decibels(levels.level.rms),
        "lufs": loudness["reached_lufs"],
        "loudness": loudness,
        **heard,
    }


def _read_levels(path: Path, sample_rate: int) -> _Levels:
    frames = soundfile.info(path).frames
    levels = _Levels(frames, 0.0, 0.0, PeakMeter(), LoudnessMeter(sample_rate), LevelMeter(frames))
    for number, chunk in enumerate(files.read(path)):
        if number == 0:
            levels.first = float(np.abs(chunk[:, 0]).max())
        levels.last = float(np.abs(chunk[:, -1]).max())
        for meter in (levels.peaks, levels.loudness, levels.level):
            meter.read(chunk)
    levels.peaks.finish()
    return levels


def _loudness(levels: _Levels, settings: Settings, gain: float) -> dict[str, Any]:
    """Loudness below the asked one is the limiter's doing when the peaks stand at its ceiling."""
    meter, asked, tolerance = levels.loudness, settings.loudness_lufs, files.FORMATS[settings.format].tolerance
    reached = meter.lufs()
    below = asked is not None and reached is not None and reached < asked - tolerance.loudness_lu
    return {
        "asked_lufs": asked,
        "reached_lufs": reached,
        "gain_db": decibels(gain),
        "limited": below and _at_ceiling(levels, settings),
        "range_lu": meter.loudness_range(),
        "highest_momentary_lufs": meter.highest_momentary(),
        "highest_short_term_lufs": meter.highest_short_term(),
    }


def _at_ceiling(levels: _Levels, settings: Settings) -> bool:
    true_peak = decibels(levels.peaks.true_peak)
    return true_peak is not None and true_peak > CEILING_DBTP - files.FORMATS[settings.format].tolerance.at_ceiling_db


def _checks(levels: _Levels, mix: Mix, loudness: dict[str, Any], gain: float) -> list[dict[str, Any]]:
    peak, true_peak = levels.peaks.sample_peak, decibels(levels.peaks.true_peak)
    loudest = gain * max((_level(sound) for sound, start_s, heard in mix.placed() if heard and _reaches(sound, start_s, mix)), default=0.0)
    tolerance = files.FORMATS[mix.settings.format].tolerance
    rows = [
        ("frames", levels.frames == mix.frames, levels.frames, f"{mix.frames}", "frames"),
        ("sample peak", peak < 1.0, peak, "below 1", "of full scale"),
        ("true peak", true_peak is None or true_peak <= tolerance.ceiling_dbtp, true_peak, f"at most {tolerance.ceiling_dbtp:g}", "dBTP"),
        ("silence", loudest < _AUDIBLE or peak > _SILENT, peak, "heard, as there are notes", "of full scale"),
    ]
    if levels.frames >= _OFFSET_FROM_S * mix.settings.sample_rate:
        offset = levels.level.offset
        right = offset < OFFSET_LIMIT or _at_ceiling(levels, mix.settings)  # a gain that follows the wave adds one
        rows.append(("offset", right, offset, f"below {OFFSET_LIMIT:g}, or peaks at the ceiling", "of full scale"))
    asked, reached = loudness["asked_lufs"], loudness["reached_lufs"]
    if asked is not None and reached is not None:
        true = abs(reached - asked) <= tolerance.loudness_lu or loudness["limited"]
        rows.append(("loudness", true, reached, f"{asked:g} within {tolerance.loudness_lu:g}, or less with peaks at the ceiling", "LUFS"))
    if not mix.turn:
        edge = max(levels.first, levels.last)
        rows.append(("first and last sample", edge <= tolerance.edge, edge, f"at most {tolerance.edge:g}", "of full scale"))
    return [dict(zip(("what", "ok", "measured", "limit", "unit"), row, strict=True)) for row in rows]


def _listen_to_dry_mix(path: Path, mix: Mix, progress: Progress | None) -> dict[str, Any]:
    """The notes before room and gain: behind reflections, and among what a limiter driven hard adds, hardly any can be measured."""
    dry = replace(mix, settings=replace(mix.settings, reverb=None, loudness_lufs=None, format="wav", bit_depth="32f"))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        other = Path(folder) / "dry.wav"
        files.write(other, dry.samples(), format="wav", bit_depth="32f", sample_rate=dry.settings.sample_rate)
        limited = (decibels(_peak(other)) or -math.inf) > CEILING_DBTP - files.EXACT.at_ceiling_db
        heard = _listen(other, dry, progress, limited=limited)
        return heard | {"notes": heard["notes"] | {"listened_to": "dry mix"}}


def _peak(path: Path) -> float:
    meter = PeakMeter()
    for chunk in files.read(path):
        meter.read(chunk)
    return meter.true_peak


def _level(sound: Sound) -> float:
    """What is sure of a note's level just after its attack, whatever automation does: nothing, where a recording may be silent."""
    if sound.tone.recording is not None:
        return 0.0
    settled = sound.note.t_s + sound.envelope.attack / sound.tone.sample_rate
    return sound.gain * float(sound.part.gain_at(settled + np.linspace(0.0, _AUDIBLE_S, 11)).min())


def _reaches(sound: Sound, start_s: float, mix: Mix) -> bool:
    """Whether the note can be heard: it outlasts its attack, and the file goes on long enough."""
    if 4 * sound.envelope.attack > sound.envelope.gate:
        return False
    return sound.start + sound.envelope.attack + (start_s + _AUDIBLE_S) * mix.settings.sample_rate < mix.frames


def _listen(path: Path, mix: Mix, progress: Progress | None, gain: float = 1.0, limited: bool = False) -> dict[str, Any]:
    """Onset, pitch and partials of the notes, or of 1,000 of them chosen by the seed; `limited` files may be softer than asked."""
    rate = mix.settings.sample_rate
    tolerance = files.FORMATS[mix.settings.format].tolerance
    turn_s = mix.turn / rate
    placed = [(replace(sound, gain=sound.gain * gain), start_s, heard) for sound, start_s, heard in mix.placed()]
    expected = [Expected(sound, start_s) for sound, start_s, _ in placed]
    shifts = (-turn_s, turn_s) if mix.turn else ()
    echoes = [Expected(sound, shift) for shift in shifts for sound, _, _ in placed]
    hearing = Hearing(tolerance, blocker_gain, _LIMITED_DB if limited else 0.0)
    with files.opened(path, mix.settings.format) as file:

        def read(first: int, last: int) -> NDArray[np.float64]:
            return _stretch(file, first, last, mix.turn)

        end_s = math.inf if mix.turn else mix.frames / rate - FADE_S
        listener = Listener([*expected, *echoes], rate, files.step(mix.settings.bit_depth), read, hearing, end_s)
        rows = []
        whole = [index for index, (_, _, heard) in enumerate(placed) if heard]
        chosen = [whole[place] for place in _chosen(len(whole), MOST_NOTES, (mix.settings.seed, _CHOICE))]
        for done, index in enumerate(chosen):
            rows.append(_row(index, expected[index], listener))
            if progress:
                progress(_HEARD * (done + 1) / len(chosen))
        faded = [one for one, (_, _, heard) in zip(expected, placed, strict=True) if not heard]
        voices = Balance([*expected, *echoes], faded, rate, mix.frames, read).voices(hearing, mix.settings.seed)
        octaves = bands([*expected, *echoes], faded, rate, mix.frames, read, hearing)
        beating = beats([*expected, *echoes], whole, rate, mix.frames, read, hearing)
    masked = [place for place, row in enumerate(rows) if row["status"] == "masked"]
    solos = [masked[place] for place in _chosen(len(masked), MOST_SOLOS, (mix.settings.seed, _SOLO_CHOICE))]
    for done, place in enumerate(solos):
        rows[place] = _solo_row(rows[place], expected[rows[place]["index"]], rate)
        if progress:
            progress(_HEARD + (1 - _HEARD) * (done + 1) / len(solos))
    return {
        "notes": _summary(rows, len(expected), tolerance) | {"rendered_alone": len(solos)},
        "voices": voices,
        "beats": beating,
        "spectrum": octaves,
    }


def _chosen(count: int, most: int, seeds: tuple[int, int]) -> list[int]:
    if count <= most:
        return list(range(count))
    rng = np.random.Generator(np.random.PCG64(seeds))
    return [int(index) for index in np.sort(rng.choice(count, most, replace=False))]


def _solo_row(row: dict[str, Any], one: Expected, rate: int) -> dict[str, Any]:
    """The row of a masked note after it was rendered alone: what can be measured there is, the rest stays masked."""
    alone = Alone(one, rate)
    found = _row(row["index"], one, Listener([one], rate, 0.0, lambda first, last: alone.span(first, last).T.astype(np.float64)))
    solo = {name: "measured_solo" if found[name] == "measured" else found[name] for name in ("status", "onset", "pitch")}
    return found | solo | {"why": f"alone {found['why']}" if solo["status"] == "failed" else found["why"]}


def _stretch(file: soundfile.SoundFile, first: int, last: int, turn: int) -> NDArray[np.float64]:
    """Samples `first` to `last` as (n, 2); outside the file silence, or the neighbouring turns of a loop."""
    out = np.zeros((last - first, 2))
    for shift in (-turn, 0, turn) if turn else (0,):
        low, high = max(first, shift), min(last, shift + file.frames)
        if low < high:
            file.seek(low - shift)
            out[low - first : high - first] = file.read(high - low, dtype="float64", always_2d=True)
    return out


def _row(index: int, one: Expected, listener: Listener) -> dict[str, Any]:
    onset, pitch = listener.onset(one), listener.pitch(one)
    both = {onset.status, pitch.status}
    status = next(status for status in STATUSES if status in both)
    return {
        "index": index,
        "t_s": one.onset,
        "hz": one.sound.note.hz,
        "status": status,
        "onset": onset.status,
        "onset_error_s": onset.value,
        "pitch": pitch.status,
        "cents": pitch.value,
        "partials": [{"hz": peak.hz, "found_hz": peak.found_hz, "level_db": peak.level_db} for peak in pitch.peaks],
        "why": "; ".join(finding.why for finding in (onset, pitch) if _tells(finding, status)),
    }


def _tells(finding: Finding, status: str) -> bool:
    return bool(finding.why) and finding.status == status


def _summary(rows: list[dict[str, Any]], total: int, tolerance: files.Tolerance) -> dict[str, Any]:
    counts = Counter(row["status"] for row in rows)
    onsets = [abs(row["onset_error_s"]) for row in rows if row["onset_error_s"] is not None]
    cents = [abs(row["cents"]) for row in rows if row["cents"] is not None]
    levels = [abs(partial["level_db"]) for row in rows for partial in row["partials"]]
    return {
        "listened_to": "file",
        "total": total,
        "listened": len(rows),
        **{status: counts[status] for status in STATUSES},
        "onsets": {"measured": len(onsets), "worst_s": max(onsets, default=None), "tolerance_s": tolerance.onset_s},
        "pitches": {"measured": len(cents), "worst_cents": max(cents, default=None), "tolerance_cents": tolerance.pitch_cents},
        "partials": {"measured": len(levels), "worst_db": max(levels, default=None), "tolerance_db": tolerance.level_db},
        "rows": rows,
    }
