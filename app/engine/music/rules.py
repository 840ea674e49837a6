"""Rules: mappings read from their JSON and checked, so that building a score meets no surprise.

Every refusal is an EngineError whose `field` is the dotted path inside the mapping (`range.min`, `source.quantity`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import orjson

from app.engine.errors import EngineError, Unsupported, WrongDimension
from app.engine.music.sources import CONSTANT, EVENT_ONLY, unit_of
from app.engine.physics.scene import Scene
from app.engine.quantity import Quantity

_OURS = "chosen for this service"

TARGETS: dict[str, Quantity] = {
    "pitch": Quantity("pitch", "f", "Hz", 16, 16000, None, "Pitch of the note.", _OURS),
    "loudness": Quantity("loudness", "L", "dB", -60, 0, 0.0, "Level of the note; 0 is the loudest.", _OURS),
    "pan": Quantity("pan", "p", "1", -1, 1, 0.0, "Place between left (-1) and right (1), added to the voice's.", _OURS),
    "duration": Quantity("duration", "d", "s", 0, 60, 1.5, "Length of the note.", _OURS, above=True),
    "brightness": Quantity("brightness", "b", "1", 0, 1, None, "Weight of the high partials.", _OURS),
    "rate": Quantity("rate", "r", "Hz", 0, 200, None, "Strikes per second of a continuous mapping.", _OURS),
}
"""What a mapping can set, with the unit and limits of its range."""

EVENTS = ("collision", "transit", "conjunction", "apsis", "zero_crossing", "threshold", "marker", "break")
CURVES = ("linear", "log", "power", "frequency_scale")
CLAMPS = ("error", "clamp", "drop")
DOMAINS = ("explicit", "data", "percentile")
WITH = ("any", "bound", "body")
CIRCULAR = 1e-6
"""Below this eccentricity the periapsis is not defined."""

_OF_ORBITS = ("transit", "conjunction", "apsis")
EVENTS_OF_SOLVER = {
    "ballistic": ("collision",),
    "kepler": _OF_ORBITS,
    "nbody": _OF_ORBITS,
    "particles": ("break",),
    "resonator": ("collision",),
    "rigid": ("collision", "break"),
}
"""Events that a solver itself makes; zero_crossing, threshold and marker come from the motion and the timeline of any."""

_FILTERS = {"collision": ("min_impulse", "with"), "zero_crossing": ("quantity",), "threshold": ("quantity", "level")}
_GIVEN_BY = {
    "period": ("kepler", "nbody", "particles", "resonator"),
    "frequency": ("kepler", "nbody", "particles", "resonator"),
    "angle": ("kepler", "nbody", "particles", "rigid"),
}
_EXPONENT = Quantity("exponent", "p", "1", 0, 100, 1.0, "Exponent of a power curve.", _OURS, above=True)
_FACTOR = Quantity("factor", "f", "1", 0, 1e18, 1.0, "Sounding over physical frequency.", _OURS, above=True)
_MIN_IMPULSE = Quantity("min_impulse", "J", "N*s", 0, 1e40, 0.0, "Weakest collision that sounds.", _OURS)


@dataclass(frozen=True, slots=True)
class Shape:
    """How one mapping turns source values into target values.

    Attributes
    ----------
    unit : unit of what is read
    domain : (type, low, high); low and high in `unit`, or percent, or None for data
    range : low and high in the target's unit; None with frequency_scale
    exponent, factor : of the power and frequency_scale curves, else 1
    """

    target: str
    unit: str
    domain: tuple[str, float | None, float | None]
    range: tuple[float, float] | None
    curve: str
    exponent: float
    factor: float
    polarity: int
    clamp: str


@dataclass(frozen=True, slots=True)
class Rule(Shape):
    """One checked mapping.

    Attributes
    ----------
    trigger : `continuous` or the kind of event; `filter` its filter; `group` equal for equal triggers of one voice
    bodies : ids, None for all; of a mapping that reads another one, the bodies of that
    quantity, upstream : what is read: a quantity, or the output of the mapping `upstream`; the other is None
    """

    id: str
    voice_id: str
    trigger: str
    filter: Mapping[str, Any]
    group: tuple[str, bytes]
    bodies: tuple[str, ...] | None
    quantity: str | None
    upstream: str | None

    @property
    def decibels(self) -> float:
        """Decibels per factor of ten where loudness follows impulse or energy itself, below the strongest; else 0."""
        return decibels_of(self, self.quantity)


def decibels_of(shape: Shape, quantity: str | None) -> float:
    """Decibels per factor of ten of a log mapping from impulse (20) or energy (10) to loudness; 0 for any other."""
    if shape.target != "loudness" or shape.curve != "log":
        return 0.0
    return {"impulse": 20.0, "kinetic_energy": 10.0}.get(quantity or "", 0.0)


def read_shape(mapping: Mapping[str, Any], unit: str) -> Shape:
    """The shape of a mapping whose source is in `unit`. Raises EngineError naming the field."""
    target = _choice(mapping, "target", tuple(TARGETS))
    curve, exponent, factor = _curve(mapping, target, unit)
    return Shape(
        target=target,
        unit=unit,
        domain=_domain(mapping, curve, unit),
        range=_range(mapping, curve, TARGETS[target]),
        curve=curve,
        exponent=exponent,
        factor=factor,
        polarity=_polarity(mapping, curve),
        clamp=_choice(mapping, "clamp", CLAMPS, "clamp"),
    )


def read_rules(scene: Scene) -> tuple[Rule, ...]:
    """All mappings of a scene as rules. Raises EngineError with the field, under `mappings.INDEX.`."""
    found = []
    for index, mapping in enumerate(scene.mappings):
        try:
            found.append(read_rule(mapping, scene))
        except EngineError as error:
            error.field = f"mappings.{index}.{error.field}"
            raise
    return tuple(found)


def read_rule(mapping: Mapping[str, Any], scene: Scene) -> Rule:
    """A mapping as a rule of its scene, which may hold other mappings that it reads.

    Raises EngineError (WrongDimension, OutOfRange, Unsupported) naming the field.
    """
    _voice(mapping, scene)
    trigger, filtered = _trigger(mapping, scene)
    bodies, quantity, upstream = _source(mapping, scene)
    unit = unit_of(quantity, scene) if quantity else TARGETS[str(_by_id(scene.mappings)[upstream]["target"])].unit
    shape = read_shape(mapping, unit)
    rule = Rule(
        **{column.name: getattr(shape, column.name) for column in fields(Shape)},
        id=str(mapping["id"]),
        voice_id=str(mapping["voice_id"]),
        trigger=trigger,
        filter=filtered,
        group=(str(mapping["voice_id"]), orjson.dumps([trigger, dict(filtered)], option=orjson.OPT_SORT_KEYS)),
        bodies=bodies,
        quantity=quantity,
        upstream=upstream,
    )
    _check_meaning(rule, scene)
    return rule


def root_source(mapping: Mapping[str, Any], mappings: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The source (bodies and quantity) at the end of a chain of mappings. Raises EngineError when it is broken or a circle."""
    known = {**_by_id(mappings), str(mapping["id"]): mapping}
    seen: list[str] = []
    source = _object(mapping, "source")
    while source.get("mapping_id") is not None:
        upstream = str(source["mapping_id"])
        if upstream in seen or upstream == str(mapping["id"]):
            raise EngineError("Mappings may not read each other in a circle.", "source.mapping_id")
        if upstream not in known:
            raise EngineError("There is no such mapping in this scene.", "source.mapping_id")
        seen.append(upstream)
        source = _object(known[upstream], "source")
    return source


def selected(bodies: tuple[str, ...] | None, scene: Scene) -> list[int]:
    """Indices of the bodies that can sound: those named, or all, without static ones."""
    return [index for index, body in enumerate(scene.bodies) if not body.static and (bodies is None or body.id in bodies)]


def _by_id(mappings: Iterable[Mapping[str, Any]]) -> dict[str | None, Mapping[str, Any]]:
    return {str(mapping["id"]): mapping for mapping in mappings}


def _voice(mapping: Mapping[str, Any], scene: Scene) -> None:
    if str(mapping.get("voice_id")) not in {str(voice["id"]) for voice in scene.voices}:
        raise EngineError("There is no such voice in this scene.", "voice_id")


def _trigger(mapping: Mapping[str, Any], scene: Scene) -> tuple[str, Mapping[str, Any]]:
    trigger = _object(mapping, "trigger")
    if _choice(trigger, "type", ("continuous", "event"), field="trigger.type") == "continuous":
        return "continuous", {}
    event = _choice(trigger, "event", EVENTS, field="trigger.event")
    solvers = EVENTS_OF_SOLVER.get(scene.solver)
    if solvers and any(event in kinds for kinds in EVENTS_OF_SOLVER.values()) and event not in solvers:
        possible = [kind for kind in EVENTS if kind in (*solvers, "zero_crossing", "threshold", "marker")]
        raise Unsupported(f"The solver {scene.solver} has no {event} events; take one of {', '.join(possible)}.", "trigger.event")
    return event, _filter(event, _object(trigger, "filter", {}, "trigger.filter"), scene)


def _filter(event: str, given: Mapping[str, Any], scene: Scene) -> Mapping[str, Any]:
    known = _FILTERS.get(event, ())
    given = {name: value for name, value in given.items() if value is not None}
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise EngineError(f"A {event} filter takes {', '.join(known) or 'nothing'}.", f"trigger.filter.{unknown}")
    if event == "collision":
        return _collision_filter(given)
    return _crossing_filter(event, given, scene) if known else {}


def _collision_filter(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "min_impulse": _read(_MIN_IMPULSE, given.get("min_impulse", 0.0), "trigger.filter.min_impulse"),
        "with": _choice(given, "with", WITH, "any", field="trigger.filter.with"),
    }


def _crossing_filter(event: str, given: Mapping[str, Any], scene: Scene) -> Mapping[str, Any]:
    name = given.get("quantity")
    if not isinstance(name, str):
        raise EngineError(f"A {event} trigger needs a quantity.", "trigger.filter.quantity")
    if name in CONSTANT or name in EVENT_ONLY:
        raise EngineError(f"{name} does not vary in time and crosses nothing.", "trigger.filter.quantity")
    try:
        unit = unit_of(str(name), scene)
    except EngineError as error:
        raise EngineError(error.message, "trigger.filter.quantity") from None
    if event == "zero_crossing":
        return {"quantity": name}
    if given.get("level") is None:
        raise EngineError(f"A threshold trigger needs a level in {unit}.", "trigger.filter.level")
    return {"quantity": name, "level": _read(_any_number("level", unit), given["level"], "trigger.filter.level")}


def _source(mapping: Mapping[str, Any], scene: Scene) -> tuple[tuple[str, ...] | None, str | None, str | None]:
    source = _object(mapping, "source")
    root = root_source(mapping, scene.mappings)
    if source.get("mapping_id") is not None:
        if source.get("quantity") is not None or source.get("bodies") not in (None, "all"):
            raise EngineError("A source is either another mapping or a quantity of bodies.", "source.mapping_id")
        return _bodies(root, scene), None, str(source["mapping_id"])
    if source.get("quantity") is None:
        raise EngineError("A source needs a quantity or a mapping_id.", "source.quantity")
    unit_of(str(source["quantity"]), scene)
    return _bodies(source, scene), str(source["quantity"]), None


def _bodies(source: Mapping[str, Any], scene: Scene) -> tuple[str, ...] | None:
    given = source.get("bodies", "all")
    if given in ("all", None):
        return None
    if not isinstance(given, list | tuple) or not given:
        raise EngineError("Must be all or a list of at least one body's id.", "source.bodies")
    known = {body.id for body in scene.bodies}
    chosen = tuple(str(body) for body in given)
    lost = next((body for body in chosen if body not in known), None)
    if lost is not None:
        raise EngineError(f"There is no body {lost} in this scene.", "source.bodies")
    return chosen


def _curve(mapping: Mapping[str, Any], target: str, unit: str) -> tuple[str, float, float]:
    curve = _object(mapping, "curve", {"type": "linear"})
    name = _choice(curve, "type", CURVES, field="curve.type")
    if name == "power":
        return name, _read(_EXPONENT, _needed(curve, "exponent", "curve.exponent"), "curve.exponent"), 1.0
    if name != "frequency_scale":
        return name, 1.0, 1.0
    if target not in ("pitch", "rate"):
        raise EngineError("frequency_scale sets a pitch or a rate.", "curve.type")
    if unit not in ("Hz", "s"):
        raise WrongDimension(f"frequency_scale needs a source in Hz or s; this one is in {unit}.", "curve.type")
    return name, 1.0, _read(_FACTOR, _needed(curve, "factor", "curve.factor"), "curve.factor")


def _domain(mapping: Mapping[str, Any], curve: str, unit: str) -> tuple[str, float | None, float | None]:
    domain = _object(mapping, "domain", {"type": "data"})
    kind = _choice(domain, "type", DOMAINS, field="domain.type")
    if kind == "data":
        return kind, None, None
    names = ("min", "max") if kind == "explicit" else ("low", "high")
    quantity = _any_number("domain", unit) if kind == "explicit" else Quantity("percent", "q", "1", 0, 100, None, "A percentile.", _OURS)
    low, high = (_read(quantity, _needed(domain, name, f"domain.{name}"), f"domain.{name}") for name in names)
    if low >= high:
        raise EngineError(f"{names[0]} must be below {names[1]}.", f"domain.{names[0]}")
    if kind == "explicit" and curve == "log" and low <= 0.0:
        raise EngineError(f"A log curve needs a domain above 0 {unit}.", "domain.min")
    return kind, low, high


def _range(mapping: Mapping[str, Any], curve: str, target: Quantity) -> tuple[float, float] | None:
    given = mapping.get("range")
    if curve == "frequency_scale":
        if given is not None:
            raise EngineError("frequency_scale has no range: its factor alone sets the pitch.", "range")
        return None
    if not isinstance(given, Mapping):
        raise EngineError(f"Needs a min and a max in the range {target.range_text}.", "range")
    low, high = (_read(target, _needed(given, name, f"range.{name}"), f"range.{name}") for name in ("min", "max"))
    if low > high:
        raise EngineError("min must not be above max; polarity -1 turns a mapping round.", "range.min")
    return low, high


def _polarity(mapping: Mapping[str, Any], curve: str) -> int:
    polarity = mapping.get("polarity", 1)
    if polarity not in (1, -1):
        raise EngineError("Must be 1 or -1.", "polarity")
    if polarity == -1 and curve == "frequency_scale":
        raise EngineError("frequency_scale keeps every ratio; it has polarity 1.", "polarity")
    return int(polarity)


def _check_meaning(rule: Rule, scene: Scene) -> None:
    """Refuse combinations of fields, each right alone, that would stay without effect or without meaning."""
    quantity = str(
        root_source(_by_id(scene.mappings).get(rule.id, {"id": rule.id, "source": _own_source(rule)}), scene.mappings)["quantity"]
    )
    if quantity in EVENT_ONLY and rule.trigger != "collision":
        raise EngineError(f"Only a collision has an {quantity}; the trigger is {rule.trigger}.", "source.quantity")
    givers = _GIVEN_BY.get(quantity)
    if givers and scene.solver not in givers:
        raise Unsupported(
            f"The bodies of the solver {scene.solver} have no {quantity}; the solvers {', '.join(givers)} give it.", "source.quantity"
        )
    if rule.target == "rate" and rule.trigger != "continuous":
        raise EngineError("A rate needs a continuous trigger: it is what strikes the notes.", "target")
    if rule.trigger == "apsis":
        _check_apsis(rule, scene)


def _own_source(rule: Rule) -> Mapping[str, Any]:
    return {"mapping_id": rule.upstream} if rule.upstream else {"quantity": rule.quantity}


def _check_apsis(rule: Rule, scene: Scene) -> None:
    bodies = [scene.bodies[index] for index in selected(rule.bodies, scene)]
    circular = next((body.name for body in bodies if body.orbit and body.orbit.eccentricity < CIRCULAR), None)
    if circular is not None:
        raise Unsupported(
            f"The orbit of {circular!r} is circular (eccentricity below {CIRCULAR:g}) and has no apsis; take transit.", "trigger.event"
        )


def _any_number(name: str, unit: str) -> Quantity:
    return Quantity(name, name, unit, -1e300, 1e300, None, "A value of the source.", _OURS)


def _read(quantity: Quantity, given: Any, field: str) -> float:
    """A number, or one with a unit, in the quantity's unit."""
    if isinstance(given, Mapping):
        value, unit = given.get("value"), str(given.get("unit"))
        if _is_number(value):
            # A level in dB has no dimension to convert by; its own unit stands for itself.
            return quantity.check(float(value or 0.0), field) if unit == quantity.unit else quantity.read(given, field)
    if not _is_number(given):
        raise EngineError(f"Must be a number in the range {quantity.range_text}.", field)
    return quantity.check(float(given), field)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _needed(given: Mapping[str, Any], name: str, field: str) -> Any:
    if given.get(name) is None:
        raise EngineError("Must be given.", field)
    return given[name]


def _object(given: Mapping[str, Any], name: str, default: Mapping[str, Any] | None = None, field: str = "") -> Mapping[str, Any]:
    value = given.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, Mapping):
        raise EngineError("Must be an object.", field or name)
    return value


def _choice(given: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str | None = None, field: str = "") -> str:
    value = given.get(name)
    if value is None and default is not None:
        return default
    if value not in choices:
        raise EngineError(f"Must be one of {', '.join(choices)}.", field or name)
    return str(value)
