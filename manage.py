"""Operator commands: `python manage.py x` is `flask x`."""

from __future__ import annotations

from flask import Flask
from flask.cli import FlaskGroup

from app import create_app


def application() -> Flask:
    """The application as commands need it: on plain threads, whatever the server runs on."""
    return create_app(async_mode="threading")


cli = FlaskGroup(create_app=application)

if __name__ == "__main__":
    cli()
