"""The settings: read once, checked, and listed where people look for them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from app.config import ConfigurationError, Settings, load

ROOT = Path(__file__).resolve().parent.parent
SAFE = {"FLASK_ENV": "production", "SECRET_KEY": "0f3b8c1d5e7a9246b8d0c2e4f6a81b3d"}
_PLACE = {"DATA_DIR", "ASYNC_MODE"}  # their defaults are this machine's folder, and the server's own kind


def test_every_setting_is_listed_with_its_default() -> None:
    listed = dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(listed) == {setting.name.upper() for setting in fields(Settings)}
    read = load(listed)
    for setting in fields(Settings):
        if setting.name.upper() not in _PLACE:
            assert getattr(read, setting.name) == setting.default, setting.name


def test_the_readme_explains_every_setting() -> None:
    explained = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert explained == {setting.name.upper() for setting in fields(Settings)}


def test_safe_settings_start_production() -> None:
    assert load(SAFE).production


@pytest.mark.parametrize(
    ("unsafe", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY must be set"),
        ({"SECRET_KEY": Settings().secret_key}, "SECRET_KEY must be set"),
        ({"SECRET_KEY": "0f3b8c1d5e7a9246b8d0c2e4f6a81b3"}, "at least 32"),
        ({"SECRET_KEY": "secret" * 6}, "SECRET_KEY is too regular"),
        ({"DEBUG": "true"}, "DEBUG must be off"),
        ({"PASSWORD_MEMORY_KIB": "8192"}, "PASSWORD_MEMORY_KIB must be at least 19456"),
        ({"PASSWORD_PASSES": "1"}, "PASSWORD_PASSES must be at least 2"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS must name origins"),
        ({"CORS_ORIGINS": "https://a.example, https://*.b.example"}, "CORS_ORIGINS must name origins"),
    ],
)
def test_production_refuses_unsafe_settings(unsafe: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load({**SAFE, **unsafe})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"PORT": "ten"}, "PORT must be a whole number, not 'ten'"),
        ({"DEBUG": "perhaps"}, "DEBUG must be true or false"),
        ({"FLASK_ENV": "staging"}, "FLASK_ENV must be development, testing or production"),
        ({"ASYNC_MODE": "gevent"}, "ASYNC_MODE must be eventlet or threading"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be debug, info, warning, error or critical"),
        ({"DATABASE_URL": "mysql://127.0.0.1/universes"}, "DATABASE_URL must begin with postgresql:// or sqlite://"),
        ({"DATABASE_URL": "universes"}, "DATABASE_URL must begin with postgresql:// or sqlite://"),
        ({"PORT": "65536"}, "PORT must be at most 65535"),
        ({"ACCESS_TOKEN_MINUTES": "0"}, "ACCESS_TOKEN_MINUTES must be at least 1"),
        ({"MAX_BODY_BYTES": "-1"}, "MAX_BODY_BYTES must be at least 1"),
        ({"TRUSTED_PROXIES": "-1"}, "TRUSTED_PROXIES must be at least 0"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load(wrong)


@pytest.mark.parametrize("url", ["postgres://u:p@h/d", "postgresql://u:p@h/d"])
def test_postgresql_is_spoken_to_through_the_installed_driver(url: str) -> None:
    assert load({"DATABASE_URL": url}).database == "postgresql+psycopg2://u:p@h/d"


def test_data_lies_together_unless_told_otherwise(tmp_path: Path) -> None:
    settings = load({"DATA_DIR": str(tmp_path)})
    assert settings.database == f"sqlite:///{tmp_path / 'harmonic.db'}"
    assert settings.storage == tmp_path / "storage"
    assert load({"DATA_DIR": str(tmp_path), "STORAGE_DIR": "/srv/files"}).storage == Path("/srv/files")


def test_lists_are_separated_by_commas() -> None:
    assert load({"CORS_ORIGINS": " https://a.example ,https://b.example,"}).cors_origins == ("https://a.example", "https://b.example")
