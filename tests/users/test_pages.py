"""Lists in pages, asked of a table of sixty rows with ties, and of rows that come and go meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app.errors import Invalid
from app.extensions import db
from app.pages import Listing, query_of
from app.users.models import User

USERS = User.__table__
LISTING = Listing(
    sa.select(USERS.c.id, USERS.c.username),
    key=USERS.c.id,
    sorts={"created_at": USERS.c.created_at, "color": USERS.c.color, "username": USERS.c.username_folded},
    default="-created_at",
)
BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)


def add(number: int) -> None:
    """A user whose time and colour many others share."""
    row = {
        "id": UUID(int=(number * 7919) % 10_007),
        "username": f"Ü{number:03d}" + "é" * 30,
        "username_folded": f"ü{number:03d}" + "é" * 30,
        "email": f"{number}@example.org",
        "email_folded": f"{number}@example.org",
        "password_hash": "",
        "color": f"#00000{number % 3}",
        "created_at": BEGINNING + timedelta(hours=number % 7),
        "settings": {},
    }
    db.session.execute(sa.insert(USERS).values(**row))
    db.session.commit()


@pytest.fixture(autouse=True)
def sixty(app: Flask) -> Iterator[None]:
    with app.app_context():
        for number in range(60):
            add(number)
        yield


def walk(order: str | None, limit: int = 7) -> list[list[Any]]:
    """The ids of each page, to the last."""
    pages, query = [], {"limit": limit, "sort": order}
    while True:
        page = LISTING.page(query)
        pages.append([row.id for row in page.rows])
        if page.next_cursor is None:
            return pages
        query = {"limit": limit, "cursor": page.next_cursor}


@pytest.mark.parametrize(
    "order", [None, "created_at", "-created_at", "color,-created_at", "-color,created_at", "-username", "color,created_at,-username"]
)
def test_the_pages_of_a_list_are_the_whole_list_in_its_order(order: str | None) -> None:
    keys = [
        (USERS.c[{"username": "username_folded"}.get(part.lstrip("-"), part.lstrip("-"))], part.startswith("-"))
        for part in (order or "-created_at").split(",")
    ]
    keys.append((USERS.c.id, keys[-1][1]))
    whole = db.session.execute(sa.select(USERS.c.id).order_by(*(c.desc() if falling else c for c, falling in keys))).scalars().all()
    pages = walk(order)
    assert list(itertools.chain(*pages)) == list(whole)
    assert [len(page) for page in pages] == [7] * 8 + [4]


def test_a_page_goes_on_from_where_it_was_while_rows_come_and_go() -> None:
    whole = list(itertools.chain(*walk("created_at")))
    first = LISTING.page({"limit": 20, "sort": "created_at"})
    for number in range(60, 90):
        add(number)
    db.session.execute(sa.delete(USERS).where(USERS.c.id.in_(whole[15:20])))
    db.session.commit()
    seen, cursor = [row.id for row in first.rows], first.next_cursor
    while cursor:
        page = LISTING.page({"limit": 20, "cursor": cursor})
        seen += [row.id for row in page.rows]
        cursor = page.next_cursor
    assert len(seen) == len(set(seen)), "no row is served twice"
    assert set(whole) <= set(seen), "none that was there is skipped"


def test_numbered_pages_and_the_total_agree_with_the_cursors() -> None:
    third = LISTING.page({"page": 3, "per_page": 7, "include": "total"})
    assert [row.id for row in third.rows] == walk(None)[2]
    assert third.total == 60
    assert LISTING.page({"limit": 7}).total is None
    assert LISTING.page({"page": 100, "per_page": 7}).rows == []


def test_a_list_can_be_narrowed() -> None:
    narrow = LISTING.where(USERS.c.color == sa.bindparam("color"))
    page = narrow.page({"limit": 100, "include": "total"}, {"color": "#000001"})
    assert page.total == len(page.rows) == 20


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: "A" + c, lambda c: c[::-1], lambda c: "é", lambda c: c.partition(".")[0]])
def test_a_cursor_that_was_tampered_with_is_refused_by_name(change: Any) -> None:
    cursor = LISTING.page({"limit": 5}).next_cursor
    with pytest.raises(Invalid) as refused:
        LISTING.page({"cursor": change(cursor)})
    assert list(refused.value.errors or {}) == ["cursor"]


def test_a_cursor_serves_the_order_it_was_made_for() -> None:
    cursor = LISTING.page({"limit": 5, "sort": "color"}).next_cursor
    assert LISTING.page({"cursor": cursor, "sort": "color"}).rows
    with pytest.raises(Invalid):
        LISTING.page({"cursor": cursor, "sort": "-color"})


def test_a_query_knows_only_the_orders_of_its_list() -> None:
    schema = query_of(LISTING)()
    assert schema.load({"sort": "-created_at,color"})["sort"] == "-created_at,color"
    for bad in ("password_hash", "created_at,", "--color", ",".join(["color"] * 5), "color\n", ""):
        assert "sort" in schema.validate({"sort": bad}), bad
    with pytest.raises(Invalid):
        LISTING.page({"sort": "password_hash"})
