"""Real systems of orbiting bodies, every number with its unit, source and epoch, and as contents for a scene.

The data stand beside this file as published, in published units; everything that leaves this module is SI with angles in rad.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import orjson

from app.engine.catalogue import PHYSICS
from app.engine.errors import EngineError
from app.engine.physics.solvers.kepler import true_to_mean

SYSTEMS = ("solar_system", "galilean_moons", "trappist_1")

SHORTEST_PERIOD_S = 2.0
"""Score seconds that the shortest period of a system lasts in its scene."""

UNITS = {
    "1": (1.0, "a pure number"),
    "deg": (math.pi / 180.0, "SI brochure, 9th edition"),
    "km": (1e3, "SI brochure, 9th edition"),
    "au": (149597870700.0, "IAU 2012 resolution B2"),
    "d": (86400.0, "SI brochure, 9th edition"),
    "deg/d": (math.pi / 180.0 / 86400.0, "SI brochure, 9th edition"),
    "deg/century": (math.pi / 180.0 / (36525.0 * 86400.0), "a Julian century of 36,525 days, IAU style manual 1989"),
    "km^3/s^2": (1e9, "SI brochure, 9th edition"),
    "GM_Sun": (1.3271244e20, "nominal solar mass parameter, IAU 2015 resolution B3"),
    "GM_Earth": (3.986004e14, "nominal terrestrial mass parameter, IAU 2015 resolution B3"),
}
"""Published units: the factor to SI, and where it is defined."""

_TURN = 2.0 * math.pi


@functools.cache
def _data(name: str) -> dict[str, Any]:
    if name not in SYSTEMS:
        raise EngineError(f"There is no reference system {name!r}; there are {', '.join(SYSTEMS)}.", "system")
    data: dict[str, Any] = orjson.loads((Path(__file__).parent / f"{name}.json").read_bytes())
    return data


def system(name: str) -> dict[str, Any]:
    """A system as it was published: for each body and each number its value, unit, epoch, source and value in SI.

    Raises EngineError with the names there are.
    """
    data = _data(name)
    return {
        "name": name,
        "title": data["title"],
        "description": data["description"],
        "frame": data["frame"],
        "epoch": data["epoch"],
        "bodies": [_published(data, body) for body in data["bodies"]],
    }


def _published(data: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    numbers = {}
    for name, column in data["columns"].items():
        if name in body:
            factor, definition = UNITS[column["unit"]]
            numbers[name] = {"value": body[name], **column, "si": body[name] * factor, "unit_source": definition}
    return {"name": body["name"], "parent": body.get("parent"), "numbers": numbers}


def as_scene_content(name: str) -> dict[str, Any]:
    """A system as the contents of a scene: {"scene", "physics", "bodies"} in the shapes of the API, without ids.

    Orbits name their parent in `parent_name`. The time scale makes the shortest period last SHORTEST_PERIOD_S. Masses follow from the
    published mass parameters and the constant of gravitation of the scene. Raises EngineError with the names there are.
    """
    data = _data(name)
    bodies = [_body(data, body) for body in data["bodies"]]
    shortest = min(body["orbit"]["period"] for body in bodies if body["orbit"] is not None)
    return {
        "scene": {
            "name": data["title"],
            "description": f"{data['description']} Time 0 is {data['epoch']}; frame: {data['frame']}.",
            "solver": "kepler",
            "duration_s": float(data["duration_s"]),
            "loop": False,
        },
        "physics": {
            "gravity": {"x": 0.0, "y": 0.0, "z": 0.0},
            "time_scale": shortest / SHORTEST_PERIOD_S,
            "gravitational_constant": PHYSICS["gravitational_constant"].default,
            "bounds": None,
        },
        "bodies": bodies,
    }


def _body(data: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    si = {name: given[name] * UNITS[column["unit"]][0] for name, column in data["columns"].items() if name in given}
    constant = PHYSICS["gravitational_constant"].default
    assert constant is not None  # noqa: S101  the catalogue has it
    return {
        "name": given["name"],
        "shape": "point",
        "size": {},
        "mass": si.get("gm", si.get("stellar_gm", 0.0)) / constant,
        "position": {"x": 0.0, "y": 0.0, "z": 0.0},
        "velocity": {"x": 0.0, "y": 0.0, "z": 0.0},
        "static": "parent" not in given,
        "orbit": _orbit(data, si) | {"parent_name": given["parent"]} if "parent" in given else None,
        "color": given["color"],
        "citation": _citation(data, given),
    }


def _orbit(data: dict[str, Any], si: dict[str, float]) -> dict[str, Any]:
    """Keplerian elements from what was published, angles in (-pi, pi]."""
    node = si.get("longitude_of_node", 0.0)
    period = si["period"] if "period" in si else _TURN / si["mean_motion"]
    if "transit_time" in si:
        eccentricity, argument, anomaly = _from_transit(data, si, period)
    elif "mean_longitude" in si:
        eccentricity = si["eccentricity"]
        argument, anomaly = si["longitude_of_periapsis"] - node, si["mean_longitude"] - si["longitude_of_periapsis"]
    else:
        eccentricity, argument, anomaly = si["eccentricity"], si["argument_of_periapsis"], si["mean_anomaly"]
    return {
        "semi_major_axis": si["semi_major_axis"],
        "period": period,
        "eccentricity": eccentricity,
        "inclination": si.get("inclination", 0.0),
        "longitude_of_node": _reduced(node),
        "argument_of_periapsis": _reduced(argument),
        "mean_anomaly": _reduced(anomaly),
        "epoch": data["epoch"],
    }


def _from_transit(data: dict[str, Any], si: dict[str, float], period: float) -> tuple[float, float, float]:
    """Eccentricity, longitude of periapsis and mean anomaly at the epoch of a planet that is seen to transit at `transit_time`.

    The published omega is counted from the plane of the sky, where a transit has the true longitude 90 degrees; here it is counted from the
    line of sight, where it has 0.
    """
    eccentricity = math.hypot(si["e_cos_omega"], si["e_sin_omega"])
    longitude = math.atan2(si["e_sin_omega"], si["e_cos_omega"]) - math.pi / 2.0
    since = (data["epoch_jd"] - 2450000.0) * 86400.0 - si["transit_time"]
    return eccentricity, longitude, true_to_mean(-longitude, eccentricity) + _TURN * since / period


def _reduced(angle: float) -> float:
    return math.remainder(angle, _TURN)


def _citation(data: dict[str, Any], given: dict[str, Any]) -> str:
    """The sources of a body's numbers, each once, with what they give and for when."""
    sources: dict[tuple[str, str], list[str]] = {}
    for name, column in data["columns"].items():
        if name in given:
            sources.setdefault((column["source"], column["epoch"]), []).append(name)
    return "; ".join(f"{', '.join(names)}: {source} (epoch: {epoch})" for (source, epoch), names in sources.items())
