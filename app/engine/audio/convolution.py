"""Convolution with long responses, block by block: partitions of equal length in the frequency domain (overlap-save)."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_SHORTEST_BLOCK = 1 << 13
_PARTS = 4


class Convolver:
    """A sound and what a room answers to it.

    `responses` (2, 2, n) float32 lead from both channels to both. Blocks lie where they do whatever the chunks, so chunks do not show.
    """

    def __init__(self, responses: Samples) -> None:
        self._block = max(_SHORTEST_BLOCK, 1 << (responses.shape[2] // _PARTS).bit_length())
        parts = -(-responses.shape[2] // self._block)
        padded = np.zeros((2, 2, parts * self._block), np.float32)
        padded[:, :, : responses.shape[2]] = responses
        self._filters = scipy.fft.rfft(padded.reshape(2, 2, parts, self._block), 2 * self._block)
        self._spectra = np.zeros((parts, 2, self._block + 1), np.complex64)
        self._held = np.zeros((2, 0), np.float32)
        self._before = np.zeros((2, self._block), np.float32)
        self._turn = 0

    def process(self, chunk: Samples) -> Samples:
        """The blocks that are whole with this chunk; none while it falls short of one."""
        held = np.concatenate((self._held, chunk), axis=1)
        whole = held.shape[1] // self._block * self._block
        self._held = held[:, whole:]
        blocks = [self._answered(held[:, first : first + self._block]) for first in range(0, whole, self._block)]
        return np.concatenate(blocks, axis=1) if blocks else held[:, :0]

    def finish(self) -> Samples:
        """The rest of what came in."""
        rest = self._held.shape[1]
        return self.process(np.zeros((2, (-rest) % self._block), np.float32))[:, :rest]

    def _answered(self, block: Samples) -> Samples:
        parts = len(self._spectra)
        self._spectra[self._turn % parts] = scipy.fft.rfft(np.concatenate((self._before, block), axis=1))
        total = np.zeros((2, self._block + 1), np.complex64)
        for part in range(parts):
            spectrum = self._spectra[(self._turn - part) % parts]
            for channel in range(2):
                total += self._filters[channel, :, part] * spectrum[channel]
        self._before = block
        self._turn += 1
        answer: Samples = block + scipy.fft.irfft(total, 2 * self._block)[:, self._block :]
        return answer
