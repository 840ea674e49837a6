"""Dry air at a temperature and a pressure, and the air column in a pipe.

References
----------
U.S. Standard Atmosphere, 1976 (NOAA-S/T 76-1562), equations 42, 50, 51 and 53: density, speed of sound, viscosity, thermal conductivity.
Levine, Schwinger (1948), Physical Review 73, 383-406: end correction 0.6133 a and reflection of an unflanged open end.
Kirchhoff (1868), Annalen der Physik 210, 177-193: losses at the wall of a tube wider than its boundary layers.
Fletcher, Rossing (1998), The Physics of Musical Instruments, 2nd ed., chapter 8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

GAS_CONSTANT = 8.314462618
"""J/(mol K), CODATA 2018."""

MOLAR_MASS = 0.0289644
"""kg/mol, of dry air."""

HEAT_RATIO = 1.4
"""Ratio of the specific heats of air."""

END_CORRECTION = 0.6133
"""How much longer an unflanged open end makes a pipe, in radii, for waves much longer than the radius."""


@dataclass(frozen=True, slots=True)
class Air:
    """Dry air, an ideal gas: `temperature` in K and `pressure` in Pa, both above 0."""

    temperature: float
    pressure: float

    @property
    def speed_of_sound(self) -> float:
        """sqrt(gamma R T / M) in m/s; it does not depend on the pressure."""
        return math.sqrt(HEAT_RATIO * GAS_CONSTANT * self.temperature / MOLAR_MASS)

    @property
    def density(self) -> float:
        """p M / (R T) in kg/m^3."""
        return self.pressure * MOLAR_MASS / (GAS_CONSTANT * self.temperature)

    @property
    def viscosity(self) -> float:
        """In Pa s, by Sutherland's law."""
        return 1.458e-6 * math.pow(self.temperature, 1.5) / (self.temperature + 110.4)

    @property
    def conductivity(self) -> float:
        """Thermal conductivity in W/(m K)."""
        return 2.64638e-3 * math.pow(self.temperature, 1.5) / (self.temperature + 245.4 * math.pow(10.0, -12.0 / self.temperature))

    @property
    def prandtl(self) -> float:
        """Prandtl number, viscosity times specific heat over thermal conductivity."""
        specific_heat = HEAT_RATIO / (HEAT_RATIO - 1.0) * GAS_CONSTANT / MOLAR_MASS
        return self.viscosity * specific_heat / self.conductivity


@dataclass(frozen=True, slots=True)
class Pipe:
    """A cylindrical pipe: `length` and `radius` in m, open at both ends or `stopped` at one."""

    length: float
    radius: float
    stopped: bool

    @property
    def open_ends(self) -> int:
        """1 or 2."""
        return 1 if self.stopped else 2

    @property
    def effective_length(self) -> float:
        """The length (m) with the correction of each open end."""
        return self.length + self.open_ends * END_CORRECTION * self.radius

    def wave_number(self, n: int) -> float:
        """Of the n-th mode, 1/m: all harmonics of the open pipe, the odd ones of the stopped pipe."""
        return math.pi * ((n - 0.5) if self.stopped else n) / self.effective_length

    def damping_ratio(self, n: int, air: Air) -> float:
        """What the walls and the radiation from the open ends take from the n-th mode.

        Friction and heat at the walls: a wave falls by e in 1 / alpha m, alpha = sqrt(w mu / (2 rho)) (1 + (gamma - 1) / sqrt(Pr)) / (a c).
        Radiation: an open end reflects exp(-(k a)^2 / 2) of the amplitude. That the walls also slow the wave, by as large a part as they
        damp it, is left out.
        """
        k, c = self.wave_number(n), air.speed_of_sound
        layers = 1.0 + (HEAT_RATIO - 1.0) / math.sqrt(air.prandtl)
        walls = math.sqrt(0.5 * k * c * air.viscosity / air.density) * layers / (self.radius * c)
        radiation = self.open_ends * 0.5 * (k * self.radius) ** 2 / (2.0 * self.effective_length)
        return (walls + radiation) / k
