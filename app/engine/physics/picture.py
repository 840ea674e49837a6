"""A run as a picture: the paths of its bodies as SVG, to scale, with the walls and a bar that says how long a length is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from app.engine.physics.scene import Body, Scene

SIZE = 800
"""Width and height of the picture, in its own units."""

POINTS = 200_000
"""Most points of all paths together; longer runs are drawn from every second, third, ... sample."""

Array = NDArray[np.float64]

_MARGIN = 48
_SMALLEST = 3.0
_AXES = "xyz"
_UNITS = ((149597870700.0, "au"), (1e3, "km"), (1.0, "m"), (1e-3, "mm"))
_DEFAULT = "#4f7cff"


@dataclass(frozen=True, slots=True)
class _View:
    """Which plane is drawn, and how a length in m becomes one of the picture's."""

    across: int
    up: int
    left: float
    bottom: float
    scale: float

    def place(self, points: Array) -> Array:
        """Points (..., 3) in m as (..., 2) in the picture, y down."""
        x = _MARGIN + (points[..., self.across] - self.left) * self.scale
        y = SIZE - _MARGIN - (points[..., self.up] - self.bottom) * self.scale
        return np.stack((x, y), axis=-1)


def svg(scene: Scene, positions: Array, colors: Mapping[str, str] | None = None) -> str:
    """Paths of the bodies in the plane in which they spread most, x across and y up where that leaves a choice.

    Parameters
    ----------
    scene : what was run; names, radii and bounds come from it
    positions : float64 (T, N, 3), m
    colors : `#rrggbb` by body id

    Returns
    -------
    document : SVG 1.1 without scripts or references; each body is a group with its name as the title
    """
    positions = positions[:: max(1, math.ceil(positions.shape[0] * positions.shape[1] / POINTS))]
    view = _view(scene, positions)
    bodies = [
        _body(body, view.place(positions[:, index]), view, (colors or {}).get(body.id, _DEFAULT)) for index, body in enumerate(scene.bodies)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img">',
            f"<title>{_text(scene.name)}</title>",
            f'<rect width="{SIZE}" height="{SIZE}" fill="#ffffff"/>',
            *_walls(scene, view),
            *bodies,
            _bar(view),
            "</svg>",
            "",
        ]
    )


def _view(scene: Scene, positions: Array) -> _View:
    reach = np.array([body.radius for body in scene.bodies])[None, :, None]
    if positions.size:
        low, high = (positions - reach).min(axis=(0, 1)), (positions + reach).max(axis=(0, 1))
    else:
        low, high = np.zeros(3), np.zeros(3)
    bounds = scene.physics.bounds
    if bounds is not None:  # a wall is shown where the bodies come near
        for axis in range(3):
            near = 0.25 * max(float((high - low).max()), 1e-300)
            floor, ceiling = bounds.minimum[axis], bounds.maximum[axis]
            low[axis] = floor if floor is not None and 0 <= low[axis] - floor <= near else low[axis]
            high[axis] = ceiling if ceiling is not None and 0 <= ceiling - high[axis] <= near else high[axis]
    spread = high - low
    across, up = (0, 1) if spread[2] <= min(spread[0], spread[1]) else (0, 2) if spread[0] >= spread[1] else (1, 2)
    widest = float(max(spread[across], spread[up]))
    widest = widest if widest > 0 and math.isfinite(widest) else 1.0
    scale = (SIZE - 2 * _MARGIN) / widest
    left = float((low[across] + high[across]) / 2) - widest / 2
    bottom = float((low[up] + high[up]) / 2) - widest / 2
    return _View(across, up, left, bottom, scale)


def _walls(scene: Scene, view: _View) -> list[str]:
    bounds, lines = scene.physics.bounds, []
    if bounds is None:
        return []
    for axis, level in [*enumerate(bounds.minimum), *enumerate(bounds.maximum)]:
        if level is None or axis not in (view.across, view.up):
            continue
        point = np.zeros(3)
        point[axis] = level
        x, y = view.place(point)
        ends = (x, 0, x, SIZE) if axis == view.across else (0, y, SIZE, y)
        if all(-SIZE <= end <= 2 * SIZE for end in ends):
            lines.append('<line x1="{:.2f}" y1="{:.2f}" x2="{:.2f}" y2="{:.2f}" stroke="#999999"/>'.format(*ends))
    return lines


def _body(body: Body, path: Array, view: _View, color: str) -> str:
    still = bool(np.ptp(path, axis=0).max() < 0.05) if len(path) else True
    x, y = path[-1] if len(path) else (SIZE / 2, SIZE / 2)
    radius = max(body.radius * view.scale, _SMALLEST)
    parts = [f"<g stroke={quoteattr(color)} fill={quoteattr(color)}>", f"<title>{_text(body.name)}</title>"]
    if not still:
        points = " ".join(f"{a:.2f},{b:.2f}" for a, b in path.tolist())
        parts.append(f'<polyline points="{points}" fill="none" stroke-width="1" stroke-opacity="0.7"/>')
    parts.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}" fill-opacity="0.35"/>')
    return "".join((*parts, "</g>"))


def _bar(view: _View) -> str:
    """A bar of a round length, a fifth to a half of the width, with the names of the axes."""
    half = 0.5 * (SIZE - 2 * _MARGIN) / view.scale
    unit, symbol = next(((size, name) for size, name in _UNITS if half >= size), _UNITS[-1])
    decade = 10.0 ** math.floor(math.log10(half / unit))
    count = max(step for step in (1.0, 2.0, 5.0) if step * decade <= half / unit) * decade
    width, y = count * unit * view.scale, SIZE - _MARGIN / 2
    label = f"{count:g} {symbol}, {_AXES[view.across]} to the right, {_AXES[view.up]} up"
    return (
        f'<g stroke="#333333"><line x1="{_MARGIN}" y1="{y}" x2="{_MARGIN + width:.2f}" y2="{y}" stroke-width="2"/>'
        f'<text x="{_MARGIN}" y="{y - 8}" stroke="none" fill="#333333" font-family="sans-serif" font-size="14">{label}</text></g>'
    )


def _text(given: Any) -> str:
    """Text that XML 1.0 can hold."""
    return escape("".join(sign for sign in str(given) if sign.isprintable()))
