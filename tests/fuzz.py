"""Requests made from the served description, as its owner, a stranger and nobody: `make fuzz`.

    python tests/fuzz.py [--examples 50]

No answer may be a 5xx, break its described schema or headers, or have an undocumented status. What a schema cannot
state is excepted in EXCEPTIONS, by operation and rule, and nowhere else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.servers import environment, start

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,"
    "negative_data_rejection,unsupported_method,ignored_auth"
)
_PASSWORD = "correct horse battery"
SPARE = 12


def main() -> None:
    """Fuzz a server of its own; exit 1 when anything is found."""
    options = argparse.ArgumentParser()
    options.add_argument("--examples", type=int, default=50)
    options.add_argument("--only", default="", help="a regular expression over paths")
    asked = options.parse_args()
    failed = []
    with start("gthread", ACCESS_TOKEN_MINUTES="600", LOG_LEVEL="error", MAX_UNIVERSES="100000") as server:
        owner, stranger, leaver = (Person(server.url, name) for name in ("owner", "stranger", "leaver"))
        known = owner.furnish()
        for name, token in (("owner", owner.token), ("stranger", stranger.token), ("anonymous", "")):
            print(f"# as {name}", flush=True)
            if run(server.url, token, known, leaver, asked.examples, asked.only):
                failed.append(name)
        if "Traceback" in server.log:
            failed.append("tracebacks in the log")
            print(server.log[-8000:])
    print("1 failed" if failed else "3 passed, 0 failed")
    sys.exit(1 if failed else 0)


class Person:
    """Somebody registered."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url + "/api"
        body = {"username": name, "email": f"{name}@example.org", "password": _PASSWORD}
        self.token = requests.post(self.url + "/auth/register", json=body, timeout=30).json()["access_token"]

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a POST that must succeed."""
        answer = requests.post(self.url + path, json=body, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    def furnish(self) -> dict[str, list[str]]:
        """Some universes with everything in them: known ids by the name of the path parameter, the first to stay."""
        known: dict[str, list[str]] = {}
        for number in range(1 + SPARE):
            universe = self.post("/universes", {"name": f"Universe {number}", "visibility": "public" if number % 2 else "private"})["id"]
            scene = self.post(f"/universes/{universe}/scenes", {"name": "Scene", "solver": "ballistic"})["id"]
            physics = self.post("/physics-parameters", {"universe_id": universe, "name": "Physics"})["id"]
            body = self.post(f"/scenes/{scene}/bodies", {"name": "Ball", "shape": "circle", "size": {"radius": 0.1}})["id"]
            other = self.post(f"/scenes/{scene}/bodies", {"name": "Other", "shape": "point"})["id"]
            spring = {"kind": "spring", "body_id": body, "other_body_id": other, "stiffness": 1.0, "rest_length": 1.0}
            constraint = self.post(f"/scenes/{scene}/constraints", spring)["id"]
            voice = self.post(f"/scenes/{scene}/voices", {"name": "Voice", "instrument": "sine"})["id"]
            mapping = self.post(
                f"/scenes/{scene}/mappings",
                {
                    "voice_id": voice,
                    "trigger": {"type": "event", "event": "collision"},
                    "source": {"bodies": "all", "quantity": "impulse"},
                    "target": "loudness",
                    "range": {"min": -30, "max": 0},
                },
            )["id"]
            audio = self.post("/audio/generate", {"scene_id": scene})
            made = {
                "universe_id": universe,
                "scene_id": scene,
                "parameters_id": physics,
                "body_id": body,
                "constraint_id": constraint,
                "voice_id": voice,
                "mapping_id": mapping,
                "audio_id": audio["audio"]["id"],
                "job_id": audio["job"]["id"],
            }
            for name, found in made.items():
                known.setdefault(name, []).append(found)
        return known


def run(url: str, token: str, known: dict[str, list[str]], leaver: Person, examples: int, only: str) -> int:
    """One run of schemathesis as one actor; its exit status."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", url + "/openapi.json", "--url", url, "--checks", CHECKS]
    command += ["--max-examples", str(examples), "--phases", "examples,coverage,fuzzing", "--workers", "2", "--seed", "1", "--no-color"]
    command += ["--suppress-health-check", "all", "--continue-on-failure", "--request-timeout", "40"]
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    if only:
        command += ["--include-path-regex", only]
    settings = {
        "SCHEMATHESIS_HOOKS": "tests.fuzz_hooks",
        "FUZZ_KNOWN": json.dumps(known),
        "FUZZ_LEAVER": json.dumps({"url": leaver.url, "username": "leaver", "password": _PASSWORD}),
        "FUZZ_ANONYMOUS": "" if token else "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        return (
            subprocess.run(command, env={**os.environ, **environment(settings)}, cwd=Path(__file__).parent.parent, check=False).returncode
            if folder
            else 1
        )


if __name__ == "__main__":
    main()
