"""Passwords: Argon2id, and which ones are refused."""

from __future__ import annotations

import secrets
import unicodedata
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app
from marshmallow import ValidationError

from app.config import Settings
from app.errors import Invalid
from app.extensions import offload

SHORTEST, LONGEST = 8, 128


def hashed(password: str) -> str:
    """The hash to store."""
    return offload(_hasher()[0].hash, _normal(password))


def matches(stored: str | None, password: str) -> bool:
    """Whether a password is the one of a stored hash. None, for nobody, takes as long to say no."""
    hasher, nobody = _hasher()
    right = offload(_verify, hasher, stored or nobody, _normal(password))
    return right and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _hasher()[0].check_needs_rehash(stored)


def refuse_weak(password: str, *names: str, field: str = "password") -> None:
    """Raises Invalid for a password that everybody tries first: a common one, or the person's own name or address."""
    folded = _normal(password).casefold()
    if folded in _common():
        raise Invalid(errors={field: ["This is one of the most common passwords; choose another."]})
    own = {part.casefold() for name in names for part in (name, name.partition("@")[0])}
    if folded in own:
        raise Invalid(errors={field: ["Must not be your name or e-mail address."]})


def check_length(password: str) -> None:
    """Raises ValidationError unless a password is 8 to 128 characters long, and text."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValidationError(f"Must be {SHORTEST} to {LONGEST} characters long.")
    if "\0" in password:
        raise ValidationError("Must not contain control characters such as NUL.")


def _hasher() -> tuple[PasswordHasher, str]:
    """The hasher of the settings, and a hash of its that no password has."""
    settings: Settings = current_app.config["SETTINGS"]
    return _hasher_of(settings.password_memory_kib, settings.password_passes)


@cache
def _hasher_of(memory_kib: int, passes: int) -> tuple[PasswordHasher, str]:
    hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
    return hasher, hasher.hash(secrets.token_hex())


def _verify(hasher: PasswordHasher, stored: str, password: str) -> bool:
    try:
        return hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    """One spelling of the same characters, whatever keyboard wrote them (NIST SP 800-63B, section 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


@cache
def _common() -> frozenset[str]:
    lines = (Path(__file__).parent / "common_passwords.txt").read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
