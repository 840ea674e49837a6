"""What a worker does for a live simulation: it solves the runs of an order."""

from __future__ import annotations

from uuid import UUID

from flask import current_app

from app.collaboration import live_orders as orders
from app.config import Settings
from app.engine import live as engine
from app.errors import Gone
from app.jobs.registry import JobType, Outcome, Progress


def solve(order_id: UUID, progress: Progress) -> Outcome:
    """Solve the runs of an order. Raises EngineError for what cannot be run, Gone when nobody waits for it any more."""
    settings: Settings = current_app.config["SETTINGS"]
    try:
        order = orders.read(settings.storage, order_id)
        base, edited = engine.perform(order.snapshot, order.beginning, order.reference, order.limit, None, progress)
        orders.deliver(settings.storage, order_id, base, edited)
    except FileNotFoundError:
        raise Gone("Nobody waits for it any more.") from None
    return Outcome()


LIVE = JobType(None, solve)
