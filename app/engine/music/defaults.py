"""What a scene plays when nobody has given it a mapping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from app.engine.catalogue import VOICE
from app.engine.errors import EngineError
from app.engine.music.harmony import Harmony
from app.engine.music.rules import selected
from app.engine.music.sources import parent_of
from app.engine.physics.resonators import MODES
from app.engine.physics.scene import Body, Scene
from app.engine.physics.solvers import nbody, particles, resonator

SLOWEST_HZ = 130.81
"""Where the slowest orbit sounds: C3."""

STROKES_BELOW_DB = -12.0

SPEED_OCTAVES = 3
"""Octaves above the slowest orbit's pitch over which bodies that do not go round rise with their speed."""

ORBITING = ("kepler", "nbody")
"""Solvers whose bodies sound by their periods."""

OWN = "own"
"""What the `resonator` of a modal voice is called that sounds with the modes of the scene's own bodies."""

_COLLISION = {"type": "event", "event": "collision", "filter": {}}


def default_content(scene: Scene) -> dict[str, list[dict[str, Any]]]:
    """The voices and mappings that a scene without mappings plays, as {"voices", "mappings"}.

    Orbits: a sine per body by frequency_scale, and a stroke at each transit, 12 dB softer; where mutual gravity binds no body at the
    start, and on springs and rods, a sine per body by its speed. Resonators: the partials of each body's own modes at each strike, as loud
    as its impulse, where the body is. Others: a struck bar per collision, likewise. Voices that the scene has take the places of the
    default ones, in order.
    """
    if scene.solver == resonator.NAME:
        return _strikes(scene)
    if scene.solver == particles.NAME:
        return _speeds(scene, "default-swings", "Swings")
    if scene.solver not in ORBITING:
        return _collisions(scene)
    unbound = scene.solver == nbody.NAME and selected(None, scene) and not periods(scene)
    return _speeds(scene, "default-orbits", "Orbits") if unbound else _orbits(scene)


def content(scene: Scene) -> dict[str, list[dict[str, Any]]]:
    """The voices and mappings in force: the scene's own, or the default ones when it has no mapping."""
    if scene.mappings:
        return {"voices": [dict(voice) for voice in scene.voices], "mappings": [dict(mapping) for mapping in scene.mappings]}
    return default_content(scene)


def loudness_from_impulse(identity: str, voice_id: str, trigger: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping by which a collision is as loud as its impulse, from 0 dB for the strongest down to -40."""
    return _mapping(identity, voice_id, trigger, "impulse", "loudness", curve={"type": "log"}, range={"min": -40.0, "max": 0.0})


def pitch_from_period(identity: str, voice_id: str, trigger: Mapping[str, Any], scene: Scene) -> dict[str, Any]:
    """The mapping by which every orbit sounds at its own frequency times one factor; the slowest at 130.81 Hz.

    Where the fastest would pass the harmony's highest pitch, all sound lower by the fewest octaves that avoid it: ratios stay.
    """
    bodies: str | list[str] = "all"
    curve = {"type": "frequency_scale", "factor": _factor(scene)}
    known = periods(scene) if scene.solver == nbody.NAME else {}
    if known and len(known) < len(selected(None, scene)):
        bodies = [scene.bodies[index].id for index in known]
    source = {"bodies": bodies, "quantity": "period"}
    return _mapping(identity, voice_id, trigger, "period", "pitch", curve=curve, clamp="drop", source=source)


def pitch_from_frequency(identity: str, voice_id: str, trigger: Mapping[str, Any], scene: Scene) -> dict[str, Any]:
    """The mapping by which every resonator sounds at the frequency of its first mode.

    Where the slowest is below the harmony's lowest pitch all sound higher, and where the fastest is above its highest all sound lower, by
    the fewest octaves that avoid it: ratios stay. What is outside even so is dropped.
    """
    curve = {"type": "frequency_scale", "factor": _octaves(scene)}
    return _mapping(identity, voice_id, trigger, "frequency", "pitch", curve=curve, clamp="drop")


def periods(scene: Scene) -> dict[int, float]:
    """The periods (s) of the bodies that have one, by index: as given, by Kepler's third law, or with `nbody` as at the start."""
    if scene.solver != nbody.NAME:
        found = {index: _period(scene.bodies[index], scene) for index in selected(None, scene)}
        return {index: period for index, period in found.items() if period is not None}
    try:
        nbody.check(scene)
    except EngineError:
        return {}  # the scene is unfinished, which its simulation says
    return {orbit.body: orbit.period for orbit in nbody.osculating(scene) if math.isfinite(orbit.period)}


def _orbits(scene: Scene) -> dict[str, list[dict[str, Any]]]:
    sine = _voice("default-orbits", "Orbits", "sine", adsr={"attack_s": 0.5, "decay_s": 0.0, "sustain": 1.0, "release_s": 0.5})
    strokes = _voice("default-transits", "Transits", "modal", gain_db=STROKES_BELOW_DB)
    voices = _filled(scene, [sine, strokes])
    continuous, transit = {"type": "continuous"}, {"type": "event", "event": "transit", "filter": {}}
    mappings = [
        pitch_from_period("default-orbit-pitch", str(voices[0]["id"]), continuous, scene),
        pitch_from_period("default-transit-pitch", str(voices[1]["id"]), transit, scene),
    ]
    return {"voices": voices, "mappings": mappings}


def _speeds(scene: Scene, identity: str, name: str) -> dict[str, list[dict[str, Any]]]:
    voices = _filled(scene, [_voice(identity, name, "sine", adsr={"attack_s": 0.5, "decay_s": 0.0, "sustain": 1.0, "release_s": 0.5})])
    heights = {"min": SLOWEST_HZ, "max": SLOWEST_HZ * (1 << SPEED_OCTAVES)}
    trigger = {"type": "continuous"}
    mapping = _mapping("default-speed-pitch", str(voices[0]["id"]), trigger, "speed", "pitch", range=heights)
    return {"voices": voices, "mappings": [mapping]}


def _collisions(scene: Scene) -> dict[str, list[dict[str, Any]]]:
    voices = _filled(scene, [_voice("default-strokes", "Strokes", "modal")])
    return {"voices": voices, "mappings": _loud_and_placed(scene, str(voices[0]["id"]))}


def _strikes(scene: Scene) -> dict[str, list[dict[str, Any]]]:
    own = {**_voice("default-strikes", "Strikes", "modal"), "parameters": {"resonator": OWN, "partials": MODES}}
    voices = _filled(scene, [own])
    voice_id = str(voices[0]["id"])
    pitch = pitch_from_frequency("default-pitch", voice_id, _COLLISION, scene)
    return {"voices": voices, "mappings": [pitch, *_loud_and_placed(scene, voice_id)]}


def _loud_and_placed(scene: Scene, voice_id: str) -> list[dict[str, Any]]:
    place = _mapping("default-pan", voice_id, _COLLISION, "position.x", "pan", domain=_width(scene), range={"min": -1.0, "max": 1.0})
    return [loudness_from_impulse("default-loudness", voice_id, _COLLISION), place]


def _filled(scene: Scene, defaults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    own = [dict(voice) for voice in scene.voices]
    return own + defaults[len(own) :]


def _width(scene: Scene) -> dict[str, Any]:
    bounds = scene.physics.bounds
    left, right = (bounds.minimum[0], bounds.maximum[0]) if bounds else (None, None)
    if left is None or right is None or left >= right:
        return {"type": "data"}
    return {"type": "explicit", "min": left, "max": right}


def _octaves(scene: Scene) -> float:
    """The power of two that brings the first modes of a scene's resonators between its lowest and highest pitch."""
    try:
        resonator.check(scene)
    except EngineError:
        return 1.0  # the scene is unfinished, which its simulation says
    known = [modes.frequency[0] for modes in resonator.all_modes(scene)]
    if not known:
        return 1.0
    harmony = Harmony.read(scene.harmony)
    if min(known) < harmony.low_hz:
        return math.ldexp(1.0, math.ceil(math.log2(harmony.low_hz / min(known))))
    return math.ldexp(1.0, -max(0, math.ceil(math.log2(max(known) / harmony.high_hz))))


def _factor(scene: Scene) -> float:
    known = list(periods(scene).values())
    if not known:
        return SLOWEST_HZ
    harmony = Harmony.read(scene.harmony)
    highest = SLOWEST_HZ * max(known) / min(known)
    octaves = max(0, math.ceil(math.log2(highest / harmony.high_hz)))
    return SLOWEST_HZ * max(known) / (1 << octaves)


def _period(body: Body, scene: Scene) -> float | None:
    """The period in s: as given, else by Kepler's third law from axis and masses."""
    if body.orbit is None or body.orbit.period is not None:
        return body.orbit.period if body.orbit else None
    parent = parent_of(body.orbit, scene)
    pull = scene.physics.gravitational_constant * ((scene.bodies[parent].mass if parent is not None else 0.0) + body.mass)
    axis = body.orbit.semi_major_axis
    return math.tau * math.sqrt(axis * axis * axis / pull) if axis is not None and pull > 0.0 else None


def _voice(identity: str, name: str, instrument: str, adsr: Mapping[str, float] | None = None, gain_db: float = 0.0) -> dict[str, Any]:
    steps = ("attack_s", "decay_s", "sustain", "release_s")
    return {
        "id": identity,
        "name": name,
        "instrument": instrument,
        "parameters": {},
        "adsr": dict(adsr) if adsr else {step: VOICE[f"adsr.{step}"].default for step in steps},
        "gain_db": gain_db,
        "pan": 0.0,
        "midi_channel": None,
        "midi_program": None,
        "mute": False,
        "solo": False,
        "automation": [],
    }


def _mapping(identity: str, voice_id: str, trigger: Mapping[str, Any], quantity: str, target: str, **given: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "voice_id": voice_id,
        "trigger": dict(trigger),
        "source": {"bodies": "all", "quantity": quantity},
        "target": target,
        "domain": {"type": "data"},
        "range": None,
        "curve": {"type": "linear"},
        "polarity": 1,
        "clamp": "clamp",
        **given,
    }
