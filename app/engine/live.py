"""A scene as it plays: runs that begin at any moment, from the state in which an edit found the bodies.

A run is read frame by frame and note by note. The one from a scene's own beginning gives what `perform` gives; one that an
edit began goes on from the places, velocities and angles of that moment or, with `kepler`, from the anomalies reached,
under the scene as it is after the edit. Bounds of mappings that come from data are those of a run from the beginning, given
beside: a run that is still being played has no data to take them from.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from app.engine.errors import EngineError
from app.engine.music.mapping import build_score
from app.engine.music.score import Score
from app.engine.music.triggers import TRACK_RATE
from app.engine.physics import solvers
from app.engine.physics.constraints import resolved
from app.engine.physics.events import KINDS, Events
from app.engine.physics.scene import Body, Scene, inputs_hash
from app.engine.physics.solvers import ballistic, kepler, nbody, resonator
from app.engine.physics.trajectory import Motion, Trajectory, Turning

Snapshot = Mapping[str, Any]
Progress = Callable[[float], None]
Floats = NDArray[np.float64]

_PHYSICAL = ("solver", "duration_s", "loop", "seed", "timeline", "constraints")
_HEARD = ("temperature", "pressure", "custom")
_SHOWN = ("name", "color", "citation", "resonator", "material")
_SHOWN_OF_RESONATORS = ("color", "citation")
_REMEMBERED = 4
_TRACK_COLUMNS = ("hz", "gain_db", "pan")


@dataclass(frozen=True)
class Beginning:
    """Where a run begins that an edit began: `start_s` of the scene, and by body id what the body brings along.

    Of a body that is {"position": [x, y, z], "velocity": [x, y, z]} in m and m/s, with "angle" (rad) and "angular_velocity" (rad/s) where
    bodies turn; of one of `kepler` {"mean_anomaly": rad}. A body without an entry begins as the scene says. `broken` are the ids of the
    constraints that have given way before.
    """

    start_s: float
    state: Mapping[str, Mapping[str, Any]]
    broken: Sequence[str] = ()


@dataclass(frozen=True)
class Run:
    """A run that can be played.

    Attributes
    ----------
    scene : what was run: the bodies as they begin, times counted from `start_s`
    start_s, end_s : score seconds of the scene between which it holds
    motion : of the bodies, in simulated seconds from the start
    onset, until : float64 (n,), score seconds of the scene at which notes begin, in order, and end
    notes : JSON of each note, as a score's but for its track; its `t_s` is of the scene
    ids : a name for each note made from all that it is: the same note has it in every run
    tracks : by note, its columns, `TRACK_RATE` values per second from its onset; notes that are held have one, if an empty one
    breaks : (score second of the scene, id of the constraint) of each that gives way, in order
    error : why it is silent, when its notes could not be made
    """

    scene: Scene
    start_s: float
    end_s: float
    motion: Motion
    onset: Floats = field(default_factory=lambda: np.empty(0))
    until: Floats = field(default_factory=lambda: np.empty(0))
    notes: tuple[bytes, ...] = ()
    ids: tuple[str, ...] = ()
    tracks: Mapping[int, Mapping[str, Floats]] = field(default_factory=dict)
    breaks: tuple[tuple[float, str], ...] = ()
    error: EngineError | None = None

    @property
    def body_ids(self) -> list[str]:
        """The order of the bodies in a frame."""
        return [body.id for body in self.scene.bodies]

    @property
    def dimensions(self) -> int:
        """2 when all motion stays in the plane z = 0, else 3."""
        return dimensions(self.scene)

    def simulated(self, times_s: Floats) -> Floats:
        """Simulated seconds of the run at score seconds of the scene; it stands still before its start and after its end."""
        inside: Floats = np.clip(times_s, self.start_s, self.end_s) - self.start_s
        return inside * self.scene.physics.time_scale

    def frames(self, times_s: Floats) -> list[bytes]:
        """Positions at score seconds of the scene: little-endian float32, body by body, x, y and, in 3 dimensions, z."""
        times = self.simulated(np.asarray(times_s, dtype=np.float64))
        positions = self.motion.places(times) if isinstance(self.motion, ballistic.FreeFlight) else self.motion.at(times)[0]
        packed = np.ascontiguousarray(positions[:, :, : self.dimensions], dtype="<f4")
        return [frame.tobytes() for frame in packed]

    def track(self, note: int, first_s: float, last_s: float) -> dict[str, Any] | None:
        """What a held note's values are between two score seconds; None when they stay. `t_s` is that of the first ones."""
        columns = self.tracks.get(note)
        if not columns:
            return None
        began = float(self.onset[note])
        low = max(math.floor((first_s - began) * TRACK_RATE), 0)
        high = max(math.ceil((last_s - began) * TRACK_RATE), low) + 1
        return {"t_s": began + low / TRACK_RATE, "rate": TRACK_RATE, **{name: c[low:high].tolist() for name, c in columns.items()}}


class Memory:
    """The trajectories found last: an edit of what is heard leaves the motion as it is."""

    def __init__(self) -> None:
        self._known: dict[str, Trajectory] = {}

    def trajectory(self, scene: Scene, key: str, limit: int, progress: Progress | None = None) -> Trajectory:
        """The trajectory of a scene whose physics `key` names. Raises EngineError, TooExpensive past `limit` events."""
        known = self._known.pop(key, None) or solvers.run(scene, progress, sample_hz=0.0, limit=limit)
        self._known[key] = known
        while len(self._known) > _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        return known


def scene_of(snapshot: Snapshot) -> Scene:
    """The scene of a snapshot. Raises EngineError when it is not one."""
    return Scene.from_snapshot(snapshot)


def dimensions(scene: Scene) -> int:
    """2 when all motion stays in the plane z = 0, else 3."""
    pulled = scene.physics.gravity[2] != 0 or any(frame.parameter == "gravity.z" and frame.value != 0 for frame in scene.keyframes)
    if scene.solver == "ballistic" and pulled:
        return 3
    return 3 if any(body.position[2] or body.velocity[2] or (body.orbit and body.orbit.inclination) for body in scene.bodies) else 2


def size(snapshot: Snapshot, limit: int) -> int:
    """About how large a run of a snapshot is: its events, or a hundredth of the values of its tracks if those are more.

    Many bodies that pull on each other take more time for each event than others do, and count so much the more.

    Raises EngineError for what cannot be run, and TooExpensive with both figures past `limit` events.
    """
    scene = Scene.from_snapshot(snapshot)
    events = solvers.check(scene, limit)
    held = any((mapping.get("trigger") or {}).get("type") == "continuous" for mapping in scene.mappings)
    tracks = len(scene.bodies) * scene.duration_s * TRACK_RATE if held else 0.0
    pairs = events * len(scene.bodies) // nbody.SMALL if scene.solver == nbody.NAME else 0
    return max(events, math.ceil(tracks / 100), pairs)


def same_physics(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots move alike, however they sound."""
    return _physical(one) == _physical(other)


def carried(run: Run, before: Snapshot, after: Snapshot, at_s: float) -> Beginning | None:
    """Where the run that an edit begins at `at_s` starts from; None when it begins with the scene itself.

    What the edit itself has set, such as a body's place, holds instead of what the run has come to.
    """
    if not 0.0 < at_s < after["duration_s"] or before["solver"] != after["solver"]:
        return None
    old = {body["id"]: body for body in before["bodies"]}
    given = {body.id: body for body in Scene.from_snapshot(after).bodies}
    known = {body.id: body for body in Scene.from_snapshot(before).bodies}
    both = [identity for identity in given if identity in known and identity in old]
    reached = _anomalies(run, at_s) if after["solver"] == kepler.NAME else _states(run, at_s)
    state = {identity: _kept(reached[identity], known[identity], given[identity]) for identity in both if identity in reached}
    broken = [identity for time_s, identity in run.breaks if time_s <= at_s]
    return Beginning(at_s, {identity: entry for identity, entry in state.items() if entry}, broken)


def perform(
    snapshot: Snapshot,
    beginning: Beginning | None,
    reference: Snapshot | None,
    limit: int,
    memory: Memory | None = None,
    progress: Progress | None = None,
) -> tuple[Run, Run | None]:
    """The run of a scene from its own beginning, and the one from another if that is given.

    Parameters
    ----------
    reference : the snapshot whose run bounds of data are taken from; None is the scene itself
    limit : most events of each run
    progress : gets fractions from 0 to 1, and may raise Cancelled

    Raises
    ------
    EngineError : for a scene that cannot be run; where the notes alone cannot be made, the run holds the error
    """
    memory, report = memory or Memory(), progress or (lambda _: None)
    scene = Scene.from_snapshot(snapshot)
    whole = memory.trajectory(scene, _key(snapshot, None), limit, lambda done: report(0.4 * done))
    bounds = _bounds(scene, whole, snapshot, reference, limit, memory)
    own = bounds[1] is whole
    base = _run(scene, whole, 0.0, scene.duration_s, None if own else bounds)
    report(0.6)
    if beginning is None:
        return base, None
    later = begun(scene, beginning)
    trajectory = memory.trajectory(later, _key(snapshot, beginning), limit, lambda done: report(0.6 + 0.3 * done))
    return base, _run(later, trajectory, beginning.start_s, scene.duration_s, bounds)


def begun(scene: Scene, beginning: Beginning) -> Scene:
    """A scene from a beginning on: bodies in their state, times counted from there, constraints as long as they were at its start."""
    start = beginning.start_s
    whole = tuple(one for one in resolved(scene) if one.id not in beginning.broken)
    return dataclasses.replace(
        scene,
        duration_s=scene.duration_s - start,
        bodies=tuple(_in_state(body, beginning.state.get(body.id, {})) for body in scene.bodies),
        constraints=whole,
        keyframes=tuple(dataclasses.replace(frame, time_s=frame.time_s - start) for frame in scene.keyframes),
        markers=tuple(dataclasses.replace(marker, time_s=marker.time_s - start) for marker in scene.markers if marker.time_s >= start),
    )


def store(run: Run, folder: Path) -> None:
    """Keep a run as files in an empty folder, for another process."""
    folder.mkdir()
    np.savez(folder / "motion.npz", **run.motion.columns())
    np.save(folder / "times.npy", np.stack([run.onset, run.until]))
    columns: dict[str, Any] = {f"{note}.{name}": column for note, track in run.tracks.items() for name, column in track.items()}
    np.savez(folder / "tracks.npz", **columns)
    told = {
        "ids": run.ids,
        "held": sorted(run.tracks),
        "notes": [orjson.Fragment(note) for note in run.notes],
        "breaks": run.breaks,
        "error": [run.error.message, run.error.field] if run.error else None,
    }
    (folder / "notes.json").write_bytes(orjson.dumps(told))


def restore(folder: Path, snapshot: Snapshot, beginning: Beginning | None) -> Run:
    """The run that another process has kept."""
    whole = Scene.from_snapshot(snapshot)
    scene = whole if beginning is None else begun(whole, beginning)
    with np.load(folder / "motion.npz") as columns:
        motion = solvers.solver_of(scene).restored(scene, columns)
    told = orjson.loads((folder / "notes.json").read_bytes())
    onset, until = np.load(folder / "times.npy")
    tracks: dict[int, dict[str, Floats]] = {note: {} for note in told["held"]}
    with np.load(folder / "tracks.npz") as columns:
        for name in columns.files:
            note, _, column = name.partition(".")
            tracks[int(note)][column] = columns[name]
    return Run(
        scene=scene,
        start_s=0.0 if beginning is None else beginning.start_s,
        end_s=whole.duration_s,
        motion=motion,
        onset=onset,
        until=until,
        notes=tuple(orjson.dumps(note) for note in told["notes"]),
        ids=tuple(told["ids"]),
        tracks=tracks,
        breaks=tuple((time_s, identity) for time_s, identity in told["breaks"]),
        error=EngineError(*told["error"]) if told["error"] else None,
    )


def _run(scene: Scene, trajectory: Trajectory, start_s: float, end_s: float, bounds: tuple[Scene, Trajectory] | None) -> Run:
    run = Run(scene=scene, start_s=start_s, end_s=end_s, motion=trajectory.motion, breaks=_breaks(scene, trajectory.events, start_s))
    try:
        return _with_notes(run, build_score(scene, trajectory, bounds=bounds, origin_s=start_s))
    except EngineError as error:
        return dataclasses.replace(run, error=error)


def _breaks(scene: Scene, events: Events, start_s: float) -> tuple[tuple[float, str], ...]:
    rows = np.flatnonzero(events.kind == KINDS.index("break")).tolist()
    return tuple((start_s + float(events.time[i]) / scene.physics.time_scale, scene.constraints[int(events.value[i])].id) for i in rows)


def _with_notes(run: Run, score: Score) -> Run:
    rows, ids, tracks = [], [], {}
    for index, note in enumerate(score.notes):
        row = {**note.row(), "t_s": note.t_s + run.start_s}
        track = row.pop("track")
        digest = hashlib.blake2b(orjson.dumps(row, option=orjson.OPT_SORT_KEYS), digest_size=8)
        if track is not None:
            columns = {name: np.asarray(track[name], dtype=np.float64) for name in _TRACK_COLUMNS if name in track}
            tracks[index] = columns
            for name, column in columns.items():
                digest.update(name.encode() + column.tobytes())
        rows.append(orjson.dumps(row))
        ids.append(digest.hexdigest())
    onset = np.array([note.t_s + run.start_s for note in score.notes], dtype=np.float64)
    lasting = np.array([note.duration_s for note in score.notes], dtype=np.float64)
    return dataclasses.replace(run, onset=onset, until=onset + lasting, notes=tuple(rows), ids=tuple(ids), tracks=tracks)


def _bounds(
    scene: Scene, whole: Trajectory, snapshot: Snapshot, reference: Snapshot | None, limit: int, memory: Memory
) -> tuple[Scene, Trajectory]:
    """The scene and trajectory that bounds of data are read from; one that no longer runs is as none."""
    if reference is None or same_physics(reference, snapshot):
        return scene, whole
    try:
        other = Scene.from_snapshot(reference)
        return other, memory.trajectory(other, _key(reference, None), limit)
    except EngineError:
        return scene, whole


def _physical(snapshot: Snapshot) -> dict[str, Any]:
    rings = snapshot["solver"] == resonator.NAME  # by its resonator and the air, when markers name it
    shown, heard = (_SHOWN_OF_RESONATORS, ("custom",)) if rings else (_SHOWN, _HEARD)
    bodies = [{name: value for name, value in body.items() if name not in shown} for body in snapshot["bodies"]]
    physics = {name: value for name, value in snapshot["physics"].items() if name not in heard}
    return {**{name: snapshot.get(name) for name in _PHYSICAL}, "bodies": bodies, "physics": physics}


def _key(snapshot: Snapshot, beginning: Beginning | None) -> str:
    return inputs_hash({**_physical(snapshot), "beginning": [beginning.start_s, beginning.state, beginning.broken] if beginning else None})


def _states(run: Run, at_s: float) -> dict[str, dict[str, Any]]:
    """Place and speed of every body at a time, within the bounds that the run kept to the last bit, and its turning."""
    times = run.simulated(np.array([at_s]))
    places, speeds = run.motion.at(times)
    found: dict[str, dict[str, Any]] = {}
    for body, place, speed in zip(run.scene.bodies, places[0].tolist(), speeds[0].tolist(), strict=True):
        if not body.static:
            found[body.id] = {"position": _inside(place, body, run.scene), "velocity": speed}
    if isinstance(run.motion, Turning):
        angles, rates = run.motion.turned(times)
        for body, angle, rate in zip(run.scene.bodies, angles[0].tolist(), rates[0].tolist(), strict=True):
            if not body.static:
                found[body.id] |= {"angle": angle, "angular_velocity": rate}
    return found


def _inside(place: list[float], body: Body, scene: Scene) -> list[float]:
    bounds = scene.physics.bounds
    if bounds is None or body.sensor or scene.solver != ballistic.NAME:
        return place
    lowest = [-math.inf if side is None else side + body.radius for side in bounds.minimum]
    highest = [math.inf if side is None else side - body.radius for side in bounds.maximum]
    return [min(max(x, low), high) for x, low, high in zip(place, lowest, highest, strict=True)]


def _anomalies(run: Run, at_s: float) -> dict[str, dict[str, Any]]:
    times = run.simulated(np.array([at_s]))
    return {
        run.scene.bodies[o.index].id: {"mean_anomaly": math.fmod(float(o.mean(times)[0]), math.tau)} for o in kepler.ellipses(run.scene)
    }


def _kept(reached: Mapping[str, Any], before: Body, after: Body) -> dict[str, Any]:
    """What a body brings along: all that the edit has not set."""
    if after.static:
        return {}
    if "mean_anomaly" in reached:
        unset = before.orbit and after.orbit and before.orbit.mean_anomaly == after.orbit.mean_anomaly
        return dict(reached) if unset else {}
    if before.orbit != after.orbit:
        return {}
    kept: dict[str, Any] = {}
    for name in ("position", "velocity"):
        old, new = getattr(before, name), getattr(after, name)
        kept[name] = [now if x == y else y for now, x, y in zip(reached[name], old, new, strict=True)]
    for name in ("angle", "angular_velocity"):
        if name in reached:
            kept[name] = reached[name] if getattr(before, name) == getattr(after, name) else getattr(after, name)
    return kept


def _in_state(body: Body, state: Mapping[str, Any]) -> Body:
    if "mean_anomaly" in state and body.orbit is not None:
        return dataclasses.replace(body, orbit=dataclasses.replace(body.orbit, mean_anomaly=state["mean_anomaly"]))
    if "position" in state and not body.static:
        orbit = body.orbit and dataclasses.replace(body.orbit, semi_major_axis=None, period=None)
        turning = {name: state[name] for name in ("angle", "angular_velocity") if name in state}
        return dataclasses.replace(body, position=tuple(state["position"]), velocity=tuple(state["velocity"]), orbit=orbit, **turning)
    return body
