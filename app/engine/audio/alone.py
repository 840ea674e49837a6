"""One sound of a mix alone, by the code that renders it there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.engine.audio.envelopes import Samples
from app.engine.audio.listening import Expected


class Alone:
    """What a file would be if nothing else were in it. A sound that is rendered whole is rendered as far as it is asked for."""

    def __init__(self, one: Expected, sample_rate: int) -> None:
        self._sound = one.sound
        self._start = round(one.onset * sample_rate)
        self._rendered = np.zeros((2, 0), np.float32)

    def span(self, first: int, last: int) -> Samples:
        """Samples `first` to `last` of the file, (2, last - first)."""
        out = np.zeros((2, last - first), np.float32)
        low, high = max(first - self._start, 0), min(last - self._start, self._sound.frames)
        if low < high:
            part = self._sound.span(low, high) if self._sound.held else self._up_to(high)[:, low:high]
            out[:, self._start + low - first : self._start + high - first] = part
        return out

    def _up_to(self, frames: int) -> Samples:
        if self._rendered.shape[1] < frames:
            self._rendered = np.zeros((2, frames), np.float32)
            replace(self._sound, tone=replace(self._sound.tone, frames=frames)).add_to(self._rendered, 0)
        return self._rendered[:, :frames]
