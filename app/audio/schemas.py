"""What is asked of simulations, scores and renders, and how they are answered."""

from __future__ import annotations

from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from app.engine.audio.files import FORMATS
from app.engine.audio.picture import SCALES
from app.engine.audio.rooms import ROOMS
from app.engine.audio.verify import STATUSES
from app.engine.catalogue import HARMONY, RENDER
from app.engine.music.midi import MICROTONES
from app.engine.music.tunings import DIVISIONS, HARMONICS
from app.engine.quantity import Quantity
from app.engine.suggest import LIMIT, TARGETS
from app.jobs.models import STATES
from app.jobs.schemas import JobSchema
from app.schemas import BaseSchema, ErrorSchema, Flag, Measure, Real, Seed, Text, Whole, measure
from app.universes.schemas import ScalaFile

BIT_DEPTHS = (16, 24, "32f")
_NUMBER = r"[0-9]{1,15}(\.[0-9]{1,15})?"
_RATIO = [
    {"type": "number", "minimum": 1e-12, "maximum": 1e12},
    {"type": "string", "pattern": rf"^{_NUMBER}([:/]{_NUMBER})?(?!\n)$", "maxLength": 80},
]
_MOMENT = {"format": "date-time"}
_HASH = {"pattern": "^[0-9a-f]{64}$"}


def _count(quantity: Quantity) -> fields.Integer:
    """A quantity that counts something, as a parameter of a query."""
    within = validate.Range(
        min=int(quantity.minimum), max=int(quantity.maximum), error=f"Must be a whole number in the range {quantity.range_text}."
    )
    return fields.Integer(validate=within, metadata={"description": quantity.description})


class BitDepth(fields.Field[Any]):
    """16, 24 or "32f"; null is the default."""

    def __init__(self, **kwargs: Any) -> None:
        told = {"enum": [*BIT_DEPTHS, None], "description": "Of samples in wav and flac; ogg and mp3 have none, and ignore it."}
        super().__init__(metadata=told, allow_none=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int | str:
        if isinstance(value, bool) or value not in BIT_DEPTHS:
            raise ma.ValidationError('Must be 16, 24 or "32f".')
        return value if isinstance(value, str) else int(value)


class RunOrderSchema(BaseSchema):
    """A scene to be run or scored."""

    seed = Seed()
    duration_s = measure("render", "duration_s")


class ReverbSchema(BaseSchema):
    """A room around the mix."""

    room = fields.String(required=True, validate=validate.OneOf(ROOMS), metadata={"description": "See GET /audio/rooms."})
    wet_db = measure("render", "reverb.wet_db")
    rt60_s = measure("render", "reverb.rt60_s")


class PieceOrderSchema(BaseSchema):
    """How something is to be rendered."""

    seed = Seed()
    name = Text(low=1, high=100)
    format = fields.String(load_default="wav", validate=validate.OneOf(FORMATS))
    sample_rate = measure("render", "sample_rate")
    bit_depth = BitDepth(load_default=None)
    quality = measure("render", "quality")
    loudness_lufs = measure("render", "loudness_lufs")
    reverb = fields.Nested(ReverbSchema, allow_none=True, load_default=None)
    stems = Flag(load_default=False, metadata={"description": "Whether to write a file of each voice too."})
    license = Text(low=1, high=200, metadata={"description": "Under which the file may be used: an SPDX identifier, or a URL."})

    ALIASES: ClassVar = {"title": "name"}


class RenderOrderSchema(PieceOrderSchema):
    """A scene to be rendered."""

    scene_id = fields.UUID(required=True)
    duration_s = measure("render", "duration_s")


class NameSchema(BaseSchema):
    """A render's new name."""

    name = Text(low=1, high=100, required=True)

    ALIASES: ClassVar = {"title": "name"}


class ArtefactSchema(ma.Schema):
    """What every artefact has."""

    id = fields.UUID(required=True)
    universe_id = fields.UUID(required=True)
    scene_id = fields.UUID(required=True)
    user_id = fields.UUID(required=True, allow_none=True)
    job_id = fields.UUID(required=True, allow_none=True)
    status = fields.String(required=True, validate=validate.OneOf(STATES))
    progress = fields.Float(required=True, validate=validate.Range(0, 1))
    error = fields.Nested(ErrorSchema, required=True, allow_none=True, metadata={"description": "Why it failed."})
    seed = fields.String(required=True)
    inputs_hash = fields.String(required=True, metadata={**_HASH, "description": "SHA-256 of all that the result depends on."})
    engine_version = fields.String(required=True)
    created_at = fields.String(required=True, metadata=_MOMENT)
    finished_at = fields.String(required=True, allow_none=True, metadata=_MOMENT)


class SimulationSchema(ArtefactSchema):
    """A scene that was run."""

    solver = fields.String(required=True)
    duration_s = fields.Float(required=True, metadata={"description": "s of score time."})
    trajectory_hash = fields.String(required=True, allow_none=True)
    outcome = fields.String(required=True, allow_none=True, metadata={"description": "complete, or settled_at when it came to rest."})
    settled_at = fields.Float(required=True, allow_none=True, metadata={"description": "s of simulated time."})
    steps = fields.Integer(required=True, allow_none=True)
    event_count = fields.Integer(required=True, allow_none=True)
    sample_count = fields.Integer(required=True, allow_none=True)
    conservation = fields.Dict(required=True, allow_none=True)
    closed_form = fields.List(fields.Dict(), required=True)
    warnings = fields.List(fields.String(), required=True)


class TuningReportSchema(ma.Schema):
    """What tuning did to one voice; null is what cannot be said, of no notes or of more pitches than are compared."""

    voice_id = fields.String(required=True)
    notes = fields.Integer(required=True)
    moved = fields.Integer(required=True, metadata={"description": "Notes that do not sound at their physical pitch."})
    mean_cents = fields.Float(required=True, allow_none=True, metadata={"description": "Mean error; sharp is above 0."})
    rms_cents = fields.Float(required=True, allow_none=True)
    largest_cents = fields.Float(required=True, allow_none=True)
    largest_note = fields.Integer(required=True, allow_none=True, metadata={"description": "Its place in the score."})
    neighbours = fields.Integer(required=True, metadata={"description": "Intervals of pitches next to each other."})
    neighbours_changed = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Of these, with another name than before."}
    )
    others = fields.Integer(required=True, metadata={"description": "Intervals of other pitches."})
    others_changed = fields.Integer(required=True, allow_none=True)


class DissonanceSchema(ma.Schema):
    """How rough the notes are that sound together: 1 is two sines where they are roughest, 0 a unison."""

    value = fields.Float(required=True, allow_none=True, metadata={"description": "null where no two notes sound together."})
    pairs = fields.Integer(required=True, metadata={"description": "Pairs of notes that sound together."})
    share = fields.Float(required=True, validate=validate.Range(0, 1), metadata={"description": "Of their weight, that was counted."})
    left_out = fields.Integer(
        required=True,
        metadata={"description": "Notes without partials, as of noise and grains, and those that their instruments cannot play."},
    )


class ScoreReportSchema(ma.Schema):
    """How the notes came about, and what merging, clamping and tuning did to them. Scores of older engines lack what came later."""

    name = fields.String(required=True)
    key = fields.String(metadata={"description": "As it is spelled in the harmony."})
    scale = fields.String()
    merged = fields.Dict(required=True, metadata={"description": "Notes merged into others, by voice."})
    clamped = fields.Dict(required=True, metadata={"description": "Values clamped, by mapping."})
    dropped = fields.Dict(required=True, metadata={"description": "Values dropped, by mapping."})
    domains = fields.Dict(required=True, metadata={"description": "Domains in force in the unit of the source, by mapping."})
    tuning = fields.List(fields.Nested(TuningReportSchema), metadata={"description": "What tuning did, voice by voice."})
    intervals = fields.List(
        fields.Dict(), required=True, metadata={"description": "Neighbouring pitches of each voice: cents and names, physical and tuned."}
    )
    interval_names_changed = fields.List(
        fields.Dict(),
        required=True,
        metadata={"description": "Intervals that tuning gave another name; `neighbours` says of what pitches."},
    )
    dissonance = fields.Nested(DissonanceSchema)
    markers = fields.List(fields.Dict(), required=True)
    warnings = fields.List(fields.String(), required=True)


def _measured(description: str, **more: Any) -> fields.Float:
    """A number that may be missing: null is silence, or nothing to measure."""
    return fields.Float(required=True, allow_none=True, metadata={"description": description, **more})


class FileCheckSchema(ma.Schema):
    """One check on the file as a whole."""

    what = fields.String(required=True)
    ok = fields.Boolean(required=True)
    measured = _measured("In its unit.")
    limit = fields.String(required=True)
    unit = fields.String(required=True)


class PartialFoundSchema(ma.Schema):
    """A partial that stands alone."""

    hz = fields.Float(required=True, metadata={"description": "Where it was asked."})
    found_hz = fields.Float(required=True)
    level_db = fields.Float(required=True, metadata={"description": "How much louder than asked it is."})


class NoteFindingSchema(ma.Schema):
    """What was asked of a note and what was found. Its status is the worse one of onset and pitch, where either could be measured."""

    index = fields.Integer(required=True, metadata={"description": "Its place in the order of onsets."})
    t_s = fields.Float(required=True, metadata={"description": "The onset that was asked, s."})
    hz = fields.Float(required=True, metadata={"description": "The pitch that was asked."})
    status = fields.String(required=True, validate=validate.OneOf(STATUSES), metadata={"description": "See the counts of the notes."})
    onset = fields.String(required=True, validate=validate.OneOf(STATUSES))
    onset_error_s = _measured("How late it begins, s.")
    pitch = fields.String(required=True, validate=validate.OneOf(STATUSES))
    cents = _measured("How sharp it is, cents.")
    partials = fields.List(fields.Nested(PartialFoundSchema), metadata={"description": "The four strongest, where they stand alone."})
    why = fields.String(required=True, metadata={"description": "Why it is masked or failed."})


class NotesFoundSchema(ma.Schema):
    """Notes measured one by one: up to 1,000, chosen by the seed."""

    listened_to = fields.String(
        required=True,
        validate=validate.OneOf(("file", "dry mix")),
        metadata={"description": "The mix before room and gain is listened to where these cover the notes."},
    )
    total = fields.Integer(required=True)
    listened = fields.Integer(required=True)
    measured = fields.Integer(required=True, metadata={"description": "Notes that stand alone in what was listened to."})
    measured_solo = fields.Integer(metadata={"description": "Notes that others cover, rendered alone and measured there."})
    masked = fields.Integer(required=True, metadata={"description": "Notes that nothing is said of; not a fault."})
    failed = fields.Integer(required=True, metadata={"description": "Notes beyond a tolerance: one is enough to fail the render."})
    rendered_alone = fields.Integer(metadata={"description": "How many were tried alone: at most 100, chosen by the seed."})
    onsets = fields.Dict(required=True, metadata={"description": "How many were measured, the worst error and its tolerance, s."})
    pitches = fields.Dict(required=True, metadata={"description": "How many were measured, the worst error and its tolerance, cents."})
    partials = fields.Dict(metadata={"description": "How many were measured, the worst error of level and its tolerance, dB."})
    rows = fields.List(fields.Nested(NoteFindingSchema), required=True)


class VoiceFoundSchema(ma.Schema):
    """How loud a voice is in the file, by least squares over short windows where it sounds."""

    voice_id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(("measured", "masked", "failed")))
    level_db = _measured("How much louder than asked it is.")
    windows = fields.Integer(required=True, metadata={"description": "How many it was measured in."})
    why = fields.String(required=True, metadata={"description": "Why it is masked or failed."})


class PairFoundSchema(ma.Schema):
    """Two notes that sound together for 10 s, and the loudest two of their partials that beat."""

    notes = fields.List(fields.Integer(), required=True, metadata={"description": "Their places in the order of onsets."})
    hz = fields.List(fields.Float(), required=True, metadata={"description": "The two partials."})
    from_s = fields.Float(required=True)
    to_s = fields.Float(required=True)
    asked_hz = fields.Float(required=True, metadata={"description": "Beats per second: the difference of the partials."})
    found_hz = _measured("How often their level swells in a second.")
    status = fields.String(required=True, validate=validate.OneOf(("measured", "masked", "failed")))
    why = fields.String(required=True, metadata={"description": "Why it is masked or failed."})


class BeatsFoundSchema(ma.Schema):
    """Pairs of notes that beat with 0.2 to 20 Hz for 10 s; the 20 loudest are measured."""

    pairs = fields.Integer(required=True)
    measured = fields.Integer(required=True)
    masked = fields.Integer(required=True)
    failed = fields.Integer(required=True)
    tolerance_hz = fields.Float(required=True)
    rows = fields.List(fields.Nested(PairFoundSchema), required=True)


class OctaveFoundSchema(ma.Schema):
    """The power of an octave in dB, summed over windows and channels: 0 is a mean square of 1 in one window."""

    hz = fields.Float(required=True, metadata={"description": "Its centre, as IEC 61260-1 has it."})
    low_db = _measured("The least that the notes can make, with the tolerance; null where there is no least.")
    high_db = _measured("The most that they can make.")
    found_db = _measured("In the file; null is silence.")
    status = fields.String(required=True, validate=validate.OneOf(("measured", "outside")))


class SpectrumFoundSchema(ma.Schema):
    """The long-term spectrum in octaves, beside what the partials of all notes make."""

    windows = fields.Integer(required=True, metadata={"description": "Of half a second, evenly over the file."})
    tolerance_db = fields.Float(required=True)
    rows = fields.List(fields.Nested(OctaveFoundSchema), required=True)


class RenderReportSchema(ma.Schema):
    """The finished file measured against its score. Reports of older engines lack what came later."""

    ok = fields.Boolean(required=True)
    reasons = fields.List(fields.String(), required=True, metadata={"description": "A sentence for every broken tolerance."})
    checks = fields.List(fields.Nested(FileCheckSchema), required=True)
    frames = fields.Integer(required=True)
    peak_dbfs = _measured("Sample peak.")
    peak_dbtp = _measured("True peak.")
    rms_db = _measured("Over both channels.")
    lufs = _measured("Integrated loudness.")
    loudness = fields.Dict(required=True, metadata={"description": "What was asked and reached, and what that took."})
    notes = fields.Nested(NotesFoundSchema, required=True)
    voices = fields.List(fields.Nested(VoiceFoundSchema))
    beats = fields.Nested(BeatsFoundSchema)
    spectrum = fields.Nested(SpectrumFoundSchema)
    scenes = fields.List(fields.Dict(), metadata={"description": "Of a piece: when each scene begins and ends, s."})


class ScoreSchema(ArtefactSchema):
    """A score, without its notes."""

    simulation_id = fields.UUID(required=True, allow_none=True)
    duration_s = fields.Float(required=True)
    score_hash = fields.String(required=True, allow_none=True)
    note_count = fields.Integer(required=True, allow_none=True)
    report = fields.Nested(ScoreReportSchema, required=True, allow_none=True)
    midi_report = fields.Dict(required=True, allow_none=True)


class SuggestOrderSchema(BaseSchema):
    """What a scene is to become more of, and how many suggestions at most."""

    target = fields.String(load_default="consonance", validate=validate.OneOf(TARGETS))
    limit = Whole(low=int(LIMIT.minimum), high=int(LIMIT.maximum), load_default=int(LIMIT.default or 0))


class SuggestedChangeSchema(ma.Schema):
    """A change that can be sent as it is."""

    method = fields.String(required=True, validate=validate.OneOf(("PATCH",)))
    path = fields.String(required=True)
    patch = fields.Dict(required=True, metadata={"description": "The merge patch of that scene, mapping or voice."})


class SuggestionSchema(ma.Schema):
    """One change that makes the scene more consonant."""

    change = fields.Nested(SuggestedChangeSchema, required=True)
    before = fields.Float(required=True, metadata={"description": "The dissonance of the scene as it is; see docs/music.md."})
    after = fields.Float(required=True, metadata={"description": "That of the scene with the change."})
    distance = fields.Float(
        required=True,
        metadata={"description": "Semitones that notes move (root mean square); of a parameter the share of its range, times 12."},
    )
    explanation = fields.String(required=True)


class SuggestionsSchema(ArtefactSchema):
    """What would make a scene more consonant, the best first; nothing has been changed."""

    target = fields.String(required=True, validate=validate.OneOf(TARGETS))
    limit = fields.Integer(required=True)
    before = fields.Float(required=True, allow_none=True, metadata={"description": "null where no two notes sound together."})
    tried = fields.Integer(required=True, allow_none=True, metadata={"description": "Changes that were heard."})
    reason = fields.String(required=True, allow_none=True, metadata={"description": "Why there are no suggestions, once that is known."})
    items = fields.List(fields.Nested(SuggestionSchema), required=True)


class StartedSuggestionsSchema(ma.Schema):
    """Suggestions and the job that finds them; no job when equal ones were there."""

    suggestions = fields.Nested(SuggestionsSchema, required=True)
    job = fields.Nested(JobSchema, required=True, allow_none=True)


class RenderSchema(ArtefactSchema):
    """A render: one sound file."""

    scene_id = fields.UUID(required=True, allow_none=True, metadata={"description": "Null of a render of all scenes."})
    name = fields.String(required=True)
    format = fields.String(required=True, validate=validate.OneOf(FORMATS))
    sample_rate = fields.Integer(required=True, metadata={"description": "Hz"})
    bit_depth = fields.Raw(required=True, allow_none=True, metadata={"enum": [*BIT_DEPTHS, None], "description": "null: ogg and mp3."})
    quality = fields.Float(required=True, allow_none=True, metadata={"description": "Of ogg and mp3, 0.3 to 1; null: wav and flac."})
    channels = fields.Integer(required=True)
    duration_s = fields.Float(required=True, metadata={"description": "s, without the tail."})
    tail_s = fields.Float(required=True, allow_none=True)
    frames = fields.Integer(required=True, allow_none=True)
    file_bytes = fields.Integer(required=True, allow_none=True)
    sha256 = fields.String(required=True, allow_none=True, metadata={"description": "Of the file."})
    samples_hash = fields.String(required=True, allow_none=True, metadata={"description": "SHA-256 of the decoded samples."})
    trajectory_hash = fields.String(required=True, allow_none=True)
    score_hash = fields.String(required=True, allow_none=True)
    peak_dbtp = fields.Float(required=True, allow_none=True)
    rms_db = fields.Float(required=True, allow_none=True)
    lufs = fields.Float(required=True, allow_none=True, metadata={"description": "Integrated loudness that was measured."})
    loudness_lufs = fields.Float(required=True, allow_none=True, metadata={"description": "The loudness that was asked for."})
    reverb = fields.Nested(ReverbSchema, required=True, allow_none=True)
    stems = fields.Boolean(required=True, metadata={"description": "Whether there is a file of each voice too."})
    license = fields.String(required=True, allow_none=True)
    simulation_id = fields.UUID(required=True, allow_none=True)
    score_id = fields.UUID(required=True, allow_none=True)
    updated_at = fields.String(required=True, metadata=_MOMENT)


class StemSchema(ma.Schema):
    """One voice of a render, in a file of its own."""

    voice_id = fields.String(required=True)
    name = fields.String(required=True)
    frames = fields.Integer(required=True)
    sha256 = fields.String(required=True, metadata={**_HASH, "description": "Of the file."})
    url = fields.String(required=True)


class StemsSchema(ma.Schema):
    """The voices of a render; none where no stems were asked for."""

    items = fields.List(fields.Nested(StemSchema), required=True)


class StartedRenderSchema(ma.Schema):
    """A render and the job that makes it."""

    audio = fields.Nested(RenderSchema, required=True)
    job = fields.Nested(JobSchema, required=True, allow_none=True)


class StartedSimulationSchema(ma.Schema):
    """A simulation and the job that makes it; no job when an equal one was there."""

    simulation = fields.Nested(SimulationSchema, required=True)
    job = fields.Nested(JobSchema, required=True, allow_none=True)


class StartedScoreSchema(ma.Schema):
    """A score and the job that makes it; no job when an equal one was there."""

    score = fields.Nested(ScoreSchema, required=True)
    job = fields.Nested(JobSchema, required=True, allow_none=True)


class LinkSchema(ma.Schema):
    """A link that opens a file for a while, without a token."""

    url = fields.String(required=True)
    expires_at = fields.String(required=True, metadata=_MOMENT)


class FileQuerySchema(BaseSchema):
    """How a file is asked for."""

    link = fields.String(validate=validate.Length(min=1, max=400), metadata={"description": "The word of a signed link."})


class WaveformQuerySchema(BaseSchema):
    """How fine a picture of the sound."""

    points = fields.Integer(load_default=1000, validate=validate.Range(min=1, max=4096))


class WaveformSchema(ma.Schema):
    """The lowest and highest sample of equal stretches of a file, both channels together."""

    frames = fields.Integer(required=True)
    sample_rate = fields.Integer(required=True)
    min = fields.List(fields.Float(), required=True)
    max = fields.List(fields.Float(), required=True)


class PictureQuerySchema(BaseSchema):
    """How large a picture, in pixels."""

    width = fields.Integer(load_default=1000, validate=validate.Range(min=16, max=4096))
    height = fields.Integer(load_default=300, validate=validate.Range(min=16, max=2048))


class SpectrogramQuerySchema(PictureQuerySchema):
    """How a spectrogram is drawn."""

    scale = fields.String(
        load_default="log",
        validate=validate.OneOf(SCALES),
        metadata={"description": "Of frequency: log from 27.5 Hz, or linear from 0, up to half the sample rate."},
    )
    floor_db = fields.Float(
        load_default=RENDER["floor_db"].default,
        validate=validate.Range(
            min=RENDER["floor_db"].minimum,
            max=RENDER["floor_db"].maximum,
            error=f"Must be in the range {RENDER['floor_db'].range_text}.",
        ),
        metadata={"description": RENDER["floor_db"].description},
    )


class TableQuerySchema(BaseSchema):
    """How a table is asked for."""

    format = fields.String(load_default="json", validate=validate.OneOf(("json", "csv")))


class MidiQuerySchema(BaseSchema):
    """How a MIDI file keeps microtones."""

    microtones = fields.String(
        load_default="bend",
        validate=validate.OneOf(MICROTONES),
        metadata={
            "description": "bend: pitch bend on shared channels, for any synthesizer; mts: every note tuned, by the MIDI Tuning Standard; "
            "mpe: a channel for each note of a zone, bent over 48 semitones."
        },
    )


class LostNoteSchema(ma.Schema):
    """A note that a MIDI file cannot keep at its pitch."""

    note = fields.Integer(required=True, metadata={"description": "Its place in the score, from 0."})
    channel = fields.Integer(required=True)
    error_cents = fields.Float(required=True)


class MidiReportSchema(ma.Schema):
    """What a MIDI file keeps of a score."""

    notes = fields.Integer(required=True)
    channels = fields.Integer(required=True, metadata={"description": "How many are used."})
    max_error_cents = fields.Float(required=True, metadata={"description": "Of the notes that are kept, by rounding."})
    overflow = fields.List(fields.Nested(LostNoteSchema), required=True)
    restruck = fields.Integer(required=True, metadata={"description": "Notes ended early because their key was struck again."})
    tracks = fields.List(fields.Dict(), required=True, metadata={"description": "Of the notes whose pitch moves."})
    not_kept = fields.List(fields.String(), required=True)


class TrajectoryQuerySchema(TableQuerySchema):
    """Which part of a trajectory, in simulated seconds, and how."""

    format = fields.String(load_default="json", validate=validate.OneOf(("json", "csv", "npy", "svg")))
    from_ = fields.Float(data_key="from")
    to = fields.Float()

    @ma.validates_schema
    def _in_order(self, data: dict[str, Any], **_: Any) -> None:
        if "from_" in data and "to" in data and data["from_"] > data["to"]:
            raise ma.ValidationError("Must not be before from.", "to")


class TrajectorySchema(ma.Schema):
    """Where the bodies are: positions (m) and velocities (m/s) as [time][body][x, y, z], at simulated times (s).

    Of bodies that turn also `angles` (rad) as [time][body].
    """

    body_ids = fields.List(fields.String(), required=True)
    times = fields.List(fields.Float(), required=True)
    positions = fields.List(fields.List(fields.List(fields.Float())), required=True)
    velocities = fields.List(fields.List(fields.List(fields.Float())), required=True)
    angles = fields.List(fields.List(fields.Float()))


class RowsSchema(ma.Schema):
    """The rows of a table."""

    items = fields.List(fields.Dict(), required=True)


class ConservationSchema(ma.Schema):
    """How far a run is from the truth."""

    conservation = fields.Dict(required=True)
    closed_form = fields.List(fields.Dict(), required=True)
    warnings = fields.List(fields.String(), required=True)


class PitchSchema(BaseSchema):
    """One pitch or ratio, in one spelling."""

    hz = Real(metadata={"minimum": 1e-12, "maximum": 1e12})
    midi = Real(metadata={"minimum": -600, "maximum": 600})
    note = fields.String(validate=validate.Length(min=1, max=20), metadata={"pattern": r"^[A-Ga-g][#♯x𝄪b♭𝄫♮]{0,2}-?[0-9]{1,2}(?!\n)$"})
    ratio = fields.Raw(metadata={"anyOf": _RATIO, "description": "3:2, 3/2, 1.5 or a number."})
    a4_hz = Measure(HARMONY["a4_hz"], load_default=440.0)

    @ma.validates_schema
    def _exactly_one(self, data: dict[str, Any], **_: Any) -> None:
        if sum(name in data for name in ("hz", "midi", "note", "ratio")) != 1:
            raise ma.ValidationError("Give exactly one of hz, midi, note and ratio.", "hz")
        ratio = data.get("ratio", 1)
        if isinstance(ratio, bool) or not isinstance(ratio, int | float | str) or (isinstance(ratio, str) and len(ratio) > 80):
            raise ma.ValidationError("Must be a ratio such as 3:2, 3/2 or 1.5.", "ratio")


class TuningQuerySchema(BaseSchema):
    """Parameters of a tuning."""

    divisions = _count(DIVISIONS)
    harmonics = _count(HARMONICS)


class ScalaFilesSchema(BaseSchema):
    """The text of a Scala scale file, and of a keyboard mapping."""

    scl = ScalaFile(required=True)
    kbm = ScalaFile()


class KeyPitchSchema(ma.Schema):
    """The pitch of a MIDI key; null without one."""

    midi = fields.Integer(required=True)
    hz = fields.Float(required=True, allow_none=True)


class ScalaSchema(ma.Schema):
    """What Scala files say."""

    description = fields.String(required=True)
    notes = fields.Integer(required=True, metadata={"description": "How many pitches the scale file has."})
    tuning = fields.Dict(required=True, metadata={"description": "The custom tuning, as a harmony takes it."})
    cents = fields.List(fields.Float(), required=True, metadata={"description": "Its degrees above 1/1 in cents, the period last."})
    keys = fields.List(
        fields.Nested(KeyPitchSchema), required=True, allow_none=True, metadata={"description": "Of a keyboard mapping: its keys."}
    )


class ListedStyleSchema(ma.Schema):
    """A style: a way for a scene to sound."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    description = fields.String(required=True)
    solvers = fields.List(fields.String(), required=True, metadata={"description": "Of the scenes that it suits."})
    harmony = fields.Dict(required=True, metadata={"description": "What it sets of the scene's harmony."})
    voices = fields.List(fields.Dict(), required=True)
    mappings = fields.List(fields.Dict(), required=True, metadata={"description": "Each names its voice in voice_name."})


class StylesSchema(ma.Schema):
    """The styles there are."""

    items = fields.List(fields.Nested(ListedStyleSchema), required=True)


class SpelledPitchSchema(ma.Schema):
    """A pitch in every spelling (hz, midi, note, cents, a4_hz), or a ratio (ratio, cents, interval, octaves, cents_off)."""

    hz = fields.Float()
    midi = fields.Float()
    note = fields.String()
    cents = fields.Float(required=True)
    a4_hz = fields.Float()
    ratio = fields.Float()
    interval = fields.String()
    octaves = fields.Integer()
    cents_off = fields.Float()
