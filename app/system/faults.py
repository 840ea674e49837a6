"""What an error of the database says of the database itself."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNDEFINED = ("42P01", "42703")  # a table, a column
_UNDEFINED_IN_WORDS = ("no such table", "no such column", "has no column named")  # all that SQLite says


def lacks_tables(error: DBAPIError) -> bool:
    """Whether a table or column is missing that the release expects."""
    code = getattr(error.orig, "pgcode", None)
    return code in _UNDEFINED or (code is None and any(words in str(error.orig) for words in _UNDEFINED_IN_WORDS))


def is_damaged(error: DBAPIError) -> bool:
    """Whether SQLite cannot read its file."""
    return getattr(error.orig, "sqlite_errorcode", None) in _DAMAGED
