"""Every fault of a token is a 401 of our own shape."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import jwt_required

from app.access import ANONYMOUS
from app.auth import tokens
from app.auth.tokens import actor_of, claims_of, current_actor, guard
from app.config import DEVELOPMENT_SECRET
from app.errors import TokenExpired, TokenInvalid, TokenRevoked
from app.extensions import db
from app.users.models import User

REQUIRED = ("exp", "iat", "jti", "sub", "iss", "aud", "type", "sid")


@pytest.fixture
def ada(person: Any) -> Any:
    return person("ada")


def claims(ada: Any) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(ada.token, options={"verify_signature": False})
    return found


def sign(content: dict[str, Any], secret: str = DEVELOPMENT_SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(content, secret, algorithm)


def asking(client: FlaskClient, header: str | None) -> Any:
    return client.get("/api/auth/me", headers={"Authorization": header} if header is not None else {})


def refused(client: FlaskClient, token: str, code: str = "TOKEN_INVALID") -> None:
    answer = asking(client, f"Bearer {token}")
    assert answer.status_code == 401, answer.text
    assert answer.json["code"] == code
    assert set(answer.json) == {"status_code", "code", "message", "request_id"}
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_carries_every_claim_and_a_fixed_algorithm(ada: Any, client: FlaskClient) -> None:
    assert set(REQUIRED) <= set(claims(ada))
    assert jwt.get_unverified_header(ada.token)["alg"] == "HS256"
    assert asking(client, f"Bearer {sign(claims(ada))}").status_code == 200, "what the faults below begin from is good"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Token abc", "Bearer a.b.c", "Bearer a b", "Bearer \xff", "Bearer null"]
)
def test_a_request_without_a_readable_token_is_refused(client: FlaskClient, header: str | None) -> None:
    answer = asking(client, header)
    assert (answer.status_code, answer.json["code"]) == (401, "TOKEN_INVALID")


def test_a_changed_token_is_refused(ada: Any, client: FlaskClient) -> None:
    head, body, signature = ada.token.split(".")
    changed = base64.urlsafe_b64encode(json.dumps({**claims(ada), "sub": str(uuid4())}).encode()).decode().rstrip("=")
    refused(client, f"{head}.{changed}.{signature}")
    flipped = ("A" if signature[5] != "A" else "B").join((signature[:5], signature[6:]))
    refused(client, f"{head}.{body}.{flipped}")
    refused(client, f"{head}.{body}.")
    refused(client, f"{head}.{body}")


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_even_with_our_secret(ada: Any, client: FlaskClient, algorithm: str) -> None:
    refused(client, sign(claims(ada), DEVELOPMENT_SECRET, algorithm))


@pytest.mark.parametrize("name", ["none", "None", "NONE"])
def test_a_token_without_a_signature_is_refused(ada: Any, client: FlaskClient, name: str) -> None:
    head = base64.urlsafe_b64encode(json.dumps({"alg": name, "typ": "JWT"}).encode()).decode().rstrip("=")
    refused(client, f"{head}.{ada.token.split('.')[1]}.")


def test_another_secret_is_refused(ada: Any, client: FlaskClient) -> None:
    refused(client, sign(claims(ada), "another secret of thirty-two bytes"))


@pytest.mark.parametrize("claim", REQUIRED)
def test_a_token_that_lacks_a_claim_is_refused(ada: Any, client: FlaskClient, claim: str) -> None:
    refused(client, sign({name: value for name, value in claims(ada).items() if name != claim}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "somebody-else"),
        ("aud", "somebody-else"),
        ("type", "refresh"),
        ("type", "reset"),
        ("type", None),
        ("sub", "ada"),
        ("sub", 7),
        ("jti", "x"),
        ("sid", "x"),
        ("sid", ["x"]),
        ("exp", "tomorrow"),
        ("iat", 32503680000),
        ("nbf", 32503680000),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(ada: Any, client: FlaskClient, claim: str, value: Any) -> None:
    refused(client, sign({**claims(ada), claim: value}))


def test_an_expired_token_is_refused(ada: Any, client: FlaskClient) -> None:
    refused(client, sign({**claims(ada), "exp": int(time.time()) - 1}), "TOKEN_EXPIRED")


def test_a_token_that_was_good_expires_all_the_same(app: Flask, ada: Any, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asking(client, f"Bearer {ada.token}").status_code == 200
    ends = claims(ada)["exp"]
    monkeypatch.setattr(tokens.time, "time", lambda: ends - 0.001)
    with app.app_context():
        assert claims_of(ada.token).expires == ends
        monkeypatch.setattr(tokens.time, "time", lambda: ends)
        with pytest.raises(TokenExpired):
            claims_of(ada.token)


def test_a_token_of_another_persons_session_is_refused(ada: Any, person: Any, client: FlaskClient) -> None:
    refused(client, sign({**claims(ada), "sub": person("bob").id}), "TOKEN_REVOKED")
    refused(client, sign({**claims(ada), "sid": str(uuid4())}), "TOKEN_REVOKED")


def test_a_disabled_user_is_out_at_once(app: Flask, ada: Any, client: FlaskClient) -> None:
    with app.app_context():
        db.session.execute(sa.update(User).values(is_active=False))
        db.session.commit()
    refused(client, ada.token, "TOKEN_REVOKED")
    assert client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token}).json["code"] == "TOKEN_REVOKED"


def test_a_deleted_users_token_is_refused(app: Flask, ada: Any, client: FlaskClient) -> None:
    with app.app_context():
        db.session.execute(sa.delete(User))
        db.session.commit()
    refused(client, ada.token, "TOKEN_REVOKED")


def test_tokens_are_not_read_from_the_query_or_a_cookie(ada: Any, client: FlaskClient) -> None:
    assert client.get(f"/api/auth/me?access_token={ada.token}&jwt={ada.token}").status_code == 401
    client.set_cookie("access_token_cookie", ada.token)
    assert client.get("/api/auth/me").status_code == 401


def test_an_optional_guard_lets_anonymous_in_but_no_bad_token(client: FlaskClient, ada: Any) -> None:
    path = f"/api/users/{ada.id}"
    assert client.get(path).status_code == 200
    assert client.get(path, headers={"Authorization": f"Bearer {ada.token}"}).status_code == 200
    for header in ("Bearer x", "Basic YTpi", "Bearer " + sign({**claims(ada), "exp": 1})):
        assert client.get(path, headers={"Authorization": header}).status_code == 401


def test_sockets_learn_the_same_from_a_token(app: Flask, ada: Any) -> None:
    with app.app_context():
        actor = actor_of(ada.token)
        assert (str(actor.id), actor.admin) == (ada.id, False)
        assert str(actor.session_id) == claims(ada)["sid"]
        for nothing in (None, 7, {"token": ada.token}, "", b"x"):
            with pytest.raises(TokenInvalid):
                actor_of(nothing)
    ada.post("/auth/logout")
    with app.app_context(), pytest.raises(TokenRevoked):
        actor_of(ada.token)


def test_a_guard_says_who_asks_and_describes_itself(app_with: Any) -> None:
    app = app_with()

    @guard(optional=True)
    def view() -> Any:
        return {"anonymous": current_actor() == ANONYMOUS}

    app.add_url_rule("/view", view_func=view)
    assert app.test_client().get("/view").json == {"anonymous": True}
    paths = app.test_client().get("/api/openapi.json").json["paths"]
    assert paths["/api/auth/me"]["get"]["security"] == [{"bearer": []}]
    assert paths["/api/auth/login"]["post"]["security"] == []
    assert paths["/api/users/{name}"]["get"]["security"] == [{"bearer": []}, {}]


def test_the_librarys_own_decorator_answers_in_our_shape(app_with: Any) -> None:
    app = app_with()
    app.add_url_rule("/theirs", view_func=jwt_required()(lambda: "in"))
    client = app.test_client()
    expired = sign({"sub": "x", "type": "access", "iss": "harmonic-universe", "aud": "harmonic-universe", "jti": "x", "exp": 1})
    for header, code in (
        ({}, "TOKEN_INVALID"),
        ({"Authorization": "Bearer x.y.z"}, "TOKEN_INVALID"),
        ({"Authorization": f"Bearer {expired}"}, "TOKEN_EXPIRED"),
    ):
        answer = client.get("/theirs", headers=header)
        assert (answer.status_code, answer.json["code"]) == (401, code)
