"""Whether the database has the schema that the models describe.

The models are made once more in an empty place of the same kind of database, and the two are read back with the same
eyes: what one database makes of a type or a condition need not be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, MetaData, create_engine, inspect
from sqlalchemy.engine.interfaces import ReflectedForeignKeyConstraint
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateSchema

Facts = dict[str, str]
_POSTGRESQL_TRIGGERS = """
SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid) || ' ' || p.prosrc
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND n.nspname = COALESCE(%(schema)s, current_schema())
"""
_OURS_ALONE = {"alembic_version"}  # kept by the migrations, described by no model


def drift(engine: Engine, metadata: MetaData) -> list[str]:
    """One sentence for each difference, naming the table and what of it differs; none when the schemas agree."""
    with engine.connect() as connection, _made_from(metadata, engine) as model:
        return differences(facts_of(connection, None), facts_of(*model))


def differences(found: Facts, expected: Facts) -> list[str]:
    """What is missing, not as expected, or too much."""
    sentences: list[str] = []
    for name in sorted({*found, *expected}):
        if name not in found:
            sentences.append(f"{name} is missing: {expected[name]}")
        elif name not in expected:
            sentences.append(f"{name} is not in the models: {found[name]}")
        elif found[name] != expected[name]:
            sentences.append(f"{name} is {found[name]}, the models say {expected[name]}")
    return _without_parts_of_whole_tables(sentences, {*found} ^ {*expected})


def facts_of(connection: Connection, schema: str | None) -> Facts:
    """Every table, column, constraint, index and trigger of a schema, each with its text."""
    inspector = inspect(connection)
    facts: Facts = {}
    for table in inspector.get_table_names(schema):
        if table in _OURS_ALONE:
            continue
        facts[table] = "a table"
        facts.update(_columns(connection, inspector.get_columns(table, schema), table))
        facts.update(_keys(inspector, table, schema))
        facts.update(_conditions(inspector, table, schema))
    facts.update(_triggers(connection, schema))
    return facts


@contextmanager
def _made_from(metadata: MetaData, engine: Engine) -> Iterator[tuple[Connection, str | None]]:
    """A connection to an empty place in which the models have been made, and the name of that place; it leaves no trace."""
    if engine.dialect.name == "sqlite":
        memory = create_engine("sqlite://", poolclass=StaticPool)
        with memory.begin() as connection:
            metadata.create_all(connection)
            yield connection, None
        memory.dispose()
        return
    name = f"verify_{uuid4().hex[:12]}"
    with engine.connect().execution_options(write=True) as connection, connection.begin() as transaction:
        connection.execute(CreateSchema(name))
        connection.exec_driver_sql(f"SET LOCAL search_path TO {name}")
        metadata.create_all(connection)
        yield connection, name
        transaction.rollback()


def _columns(connection: Connection, columns: Iterable[Any], table: str) -> Facts:
    def text(column: Any) -> str:
        kind = column["type"].compile(connection.dialect)
        default = f" DEFAULT {column['default']}" if column.get("default") is not None else ""
        return f"{kind}{'' if column['nullable'] else ' NOT NULL'}{default}"

    return {f"{table}.{column['name']}": text(column) for column in columns}


def _keys(inspector: Any, table: str, schema: str | None) -> Facts:
    primary = inspector.get_pk_constraint(table, schema)
    facts = {f"{table}: primary key": ", ".join(primary["constrained_columns"])}
    for key in inspector.get_foreign_keys(table, schema):
        facts[f"{table}: foreign key {_name(key)}"] = _foreign(key)
    for unique in inspector.get_unique_constraints(table, schema):
        facts[f"{table}: unique constraint {_name(unique)}"] = f"({', '.join(unique['column_names'])})"
    return facts


def _foreign(key: ReflectedForeignKeyConstraint) -> str:
    options = "".join(f" {name.upper()} {value}" for name, value in sorted(key.get("options", {}).items()))
    return f"({', '.join(key['constrained_columns'])}) to {key['referred_table']} ({', '.join(key['referred_columns'])}){options}"


def _conditions(inspector: Any, table: str, schema: str | None) -> Facts:
    facts = {
        f"{table}: check {_name(check)}": " ".join(check["sqltext"].split()) for check in inspector.get_check_constraints(table, schema)
    }
    for index in inspector.get_indexes(table, schema):
        if index.get("duplicates_constraint"):
            continue
        options = {key: str(value) for key, value in index.get("dialect_options", {}).items() if str(value) not in ("None", "[]")}
        columns = ", ".join(column or "an expression" for column in index["column_names"])
        facts[f"{table}: index {index['name']}"] = f"{'unique ' if index['unique'] else ''}({columns}){f' {options}' if options else ''}"
    return facts


def _triggers(connection: Connection, schema: str | None) -> Facts:
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'")
    else:
        rows = connection.exec_driver_sql(_POSTGRESQL_TRIGGERS, {"schema": schema})
    return {f"{table}: trigger {name}": " ".join(_without_schema(text).split()) for table, name, text in rows}


def _without_schema(text: str) -> str:
    return re.sub(r"\b(ON|FUNCTION) \w+\.", r"\1 ", text)


def _name(thing: Any) -> str:
    return thing.get("name") or f"on {', '.join(thing.get('constrained_columns') or thing.get('column_names') or ['an expression'])}"


def _without_parts_of_whole_tables(sentences: list[str], one_sided: set[str]) -> list[str]:
    """A table that is missing as a whole is said once, not once for each of its columns."""
    whole = {name for name in one_sided if not re.search(r"[.:]", name)}
    return [sentence for sentence in sentences if not any(re.match(rf"{re.escape(table)}[.:]", sentence) for table in whole)]
