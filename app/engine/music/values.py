"""Values: what the rules of a scene make of the occurrences of a trajectory, target by target."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.engine.errors import EngineError
from app.engine.music.curves import Floats, each, place
from app.engine.music.harmony import Harmony
from app.engine.music.rules import TARGETS, Rule, selected
from app.engine.music.sources import Occurrences, Readings, is_constant, moments
from app.engine.music.triggers import occurrences, track_times

SILENT_DB = -60.0
"""Below this level a note is not made."""

# Values that a rounding error carries past a limit are not outside it.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Values:
    """What one rule makes of n occurrences.

    Attributes
    ----------
    source, target : float64 (n,), in the units of what is read and of what is set
    kept : bool (n,), False where the rule drops the note
    clamped : how many were moved to a limit
    """

    source: Floats
    target: Floats
    kept: NDArray[np.bool_]
    clamped: int


class Evaluator:
    """Evaluates the rules of one scene on one trajectory; every rule's domain is found once.

    `bounds` evaluates the same rules on another trajectory, from which domains that come from data are taken.
    """

    def __init__(self, rules: tuple[Rule, ...], harmony: Harmony, readings: Readings, bounds: Evaluator | None = None) -> None:
        self.readings = readings
        self.bounds = bounds
        self.harmony = harmony
        self._rules = {rule.id: rule for rule in rules}
        self._fields = {rule.id: f"mappings.{index}" for index, rule in enumerate(rules)}
        self._domains: dict[tuple[str, str], tuple[float, float] | None] = {}

    def bodies(self, rule: Rule) -> list[int]:
        """Indices of the bodies that a rule sounds."""
        return selected(rule.bodies, self.readings.scene)

    def constant(self, rule: Rule) -> bool:
        """Whether each body's value stays the same over the scene."""
        return is_constant(self.root(rule).quantity or "", self.readings.scene)

    def root(self, rule: Rule) -> Rule:
        """The rule at the end of a chain: the one that reads a physical quantity."""
        return self.root(self._rules[rule.upstream]) if rule.upstream else rule

    def physical(self, rule: Rule, at: Occurrences) -> Floats:
        """The physical values, in the unit of `root`, that a rule goes back to."""
        root = self.root(rule)
        with self.naming(root):
            return self._read(root, at)

    def domain(self, rule: Rule) -> tuple[float, float] | None:
        """The domain in force, in the unit of what is read; None when the scene has nothing to take it from."""
        key = (rule.id, rule.target)
        if key not in self._domains:
            with self.naming(rule):
                self._domains[key] = self._find_domain(rule)
        return self._domains[key]

    def domains(self) -> dict[str, list[float]]:
        """The domains in force, by mapping id, of the mappings that have one."""
        found = {rule.id: self.domain(rule) for rule in self._rules.values() if rule.curve != "frequency_scale"}
        return {identity: list(domain) for identity, domain in found.items() if domain is not None}

    @contextmanager
    def naming(self, rule: Rule) -> Iterator[None]:
        """Put `mappings.INDEX.` before the field of what a rule is refused for. A rule that it reads has then been named already."""
        try:
            yield
        except EngineError as error:
            if not error.field.startswith("mappings."):
                error.field = f"{self._fields[rule.id]}.{error.field}"
            raise

    def values(self, rule: Rule, at: Occurrences) -> Values:
        """What a rule makes of some occurrences of bodies that it sounds. Raises EngineError where it cannot, naming the mapping."""
        with self.naming(rule):
            return self._values(rule, at)

    def _values(self, rule: Rule, at: Occurrences) -> Values:
        source = self._read(rule, at)
        nothing = Values(source, source, np.ones(len(at), dtype=np.bool_), 0)
        if not len(at):
            return nothing
        if rule.curve == "frequency_scale":
            return self._limited(rule, _scaled(rule, source), nothing)
        low, high = self.domain(rule) or (0.0, 0.0)
        if rule.decibels:
            return self._loudness(rule, source, low, high)
        inside = self._limited(rule, source, nothing, (low, high))
        parts = place(rule.curve, rule.exponent, low, high, inside.target)
        bottom, top = rule.range or (0.0, 0.0)
        part = parts if rule.polarity == 1 else 1.0 - parts
        return self._limited(rule, np.clip(bottom + (top - bottom) * part, bottom, top), inside)

    def _read(self, rule: Rule, at: Occurrences) -> Floats:
        if rule.upstream:
            return self.values(self._rules[rule.upstream], at).target
        return self.readings.values(rule.quantity or "", at)

    def _find_domain(self, rule: Rule) -> tuple[float, float] | None:
        kind, low, high = rule.domain
        if kind == "explicit" and low is not None and high is not None:
            return low, high
        if self.bounds is not None and (found := self._elsewhere(self.bounds, rule)) is not None:
            return found
        data = self._read(rule, self._own(rule))
        if not len(data):
            return None
        if kind == "percentile":
            return float(np.percentile(data, low or 0.0)), float(np.percentile(data, 100.0 if high is None else high))
        return float(data.min()), float(data.max())

    def _elsewhere(self, bounds: Evaluator, rule: Rule) -> tuple[float, float] | None:
        try:
            return bounds.domain(rule)
        except EngineError:
            return None  # there is nothing of the kind there

    def _own(self, rule: Rule) -> Occurrences:
        """The occurrences that a domain from data is taken from."""
        bodies = self.bodies(rule)
        if rule.trigger != "continuous":
            return occurrences(rule.trigger, rule.filter, bodies, self.readings)
        times = np.zeros(1) if self.constant(rule) else track_times(self.readings, len(bodies), 1)
        return moments(times, bodies)

    def _loudness(self, rule: Rule, source: Floats, low: float, high: float) -> Values:
        """L = range.max + 20 log10(J / J_ref) dB (10 log10 for energy), not below range.min; below -60 dB no note."""
        bottom, top = rule.range or (0.0, 0.0)
        reference = high if rule.polarity == 1 else low
        sounding = source > 0.0
        if reference <= 0.0 or not sounding.any():
            return Values(source, np.full(len(source), bottom), np.zeros(len(source), dtype=np.bool_), 0)
        levels = each(lambda value: rule.decibels * math.log10(value / reference) if value > 0.0 else -math.inf, source)
        louder = top + rule.polarity * levels
        kept = sounding & (louder - top >= SILENT_DB)
        quiet = Values(source, louder, kept, 0)
        limited = self._limited(rule, np.maximum(louder, bottom), quiet, (bottom, top))
        return Values(source, limited.target, limited.kept & kept, limited.clamped)

    def _limited(self, rule: Rule, given: Floats, so_far: Values, limits: tuple[float, float] | None = None) -> Values:
        """`given` within limits (the target's own when None) by the rule's `clamp`."""
        field = "domain" if limits else "range"
        low, high = limits or self._target_limits(rule)
        room = _ROUNDING * max(abs(low), abs(high))
        outside = (given < low - room) | (given > high + room)
        if outside.any() and rule.clamp == "error":
            value = given[np.flatnonzero(outside)[0]]
            unit = rule.unit if limits else TARGETS[rule.target].unit
            raise EngineError(f"{value:.9g} {unit} lies outside {low:.9g} to {high:.9g} {unit}.", field)
        kept = so_far.kept & ~outside if rule.clamp == "drop" else so_far.kept
        clamped = int(outside.sum()) if rule.clamp == "clamp" else 0
        return Values(so_far.source, np.clip(given, low, high), kept, so_far.clamped + clamped)

    def _target_limits(self, rule: Rule) -> tuple[float, float]:
        if rule.target == "pitch":
            return self.harmony.low_hz, self.harmony.high_hz
        return TARGETS[rule.target].minimum, TARGETS[rule.target].maximum


def _scaled(rule: Rule, source: Floats) -> Floats:
    """Frequencies times the factor; of a period, its frequency."""
    if (source <= 0.0).any():
        raise EngineError(f"frequency_scale needs values above 0 {rule.unit}.", "source.quantity")
    scaled: Floats = rule.factor / source if rule.unit == "s" else rule.factor * source
    return scaled
