"""Timelines: what a parameter is at a moment, by the keyframes of its scene."""

from __future__ import annotations

from collections.abc import Sequence

from app.engine.physics.scene import Keyframe, Scene


def frames_of(scene: Scene, parameter: str) -> list[Keyframe]:
    """A parameter's keyframes, in order of time."""
    return sorted((frame for frame in scene.keyframes if frame.parameter == parameter), key=lambda frame: frame.time_s)


def value_at(frames: Sequence[Keyframe], start: float, time_s: float) -> float:
    """The value at a score time: `start` before the first of these keyframes; each one's interpolation leads from it to the next."""
    index = sum(frame.time_s <= time_s for frame in frames) - 1
    if index < 0:
        return start
    frame = frames[index]
    if frame.interpolation == "step" or index + 1 == len(frames):
        return frame.value
    following = frames[index + 1]
    part = (time_s - frame.time_s) / (following.time_s - frame.time_s)
    if frame.interpolation == "exp" and frame.value * following.value > 0.0:
        return float(frame.value * (following.value / frame.value) ** part)
    return frame.value + part * (following.value - frame.value)
