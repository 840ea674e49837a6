"""A pure tone."""

from __future__ import annotations

import numpy as np

from app.engine.audio.instruments.instrument import Instrument, Partials, Tone
from app.engine.audio.instruments.partials import START_PHASE, render_with


def _partials(tone: Tone) -> Partials:
    return Partials(ratio=np.ones(1), amplitude=np.ones(1), t60=np.full(1, np.inf))


INSTRUMENT = Instrument(
    name="sine",
    description="A pure tone: one partial, held for as long as the note.",
    quantities=(START_PHASE,),
    choices=(),
    pitch_range=(16.0, 16000.0),
    sustains=True,
    partials=_partials,
    render=render_with(_partials),
)
