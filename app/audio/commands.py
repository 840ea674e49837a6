"""`flask scenes render FILE` and `flask scenes simulate`: a scene performed here and now, without server or worker."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import click
import orjson
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import Progress

from app.audio import artefacts, tables
from app.database import dump_json
from app.engine import perform as engine
from app.engine.audio.files import FORMATS
from app.engine.audio.mix import Settings
from app.engine.audio.rooms import ROOMS, Reverb
from app.engine.catalogue import RENDER
from app.engine.errors import EngineError
from app.errors import NotFound
from app.extensions import db
from app.materials import service as materials
from app.scenes.service import snapshot

scenes = AppGroup("scenes", help="Scenes performed here, without server or worker.")
_SCENE = click.option("--scene", "scene_id", type=click.UUID, required=True, help="The scene's id.")
_FORMAT = {kind.extension: name for name, kind in FORMATS.items()}


def render_offline(
    scene_id: UUID,
    path: Path,
    settings: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    progress: Callable[[float], None] | None = None,
) -> engine.Performance:
    """Render a scene to a file, whose name says the format; the file appears when it is finished.

    `settings` are those of app.engine.audio.mix.Settings but its seed; `overrides` may hold the scene's `seed` and `duration_s`.
    Equal scene, seed and settings give the samples that the server gives. Raises NotFound, EngineError.
    """
    frozen = {**_snapshot(scene_id), **(overrides or {})}
    chosen = Settings(format=_FORMAT.get(path.suffix.lower(), path.suffix), seed=int(frozen["seed"]), **settings)
    draft = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        found = engine.perform(frozen, chosen, draft, progress, recordings=materials.recordings(frozen))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return found


@scenes.command("render")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@_SCENE
@click.option("--sample-rate", type=int, default=48000, show_default=True, help=RENDER["sample_rate"].range_text)
@click.option("--bit-depth", type=click.Choice(["16", "24", "32f"]), default="24", show_default=True)
@click.option(
    "--quality", type=float, default=RENDER["quality"].default, show_default=True, help=f"Of ogg and mp3: {RENDER['quality'].range_text}"
)
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="Instead of the universe's.")
@click.option("--duration", "duration_s", type=float, help=f"Instead of the scene's: {RENDER['duration_s'].range_text}")
@click.option("--loudness", "loudness_lufs", type=float, help=f"Bring the file there: {RENDER['loudness_lufs'].range_text}")
@click.option("--room", type=click.Choice(list(ROOMS)), help="Play it in a room.")
@click.option("--wet-db", type=float, help=f"With --room: {RENDER['reverb.wet_db'].range_text}")
@click.option("--rt60", "rt60_s", type=float, help=f"With --room: {RENDER['reverb.rt60_s'].range_text}")
@click.option("--midi", type=click.Path(dir_okay=False, path_type=Path), help="Write the score there as a MIDI file.")
@click.option("--table", type=click.Path(dir_okay=False, path_type=Path), help="Write the notes there as CSV.")
def render(file: Path, scene_id: UUID, midi: Path | None, table: Path | None, **options: Any) -> None:
    """Render the scene --scene to FILE (.wav, .flac, .ogg or .mp3), with the same hash as the server."""
    settings = {
        "sample_rate": options["sample_rate"],
        "bit_depth": artefacts.bit_depth(options["bit_depth"]),
        "quality": options["quality"],
        "loudness_lufs": options["loudness_lufs"],
    }
    with told_plainly(), bar("Rendering") as progress:
        if options["room"]:
            settings["reverb"] = Reverb(options["room"], **_given(options, "wet_db", "rt60_s"))
        elif options["wet_db"] is not None or options["rt60_s"] is not None:
            raise click.UsageError("--wet-db and --rt60 need --room.")
        found = render_offline(scene_id, file, settings, _given(options, "seed", "duration_s"), progress)
    if midi:
        midi.write_bytes(found.midi)
    if table:
        table.write_text(tables.notes(found.score.document()["notes"]), newline="")
    _tell(
        {
            "file": str(file),
            "duration_s": found.duration_s,
            "frames": found.frames,
            "notes": len(found.score.notes),
            "peak_dbtp": found.peak_dbtp,
            "lufs": found.lufs,
            "trajectory_hash": found.trajectory_hash,
            "score_hash": found.score_hash,
            "samples_hash": found.samples_hash,
        }
    )
    if not found.report["ok"]:
        raise click.ClickException("The file does not agree with its score: " + "; ".join(found.report["reasons"]))


@scenes.command("simulate")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path), required=False)
@_SCENE
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="Instead of the universe's.")
@click.option("--duration", "duration_s", type=float, help=f"Instead of the scene's: {RENDER['duration_s'].range_text}")
def simulate(file: Path | None, scene_id: UUID, **options: Any) -> None:
    """Run the scene --scene and say how true the run is; its events go to FILE (.csv or .json)."""
    with told_plainly(), bar("Simulating") as progress:
        found = engine.simulate({**_snapshot(scene_id), **_given(options, "seed", "duration_s")}, progress)
    if file:
        _write_events(file, found.events)
    _tell(
        {
            "outcome": found.status,
            "events": len(found.events),
            "trajectory_hash": found.trajectory_hash,
            "conservation": found.conservation,
            "closed_form": found.closed_form,
            "warnings": found.warnings,
        }
    )


@contextmanager
def bar(what: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on a terminal, nothing in a pipe."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda fraction: shown.update(task, completed=fraction)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Say what was wrong in a sentence, and exit with 1."""
    try:
        yield
    except EngineError as error:
        raise click.ClickException(f"{error.field}: {error.message}" if error.field else error.message) from None
    except NotFound:
        raise click.ClickException("There is no such scene.") from None


def _snapshot(scene_id: UUID) -> dict[str, Any]:
    found = snapshot(scene_id)
    db.session.rollback()  # nothing is held while the scene is performed
    return found


def _given(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: str(options[name]) if name == "seed" else options[name] for name in names if options[name] is not None}


def _write_events(file: Path, events: list[dict[str, Any]]) -> None:
    if file.suffix.lower() == ".json":
        file.write_bytes(orjson.dumps(events))
        return
    flat = [{**{key: value for key, value in event.items() if key != "position"}, **event["position"]} for event in events]
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, [*(key for key in events[0] if key != "position"), "x", "y", "z"] if events else ["t_s"])
        writer.writeheader()
        writer.writerows(flat)


def _tell(found: Mapping[str, Any]) -> None:
    for name, value in found.items():
        click.echo(f"{name}: {value if isinstance(value, str) else dump_json(value)}")
