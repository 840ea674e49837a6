"""What every instrument is: a name, its parameters, the partials it predicts and the sound it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.recordings import Recording
from app.engine.errors import EngineError, OutOfRange
from app.engine.quantity import Quantity

Samples = NDArray[np.float32]

_INAUDIBLE_DB = 100.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter that takes one of a few words."""

    name: str
    options: tuple[str, ...]
    default: str
    description: str

    def check(self, value: Any, field: str) -> str:
        """`value` itself when it is one of the options, else EngineError naming them."""
        if value not in self.options:
            raise EngineError(f"Must be one of {', '.join(self.options)}.", field)
        return str(value)

    def describe(self) -> dict[str, Any]:
        """The parameter as served."""
        return {
            "name": self.name,
            "kind": "choice",
            "options": list(self.options),
            "default": self.default,
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class Reference:
    """A parameter that names an uploaded sound by its id; None names none."""

    name: str
    description: str

    def check(self, value: Any, field: str) -> str | None:
        """The id as it is written, else EngineError."""
        if value is None:
            return None
        try:
            return str(UUID(value if isinstance(value, str) else ""))
        except ValueError:
            raise EngineError("Must be the id of an uploaded sound.", field) from None

    def describe(self) -> dict[str, Any]:
        """The parameter as served."""
        return {"name": self.name, "kind": "material", "default": None, "description": self.description}


@dataclass(frozen=True, slots=True, eq=False)
class Partials:
    """The sinusoids that a note is made of; all columns have the same length. Notes share them, so nobody changes them.

    Attributes
    ----------
    ratio : float64 (P,), frequency over the pitch
    amplitude : float64 (P,), linear, signed
    t60 : float64 (P,), seconds for a decay of 60 dB; infinite for a partial that does not decay
    phase : float64 (P,), rad at the start; None where each is the tone's `start_phase`, or drawn from its seed
    moving : the amplitudes (n,) of each partial in turn, at times (n,) in s after the start; None where `amplitude` holds throughout
    """

    ratio: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    t60: NDArray[np.float64]
    phase: NDArray[np.float64] | None = None
    moving: Callable[[NDArray[np.float64]], Iterator[NDArray[np.float64]]] | None = None

    def amplitude_at(self, t_s: float) -> NDArray[np.float64]:
        """Amplitudes (P,) `t_s` after the start, without decay."""
        if self.moving is None:
            return self.amplitude
        return np.concatenate(list(self.moving(np.array([t_s]))))

    @property
    def ring_s(self) -> float:
        """Seconds until the longest partial is 100 dB down; infinite when one does not decay."""
        return inaudible_s(float(self.t60.max()))


def inaudible_s(t60: float) -> float:
    """Seconds until what falls by 60 dB in `t60` is 100 dB down."""
    return t60 * _INAUDIBLE_DB / 60.0


@dataclass(frozen=True, slots=True)
class Tone:
    """One note as an instrument sees it.

    `hz` pitch, `frames` length in samples, `parameters` as `Instrument.validate` returns them. Equal seeds give equal sound. `modes` are
    those of the body that the note comes from, None when it has none of its own. `recording` is what its parameters refer to.
    """

    hz: float
    frames: int
    sample_rate: int
    parameters: Mapping[str, Any]
    seed: tuple[int, ...]
    modes: Partials | None = None
    recording: Recording | None = None

    def rng(self) -> np.random.Generator:
        """A fresh generator of this tone's random numbers; every call starts from the beginning."""
        return np.random.Generator(np.random.PCG64(self.seed))


@dataclass(frozen=True, slots=True)
class Bands:
    """Where noise is heard: bands from `low_hz` to `high_hz` (B,), each of an amplitude (B,) that it does not exceed for long.

    `width_hz` lies between the half-power points of the whole: such noise swells and fades within about 1 / `width_hz` seconds.
    """

    low_hz: NDArray[np.float64]
    high_hz: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    width_hz: float


@dataclass(frozen=True, slots=True)
class Noise:
    """What an instrument without partials has in their place.

    Attributes
    ----------
    along : (tone, first, last, hz_at) to samples `first` to `last` of a tone that moves, float32: `hz_at` gives its pitches at times (n,)
        in s after the start, and `tone.hz` is the lowest of them
    bands : where a tone is heard
    """

    along: Callable[[Tone, int, int, Callable[[NDArray[np.float64]], NDArray[np.float64]]], Samples]
    bands: Callable[[Tone], Bands]


@dataclass(frozen=True)
class Instrument:
    """An instrument.

    Attributes
    ----------
    pitch_range : lowest and highest pitch in Hz
    sustains : whether it can hold and bend a tone for as long as wanted (a struck or plucked one may not)
    partials : the partials of a tone, strongest meaning first heard; what `verify` expects to find
    render : float32 (tone.frames,), within [-1, 1], before envelope and gain
    rings : s until the tone is 100 dB down, where that is known without its partials
    noise : in place of partials, which one that makes noise has none of
    references : parameters that name an uploaded sound
    """

    name: str
    description: str
    quantities: tuple[Quantity, ...]
    choices: tuple[Choice, ...]
    pitch_range: tuple[float, float]
    sustains: bool
    partials: Callable[[Tone], Partials]
    render: Callable[[Tone], Samples]
    rings: Callable[[Tone], float] | None = None
    noise: Noise | None = None
    references: tuple[Reference, ...] = ()

    @property
    def parameter_names(self) -> set[str]:
        """The names of all its parameters."""
        return {q.name for q in self.quantities} | {c.name for c in self.choices} | {r.name for r in self.references}

    def ring_s(self, tone: Tone) -> float:
        """Seconds until the tone is 100 dB down; infinite when it does not decay. Raises EngineError when it cannot be played."""
        return self.rings(tone) if self.rings else self.partials(tone).ring_s

    def validate(self, parameters: Mapping[str, Any], field: str = "parameters") -> dict[str, Any]:
        """All parameters with defaults filled in. Raises EngineError naming the offending field."""
        known = self.parameter_names
        for name in parameters:
            if name not in known:
                raise EngineError(f"{self.name} has no such parameter; it has {', '.join(sorted(known))}.", f"{field}.{name}")
        numbers = {q.name: _number(q, parameters.get(q.name, q.default), f"{field}.{q.name}") for q in self.quantities}
        words = {c.name: c.check(parameters.get(c.name, c.default), f"{field}.{c.name}") for c in self.choices}
        ids = {r.name: r.check(parameters.get(r.name), f"{field}.{r.name}") for r in self.references}
        return numbers | words | ids

    def check_pitch(self, hz: float, field: str = "hz") -> float:
        """`hz` itself when the instrument can play it, else OutOfRange."""
        low, high = self.pitch_range
        if not low <= hz <= high:
            raise OutOfRange(f"{self.name} plays {low:g} to {high:g} Hz; the score has {hz:.6g} Hz.", field)
        return hz

    def describe(self) -> dict[str, Any]:
        """The instrument as served: enough to build its controls."""
        numbers = [{"kind": "number"} | quantity.describe() for quantity in self.quantities]
        return {
            "name": self.name,
            "description": self.description,
            "pitch_range": {"low_hz": self.pitch_range[0], "high_hz": self.pitch_range[1]},
            "sustains": self.sustains,
            "pitched": self.noise is None,
            "parameters": [
                *numbers,
                *(choice.describe() for choice in self.choices),
                *(reference.describe() for reference in self.references),
            ],
        }


def _number(quantity: Quantity, given: Any, field: str) -> float | int | None:
    if given is None and quantity.default is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float | Mapping):
        raise EngineError(f"Must be a number in the range {quantity.range_text}.", field)
    try:
        value = quantity.read(given, field)
    except (KeyError, TypeError) as error:
        raise EngineError('Must be a number, or {"value": number, "unit": text}.', field) from error
    if not quantity.integer:
        return value
    if not value.is_integer():
        raise OutOfRange(f"Must be a whole number in the range {quantity.range_text}.", field)
    return int(value)
