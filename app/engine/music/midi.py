"""Standard MIDI Files, type 1, that keep microtones: by pitch bend, by tuning, or as polyphonic expression.

Every note sounds at its frequency on a synthesizer whose key 69 is 440 Hz and that knows the way chosen: any knows pitch bend, which
fifteen channels share; tunings keep every pitch, on those that know the MIDI Tuning Standard; polyphonic expression is for those made
for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.engine.music.midi_bends import EXPRESSIVE, Bends
from app.engine.music.midi_layout import Layout
from app.engine.music.midi_tunings import Tunings
from app.engine.music.score import Score

MICROTONES: dict[str, Callable[[Score], Layout]] = {"bend": Bends, "mts": Tunings, "mpe": lambda score: Bends(score, EXPRESSIVE)}
"""The ways to keep microtones, by name."""


def write_midi(score: Score, microtones: str = "bend") -> tuple[bytes, dict[str, Any]]:
    """A score as the bytes of a Standard MIDI File, and a report on what the file keeps.

    Parameters
    ----------
    microtones : one of `MICROTONES`

    Returns
    -------
    data : type 1, 960 ticks per quarter; a track for the tempo and markers, then one per voice; one note-on per note
    report : {"notes", "channels" (used), "max_error_cents" (of notes in budget), "overflow": [{"note" (index), "channel", "error_cents"}],
        "restruck" (notes ended early because their key sounded on every channel), "tracks": of the moving notes [{"note", "bend_range",
        "bends"}] or [{"note", "tunings"}], "not_kept": sentences}
    """
    layout = MICROTONES[microtones](score)
    return layout.file(), layout.summary()
