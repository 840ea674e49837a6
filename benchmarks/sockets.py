"""Sockets: one room's fan-out and persisted edits, against plain Flask-SocketIO and Node's socket.io, alternating in one run.

    python -m benchmarks.sockets [--rounds 3] [--seconds 4] [--only fan_out|edits]

Needs node on PATH and a PostgreSQL server (BENCHMARK_POSTGRESQL). Node's socket.io takes part where NODE_PATH, or a node_modules
here, has the package. One process each, and one that makes the load (`socket_load.js`).

Fan-out: 100 connections in one room, previews of 150 bytes, each to reach the other 99; the rate rises until fewer than 97 % arrive
in time or the slowest hundredth takes half a second. `sustained` is the last rate of which all arrive, at a p99 up to 100 ms.
Edits: 8 universes with 10 connections each; one of the ten edits, and again once that is acknowledged, which is after the commit.
The others are told; the product also tells who made the edit, and does by its log what it promises, the peer a plain emit.

Prints one JSON line for each measurement, then the ratios of the medians. On a shared machine trust CPU time for each message.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid5

from benchmarks.rest import HERE, TICK, database, fill_peer, fill_product, server, universe_id

CONNECTIONS = 100
SENDERS = 20
PREVIEW_BYTES = 150
ROOMS, MEMBERS = 8, 10
RATES = (10_000, 20_000, 30_000, 40_000, 60_000, 80_000, 100_000, 130_000, 160_000, 200_000, 250_000)
COMMON_RATE = 40_000
"""Messages a second at which the CPU time for each is compared; below it for a server that does not get that far."""


@dataclass(frozen=True)
class Side:
    """A server to measure: where it is, and how one speaks to it."""

    name: str
    url: str
    pid: int
    token: str
    joins: list[str]
    preview: str
    edits: list[str]


def product(name: str, url: str, pid: int, token: str) -> Side:
    """The product; FAST_FAN_OUT may be off."""
    ids = [str(universe_id(number)) for number in range(ROOMS)]
    paths = [f"physics-parameters/{uuid5(universe_id(number), 'physics')}" for number in range(ROOMS)]
    edits = [
        template("edit", universe_id=i, op_id="@U@", op="update", path=path, client_id="T:@T@", fields={"restitution": "@N@"})
        for i, path in zip(ids, paths, strict=True)
    ]
    preview = padded("preview", universe_id=ids[0], path=paths[0], fields={"gravity_y": "@N@", "by": "T:@T@"})
    return Side(name, url, pid, token, [template("join_universe", universe_id=i) for i in ids], preview, edits)


def peer(name: str, url: str, pid: int, token: str) -> Side:
    """Plain Flask-SocketIO, or Node's socket.io."""
    numbers = range(1, ROOMS + 1)
    edits = [template("edit", universe_id=number, name="restitution", value="@N@", client_id="T:@T@") for number in numbers]
    preview = padded("preview", universe_id=1, fields={"gravity_y": "@N@", "by": "T:@T@"})
    return Side(name, url, pid, token, [template("join_universe", universe_id=number) for number in numbers], preview, edits)


def template(event: str, **payload: Any) -> str:
    """An event as text, for the load generator to fill in."""
    return json.dumps([event, payload], separators=(",", ":")).replace('"@N@"', "@N@")


def padded(event: str, **payload: Any) -> str:
    """The same, its payload made PREVIEW_BYTES long, or as long as its ids alone make it."""
    text = template(event, **payload)
    size = len(text.replace("@N@", "0.123").replace("@T@", "123456.789")) - len(f'["{event}",]')
    return text.replace("@T@", "@T@" + "x" * max(0, PREVIEW_BYTES - size))


@contextmanager
def node() -> Iterator[tuple[str, int] | None]:
    """Node's socket.io; its URL and pid, or None where the package is missing."""
    script = str(HERE / "peers" / "node_socketio.js")
    process = subprocess.Popen(
        ["node", script], env={**os.environ, "NODE_ENV": "production"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        found = re.search(r"Listening at: (\S+)", process.stdout.readline() if process.stdout else "")
        yield (found[1], process.pid) if found else None
    finally:
        process.kill()
        process.wait()


def load(side: Side, case: str, **job: Any) -> list[dict[str, Any]]:
    """Put load on one server; the lines that came of it."""
    told = {"fan_out": "preview", "edits": "change"}[case]
    asked = {"case": case, "url": side.url, "pid": side.pid, "token": side.token, "ticks": TICK, "told": told, "warm_up": 1, **job}
    done = subprocess.run(["node", str(HERE / "socket_load.js"), json.dumps(asked)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side.name}: {done.stderr}")
    lines = [{"name": side.name, **json.loads(line)} for line in done.stdout.splitlines()]
    for line in lines:
        print(json.dumps(line), flush=True)
    return lines


def fan_out(side: Side, seconds: float, rates: tuple[int, ...] = RATES) -> dict[str, float]:
    """The rate that a server sustains, and its CPU time for each message at the common rate or the last one below."""
    lines = load(
        side, "fan_out", clients=CONNECTIONS, senders=SENDERS, joins=side.joins[:1], send=side.preview, rates=rates, seconds=seconds
    )
    kept = [line for line in lines if line["share"] >= 0.97 and line["p99_ms"] <= 100] or lines[:1]
    common = [line for line in kept if line["rate"] <= COMMON_RATE] or lines[:1]
    return {"sustained": kept[-1]["delivered_per_second"], "cpu_us": common[-1]["cpu_us"]}


def edits(side: Side, seconds: float) -> dict[str, float]:
    """Edits a second, and the CPU time of each."""
    line = load(side, "edits", clients=ROOMS * MEMBERS, joins=side.joins, sends=side.edits, seconds=seconds)[0]
    if line["refused"]:
        sys.exit(f"{side.name} refused edits")
    return {"edits_per_second": line["edits_per_second"], "cpu_us": line["cpu_us"], "p50_ms": line["p50_ms"]}


def sides(stack: ExitStack) -> list[Side]:
    """Every server, running."""
    ours, theirs = stack.enter_context(database("product")), stack.enter_context(database("peer"))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    for name in ("product", "unhurried", "plain"):
        (folder / name).mkdir()
    token, plain_token = fill_product(ours, ROOMS, str(folder / "product")), fill_peer(theirs, ROOMS)
    many = {"CONNECTIONS_PER_USER": "1000", "CONNECTIONS_PER_UNIVERSE": "1000", "REDIS_URL": ""}
    fast = stack.enter_context(server("wsgi:app", ours, str(folder / "product"), **many))
    slow = stack.enter_context(server("wsgi:app", ours, str(folder / "unhurried"), FAST_FAN_OUT="false", **many))
    plain = stack.enter_context(server("benchmarks.peers.plain_socketio:create_app()", theirs, str(folder / "plain")))
    found = [product("product", *fast, token), product("product, FAST_FAN_OUT=false", *slow, token), peer("plain", *plain, plain_token)]
    if (other := stack.enter_context(node())) is not None:
        found.append(peer("node socket.io", *other, ""))
    return found


def main() -> None:
    """Measure, alternating, and print the ratios."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--only", choices=("fan_out", "edits"))
    asked = options.parse_args()
    if shutil.which("node") is None:
        sys.exit("benchmarks.sockets needs node on PATH")
    cases = {"fan_out": fan_out, "edits": edits}
    figures: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ExitStack() as stack:
        servers = sides(stack)
        for _ in range(asked.rounds):
            for case, measure in cases.items():
                for side in servers:
                    if asked.only in (None, case) and (case, side.name) != ("edits", "node socket.io"):
                        figures.setdefault((case, side.name), []).append(measure(side, asked.seconds))
                        time.sleep(0.5)
    report(figures)


def report(figures: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    """The medians, and their ratios to the plain peer's: above 1 is better for a rate, below 1 for a cost or a time."""
    medians = {who: {key: statistics.median(f[key] for f in found) for key in found[0]} for who, found in figures.items()}
    for (case, name), found in medians.items():
        ratios = {f"{key}_ratio": round(value / medians[case, "plain"][key], 2) for key, value in found.items()}
        print(json.dumps({"ratio": case, "name": name, **found, **ratios}))


if __name__ == "__main__":
    main()
