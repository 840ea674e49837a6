"""The table of access: as require(), as SQL, and by every route × every actor × every visibility.

A route without an entry in ENTRIES fails the first test: who adds a route says here who may use it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.routing import Rule

from app import create_app
from app.access import ALLOWED, ANONYMOUS, VISIBILITIES, Action, Actor, Role, readable_by, require, role_of, visible_to
from app.errors import Forbidden, Gone, NotFound, Problem, TokenInvalid
from app.extensions import db
from app.models import Universe, User
from tests.conftest import QUICK_PASSWORDS, Person
from tests.databases import fresh_postgresql
from tests.uploads import sound

PASSWORD = "correct horse battery"
ANYBODY, SOMEBODY, NOBODY = "anybody", "somebody", "nobody"
OWN, OWN_OR_ADMIN = "own", "own or admin"
SELF = ("figures", "health", "version", "description", "docs", "events", "event_docs")
NOT_FINISHED = (409,)  # it may be asked for, and no worker has made it
_numbers = count()


@dataclass(frozen=True)
class Entry:
    """Who may use a route, and how to use it well.

    `rule` is the action on the universe, or ANYBODY, SOMEBODY (who is logged in), OWN (what is asked for is the owner's),
    NOBODY (an access token does not open it). `done` are the answers to those who may. `spends` names what must be made
    anew after that: the world, the login, or the person.
    """

    rule: Action | str
    json: Callable[[World], Any] | None = None
    query: Callable[[World], str] | None = None
    done: tuple[int, ...] = (200, 201, 202, 204)
    spends: str = ""


def body(**fields: Any) -> Callable[[World], Any]:
    return lambda world: fields


def of_universe(world: World) -> str:
    return f"universe_id={world.ids['universe_id']}"


BALL = {"name": "ball", "shape": "circle", "size": {"radius": 0.1}, "position": {"y": 1.0}}
MAPPING = {
    "trigger": {"type": "event", "event": "collision"},
    "source": {"bodies": "all", "quantity": "speed"},
    "target": "loudness",
    "domain": {"type": "explicit", "min": 0, "max": 10},
    "range": {"min": -40, "max": 0},
}


def pin(world: World) -> dict[str, Any]:
    return {"kind": "pin", "body_id": world.bodies[0], "anchor": {"x": 0.0}}


def mapping(world: World) -> dict[str, Any]:
    return {**MAPPING, "voice_id": world.voice}


def parts(name: str, new: Callable[[World], Any], changes: dict[str, Any]) -> dict[str, Entry]:
    """The entries of a collection of parts of a scene."""
    return {
        f"scenes.list_{name}": Entry(Action.READ),
        f"scenes.add_{name}": Entry(Action.EDIT, new),
        f"{name}.get_part": Entry(Action.READ),
        f"{name}.replace_part": Entry(Action.EDIT, new),
        f"{name}.change_part": Entry(Action.EDIT, body(**changes)),
        f"{name}.delete_part": Entry(Action.EDIT, spends="world"),
    }


ENTRIES: dict[str, Entry] = {
    # system
    **{f"{name}.{view}": Entry(ANYBODY) for name in ("system", "root-system") for view in SELF},
    **{f"{name}.ready": Entry(ANYBODY, done=(200, 503)) for name in ("system", "root-system")},
    **{f"{name}.docs_file": Entry(ANYBODY) for name in ("system", "root-system")},
    # auth
    "auth.register": Entry(ANYBODY, lambda world: newcomer()),
    "auth.log_in": Entry(ANYBODY, lambda world: {"username": world.people[Role.OWNER].username, "password": PASSWORD}),
    "auth.refresh": Entry(NOBODY),
    "auth.log_out": Entry(SOMEBODY, spends="login"),
    "auth.log_out_everywhere": Entry(SOMEBODY, spends="login"),
    "auth.who_am_i": Entry(SOMEBODY),
    "auth.change_password": Entry(SOMEBODY, body(current_password=PASSWORD, new_password=PASSWORD), spends="login"),
    "auth.list_sessions": Entry(SOMEBODY),
    "auth.end_session": Entry(OWN, spends="login"),
    # users
    "users.list_people": Entry(SOMEBODY, query=lambda world: "q=ad"),
    "users.show_profile": Entry(ANYBODY),
    "users.list_universes_of": Entry(ANYBODY),
    "users.show_me": Entry(SOMEBODY),
    "users.change_me": Entry(SOMEBODY, body(bio="here")),
    "users.replace_me": Entry(SOMEBODY, lambda world: {"username": world.asking.username, "email": f"{world.asking.username}@example.org"}),
    "users.delete_me": Entry(SOMEBODY, body(password=PASSWORD), spends="person"),
    "users.export_me": Entry(SOMEBODY),
    "users.replace_my_settings": Entry(SOMEBODY, body(theme="dark")),
    # universes
    "universes.list_universes": Entry(ANYBODY),
    "universes.create": Entry(SOMEBODY, body(name="Another")),
    "universes.read": Entry(Action.READ),
    "universes.replace": Entry(Action.EDIT, lambda world: {"name": "Put", "visibility": world.visibility}),
    "universes.change": Entry(Action.EDIT, body(name="Changed")),
    "universes.delete": Entry(Action.MANAGE, spends="world"),
    "universes.restore_deleted": Entry(Action.MANAGE),
    "universes.read_harmony": Entry(Action.READ),
    "universes.replace_harmony": Entry(Action.EDIT, body(key="D")),
    "universes.read_document": Entry(Action.READ),
    "universes.list_collaborators": Entry(Action.INSPECT),
    "universes.add_collaborator": Entry(Action.MANAGE, lambda world: {"user_id": world.spare.id, "role": "viewer"}, spends="world"),
    "universes.change_collaborator": Entry(Action.MANAGE, body(role="editor")),
    "universes.remove_collaborator": Entry(Action.MANAGE, spends="world"),
    "universes.transfer": Entry(Action.MANAGE, lambda world: {"user_id": world.people[Role.EDITOR].id}, spends="world"),
    "universes.list_share_links": Entry(Action.MANAGE),
    "universes.make_share_link": Entry(Action.MANAGE, body(role="viewer")),
    "universes.revoke_share_link": Entry(Action.MANAGE, spends="world"),
    "shared.read_shared": Entry(ANYBODY),
    "shared.join_shared": Entry(SOMEBODY, spends="world"),
    "history.list_history": Entry(Action.INSPECT),
    "history.undo_last": Entry(Action.EDIT, done=(200, 409)),
    "history.redo_last": Entry(Action.EDIT, done=(200, 409)),
    "history.read_at": Entry(Action.INSPECT),
    "history.read_diff": Entry(Action.INSPECT, query=lambda world: "from=1&to=2"),
    "history.restore_revision": Entry(Action.MANAGE, body(revision=1), spends="world"),
    "history.list_versions": Entry(Action.INSPECT),
    "history.make_version": Entry(Action.EDIT, lambda world: {"name": f"Version {next(_numbers)}"}),
    "history.delete_version": Entry(Action.EDIT, spends="world"),
    "chat.list_chat": Entry(Action.INSPECT),
    # scenes
    "scenes.list_scenes": Entry(Action.READ, query=of_universe),
    "scenes.create_scene": Entry(Action.EDIT, body(name="B"), query=of_universe),
    "universe-scenes.list_scenes_of": Entry(Action.READ),
    "universe-scenes.create_scene_in": Entry(Action.EDIT, body(name="B"), spends="world"),
    "scenes.reorder_scenes": Entry(Action.EDIT, lambda world: {"universe_id": world.ids["universe_id"], "scene_ids": world.scenes()}),
    "scenes.get_scene": Entry(Action.READ),
    "scenes.get_tuning": Entry(Action.READ),
    "scenes.replace_scene": Entry(Action.EDIT, body(name="Put")),
    "scenes.change_scene": Entry(Action.EDIT, body(duration_s=1.5)),
    "scenes.delete_scene": Entry(Action.EDIT, spends="world"),
    "scenes.duplicate_scene": Entry(Action.EDIT, body()),
    "scenes.apply_style": Entry(Action.EDIT, body(style="marimba"), spends="world"),
    "scenes.get_effective": Entry(Action.READ),
    **parts("bodies", body(**BALL), {"mass": 2.0}),
    **parts("constraints", pin, {"break_force": 5.0}),
    **parts("voices", body(name="V"), {"pan": 0.5}),
    **parts("mappings", mapping, {"polarity": -1}),
    # physics
    "physics-parameters.list_sets": Entry(Action.READ, query=of_universe),
    "physics-parameters.create_set": Entry(Action.EDIT, body(name="more"), query=of_universe),
    "physics-parameters.get_set": Entry(Action.READ),
    "physics-parameters.replace_set": Entry(Action.EDIT, body(name="put")),
    "physics-parameters.change_set": Entry(Action.EDIT, body(friction=0.3)),
    "physics-parameters.delete_set": Entry(Action.EDIT, spends="world"),
    "physics-parameters.apply_set": Entry(Action.EDIT),
    "physics-parameters.reset_set": Entry(Action.EDIT),
    "physics-parameters.get_of_universe": Entry(Action.READ),
    "physics-parameters.get_of_scene": Entry(Action.READ),
    "physics-parameters.get_catalogue": Entry(ANYBODY),
    "physics-parameters.get_presets": Entry(ANYBODY),
    "physics-parameters.validate_set": Entry(ANYBODY, body(friction=0.3)),
    # reference
    "reference.list_systems": Entry(ANYBODY),
    "reference.get_system": Entry(ANYBODY),
    "reference.list_templates": Entry(ANYBODY),
    "reference.get_template": Entry(ANYBODY),
    "universes-from-reference.create_from_reference": Entry(SOMEBODY, body(system="TRAPPIST-1")),
    "universes-from-reference.create_from_template": Entry(SOMEBODY, body(template="bouncing ball")),
    # simulations and scores
    "simulations.simulate": Entry(Action.PERFORM, body()),
    "simulations.write_score": Entry(Action.PERFORM, body()),
    "simulations.suggest": Entry(Action.PERFORM, body()),
    "simulations.get_suggestions": Entry(Action.READ),
    "simulations.get_simulation": Entry(Action.READ),
    "simulations.get_trajectory": Entry(Action.READ, done=NOT_FINISHED),
    "simulations.get_events": Entry(Action.READ, done=NOT_FINISHED),
    "simulations.get_conservation": Entry(Action.READ, done=NOT_FINISHED),
    "simulations.get_score": Entry(Action.READ),
    "simulations.get_notes": Entry(Action.READ, done=NOT_FINISHED),
    "simulations.get_midi": Entry(Action.READ, done=NOT_FINISHED),
    "simulations.get_midi_report": Entry(Action.READ, done=NOT_FINISHED),
    "simulations.draw_score": Entry(Action.READ, done=NOT_FINISHED),
    "simulations.get_table": Entry(Action.READ, done=NOT_FINISHED),
    # uploaded sounds; a body that is no sound is refused to whoever may send one
    "materials.upload": Entry(SOMEBODY, body(), query=lambda world: "name=none&license=CC0-1.0", done=(422,)),
    "materials.list_materials": Entry(SOMEBODY),
    "materials.get_material": Entry(OWN),
    "materials.get_file": Entry(OWN),
    "materials.delete_material": Entry(OWN, spends="world"),
    # audio; a render is its maker's and the universe's owner's, here one person
    "audio.generate": Entry(Action.PERFORM, lambda world: {"scene_id": world.ids["scene_id"], "duration_s": 0.5}),
    "simulations.render_universe": Entry(Action.PERFORM, body()),
    "audio.list_audio": Entry(ANYBODY, query=of_universe),
    "audio.list_tracks": Entry(ANYBODY, query=of_universe),
    "audio.get_audio": Entry(Action.READ),
    "audio.rename_audio": Entry(Action.MANAGE, body(name="Renamed")),
    "audio.delete_audio": Entry(Action.MANAGE, spends="world"),
    "audio.link_file": Entry(Action.READ, done=NOT_FINISHED),
    **{
        f"audio.{view}": Entry(Action.READ, done=NOT_FINISHED)
        for view in (
            "get_file",
            "get_score",
            "get_midi",
            "get_midi_report",
            "get_table",
            "get_events",
            "get_report",
            "get_waveform",
            "draw_waveform",
            "draw_spectrogram",
            "draw_score",
            "list_stems",
            "get_stem",
        )
    },
    "music.list_instruments": Entry(ANYBODY),
    "music.list_rooms": Entry(ANYBODY),
    "music.list_scales": Entry(ANYBODY),
    "music.list_tunings": Entry(ANYBODY),
    "music.list_styles": Entry(ANYBODY),
    "music.get_scale_file": Entry(ANYBODY),
    "music.get_tuning_file": Entry(ANYBODY),
    "music.read_scala_files": Entry(ANYBODY, body(scl="fifths\n2\n3/2\n2/1\n")),
    "tunings.list_tunings": Entry(SOMEBODY),
    "tunings.keep_tuning": Entry(SOMEBODY, body(name="fifths", tuning={"type": "custom", "degrees": ["3/2", "2/1"]})),
    "tunings.get_tuning": Entry(OWN),
    "tunings.get_scale": Entry(OWN),
    "tunings.get_keyboard": Entry(OWN),
    "tunings.delete_tuning": Entry(OWN, spends="world"),
    "music.convert_pitch": Entry(ANYBODY, body(hz=440)),
    # jobs
    "jobs.list_jobs": Entry(SOMEBODY),
    "jobs.get_job": Entry(OWN_OR_ADMIN),
    "jobs.cancel_job": Entry(OWN_OR_ADMIN, done=(200, 409)),
    "jobs.retry_job": Entry(OWN_OR_ADMIN, done=(200, 202, 409)),
}


def newcomer() -> dict[str, str]:
    name = f"newcomer{next(_numbers)}"
    return {"username": name, "email": f"{name}@example.org", "password": PASSWORD}


def routes(app: Flask) -> list[tuple[Rule, str]]:
    """Every rule and method; /api/v1 serves the same handlers, as the first test shows."""
    rules = [rule for rule in app.url_map.iter_rules() if not rule.rule.startswith("/api/v1") and not rule.rule.startswith("/socket.io")]
    found = [(rule, method) for rule in rules for method in sorted(rule.methods or ()) if method not in ("HEAD", "OPTIONS")]
    return sorted(found, key=lambda one: (one[0].rule, one[1]))


@dataclass
class World:
    """A universe of some visibility, with somebody of every role and one entity of every kind."""

    app: Flask
    visibility: str
    people: dict[Role, Any] = field(default_factory=dict)
    ids: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role in (Role.STRANGER, Role.VIEWER, Role.EDITOR, Role.OWNER, Role.ADMIN):
            self.people[role] = self.register(role)
        self.guest, self.spare = self.register(), self.register()
        self.build()

    def register(self, role: Role | None = None) -> Person:
        person = Person(self.app.test_client(), f"{role or 'other'}{next(_numbers)}", PASSWORD)
        if role is Role.ADMIN:
            with self.app.app_context():
                db.session.execute(sa.update(User).where(User.id == UUID(person.id)).values(role="admin"))
                db.session.commit()
        return person

    def build(self) -> None:
        """Make the universe and what it holds."""
        made = self.make
        universe = made("/universes", {"name": "One", "visibility": self.visibility})
        for who, role in ((self.people[Role.VIEWER], "viewer"), (self.people[Role.EDITOR], "editor"), (self.guest, "editor")):
            self.people[Role.OWNER].post(f"/universes/{universe}/collaborators", json={"user_id": who.id, "role": role})
        self.scene = made(f"/universes/{universe}/scenes", {"name": "A", "duration_s": 1.0})
        self.bodies = [made(f"/scenes/{self.scene}/bodies", BALL) for _ in range(2)]
        self.voice = made(f"/scenes/{self.scene}/voices", {"name": "V"})
        self.parts = {
            "bodies": self.bodies[1],
            "voices": self.voice,
            "mappings": made(f"/scenes/{self.scene}/mappings", mapping(self)),
            "constraints": made(f"/scenes/{self.scene}/constraints", pin(self)),
        }
        self.ids = {
            "universe_id": universe,
            "scene_id": self.scene,
            "voice_id": self.voice,
            "set_id": made("/physics-parameters", {"name": "set", "universe_id": universe}),
            "user_id": self.guest.id,
            **self.share_link(universe),
            "revision": 2,
            "tuning_id": made("/audio/tunings/custom", {"name": "fifths", "tuning": {"type": "custom", "degrees": ["3/2", "2/1"]}}),
            "version_id": made(f"/universes/{universe}/versions", {"name": "first"}),
            **self.artefacts(),
        }

    def share_link(self, universe: str) -> dict[str, str]:
        made = self.people[Role.OWNER].post(f"/universes/{universe}/share-links", json={}).json
        return {"link_id": made["id"], "token": made["token"]}

    def artefacts(self) -> dict[str, str]:
        prefer = {"Prefer": "wait=0"}
        owner = self.people[Role.OWNER]
        render = owner.post("/audio/generate", json={"scene_id": self.scene, "duration_s": 0.5}, headers=prefer).json
        simulation = owner.post(f"/scenes/{self.scene}/simulate", json={}, headers=prefer).json
        score = owner.post(f"/scenes/{self.scene}/score", json={}, headers=prefer).json
        suggested = owner.post(f"/scenes/{self.scene}/suggest", json={}, headers=prefer).json
        material = owner.request("POST", "/audio/materials?name=tone&license=CC0-1.0", data=sound()).json
        return {
            "material_id": material["id"],
            "suggestions_id": suggested["suggestions"]["id"],
            "audio_id": render["audio"]["id"],
            "job_id": render["job"]["id"],
            "simulation_id": simulation["simulation"]["id"],
            "score_id": score["score"]["id"],
        }

    def make(self, path: str, json: dict[str, Any]) -> str:
        answer = self.people[Role.OWNER].post(path, json=json)
        assert answer.status_code == 201, (path, answer.text)
        found: str = answer.json["id"]
        return found

    def scenes(self) -> list[str]:
        listed = self.people[Role.OWNER].get(f"/universes/{self.ids['universe_id']}/scenes?limit=100").json["items"]
        return [scene["id"] for scene in listed]

    def path(self, rule: Rule) -> str:
        endpoint = rule.endpoint
        names = {**self.ids, "part_id": self.parts.get(endpoint.partition(".")[0]), "scale": "major", "tuning": "just"}
        names["session_id"] = self.sessions() if "session_id" in rule.arguments else None
        names["name"] = {"users": self.people[Role.OWNER].username, "reference": "trappist_1"}.get(endpoint.partition(".")[0], "docs.js")
        with self.app.test_request_context():
            built = self.app.url_map.bind("").build(endpoint, {name: names[name] for name in rule.arguments})
        return str(built)

    def sessions(self) -> str:
        found: str = self.people[Role.OWNER].get("/auth/sessions").json["items"][0]["id"]
        return found

    def ask(self, rule: Rule, method: str, entry: Entry, role: Role) -> int:
        """The status that somebody of a role is answered."""
        self.asking = self.people.get(role, self.people[Role.OWNER])
        path = self.path(rule) + (f"?{entry.query(self)}" if entry.query else "")
        headers = {"Prefer": "wait=0"}
        if role is not Role.ANONYMOUS:
            headers["Authorization"] = f"Bearer {self.asking.token}"
        json = entry.json(self) if entry.json else None
        status: int = self.app.test_client().open(path, method=method, headers=headers, json=json).status_code
        return status

    def renew(self, spent: str, role: Role) -> None:
        """Make anew what a request has used up."""
        if spent == "login":
            person = self.people[role]
            answer = person.client.post("/api/auth/login", json={"username": person.username, "password": PASSWORD}).json
            person.token = answer["access_token"]
        elif spent:
            if spent == "person":
                self.people[role] = self.register(role)
            self.build()


def expected(entry: Entry, role: Role, visibility: str) -> int | None:
    """The refusal that an actor of a role meets, or None when they may."""
    if isinstance(entry.rule, Action):
        return refusal(entry.rule, role, visibility)
    if entry.rule == ANYBODY:
        return None
    if entry.rule == NOBODY or role is Role.ANONYMOUS:
        return 401
    mine = {Role.OWNER, Role.ADMIN} if entry.rule == OWN_OR_ADMIN else {Role.OWNER}
    return None if entry.rule == SOMEBODY or role in mine else 404


def refusal(action: Action, role: Role, visibility: str) -> int | None:
    """What the table says of an action: None, or 401, 403 or 404. Everything but reading needs a login."""
    allowed = ALLOWED[visibility][role]
    if action in allowed:
        return None
    if role is Role.ANONYMOUS and action is not Action.READ:
        return 401
    return 403 if Action.READ in allowed else 404


def test_every_route_has_an_entry_and_every_entry_a_route(app: Flask) -> None:
    endpoints = {rule.endpoint for rule, _ in routes(app)}
    assert endpoints == set(ENTRIES)


def test_the_second_prefix_serves_the_same_handlers(app: Flask) -> None:
    second = {rule.rule.replace("/api/v1/", "/api/", 1): rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/v1")}
    first = {rule.rule: rule for rule, _ in routes(app) if rule.rule.startswith("/api")}
    assert second.keys() == first.keys()
    for path, rule in second.items():
        assert rule.endpoint == f"v1-{rule.endpoint.removeprefix('v1-')}", path


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Makes databases of the kind that the suite runs on; other tests empty theirs while a world lives."""
    server = os.environ.get("TEST_DATABASE_URL", "")
    with ExitStack() as stack:
        yield (
            lambda: (
                stack.enter_context(fresh_postgresql(server)) if server else f"sqlite:///{tmp_path_factory.mktemp('database') / 'world.db'}"
            )
        )


@pytest.fixture(scope="module", params=VISIBILITIES)
def world(request: pytest.FixtureRequest, databases: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of each visibility, made once, with an application of its own."""
    folder = str(tmp_path_factory.mktemp("world"))
    app = create_app(
        {}, flask_env="testing", database_url=databases(), data_dir=folder, rate_limits=False, log_level="critical", **QUICK_PASSWORDS
    )
    with app.app_context():
        db.create_all()
    yield World(app, request.param)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("role", list(Role))
def test_every_route_answers_every_actor_as_the_table_says(world: World, role: Role) -> None:
    wrong = []
    for rule, method in routes(world.app):
        entry = ENTRIES[rule.endpoint]
        status, refused = world.ask(rule, method, entry, role), expected(entry, role, world.visibility)
        if refused is None:
            world.renew(entry.spends, role)
        if (status != refused) if refused is not None else (status not in entry.done):
            wrong.append(f"{method} {rule.rule}: {status}, not {refused or entry.done}")
    assert wrong == []


# The table itself


def problem_of(actor: Actor, action: Action, **universe: Any) -> type[Problem] | None:
    try:
        require(actor, action, **universe)
    except Problem as problem:
        return type(problem)
    return None


ACTORS = {
    Role.ANONYMOUS: (ANONYMOUS, None),
    Role.STRANGER: (Actor(uuid4()), None),
    Role.VIEWER: (Actor(uuid4()), "viewer"),
    Role.EDITOR: (Actor(uuid4()), "editor"),
    Role.OWNER: (Actor(uuid4()), "owner"),
    Role.ADMIN: (Actor(uuid4(), admin=True), None),
}
PROBLEMS = {None: None, 401: TokenInvalid, 403: Forbidden, 404: NotFound}


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("role", list(Role))
def test_require_answers_as_the_table_says(role: Role, visibility: str) -> None:
    actor, membership = ACTORS[role]
    assert role_of(actor, membership) is role
    for action in Action:
        found = problem_of(actor, action, visibility=visibility, membership=membership)
        hidden = Action.READ not in ALLOWED[visibility][role]
        assert found is (NotFound if hidden else PROBLEMS[refusal(action, role, visibility)]), (action, found)


@pytest.mark.parametrize("role", list(Role))
def test_a_deleted_universe_is_not_found_by_readers_and_gone_to_writers(role: Role) -> None:
    actor, membership = ACTORS[role]
    for action in Action:
        found = problem_of(actor, action, visibility="public", membership=membership, deleted=True)
        assert found is (Gone if action in (Action.EDIT, Action.MANAGE) else NotFound), (action, found)


def test_an_administrator_who_is_a_member_has_the_members_rights() -> None:
    assert role_of(Actor(uuid4(), admin=True), "editor") is Role.EDITOR


@pytest.mark.parametrize("role", list(Role))
def test_sql_sees_the_universes_that_require_lets_read(app: Flask, person: Callable, role: Role) -> None:
    owner, somebody = person("ada"), person("bob")
    ids = {}
    for visibility in VISIBILITIES:
        for deleted in (False, True):
            universe = owner.post("/universes", json={"name": "One", "visibility": visibility}).json["id"]
            if role in (Role.VIEWER, Role.EDITOR):
                owner.post(f"/universes/{universe}/collaborators", json={"user_id": somebody.id, "role": role})
            if deleted:
                owner.delete(f"/universes/{universe}")
            ids[UUID(universe)] = visibility, deleted
    who = {Role.ANONYMOUS: None, Role.OWNER: UUID(owner.id)}.get(role, UUID(somebody.id))
    actor = Actor(who, admin=role is Role.ADMIN)
    membership = role.value if role in (Role.VIEWER, Role.EDITOR, Role.OWNER) else None
    readable = {
        universe
        for universe, (visibility, deleted) in ids.items()
        if problem_of(actor, Action.READ, visibility=visibility, membership=membership, deleted=deleted) is None
    }
    listed = {universe for universe in readable if ids[universe][0] == "public" or membership or role is Role.ADMIN}
    with app.app_context():
        assert set(db.session.scalars(sa.select(Universe.id).where(readable_by(actor)))) == readable
        assert set(db.session.scalars(sa.select(Universe.id).where(visible_to(actor)))) == listed
