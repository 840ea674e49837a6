"""Every family of errors has one shape, in a response and in an acknowledgement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from app import create_app, errors
from app.engine.errors import EngineError, OutOfRange

FAMILIES = sorted(
    {errors.Problem, *errors.Problem.__subclasses__(), *errors.Busy.__subclasses__()}, key=lambda family: (family.status_code, family.code)
)
RAISED: list[tuple[BaseException, int, str]] = [
    *((family(), family.status_code, family.code) for family in FAMILIES),
    (ValidationError({"name": ["Too long."]}), 422, "VALIDATION_ERROR"),
    (OutOfRange("Must be in the range 0 to 1.", "restitution"), 422, "VALIDATION_ERROR"),
    (EngineError("No such solver."), 422, "VALIDATION_ERROR"),
    (MethodNotAllowed(["GET"]), 405, "METHOD_NOT_ALLOWED"),
    (NotFound(), 404, "NOT_FOUND"),
]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """An application that raises what it is asked to raise."""
    return _broken(tmp_path_factory.mktemp("broken"))


def _broken(folder: Path, **settings: Any) -> Flask:
    app = create_app({}, data_dir=str(folder), log_level="critical", **settings)

    @app.get("/raise/<int:number>")
    def fail(number: int) -> str:
        if number == len(RAISED):
            raise ZeroDivisionError("a secret inside")
        raise RAISED[number][0]

    return app


@pytest.mark.parametrize("number", range(len(RAISED)), ids=[f"{code}-{type(error).__name__}" for error, _, code in RAISED])
def test_an_error_has_one_shape_in_a_response_and_in_an_acknowledgement(broken: Flask, number: int) -> None:
    error, status, code = RAISED[number]
    answer = broken.test_client().get(f"/raise/{number}", headers={"X-Request-Id": "seven"})
    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    assert {"status_code": status, "code": code, "request_id": "seven"}.items() <= answer.json.items()
    assert answer.json["message"]
    with broken.app_context():
        acknowledged = errors.acknowledgement(error)
    assert acknowledged["ok"] is False
    assert {**acknowledged["error"], "request_id": "seven"} == answer.json


@pytest.mark.parametrize("number", range(len(RAISED)))
def test_an_error_can_be_had_as_rfc_9457_says(broken: Flask, number: int) -> None:
    answer = broken.test_client().get(f"/raise/{number}", headers={"Accept": "application/problem+json"})
    assert answer.mimetype == "application/problem+json"
    assert (answer.json["status"], answer.json["type"]) == (RAISED[number][1], f"/errors/{RAISED[number][2]}")
    assert answer.json["instance"] == f"/raise/{number}"


def test_what_must_be_waited_for_says_how_long_in_whole_seconds(broken: Flask) -> None:
    busy = next(number for number, (error, _, _) in enumerate(RAISED) if type(error) is errors.Busy)
    answer = broken.test_client().get(f"/raise/{busy}")
    assert (answer.headers["Retry-After"], answer.json["retry_after"]) == ("1", 1)


def test_the_methods_that_are_allowed_are_named(broken: Flask) -> None:
    number = next(number for number, (error, _, _) in enumerate(RAISED) if isinstance(error, HTTPException) and error.code == 405)
    assert broken.test_client().get(f"/raise/{number}").headers["Allow"] == "GET"


def test_what_nobody_foresaw_is_told_without_its_insides(broken: Flask) -> None:
    answer = broken.test_client().get(f"/raise/{len(RAISED)}")
    assert (answer.status_code, answer.json["code"]) == (500, "INTERNAL")
    assert "secret" not in answer.text


def test_the_insides_are_shown_while_debug_is_on(tmp_path: Path) -> None:
    answer = _broken(tmp_path, debug=True).test_client().get(f"/raise/{len(RAISED)}")
    assert (answer.status_code, answer.json["detail"]) == (500, "ZeroDivisionError: a secret inside")


def test_a_damaged_database_file_is_unavailable_and_no_fault_of_the_request(tmp_path: Path) -> None:
    (tmp_path / "harmonic.db").write_bytes(b"no database" * 2000)
    answer = create_app({}, data_dir=str(tmp_path), log_level="critical").test_client().get("/api/universes")
    assert (answer.status_code, answer.json["code"]) == (503, "DB_UNAVAILABLE")
