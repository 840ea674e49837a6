"""Programs beside which the engine is measured: where they run, and how they are asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def python_with(name: str) -> str:
    """The Python of an environment of its own, `.venv/<name>`; the first call makes it from `requirements-<name>.txt`."""
    home = HERE.parent / ".venv" / name
    python = str(home / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(HERE / f"requirements-{name}.txt")]
    if not Path(python).exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run(install, check=True)
    return python


def peer(command: list[str], given: dict[str, Any]) -> dict[str, Any]:
    """What a program that reads JSON from its standard input answers."""
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
