"""Makes universes, scenes and what they hold through the API, for tests of any room."""

from __future__ import annotations

from typing import Any


def made(answer: Any) -> Any:
    """The JSON of a successful creation."""
    assert answer.status_code == 201, answer.text
    return answer.json


def make_universe(person: Any, **fields: Any) -> str:
    """A new universe's id."""
    return made(person.post("/universes", json={"name": "Orrery", **fields}))["id"]


def make_scene(person: Any, universe_id: str, **fields: Any) -> dict[str, Any]:
    """A new scene."""
    return made(person.post(f"/universes/{universe_id}/scenes", json={"name": "Scene", **fields}))


def make_part(person: Any, scene_id: str, collection: str, **fields: Any) -> dict[str, Any]:
    """A new body, constraint, voice or mapping."""
    return made(person.post(f"/scenes/{scene_id}/{collection}", json=fields))


def make_body(person: Any, scene_id: str, name: str = "Ball", **fields: Any) -> dict[str, Any]:
    """A new body."""
    return make_part(person, scene_id, "bodies", name=name, **fields)


def make_set(person: Any, **fields: Any) -> dict[str, Any]:
    """A new set of physics parameters, of the universe_id or scene_id among the fields."""
    return made(person.post("/physics-parameters", json={"name": "Physics", **fields}))


def refusal(answer: Any) -> Any:
    """The errors of a 422."""
    assert answer.status_code == 422, f"{answer.status_code} {answer.text}"
    return answer.json["errors"]


def names(answer: Any) -> list[str]:
    """The names of a list's items, in order."""
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json["items"]]
