"""A score as a picture: a piano roll as SVG, every note at its exact pitch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from app.engine.music.pitch import hz_to_midi, note_name
from app.engine.music.score import Note, Score

WIDTH, HEIGHT = 1200, 600
"""Of the picture, in its own units."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 40, 32
_COLORS = ("#4f7cff", "#e4572e", "#2e9e5b", "#a24fd1", "#c79a00", "#0aa5b8", "#d1407f", "#6b7280")
_OCTAVE = 12
_LEAST_SPAN = 24.0
_MOST_TICKS = 12


class _View:
    """How score seconds and float MIDI numbers become places in the picture."""

    def __init__(self, score: Score) -> None:
        pitches = [hz_to_midi(hz, score.a4_hz) for note in score.notes for hz in _ends(note)] or [60.0]
        middle, span = (min(pitches) + max(pitches)) / 2, max(_LEAST_SPAN, max(pitches) - min(pitches) + 2)
        self.low, self.high = middle - span / 2, middle + span / 2
        self.end_s = max([score.duration_s, *(note.t_s + note.duration_s for note in score.notes)])
        self.per_s = (WIDTH - _LEFT - _RIGHT) / self.end_s
        self.per_semitone = (HEIGHT - _TOP - _BOTTOM) / span

    def x(self, seconds: float) -> float:
        return _LEFT + seconds * self.per_s

    def y(self, pitch: float) -> float:
        return _TOP + (self.high - pitch) * self.per_semitone


def svg(score: Score) -> str:
    """Time to the right in s, pitch upwards; a rectangle for every note, its middle at its pitch, fainter the softer it is.

    Returns
    -------
    document : SVG 1.1 without scripts or references; a group for every voice, with its name as the title; a moving note has the line of
        its pitch too
    """
    view = _View(score)
    notes: dict[str, list[Note]] = {str(voice["id"]): [] for voice in score.voices}
    for note in score.notes:
        notes[note.voice_id].append(note)
    names = [str(voice.get("name") or f"Voice {place + 1}") for place, voice in enumerate(score.voices)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif" font-size="12">',
            f"<title>{_text(str(score.report.get('name') or 'Score'))}</title>",
            f'<path d="M0 0H{WIDTH}V{HEIGHT}H0Z" fill="#ffffff"/>',
            *_pitch_lines(view),
            *_time_lines(view),
            *(
                _voice(name, color, played, score.a4_hz, view)
                for name, color, played in zip(names, _colors(len(names)), notes.values(), strict=True)
            ),
            *_legend(names),
            "</svg>",
            "",
        ]
    )


def _voice(name: str, color: str, notes: Sequence[Note], a4_hz: float, view: _View) -> str:
    parts = [f"<g fill={quoteattr(color)} stroke={quoteattr(color)}>", f"<title>{_text(name)}</title>"]
    thick = max(1.0, 0.8 * view.per_semitone)
    for note in notes:
        x, y = view.x(note.t_s), view.y(hz_to_midi(note.hz, a4_hz))
        width = max(0.5, note.duration_s * view.per_s)
        opacity = 0.25 + 0.75 * min(1.0, max(0.0, note.velocity))
        parts.append(
            f'<rect x="{x:.3f}" y="{y - thick / 2:.3f}" width="{width:.3f}" height="{thick:.3f}" '
            f'stroke="none" fill-opacity="{opacity:.2f}"/>'
        )
        if note.track and "hz" in note.track:
            parts.append(_glide(note, a4_hz, view))
    return "".join((*parts, "</g>"))


def _glide(note: Note, a4_hz: float, view: _View) -> str:
    """The pitch of a moving note, in steps that the picture can show."""
    track = note.track or {}
    values, rate = track["hz"], float(track["rate"])
    stride = max(1, int(rate / view.per_s))
    places = [*range(0, len(values), stride), len(values) - 1]
    points = " ".join(f"{view.x(note.t_s + place / rate):.2f},{view.y(hz_to_midi(values[place], a4_hz)):.2f}" for place in places)
    return f'<polyline points="{points}" fill="none"/>'


def _ends(note: Note) -> tuple[float, ...]:
    """The lowest and highest pitch of a note, in Hz."""
    moving = note.track["hz"] if note.track and "hz" in note.track else ()
    return (note.hz, min(moving), max(moving)) if len(moving) else (note.hz,)


def _pitch_lines(view: _View) -> list[str]:
    """A line and a name for every C, or where few are in view for every whole tone."""
    step = _OCTAVE if view.high - view.low > 2 * _OCTAVE else 2
    keys = range(math.ceil(view.low / step) * step, math.floor(view.high) + 1, step)
    return [_line(_LEFT, view.y(key), WIDTH - _RIGHT, view.y(key), note_name(key), _LEFT - 6, view.y(key) + 4, "end") for key in keys]


def _time_lines(view: _View) -> list[str]:
    """A line and a time in s at round seconds."""
    decade = 10.0 ** math.floor(math.log10(view.end_s / _MOST_TICKS))
    step = next(size for size in (decade, 2 * decade, 5 * decade, 10 * decade) if view.end_s / size <= _MOST_TICKS)
    times = [place * step for place in range(int(view.end_s / step) + 1)]
    bottom = HEIGHT - _BOTTOM
    return [_line(view.x(t), _TOP, view.x(t), bottom, f"{t:g} s", view.x(t), bottom + 16, "middle") for t in times]


def _line(x1: float, y1: float, x2: float, y2: float, label: str, x: float, y: float, anchor: str) -> str:
    return (
        f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" stroke="#dddddd"/>'
        f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" fill="#555555">{label}</text>'
    )


def _legend(names: Sequence[str]) -> list[str]:
    each = (WIDTH - _LEFT - _RIGHT) / max(1, len(names))
    letters = max(1, int(each / 8))
    return [
        f'<circle cx="{_LEFT + place * each + 5:.2f}" cy="20" r="5" fill="{color}"/>'
        f'<text x="{_LEFT + place * each + 14:.2f}" y="24" fill="#333333">{_text(name[:letters])}</text>'
        for place, (name, color) in enumerate(zip(names, _colors(len(names)), strict=True))
    ]


def _colors(count: int) -> list[str]:
    return [_COLORS[place % len(_COLORS)] for place in range(count)]


def _text(given: str) -> str:
    """Text that XML 1.0 can hold."""
    return escape("".join(sign for sign in given if sign.isprintable()))
