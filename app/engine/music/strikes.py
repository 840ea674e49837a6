"""Strikes: the moments at which a rate in Hz has made whole turns."""

from __future__ import annotations

import math

import numpy as np

from app.engine.music.curves import Floats

# A strike due exactly at the end may come out a rounding error before it.
_ROUNDING_S = 1e-9


def strike_times(rates: Floats, per_second: float, end_s: float) -> Floats:
    """Times in s, from 0 to before `end_s`, at which the integral of a rate is 0, 1, 2, ...

    `rates` (k,) in Hz, not negative, `per_second` of them a second, linear between them; with one rate alone it is constant.
    """
    if (rates == rates[0]).all():
        return _steady(float(rates[0]), end_s)
    step = 1.0 / per_second
    turns = np.concatenate(([0.0], np.cumsum(0.5 * (rates[1:] + rates[:-1]) * step)))
    whole = np.arange(math.floor(turns[-1]) + 1, dtype=np.float64)
    place = np.minimum(np.searchsorted(turns, whole, side="right") - 1, len(rates) - 2)
    slope = (rates[place + 1] - rates[place]) / step
    missing = whole - turns[place]
    # The root of slope/2 x^2 + rate x = missing in the form that neither a flat nor a vanishing rate upsets.
    divisor = rates[place] + np.sqrt(np.maximum(rates[place] * rates[place] + 2.0 * slope * missing, 0.0))
    times: Floats = place * step + np.divide(2.0 * missing, divisor, out=np.zeros_like(missing), where=divisor > 0.0)
    early: Floats = times[times < end_s - _ROUNDING_S]
    return early


def _steady(rate: float, end_s: float) -> Floats:
    if rate == 0.0:
        return np.zeros(1)
    times = np.arange(math.ceil(rate * end_s) + 1) / rate
    return times[times < end_s - _ROUNDING_S]
