"""From a score to the samples of a file, in chunks of a second."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from app.engine.audio.convolution import Convolver
from app.engine.audio.effects import DcBlocker, EndFade, Limiter
from app.engine.audio.envelopes import Envelope, Samples
from app.engine.audio.files import FORMATS, BitDepth, quantized
from app.engine.audio.meters import LoudnessMeter
from app.engine.audio.rooms import Reverb
from app.engine.audio.sounds import Sound, sounds
from app.engine.audio.steady import Choir, Member
from app.engine.catalogue import RENDER
from app.engine.errors import EngineError, OutOfRange, Unsupported
from app.engine.music.score import Score

Progress = Callable[[float], None]

CEILING_DBTP = -1.0
FADE_S = 0.01
_TAIL_LIMIT_S = 10.0
_BLOCKER_RING_S = 0.25
_LOOP_RUN_IN_S = 0.5
_FIRST_PASS = 0.8


@dataclass(frozen=True, slots=True)
class Settings:
    """How a score is rendered.

    `duration_s` None takes the score's; `tail_s` None what the notes and the room need to ring out (0 for a loop); `loudness_lufs` None
    leaves the loudness as the notes make it; `reverb` None puts no room around them. Lossy formats have a `quality` and no bit depth, the
    others a bit depth and no quality: what does not apply becomes None.
    """

    sample_rate: int = 48000
    format: str = "wav"
    bit_depth: BitDepth = 24
    duration_s: float | None = None
    tail_s: float | None = None
    seed: int = 0
    channels: int = 2
    quality: float | None = RENDER["quality"].default
    loudness_lufs: float | None = None
    reverb: Reverb | None = None

    def __post_init__(self) -> None:
        """Raise EngineError naming the field that is out of range."""
        if not isinstance(self.sample_rate, int):
            raise OutOfRange("Must be a whole number of Hz.", "sample_rate")
        RENDER["sample_rate"].check(self.sample_rate)
        for name in ("duration_s", "tail_s", "loudness_lufs"):
            if (value := getattr(self, name)) is not None:
                RENDER[name].check(value)
        if self.format not in FORMATS:
            raise EngineError(f"Must be one of {', '.join(FORMATS)}.", "format")
        object.__setattr__(self, *(("bit_depth", None) if FORMATS[self.format].lossy else ("quality", None)))
        FORMATS[self.format].subtype(self.bit_depth)
        if self.quality is not None:
            RENDER["quality"].check(self.quality)
        FORMATS[self.format].check_rate(self.sample_rate)
        if not 0 <= self.seed < 2**64:
            raise OutOfRange("Must be a whole number from 0 to 2^64 - 1.", "seed")
        if self.channels != 2:
            raise Unsupported("Renders are stereo: 2 channels.", "channels")


@dataclass
class Levelling:
    """How a mix comes to its loudness: by `gain`, found while the first pass waits in a nameless file in `folder` (None: the system's)."""

    folder: Path | None = None
    gain: float = 1.0


@dataclass(frozen=True)
class Mix:
    """A score laid out for a file of `frames` samples: what sounds, when, and for how long.

    `turn` is the period in samples of a looped score, 0 otherwise.
    """

    settings: Settings
    sounds: tuple[Sound, ...]
    duration_s: float
    tail_s: float
    frames: int
    turn: int

    def samples(
        self, progress: Progress | None = None, chunk: int | None = None, levelling: Levelling | None = None
    ) -> Iterator[NDArray[Any]]:
        """The final samples (n, 2), dithered and rounded, as `files.write` takes them."""
        return quantized(self.mastered(progress, chunk, levelling), self.settings.bit_depth, self.settings.seed)

    def mastered(self, progress: Progress | None = None, chunk: int | None = None, levelling: Levelling | None = None) -> Iterator[Samples]:
        """Planar float chunks (2, n) after room, DC blocker, gain to the asked loudness, limiter and final fade; together `frames` long.

        `levelling` is told the gain before the first chunk comes.
        """
        rate, run_in = self.settings.sample_rate, self._run_in
        limiter = Limiter(rate, CEILING_DBTP)
        fade = EndFade(self.frames, 0 if self.turn else math.ceil(FADE_S * rate))

        def limited() -> Iterator[Samples]:
            for levelled in self._levelled(run_in, chunk or rate, progress, levelling or Levelling()):
                yield limiter.process(levelled)
            yield limiter.finish()

        for block in _cut(limited(), run_in, self.frames):
            yield fade.process(block)

    def stems(self) -> dict[str, Mix]:
        """The mix of each voice that sounds, by id, in the order of the score."""
        voices = dict.fromkeys(sound.note.voice_id for sound in sorted(self.sounds, key=lambda sound: sound.part.field))
        return {voice: replace(self, sounds=tuple(sound for sound in self.sounds if sound.note.voice_id == voice)) for voice in voices}

    def placed(self) -> Iterator[tuple[Sound, float, bool]]:
        """Every sound with the time in s that its scene begins, and whether it can be listened to."""
        for sound in self.sounds:
            yield sound, 0.0, True

    def unmastered(self, progress: Progress | None = None, chunk: int | None = None) -> Iterator[Samples]:
        """Planar float chunks (2, n) after room and DC blocker, `frames` long: those of the stems add up to those of the mix."""
        return _cut(self._blocked(self._run_in, chunk or self.settings.sample_rate, progress), self._run_in, self.frames)

    @property
    def _run_in(self) -> int:
        """How many samples a loop is heard before and after its turn, for what rings and what looks ahead."""
        return round((_LOOP_RUN_IN_S + _ringing_s(self.settings)) * self.settings.sample_rate) if self.turn else 0

    def _levelled(self, run_in: int, chunk: int, progress: Progress | None, levelling: Levelling) -> Iterator[Samples]:
        """The blocked bus at the asked loudness. With one, it is all made and measured first, and waits in a file."""
        if self.settings.loudness_lufs is None:
            yield from self._blocked(run_in, chunk, progress)
            return
        told = (lambda fraction: progress(_FIRST_PASS * fraction)) if progress else None
        with tempfile.TemporaryFile(dir=levelling.folder) as spool:
            for part in self._blocked(run_in, chunk, told):
                spool.write(part.T.tobytes())
            meter = LoudnessMeter(self.settings.sample_rate)
            for part in _cut(_spooled(spool, chunk), run_in, self.frames):
                meter.read(part)
            levelling.gain = 10 ** ((meter.gain_db_to(self.settings.loudness_lufs) or 0.0) / 20)
            done = 0
            for part in _spooled(spool, chunk):
                yield part * np.float32(levelling.gain)
                done += part.shape[1]
                if progress:
                    progress(_FIRST_PASS + (1 - _FIRST_PASS) * done / (self.frames + 2 * run_in))

    def _blocked(self, run_in: int, chunk: int, progress: Progress | None) -> Iterator[Samples]:
        blocker = DcBlocker(self.settings.sample_rate)
        for bus in self._in_room(self.bus(-run_in, self.frames + run_in, chunk, progress)):
            yield blocker.process(bus)

    def _in_room(self, chunks: Iterator[Samples]) -> Iterator[Samples]:
        if self.settings.reverb is None:
            yield from chunks
            return
        room = Convolver(self.settings.reverb.responses(self.settings.sample_rate))
        for chunk in chunks:
            if (answered := room.process(chunk)).shape[1]:
                yield answered
        if (rest := room.finish()).shape[1]:
            yield rest

    def bus(self, first: int, last: int, chunk: int, progress: Progress | None = None) -> Iterator[Samples]:
        """The sum of all sounds from sample `first` to `last`, planar (2, n) float32, in chunks of `chunk`.

        Notes are rendered whole and added in order of onset, so the chunks do not show in the sum. Held notes are rendered
        chunk by chunk along their phase. Memory is that of the longest note that is not held.
        """
        starts = sorted(((start, sound) for sound in self.sounds for start in self._starts(sound, first, last)), key=lambda pair: pair[0])
        longest = max((sound.frames for _, sound in starts if not sound.held), default=0)
        ring, following = np.zeros((2, chunk + longest), np.float32), 0
        held = _Held(self.settings.sample_rate, chunk)
        for begin in range(first, last, chunk):
            end = min(begin + chunk, last)
            while following < len(starts) and starts[following][0] < end:
                start, sound = starts[following]
                following += 1
                if sound.held:
                    held.start(start, sound)
                else:
                    sound.add_to(ring, start - begin)
            yield held.beside(ring[:, : end - begin], begin, end)
            ring[:, :-chunk] = ring[:, chunk:]
            ring[:, -chunk:] = 0
            if progress:
                progress((end - first) / (last - first))

    def _starts(self, sound: Sound, first: int, last: int) -> list[int]:
        """Where a sound starts: once, or in every turn of a loop that reaches into `first` to `last`."""
        if not self.turn:
            return [sound.start]
        earliest = -((sound.start + sound.frames - first - 1) // self.turn)
        latest = (last - 1 - sound.start) // self.turn
        return [sound.start + turn * self.turn for turn in range(earliest, latest + 1)]


class _Held:
    """The held sounds of a bus: those that stand still sound together, as do those that only swell and do so alike; others one by one."""

    def __init__(self, sample_rate: int, chunk: int) -> None:
        self._rate, self._chunk = sample_rate, chunk
        self._sounds: list[tuple[int, Sound]] = []
        self._moving: list[tuple[int, Sound]] = []
        self._choir: Choir | None = None
        self._swelling: list[tuple[Choir, int, Envelope]] = []
        self._until = 0

    def start(self, start: int, sound: Sound) -> None:
        """Let a sound begin at a sample of the file."""
        self._sounds.append((start, sound))
        self._until = start

    def beside(self, others: Samples, begin: int, end: int) -> Samples:
        """What sounds from sample `begin` to `end` of the file together with others, a new (2, end - begin)."""
        if end > self._until:
            self._gather(begin, end)
        if self._choir:
            out = self._choir.span(begin, end)
            out += others
        else:
            out = others.copy()
        for choir, start, envelope in self._swelling:
            low, high = max(begin, start), min(end, start + envelope.frames)
            part = choir.span(low, high)
            for channel in part:
                envelope.apply(channel, low - start)
            out[:, low - begin : high - begin] += part
        for start, sound in self._moving:
            low, high = max(begin, start), min(end, start + sound.frames)
            out[:, low - begin : high - begin] += sound.span(low - start, high - start)
        return out

    def _gather(self, begin: int, end: int) -> None:
        """Tell those that stand still from the others; it holds until one that stands still moves, or as long as none does."""
        self._sounds = [(start, sound) for start, sound in self._sounds if start + sound.frames > begin]
        found = [(sound.member(start, begin, end), start, sound) for start, sound in self._sounds]
        members = [member for member, _, _ in found if member]
        if self._choir is None or not self._choir.sings(members):
            self._choir = Choir(members, self._rate, self._chunk) if members else None
        moving = [(start, sound) for member, start, sound in found if not member]
        alike: dict[tuple[int, Envelope], list[Member]] = {}
        for start, sound in moving:
            if sound.line:
                alike.setdefault((start, sound.envelope), []).append(Member(sound.line, start, 1.0))
        shared = {key: members for key, members in alike.items() if len(members) > 1}
        self._swelling = [(Choir(members, self._rate, self._chunk), *key) for key, members in shared.items()]
        self._moving = [(start, sound) for start, sound in moving if not (sound.line and (start, sound.envelope) in shared)]
        self._until = end if moving else min((start + sound.envelope.gate for start, sound in self._sounds), default=begin)


def _spooled(spool: IO[bytes], chunk: int) -> Iterator[Samples]:
    """What was written to a file as interleaved float32, from its beginning, planar (2, n)."""
    spool.seek(0)
    while block := spool.read(chunk * 2 * 4):
        yield np.ascontiguousarray(np.frombuffer(block, np.float32).reshape(-1, 2).T)


def _cut(chunks: Iterator[Samples], skip: int, frames: int) -> Iterator[Samples]:
    """`frames` samples of a stream, after the first `skip`."""
    place = -skip
    for chunk in chunks:
        part = chunk[:, max(0, -place) : max(0, frames - place)]
        place += chunk.shape[1]
        if part.shape[1]:
            yield part


def lay_out(score: Score, settings: Settings) -> Mix:
    """The mix of a score. Raises EngineError when a voice, a pitch or a setting cannot be honoured."""
    duration_s = score.duration_s if settings.duration_s is None else settings.duration_s
    rate = settings.sample_rate
    found = tuple(sounds(score, rate, duration_s, settings.seed))
    tail_s = _tail(score, settings, found, duration_s)
    frames = math.floor((duration_s + tail_s) * rate + 0.5)
    return Mix(settings, found, duration_s, tail_s, frames, frames if score.loop else 0)


def _tail(score: Score, settings: Settings, found: tuple[Sound, ...], duration_s: float) -> float:
    if score.loop:
        if settings.tail_s:
            raise Unsupported("A looped scene has no tail: what rings after its end sounds at its beginning.", "tail_s")
        return 0.0
    end = max((sound.start + sound.frames for sound in found), default=0) / settings.sample_rate
    return tail_within(settings, max(0.0, end - duration_s) + _BLOCKER_RING_S)


def tail_within(settings: Settings, ringing_s: float) -> float:
    """The tail for notes that ring on for `ringing_s`, with what the room adds; at most 10 s."""
    return min(ringing_s + _ringing_s(settings), _TAIL_LIMIT_S) if settings.tail_s is None else settings.tail_s


def _ringing_s(settings: Settings) -> float:
    """How long the room rings."""
    return settings.reverb.seconds if settings.reverb else 0.0


@dataclass(frozen=True)
class Rendering:
    """A whole render in memory: `samples` (frames, 2) as they go into the file, and their SHA-256 in hex."""

    samples: NDArray[Any]
    samples_hash: str
    sample_rate: int
    duration_s: float
    tail_s: float

    @property
    def frames(self) -> int:
        """Length in samples."""
        return len(self.samples)


def render(score: Score, settings: Settings, progress: Progress | None = None) -> Rendering:
    """All samples of a score at once. `progress` gets fractions from 0 to 1 and may raise Cancelled."""
    mix = lay_out(score, settings)
    samples = np.concatenate(list(mix.samples(progress)))
    digest = hashlib.sha256(samples.data).hexdigest()
    return Rendering(samples, digest, settings.sample_rate, mix.duration_s, mix.tail_s)
