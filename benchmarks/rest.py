"""Reading, listing and patching, against plain Flask on the same database server, alternating in one run.

    python -m benchmarks.rest [--universes 2000] [--rounds 3] [--seconds 4]

Needs wrk on PATH and a PostgreSQL server (BENCHMARK_POSTGRESQL, default postgresql://postgres@127.0.0.1:5432/postgres).
Both programs run under the same gunicorn worker with one process. Prints one JSON line for each measurement, then the
ratios of the medians: requests per second, and server CPU per request, which moves less on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import UUID, uuid4, uuid5

import sqlalchemy as sa

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ADMIN = os.environ.get("BENCHMARK_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
SECRET = secrets.token_hex(32)
NAMESPACE = UUID("6f1c9a52-0e5b-4a0e-9a55-3f2f6d1c7b10")
SCENES = 10
DESCRIPTION = "A universe that was made to be read by many people at once, again and again."
TICK = os.sysconf("SC_CLK_TCK")


def universe_id(number: int) -> UUID:
    """The id of the product's universe with a number."""
    return uuid5(NAMESPACE, f"universe {number}")


@contextmanager
def database(name: str) -> Iterator[str]:
    """A fresh database; its URL."""
    admin = sa.create_engine(sa.make_url(ADMIN).set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT")
    name = f"hu_bench_{name}_{secrets.token_hex(4)}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


def fill_product(url: str, count: int, data_dir: str) -> str:
    """Universes with an active parameter set and ten scenes each, owned by one person; that person's token."""
    from app import create_app
    from app.changes.content import columns_from
    from app.database import now
    from app.extensions import db
    from app.models import Membership, PhysicsParameters, Scene, Universe
    from app.physics_parameters.service import complete
    from app.scenes.schemas import SceneSchema
    from app.universes.schemas import UniverseSchema

    app = create_app(
        {},
        flask_env="testing",
        database_url=url,
        secret_key=SECRET,
        data_dir=data_dir,
        rate_limits=False,
        access_token_minutes=600,
        log_level="warning",
    )
    with app.app_context():
        db.create_all()
        body = {"username": "bench", "email": "bench@example.org", "password": SECRET}
        person = app.test_client().post("/api/auth/register", json=body).get_json()
        owner = UUID(person["user"]["id"])
        moment = now()
        dated = {"created_at": moment, "updated_at": moment}
        universe = UniverseSchema().load({"name": "Universe", "description": DESCRIPTION, "visibility": "public", "seed": "1"})
        named = {"name": "Physics", "description": "", "custom": {}}
        physics = columns_from(PhysicsParameters, {**complete({}, of_scene=False), **named, "scene_id": None, "active": True})
        scene = SceneSchema().load({"name": "Scene", "solver": "ballistic"})
        session = db.session()
        for start in range(0, count, 500):
            ids = [universe_id(number) for number in range(start, min(start + 500, count))]
            head = {"revision": 1, "entity_revision": 1, "epoch": uuid4(), "floor": 0, "content_bytes": 8000, "deleted_at": None}
            session.execute(
                sa.insert(Universe.__table__),
                [{"id": i, **columns_from(Universe, {**universe, "deleted_at": None}), **head, **dated} for i in ids],
            )
            session.execute(
                sa.insert(Membership.__table__),
                [{"universe_id": i, "user_id": owner, "role": "owner", "revision": 1, "created_at": moment} for i in ids],
            )
            session.execute(
                sa.insert(PhysicsParameters.__table__),
                [{"id": uuid5(i, "physics"), "universe_id": i, "revision": 1, **physics, **dated} for i in ids],
            )
            scenes = [
                {
                    "id": uuid5(i, f"scene {n}"),
                    "universe_id": i,
                    "revision": 1,
                    **columns_from(Scene, {**scene, "order_key": f"{n:02d}1"}),
                    **dated,
                }
                for i in ids
                for n in range(SCENES)
            ]
            session.execute(sa.insert(Scene.__table__), scenes)
        session.commit()
        session.connection().exec_driver_sql("ANALYZE")
        session.commit()
        return str(person["access_token"])


def fill_peer(url: str, count: int) -> str:
    """The same for the peer."""
    os.environ.update(DATABASE_URL=url, SECRET_KEY=SECRET)
    from flask_jwt_extended import create_access_token

    from benchmarks.peers import plain_flask as peer

    app = peer.create_app()
    with app.app_context():
        peer.db.create_all()
        session = peer.db.session()
        numbers = dict.fromkeys(peer.NUMBERS, 0.5)
        for start in range(0, count, 500):
            ids = range(start + 1, min(start + 500, count) + 1)
            universe = {"owner_id": 1, "name": "Universe", "description": DESCRIPTION, "is_public": True}
            session.execute(sa.insert(peer.Universe), [{"id": i, **universe} for i in ids])
            session.execute(sa.insert(peer.Physics), [{"universe_id": i, **numbers} for i in ids])
            settings = {
                "solver": "ballistic",
                "duration_s": 60.0,
                "loop": False,
                "transition": {"type": "cut", "seconds": 0},
                "timeline": {},
                "story": {},
            }
            session.execute(
                sa.insert(peer.Scene),
                [
                    {"universe_id": i, "name": "Scene", "description": "", "position": n, "settings": settings}
                    for i in ids
                    for n in range(SCENES)
                ],
            )
        session.commit()
        session.connection().exec_driver_sql("ANALYZE")
        session.commit()
        token = create_access_token("1", expires_delta=False)
        peer.db.engine.dispose()
        return str(token)


@contextmanager
def server(target: str, url: str, data_dir: str, **environ: str) -> Iterator[tuple[str, int]]:
    """One gunicorn process with the eventlet worker; its base URL and pid."""
    settings = ROOT / "gunicorn.conf.py" if target.startswith("wsgi") else HERE / "peers" / "gunicorn_settings.py"
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-k",
        "eventlet",
        "-w",
        "1",
        "-b",
        "127.0.0.1:0",
        "-c",
        str(settings),
        "--log-level",
        "info",
        "--chdir",
        str(ROOT),
        target,
    ]
    found = {
        **os.environ,
        "DATABASE_URL": url,
        "SECRET_KEY": SECRET,
        "DATA_DIR": data_dir,
        "LOG_LEVEL": "warning",
        "RATE_LIMITS": "false",
        **environ,
    }
    with (
        (Path(data_dir) / "server.log").open("w+b") as log,
        subprocess.Popen(command, env=found, cwd=ROOT, stderr=log, stdout=log) as process,
    ):
        try:
            yield _address(Path(log.name), process), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"Listening at: (http://[\d.:]+)", log.read_text()):
            try:
                urlopen(found[1] + "/nothing", timeout=5).close()
            except HTTPError:
                return found[1]
            except OSError:
                pass
        time.sleep(0.1)
    sys.exit("the server did not start:\n" + log.read_text())


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children."""
    children = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _parent(p) == pid]
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK + sum(cpu_seconds(child) for child in children)


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return -1


def measure(name: str, case: str, base: str, pid: int, token: str, paths: list[str], seconds: float, **environ: str) -> dict[str, Any]:
    """wrk with 32 connections over the paths, after a warm-up."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(paths) + "\n")
        file.flush()
        env = {**os.environ, "PATHS": file.name, "TOKEN": token, **environ}

        def run(duration: float) -> str:
            command = ["wrk", "-t1", "-c32", f"-d{duration:g}s", "--timeout", "10s", "-s", str(HERE / "requests.lua"), base]
            return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

        run(1)
        before = cpu_seconds(pid)
        figures = json.loads(run(seconds).split("FIGURES ")[1])
        figures["cpu_us"] = round((cpu_seconds(pid) - before) / max(figures["requests"], 1) * 1e6)
    line = {"name": name, "case": case, **figures}
    print(json.dumps(line), flush=True)
    return line


def first_answer(base: str, path: str, token: str) -> bytes:
    """The body of one request, to see that it works before it is timed."""
    with urlopen(Request(base + path, headers={"Authorization": f"Bearer {token}"}), timeout=10) as answer:
        return bytes(answer.read())


def main() -> None:
    """Measure, alternating, and print the ratios."""
    options = argparse.ArgumentParser()
    options.add_argument("--universes", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=4)
    asked = options.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("benchmarks.rest needs wrk on PATH")
    count = asked.universes
    with database("product") as ours, database("peer") as theirs, tempfile.TemporaryDirectory() as folder:
        folders = {name: str(Path(folder) / name) for name in ("product", "uncached", "peer")}
        for path in folders.values():
            Path(path).mkdir()
        tokens = {"product": fill_product(ours, count, folders["product"]), "peer": fill_peer(theirs, count)}
        tokens["uncached"] = tokens["product"]
        mine = {
            "read": [f"/api/universes/{universe_id(n)}" for n in range(count)],
            "list": ["/api/universes?scope=public&limit=50"],
            "patch": [f"/api/physics-parameters/{uuid5(universe_id(n), 'physics')}" for n in range(count)],
        }
        plain = {
            "read": [f"/universes/{n + 1}" for n in range(count)],
            "list": ["/universes?limit=50"],
            "patch": [f"/physics/{n + 1}" for n in range(count)],
        }
        with (
            server("wsgi:app", ours, folders["product"], ACCESS_TOKEN_MINUTES="600") as (product, product_pid),
            server("wsgi:app", ours, folders["uncached"], DOCUMENT_CACHE_BYTES="0") as (uncached, uncached_pid),
            server("benchmarks.peers.plain_flask:create_app()", theirs, folders["peer"]) as (peer, peer_pid),
        ):
            sides = {"product": (product, product_pid, mine), "uncached": (uncached, uncached_pid, mine), "peer": (peer, peer_pid, plain)}
            figures: dict[tuple[str, str], list[dict[str, Any]]] = {}
            for name, (base, _, paths) in sides.items():
                print(
                    json.dumps(
                        {
                            "name": name,
                            **{f"{case}_bytes": len(first_answer(base, paths[case][0], tokens[name])) for case in ("read", "list")},
                        }
                    )
                )
            for _ in range(asked.rounds):
                for case in ("read", "list", "patch"):
                    for name, (base, pid, paths) in sides.items():
                        environ = {"METHOD": "PATCH", "FIELD": "restitution"} if case == "patch" else {}
                        found = measure(name, case, base, pid, tokens[name], paths[case], asked.seconds, **environ)
                        figures.setdefault((name, case), []).append(found)
    report(figures)


def report(figures: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """The ratios of the medians to the peer's."""
    for name in ("product", "uncached"):
        for case in ("read", "list", "patch"):
            own, peer = (
                {key: statistics.median(f[key] for f in figures[who, case]) for key in ("per_second", "cpu_us")} for who in (name, "peer")
            )
            rate, cpu = own["per_second"] / peer["per_second"], peer["cpu_us"] / own["cpu_us"]
            print(json.dumps({"ratio": case, "name": name, "per_second": round(rate, 2), "by_cpu": round(cpu, 2)}))


if __name__ == "__main__":
    main()
