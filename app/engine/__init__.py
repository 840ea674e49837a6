"""The laws: physics, music and audio as pure functions on frozen dataclasses and arrays.

Nothing in here knows Flask, SQL, a request or a clock. Everything is SI, right-handed, y up.
"""

VERSION = "4"
"""Version of the engine's results: it changes whenever the same scene and seed would give other bytes."""
