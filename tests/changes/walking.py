"""Random edit histories through the REST API: whatever is refused is refused, and nothing answers 500."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

SCALARS = ("time_scale", "linear_damping", "air_density", "restitution", "friction", "temperature")


class Walk:
    """Somebody who does one thing after another to a universe, and a friend whose role comes and goes."""

    def __init__(self, owner: Any, friend: Any, seed: int) -> None:
        self.owner, self.friend, self.random = owner, friend, random.Random(seed)
        self.universe: str = owner.post("/universes", json={"name": f"walk {seed}"}).json["id"]
        self.known: dict[str, list[str]] = {
            name: [] for name in ("scenes", "bodies", "constraints", "voices", "mappings", "physics-parameters")
        }
        self.done: list[tuple[str, int]] = []

    def take(self, steps: int) -> None:
        """Take some steps."""
        doings = [name for name in dir(self) if name.startswith("do_")]
        for _ in range(steps):
            name = self.random.choice(doings)
            answer = getattr(self, name)()
            if answer is not None:
                assert answer.status_code < 500, (name, answer.text)
                self.done.append((name, answer.status_code))

    @property
    def who(self) -> Any:
        return self.random.choice((self.owner, self.owner, self.friend))

    def some(self, collection: str) -> str | None:
        """An entity made some time ago; it may be deleted by now."""
        return self.random.choice(self.known[collection]) if self.known[collection] else None

    def number(self, low: float, high: float) -> float:
        return self.random.choice((low, high, round(self.random.uniform(low, high), 3), self.random.uniform(low, high)))

    def vector(self) -> dict[str, float]:
        return {axis: self.number(-10, 10) for axis in self.random.sample("xyz", self.random.randint(1, 3))}

    def made(self, collection: str, answer: Any) -> Any:
        if answer.status_code == 201:
            self.known[collection].append(answer.json["id"])
        return answer

    def in_scene(self, collection: str, body: Callable[[], dict[str, Any]]) -> Any:
        scene = self.some("scenes")
        return scene and self.made(collection, self.who.post(f"/scenes/{scene}/{collection}", json=body()))

    def do_make_scene(self) -> Any:
        body = {"name": self.random.choice("ABCDE"), "duration_s": self.number(1, 60)}
        return self.made("scenes", self.who.post(f"/universes/{self.universe}/scenes", json=body))

    def do_make_body(self) -> Any:
        return self.in_scene("bodies", lambda: {"name": "ball", "position": self.vector(), "mass": self.number(0.1, 10)})

    def do_make_body_again(self) -> Any:
        return self.do_make_body()

    def do_make_voice(self) -> Any:
        return self.in_scene("voices", lambda: {"name": "voice", "gain_db": self.number(-60, 6)})

    def do_make_mapping(self) -> Any:
        return self.in_scene(
            "mappings",
            lambda: {
                "voice_id": self.some("voices"),
                "trigger": {"type": "event", "event": "collision"},
                "source": {"bodies": "all", "quantity": "speed"},
                "target": "loudness",
                "domain": {"type": "explicit", "min": 0, "max": 10},
                "range": {"min": -40, "max": 0},
            },
        )

    def do_make_constraint(self) -> Any:
        return self.in_scene("constraints", lambda: {"kind": "pin", "body_id": self.some("bodies"), "anchor": {"x": 0, "y": 1, "z": 0}})

    def do_make_set(self) -> Any:
        scope = {"scene_id": self.some("scenes")} if self.random.random() < 0.4 else {"universe_id": self.universe}
        body = {"name": "set", "active": self.random.random() < 0.5, "custom": {"charge": {"value": 1.5, "unit": "C"}}}
        return self.made("physics-parameters", self.who.post("/physics-parameters", json={**body, **scope}))

    def do_change_set(self) -> Any:
        changes = [
            {"gravity": {"y": self.number(-20, 0)}},
            {self.random.choice(SCALARS): self.number(0.1, 1)},
            {"custom": {"charge": None}},
            {"custom": {"spin": {"value": self.number(0, 5), "unit": "1"}}},
            {"active": self.random.random() < 0.5},
            {"bounds": None},
        ]
        return self.patch("physics-parameters", self.random.choice(changes))

    def do_change_scene(self) -> Any:
        changes = [
            {"harmony": {"tempo_bpm": self.number(20, 400)}},
            {"harmony": {"tempo_bpm": None, "tuning": {"type": "just"}}},
            {"harmony": {"tuning": None}},
            {"timeline": {"markers": [{"time_s": 0.5, "name": "m"}]}},
            {"story": {"text": "once"}, "loop": True},
            {"transition": {"type": "crossfade", "seconds": self.number(0, 30)}},
        ]
        return self.patch("scenes", self.random.choice(changes))

    def do_change_body(self) -> Any:
        changes = [
            {"velocity": self.vector()},
            {"shape": "circle", "size": {"radius": self.number(0.1, 2)}},
            {"shape": "point", "size": {}},
            {"material": {"preset": "steel"}},
            {"material": None, "restitution": self.number(0, 1)},
            {"orbit": {"period": self.number(1, 100)}},
            {"orbit": {"eccentricity": self.number(0, 0.9)}},
            {"orbit": None},
        ]
        return self.patch("bodies", self.random.choice(changes))

    def do_change_voice(self) -> Any:
        return self.patch(
            "voices",
            self.random.choice([{"adsr": {"sustain": self.number(0, 1)}}, {"mute": True, "midi_program": 5}, {"midi_program": None}]),
        )

    def do_move(self) -> Any:
        collection = self.random.choice(("scenes", "bodies", "voices"))
        return self.patch(collection, {self.random.choice(("after_id", "before_id")): self.some(collection)})

    def do_reorder(self) -> Any:
        ids = [scene["id"] for scene in self.owner.get(f"/universes/{self.universe}").json["scenes"]]
        self.random.shuffle(ids)
        return self.who.post("/scenes/reorder", json={"universe_id": self.universe, "scene_ids": ids})

    def do_duplicate(self) -> Any:
        scene = self.some("scenes")
        return scene and self.made("scenes", self.who.post(f"/scenes/{scene}/duplicate", json={}))

    def do_apply_style(self) -> Any:
        scene, person = self.some("scenes"), self.who
        if scene is None:
            return None
        answer = person.post(f"/scenes/{scene}/apply-style", json={"style": self.random.choice(("marimba", "harp", "spheres"))})
        if answer.status_code == 200:
            for collection in ("voices", "mappings"):
                self.known[collection] += [one["id"] for one in person.get(f"/scenes/{scene}/{collection}").json["items"]]
        return answer

    def do_apply_set(self) -> Any:
        found = self.some("physics-parameters")
        return found and self.who.post(f"/physics-parameters/{found}/apply")

    def do_delete(self) -> Any:
        collection = self.random.choice(list(self.known))
        if collection == "scenes" and self.random.random() < 0.6:
            return None
        found = self.some(collection)
        return found and self.who.delete(f"/{collection}/{found}")

    def do_put_body(self) -> Any:
        found = self.some("bodies")
        return found and self.who.put(f"/bodies/{found}", json={"name": "put", "velocity": self.vector()})

    def do_change_universe(self) -> Any:
        changes = [
            {"name": self.random.choice("ABC")},
            {"tags": self.random.sample(["a", "b", "c"], 2)},
            {"harmony": {"key": self.random.choice("CDE"), "range": {"low_hz": self.number(16, 60)}}},
            {"visibility": self.random.choice(("private", "unlisted", "public"))},
            {"is_public": False},
            {"seed": None},
        ]
        return self.who.patch(f"/universes/{self.universe}", json=self.random.choice(changes))

    def do_change_friend(self) -> Any:
        path = f"/universes/{self.universe}/collaborators"
        chance = self.random.random()
        if chance < 0.3:
            return self.owner.delete(f"{path}/{self.friend.id}")
        if chance < 0.6:
            return self.owner.patch(f"{path}/{self.friend.id}", json={"role": self.random.choice(("viewer", "editor"))})
        return self.owner.post(path, json={"user_id": self.friend.id, "role": "editor"})

    def do_hand_over(self) -> Any:
        answer = self.owner.post(f"/universes/{self.universe}/transfer", json={"user_id": self.friend.id})
        if answer.status_code == 200:
            self.owner, self.friend = self.friend, self.owner
        return answer

    def do_undo(self) -> Any:
        return self.who.post(f"/universes/{self.universe}/undo")

    def do_undo_again(self) -> Any:
        return self.do_undo()

    def do_redo(self) -> Any:
        return self.who.post(f"/universes/{self.universe}/redo")

    def do_restore(self) -> Any:
        if self.random.random() < 0.7:
            return None
        head = int(self.owner.get(f"/universes/{self.universe}").headers["X-Universe-Revision"])
        body = {"revision": self.random.randint(max(1, head - 8), head)}
        return self.owner.post(f"/universes/{self.universe}/restore", json=body)

    def do_delete_and_bring_back(self) -> Any:
        if self.random.random() < 0.7:
            return None
        assert self.owner.delete(f"/universes/{self.universe}").status_code == 204
        assert self.who.patch(f"/universes/{self.universe}", json={"name": "gone"}).status_code in (404, 410)
        return self.owner.post(f"/universes/{self.universe}/restore-deleted")

    def patch(self, collection: str, body: dict[str, Any]) -> Any:
        found = self.some(collection)
        return found and self.who.patch(f"/{collection}/{found}", json=body)
