"""Operator commands: `python manage.py x` is `flask x`."""

from __future__ import annotations

from flask.cli import FlaskGroup

from app import create_app

cli = FlaskGroup(create_app=create_app, name="manage.py")

if __name__ == "__main__":
    cli()
