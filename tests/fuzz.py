"""Requests made from the served description, as its owner, a stranger and nobody: `make fuzz`.

    python tests/fuzz.py [--examples 50] [--only REGEX] [--as owner,stranger,anonymous]

No answer may be a 5xx, break its described schema, type or headers, or have an undocumented status; what the description
allows is accepted, what it forbids is refused. What a schema cannot state is excepted by name in tests/fuzz_hooks.py, and
nowhere else.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.databases import ROOT
from tests.servers import environment, start

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,"
    "negative_data_rejection,positive_data_acceptance,unsupported_method,ignored_auth"
)
ACTORS = ("owner", "stranger", "anonymous")
PHASES = {"owner": "examples,coverage,fuzzing", "stranger": "examples,fuzzing", "anonymous": "examples,fuzzing"}
"""What is refused for its form is refused to everybody alike, so the edges of every field are tried by one of them."""
SPARE = 8
_PASSWORD = "correct horse battery"
_QUOTAS = {"RENDER_QUOTA_SECONDS": "1000000000", "STORAGE_QUOTA_BYTES": "1000000000000000"}
Known = dict[str, dict[str, list[str]]]


def main() -> None:
    """Fuzz a server of its own; exit 1 when anything is found."""
    options = argparse.ArgumentParser()
    options.add_argument("--examples", type=int, default=50)
    options.add_argument("--only", default="", help="a regular expression over paths")
    options.add_argument("--as", dest="actors", default=",".join(ACTORS))
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        settings = {"DATABASE_URL": f"sqlite:///{home}/fuzz.db", "DATA_DIR": home, "ACCESS_TOKEN_MINUTES": "600", **_QUOTAS}
        with start("gthread", settings["DATABASE_URL"], data_dir=home, LOG_LEVEL="error", **_without_home(settings)) as server:
            owner, stranger, leaver = (Person(server.url, name) for name in ("owner", "stranger", "leaver"))
            with working(settings):
                known = Furnishing(owner, stranger).known
            tokens = {"owner": owner.token, "stranger": stranger.token, "anonymous": ""}
            failed = []
            for name in asked.actors.split(","):
                owner.send("PATCH", f"/universes/{known['universes']['stay'][0]}", {"visibility": "public"})
                print(f"\n# as {name}", flush=True)
                if fuzz(server.url, tokens[name], known, leaver, PHASES[name], asked.examples, asked.only):
                    failed.append(name)
                for person in (owner, stranger):
                    person.send("GET", "/auth/me")  # whoever lost their session was somebody else for the rest
            if "Traceback" in server.log:
                failed.append("the server's log")
                print(server.log[-8000:])
    print(f"Found something: {', '.join(failed)}." if failed else "Nothing found.")
    sys.exit(1 if failed else 0)


class Person:
    """Somebody registered."""

    def __init__(self, url: str, name: str) -> None:
        self.name, self.url, self.token = name, url + "/api", ""
        entry = self.send("POST", "/auth/register", {"username": name, "email": f"{name}@example.org", "password": _PASSWORD})
        self.id, self.token = entry["user"]["id"], entry["access_token"]

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer to a request that must succeed."""
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = requests.request(method, self.url + path, json=body, headers={**authorization, **headers}, timeout=60)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def make(self, path: str, **body: Any) -> str:
        """The id of what a POST makes."""
        return str(self.send("POST", path, body)["id"])


class Furnishing:
    """Universes with everything in them. By collection: ids that stay, and ids to spare for requests that end something."""

    def __init__(self, owner: Person, stranger: Person) -> None:
        self.owner = owner
        self.known: Known = {"users": {"stay": [owner.id], "spare": [stranger.id]}}
        for number in range(1 + SPARE):
            self.kind = "spare" if number else "stay"
            self._universe(number)
        third = Person(owner.url.removesuffix("/api"), "third")
        for universe in (one for ids in self.known["universes"].values() for one in ids):
            owner.send("POST", f"/universes/{universe}/collaborators", {"user_id": third.id, "role": "editor"})
        self.known["collaborators"] = {"stay": [third.id], "spare": [third.id]}
        for _ in range(2):
            owner.send("POST", "/auth/login", {"username": owner.name, "password": _PASSWORD})
        sessions = [one["id"] for one in owner.send("GET", "/auth/sessions")["items"] if not one["current"]]
        self.known["sessions"] = {"stay": sessions, "spare": sessions}

    def _universe(self, number: int) -> None:
        owner = self.owner
        universe = self._keep("universes", owner.make("/universes", name=f"Universe {number}", visibility="public"))
        self._keep("physics-parameters", owner.make("/physics-parameters", universe_id=universe, name="Physics"))
        scene = self._keep("scenes", owner.make(f"/universes/{universe}/scenes", name="Scene", duration_s=1))
        ball = {"shape": "circle", "size": {"radius": 0.1}, "position": {"y": 1}}
        body = self._keep("bodies", owner.make(f"/scenes/{scene}/bodies", name="Ball", **ball))
        anchor = {"x": 0, "y": 2, "z": 0}
        self._keep("constraints", owner.make(f"/scenes/{scene}/constraints", kind="distance", body_id=body, anchor=anchor, rest_length=1))
        voice = self._keep("voices", owner.make(f"/scenes/{scene}/voices", name="Voice", instrument="sine"))
        impulse = {"trigger": {"type": "event", "event": "collision"}, "source": {"quantity": "impulse"}, "target": "loudness"}
        heard = {"range": {"min": -30, "max": 0}}
        self._keep("mappings", owner.make(f"/scenes/{scene}/mappings", voice_id=voice, **impulse, **heard))
        sounding = owner.make(f"/universes/{universe}/scenes", name="Sounding", duration_s=1)
        owner.make(f"/scenes/{sounding}/bodies", name="Ball", **ball)
        owner.make(f"/scenes/{sounding}/voices", name="Voice", instrument="sine")
        self._artefacts(sounding)

    def _artefacts(self, scene: str) -> None:
        """Finished ones to stay, and one that never will be; those to spare are not waited for."""
        wait = {"Prefer": "wait=30"} if self.kind == "stay" else {}
        started = self.owner.send("POST", "/audio/generate", {"scene_id": scene}, **wait)
        self._keep("audio", started["audio"]["id"])
        self._keep("jobs", started["job"]["id"])
        if self.kind == "stay":
            for collection, path in (("simulations", "simulate"), ("scores", "score"), ("suggestions", "suggest")):
                found = self.owner.send("POST", f"/scenes/{scene}/{path}", {}, **wait)
                self._keep(collection, (found.get(collection) or found[collection.removesuffix("s")])["id"])
            ended = self.owner.send("POST", "/audio/generate", {"scene_id": scene, "duration_s": 600})
            self.owner.send("POST", f"/jobs/{ended['job']['id']}/cancel")
            self._keep("audio", ended["audio"]["id"])
            self._keep("jobs", ended["job"]["id"])

    def _keep(self, collection: str, made: str) -> str:
        self.known.setdefault(collection, {"stay": [], "spare": []})[self.kind].append(made)
        return made


@contextmanager
def working(settings: dict[str, str]) -> Iterator[None]:
    """A job worker beside the server, for as long as the block lasts: work that nobody waits for must not slow the rest."""
    command = [sys.executable, "manage.py", "worker"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    worker = subprocess.Popen(command, cwd=ROOT, env=environment({"LOG_LEVEL": "error", **settings}), start_new_session=True, **quiet)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(60)


def fuzz(url: str, token: str, known: Known, leaver: Person, phases: str, examples: int, only: str) -> int:
    """One run of schemathesis as one actor; its exit status."""
    program = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(Path(__file__).with_suffix(".toml")), "--no-color"]
    command = [*program, "run", url + "/openapi.json", "--url", url, "--checks", CHECKS]
    command += ["--max-examples", str(examples), "--phases", phases, "--workers", "1"]
    command += ["--suppress-health-check", "all", "--continue-on-failure", "--request-timeout", "40", "--warnings", "off"]
    command += ["--generation-deterministic"]
    command += ["--include-path-regex", only] if only else []
    settings = {
        "SCHEMATHESIS_HOOKS": "tests.fuzz_hooks",
        "FUZZ_KNOWN": json.dumps(known),
        "FUZZ_TOKEN": token,
        "FUZZ_LEAVER": json.dumps({"url": leaver.url, "username": leaver.name, "password": _PASSWORD}),
    }
    return subprocess.run(command, env=environment(settings), cwd=ROOT, check=False).returncode


def _without_home(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name not in ("DATABASE_URL", "DATA_DIR")}


if __name__ == "__main__":
    main()
