"""The instruments: a new one is a file here and a line below."""

from __future__ import annotations

from typing import Any

from app.engine.audio.instruments import additive, fm, granular, karplus_strong, modal, noise, sine, waveforms
from app.engine.audio.instruments.instrument import Choice, Instrument, Noise, Partials, Tone
from app.engine.errors import EngineError

INSTRUMENTS: dict[str, Instrument] = {
    instrument.name: instrument
    for instrument in (
        modal.INSTRUMENT,
        additive.INSTRUMENT,
        sine.INSTRUMENT,
        karplus_strong.INSTRUMENT,
        waveforms.TRIANGLE,
        waveforms.SQUARE,
        waveforms.SAW,
        fm.INSTRUMENT,
        noise.INSTRUMENT,
        granular.INSTRUMENT,
    )
}


def instrument(name: str, field: str = "instrument") -> Instrument:
    """The instrument of that name, else EngineError naming those that exist."""
    if name not in INSTRUMENTS:
        raise EngineError(f"Must be one of {', '.join(INSTRUMENTS)}.", field)
    return INSTRUMENTS[name]


def compiled(enabled: bool) -> None:
    """Use compiled loops (True) or plain ones (False) from now on, for the whole process. Both give the same bytes.

    For workers and commands, which may take the time and memory of numba; set `NUMBA_CACHE_DIR` to a writable folder before.
    """
    karplus_strong.compiled(enabled)


def describe() -> list[dict[str, Any]]:
    """Every instrument with its parameters, as served."""
    return [instrument.describe() for instrument in INSTRUMENTS.values()]


__all__ = ["INSTRUMENTS", "Choice", "Instrument", "Noise", "Partials", "Tone", "compiled", "describe", "instrument"]
