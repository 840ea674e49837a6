"""Simulations, scores and renders over HTTP, and the reference of what can sound."""

from __future__ import annotations

from app.audio.routes.music import bp as music
from app.audio.routes.renders import bp as renders
from app.audio.routes.runs import bp as runs

ROOMS = (music, renders, runs)
