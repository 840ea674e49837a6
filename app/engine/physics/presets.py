"""Ready values with their sources: gravity of known places, and materials for resonators."""

from __future__ import annotations

from typing import Any

_FACTS = "NASA Planetary Fact Sheet (D. R. Williams, NSSDCA), gravity at the equator"

GRAVITY: dict[str, dict[str, Any]] = {
    "earth": {"title": "Earth", "value": 9.80665, "unit": "m/s^2", "source": "standard gravity, 3rd CGPM 1901"},
    "moon": {"title": "Moon", "value": 1.62, "unit": "m/s^2", "source": _FACTS},
    "mercury": {"title": "Mercury", "value": 3.70, "unit": "m/s^2", "source": _FACTS},
    "venus": {"title": "Venus", "value": 8.87, "unit": "m/s^2", "source": _FACTS},
    "mars": {"title": "Mars", "value": 3.71, "unit": "m/s^2", "source": _FACTS},
    "jupiter": {"title": "Jupiter", "value": 24.79, "unit": "m/s^2", "source": _FACTS},
    "saturn": {"title": "Saturn", "value": 10.44, "unit": "m/s^2", "source": _FACTS},
    "uranus": {"title": "Uranus", "value": 8.87, "unit": "m/s^2", "source": _FACTS},
    "neptune": {"title": "Neptune", "value": 11.15, "unit": "m/s^2", "source": _FACTS},
    "zero_g": {"title": "Zero gravity", "value": 0.0, "unit": "m/s^2", "source": "free fall"},
}
"""Sizes of gravity (m/s^2); a preset sets gravity to (0, -value, 0)."""

_ELASTIC = "Kaye & Laby, Tables of Physical and Chemical Constants, 16th ed., sections 2.2.1 and 2.2.2"
_WOOD = "USDA Forest Products Laboratory, Wood Handbook (2010), chapter 5, Sitka spruce at 12 % moisture, along the grain"
_SKIN = "Fletcher & Rossing, The Physics of Musical Instruments, 2nd ed., section 18.1 (Mylar drumheads)"
_LOSS = "half the loss factor in Cremer, Heckl & Petersson, Structure-Borne Sound, 3rd ed., table 3.1"
_CHOSEN = "chosen for this service"


def _material(
    title: str, *, density: float, youngs_modulus: float, poisson: float, damping_ratio: float, source: str, loss: str = _LOSS
) -> dict[str, Any]:
    return {
        "title": title,
        "density": density,
        "youngs_modulus": youngs_modulus,
        "poisson": poisson,
        "damping_ratio": damping_ratio,
        "source": f"{source}; damping: {loss}",
    }


MATERIALS: dict[str, dict[str, Any]] = {
    "steel": _material("Mild steel", density=7860.0, youngs_modulus=2.119e11, poisson=0.291, damping_ratio=1e-4, source=_ELASTIC),
    "aluminium": _material("Aluminium", density=2710.0, youngs_modulus=7.03e10, poisson=0.345, damping_ratio=5e-5, source=_ELASTIC),
    "brass": _material("Brass 70/30", density=8500.0, youngs_modulus=1.006e11, poisson=0.350, damping_ratio=5e-4, source=_ELASTIC),
    "copper": _material("Copper", density=8933.0, youngs_modulus=1.298e11, poisson=0.343, damping_ratio=1e-3, source=_ELASTIC),
    "glass": _material("Crown glass", density=2500.0, youngs_modulus=7.13e10, poisson=0.22, damping_ratio=5e-4, source=_ELASTIC),
    "wood": _material("Spruce", density=448.0, youngs_modulus=1.08e10, poisson=0.37, damping_ratio=4e-3, source=_WOOD),
    "skin": _material(
        "Polyester drumhead", density=1380.0, youngs_modulus=3.5e9, poisson=0.38, damping_ratio=1e-2, source=_SKIN, loss=_CHOSEN
    ),
}
"""Materials: density (kg/m^3), Young's modulus (Pa), Poisson's ratio and damping ratio, at room temperature."""
