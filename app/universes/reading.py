"""Universes as they are read: who may, and the bytes of the answer.

What a universe holds at a revision never changes, so the bytes of an answer are kept by (id, revision, form) and served
again once a statement has told the present revision and that the caller may read it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from flask import Response, current_app, request
from sqlalchemy import and_, bindparam, select

from app.access import HOLDER, Action, Actor, caller_params, confirmed, require
from app.changes.content import Document, document_of, entity_json
from app.changes.editable import EDITABLE
from app.changes.entities import universe_json
from app.errors import NotFound
from app.extensions import db
from app.pages import Page
from app.universes.models import Membership, Universe

Key = tuple[UUID | str, int, str]
"""Which universe (in a list by the text of its id), at which revision, in which form."""
_UNIVERSES: Any = Universe.__table__
_MEMBERS: Any = Membership.__table__
_MODEL: Any = Universe

_STANDING = (
    select(_UNIVERSES.c.revision, _UNIVERSES.c.visibility, _UNIVERSES.c.deleted_at, _MEMBERS.c.role, HOLDER)
    .outerjoin(_MEMBERS, and_(_MEMBERS.c.universe_id == _UNIVERSES.c.id, _MEMBERS.c.user_id == bindparam("caller")))
    .where(_UNIVERSES.c.id == bindparam("universe_id"))
)
_UNIVERSE = select(_UNIVERSES).where(_UNIVERSES.c.id == bindparam("universe_id"))
_SEVERAL = select(_UNIVERSES).where(_UNIVERSES.c.id.in_(bindparam("ids", expanding=True)))
_NO_ITEMS = b'{"items":['
_IN_SCENES = ("bodies", "constraints", "voices", "mappings")


class Kept:
    """Bytes by key, the least recently used thrown away once they are more than `most`."""

    def __init__(self, most: int) -> None:
        self.most, self.size = most, 0
        self._found: OrderedDict[Key, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> bytes | None:
        """The bytes of a key, if they are still kept."""
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def several(self, keys: Iterable[Key]) -> list[bytes | None]:
        """The bytes of some keys, None for those not kept; being listed does not make them more recent."""
        with self._lock:
            return [self._found.get(key) for key in keys]

    def put(self, key: Key, text: bytes) -> None:
        """Keep the bytes of a key."""
        if len(text) > self.most:
            return
        with self._lock:
            self.size += len(text) - len(self._found.pop(key, b""))
            self._found[key] = text
            while self.size > self.most:
                self.size -= len(self._found.popitem(last=False)[1])


def revision_for(actor: Actor, universe_id: UUID, action: Action = Action.READ) -> int:
    """The present revision of a universe to which the actor may do this; their session is looked up beside.

    Raises TokenRevoked, NotFound for an unknown, deleted or invisible one, Forbidden for one where the role is too low.
    """
    params = {"universe_id": universe_id, **caller_params(actor)}
    found = db.session.connection().execute(_STANDING, params).first()
    if found is None:
        confirmed(actor, db.session.connection().execute(select(HOLDER), caller_params(actor)).scalar())
        raise NotFound
    actor = confirmed(actor, found.holder)
    require(actor, action, visibility=found.visibility, membership=found.role, deleted=found.deleted_at is not None)
    revision: int = found.revision
    return revision


def answer(actor: Actor, universe_id: UUID, form: str, build: Callable[[UUID], tuple[int, Any]]) -> Response:
    """The response with a universe in some form, its ETag the revision; 304 to who has it already.

    `build` reads the universe and answers its revision, read last, and the JSON value.
    """
    return answer_at(universe_id, revision_for(actor, universe_id), form, build)


def answer_at(universe_id: UUID, revision: int, form: str, build: Callable[[UUID], tuple[int, Any]]) -> Response:
    """The same, for who may see the universe at this revision, whoever that is."""
    if request.if_none_match.contains_weak(str(revision)):
        return _tagged(Response(status=304), revision)
    kept = _kept()
    text = kept.get((universe_id, revision, form))
    if text is None:
        revision, text = _settled(universe_id, build, revision)
        kept.put((universe_id, revision, form), text)
    return _tagged(Response(text, content_type="application/json"), revision)


def listed(page: Page) -> Response:
    """The response with a page of the keys and revisions of universes: their own fields but the harmony."""
    shown = _listed([(row[-1], row[0], "listed") for row in page.rows])  # the key is last, the revision first
    rest = orjson.dumps(page.answer([]))[len(_NO_ITEMS) :]  # what follows the items
    return Response(b"".join((_NO_ITEMS, b",".join(shown), rest)), content_type="application/json")


def _listed(keys: Sequence[Key]) -> list[bytes]:
    """Universes as lists have them, in JSON; those that are not kept are read in one statement."""
    kept = _kept()
    found = dict(zip((key[0] for key in keys), kept.several(keys), strict=True))
    missing = {UUID(str(universe_id)): universe_id for universe_id, text in found.items() if text is None}
    if missing:
        for row in db.session.connection().execute(_SEVERAL, {"ids": list(missing)}).mappings():
            universe_id = missing[row["id"]]
            fields = universe_json(row)
            del fields["harmony"]  # as long as all the rest
            text = found[universe_id] = orjson.dumps(fields)
            kept.put((universe_id, row["revision"], "listed"), text)
    return [text for text in found.values() if text is not None]


def with_scenes(universe_id: UUID) -> tuple[int, Document]:
    """A universe's own fields, its active parameter set, and its scenes without what they hold."""
    active = _active_set(universe_id)
    scenes = _scenes(universe_id)
    row = _row(universe_id)
    return row["revision"], {**universe_json(row), "physics_parameters": active, "scenes": scenes}


def with_contents(universe_id: UUID) -> tuple[int, Document]:
    """The same, with what each scene holds."""
    active = _active_set(universe_id)
    scenes = _scenes(universe_id)
    held = _held(universe_id, entity_json)
    row = _row(universe_id)
    full = [{**scene, **held[scene["id"]]} for scene in scenes]
    return row["revision"], {**universe_json(row), "physics_parameters": active, "scenes": full}


def document(universe_id: UUID) -> tuple[int, Document]:
    """The document: all that people put in, in order, without counters and times."""
    sets = [_own(EDITABLE["physics-parameters"].model, row) for row in _rows("physics-parameters", universe_id)]
    sets.sort(key=lambda one: (one["name"], one["id"]))  # an order that the content itself gives, at any revision
    scenes = [_own(EDITABLE["scenes"].model, row) for row in _rows("scenes", universe_id)]
    held = _held(universe_id, _own)
    row = _row(universe_id)
    full = [{**scene, **held[scene["id"]]} for scene in scenes]
    own = {key: value for key, value in document_of(_MODEL, row).items() if key != "deleted_at"}
    return row["revision"], {
        "id": str(universe_id),
        "revision": row["revision"],
        "universe": own,
        "physics_parameters": sets,
        "scenes": full,
    }


def document_now(universe_id: UUID) -> tuple[int, bytes]:
    """The present revision and the document as of it, in JSON. Raises NotFound."""
    revision = _row(universe_id)["revision"]
    text = _kept().get((universe_id, revision, "document"))
    if text is None:
        revision, text = _settled(universe_id, document, revision)
        _kept().put((universe_id, revision, "document"), text)
    return revision, text


def harmony(universe_id: UUID) -> tuple[int, Document]:
    """A universe's harmony."""
    row = _row(universe_id)
    return row["revision"], row["harmony"]


def _settled(universe_id: UUID, build: Callable[[UUID], tuple[int, Any]], revision: int) -> tuple[int, bytes]:
    """The bytes of one revision: read again when a change was committed between the statements."""
    while (found := build(universe_id))[0] != revision:
        revision = found[0]
    return revision, orjson.dumps(found[1])


def _tagged(response: Response, revision: int) -> Response:
    response.headers["ETag"] = f'"{revision}"'
    response.headers["X-Universe-Revision"] = str(revision)
    return response


def _kept() -> Kept:
    found: Kept | None = current_app.extensions.get("kept_universes")
    if found is None:
        found = current_app.extensions["kept_universes"] = Kept(current_app.config["SETTINGS"].document_cache_bytes)
    return found


def _row(universe_id: UUID) -> Mapping[Any, Any]:
    found = db.session.connection().execute(_UNIVERSE, {"universe_id": universe_id}).mappings().first()
    if found is None:
        raise NotFound
    return found


def _statement(collection: str) -> Any:
    kind = EDITABLE[collection]
    order = (kind.table.c.order_key,) if kind.ordered else (kind.table.c.created_at,)
    return select(kind.table).where(kind.table.c.universe_id == bindparam("universe_id")).order_by(*order, kind.table.c.id)


_STATEMENTS = {collection: _statement(collection) for collection in EDITABLE}
_SETS: Any = EDITABLE["physics-parameters"].table
_ACTIVE = select(_SETS).where(_SETS.c.universe_id == bindparam("universe_id"), _SETS.c.scene_id.is_(None), _SETS.c.active)


def _rows(collection: str, universe_id: UUID) -> Any:
    return db.session.connection().execute(_STATEMENTS[collection], {"universe_id": universe_id}).mappings()


def _active_set(universe_id: UUID) -> Document | None:
    row = db.session.connection().execute(_ACTIVE, {"universe_id": universe_id}).mappings().first()
    return None if row is None else entity_json(EDITABLE["physics-parameters"].model, row)


def _scenes(universe_id: UUID) -> list[Document]:
    model = EDITABLE["scenes"].model
    return [{**entity_json(model, row), "position": i} for i, row in enumerate(_rows("scenes", universe_id))]


def _held(universe_id: UUID, shown: Callable[[Any, Mapping[Any, Any]], Document]) -> defaultdict[str, dict[str, list[Document]]]:
    """What scenes hold, by scene and collection."""
    found: defaultdict[str, dict[str, list[Document]]] = defaultdict(lambda: {collection: [] for collection in _IN_SCENES})
    for collection in _IN_SCENES:
        model = EDITABLE[collection].model
        for row in _rows(collection, universe_id):
            found[str(row["scene_id"])][collection].append(shown(model, row))
    return found


def _own(model: Any, row: Mapping[Any, Any]) -> Document:
    return {"id": str(row["id"]), **document_of(model, row)}
