"""What the engine says when it cannot do what was asked."""

from __future__ import annotations


class EngineError(ValueError):
    """A scene, value or file that the engine refuses; `field` is the dotted path of the offending input."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class OutOfRange(EngineError):
    """A number outside the range its quantity allows; the message names the range and the unit."""


class WrongDimension(EngineError):
    """A unit of another dimension than the field's; the message names the expected one."""


class Unsupported(EngineError):
    """Something the chosen solver or format cannot honour; the message names what can."""


class Contradiction(EngineError):
    """Data that disagree with each other, such as a period and an axis against Kepler's third law."""


class TooExpensive(EngineError):
    """A run whose estimated cost is past the stated limit; the message gives both figures."""


class Cancelled(Exception):
    """Raised out of a long run when the caller's progress callback asks to stop."""
