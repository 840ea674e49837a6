"""Materials by name, for bodies: density (kg/m^3), Young's modulus (Pa), Poisson's ratio, damping ratio of the first mode.

Values at 20 °C are those of Fletcher & Rossing (1998), The Physics of Musical Instruments, table 22.1 and chapters 2 and 3;
skin, which is no elastic solid in this sense, is a polyester drumhead. Damping ratios are of the order that free bars show.
"""

from __future__ import annotations

MATERIALS: dict[str, dict[str, float]] = {
    "steel": {"density": 7800.0, "youngs_modulus": 2.0e11, "poisson": 0.28, "damping_ratio": 0.0005},
    "aluminium": {"density": 2700.0, "youngs_modulus": 7.1e10, "poisson": 0.33, "damping_ratio": 0.0005},
    "brass": {"density": 8500.0, "youngs_modulus": 1.04e11, "poisson": 0.37, "damping_ratio": 0.001},
    "glass": {"density": 2300.0, "youngs_modulus": 6.2e10, "poisson": 0.24, "damping_ratio": 0.001},
    "wood": {"density": 740.0, "youngs_modulus": 1.1e10, "poisson": 0.3, "damping_ratio": 0.01},
    "rosewood": {"density": 1080.0, "youngs_modulus": 2.2e10, "poisson": 0.3, "damping_ratio": 0.006},
    "skin": {"density": 1380.0, "youngs_modulus": 3.5e9, "poisson": 0.38, "damping_ratio": 0.03},
}
