"""Rooms: shoeboxes of known size and walls, and how they answer a sound.

An answer is made of the first reflections, by image sources (Allen and Berkley 1979), and of decaying noise after them. Both have the
energy that the geometry gives them: behind a direct sound of energy 1 at the distance r, reflections arrive in a room of volume V with
4 pi c r^2 / V a second, before what walls and air absorb (Kuttruff, Room Acoustics). Reverberation times are those of Eyring.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from app.engine.audio.envelopes import rise
from app.engine.catalogue import RENDER
from app.engine.errors import EngineError

SPEED_OF_SOUND = 343.0
BANDS_HZ = (125, 250, 500, 1000, 2000, 4000, 8000)
LONGEST_S = 10.0

_SIXTY_DB = 6 * math.log(10)
_MIDDLE = (2, 3)
_HALF_ANGLE = math.pi / 6
_EARS_M = 0.3
_FADE_S = 0.01
_SEED = 0x726F6F6D
_WALLS = "absorption: tables of Everest and Pohlmann, Master Handbook of Acoustics (8 kHz as 4 kHz); air: ISO 9613-2, 20 °C and 70 %"

# Part of the energy that a surface absorbs in the octave bands from 125 Hz to 4 kHz.
_MATERIALS = {
    "plaster on brick": (0.013, 0.015, 0.02, 0.03, 0.04, 0.05),
    "plasterboard on studs": (0.29, 0.10, 0.05, 0.04, 0.07, 0.09),
    "painted concrete blocks": (0.10, 0.05, 0.06, 0.07, 0.09, 0.08),
    "plywood panels": (0.28, 0.22, 0.17, 0.09, 0.10, 0.11),
    "parquet on concrete": (0.04, 0.04, 0.07, 0.06, 0.06, 0.07),
    "heavy velour drapes": (0.14, 0.35, 0.55, 0.72, 0.70, 0.65),
    "upholstered seats with audience": (0.60, 0.74, 0.88, 0.96, 0.93, 0.85),
    "wooden benches, two thirds taken": (0.37, 0.40, 0.47, 0.53, 0.56, 0.53),
}
_AIR_DB_PER_KM = (0.3, 1.1, 2.8, 5.0, 9.0, 22.9, 76.6)

Spectrum = NDArray[np.float64]


@dataclass(frozen=True)
class Room:
    """A shoebox.

    `size` is length, width and height in m; `floor`, `ceiling`, `ends` and `sides` are names of materials; `distance` is that of the
    sources in m.
    """

    name: str
    description: str
    size: tuple[float, float, float]
    floor: str
    ceiling: str
    ends: str
    sides: str
    distance: float

    @property
    def volume(self) -> float:
        """m^3."""
        return math.prod(self.size)

    @property
    def walls(self) -> NDArray[np.float64]:
        """What ends, sides, floor and ceiling absorb, (4, bands)."""
        given = np.array([_MATERIALS[name] for name in (self.ends, self.sides, self.floor, self.ceiling)])
        return np.concatenate((given, given[:, -1:]), axis=1)

    @property
    def rt60(self) -> Spectrum:
        """Reverberation time of each band in s, after Eyring: 24 ln(10) V / c over -S ln(1 - mean absorption) + 4 m V."""
        length, width, height = self.size
        areas = np.array((2 * width * height, 2 * length * height, length * width, length * width))
        absorbed = -areas.sum() * np.log1p(-(areas @ self.walls) / areas.sum()) + 4 * _air() * self.volume
        times: Spectrum = 4 * _SIXTY_DB * self.volume / SPEED_OF_SOUND / absorbed
        return times

    @property
    def rt60_s(self) -> float:
        """The mean of the bands at 500 Hz and 1 kHz, as ISO 3382-1 has it."""
        return float(self.rt60[list(_MIDDLE)].mean())

    def describe(self) -> dict[str, Any]:
        """The room as it is served."""
        return {
            "name": self.name,
            "description": self.description,
            "size_m": dict(zip(("length", "width", "height"), self.size, strict=True)),
            "volume_m3": self.volume,
            "materials": {name: getattr(self, name) for name in ("floor", "ceiling", "ends", "sides")},
            "distance_m": self.distance,
            "rt60_s": self.rt60_s,
            "bands": [{"hz": hz, "rt60_s": float(time)} for hz, time in zip(BANDS_HZ, self.rt60, strict=True)],
            "source": _WALLS,
        }


ROOMS = {
    room.name: room
    for room in (
        Room(
            "living_room", "A room at home with curtains at both ends.", (6.0, 4.5, 2.6),
            "parquet on concrete", "plasterboard on studs", "heavy velour drapes", "plaster on brick", 1.0,
        ),
        Room(
            "studio", "A recording room with drapes at both ends.", (10.0, 7.0, 4.0),
            "parquet on concrete", "plasterboard on studs", "heavy velour drapes", "painted concrete blocks", 1.5,
        ),
        Room(
            "chamber_hall", "A small hall with its audience.", (20.0, 12.0, 8.0),
            "upholstered seats with audience", "plaster on brick", "plywood panels", "plaster on brick", 3.0,
        ),
        Room(
            "concert_hall", "A large hall with its audience.", (44.0, 20.0, 18.0),
            "upholstered seats with audience", "plaster on brick", "plywood panels", "plaster on brick", 6.0,
        ),
        Room(
            "church", "A church with two thirds of its benches taken.", (36.0, 16.0, 14.0),
            "wooden benches, two thirds taken", "plaster on brick", "plaster on brick", "plaster on brick", 4.0,
        ),
        Room(
            "cathedral", "A cathedral with two thirds of its benches taken.", (70.0, 24.0, 22.0),
            "wooden benches, two thirds taken", "plaster on brick", "plaster on brick", "plaster on brick", 6.0,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reverb:
    """A room around the mix.

    `wet_db` makes all that the room answers louder or softer than it is there; `rt60_s` stretches or shortens its reverberation so that
    the mean of 500 Hz and 1 kHz is this; None leaves the room's own.
    """

    room: str
    wet_db: float = 0.0
    rt60_s: float | None = None

    def __post_init__(self) -> None:
        """Raise EngineError naming the field that is out of range."""
        if self.room not in ROOMS:
            raise EngineError(f"Must be one of {', '.join(ROOMS)}.", "reverb.room")
        RENDER["reverb.wet_db"].check(self.wet_db)
        if self.rt60_s is not None:
            RENDER["reverb.rt60_s"].check(self.rt60_s)

    @property
    def rt60(self) -> Spectrum:
        """Reverberation time of each band in s."""
        room = ROOMS[self.room]
        return room.rt60 if self.rt60_s is None else room.rt60 * (self.rt60_s / room.rt60_s)

    @property
    def seconds(self) -> float:
        """How long the answer is: until every band has fallen by 60 dB, at most 10 s."""
        return min(float(self.rt60.max()), LONGEST_S)

    def responses(self, sample_rate: int) -> NDArray[np.float32]:
        """What comes back to both ears from a left and a right source, (2 sources, 2 ears, n); the direct sound, 1 at 0, is not in it."""
        return _responses(self.room, self.rt60_s, sample_rate) * np.float32(10 ** (self.wet_db / 20))


@functools.lru_cache(maxsize=2)
def _responses(name: str, rt60_s: float | None, sample_rate: int) -> NDArray[np.float32]:
    room, reverb = ROOMS[name], Reverb(name, rt60_s=rt60_s)
    slower = room.rt60_s / (rt60_s or room.rt60_s)
    frames = math.ceil(reverb.seconds * sample_rate)
    first_s = room.distance / SPEED_OF_SOUND
    mixed_s = 2e-3 * math.sqrt(room.volume)
    rng = np.random.Generator(np.random.PCG64((_SEED, list(ROOMS).index(name))))
    size = scipy.fft.next_fast_len(frames + sample_rate // 4, real=True)
    sharp, smooth = _band_weights(size, sample_rate)
    times = first_s + np.arange(frames) / sample_rate
    # Two sources share the power of one, so that a sound in the middle makes the room no louder than one at the side.
    level = math.sqrt(4 * math.pi * SPEED_OF_SOUND * room.distance**2 / room.volume / sample_rate / 2)
    out = np.empty((2, 2, frames), np.float32)
    for source in range(2):
        for ear in range(2):
            noise = scipy.fft.rfft(rng.standard_normal(size))
            early = _images(room, _place(room, source, ear), slower, mixed_s, sample_rate, size) / math.sqrt(2)
            answer = np.zeros(frames)
            for band, fall in enumerate(0.5 * _SIXTY_DB / reverb.rt60):
                late = scipy.fft.irfft(noise * sharp[band], size)[:frames] * np.exp(-fall * times)
                answer += np.where(times < mixed_s, 0.0, level * late)
                answer += scipy.fft.irfft(scipy.fft.rfft(early[band]) * smooth[band], size)[:frames]
            fade = math.ceil(_FADE_S * sample_rate)
            answer[-fade:] *= 1 - rise(fade)
            out[source, ear] = answer
    out.flags.writeable = False
    return out


def _place(room: Room, source: int, ear: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a source and an ear are, in m from a corner: sources 30 degrees left and right, not quite in the middle of the room."""
    length, width, height = room.size
    centre = np.array((0.6 * length, 0.47 * width, 0.45 * min(height, 4.0)))
    towards = np.array((-math.cos(_HALF_ANGLE), (0.5 - source) * 2 * math.sin(_HALF_ANGLE), 0.0))
    return centre + room.distance * towards, centre + np.array((0.0, (0.5 - ear) * _EARS_M, 0.0))


def _images(
    room: Room, place: tuple[NDArray[np.float64], NDArray[np.float64]], slower: float, until_s: float, sample_rate: int, size: int
) -> NDArray[np.float64]:
    """The reflections until `until_s` after the sound began, (bands, size): impulses, as late as they come after the direct sound."""
    source, ear = place
    extent = np.array(room.size)
    reach = [np.arange(-k, k + 1) for k in np.ceil(SPEED_OF_SOUND * until_s / (2 * extent)).astype(int) + 1]
    orders = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    mirrored = np.stack(np.meshgrid(*([[0, 1]] * 3), indexing="ij"), axis=-1).reshape(1, -1, 3)
    path = (1 - 2 * mirrored) * source + 2 * orders * extent - ear
    distance = np.linalg.norm(path, axis=-1).reshape(-1)
    # Reflections at the wall through the corner, and at the one opposite.
    near, far = (np.abs(bounces).reshape(-1, 3) for bounces in (orders - mirrored, orders + 0 * mirrored))
    loss = -0.5 * np.log1p(-room.walls)
    walls = near @ loss[[0, 1, 2]] + far @ loss[[0, 1, 3]]
    lost = slower * (walls + 0.5 * _air() * distance[:, None])
    heard = (near + far).any(axis=1) & (distance < SPEED_OF_SOUND * until_s)
    late = np.maximum(np.rint((distance - room.distance) / SPEED_OF_SOUND * sample_rate), 0).astype(int)
    out = np.zeros((len(BANDS_HZ), size))
    for band in range(len(BANDS_HZ)):
        np.add.at(out[band], late[heard], (room.distance / distance * np.exp(-lost[:, band]))[heard])
    return out


def _air() -> Spectrum:
    """What air takes from the energy per m, of each band."""
    return np.array(_AIR_DB_PER_KM) * (math.log(10) / 10 / 1000)


def _band_weights(size: int, sample_rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gains of the bands, (bands, size // 2 + 1) each, that add up to 1 everywhere: with sharp edges, and going over into each other."""
    octave = np.log2(np.maximum(scipy.fft.rfftfreq(size, 1 / sample_rate), 1.0) / BANDS_HZ[0])
    past = octave - (np.arange(len(BANDS_HZ) - 1)[:, None] + 0.5)
    ends = np.ones((1, len(octave))), np.zeros((1, len(octave)))
    crossing = 0.5 - 0.5 * np.cos(np.pi * np.clip(past + 0.5, 0.0, 1.0))
    sharp, smooth = (np.concatenate((ends[0], above, ends[1])) for above in ((past > 0).astype(np.float64), crossing))
    return sharp[:-1] - sharp[1:], smooth[:-1] - smooth[1:]
