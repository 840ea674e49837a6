"""Figures of this process for operators, in Prometheus' terms; /metrics serves them."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

COMMITS = Counter("harmonic_commits", "Changes of universes that were committed.", ["source"])
DUPLICATES = Counter("harmonic_duplicates", "Requests answered with an earlier result, for their key.")
REFUSALS = Counter("harmonic_refusals", "Errors answered to requests and events; conflicts among them.", ["code"])
JOINS = Counter("harmonic_joins", "Joins and catch-ups over sockets, by how they were answered.", ["mode"])
FEEDER_LAG = Histogram(
    "harmonic_feeder_lag_seconds",
    "From a change to when this process tells of it, by the clocks of the processes.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
FEEDER_BEHIND = Gauge("harmonic_feeder_lag_revisions", "Most revisions that a universe was ahead of what was told, at the last look.")
CONNECTIONS = Gauge("harmonic_connections", "Open sockets.")
ROOMS = Gauge("harmonic_rooms", "Universes with sockets in them.")
LONGEST_QUEUE = Gauge("harmonic_queue_packets", "Packets that wait for the slowest reader.")
SLOW_CLIENTS = Counter("harmonic_slow_clients", "Connections that were cut because they did not read.")
