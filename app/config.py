"""The one reader of the environment. `.env.example` lists every setting with its default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from click import ClickException

DEVELOPMENT_SECRET = "development-only-secret-change-it-in-production"  # noqa: S105  refused in production
PASSWORD_MEMORY_KIB, PASSWORD_PASSES = 19_456, 2  # of Argon2id with one lane, as the OWASP Password Storage Cheat Sheet has it
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
_ROOT = Path(__file__).resolve().parent.parent
_LARGEST_PORT = 65535
_MAY_BE_ZERO = {"port", "test_port", "trusted_proxies", "document_cache_bytes", "storage_quota_bytes", "render_quota_seconds"}


class ConfigurationError(ClickException):
    """A setting that the service refuses to start with; the message names it, and is all that a command shows."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, read once at start. Names in the environment are the same in capitals."""

    flask_env: str = "development"
    debug: bool = False
    host: str = "127.0.0.1"
    port: int = 10000
    test_port: int = 10001
    secret_key: str = DEVELOPMENT_SECRET
    data_dir: str = str(_ROOT / "instance")
    database_url: str = ""
    redis_url: str = ""
    storage_dir: str = ""
    log_level: str = "info"
    cors_origins: tuple[str, ...] = ()
    public_url: str = ""
    async_mode: str = "threading"
    trusted_proxies: int = 0
    access_token_minutes: int = 15
    refresh_token_days: int = 30
    link_seconds: int = 600
    registration_open: bool = True
    password_memory_kib: int = PASSWORD_MEMORY_KIB
    password_passes: int = PASSWORD_PASSES
    max_body_bytes: int = 1_048_576
    login_limit: str = "10/5 minutes"
    address_limit: str = "100/5 minutes"
    write_limit: str = "120/2 seconds"
    chat_limit: str = "10/2 seconds"
    join_limit: str = "20/2 seconds"
    presence_per_second: int = 30
    presence_burst: int = 60
    connections_per_user: int = 10
    connections_per_universe: int = 50
    universes_per_connection: int = 5
    max_event_bytes: int = 65_536
    fast_fan_out: bool = True
    rate_limits: bool = True
    max_scenes: int = 200
    max_bodies: int = 2000
    max_constraints: int = 2000
    max_voices: int = 200
    max_mappings: int = 200
    max_parameter_sets: int = 200
    max_keyframes: int = 1000
    max_document_bytes: int = 8_388_608
    document_cache_bytes: int = 67_108_864
    pool_size: int = 20
    live_events: int = 50_000
    live_events_beside: int = 5_000
    job_lease_seconds: int = 60
    job_attempts: int = 3
    storage_quota_bytes: int = 2_147_483_648
    render_quota_seconds: int = 36_000
    seed_demo_password: str = ""
    metrics_token: str = ""

    @property
    def production(self) -> bool:
        return self.flask_env == "production"

    @property
    def storage(self) -> Path:
        """Where files are kept."""
        return Path(self.storage_dir or Path(self.data_dir) / "storage")

    @property
    def database(self) -> str:
        """The database URL, with the driver that is installed for PostgreSQL."""
        url = self.database_url or f"sqlite:///{Path(self.data_dir) / 'harmonic.db'}"
        for prefix in ("postgres://", "postgresql://"):
            if url.startswith(prefix):
                return "postgresql+psycopg2://" + url.removeprefix(prefix)
        return url


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings of the environment, `overrides` first. Raises ConfigurationError naming the variable at fault."""
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = {}
    for setting in fields(Settings):
        text = environ.get(setting.name.upper(), "").strip()
        if text:
            given[setting.name] = _read(setting.name.upper(), text, type(setting.default))
    settings = Settings(**{**given, **overrides})
    _check(settings)
    return settings


def flask_config(settings: Settings) -> dict[str, Any]:
    """The settings as Flask and its extensions want them."""
    return {
        "SETTINGS": settings,
        "SECRET_KEY": settings.secret_key,
        "DEBUG": settings.debug,
        "PROPAGATE_EXCEPTIONS": False if settings.debug else None,  # an error is answered in our shape then too
        "MAX_CONTENT_LENGTH": settings.max_body_bytes,
        "SQLALCHEMY_DATABASE_URI": settings.database,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(settings),
        "JWT_SECRET_KEY": settings.secret_key,
        "JWT_ALGORITHM": "HS256",
        "JWT_DECODE_ALGORITHMS": ["HS256"],
        "JWT_ENCODE_ISSUER": "harmonic-universe",
        "JWT_DECODE_ISSUER": "harmonic-universe",
        "JWT_ENCODE_AUDIENCE": "harmonic-universe",
        "JWT_DECODE_AUDIENCE": "harmonic-universe",
        "JWT_ACCESS_TOKEN_EXPIRES": timedelta(minutes=settings.access_token_minutes),
        "JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=settings.refresh_token_days),
        "JWT_TOKEN_LOCATION": ["headers"],
        "API_TITLE": "Harmonic Universe",
        "API_VERSION": "v1",
        "OPENAPI_VERSION": "3.1.0",
    }


def _engine_options(settings: Settings) -> dict[str, Any]:
    if settings.database.startswith("sqlite"):
        return {"connect_args": {"timeout": 2, "check_same_thread": False}, "pool_size": settings.pool_size, "pool_timeout": 10}
    return {
        "pool_size": settings.pool_size,
        "max_overflow": 10,
        "pool_timeout": 10,
        "pool_recycle": 1800,
        "isolation_level": "AUTOCOMMIT",  # for reads: one round trip a statement; a unit of work asks for a transaction
        "connect_args": {"options": "-c statement_timeout=10000 -c lock_timeout=3000 -c timezone=UTC", "connect_timeout": 5},
    }


def _read(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in ("1", "0", "true", "false", "yes", "no", "on", "off"):
            raise ConfigurationError(f"{name} must be true or false, not {text!r}.")
        return text.lower() in ("1", "true", "yes", "on")
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise ConfigurationError(f"{name} must be a whole number, not {text!r}.") from None
    if kind is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _check(settings: Settings) -> None:
    if settings.flask_env not in ("development", "testing", "production"):
        raise ConfigurationError("FLASK_ENV must be development, testing or production.")
    if settings.async_mode not in ("eventlet", "threading"):
        raise ConfigurationError("ASYNC_MODE must be eventlet or threading.")
    if settings.log_level.lower() not in LOG_LEVELS:
        raise ConfigurationError(f"LOG_LEVEL must be {', '.join(LOG_LEVELS[:-1])} or {LOG_LEVELS[-1]}.")
    if not settings.database.startswith(("postgresql+psycopg2://", "sqlite://")):
        raise ConfigurationError("DATABASE_URL must begin with postgresql:// or sqlite://.")
    if settings.redis_url and not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        raise ConfigurationError("REDIS_URL must begin with redis://, rediss:// or unix://.")
    _check_numbers(settings)
    for name, folder in (("DATA_DIR", Path(settings.data_dir)), ("STORAGE_DIR" if settings.storage_dir else "DATA_DIR", settings.storage)):
        _check_folder(name, folder.absolute())
    if settings.production:
        _check_safety(settings)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises ConfigurationError when the system refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"DATA_DIR or STORAGE_DIR: {folder} cannot be made: {error.strerror}.") from None


def _check_folder(name: str, folder: Path) -> None:
    """Raises ConfigurationError for a folder that is none, or that is missing and cannot be made."""
    nearest = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    if not nearest.is_dir():
        raise ConfigurationError(f"{name}: {folder} cannot be a folder, for {nearest} is a file.")
    if nearest != folder and not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{name}: {folder} is missing and cannot be made, for {nearest} cannot be written.")


def _check_numbers(settings: Settings) -> None:
    for setting in fields(settings):
        value, lowest = getattr(settings, setting.name), int(setting.name not in _MAY_BE_ZERO)
        if type(value) is int and value < lowest:
            raise ConfigurationError(f"{setting.name.upper()} must be at least {lowest}, not {value}.")
    for name in ("port", "test_port"):
        if getattr(settings, name) > _LARGEST_PORT:
            raise ConfigurationError(f"{name.upper()} must be at most {_LARGEST_PORT}.")


def _check_safety(settings: Settings) -> None:
    if settings.secret_key == DEVELOPMENT_SECRET or len(settings.secret_key) < 32:
        raise ConfigurationError("SECRET_KEY must be set in production, to at least 32 random characters.")
    if len(set(settings.secret_key)) < 10:
        raise ConfigurationError("SECRET_KEY is too regular to be random; `openssl rand -hex 32` makes a good one.")
    if settings.debug:
        raise ConfigurationError("DEBUG must be off in production.")
    for name, least in (("password_memory_kib", PASSWORD_MEMORY_KIB), ("password_passes", PASSWORD_PASSES)):
        if getattr(settings, name) < least:
            raise ConfigurationError(f"{name.upper()} must be at least {least} in production.")
    if any("*" in origin for origin in settings.cors_origins):
        raise ConfigurationError("CORS_ORIGINS must name origins in production; a wildcard is refused.")
