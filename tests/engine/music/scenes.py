"""Scenes to make music from: orbits and falling balls, solved by the real solvers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.engine.physics.scene import Body, Bounds, Orbit, Physics, Scene

DAY_S = 86400.0

TRAPPIST_DAYS = {"b": 1.510826, "c": 2.421937, "d": 4.049219, "e": 6.101013, "f": 9.207540, "g": 12.352446, "h": 18.772866}
"""Periods of the planets of TRAPPIST-1 in days (Agol et al. 2021, arXiv 2010.01074)."""


def orbits(periods: Mapping[str, float], duration_s: float = 10.0, eccentricity: float = 0.0, **given: Any) -> Scene:
    """Bodies on orbits of given periods (s) about one star; the shortest lasts 2 s of score."""
    star = Body("star", "star", mass=1.786e29, static=True)
    planets = [Body(name, name, mass=8e24, orbit=Orbit(None, period, eccentricity)) for name, period in periods.items()]
    physics = given.pop("physics", None) or Physics(time_scale=min(periods.values()) / 2.0, bounds=None)
    return Scene("orbits", "Orbits", "kepler", duration_s, False, 1, physics, (star, *planets), **given)


def trappist(**given: Any) -> Scene:
    """The seven planets of TRAPPIST-1."""
    return orbits({name: days * DAY_S for name, days in TRAPPIST_DAYS.items()}, **given)


def balls(*masses: float, duration_s: float = 5.0, restitution: float = 0.8, physics: Physics | None = None, **given: Any) -> Scene:
    """Balls 1 m apart that fall from 1 m, 1.5 m, 2 m ... on the floor between walls at -1 m and 9 m."""
    bounds = Bounds((-1.0, 0.0, None), (9.0, None, None))
    dropped = tuple(
        Body(f"ball{place}", f"ball {place}", "circle", {"radius": 0.1}, mass, position=(float(place), 1.1 + 0.5 * place, 0.0))
        for place, mass in enumerate(masses)
    )
    physics = physics or Physics(restitution=restitution, bounds=bounds)
    return Scene("balls", "Balls", "ballistic", duration_s, False, 1, physics, dropped, **given)


def voice(identity: str = "voice", **given: Any) -> dict[str, Any]:
    """A voice of default settings."""
    return {"id": identity, "name": identity, "instrument": "modal", "gain_db": 0.0, "pan": 0.0, **given}


def mapping(identity: str = "mapping", **given: Any) -> dict[str, Any]:
    """A mapping of every collision's impulse to pitch, 200 to 400 Hz, unless told otherwise."""
    return {
        "id": identity,
        "voice_id": "voice",
        "trigger": event("collision"),
        "source": {"bodies": "all", "quantity": "impulse"},
        "target": "pitch",
        "domain": {"type": "data"},
        "range": {"min": 200.0, "max": 400.0},
        "curve": {"type": "linear"},
        "polarity": 1,
        "clamp": "clamp",
        **given,
    }


def event(kind: str, **given: Any) -> dict[str, Any]:
    """A trigger by events, with its filter."""
    return {"type": "event", "event": kind, "filter": given}


def of(quantity: str, bodies: Any = "all") -> dict[str, Any]:
    """A source."""
    return {"bodies": bodies, "quantity": quantity}


def mapped(scene: Scene, *mappings: Mapping[str, Any], voices: Sequence[Mapping[str, Any]] | None = None) -> Scene:
    """A scene with these mappings, and with these voices or the one of default settings."""
    return replace(scene, voices=tuple(voices or [voice()]), mappings=mappings)


CONTINUOUS = {"type": "continuous"}
