"""`flask users ...`: accounts, from the operator's side. Each is safe to run twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from flask.cli import with_appcontext
from marshmallow import ValidationError

from app.audit.service import record
from app.auth import passwords
from app.auth import service as auth
from app.auth.schemas import RegistrationSchema
from app.errors import Invalid, NotFound, Problem, problem_of
from app.unit_of_work import unit_of_work
from app.users import service


@click.group()
def users() -> None:
    """Make accounts, and look after them."""


def _command(work: Callable[..., None]) -> Callable[..., None]:
    """A command in an application context; what goes wrong is said on standard error, with exit code 1."""

    @with_appcontext
    @wraps(work)
    def told(*args: Any, **kwargs: Any) -> None:
        try:
            work(*args, **kwargs)
        except (Problem, ValidationError) as error:
            problem = problem_of(error)
            faults = "; ".join(f"{name}: {' '.join(map(str, said))}" for name, said in (problem.errors or {}).items())
            raise click.ClickException(faults or problem.message) from None

    return told


@users.command()
@click.argument("username")
@click.argument("email")
@click.password_option(help="Asked for when it is not given.")
@click.option("--admin", is_flag=True, help="Make an administrator.")
@_command
def create(username: str, email: str, password: str, admin: bool) -> None:
    """Make an account, also when registration is closed. One that exists already stays as it is."""
    fields = RegistrationSchema().load({"username": username, "email": email, "password": password})
    passwords.refuse_weak(password, username, email)
    if _exists(fields["username"], fields["email"]):
        click.echo(f"{username} exists.")
        return
    password_hash = passwords.hashed(password)
    with unit_of_work() as session:
        user = service.add(session, fields["username"], fields["email"], password_hash, "admin" if admin else "user")
        record("users.create", f"users/{user.id}")
    click.echo(f"Made {user.username} ({user.id}).")


@users.command()
@click.argument("user")
@click.option("--to", "role", type=click.Choice(["admin", "user"]), default="admin", show_default=True)
@_command
def promote(user: str, role: str) -> None:
    """Make somebody an administrator, or a plain user again."""
    found = service.find(user)
    with unit_of_work() as session:
        service.set_flags(session, found.id, role=role)
        record("users.promote" if role == "admin" else "users.demote", f"users/{found.id}")
    click.echo(f"{user} is {role}.")


@users.command()
@click.argument("user")
@_command
def disable(user: str) -> None:
    """Lock somebody out: no login, and their tokens are void at once."""
    found = service.find(user)
    with unit_of_work() as session:
        service.set_flags(session, found.id, is_active=False)
        ended = auth.revoke(session, found.id)
        record("users.disable", f"users/{found.id}")
    click.echo(f"{user} is disabled; {ended} sessions ended.")


@users.command()
@click.argument("user")
@_command
def enable(user: str) -> None:
    """Let somebody in again."""
    found = service.find(user)
    with unit_of_work() as session:
        service.set_flags(session, found.id, is_active=True)
        record("users.enable", f"users/{found.id}")
    click.echo(f"{user} is enabled.")


@users.command("reset-password")
@click.argument("user")
@click.password_option(help="Asked for when it is not given.")
@_command
def reset_password(user: str, password: str) -> None:
    """Give somebody a new password; all their sessions end."""
    found = service.find(user)
    try:
        passwords.check_length(password)
    except ValidationError as error:
        raise Invalid(errors={"password": error.messages}) from None
    passwords.refuse_weak(password, found.username, found.email)
    password_hash = passwords.hashed(password)
    with unit_of_work() as session:
        auth.set_password(session, found.id, password_hash)
        record("users.reset_password", f"users/{found.id}")
    click.echo(f"{user} has a new password.")


@users.command("revoke-tokens")
@click.argument("user")
@_command
def revoke_tokens(user: str) -> None:
    """End all sessions of somebody."""
    found = service.find(user)
    with unit_of_work() as session:
        ended = auth.revoke(session, found.id)
        record("users.revoke_tokens", f"users/{found.id}")
    click.echo(f"{ended} sessions ended.")


def _exists(username: str, email: str) -> bool:
    """Whether this very account is there; a name or address alone may be somebody else's."""
    try:
        found = service.find(username)
    except NotFound:
        return False
    return found.email_folded == email.casefold()
