"""Universes and their members: made, listed, changed, handed on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.access import Action, Actor
from app.changes.intents import Intent, new_id
from app.changes.service import Done, commit_change, create_universe
from app.errors import Conflict, Invalid, NotFound
from app.extensions import db
from app.universes import reading
from app.universes.models import Membership, Universe
from app.universes.schemas import seed_of
from app.users.models import User

_UNIVERSES: Any = Universe.__table__
_MEMBERS: Any = Membership.__table__
_USERS: Any = User.__table__


def create(fields: Mapping[str, Any], head: Mapping[str, Any]) -> Done:
    """Make a universe; `head` holds the parts of an intent that every request carries. Raises Conflict for an id that is taken."""
    own = dict(fields)
    universe_id = own.pop("id", None) or new_id(head["actor"], head["op_id"])
    own["seed"] = own["seed"] or seed_of(universe_id)
    return create_universe(
        Intent(
            op="create",
            collection="universe",
            universe_id=universe_id,
            entity_id=universe_id,
            fields=own,
            **{**head, "if_match": None},
        )
    )


def change(universe_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any], **more: Any) -> Done:
    """Change some of a universe's own fields; with `replace` all of them."""
    return commit_change(alteration(universe_id, fields, head, **more))


def alteration(universe_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any], **more: Any) -> Intent:
    """The intent to change some of a universe's own fields, or all of them."""
    own = dict(fields)
    if "seed" in own:
        own["seed"] = own["seed"] or seed_of(universe_id)
    return _intent(universe_id, "update", own, head, **more)


def delete(universe_id: UUID, head: Mapping[str, Any]) -> Done:
    """Mark a universe deleted; its owner can bring it back."""
    return commit_change(_intent(universe_id, "delete", {}, head, action=Action.MANAGE))


def bring_back(universe_id: UUID, head: Mapping[str, Any]) -> Done:
    """Undo the deletion of a universe."""
    return commit_change(_intent(universe_id, "update", {"deleted_at": None}, head, action=Action.MANAGE))


def invite(universe_id: UUID, user_id: UUID, role: str, head: Mapping[str, Any]) -> Done:
    """Make somebody a member. Raises Conflict when they are one."""
    return _member(universe_id, user_id, {"role": role, "held": False}, head)


def give_role(universe_id: UUID, user_id: UUID, role: str, head: Mapping[str, Any]) -> Done:
    """Change a member's role. Raises NotFound when they are none, Conflict for the owner."""
    return _member(universe_id, user_id, {"role": role, "held": True}, head)


def remove(universe_id: UUID, user_id: UUID, head: Mapping[str, Any]) -> Done:
    """End a membership: the owner anybody's, everybody their own. Raises Conflict for the owner of a living universe."""
    action = Action.INSPECT if head["actor"].id == user_id else Action.MANAGE
    return _member(universe_id, user_id, {"role": None}, head, action)


def transfer(universe_id: UUID, user_id: UUID, head: Mapping[str, Any]) -> Done:
    """Hand a universe on to another member; the owner stays as an editor. Raises Invalid for a person who is no member."""
    if user_id == head["actor"].id:
        reading.revision_for(head["actor"], universe_id, Action.MANAGE)
        raise Conflict("You are the owner already.", errors={"user_id": ["Is the owner already."]})
    return _hand_over(universe_id, head["actor"], user_id, "editor", head)


def hand_over_or_delete(user_id: UUID) -> None:
    """End all memberships of somebody whose account is about to go, each through the log.

    Universes they own pass to the longest-standing editor; those without one are deleted.
    """
    actor = Actor(user_id)
    for universe_id, role, deleted_at in db.session.execute(_memberships_of(user_id)).all():
        if role == "owner" and deleted_at is None:
            _pass_on(universe_id, user_id)
        else:
            remove(universe_id, user_id, {"actor": actor})


def person_of(given: Mapping[str, Any]) -> UUID:
    """The id of the user whom an invitation names by user_id, username or email. Raises Invalid when there is none."""
    field = next(name for name in ("user_id", "username", "email") if name in given)
    columns = {"user_id": _USERS.c.id, "username": _USERS.c.username_folded, "email": _USERS.c.email_folded}
    value = given[field] if field == "user_id" else given[field].casefold()
    found: UUID | None = db.session.scalar(select(_USERS.c.id).where(columns[field] == value, _USERS.c.is_active))
    if found is None:
        raise Invalid(errors={field: ["There is no such user."]})
    return found


def member_json(person: Any, role: str, revision: int) -> dict[str, Any]:
    """A member as answered; `person` has the columns of a user."""
    user = {"id": str(person.id), "username": person.username, "display_name": person.display_name, "color": person.color}
    return {"user": user, "role": role, "revision": revision}


def member(user_id: UUID, role: str, done: Done) -> dict[str, Any]:
    """The member that a change made or changed, as it then was."""
    person = db.session.execute(select(_USERS).where(_USERS.c.id == user_id)).first()
    if person is None:
        raise NotFound
    return member_json(person, role, done.entity_revision)


def _intent(universe_id: UUID, op: str, fields: Mapping[str, Any], head: Mapping[str, Any], **more: Any) -> Intent:
    return Intent(op=op, collection="universe", universe_id=universe_id, entity_id=universe_id, fields=fields, **{**head, **more})


def _member(universe_id: UUID, user_id: UUID, fields: Mapping[str, Any], head: Mapping[str, Any], action: Action = Action.MANAGE) -> Done:
    return commit_change(
        Intent(op="member", collection="members", universe_id=universe_id, entity_id=user_id, fields=fields, action=action, **head)
    )


def _hand_over(universe_id: UUID, owner: Actor, heir: UUID, becomes: str | None, head: Mapping[str, Any]) -> Done:
    """The heir becomes the owner, and the owner `becomes` something else, in one row of the log."""
    steps = ((owner.id, {"role": becomes}), (heir, {"role": "owner", "held": True}))
    items = tuple(
        Intent(actor=owner, op="member", collection="members", universe_id=universe_id, entity_id=user_id, fields=fields)
        for user_id, fields in steps
    )
    return commit_change(Intent(op="batch", collection="members", universe_id=universe_id, items=items, action=Action.MANAGE, **head))


def _pass_on(universe_id: UUID, owner_id: UUID) -> None:
    """Hand a universe to its longest-standing editor, or delete it."""
    head = {"actor": Actor(owner_id)}
    while (heir := db.session.scalar(_longest_editor(universe_id))) is not None:
        with suppress(Invalid):  # the editor left in this moment: look for the next
            _hand_over(universe_id, head["actor"], heir, None, head)
            return
    delete(universe_id, head)
    remove(universe_id, owner_id, head)


def _memberships_of(user_id: UUID) -> Any:
    mine = select(_MEMBERS.c.universe_id, _MEMBERS.c.role, _UNIVERSES.c.deleted_at)
    return mine.join(_UNIVERSES, _UNIVERSES.c.id == _MEMBERS.c.universe_id).where(_MEMBERS.c.user_id == user_id)


def _longest_editor(universe_id: UUID) -> Any:
    editors = (_MEMBERS.c.universe_id == universe_id, _MEMBERS.c.role == "editor")
    return select(_MEMBERS.c.user_id).where(*editors).order_by(_MEMBERS.c.created_at, _MEMBERS.c.revision, _MEMBERS.c.user_id).limit(1)
