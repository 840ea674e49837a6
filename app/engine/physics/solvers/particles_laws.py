"""The laws that the particles solver's bodies move under, one set of keyframes after another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.engine.physics.scene import Keyframe, Scene
from app.engine.physics.timeline import frames_of

PARAMETERS = ("gravity.x", "gravity.y", "gravity.z", "linear_damping", "air_density")
"""The parameters of a law, in the kernel's order."""

CHANGEABLE = frozenset(PARAMETERS)

_INSTANT = 1e-12
"""Keyframes closer than this share of the run are at one moment."""


@dataclass(frozen=True)
class Span:
    """Simulated seconds between which each parameter stays, rises evenly or grows exponentially; columns as those of the kernel's law."""

    start: float
    end: float
    kinds: tuple[int, ...]
    values: tuple[float, ...]
    rates: tuple[float, ...]
    since: tuple[float, ...]

    def most(self, which: int) -> float:
        """The largest size of a parameter in the span; it is at one of the ends."""
        return max(abs(self.value(which, self.start)), abs(self.value(which, self.end)))

    def value(self, which: int, time: float) -> float:
        """A parameter at a simulated time (s)."""
        kind, value, past = self.kinds[which], self.values[which], self.rates[which] * (time - self.since[which])
        return value if kind == 0 else value + past if kind == 1 else value * math.exp(past)


def spans(scene: Scene) -> list[Span]:
    """The spans between the keyframes of a scene, in order; one at least."""
    scale, end = scene.physics.time_scale, scene.duration_s * scene.physics.time_scale
    frames = {name: frames_of(scene, name) for name in PARAMETERS}
    edges = [0.0]
    for time in sorted(frame.time_s * scale for name in PARAMETERS for frame in frames[name]):
        if edges[-1] + _INSTANT * end < time < end - _INSTANT * end:
            edges.append(time)
    return [_span(scene, frames, start, stop) for start, stop in zip(edges, [*edges[1:], end], strict=True)]


def constant(scene: Scene) -> bool:
    """Whether no keyframe changes a law."""
    return not any(frame.parameter in CHANGEABLE for frame in scene.keyframes)


def initial(scene: Scene) -> dict[str, float]:
    """The parameters before any keyframe."""
    physics = scene.physics
    return dict(zip(PARAMETERS, (*physics.gravity, physics.linear_damping, physics.air_density), strict=True))


def _span(scene: Scene, frames: dict[str, list[Keyframe]], start: float, end: float) -> Span:
    scale, first = scene.physics.time_scale, initial(scene)
    rows = []
    for name in PARAMETERS:
        index = sum(frame.time_s * scale <= start + _INSTANT * scene.duration_s * scale for frame in frames[name]) - 1
        frame = frames[name][index] if index >= 0 else None
        if frame is None or frame.interpolation == "step" or index + 1 == len(frames[name]):
            rows.append((0, first[name] if frame is None else frame.value, 0.0, start))
            continue
        following = frames[name][index + 1]
        since = frame.time_s * scale
        length = following.time_s * scale - since
        if frame.interpolation == "exp" and frame.value * following.value > 0.0:
            rows.append((2, frame.value, math.log(following.value / frame.value) / length, since))
        else:
            rows.append((1, frame.value, (following.value - frame.value) / length, since))
    kinds, values, rates, since_all = zip(*rows, strict=True)
    return Span(start, end, kinds, tuple(float(value) for value in values), rates, since_all)


def largest(scene: Scene) -> tuple[float, NDArray[np.float64], float, float]:
    """The strongest gravity (m/s^2) and the direction against the first that is not 0, and the largest damping and density."""
    strongest, up, damping, density = 0.0, np.zeros(3), 0.0, 0.0
    for span in spans(scene):
        for time in (span.start, span.end):
            pull = np.array([span.value(axis, time) for axis in range(3)])
            size = math.sqrt(math.fsum((pull * pull).tolist()))
            strongest = max(strongest, size)
            if size > 0 and not up.any():
                up = -pull / size
        damping, density = max(damping, span.most(3)), max(density, span.most(4))
    return strongest, up, damping, density
