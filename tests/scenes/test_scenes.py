"""Scenes: made, listed, changed, ordered, copied, deleted."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from scenes.making import made, make_body, make_part, make_scene, make_set, make_universe, names, refusal


def test_a_new_scene_has_every_default_filled_in(scene: dict[str, Any], universe: str) -> None:
    assert scene["universe_id"] == universe
    assert scene["solver"] == "ballistic"
    assert scene["duration_s"] == 60.0
    assert scene["transition"] == {"type": "cut", "seconds": 0.0}
    assert scene["story"] == {"plot_point": "", "text": "", "harmony_tie": 0.0}
    assert scene["timeline"] == {"keyframes": [], "markers": []}
    assert scene["harmony"] == {}
    assert scene["revision"] == 2


def test_creation_answers_where_the_scene_is(ada: Any, universe: str) -> None:
    answer = ada.post(f"/scenes?universe_id={universe}", json={"title": "Rain"})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/scenes/{answer.json['id']}"
    assert answer.headers["X-Universe-Revision"] == "2"
    assert ada.get(f"/scenes/{answer.json['id']}").json == answer.json
    assert made(ada.post("/scenes", json={"name": "Snow", "universe_id": universe}))["name"] == "Snow"
    assert refusal(ada.post("/scenes", json={"name": "Nowhere"})) == {"universe_id": ["Missing data for required field."]}


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"name": " "}, ["name"], "between 1 and 100"),
        ({"name": "a\0b"}, ["name"], "NUL"),
        ({"name": "x", "title": "y"}, ["title"], "not both"),
        ({"name": "x", "colour": 1}, ["colour"], "Unknown field"),
        ({"name": "x", "solver": "magic"}, ["solver"], "ballistic, kepler"),
        ({"name": "x", "duration_s": 601}, ["duration_s"], "0.1 to 600 s"),
        ({"name": "x", "duration_s": {"value": 11, "unit": "minute"}}, ["duration_s"], "0.1 to 600 s"),
        ({"name": "x", "duration_s": {"value": 11, "unit": "m"}}, ["duration_s"], "another dimension"),
        ({"name": "x", "duration_s": "60"}, ["duration_s"], "Not a valid number"),
        ({"name": "x", "loop": 1}, ["loop"], "Not a valid boolean"),
        ({"name": "x", "transition": {"seconds": 31}}, ["transition", "seconds"], "0 to 30 s"),
        ({"name": "x", "story": {"text": "a" * 2001}}, ["story", "text"], "2000"),
        ({"name": "x", "harmony": {"key": "H"}}, ["harmony", "key"], ""),
        ({"name": "x", "harmony": {"range": {"low_hz": 500, "high_hz": 400}}}, ["harmony", "range", "low_hz"], "below"),
        ({"name": "x", "timeline": {"keyframes": [{"time_s": 1, "parameter": "colour", "value": 1}]}}, ["timeline", "keyframes"], ""),
        (
            {"name": "x", "timeline": {"keyframes": [{"time_s": 1, "parameter": "gravity.y", "value": {"value": 1, "unit": "kg"}}]}},
            ["timeline", "keyframes", "0", "value"],
            "m/s^2",
        ),
        (
            {"name": "x", "timeline": {"keyframes": [{"time_s": 1, "parameter": "gravity.y", "value": -1}] * 2}},
            ["timeline", "keyframes"],
            "two",
        ),
        ({"name": "x", "physics_parameters_id": str(uuid.uuid4())}, ["physics_parameters_id"], "this universe itself"),
    ],
)
def test_a_scene_that_is_not_valid_is_refused_and_named(
    ada: Any, universe: str, fields: dict[str, Any], path: list[str], words: str
) -> None:
    found = refusal(ada.post(f"/universes/{universe}/scenes", json=fields))
    for key in path:
        found = found[key]
    assert words in str(found)
    assert ada.get(f"/universes/{universe}/scenes").json["items"] == []


@pytest.mark.parametrize("text", ['{"name": "\xff"}', "{"])
def test_text_that_is_no_json_is_refused_before_anything_else(ada: Any, universe: str, text: str) -> None:
    answer = ada.post(f"/universes/{universe}/scenes", data=text.encode("latin-1"), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json["code"] == "BAD_PAYLOAD"


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e309"])
def test_a_number_that_is_none_is_refused_by_its_field_range_and_unit(ada: Any, universe: str, number: str) -> None:
    text = f'{{"name": "x", "duration_s": {number}}}'
    found = refusal(ada.post(f"/universes/{universe}/scenes", data=text, content_type="application/json"))
    assert "0.1 to 600 s" in str(found["duration_s"])


def test_at_most_a_thousand_keyframes_and_markers_fit(ada: Any, universe: str) -> None:
    frames = [{"time_s": i / 10, "parameter": "gravity.y", "value": -1} for i in range(600)]
    markers = [{"time_s": i, "name": f"m{i}"} for i in range(400)]
    scene = make_scene(ada, universe, timeline={"keyframes": frames, "markers": markers})
    assert len(scene["timeline"]["keyframes"]) == 600
    more = {"timeline": {"keyframes": frames, "markers": [*markers, {"time_s": 1, "name": "one more"}]}}
    assert "1000" in str(refusal(ada.patch(f"/scenes/{scene['id']}", json=more)))


def test_a_patch_merges_objects_and_replaces_the_timeline(ada: Any, universe: str) -> None:
    markers = [{"time_s": 1, "name": "one"}]
    scene = make_scene(ada, universe, story={"plot_point": "start", "text": "Once"}, timeline={"markers": markers}, harmony={"key": "D"})
    path = f"/scenes/{scene['id']}"
    changed = ada.patch(path, json={"story": {"text": "Twice"}, "timeline": {"markers": []}, "harmony": {"tempo_bpm": 90}}).json
    assert changed["story"] == {"plot_point": "start", "text": "Twice", "harmony_tie": 0.0}
    assert changed["timeline"] == {"keyframes": [], "markers": []}
    assert changed["harmony"] == {"key": "D", "tempo_bpm": 90.0}
    assert changed["name"] == "Scene"
    back = ada.patch(path, json={"harmony": {"key": None}, "duration_s": None, "story": None}).json
    assert back["harmony"] == {"tempo_bpm": 90.0}
    assert back["duration_s"] == 60.0
    assert back["story"] == {"plot_point": "", "text": "", "harmony_tie": 0.0}
    assert refusal(ada.patch(path, json={"name": None})) == {"name": ["Field may not be null."]}


def test_a_put_replaces_everything(ada: Any, universe: str) -> None:
    scene = make_scene(ada, universe, description="old", harmony={"key": "D"}, duration_s=10)
    path = f"/scenes/{scene['id']}"
    replaced = ada.put(path, json={"name": "New"}).json
    assert (replaced["name"], replaced["description"], replaced["harmony"], replaced["duration_s"]) == ("New", "", {}, 60.0)
    assert replaced["order_key"] == scene["order_key"]
    assert "name" in refusal(ada.put(path, json={"description": "nameless"}))


def test_preconditions_are_kept(ada: Any, scene: dict[str, Any]) -> None:
    path = f"/scenes/{scene['id']}"
    first = ada.get(path)
    assert first.headers["ETag"] == '"2"'
    assert ada.get(path, headers={"If-None-Match": '"2"'}).status_code == 304
    assert ada.patch(path, json={"name": "Other"}, headers={"If-Match": '"2"'}).headers["ETag"] == '"3"'
    assert ada.get(path, headers={"If-None-Match": '"2"'}).status_code == 200
    assert ada.patch(path, json={"name": "Third"}, headers={"If-Match": '"2"'}).status_code == 412
    assert ada.delete(path, headers={"If-Match": '"2"'}).status_code == 412
    assert ada.get(path).json["name"] == "Other"


def test_a_repeated_key_makes_one_scene(ada: Any, universe: str) -> None:
    once = [ada.post(f"/universes/{universe}/scenes", json={"name": "Once"}, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert [answer.status_code for answer in once] == [201, 201]
    assert once[0].json == once[1].json
    assert once[1].headers["Idempotent-Replayed"] == "true"
    other = ada.post(f"/universes/{universe}/scenes", json={"name": "Else"}, headers={"Idempotency-Key": "k1"})
    assert other.json["code"] == "OP_ID_REUSED"
    assert names(ada.get(f"/universes/{universe}/scenes")) == ["Once"]


def test_a_deleted_scene_is_gone_with_all_that_it_held(ada: Any, scene: dict[str, Any]) -> None:
    body = make_body(ada, scene["id"])
    path = f"/scenes/{scene['id']}"
    assert ada.delete(path).status_code == 204
    assert ada.get(path).status_code == 404
    assert ada.patch(path, json={"name": "x"}).status_code == 410
    assert ada.delete(path).status_code == 204
    assert ada.get(f"/bodies/{body['id']}").status_code == 404
    assert ada.patch(f"/bodies/{body['id']}", json={"mass": 2}).status_code == 410
    assert ada.post(f"{path}/bodies", json={"name": "late"}).status_code == 410
    assert ada.get(f"{path}/bodies").status_code == 404
    assert ada.get(f"/scenes/{uuid.uuid4()}").status_code == 404
    assert ada.delete(f"/scenes/{uuid.uuid4()}").status_code == 404


def test_scenes_are_listed_in_order_with_their_positions(ada: Any, universe: str) -> None:
    first = make_scene(ada, universe, name="first")
    make_scene(ada, universe, name="last")
    make_scene(ada, universe, name="second", after_id=first["id"])
    make_scene(ada, universe, name="zeroth", before_id=first["id"])
    listed = ada.get(f"/universes/{universe}/scenes?include=total").json
    assert [(item["name"], item["position"]) for item in listed["items"]] == [("zeroth", 0), ("first", 1), ("second", 2), ("last", 3)]
    assert listed["total"] == 4
    assert names(ada.get(f"/scenes?universe_id={universe}&sort=-name&limit=2")) == ["zeroth", "second"]
    assert names(ada.get(f"/scenes?universe_id={universe}&q=ST")) == ["first", "last"]
    assert [item["position"] for item in ada.get(f"/scenes?universe_id={universe}&q=last").json["items"]] == [3]
    assert names(ada.get(f"/scenes?universe_id={universe}&solver=kepler")) == []
    page = ada.get(f"/scenes?universe_id={universe}&limit=3").json
    rest = ada.get(f"/scenes?universe_id={universe}&limit=3&cursor={page['next_cursor']}").json
    assert [item["name"] for item in rest["items"]] == ["last"]
    assert rest["next_cursor"] is None
    assert ada.get(f"/scenes?universe_id={universe}&limit=101").status_code == 422


def test_a_list_of_all_scenes_shows_only_what_one_may_see(ada: Any, person: Any, universe: str, scene: dict[str, Any], client: Any) -> None:
    bob = person("bob")
    open_universe = make_universe(bob, visibility="public")
    make_scene(bob, open_universe, name="open")
    assert sorted(names(ada.get("/scenes"))) == ["Scene", "open"]
    assert names(bob.get("/scenes")) == ["open"]
    assert [item["name"] for item in client.get("/api/scenes").json["items"]] == ["open"]
    assert bob.get(f"/scenes?universe_id={universe}").status_code == 404
    assert bob.get(f"/scenes/{scene['id']}").status_code == 404
    assert bob.patch(f"/scenes/{scene['id']}", json={"name": "mine"}).status_code == 404
    assert ada.patch(f"/scenes/{bob.get('/scenes').json['items'][0]['id']}", json={"name": "mine"}).status_code == 403


def test_reordering_takes_an_exact_permutation(ada: Any, universe: str) -> None:
    ids = [make_scene(ada, universe, name=name)["id"] for name in "abc"]
    turned = [ids[2], ids[0], ids[1]]
    answer = ada.post("/scenes/reorder", json={"universe_id": universe, "scene_ids": turned})
    assert answer.status_code == 200
    assert answer.json == {"universe_id": universe, "scene_ids": turned, "revision": 5}
    assert names(ada.get(f"/universes/{universe}/scenes")) == ["c", "a", "b"]
    for wrong in (ids[:2], [*ids, ids[0]], [ids[0], ids[0], ids[1]], [*ids[:2], str(uuid.uuid4())]):
        found = refusal(ada.post("/scenes/reorder", json={"universe_id": universe, "scene_ids": wrong}))
        assert found == {"scene_ids": ["Must name each of the 3 scenes exactly once."]}


def test_a_patch_with_a_neighbour_alone_moves(ada: Any, universe: str) -> None:
    ids = [make_scene(ada, universe, name=name)["id"] for name in "abc"]
    assert ada.patch(f"/scenes/{ids[2]}", json={"before_id": ids[0]}).status_code == 200
    assert ada.patch(f"/scenes/{ids[0]}", json={"after_id": ids[1]}).status_code == 200
    assert names(ada.get(f"/universes/{universe}/scenes")) == ["c", "b", "a"]
    assert "name" in refusal(ada.patch(f"/scenes/{ids[0]}", json={"after_id": ids[1], "name": "x"}))
    assert "before_id" in refusal(ada.patch(f"/scenes/{ids[0]}", json={"after_id": ids[1], "before_id": ids[2]}))
    assert "after_id" in refusal(ada.patch(f"/scenes/{ids[0]}", json={"after_id": str(uuid.uuid4())}))


def test_a_scene_may_use_another_set_of_its_universe_but_none_of_elsewhere(ada: Any, universe: str, scene: dict[str, Any]) -> None:
    make_set(ada, universe_id=universe, name="Earth")
    moon = make_set(ada, universe_id=universe, name="Moon", gravity=1.62)
    other = make_set(ada, universe_id=make_universe(ada))
    own = make_set(ada, scene_id=scene["id"], restitution=0.5)
    path = f"/scenes/{scene['id']}"
    for wrong in (other, own):
        assert "physics_parameters_id" in refusal(ada.patch(path, json={"physics_parameters_id": wrong["id"]}))
    assert ada.patch(path, json={"physics_parameters_id": moon["id"]}).json["physics_parameters_id"] == moon["id"]
    gravity = ada.get(f"{path}/effective").json["physics"]["gravity.y"]
    assert (gravity["value"], gravity["id"]) == (-1.62, moon["id"])
    refused = ada.delete(f"/physics-parameters/{moon['id']}")
    assert refused.status_code == 409
    assert "Scene" in refused.json["message"]


def test_a_universe_holds_at_most_two_hundred_scenes(ada: Any, universe: str, app: Any) -> None:
    settings = app.config["SETTINGS"]
    object.__setattr__(settings, "max_scenes", 2)
    try:
        make_scene(ada, universe)
        make_scene(ada, universe)
        assert "at most 2 scenes" in str(refusal(ada.post(f"/universes/{universe}/scenes", json={"name": "third"})))
    finally:
        object.__setattr__(settings, "max_scenes", 200)


def _everything(ada: Any, scene_id: str) -> None:
    """A scene of every kind of content, with every kind of reference in it."""
    make_set(ada, scene_id=scene_id, restitution=0.7, custom={"wind": {"value": 3, "unit": "m/s"}})
    one = make_body(ada, scene_id, "one", shape="circle", size={"radius": 0.5}, position={"y": 3}, restitution=0.9)
    two = make_body(ada, scene_id, "two", position={"x": 2, "y": 3}, orbit={"period": 10, "parent_body_id": one["id"]}, before_id=one["id"])
    make_part(ada, scene_id, "constraints", kind="distance", body_id=one["id"], other_body_id=two["id"], rest_length=1)
    voice = make_part(ada, scene_id, "voices", name="Bars", parameters={"decay_s": 2})
    trigger = {"type": "event", "event": "collision"}
    source = {"bodies": [one["id"], two["id"]], "quantity": "speed"}
    pitch = make_part(
        ada, scene_id, "mappings", voice_id=voice["id"], trigger=trigger, source=source, target="pitch", range={"min": 100, "max": 900}
    )
    make_part(
        ada, scene_id, "mappings", voice_id=voice["id"], trigger=trigger, source={"mapping_id": pitch["id"]}, target="pan",
        range={"min": -1, "max": 1}, before_id=pitch["id"],
    )  # fmt: skip


def _without_ids(value: Any, ids: dict[str, str]) -> Any:
    """A document with every id told by the order of its first appearance."""
    if isinstance(value, dict):
        return {key: _without_ids(one, ids) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_ids(one, ids) for one in value]
    try:
        return ids.setdefault(str(uuid.UUID(value)), f"id {len(ids)}")
    except (ValueError, AttributeError, TypeError):
        return value


def test_a_copy_has_the_same_content_under_new_ids(ada: Any, universe: str) -> None:
    scene = make_scene(ada, universe, harmony={"key": "E"}, duration_s=5)
    make_scene(ada, universe, name="after")
    _everything(ada, scene["id"])
    copy = made(ada.post(f"/scenes/{scene['id']}/duplicate"))
    assert copy["name"] == "Scene copy"
    assert names(ada.get(f"/universes/{universe}/scenes")) == ["Scene", "Scene copy", "after"]
    old, new = (ada.get(f"/scenes/{one['id']}/effective").json for one in (scene, copy))
    assert _without_ids(old, {}) == _without_ids(new, {})
    assert old["physics"]["restitution"]["value"] == 0.7
    assert old["physics"]["restitution"]["id"] != new["physics"]["restitution"]["id"]
    for collection in ("bodies", "constraints", "voices", "mappings"):
        lists = [ada.get(f"/scenes/{one['id']}/{collection}").json["items"] for one in (scene, copy)]
        assert not {item["id"] for item in lists[0]} & {item["id"] for item in lists[1]}
        plain = [
            [{key: value for key, value in item.items() if key not in ("revision", "created_at", "updated_at")} for item in one]
            for one in lists
        ]
        assert _without_ids(plain[0], {universe: "u"}) == _without_ids(plain[1], {universe: "u"})
    ids = {item["id"] for item in ada.get(f"/scenes/{copy['id']}/bodies").json["items"]}
    linked = ada.get(f"/scenes/{copy['id']}/constraints").json["items"][0]
    assert {linked["body_id"], linked["other_body_id"]} == ids
    # The copy is one row of the log, and stands by itself.
    assert ada.delete(f"/scenes/{scene['id']}").status_code == 204
    assert ada.get(f"/scenes/{copy['id']}/effective").json == {**new}


def test_a_repeated_copy_is_the_first_one_again(ada: Any, scene: dict[str, Any], universe: str) -> None:
    make_body(ada, scene["id"])
    path, headers = f"/scenes/{scene['id']}/duplicate", {"Idempotency-Key": "copy-1"}
    first = ada.post(path, json={"name": "Twin"}, headers=headers)
    make_body(ada, scene["id"], "later")
    again = ada.post(path, json={"name": "Twin"}, headers=headers)
    assert again.status_code == 201
    assert again.json == first.json
    assert names(ada.get(f"/universes/{universe}/scenes")) == ["Scene", "Twin"]
    assert ada.post(path, json={"name": "Other"}, headers=headers).json["code"] == "OP_ID_REUSED"


def test_v1_is_the_same(ada: Any, universe: str) -> None:
    answer = ada.post(f"/v1/universes/{universe}/scenes", json={"name": "Scene"})
    assert answer.headers["Location"] == f"/api/v1/scenes/{answer.json['id']}"
    assert ada.get(f"/v1/scenes/{answer.json['id']}/").json == answer.json
